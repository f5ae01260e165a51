; The handler ends with RET: CS and EFLAGS stay on the stack, and interrupts stay off.
%include "pc.inc"
        ticking_kernel

tick:   push    eax
        inc     dword [600h]
        mov     al, 20h                 ; end of interrupt
        out     20h, al
        pop     eax
        ret

        idt_before_timer
        gate    tick
        idt_end

        descriptors
        boot_sector_end
