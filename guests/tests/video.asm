; A boot sector that shows pictures, one for each video mode that the screenshot tests look at, and says on COM1 when each
; one stands. The picture is a colour for every column or cell, so that a wrong plane, bank, pitch or palette is seen.
;   1  text, 80 x 25: the letters A-Z in all 256 attributes     2  mode 13h: colour = x + 2y
;   3  mode 12h: four planes, 16 vertical bars                   4  VBE 640 x 480 x 32, through the BIOS's bank window
;   5  mode 4: CGA with four colours, in interleaved lines       6  mode X: mode 13h unchained, 320 x 240
; Assemble with -DPICTURE=n. A BIOS call sets the mode where there is one; mode X is made by hand (VGA registers).
bits 16
org 0x7C00

start:
        xor ax, ax
        mov ds, ax
        mov ss, ax
        mov sp, 0x7C00
        cld

%if PICTURE == 1
        mov ax, 0x0003
        int 0x10
        mov ah, 1                       ; no cursor: its blinking is no part of the picture
        mov cx, 0x2000
        int 0x10
        mov ax, 0x1003                  ; attribute bit 7 is a bright background instead of blinking
        mov bl, 0
        int 0x10
        mov ax, 0xB800
        mov es, ax
        xor di, di
        xor bx, bx
.cell:
        mov ax, bx
        mov cl, 26
        div cl                          ; AH = BX mod 26 while BX < 2000
        mov al, ah
        add al, 'A'
        mov ah, bl
        stosw
        inc bx
        cmp bx, 80 * 25
        jb .cell

%elif PICTURE == 2
        mov ax, 0x0013
        int 0x10
        mov ax, 0xA000
        mov es, ax
        xor di, di
        xor dx, dx                      ; y
.line:
        mov al, dl
        add al, dl
        mov cx, 320
.pixel:
        stosb
        inc al
        loop .pixel
        inc dx
        cmp dx, 200
        jb .line

%elif PICTURE == 3
        mov ax, 0x0012
        int 0x10
        mov ax, 0xA000
        mov es, ax
        mov bx, 1                       ; the plane: 1, 2, 4, 8
.plane:
        mov dx, 0x3C4
        mov al, 2
        mov ah, bl
        out dx, ax
        xor di, di
.row:
        xor si, si                      ; the byte of the line: 80, five for a bar
.byte:
        mov ax, si
        mov cl, 5
        div cl
        and al, bl
        neg al
        sbb al, al                      ; FF when the bar's colour has this plane's bit
        stosb
        inc si
        cmp si, 80
        jb .byte
        cmp di, 80 * 480
        jb .row
        shl bx, 1
        cmp bx, 16
        jb .plane

%elif PICTURE == 4
        mov ax, 0x4F02
        mov bx, 0x0142                  ; 640 x 480 with 32 bits in the Bochs family of display BIOSes
        int 0x10
        cmp ax, 0x004F
        jne failed
        mov ax, 0xA000
        mov es, ax
        xor dx, dx                      ; the bank of 64 KiB: 640 * 480 * 4 / 65536 = 18.75
        xor esi, esi
.bank:
        mov ax, 0x4F05
        xor bx, bx
        int 0x10
        xor di, di
        mov cx, 16384
.point:
        mov eax, esi                    ; the pixel's number is its colour
        stosd
        inc esi
        loop .point
        inc dx
        cmp dx, 18
        jb .bank

%elif PICTURE == 5
        mov ax, 0x0004
        int 0x10
        mov ax, 0xB800
        mov es, ax
        xor bx, bx                      ; even lines, then odd ones at 2000h
.field:
        mov di, bx
        mov cx, 100 * 80
        mov al, 0x1B                    ; colours 0 1 2 3
        or bx, bx
        jz .fill
        mov al, 0xE4                    ; colours 3 2 1 0
.fill:
        rep stosb
        xor bx, 0x2000
        jnz .field

%elif PICTURE == 6
        mov ax, 0x0013
        int 0x10
        mov dx, 0x3C4
        mov ax, 0x0604                  ; chain 4 off
        out dx, ax
        mov ax, 0x0100                  ; hold the sequencer while the clock changes
        out dx, ax
        mov dx, 0x3C2
        mov al, 0xE3                    ; 480 lines
        out dx, al
        mov dx, 0x3C4
        mov ax, 0x0300
        out dx, ax
        mov dx, 0x3D4
        mov al, 0x11                    ; registers 0-7 writable
        out dx, al
        inc dx
        in al, dx
        and al, 0x7F
        out dx, al
        dec dx
        mov si, crtc
        mov cx, (crtc_end - crtc) / 2
.register:
        lodsw
        out dx, ax
        loop .register
        mov ax, 0xA000
        mov es, ax
        mov bl, 1
.plane:
        mov dx, 0x3C4
        mov al, 2
        mov ah, bl
        out dx, ax
        xor di, di
        mov cx, 80 * 240
        mov al, bl
        shl al, 2
.byte:
        stosb                           ; a plane is every fourth column
        inc al
        loop .byte
        shl bl, 1
        cmp bl, 16
        jb .plane
%endif

        mov si, done
        jmp say
failed:
        mov si, no_mode
say:
.next:
        mov dx, 0x3FD                   ; until the transmitter can take a byte
.wait:
        in al, dx
        test al, 0x20
        jz .wait
        mov dx, 0x3F8
        lodsb
        or al, al
        jz .halt
        out dx, al
        jmp .next
.halt:
        sti
        hlt
        jmp .halt

%if PICTURE == 6
crtc:   db 0x06, 0x0D, 0x07, 0x3E, 0x09, 0x41, 0x10, 0xEA, 0x11, 0xAC, 0x12, 0xDF, 0x14, 0x00, 0x15, 0xE7, 0x16, 0x06, 0x17, 0xE3
crtc_end:
%endif
done:   db "picture stands", 10, 0
no_mode: db "no such mode", 10, 0

        times 510 - ($ - $$) db 0
        dw 0xAA55
