; The page directory is not aligned: CR3 drops the lower twelve bits.
%include "pc.inc"
        protected_mode
        mov     edi, 1000h
        xor     eax, eax
        mov     ecx, 0C00h
        rep     stosd
        mov     dword [1800h], 83h      ; one page of 4 MB, in a directory at 1800h
        mov     eax, 10h                ; CR4.PSE
        mov     cr4, eax
        paging_on 1800h
        hlt

        descriptors
        boot_sector_end
