; The boot sector runs with DS = 07C0h, and the GDT's base is the offset in that segment: LGDT takes a linear address.
%include "pc.inc"
%define here(label) (label - start)
start:  jmp     07C0h:here(.here)
.here:  cli
        mov     ax, cs
        mov     ds, ax
        lgdt    [here(gdt_pointer)]
        set_pe
        jmp     dword 08h:main
        bits    32
main:   data_segments 10h
        hlt

        align   8
gdt:    dq      0, 00CF9A000000FFFFh, 00CF92000000FFFFh
gdt_pointer:
        dw      23
        dd      here(gdt)               ; should be gdt: 7C00h more
        boot_sector_end
