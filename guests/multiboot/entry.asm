; The kernel's header, for the multiboot version that -D VERSION=1 or 2 names, and its way from the loader's 32-bit code
; into long mode.
;
; Multiboot specification 0.6.96, 3.1-3.2; Multiboot2 specification 2.0, 3.1 and 3.3; SDM 3A 10.8.5 (initialising long
; mode). No entry tag: the loader has to turn the ELF file's virtual entry into a physical address.

bits 32
section .boot progbits alloc exec write align=4096
extern kernel_main

%if VERSION = 1
PAGES equ 1
MEMORY equ 2
VIDEO equ 4
        align 4
        dd 0x1BADB002, PAGES | MEMORY | VIDEO, -(0x1BADB002 + (PAGES | MEMORY | VIDEO))
        dd 0, 0, 0, 0, 0
        dd 0, 800, 600, 32              ; linear graphics
%else
        align 8
header: dd 0xE85250D6, 0, header_end - header, -(0xE85250D6 + (header_end - header))
        dw 1, 0                         ; information that it cannot do without
        dd request_end - $ + 4
        dd 1, 2, 3, 4, 6, 8, 9, 14
request_end:
        align 8
        dw 5, 1
        dd 20, 800, 600, 32
        align 8
        dw 6, 0                         ; modules on pages
        dd 8
        dw 0, 0
        dd 8
header_end:
%endif

; EAX the magic number, EBX the boot information, flat segments, interrupts off.
boot_entry_physical:
        mov     esp, stack_top
        mov     edi, eax
        mov     esi, ebx
        mov     eax, 0x80000001
        cpuid
        bt      edx, 29                 ; LM
        jnc     no_long_mode

; 8 GiB as 2 MiB pages at 0, the first GiB again 2 GiB below the top of the addresses.
        mov     ebx, page_directories
        xor     ecx, ecx
.page:  mov     eax, ecx
        shl     eax, 21
        or      eax, 0x83               ; present, writable, large
        mov     [ebx + ecx * 8], eax
        mov     eax, ecx
        shr     eax, 11
        mov     [ebx + ecx * 8 + 4], eax
        inc     ecx
        cmp     ecx, 8 * 512
        jb      .page
        xor     ecx, ecx
.gib:   mov     eax, ecx
        shl     eax, 12
        add     eax, page_directories + 3
        mov     [low_pointers + ecx * 8], eax
        inc     ecx
        cmp     ecx, 8
        jb      .gib
        mov     dword [high_pointers + 510 * 8], page_directories + 3
        mov     dword [top], low_pointers + 3
        mov     dword [top + 511 * 8], high_pointers + 3

        mov     eax, cr4
        or      eax, 1 << 5             ; PAE
        mov     cr4, eax
        mov     eax, top
        mov     cr3, eax
        mov     ecx, 0xC0000080         ; EFER
        rdmsr
        or      eax, 1 << 8             ; LME
        wrmsr
        mov     eax, cr0
        or      eax, 1 << 31
        mov     cr0, eax
        lgdt    [gdt_pointer]
        jmp     8:long_mode

no_long_mode:
        mov     dx, 0x604               ; PIIX4 PMCNTRL, where SeaBIOS places it: soft off
        mov     ax, 0x2000
        out     dx, ax
        cli
        hlt

bits 64
long_mode:
        xor     eax, eax
        mov     ds, eax
        mov     es, eax
        mov     fs, eax
        mov     gs, eax
        mov     ss, eax
        mov     rax, kernel_main
        call    rax
.stop:  cli
        hlt
        jmp     .stop

        align 8
gdt:    dq 0
        dq 0x00209B0000000000           ; 64-bit code
gdt_pointer:
        dw $ - gdt - 1
        dq gdt


; The ELF file's entry, a virtual address as in kernels that are linked high: it runs at its physical one.
bits 32
section .text.entry progbits alloc exec nowrite align=16
global kernel_entry
kernel_entry:
        mov     ecx, boot_entry_physical
        jmp     ecx

section .boot_bss nobits alloc noexec write align=4096
top:              resb 4096
low_pointers:     resb 4096
high_pointers:    resb 4096
page_directories: resb 8 * 4096
                  resb 16384
stack_top:

section .note.GNU-stack noalloc noexec nowrite progbits
