; The second stage, in real mode at 1000h:0000. It asks the BIOS the questions that can only be asked here, opens the
; A20 gate, switches to protected mode, copies the kernel to 1 MiB and jumps to it. There is no way back to the BIOS.

bits 16
loader: mov     ax, cs
        mov     ds, ax
        xor     ax, ax
        mov     es, ax                  ; ES:BOOT_INFO is the kernel's boot information
        mov     dword [es:BOOT_INFO], 0x42534C47        ; "GLSB": the kernel checks it
        movzx   eax, dl
        mov     [es:BOOT_INFO + 4], eax
        call    read_memory_map
        call    open_a20

; Into protected mode: a descriptor table, one bit in CR0, and a far jump that loads CS with a 32-bit code segment.
        cli
        lgdt    [gdt_register]
        mov     eax, cr0
        or      al, 1
        mov     cr0, eax
        jmp     dword 0x08:LOADER_SEGMENT * 16 + protected_mode

; INT 15h AX=E820h hands out the memory map, one range a call. EBX carries the place in the list from call to call.
MAP_COUNT   equ BOOT_INFO + 8
MAP_ENTRIES equ BOOT_INFO + 12
MAP_LIMIT   equ 32
SMAP        equ 0x534D4150              ; "SMAP", the call's password
read_memory_map:
        mov     dword [es:MAP_COUNT], 0
        mov     di, MAP_ENTRIES
        xor     ebx, ebx
.next:  mov     eax, 0xE820
        mov     edx, SMAP
        mov     ecx, 20
        int     0x15
        jc      .end
        cmp     eax, SMAP
        jne     .end
        add     di, 20
        inc     dword [es:MAP_COUNT]
        cmp     dword [es:MAP_COUNT], MAP_LIMIT
        je      .done
        test    ebx, ebx
        jnz     .next
.end:   cmp     dword [es:MAP_COUNT], 0
        jne     .done
; An old BIOS without that call: INT 15h AH=88h tells the KiB above 1 MiB.
        mov     ah, 0x88
        int     0x15
        movzx   eax, ax
        shl     eax, 10
        mov     dword [es:di], 0x100000
        mov     dword [es:di + 4], 0
        mov     [es:di + 8], eax
        mov     dword [es:di + 12], 0
        mov     dword [es:di + 16], 1   ; usable RAM
        mov     dword [es:MAP_COUNT], 1
.done:  ret

; The 8086 had 20 address lines, and some programs relied on addresses wrapping at 1 MiB; so the AT got a gate on the 21st.
; With it shut, every odd megabyte would be missing.
open_a20:
        mov     ax, 0x2401              ; ask the BIOS
        int     0x15
        in      al, 0x92                ; and set the fast gate as well
        or      al, 2
        and     al, 0xFE                ; bit 0 resets the machine
        out     0x92, al
        ret

        align 8, db 0
; Two segments that cover all 4 GiB. The kernel builds its own table later (kernel/segments.cpp).
gdt:    dq 0
        dq 0x00CF9A000000FFFF           ; 08h: code, ring 0
        dq 0x00CF92000000FFFF           ; 10h: data, ring 0
gdt_register:
        dw gdt_register - gdt - 1
        dd LOADER_SEGMENT * 16 + gdt

bits 32
protected_mode:
        mov     ax, 0x10
        mov     ds, ax
        mov     es, ax
        mov     fs, ax
        mov     gs, ax
        mov     ss, ax
        mov     esp, 0x7C00
        mov     esi, LOADER_SEGMENT * 16 + kernel_begin
        mov     edi, KERNEL_ADDRESS
        mov     ecx, (image_end - kernel_begin) / 4
        cld
        rep movsd
        mov     eax, KERNEL_ADDRESS
        jmp     eax
