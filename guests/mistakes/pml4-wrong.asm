; The PML4 entry leads to the wrong place: a zero too many.
%include "pc.inc"
        protected_mode
        long_tables
        mov     dword [1000h], 20007h           ; the PDPT is at 2000h
        pae_on
        lme_on  100h
        jmp     28h:main64
        bits    64
main64: hlt

        descriptors
        boot_sector_end
