; Code is copied into memory that is mapped with XD, for data.
%include "pc.inc"
        long_mode 900h
        mov     dword [3008h], 200087h  ; the next 2 MB: for data, so bit 63 is set
        mov     dword [300Ch], 80000000h
        mov     byte [200000h], 0C3h    ; a function: RET
        mov     eax, 200000h
        call    rax
        hlt

        descriptors
        boot_sector_end
