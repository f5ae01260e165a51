; The TSS's descriptor has a limit that is too short for ESP0 and SS0.
%include "pc.inc"
        protected_mode
        lidt    [idt_pointer]
        mov     dword [7804h], 7C00h    ; ESP0
        mov     dword [7808h], 10h      ; SS0
        mov     ax, 30h
        ltr     ax
        to_ring_3 user
user:   int     0
        jmp     user

call_0: iret

        align   8
idt:    dw      call_0, 08h, 0EE00h, 0
        idt_end

        align   8
gdt:    dq      0, 00CF9A000000FFFFh, 00CF92000000FFFFh, 00CFFA000000FFFFh, 00CFF2000000FFFFh
        dq      0, 0000890078000004h    ; limit 4
gdt_pointer:
        dw      $ - gdt - 1
        dd      gdt
        boot_sector_end
