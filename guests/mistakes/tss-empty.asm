; The TSS holds no stack for ring 0.
%include "pc.inc"
        protected_mode
        lidt    [idt_pointer]
        mov     edi, 7800h
        xor     eax, eax
        mov     ecx, 68h / 4
        rep     stosd                   ; and ESP0 and SS0 should be set now
        mov     ax, 30h
        ltr     ax
        to_ring_3 user
user:   int     0
        jmp     user

call_0: iret

        align   8
idt:    dw      call_0, 08h, 0EE00h, 0
        idt_end

        descriptors
        boot_sector_end
