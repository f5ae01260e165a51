; The GDT's limit is that of two descriptors, and there are three.
%include "pc.inc"
        real_mode
        lgdt    [pointer]
        set_pe
        jmp     08h:main
        bits    32
main:   data_segments 10h
        hlt
pointer:
        dw      2 * 8 - 1
        dd      gdt

        descriptors
        boot_sector_end
