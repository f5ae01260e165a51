; The handler sends no end of interrupt: the first tick was the last.
%include "pc.inc"
        ticking_kernel

tick:   inc     dword [600h]
        iret

        idt_before_timer
        gate    tick
        idt_end

        descriptors
        boot_sector_end
