; The timer's gate leads to the data segment.
%include "pc.inc"
        ticking_kernel
        tick_handler
        idt_before_timer
        dw      tick, 10h, 8E00h, 0
        idt_end

        descriptors
        boot_sector_end
