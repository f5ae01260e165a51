; The data segment's descriptor lacks the G bit, so it ends at 1 MB.
%include "pc.inc"
        protected_mode
        mov     byte [100000h], 1       ; the kernel's first variable
        hlt

        align   8
gdt:    dq      0, 00CF9A000000FFFFh, 004F92000000FFFFh
gdt_pointer:
        dw      $ - gdt - 1
        dd      gdt
        boot_sector_end
