; DIV takes EDX:EAX, and EDX was not cleared.
%include "pc.inc"
        protected_mode
        mov     edx, 3F8h               ; from an OUT before
        mov     eax, 100
        mov     ebx, 10
        div     ebx
        hlt

        descriptors
        boot_sector_end
