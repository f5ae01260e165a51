; The option ROM that starts a Linux kernel whose parts wait in fw_cfg (bios/linux_boot.cpp put them there).
;
; Linux kernel documentation, x86/boot, "Running the kernel": CS = setup segment + 20h, IP = 0, all other segments the
; setup segment, interrupts off, the stack below the command line.

%include "option_rom.inc"

KEY_KERNEL_ADDRESS  equ 0x07
KEY_KERNEL_SIZE     equ 0x08
KEY_INITRD_ADDRESS  equ 0x0A
KEY_INITRD_SIZE     equ 0x0B
KEY_KERNEL_DATA     equ 0x11
KEY_INITRD_DATA     equ 0x12
KEY_CMDLINE_ADDRESS equ 0x13
KEY_CMDLINE_SIZE    equ 0x14
KEY_CMDLINE_DATA    equ 0x15
KEY_SETUP_ADDRESS   equ 0x16
KEY_SETUP_SIZE      equ 0x17
KEY_SETUP_DATA      equ 0x18

product_name:   db "Linux loader", 0
no_dma:         db "GlassBox: fw_cfg has no DMA, the kernel cannot be loaded", 13, 10, 0
load_failed:    db "GlassBox: fw_cfg refused to load the kernel", 13, 10, 0

; %1 address key, %2 size key, %3 data key
%macro load_part 3
        mov     ax, %1
        call    read_number
        mov     edi, eax
        mov     ax, %2
        call    read_number
        mov     ecx, eax
        mov     ax, %3
        call    load_item
        jc      failed
%endmacro

boot_entry:
        cld
        call    check_dma
        mov     si, no_dma
        jc      give_up
        call    open_a20
        load_part KEY_SETUP_ADDRESS, KEY_SETUP_SIZE, KEY_SETUP_DATA
        load_part KEY_CMDLINE_ADDRESS, KEY_CMDLINE_SIZE, KEY_CMDLINE_DATA
        load_part KEY_INITRD_ADDRESS, KEY_INITRD_SIZE, KEY_INITRD_DATA
        load_part KEY_KERNEL_ADDRESS, KEY_KERNEL_SIZE, KEY_KERNEL_DATA

        mov     ax, KEY_CMDLINE_ADDRESS
        call    read_number
        mov     ecx, eax
        mov     ax, KEY_SETUP_ADDRESS
        call    read_number
        sub     ecx, eax
        sub     ecx, 16                 ; the stack's top, as an offset in the setup segment
        shr     eax, 4
        cli
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     esp, ecx
        add     ax, 0x20
        push    ax
        push    word 0
        xor     eax, eax
        xor     ebx, ebx
        xor     ecx, ecx
        xor     edx, edx
        xor     esi, esi
        xor     edi, edi
        xor     ebp, ebp
        retf

failed:
        mov     si, load_failed
give_up:
        call    print
        retf                            ; back to the BIOS, which tries the next device
