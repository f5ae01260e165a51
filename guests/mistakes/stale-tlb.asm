; A page-table entry is changed, and the TLB is not told: the old page is written.
%include "pc.inc"
        protected_mode
        page_tables 3
        paging_on 1000h
        mov     byte [300000h], 1
        mov     dword [2000h + 300h * 4], 200003h       ; page 300000h is to be the memory at 200000h
        mov     byte [300000h], 2       ; INVLPG is missing before this
        hlt

        descriptors
        boot_sector_end
