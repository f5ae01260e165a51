; The timer's gate has the type of a call gate.
%include "pc.inc"
        ticking_kernel
        tick_handler
        idt_before_timer
        dw      tick, 08h, 8C00h, 0
        idt_end

        descriptors
        boot_sector_end
