; The 8259 is as the BIOS left it, so that the timer's interrupt looks like a double fault.
%include "pc.inc"
        protected_mode
        lidt    [idt_pointer]
        sti
.wait:  hlt
        jmp     .wait

panic:  cli                             ; "exception!"
        hlt

        align   8
idt:
%rep 32
        gate    panic
%endrep
        idt_end

        descriptors
        boot_sector_end
