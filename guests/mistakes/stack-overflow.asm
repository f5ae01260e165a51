; A recursion without an end, down to the page below the stack, which is not mapped.
%include "pc.inc"
        protected_mode
        page_tables 3
        mov     dword [2000h + 6 * 4], 0        ; page 6000h guards the stack
        paging_on 1000h
deeper: push    eax
        call    deeper

        descriptors
        boot_sector_end
