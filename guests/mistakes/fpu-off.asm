; An x87 instruction while CR0.EM is 1.
%include "pc.inc"
        protected_mode
        mov     eax, cr0
        or      al, 4
        mov     cr0, eax
        fldz
        hlt

        descriptors
        boot_sector_end
