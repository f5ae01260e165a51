; The kernel is mapped at C0000000h and nowhere else: the instruction behind MOV CR0 is gone.
%include "pc.inc"
        protected_mode
        page_tables 3
        mov     eax, [1000h]
        mov     [1000h + 768 * 4], eax
        mov     dword [1000h], 0
        paging_on 1000h
        mov     eax, 0C0000000h + higher
        jmp     eax
higher: hlt

        descriptors
        boot_sector_end
