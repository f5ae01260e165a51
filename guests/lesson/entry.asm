; Where the loader leaves us (Multiboot specification 0.6.96, 3.2: 32-bit protected mode, EBX the boot information), and
; where the processor comes back to: the entries of the interrupts.
bits 32

section .multiboot progbits alloc noexec nowrite align=4
        dd 0x1BADB002, 0, -0x1BADB002   ; magic, no flags, checksum

section .text progbits alloc exec nowrite align=16
extern kernel_main, handle_interrupt
global start
start:  mov     esp, stack_top
        xor     ebp, ebp                ; the end of the chain of frames
        push    ebx
        call    kernel_main
.end:   cli
        hlt
        jmp     .end

; Every entry pushes what the processor did not: an error code and the vector. So all frames look alike.
%macro entry 1
entry_%1:
  %if %1 != 8 && (%1 < 10 || %1 > 14) && %1 != 17
        push    dword 0
  %endif
        push    dword %1
        jmp     any_interrupt
%endmacro

%assign vector 0
%rep 49
        entry vector
  %assign vector vector + 1
%endrep

any_interrupt:
        pushad
        cld
        push    esp                     ; the frame, as handle_interrupt sees it
        call    handle_interrupt
        add     esp, 4
        popad
        add     esp, 8                  ; vector and error code
        iret

section .rodata progbits alloc noexec nowrite align=4
global interrupt_entries
interrupt_entries:
%assign vector 0
%rep 49
  %xdefine name entry_ %+ vector
        dd      name
  %assign vector vector + 1
%endrep

section .bss nobits alloc noexec write align=16
        resb    8192
stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
