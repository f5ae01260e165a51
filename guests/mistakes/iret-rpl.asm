; IRET to ring 3 with a selector whose RPL is 0.
%include "pc.inc"
        protected_mode
        push    20h
        push    7000h
        push    2
        push    18h                     ; 18h | 3 is meant
        push    user
        iret
user:   jmp     user

        descriptors
        boot_sector_end
