; The handler ends with RET: CS and EFLAGS stay on the stack, and interrupts stay off.
%include "pc.inc"
        protected_mode
        lidt    [idt_pointer]
        remap_pic
        sti
.wait:  hlt
        jmp     .wait

tick:   push    eax
        inc     dword [600h]
        mov     al, 20h                 ; end of interrupt
        out     20h, al
        pop     eax
        ret

        align   8
idt:    times 20h dq 0
        gate    tick
        idt_end

        descriptors
        boot_sector_end
