; A20 is closed, as old machines leave it: what goes to 107C00h arrives at 7C00h.
%include "pc.inc"
        protected_mode
        mov     al, 0
        out     92h, al
        mov     edi, 107C00h            ; the kernel's variables are to begin as zeroes
        mov     ecx, 512
        rep     stosb
        hlt

        descriptors
        boot_sector_end
