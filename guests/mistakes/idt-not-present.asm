; The timer's gate lacks the P bit.
%include "pc.inc"
        ticking_kernel
        tick_handler
        idt_before_timer
        dw      tick, 08h, 0E00h, 0
        idt_end

        descriptors
        boot_sector_end
