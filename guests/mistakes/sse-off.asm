; An SSE instruction before CR4.OSFXSR: compilers like them.
%include "pc.inc"
        protected_mode
        xorps   xmm0, xmm0
        hlt

        descriptors
        boot_sector_end
