; A multiboot kernel for several processors: starts them by INIT and SIPI, lets them count under locks, interrupt each
; other in every way, change each other's code, take a device's interrupts, and switch to x2APIC mode and TSC-deadline
; timers where CPUID has them. Ends with the byte 20h at the exit port F4h, or 1 and a word on COM1. The number of
; processors is CMOS 5Fh + 1. Assemble with `nasm -f bin`.
;
; SDM 3A 9.4 (start-up), 11.6 (interprocessor interrupts), 11.12 (x2APIC), 9.1.3 (cross-modifying code); Multiboot
; specification 0.6.96, 3.1.

bits 32
org 0x100000

LAPIC       equ 0xFEE00000
IOAPIC      equ 0xFEC00000
ROUNDS      equ 3000
MAX         equ 64
TRAMPOLINE  equ 0x8000

FLAGS equ (1 << 16) | 3
        align 4
header: dd 0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)
        dd header, 0x100000, image_end, bss_end, start

%macro icr 2                            ; destination in the high half (already shifted), command
        mov     dword [LAPIC + 0x310], %1
        mov     dword [LAPIC + 0x300], %2
%endmacro

%macro await 2                          ; vector, value: until so many have come
%%again:
        pause
        mov     eax, [counts + 4 * (%1)]
        cmp     eax, %2
        jne     %%again
%endmacro

start:  mov     esp, stack_top
        cli
        mov     al, 0xFF                ; nothing from the 8259s
        out     0x21, al
        out     0xA1, al
        mov     al, 0x5F
        out     0x70, al
        in      al, 0x71
        movzx   eax, al
        mov     [others], eax
        inc     eax
        mov     [processors], eax
        lgdt    [gdt_pointer]
        jmp     8:.flat
.flat:  call    load_segments
        call    build_idt
        lidt    [idt_pointer]
        xor     ebx, ebx                ; EBX: this processor's number, in all that follows
        call    set_up_apic
        mov     esi, trampoline
        mov     edi, TRAMPOLINE
        mov     ecx, trampoline_end - trampoline
        rep movsb
        mov     dword [LAPIC + 0x300], 0xC4500  ; INIT to all others
        call    delay
        mov     dword [LAPIC + 0x300], 0xC4600 | TRAMPOLINE >> 12
        call    delay
        mov     dword [LAPIC + 0x300], 0xC4600 | TRAMPOLINE >> 12 ; the second one finds nobody waiting
.wait:  pause
        mov     eax, [alive]
        cmp     eax, [others]
        jne     .wait

        mov     eax, 1                  ; locks
        call    run_phase
        mov     eax, [processors]
        imul    eax, ROUNDS
        cmp     eax, [locked_count]
        mov     esi, text_locked
        jne     failed
        cmp     eax, [guarded_count]
        mov     esi, text_guarded
        jne     failed

        mov     eax, 2                  ; interprocessor interrupts
        call    run_phase
        cmp     dword [counts + 4 * 0x44], 1 ; of lowest priority: one took it
        mov     esi, text_lowest
        jne     failed

        mov     ebp, 40                 ; code that another processor has changed
.patch: mov     [expected], ebp
        xor     edx, edx
        mov     eax, ebp
        div     dword [processors]
        mov     [writer], edx
        mov     eax, 3
        call    run_phase
        mov     eax, 4
        call    run_phase
        dec     ebp
        jnz     .patch
        mov     eax, 5
        call    run_phase
        mov     eax, 6                  ; a device's interrupts
        call    run_phase

        mov     eax, 1
        cpuid
        mov     [features], ecx
        test    ecx, 1 << 21
        jz      .done
        mov     eax, 7
        call    run_phase
        mov     dword [extended], 1
        mov     dword [release], 0
        mov     eax, 8
        call    run_phase
        test    dword [features], 1 << 24
        jz      .done
        mov     eax, 9
        call    run_phase
.done:  mov     esi, text_done
        call    print
        mov     al, 0x20
        out     0xF4, al
        jmp     stop

failed: call    print
        mov     al, 1
        out     0xF4, al
stop:   cli
        hlt
        jmp     stop

; EAX: number of the phase. Everyone does it; returns when all have.
run_phase:
        mov     dword [arrived], 0
        push    ebp
        mov     [phase], eax
        xor     ebx, ebx
        call    [phases + 4 * eax]
.wait:  pause
        mov     eax, [arrived]
        cmp     eax, [others]
        jne     .wait
        pop     ebp
        ret

ap_main:
        call    load_segments
        mov     eax, 1
        lock xadd [next_number], eax
        mov     ebx, eax
        shl     eax, 10
        lea     esp, [stacks + eax + 1024]
        lidt    [idt_pointer]
        call    set_up_apic
        lock inc dword [alive]
        xor     edi, edi
.loop:  pause
        mov     eax, [phase]
        cmp     eax, edi
        je      .loop
        mov     edi, eax
        push    edi
        call    [phases + 4 * eax]
        pop     edi
        lock inc dword [arrived]
        jmp     .loop

load_segments:
        mov     ax, 16
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     fs, ax
        mov     gs, ax
        ret

