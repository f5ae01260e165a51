; The multiboot header, the words in which a watcher sees how far the kernel is, and its first instructions.
; Multiboot specification 0.6.96, 3.1-3.2: EAX 2BADB002h, EBX the information structure, flat 32-bit segments.

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

FLAGS equ (1 << 16) | 3
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
        push    ebx
        call    kernel_main
.stop:  cli
        hlt
        jmp     .stop

section .bss nobits alloc noexec write align=16
        resb 32768
kernel_stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
