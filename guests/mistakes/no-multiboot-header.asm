; A kernel for a multiboot loader, without the header that such a loader looks for.
        bits    32
        org     100000h
start:  mov     word [0B8000h], 0741h
        hlt
        jmp     start