set_up_apic:
        mov     dword [LAPIC + 0xF0], 0x1FF
        mov     dword [LAPIC + 0xE0], 0xFFFFFFFF
        mov     ecx, ebx
        and     ecx, 7
        mov     eax, 1 << 24
        shl     eax, cl
        mov     [LAPIC + 0xD0], eax
        mov     dword [LAPIC + 0x80], 0
        mov     eax, [LAPIC + 0x20]
        shr     eax, 24
        mov     [ids + 4 * ebx], eax
        ret

delay:  mov     ecx, 20000
.loop:  pause
        dec     ecx
        jnz     .loop
        ret

; --- phase 1: locked increments, and plain ones under a spin lock
phase_locks:
        mov     ecx, ROUNDS
.loop:  lock inc dword [locked_count]
.take:  mov     eax, 1
        xchg    eax, [lock_word]
        test    eax, eax
        jz      .taken
        pause
        jmp     .take
.taken: mov     eax, [guarded_count]
        inc     eax
        mov     [guarded_count], eax
        mov     dword [lock_word], 0
        dec     ecx
        jnz     .loop
        ret

; --- phase 2: fixed, by every kind of destination, lowest priority, NMI; the receivers sleep
phase_interrupts:
        test    ebx, ebx
        jnz     sleep
        mov     ebp, 1
.each:  cmp     ebp, [processors]
        jae     .all
        mov     edx, [ids + 4 * ebp]
        shl     edx, 24
        icr     edx, 0x4040
        await   0x40, ebp
        inc     ebp
        jmp     .each
.all:   icr     0, 0xC4041
        await   0x41, [others]
        sti
        icr     0, 0x84042
        await   0x42, [processors]
        icr     0, 0x44046              ; to itself
        await   0x46, 1
        icr     0xFF000000, 0x4843
        await   0x43, [processors]
        icr     0xFF000000, 0x4944
        await   0x44, 1
        cli
        icr     0, 0xC4400
        await   2, [others]
        mov     dword [release], 1
        icr     0, 0xC4045
        await   0x45, [others]
        ret

sleep:  cli
        cmp     dword [release], 0
        jne     .done
        sti
        hlt
        jmp     sleep
.done:  sti                             ; the interrupt that came with it
        nop
        nop
        cli
        ret

; --- phases 3 and 4: one writes code, then all execute it
phase_write:
        cmp     ebx, [writer]
        jne     .done
        mov     eax, [expected]
        mov     [patched + 1], eax
.done:  ret

phase_execute:
        mov     ecx, 20
.loop:  call    patched
        cmp     eax, [expected]
        mov     esi, text_code
        jne     failed
        dec     ecx
        jnz     .loop
        ret

; --- phase 5: code that changes while others execute it in a loop without PAUSE
phase_spin:
        mov     eax, [others]
        cmp     ebx, eax                ; the last one writes
        jne     .loop
        mov     ecx, 3000
.delay: dec     ecx
        jnz     .delay
        mov     dword [patched + 1], 0x77777777
.loop:  call    patched
        cmp     eax, 0x77777777
        jne     .loop
        ret

; --- phase 6: the timer's interrupts go to the last processor
phase_device:
        cmp     ebx, [others]
        jne     .done
        mov     dword [IOAPIC], 0x15
        mov     eax, [ids + 4 * ebx]
        shl     eax, 24
        mov     [IOAPIC + 16], eax
        mov     dword [IOAPIC], 0x14
        mov     dword [IOAPIC + 16], 0x50
        mov     al, 0x34
        out     0x43, al
        mov     al, 0xA9                ; 1193: about a millisecond
        out     0x40, al
        mov     al, 4
        out     0x40, al
.wait:  cli
        cmp     dword [counts + 4 * 0x50], 3
        jae     .came
        sti
        hlt
        jmp     .wait
.came:  mov     dword [IOAPIC + 16], 0x10000
        mov     eax, [who]
        cmp     eax, [ids + 4 * ebx]
        mov     esi, text_device
        jne     failed
.done:  ret

; --- phase 7: x2APIC mode
phase_extend:
        mov     ecx, 0x1B
        rdmsr
        or      eax, 0x400
        wrmsr
        mov     ecx, 0x802
        rdmsr
        cmp     eax, [ids + 4 * ebx]
        mov     esi, text_x2apic
        jne     failed
        ret

%macro x2icr 2
        mov     edx, %1
        mov     eax, %2
        mov     ecx, 0x830
        wrmsr
%endmacro

phase_x2interrupts:
        test    ebx, ebx
        jnz     sleep
        x2icr   0, 0xC4051
        await   0x51, [others]
        mov     ebp, 1
.each:  cmp     ebp, [processors]
        jae     .all
        x2icr   [ids + 4 * ebp], 0x4052
        await   0x52, ebp
        mov     edi, [ids + 4 * ebp]
        mov     ecx, edi
        and     ecx, 15
        mov     edx, 1
        shl     edx, cl
        shr     edi, 4
        shl     edi, 16
        or      edx, edi
        x2icr   edx, 0x4853
        await   0x53, ebp
        inc     ebp
        jmp     .each
