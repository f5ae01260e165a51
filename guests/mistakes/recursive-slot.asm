; The recursive mapping is in entry 1022, and the kernel looks for it at FFFFF000h, which is 1023.
%include "pc.inc"
        protected_mode
        page_tables 3
        mov     dword [1000h + 1022 * 4], 1003h
        paging_on 1000h
        mov     eax, [0FFFFF000h]
        hlt

        descriptors
        boot_sector_end
