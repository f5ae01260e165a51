; MOVAPS on a stack that is not aligned to 16 bytes.
%include "pc.inc"
        protected_mode
        mov     eax, 600h               ; CR4.OSFXSR, OSXMMEXCPT
        mov     cr4, eax
        sub     esp, 8
        movaps  [esp], xmm0
        hlt

        descriptors
        boot_sector_end
