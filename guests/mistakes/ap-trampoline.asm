; The start-up IPI names page 9, and the trampoline was copied to 8000h.
%include "pc.inc"
        protected_mode
        mov     dword [8000h], 0FEEBF4FAh       ; cli, hlt, jmp $
        mov     esi, 0FEE00300h                 ; the local APIC's ICR
        mov     dword [esi], 0C4500h            ; INIT to all but self
        mov     ecx, 2000000
        loop    $
        mov     dword [esi], 0C4609h            ; start-up at 9000h
        mov     ecx, 2000000
        loop    $
        hlt

        descriptors
        boot_sector_end
