; The kernel's first instructions, at 1 MiB: the loader jumps here in 32-bit protected mode, with flat segments, no paging
; and interrupts off. C++ needs a stack and zeroed variables; then it can take over.

bits 32
section .text.entry progbits alloc exec nowrite align=16
extern kernel_main
extern bss_begin
extern bss_end
global kernel_entry
global boot_stack_top

kernel_entry:
        mov     esp, boot_stack_top
        cld
        mov     edi, bss_begin
        mov     ecx, bss_end
        sub     ecx, edi
        xor     eax, eax
        rep stosb
        call    kernel_main
.stop:  cli
        hlt
        jmp     .stop

section .bss nobits alloc noexec write align=16
        resb 16384
boot_stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
