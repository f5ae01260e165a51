; The timer's gate has the type of a call gate.
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
        iret

        align   8
idt:    times 20h dq 0
        dw      tick, 08h, 8C00h, 0
        idt_end

        descriptors
        boot_sector_end
