; The handler sends no end of interrupt: the first tick was the last.
%include "pc.inc"
        protected_mode
        lidt    [idt_pointer]
        remap_pic
        sti
.wait:  hlt
        jmp     .wait

tick:   inc     dword [600h]
        iret

        align   8
idt:    times 20h dq 0
        gate    tick
        idt_end

        descriptors
        boot_sector_end
