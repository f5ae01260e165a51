; The boot sector. The BIOS has loaded these 512 bytes at 7C00h and jumped here in real mode, with the number of the boot
; drive in DL. Nothing else can be relied on. The only job: load the rest of the image with INT 13h, then go there.

bits 16
boot:   jmp     0x0000:.start           ; some BIOSes arrive with CS = 07C0h; make it 0
.start: cli                             ; no interrupt may hit between the two halves of SS:SP
        xor     ax, ax
        mov     ds, ax
        mov     ss, ax
        mov     sp, 0x7C00              ; the stack grows down from this very code
        sti
        cld
        mov     [drive], dl
        mov     si, text_loading
        call    boot_print
        mov     ax, LOADER_SEGMENT
        mov     es, ax                  ; ES:0 is where the next sectors go

; One INT 13h call reads a run of sectors: not past the end of a track, and not across a 64 KiB boundary of memory, because
; the floppy's DMA channel counts in 16 bits and cannot carry.
.next:  mov     ax, [sector]
        xor     dx, dx
        mov     cx, SECTORS_A_TRACK
        div     cx                      ; AX = track, DX = sector in it, from 0
        sub     cx, dx                  ; sectors left in this track
        cmp     cx, [remaining]
        jbe     .not_the_last
        mov     cx, [remaining]
.not_the_last:
        mov     bx, es                  ; a sector is 20h paragraphs, 64 KiB are 128 sectors
        shr     bx, 5
        and     bx, 127
        neg     bx
        add     bx, 128                 ; sectors up to the boundary
        cmp     cx, bx
        jbe     .no_boundary
        mov     cx, bx
.no_boundary:
        mov     [count], cx
        mov     ch, al
        shr     ch, 1                   ; CH = cylinder: two tracks each
        mov     dh, al
        and     dh, 1                   ; DH = head
        mov     cl, dl
        inc     cl                      ; CL = sector, which the BIOS counts from 1
        mov     byte [tries], 5
.retry: mov     al, [count]
        mov     ah, 2                   ; read sectors
        mov     dl, [drive]
        xor     bx, bx
        push    cx
        push    dx
        int     0x13
        pop     dx
        pop     cx
        jnc     .read
        dec     byte [tries]            ; a floppy's motor may need a second chance
        jz      .failed
        xor     ah, ah                  ; reset the drive
        mov     dl, [drive]
        int     0x13
        jmp     .retry

.read:  mov     ax, [count]
        add     [sector], ax
        sub     [remaining], ax
        shl     ax, 5
        mov     bx, es
        add     bx, ax
        mov     es, bx
        mov     si, text_dot
        call    boot_print
        cmp     word [remaining], 0
        jne     .next
        mov     dl, [drive]
        jmp     LOADER_SEGMENT:0

.failed:
        mov     si, text_failed
        call    boot_print
.stop:  hlt
        jmp     .stop

; Prints the zero-terminated text at DS:SI through the BIOS.
boot_print:
        lodsb
        test    al, al
        jz      .done
        mov     ah, 0x0E                ; teletype output
        mov     bx, 0x0007
        int     0x10
        jmp     boot_print
.done:  ret

sector:         dw 1                    ; the next sector to read, counted from 0 over the whole disk
remaining:      dw IMAGE_SECTORS
count:          dw 0
drive:          db 0
tries:          db 0
text_loading:   db "Loading the GlassBox demo ", 0
text_dot:       db ".", 0
text_failed:    db " the floppy cannot be read", 13, 10, 0

        times SECTOR_SIZE - 2 - ($ - $$) db 0
        dw 0xAA55                       ; the mark of a boot sector
