; LGDT was forgotten: the far jump looks into the GDT that the firmware has left.
%include "pc.inc"
        real_mode
        set_pe
        jmp     30h:main                ; its 32-bit code, says the GDT that is not loaded
        bits    32
main:   hlt

        align   8
gdt:    dq      0, 0, 0, 0, 0, 00CF92000000FFFFh, 00CF9A000000FFFFh
        boot_sector_end
