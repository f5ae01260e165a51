; A pointer with 48 bits where the upper ones should repeat bit 47.
%include "pc.inc"
        long_mode
        mov     rax, 0000800000000000h
        mov     byte [rax], 1
        hlt

        descriptors
        boot_sector_end
