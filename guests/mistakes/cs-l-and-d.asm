; The descriptor of 64-bit code has the D bit, too.
%include "pc.inc"
        long_mode
        hlt

        align   8
gdt:    dq      0, 00CF9A000000FFFFh, 00CF92000000FFFFh, 0, 0, 00EF9A000000FFFFh
gdt_pointer:
        dw      $ - gdt - 1
        dd      gdt
        boot_sector_end
