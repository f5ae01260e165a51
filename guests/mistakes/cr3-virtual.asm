; CR3 is loaded with the page directory's virtual address.
%include "pc.inc"
        protected_mode
        page_tables 3
        mov     eax, [1000h]
        mov     [1000h + 768 * 4], eax
        paging_on 0C0001000h
        hlt

        descriptors
        boot_sector_end
