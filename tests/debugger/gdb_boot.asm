; A boot sector for tests of the gdb stub: real mode, 32-bit protected mode, 64-bit mode, then a loop that writes to a
; variable, correctly ten times and wrongly once. Linked at 7C00h; the symbols are gdb's.
%define tables 0x10000

section .text
global start, protected_entry, long_entry, main_loop, spoil, finished, counter, canary
bits 16
start:
    jmp 0:.here
.here:
    cli
    xor ax, ax
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov sp, 0x7C00
    mov ax, 0x1234
    push ax
    pop bx
    mov ax, 0x2401
    int 0x15                    ; A20 on
    cli
    lgdt [gdt_pointer]
    mov eax, cr0
    or al, 1
    mov cr0, eax
    jmp 8:protected_entry

bits 32
protected_entry:
    mov ax, 16
    mov ds, ax
    mov es, ax
    mov ss, ax
    mov esp, 0x7C00
    mov edi, tables             ; PML4, PDPT, PD: 1 GiB in large pages
    mov cr3, edi
    xor eax, eax
    mov ecx, 3 * 1024
    rep stosd
    mov dword [tables], tables + 0x1003
    mov dword [tables + 0x1000], tables + 0x2003
    mov edi, tables + 0x2000
    mov eax, 0x83
.fill:
    mov [edi], eax
    add eax, 0x200000
    add edi, 8
    cmp edi, tables + 0x3000
    jb .fill
    mov eax, cr4
    or al, 0x20                 ; PAE
    mov cr4, eax
    mov ecx, 0xC0000080
    rdmsr
    or ah, 1                    ; LME
    wrmsr
    mov eax, cr0
    or eax, 0x80000000
    mov cr0, eax
    jmp 24:long_entry

bits 64
long_entry:
    mov rbx, 0x1122334455667788
    xor ecx, ecx
    mov dword [canary], 0xC0FFEE
main_loop:
    inc ecx
    mov [counter], ecx
    cmp ecx, 7
    jne advance
spoil:
    mov dword [counter + 4], 0xBAD ; beyond the counter: the canary
advance:
    cmp ecx, 10
    jb main_loop
finished:
    hlt
    jmp finished

align 8
gdt:
    dq 0
    dq 0x00CF9A000000FFFF       ; 8: code, 32 bits
    dq 0x00CF92000000FFFF       ; 16: data
    dq 0x00AF9A000000FFFF       ; 24: code, 64 bits
gdt_pointer:
    dw 31
    dd gdt
align 8
counter: dd 0
canary: dd 0
    times 510 - ($ - start) db 0
    dw 0xAA55
