; Into any context (ring 0-3, 16 or 32 bits, virtual-8086) and back by whatever exception or interrupt ends it.
;
; enter_context saves the kernel's registers, loads the context's and goes there with IRET. Every vector of the IDT leads
; to `leave_context`, which records the interrupted state in `exit_record`, takes the kernel's stack back and returns to
; the caller of enter_context. Layouts: struct Context and struct ExitRecord of system.hpp.

bits 32
KERNEL_DATA equ 0x10

struc ctx
  .eax resd 1
  .ebx resd 1
  .ecx resd 1
  .edx resd 1
  .esi resd 1
  .edi resd 1
  .ebp resd 1
  .esp resd 1
  .eip resd 1
  .eflags resd 1
  .cs resd 1
  .ss resd 1
  .ds resd 1
  .es resd 1
  .fs resd 1
  .gs resd 1
  .vector resd 1
  .error resd 1
  .cr2 resd 1
  .handler_esp resd 1
endstruc

section .text
global enter_context
global exit_stubs
global exit_record
extern kernel_esp

; The general registers but EBP, through EBP and the segment given; EBP last.
%macro load_registers 1
        mov     eax, [%1:ebp + ctx.eax]
        mov     ebx, [%1:ebp + ctx.ebx]
        mov     ecx, [%1:ebp + ctx.ecx]
        mov     edx, [%1:ebp + ctx.edx]
        mov     esi, [%1:ebp + ctx.esi]
        mov     edi, [%1:ebp + ctx.edi]
        mov     ebp, [%1:ebp + ctx.ebp]
%endmacro

enter_context:                          ; (const Context*)
        pushad
        pushfd
        mov     [kernel_esp], esp
        mov     ebp, [esp + 40]
        test    dword [ebp + ctx.eflags], 0x20000
        jnz     .virtual_8086
        mov     fs, [ebp + ctx.fs]
        mov     gs, [ebp + ctx.gs]
        mov     es, [ebp + ctx.es]
        test    dword [ebp + ctx.cs], 3
        jz      .same_ring
        push    dword [ebp + ctx.ss]
        push    dword [ebp + ctx.esp]
        push    dword [ebp + ctx.eflags]
        push    dword [ebp + ctx.cs]
        push    dword [ebp + ctx.eip]
        push    dword [ebp + ctx.ds]
        load_registers ss
        pop     ds
        iretd
.same_ring:                             ; on the context's stack, which IRET does not change
        mov     ss, [ebp + ctx.ss]
        mov     esp, [ds:ebp + ctx.esp]
        push    dword [ds:ebp + ctx.eflags]
        push    dword [ds:ebp + ctx.cs]
        push    dword [ds:ebp + ctx.eip]
        push    dword [ds:ebp + ctx.ds]
        load_registers ds
        pop     ds
        iretd
.virtual_8086:
        push    dword [ebp + ctx.gs]
        push    dword [ebp + ctx.fs]
        push    dword [ebp + ctx.ds]
        push    dword [ebp + ctx.es]
        push    dword [ebp + ctx.ss]
        push    dword [ebp + ctx.esp]
        push    dword [ebp + ctx.eflags]
        push    dword [ebp + ctx.cs]
        push    dword [ebp + ctx.eip]
        load_registers ss
        iretd

; One stub of 16 bytes for each vector.
        align 16
exit_stubs:
%assign n 0
%rep 256
        align 16
    %if !(n = 8 || (n >= 10 && n <= 14) || n = 17)
        push    dword 0
    %endif
        push    dword n
        jmp     leave_context
  %assign n n + 1
%endrep

; Stack: vector, error code, EIP, CS, EFLAGS [, ESP, SS [, ES, DS, FS, GS]].
leave_context:
        push    ds
        push    eax
        mov     ax, KERNEL_DATA
        mov     ds, ax
        pop     dword [exit_record + ctx.eax]
        mov     [exit_record + ctx.ebx], ebx
        mov     [exit_record + ctx.ecx], ecx
        mov     [exit_record + ctx.edx], edx
        mov     [exit_record + ctx.esi], esi
        mov     [exit_record + ctx.edi], edi
        mov     [exit_record + ctx.ebp], ebp
        mov     ebx, exit_record
        pop     eax
        movzx   eax, ax
        mov     [ebx + ctx.ds], eax
        xor     eax, eax
        mov     ax, es
        mov     [ebx + ctx.es], eax
        mov     ax, fs
        mov     [ebx + ctx.fs], eax
        mov     ax, gs
        mov     [ebx + ctx.gs], eax
        mov     ax, ss
        mov     [ebx + ctx.ss], eax
        mov     eax, cr2
        mov     [ebx + ctx.cr2], eax
        mov     [ebx + ctx.handler_esp], esp
        pop     dword [ebx + ctx.vector]
        pop     dword [ebx + ctx.error]
        pop     dword [ebx + ctx.eip]
        pop     eax
        movzx   eax, ax                 ; the upper half of a pushed selector is undefined
        mov     [ebx + ctx.cs], eax
        pop     dword [ebx + ctx.eflags]
        test    dword [ebx + ctx.eflags], 0x20000
        jnz     .virtual_8086
        mov     [ebx + ctx.esp], esp
        mov     ecx, cs
        and     ecx, 3
        and     eax, 3
        cmp     eax, ecx
        je      .done                   ; no stack switch
        pop     dword [ebx + ctx.esp]
        pop     eax
        movzx   eax, ax
        mov     [ebx + ctx.ss], eax
        jmp     .done
.virtual_8086:
        pop     dword [ebx + ctx.esp]
        pop     dword [ebx + ctx.ss]
        pop     dword [ebx + ctx.es]
        pop     dword [ebx + ctx.ds]
        pop     dword [ebx + ctx.fs]
        pop     dword [ebx + ctx.gs]
.done:  mov     ax, KERNEL_DATA
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     esp, [kernel_esp]
        popfd
        popad
        ret

section .bss nobits alloc noexec write align=16
exit_record: resb ctx_size

section .note.GNU-stack noalloc noexec nowrite progbits