.all:   sti
        mov     eax, 0x54
        xor     edx, edx
        mov     ecx, 0x83F
        wrmsr
        await   0x54, 1
        x2icr   0xFFFFFFFF, 0x4055
        await   0x55, [processors]
        cli
        mov     dword [release], 1
        x2icr   0, 0xC4056
        await   0x56, [others]
        ret

; --- phase 9: every processor's TSC-deadline timer
phase_deadline:
        mov     eax, 0x40057
        xor     edx, edx
        mov     ecx, 0x832
        wrmsr
        rdtsc
        add     eax, 20000
        adc     edx, 0
        mov     ecx, 0x6E0
        wrmsr
        sti
        await   0x57, [processors]
        cli
        mov     ecx, 0x6E0
        rdmsr
        or      eax, edx
        mov     esi, text_deadline
        jnz     failed
        ret

; --- interrupts
%assign vector 0x40
%rep 32
stub_%+vector:
        push    eax
        mov     eax, vector
        jmp     interrupt
%assign vector vector + 1
%endrep

interrupt:
        lock inc dword [counts + 4 * eax]
        cmp     dword [extended], 0
        jne     .extended
        push    eax
        mov     eax, [LAPIC + 0x20]
        shr     eax, 24
        mov     [who], eax
        mov     dword [LAPIC + 0xB0], 0
        pop     eax
        pop     eax
        iret
.extended:
        push    ecx
        push    edx
        xor     eax, eax
        xor     edx, edx
        mov     ecx, 0x80B
        wrmsr
        pop     edx
        pop     ecx
        pop     eax
        iret

nmi:    lock inc dword [counts + 4 * 2]
        iret

fault:  mov     esi, text_fault
        jmp     failed

build_idt:
        xor     ecx, ecx
.loop:  mov     eax, fault
        cmp     ecx, 2
        jne     .other
        mov     eax, nmi
.other: cmp     ecx, 0x40
        jb      .set
        cmp     ecx, 0x60
        jae     .set
        mov     eax, [stubs + 4 * ecx - 4 * 0x40]
.set:   mov     [idt + 8 * ecx], ax
        mov     word [idt + 8 * ecx + 2], 8
        mov     word [idt + 8 * ecx + 4], 0x8E00
        shr     eax, 16
        mov     [idt + 8 * ecx + 6], ax
        inc     ecx
        cmp     ecx, 256
        jb      .loop
        ret

; ESI: text. Returns when the last byte has left the shift register.
print:  mov     dx, 0x3FD
.wait:  in      al, dx
        test    al, 0x40
        jz      .wait
        lodsb
        test    al, al
        jz      .done
        mov     dx, 0x3F8
        out     dx, al
        jmp     print
.done:  ret

; --- what a processor executes first: real mode, copied to TRAMPOLINE
bits 16
trampoline:
        cli
        xor     ax, ax
        mov     ds, ax
        o32 lgdt [TRAMPOLINE + .gdt_pointer - trampoline]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword 8:ap_main
.gdt_pointer:
        dw      gdt_end - gdt - 1
        dd      gdt
trampoline_end:
bits 32

        align 8
gdt:    dq      0, 0x00CF9A000000FFFF, 0x00CF92000000FFFF
gdt_end:
gdt_pointer:
        dw      gdt_end - gdt - 1
        dd      gdt
idt_pointer:
        dw      256 * 8 - 1
        dd      idt

        align 4
phases: dd      0, phase_locks, phase_interrupts, phase_write, phase_execute, phase_spin, phase_device, phase_extend
        dd      phase_x2interrupts, phase_deadline
stubs:
%assign vector 0x40
%rep 32
        dd      stub_%+vector
%assign vector vector + 1
%endrep
next_number: dd 1

text_locked:   db "smp: locked increments were lost", 10, 0
text_guarded:  db "smp: the spin lock let two in", 10, 0
text_lowest:   db "smp: a lowest-priority interrupt came to several", 10, 0
text_code:     db "smp: code that another processor wrote was not executed", 10, 0
text_device:   db "smp: a device's interrupt went to another processor", 10, 0
text_x2apic:   db "smp: the ID of x2APIC mode is another", 10, 0
text_deadline: db "smp: the deadline's register is not zero after it", 10, 0
text_fault:    db "smp: an exception", 10, 0
text_done:     db "smp: done", 10, 0

        align 4096                      ; a page of its own, and shared by nothing that is written
patched:
        mov     eax, strict dword 0
        ret
        align 4096
image_end:

absolute image_end
idt:           resd 512
counts:        resd 256
ids:           resd MAX
processors:    resd 1
others:        resd 1
alive:         resd 1
phase:         resd 1
arrived:       resd 1
locked_count:  resd 1
guarded_count: resd 1
lock_word:     resd 1
release:       resd 1
expected:      resd 1
writer:        resd 1
features:      resd 1
extended:      resd 1
who:           resd 1
               resb 4096
stack_top:
stacks:        resb 1024 * MAX
bss_end:
