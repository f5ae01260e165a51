; The demo's floppy image: 1.44 MB, of which the first few tracks are used.
;
;   sector 0      boot.asm    the boot sector; the BIOS loads it at 7C00h and jumps there
;   sector 1 …    loader.asm  still in real mode: asks the BIOS for the memory map, then leaves real mode for good
;   after it      the kernel  a flat 32-bit binary, linked to run at 1 MiB
;
; The boot sector loads everything after itself to 10000h, the loader copies the kernel up to 1 MiB.

SECTOR_SIZE     equ 512
SECTORS_A_TRACK equ 18
HEADS           equ 2
FLOPPY_SIZE     equ 80 * HEADS * SECTORS_A_TRACK * SECTOR_SIZE

LOADER_SEGMENT  equ 0x1000              ; 10000h: free memory, above everything that the BIOS uses
BOOT_INFO       equ 0x5000              ; where the loader leaves what it learned for the kernel (kernel/boot_info.hpp)
KERNEL_ADDRESS  equ 0x100000

cpu 386

section boot start=0 vstart=0x7C00
%include "boot.asm"

section loader start=SECTOR_SIZE vstart=0
loader_begin:
%include "loader.asm"
        align SECTOR_SIZE, db 0
kernel_begin:
        incbin "kernel.bin"
        align SECTOR_SIZE, db 0
image_end:

IMAGE_SECTORS   equ (image_end - loader_begin) / SECTOR_SIZE
        times FLOPPY_SIZE - SECTOR_SIZE - (image_end - loader_begin) db 0
