; In long mode a gate takes 16 bytes; these are 32-bit gates of 8.
%include "pc.inc"
        long_mode
        lidt    [idt_pointer]
        ud2

fault:  hlt

        align   8
idt:
%rep 14
        gate    fault
%endrep
        idt_end

        descriptors
        boot_sector_end
