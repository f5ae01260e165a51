; No far jump after long mode is on: 64-bit code executes as 32-bit code.
%include "pc.inc"
        protected_mode
        long_tables
        pae_on
        lme_on  100h
        bits    64
main64: mov     rax, [rel value]
        mov     rax, [rax]
        hlt
value:  dq      7C00h

        descriptors
        boot_sector_end
