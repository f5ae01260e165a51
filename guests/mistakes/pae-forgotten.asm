; Long mode without CR4.PAE.
%include "pc.inc"
        protected_mode
        long_tables
        lme_on  100h
        hlt

        descriptors
        boot_sector_end
