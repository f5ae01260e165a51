; SYSCALL, and EFER.SCE is 0.
%include "pc.inc"
        long_mode
        syscall
        hlt

        descriptors
        boot_sector_end
