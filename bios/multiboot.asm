; The option ROM that starts a multiboot kernel whose image waits in fw_cfg (bios/multiboot.cpp put it there).
;
; Multiboot specification 0.6.96, 3.2 (machine state) and 3.3 (boot information). What only the running machine knows is
; filled in here: the memory sizes and the memory map, which lies 80h bytes after the information structure.

%include "option_rom.inc"

KEY_KERNEL_ADDRESS equ 0x07
KEY_KERNEL_SIZE    equ 0x08
KEY_INFO_ADDRESS   equ 0x0A             ; the same numbers as a Linux kernel's initrd
KEY_INFO_SIZE      equ 0x0B
KEY_ENTRY          equ 0x10
KEY_KERNEL_DATA    equ 0x11
KEY_INFO_DATA      equ 0x12

INFO_FLAGS       equ 0
INFO_MEM_LOWER   equ 4
INFO_MEM_UPPER   equ 8
INFO_MMAP_LENGTH equ 44
INFO_MMAP_ADDR   equ 48
FLAG_MEMORY      equ 1 << 0
FLAG_MMAP        equ 1 << 6
MAP_OFFSET       equ 0x80
MAP_ENTRIES      equ 128
MULTIBOOT_MAGIC  equ 0x2BADB002
SMAP             equ 0x534D4150

product_name:   db "Multiboot loader", 0
no_dma:         db "GlassBox: fw_cfg has no DMA, the kernel cannot be loaded", 13, 10, 0
load_failed:    db "GlassBox: fw_cfg refused to load the kernel", 13, 10, 0

boot_entry:
        cld
        call    check_dma
        mov     si, no_dma
        jc      give_up
        call    open_a20

        mov     ax, KEY_INFO_SIZE
        call    read_number
        mov     ecx, eax
        mov     ax, KEY_INFO_ADDRESS
        call    read_number
        mov     edi, eax
        push    eax
        mov     ax, KEY_INFO_DATA
        call    load_item
        pop     eax
        jc      failed
        push    eax                     ; the linear address of the information, until the jump
        mov     edx, eax
        and     dx, 0x000F
        shr     eax, 4
        mov     es, ax                  ; ES:BP = the information
        mov     bp, dx
        call    read_memory_sizes
        call    read_memory_map

        mov     ax, KEY_KERNEL_SIZE
        call    read_number
        mov     ecx, eax
        mov     ax, KEY_KERNEL_ADDRESS
        call    read_number
        mov     edi, eax
        mov     ax, KEY_KERNEL_DATA
        call    load_item
        pop     ebx                     ; EBX = the information, as the kernel wants it
        jc      failed
        mov     ax, KEY_ENTRY
        call    read_number
        mov     esi, eax

; To protected mode: the table register's image is built on the stack, and so is the far jump.
        cli
        xor     eax, eax
        mov     ax, cs
        shl     eax, 4
        mov     edx, eax                ; EDX = the ROM's linear address
        add     eax, gdt
        push    eax
        push    word gdt_end - gdt - 1
        mov     bp, sp
        o32 lgdt [bp]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        add     edx, protected_entry
        push    dword 8
        push    edx
        o32 retf

failed:
        mov     si, load_failed
give_up:
        call    print
        retf

; Conventional memory from INT 12h, extended memory from INT 15h AX=E801h, both in KiB.
read_memory_sizes:
        int     0x12
        movzx   eax, ax
        mov     [es:bp + INFO_MEM_LOWER], eax
        mov     ax, 0xE801
        xor     ebx, ebx
        int     0x15
        jc      .done
        movzx   eax, ax
        movzx   ebx, bx
        shl     ebx, 6                  ; 64 KiB units above 16 MiB
        add     eax, ebx
        mov     [es:bp + INFO_MEM_UPPER], eax
        or      dword [es:bp + INFO_FLAGS], FLAG_MEMORY
.done:  ret

; INT 15h AX=E820h, each entry preceded by its size without the size field.
read_memory_map:
        lea     di, [bp + MAP_OFFSET]
        xor     ebx, ebx
        mov     si, MAP_ENTRIES
.next:  mov     eax, 0xE820
        mov     edx, SMAP
        mov     ecx, 20
        mov     dword [es:di], 20
        add     di, 4
        int     0x15
        jc      .last
        cmp     eax, SMAP
        jne     .last
        add     di, 20
        dec     si
        jz      .finish
        test    ebx, ebx
        jnz     .next
        jmp     .finish
.last:  sub     di, 4
.finish:
        lea     ax, [bp + MAP_OFFSET]
        sub     di, ax
        movzx   ecx, di
        mov     [es:bp + INFO_MMAP_LENGTH], ecx
        xor     edx, edx
        mov     dx, es
        shl     edx, 4
        movzx   eax, ax
        add     eax, edx
        mov     [es:bp + INFO_MMAP_ADDR], eax
        or      dword [es:bp + INFO_FLAGS], FLAG_MMAP
        ret

        align 8
gdt:    dq 0
        dq 0x00CF9B000000FFFF           ; 08h: flat 32-bit code
        dq 0x00CF93000000FFFF           ; 10h: flat data
gdt_end:

bits 32
protected_entry:
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     eax, MULTIBOOT_MAGIC
        jmp     esi
