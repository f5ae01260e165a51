; A multiboot kernel that reports on COM1 what its boot loader gave it, then powers the machine off: for tests of
; `--kernel`. Assemble with `nasm -f bin`; the header's own addresses make it loadable without ELF.
;
; Multiboot specification 0.6.96, 3.1-3.3; PIIX4 PMCNTRL at 604h (82371AB, 7.2.3), where SeaBIOS places it.

bits 32
org 0x100000

FLAGS equ (1 << 16) | 3
        align 4
header: dd 0x1BADB002, FLAGS, -(0x1BADB002 + FLAGS)
        dd header, 0x100000, image_end, bss_end, start

start:  mov     esp, stack_top
        cmp     eax, 0x2BADB002
        jne     bad_magic
        mov     esi, ebx
        mov     ebp, ebx
        mov     edi, text_flags
        mov     eax, [ebp]
        call    report
        mov     edi, text_lower
        mov     eax, [ebp + 4]
        call    report
        mov     edi, text_upper
        mov     eax, [ebp + 8]
        call    report
        mov     edi, text_cmdline
        call    print
        mov     edi, [ebp + 16]
        call    print
        mov     edi, text_loader
        call    print
        mov     edi, [ebp + 64]
        call    print
        call    newline
        call    modules
        call    memory_map
        mov     edi, text_done
        call    print
power_off:
        mov     dx, 0x3FD
.drain: in      al, dx
        test    al, 0x40                ; the last byte has left the shift register
        jz      .drain
        mov     dx, 0x604
        mov     ax, 0x2000              ; SLP_EN, SLP_TYP 0: soft off
        out     dx, ax
.stop:  cli
        hlt
        jmp     .stop

bad_magic:
        mov     edi, text_magic
        call    report
        jmp     power_off

modules:
        mov     ecx, [ebp + 20]
        mov     esi, [ebp + 24]
        jecxz   .done
.next:  mov     edi, text_module
        mov     eax, [esi]
        call    report
        mov     edi, text_end
        mov     eax, [esi + 4]
        call    report
        mov     edi, text_space
        call    print
        mov     edi, [esi + 8]
        call    print
        mov     edi, text_first
        mov     eax, [esi]
        mov     eax, [eax]
        call    report
        call    newline
        add     esi, 16
        dec     ecx
        jnz     .next
.done:  ret

memory_map:
        mov     esi, [ebp + 48]
        mov     ebx, [ebp + 44]
        add     ebx, esi
.next:  cmp     esi, ebx
        jae     .done
        mov     edi, text_map
        mov     eax, [esi + 4]
        call    report
        mov     edi, text_length
        mov     eax, [esi + 12]
        call    report
        mov     edi, text_type
        mov     eax, [esi + 20]
        call    report
        call    newline
        add     esi, [esi]
        add     esi, 4
        jmp     .next
.done:  ret

; Prints the text at EDI, then EAX in hexadecimal.
report: push    eax
        call    print
        pop     eax
        push    ecx
        push    eax
        mov     ecx, 8
.digit: rol     eax, 4
        push    eax
        and     al, 15
        add     al, '0'
        cmp     al, '9'
        jbe     .put
        add     al, 'A' - '9' - 1
.put:   call    put_char
        pop     eax
        loop    .digit
        pop     eax
        pop     ecx
        ret

newline:
        mov     edi, text_newline
print:  mov     al, [edi]
        inc     edi
        test    al, al
        jz      .done
        call    put_char
        jmp     print
.done:  ret

put_char:
        push    edx
        push    eax
        mov     dx, 0x3FD
.wait:  in      al, dx
        test    al, 0x20
        jz      .wait
        pop     eax
        mov     dx, 0x3F8
        out     dx, al
        pop     edx
        ret

text_magic:     db "wrong magic ", 0
text_flags:     db "multiboot flags ", 0
text_lower:     db " lower ", 0
text_upper:     db " upper ", 0
text_cmdline:   db 13, 10, "cmdline ", 0
text_loader:    db 13, 10, "loader ", 0
text_module:    db "module ", 0
text_end:       db "-", 0
text_first:     db " data ", 0
text_space:     db " ", 0
text_map:       db "map ", 0
text_length:    db " length ", 0
text_type:      db " type ", 0
text_done:      db "multiboot probe done"
text_newline:   db 13, 10, 0
image_end:

absolute image_end
        alignb 16
        resb 4096
stack_top:
bss_end:
