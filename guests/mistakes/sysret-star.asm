; STAR holds the selector of ring 3's code, but SYSRET adds 16 to it: CS becomes something else.
%include "pc.inc"
        long_mode 101h
        lidt    [idt_pointer]
        mov     ecx, 0C0000081h         ; STAR
        xor     eax, eax
        mov     edx, (18h | 3) << 16 | 08h
        wrmsr
        mov     dword [7804h], 7C00h    ; RSP0
        mov     ax, 30h
        ltr     ax
        mov     ecx, user
        mov     r11d, 2
        o64 sysret
user:   int     0
        jmp     user

call_0: iretq

        align   8
idt:    dw      call_0, 28h, 0EE00h, 0, 0, 0, 0, 0
        idt_end

        descriptors
        boot_sector_end
