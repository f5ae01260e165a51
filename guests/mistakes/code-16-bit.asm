; The code segment's descriptor lacks the D bit: 32-bit code executes as 16-bit code.
%include "pc.inc"
        protected_mode
        mov     dword [0B8000h], 07410741h
        hlt

        align   8
gdt:    dq      0, 008F9A000000FFFFh, 00CF92000000FFFFh
gdt_pointer:
        dw      $ - gdt - 1
        dd      gdt
        boot_sector_end
