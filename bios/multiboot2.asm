; The option ROM that starts a multiboot2 kernel whose image waits in fw_cfg (bios/multiboot2.cpp put it there).
;
; Multiboot2 specification 2.0, 3.3 (I386 machine state) and 3.6 (boot information). The information comes without the
; tags that only the running machine knows; they are appended here, and the end tag.

%include "option_rom.inc"

product_name:   db "Multiboot2 loader", 0

%include "multiboot.inc"

TAG_MEMORY       equ 4
TAG_MEMORY_MAP   equ 6
TAG_VBE          equ 7
TAG_FRAMEBUFFER  equ 8
TAG_SMBIOS       equ 13
TAG_ACPI_OLD     equ 14
TAG_ACPI_NEW     equ 15
MAP_ENTRIES      equ 128
MULTIBOOT2_MAGIC equ 0x36D76289

boot_entry:
        cld
        call    check_dma
        mov     si, no_dma
        jc      give_up
        call    open_a20
        call    load_information
        jc      failed
        push    eax                     ; the linear address of the information, until the jump
        shr     eax, 4                  ; it lies on a paragraph
        mov     ds, ax
        mov     edx, [0]                ; its size so far
        mov     di, dx
        and     di, 0x000F
        shr     edx, 4
        add     ax, dx
        mov     es, ax                  ; ES:DI = its end, with room for 64 KiB
        call    put_memory_sizes
        call    put_memory_map
        call    put_acpi
        call    put_smbios
        call    put_framebuffer
        xor     eax, eax
        stosd                           ; the end tag
        mov     al, 8
        stosd
        pop     ebx                     ; EBX = the information, as the kernel wants it
        xor     edx, edx
        mov     dx, es
        shl     edx, 4
        movzx   eax, di
        add     edx, eax
        sub     edx, ebx
        mov     eax, ebx
        shr     eax, 4
        mov     ds, ax
        mov     [0], edx
        push    ebx
        call    load_kernel
        pop     ebx
        jc      failed
        mov     eax, MULTIBOOT2_MAGIC
        jmp     start_kernel

failed:
        mov     si, load_failed
give_up:
        call    print
        retf                            ; back to the BIOS, which tries the next device

put_memory_sizes:
        call    memory_sizes
        jc      .done
        push    ecx
        push    eax
        mov     eax, TAG_MEMORY
        stosd
        mov     eax, 16
        stosd
        pop     eax
        stosd
        pop     eax
        stosd
.done:  ret

; Entries of 24 bytes: the BIOS's 20 and a reserved number.
put_memory_map:
        mov     bp, di
        mov     eax, TAG_MEMORY_MAP
        stosd
        stosd                           ; the size comes at the end
        mov     eax, 24
        stosd
        xor     eax, eax
        stosd                           ; version of the entries
        xor     ebx, ebx
        mov     si, MAP_ENTRIES
.next:  mov     dword [es:di + 20], 0
        call    next_map_entry
        jc      finish_tag
        add     di, 24
        dec     si
        jz      finish_tag
        test    ebx, ebx
        jnz     .next
; The tag from ES:BP to ES:DI gets its size, and the next one begins on a multiple of 8.
finish_tag:
        movzx   eax, di
        sub     ax, bp
        mov     [es:bp + 4], eax
        xor     al, al
.pad:   test    di, 7
        jz      .done
        stosb
        jmp     .pad
.done:  ret

; The ACPI 1.0 part of the RSDP, and all of it when its revision is 2 or more (ACPI 5.2.5.3).
put_acpi:
        mov     bx, 0xE000
.next:  mov     ds, bx
        cmp     dword [0], "RSD "
        jne     .other
        cmp     dword [4], "PTR "
        jne     .other
        xor     si, si
        mov     cx, 20
        xor     ah, ah
.sum:   lodsb
        add     ah, al
        loop    .sum
        jz      .found
.other: inc     bx
        jnz     .next
        ret
.found: mov     bp, di
        mov     eax, TAG_ACPI_OLD
        stosd
        stosd
        xor     si, si
        mov     cx, 20
        rep movsb
        call    finish_tag
        cmp     byte [15], 2
        jb      .done
        mov     ecx, [20]
        cmp     ecx, 256
        ja      .done
        mov     bp, di
        mov     eax, TAG_ACPI_NEW
        stosd
        stosd
        xor     si, si
        rep movsb
        call    finish_tag
.done:  ret

; The SMBIOS entry point (SMBIOS 5.2.1), with its version in front.
put_smbios:
        mov     bx, 0xF000
.next:  mov     ds, bx
        cmp     dword [0], "_SM_"
        je      .found
        inc     bx
        jnz     .next
        ret
.found: mov     bp, di
        mov     eax, TAG_SMBIOS
        stosd
        stosd
        mov     ax, [6]
        stosw
        xor     eax, eax
        stosw
        stosd
        xor     si, si
        movzx   cx, byte [5]
        rep movsb
        jmp     finish_tag

put_framebuffer:
        call    set_graphics
        jc      .text
        mov     ax, SCRATCH
        mov     ds, ax
        mov     bp, di
        mov     eax, TAG_VBE
        stosd
        stosd
        mov     ax, [VBE_MODE]
        stosw
        xor     eax, eax                ; no protected-mode interface
        stosw
        stosd
        xor     si, si                  ; VBE_INFO and VBE_MODE_INFO
        mov     cx, (512 + 256) / 4
        rep movsd
        call    finish_tag
        mov     bp, di
        mov     eax, TAG_FRAMEBUFFER
        stosd
        stosd
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
        mov     ax, 1                   ; direct colour, reserved
        stosb
        xor     ax, ax
        stosw
        mov     si, MODE_COLOURS
        mov     cx, 3
.field: lodsw                           ; size, position: the tag has the position first
        xchg    al, ah
        stosw
        loop    .field
        jmp     finish_tag
.text:  push    cs
        pop     ds
        mov     si, text_tag
        mov     cx, text_tag_end - text_tag
        mov     bp, di
        rep movsb
        jmp     finish_tag

text_tag:
        dd      TAG_FRAMEBUFFER, 0
        dq      0xB8000
        dd      160, 80, 25
        db      16, 2                   ; bits a character, EGA text
        dw      0
text_tag_end:
