; The option ROM that starts a multiboot kernel whose image waits in fw_cfg (bios/multiboot.cpp put it there).
;
; Multiboot specification 0.6.96, 3.2 (machine state) and 3.3 (boot information). What only the running machine knows is
; filled in here: the memory sizes, the graphics mode, and the memory map, which lies 80h bytes after the information.

%include "option_rom.inc"

product_name:   db "Multiboot loader", 0

%include "multiboot.inc"

INFO_FLAGS       equ 0
INFO_MEM_LOWER   equ 4
INFO_MEM_UPPER   equ 8
INFO_MMAP_LENGTH equ 44
INFO_MMAP_ADDR   equ 48
INFO_VBE_CONTROL equ 72
INFO_VBE_INFO    equ 76
INFO_VBE_MODE    equ 80
INFO_FRAMEBUFFER equ 88
FLAG_MEMORY      equ 1 << 0
FLAG_MMAP        equ 1 << 6
FLAG_VBE         equ 1 << 11
MAP_OFFSET       equ 0x80
MAP_ENTRIES      equ 128
MULTIBOOT_MAGIC  equ 0x2BADB002

boot_entry:
        cld
        call    check_dma
        mov     si, no_dma
        jc      give_up
        call    open_a20
        call    load_information
        jc      failed
        push    eax                     ; the linear address of the information, until the jump
        mov     edx, eax
        and     dx, 0x000F
        shr     eax, 4
        mov     es, ax                  ; ES:BP = the information
        mov     bp, dx
        call    put_memory_sizes
        call    put_memory_map
        call    set_graphics
        jc      .text
        call    put_framebuffer
.text:  call    load_kernel
        pop     ebx                     ; EBX = the information, as the kernel wants it
        jc      failed
        mov     eax, MULTIBOOT_MAGIC
        jmp     start_kernel

failed:
        mov     si, load_failed
give_up:
        call    print
        retf                            ; back to the BIOS, which tries the next device

put_memory_sizes:
        call    memory_sizes
        jc      .done
        mov     [es:bp + INFO_MEM_LOWER], eax
        mov     [es:bp + INFO_MEM_UPPER], ecx
        or      dword [es:bp + INFO_FLAGS], FLAG_MEMORY
.done:  ret

; Each entry is preceded by its size without the size field.
put_memory_map:
        lea     di, [bp + MAP_OFFSET]
        xor     ebx, ebx
        mov     si, MAP_ENTRIES
.next:  mov     dword [es:di], 20
        add     di, 4
        call    next_map_entry
        jc      .last
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

put_framebuffer:
        push    ds
        mov     ax, SCRATCH
        mov     ds, ax
        mov     dword [es:bp + INFO_VBE_CONTROL], SCRATCH * 16 + VBE_INFO
        mov     dword [es:bp + INFO_VBE_INFO], SCRATCH * 16 + VBE_MODE_INFO
        mov     ax, [VBE_MODE]
        mov     [es:bp + INFO_VBE_MODE], ax
        lea     di, [bp + INFO_FRAMEBUFFER]
        mov     eax, [MODE_ADDRESS]
        stosd
        xor     eax, eax
        stosd
        mov     ax, [MODE_PITCH]
        stosd
        mov     ax, [MODE_WIDTH]
        stosd
        mov     ax, [MODE_HEIGHT]
        stosd
        mov     al, [MODE_DEPTH]
        stosb
        mov     al, 1                   ; direct colour
        stosb
        mov     si, MODE_COLOURS
        mov     cx, 3
.field: lodsw                           ; size, position: the information has the position first
        xchg    al, ah
        stosw
        loop    .field
        or      dword [es:bp + INFO_FLAGS], FLAG_VBE
        pop     ds
        ret
