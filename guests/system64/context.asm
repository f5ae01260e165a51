; Into any context of long mode (64-bit or compatibility code, every privilege level) and back by whatever exception or
; interrupt ends it.
;
; enter_context saves the kernel's registers, loads the context's and goes there with IRETQ. Every vector of the IDT
; leads to `leave_context`, which records the interrupted state in `exit_record`, takes the kernel's stack back and
; returns to the caller of enter_context. Layouts: struct Context and struct Exit of system64.hpp.

bits 64
default abs
KERNEL_DATA equ 0x10
FS_BASE equ 0xC0000100
GS_BASE equ 0xC0000101
KERNEL_GS_BASE equ 0xC0000102

struc ctx
  .rax resq 1
  .rcx resq 1
  .rdx resq 1
  .rbx resq 1
  .rsp resq 1
  .rbp resq 1
  .rsi resq 1
  .rdi resq 1
  .r8 resq 1
  .r9 resq 1
  .r10 resq 1
  .r11 resq 1
  .r12 resq 1
  .r13 resq 1
  .r14 resq 1
  .r15 resq 1
  .rip resq 1
  .rflags resq 1
  .cs resq 1
  .ss resq 1
  .ds resq 1
  .es resq 1
  .fs resq 1
  .gs resq 1
  .vector resq 1
  .error resq 1
  .cr2 resq 1
  .handler_rsp resq 1
  .fs_base resq 1
  .gs_base resq 1
  .kernel_gs_base resq 1
endstruc

section .text
global enter_context
global exit_stubs
global exit_record
extern kernel_rsp

enter_context:                          ; (const Context*)
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        pushfq
        mov     [kernel_rsp], rsp
        mov     ds, [rdi + ctx.ds]
        mov     es, [rdi + ctx.es]
        mov     fs, [rdi + ctx.fs]
        mov     gs, [rdi + ctx.gs]
        push    qword [rdi + ctx.ss]
        push    qword [rdi + ctx.rsp]
        push    qword [rdi + ctx.rflags]
        push    qword [rdi + ctx.cs]
        push    qword [rdi + ctx.rip]
        mov     rax, [rdi + ctx.rax]
        mov     rcx, [rdi + ctx.rcx]
        mov     rdx, [rdi + ctx.rdx]
        mov     rbx, [rdi + ctx.rbx]
        mov     rbp, [rdi + ctx.rbp]
        mov     rsi, [rdi + ctx.rsi]
        mov     r8, [rdi + ctx.r8]
        mov     r9, [rdi + ctx.r9]
        mov     r10, [rdi + ctx.r10]
        mov     r11, [rdi + ctx.r11]
        mov     r12, [rdi + ctx.r12]
        mov     r13, [rdi + ctx.r13]
        mov     r14, [rdi + ctx.r14]
        mov     r15, [rdi + ctx.r15]
        mov     rdi, [rdi + ctx.rdi]
        iretq

; One stub of 16 bytes for each vector.
        align 16
exit_stubs:
%assign n 0
%rep 256
        align 16
    %if !(n = 8 || (n >= 10 && n <= 14) || n = 17)
        push    qword 0
    %endif
        push    qword n
        jmp     leave_context
  %assign n n + 1
%endrep

; Stack: vector, error code, RIP, CS, RFLAGS, RSP, SS.
leave_context:
        mov     [exit_record + ctx.rdi], rdi
        mov     edi, exit_record
        mov     [rdi + ctx.rax], rax
        mov     [rdi + ctx.rcx], rcx
        mov     [rdi + ctx.rdx], rdx
        mov     [rdi + ctx.rbx], rbx
        mov     [rdi + ctx.rbp], rbp
        mov     [rdi + ctx.rsi], rsi
        mov     [rdi + ctx.r8], r8
        mov     [rdi + ctx.r9], r9
        mov     [rdi + ctx.r10], r10
        mov     [rdi + ctx.r11], r11
        mov     [rdi + ctx.r12], r12
        mov     [rdi + ctx.r13], r13
        mov     [rdi + ctx.r14], r14
        mov     [rdi + ctx.r15], r15
        mov     eax, ds
        mov     [rdi + ctx.ds], rax
        mov     eax, es
        mov     [rdi + ctx.es], rax
        mov     eax, fs
        mov     [rdi + ctx.fs], rax
        mov     eax, gs
        mov     [rdi + ctx.gs], rax
        mov     rax, cr2
        mov     [rdi + ctx.cr2], rax
        mov     [rdi + ctx.handler_rsp], rsp
        pop     qword [rdi + ctx.vector]
        pop     qword [rdi + ctx.error]
        pop     qword [rdi + ctx.rip]
        pop     rax
        movzx   eax, ax
        mov     [rdi + ctx.cs], rax
        pop     qword [rdi + ctx.rflags]
        pop     qword [rdi + ctx.rsp]
        pop     rax
        movzx   eax, ax
        mov     [rdi + ctx.ss], rax
        mov     rsp, [kernel_rsp]
        mov     ecx, FS_BASE
        rdmsr
        mov     [rdi + ctx.fs_base], eax
        mov     [rdi + ctx.fs_base + 4], edx
        mov     ecx, GS_BASE
        rdmsr
        mov     [rdi + ctx.gs_base], eax
        mov     [rdi + ctx.gs_base + 4], edx
        mov     ecx, KERNEL_GS_BASE
        rdmsr
        mov     [rdi + ctx.kernel_gs_base], eax
        mov     [rdi + ctx.kernel_gs_base + 4], edx
        mov     eax, KERNEL_DATA
        mov     ds, ax
        mov     es, ax
        mov     ss, ax
        mov     fs, ax
        mov     gs, ax
        popfq
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

section .bss nobits alloc noexec write align=16
exit_record: resb ctx_size

section .note.GNU-stack noalloc noexec nowrite progbits
