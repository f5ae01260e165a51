; The start-up IPI's vector is the number of a page: 50h is 50000h, and the trampoline was copied to 5000h.
%include "pc.inc"
        protected_mode
        mov     dword [5000h], 0FEEBF4FAh       ; cli, hlt, jmp $
        mov     esi, 0FEE00300h                 ; the local APIC's ICR
        mov     dword [esi], 0C4500h            ; INIT to all but self
        mov     ecx, 2000000
        loop    $
        mov     dword [esi], 0C4650h            ; start-up at 5000h? No: at 50000h
        mov     ecx, 2000000
        loop    $
        hlt

        descriptors
        boot_sector_end
