; Interrupts are let through, and there is no IDT.
%include "pc.inc"
        protected_mode
        sti
.wait:  hlt
        jmp     .wait

        descriptors
        boot_sector_end
