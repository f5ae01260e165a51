; No far jump after CR0.PE: CS is still that of real mode, and 32-bit code executes as 16-bit code.
%include "pc.inc"
        real_mode
        lgdt    [gdt_pointer]
        set_pe
        bits    32
main:   data_segments 10h
        mov     dword [0B8000h], 07410741h
        hlt

        descriptors
        boot_sector_end
