; Ring 3's pages have no U bit.
%include "pc.inc"
        protected_mode
        page_tables 3
        paging_on 1000h
        to_ring_3 user
user:   jmp     user

        descriptors
        boot_sector_end
