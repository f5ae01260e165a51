; There is a TSS, but LTR was forgotten: the way from ring 3 to ring 0 finds no stack.
%include "pc.inc"
        protected_mode
        lidt    [idt_pointer]
        mov     dword [7804h], 7C00h    ; ESP0
        mov     dword [7808h], 10h      ; SS0
        to_ring_3 user
user:   int     0
        jmp     user

call_0: iret

        align   8
idt:    dw      call_0, 08h, 0EE00h, 0  ; ring 3 may
        idt_end

        descriptors
        boot_sector_end
