; The option ROM that starts an ELF kernel by its PVH entry; its image waits in fw_cfg (bios/pvh.cpp put it there).
;
; Xen, "x86/HVM direct boot ABI" (docs/misc/pvh.pandoc). What only the running machine knows is filled in here: the memory
; map, which lies 80h bytes after the start information, and where the ACPI tables begin.

%include "option_rom.inc"

product_name:   db "PVH loader", 0

%include "multiboot.inc"

INFO_RSDP        equ 32
INFO_MAP_ENTRIES equ 48
MAP_OFFSET       equ 0x80
MAP_ENTRIES      equ 128

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
        mov     es, ax
        call    put_memory_map
        call    put_rsdp
        call    load_kernel
        pop     ebx                     ; EBX = the information, as the kernel wants it
        jc      failed
        xor     eax, eax
        jmp     start_kernel

failed:
        mov     si, load_failed
give_up:
        call    print
        retf                            ; back to the BIOS, which tries the next device

; Entries of 24 bytes: the BIOS's 20 and a reserved number, which is zero already.
put_memory_map:
        mov     di, MAP_OFFSET
        xor     ebx, ebx
.next:  call    next_map_entry
        jc      .done
        add     di, 24
        inc     dword [es:INFO_MAP_ENTRIES]
        cmp     dword [es:INFO_MAP_ENTRIES], MAP_ENTRIES
        jae     .done
        test    ebx, ebx
        jnz     .next
.done:  ret

; The RSDP lies on a paragraph (ACPI 5.2.5.1).
put_rsdp:
        mov     bx, 0xE000
.next:  mov     ds, bx
        cmp     dword [0], "RSD "
        jne     .other
        cmp     dword [4], "PTR "
        je      .found
.other: inc     bx
        jnz     .next
        ret
.found: movzx   eax, bx
        shl     eax, 4
        mov     [es:INFO_RSDP], eax
        ret
