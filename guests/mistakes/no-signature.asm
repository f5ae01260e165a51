; The boot sector does not end with 55h AAh.
%include "pc.inc"
        real_mode
        hlt
        times 512 - ($ - $$) db 0
