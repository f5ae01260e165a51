; Code that was not read from the disk: one sector of two, and what should follow is memory that nobody has written.
%include "pc.inc"
        real_mode
        mov     ax, 0201h               ; one sector
        mov     bx, 8000h
        mov     cx, 2
        mov     dh, 0
        int     13h
        jmp     0:8200h                 ; the second one
        boot_sector_end
        times 1024 db 90h
