; The IDT ends before the timer's vector: its limit counts entries instead of bytes.
%include "pc.inc"
        ticking_kernel
        tick_handler
        idt_before_timer
        dw      tick, 08h, 8E00h, 0
idt_pointer:
        dw      21h - 1                 ; entries; bytes are meant
        dd      idt

        descriptors
        boot_sector_end
