; The stack lies in a page that is not mapped: no handler can be entered either.
%include "pc.inc"
        protected_mode
        page_tables 3
        paging_on 1000h
        mov     esp, 0C0800000h
        call    kernel
kernel: hlt

        descriptors
        boot_sector_end
