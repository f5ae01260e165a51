; The data segment's descriptor lacks the W bit.
%include "pc.inc"
        protected_mode
        hlt

        align   8
gdt:    dq      0, 00CF9A000000FFFFh, 00CF90000000FFFFh
gdt_pointer:
        dw      $ - gdt - 1
        dd      gdt
        boot_sector_end
