; The far jump into protected mode names the data segment.
%include "pc.inc"
        real_mode
        lgdt    [gdt_pointer]
        set_pe
        jmp     10h:main
        bits    32
main:   data_segments 10h
        hlt

        descriptors
        boot_sector_end
