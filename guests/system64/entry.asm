; The multiboot header, the words in which a watcher sees how far the kernel is, its first instructions, and the way into
; long mode (SDM 3A 9.8.5). Multiboot specification 0.6.96, 3.1-3.2: EAX 2BADB002h, EBX the information structure, flat
; 32-bit segments. The first GiB is mapped twice with pages of 2 MiB: identity, and again from 1 GiB on.

bits 32
section .text.entry progbits alloc exec write align=16
extern kernel_main
extern kernel_begin
extern data_end
extern bss_begin
extern bss_end
global kernel_entry
global progress
global kernel_stack_top
global top_table
global pointer_table
global set_five_levels

FLAGS equ (1 << 16) | 3
CR0_WANTED equ 0x80010033               ; PG WP NE ET MP PE
header: dd 0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)
        dd header, kernel_begin, data_end, bss_end, kernel_entry
        align 64
progress:                               ; at 100040h: magic, the number of the case that runs
        dd 0x53595347, 0
        align 16

kernel_entry:
        mov     esp, kernel_stack_top
        cld
        mov     edi, bss_begin
        mov     ecx, bss_end
        sub     ecx, edi
        xor     eax, eax
        rep stosb
        mov     eax, 0x80000000
        push    ebx
        cpuid
        cmp     eax, 0x80000001
        jb      no_long_mode
        mov     eax, 0x80000001
        cpuid
        bt      edx, 29
        jnc     no_long_mode
        mov     edi, identity_table
        mov     edx, 2                  ; the same for both halves
.half:  mov     eax, 0x87
        mov     ecx, 512
.page:  mov     [edi], eax
        add     edi, 8
        add     eax, 0x200000
        loop    .page
        dec     edx
        jnz     .half
        mov     dword [top_table], pointer_table + 7
        mov     dword [pointer_table], identity_table + 7
        mov     dword [pointer_table + 8], identity_table + 4096 + 7
        mov     eax, cr4
        or      al, 0x20
        mov     cr4, eax
        mov     eax, top_table
        mov     cr3, eax
        mov     ecx, 0xC0000080
        rdmsr
        or      ah, 1
        wrmsr
        pop     ebx
        mov     eax, CR0_WANTED
        mov     cr0, eax
        lgdt    [first_gdtr]
        jmp     8:in_long_mode

no_long_mode:                           ; nothing to report
        mov     al, 'Z'
        out     0xE9, al
        mov     al, 10
        out     0xE9, al
        xor     eax, eax
        out     0xF4, al
        hlt

bits 64
in_long_mode:
        mov     esp, kernel_stack_top
        mov     edi, ebx
        call    kernel_main
.stop:  cli
        hlt
        jmp     .stop

; (u64 cr3, u64 cr4): through compatibility mode without paging to the other depth of the page tables (SDM 3A 4.1.2).
set_five_levels:
        push    rbx
        push    rbp
        mov     rbp, rsp
        mov     ebx, edi
        mov     edi, esi
        push    qword 0x18
        push    qword .narrow
        retfq
bits 32
.narrow:
        mov     eax, 0x20
        mov     ss, ax
        mov     ds, ax
        mov     ecx, cr0
        mov     eax, ecx
        and     eax, 0x7FFFFFFF
        mov     cr0, eax
        mov     cr4, edi
        mov     cr3, ebx
        mov     cr0, ecx
        jmp     0x08:.wide
bits 64
.wide:  mov     rsp, rbp
        pop     rbp
        pop     rbx
        ret

        align 8
first_gdt:
        dq 0, 0x00AF9B000000FFFF
first_gdtr:
        dw 15
        dd first_gdt

section .bss nobits alloc noexec write align=4096
top_table:      resb 4096
pointer_table:  resb 4096
identity_table: resb 8192
        resb 32768
kernel_stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
