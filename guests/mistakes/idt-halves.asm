; The halves of the handler's address are swapped.
%include "pc.inc"
        ticking_kernel
        tick_handler
        idt_before_timer
        dw      0, 08h, 8E00h, tick
        idt_end

        descriptors
        boot_sector_end
