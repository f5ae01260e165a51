; The stack lies above the memory: the machine has 16 MB. What is pushed is lost.
%include "pc.inc"
        protected_mode
        mov     esp, 4000000h
        call    kernel
        hlt
kernel: ret

        descriptors
        boot_sector_end
