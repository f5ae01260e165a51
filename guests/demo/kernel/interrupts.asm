; One entry point per vector. The processor pushes EFLAGS, CS, EIP (and, from ring 3, SS and ESP before them), for some
; exceptions an error code. Each entry adds a zero where the code is missing, then the vector's number, and all entries meet
; in `save_and_call`, which saves the registers and calls the C++ handler with a pointer to the whole (struct Frame).

bits 32
section .text
extern handle_interrupt
global interrupt_return
global interrupt_entries
global switch_stacks

%macro entry 1
entry_%1:
    %if !(%1 = 8 || (%1 >= 10 && %1 <= 14) || %1 = 17)
        push    dword 0                 ; this vector has no error code
    %endif
        push    dword %1
        jmp     save_and_call
%endmacro

%assign n 0
%rep 48
        entry n
  %assign n n + 1
%endrep
        entry 128                       ; system calls

save_and_call:
        pushad
        push    ds
        push    es
        push    fs
        push    gs
        mov     ax, 0x10                ; the kernel's data segment
        mov     ds, ax
        mov     es, ax
        cld
        push    esp                     ; the frame
        call    handle_interrupt
        add     esp, 4
; A task that runs for the first time starts here too, on a frame that tasks.cpp has made up.
interrupt_return:
        pop     gs
        pop     fs
        pop     es
        pop     ds
        popad
        add     esp, 8                  ; vector and error code
        iretd

; switch_stacks(u32* old_esp, u32 new_esp): the heart of a task switch. The C++ caller's registers go on the old task's
; stack; after the exchange of ESP the `ret` continues the new task where it once called this.
switch_stacks:
        mov     eax, [esp + 4]
        mov     edx, [esp + 8]
        push    ebp
        push    ebx
        push    esi
        push    edi
        mov     [eax], esp
        mov     esp, edx
        pop     edi
        pop     esi
        pop     ebx
        pop     ebp
        ret

section .rodata
interrupt_entries:
%assign n 0
%rep 48
        dd entry_%[n]
  %assign n n + 1
%endrep
        dd entry_128

section .note.GNU-stack noalloc noexec nowrite progbits
