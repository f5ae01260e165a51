; A call through a function pointer that nobody has set: the interrupt vectors of real mode are executed.
%include "pc.inc"
        protected_mode
        call    [driver]
        hlt
driver: dd      0

        descriptors
        boot_sector_end
