; A handler leaves the error code on the stack: IRET takes it for EIP.
%include "pc.inc"
        protected_mode
        lidt    [idt_pointer]
        page_tables 3
        paging_on 1000h
        inc     dword [400000h]         ; not mapped: #PF, which pushes an error code
        hlt

map:    mov     dword [1004h], 2003h    ; a page on demand
        iret

        align   8
idt:    times 14 dq 0
        gate    map
        idt_end

        descriptors
        boot_sector_end
