; The user program's binary, as part of the kernel: there is no file system to load it from.

section .rodata
global user_program_begin
global user_program_end
        align 16
user_program_begin:
        incbin "user.bin"
user_program_end:

section .note.GNU-stack noalloc noexec nowrite progbits
