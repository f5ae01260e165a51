// User code that calls, faults and is interrupted, in 32- and 64-bit code: what is stepped over comes back to it.
#include "tests/unit/debugger/control_bench.hpp"

#include <vector>

using namespace glassbox;
using namespace glassbox::control_guests;

namespace {

// Both guests begin with
//
//   bits 16
//   org 7C00h
//   start:  cli
//           xor ax, ax
//           mov ds, ax
//           mov ss, ax
//           mov sp, 7000h
//           mov si, ports           ; the 8259: vectors 20h up, only IRQ 0; the 8254: every 256 clocks
//           mov cx, 8
//   .out:   lodsb
//           movzx dx, al
//           lodsb
//           out dx, al
//           loop .out
//           lgdt [gdtr]
//           lidt [idtr]
//
// and their IDT is the test's.
//
//   (as above)
//           mov eax, cr0
//           or al, 1
//           mov cr0, eax
//           jmp 8:flat
//   bits 32
//   flat:   mov ax, 10h
//           mov ds, ax
//           mov ss, ax
//           mov esp, 6000h
//           mov ax, 28h
//           ltr ax
//           mov edx, 0
//           mov eax, 8
//           mov ecx, 174h           ; SYSENTER_CS, ESP, EIP
//           wrmsr
//           mov eax, 5800h
//           inc ecx
//           wrmsr
//           mov eax, enter
//           inc ecx
//           wrmsr
//           mov ax, 23h
//           mov ds, ax
//           push 23h
//           push 5000h
//           push 202h
//           push 1Bh
//           push user
//           iretd
//   user:   inc dword [7000h]       ; mark A
//           int 80h                 ; mark B: sets TS
//           fnop                    ; mark C: #NM, whose handler clears TS: begun again
//           ud2                     ; mark D: #UD, whose handler skips it
//           mov ecx, esp
//           mov edx, landing
//           sysenter                ; mark E: comes back at the landing
//           ud2
//   landing: jmp user               ; mark F
//   enter:  inc dword [ss:7004h]
//           sti
//           nop
//           sysexit
//   device: push eax
//           mov eax, cr0
//           or al, 8
//           mov cr0, eax
//           pop eax
//           iretd
//   missing: clts
//           iretd
//   invalid: add dword [esp], 2
//           iretd
//   timer:  push eax
//           mov al, 20h
//           out 20h, al
//           pop eax
//           iretd
//   ports   db 20h, 11h, 21h, 20h, 21h, 4, 21h, 1, 21h, 0FEh, 43h, 34h, 40h, 0, 40h, 1
//   align 4
//   gdtr    dw 37h
//           dd gdt
//   idtr    dw 81h*8-1
//           dd idt
//   align 8
//   gdt     dq 0, 00CF9A000000FFFFh, 00CF92000000FFFFh, 00CFFA000000FFFFh, 00CFF2000000FFFFh
//           dw 67h, tss, 8900h, 0
//   tss     dd 0, 5C00h, 10h
//   idt:
constexpr std::array<u8, 276> user32 = {
    0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xD0, 0xBC, 0x00, 0x70, 0xBE, 0xBC, 0x7C, 0xB9, 0x08, 0x00, 0xAC, 0x0F, 0xB6,
    0xD0, 0xAC, 0xEE, 0xE2, 0xF8, 0x0F, 0x01, 0x16, 0xCC, 0x7C, 0x0F, 0x01, 0x1E, 0xD2, 0x7C, 0x0F, 0x20, 0xC0, 0x0C,
    0x01, 0x0F, 0x22, 0xC0, 0xEA, 0x2F, 0x7C, 0x08, 0x00, 0x66, 0xB8, 0x10, 0x00, 0x8E, 0xD8, 0x8E, 0xD0, 0xBC, 0x00,
    0x60, 0x00, 0x00, 0x66, 0xB8, 0x28, 0x00, 0x0F, 0x00, 0xD8, 0xBA, 0x00, 0x00, 0x00, 0x00, 0xB8, 0x08, 0x00, 0x00,
    0x00, 0xB9, 0x74, 0x01, 0x00, 0x00, 0x0F, 0x30, 0xB8, 0x00, 0x58, 0x00, 0x00, 0x41, 0x0F, 0x30, 0xB8, 0x97, 0x7C,
    0x00, 0x00, 0x41, 0x0F, 0x30, 0x66, 0xB8, 0x23, 0x00, 0x8E, 0xD8, 0x6A, 0x23, 0x68, 0x00, 0x50, 0x00, 0x00, 0x68,
    0x02, 0x02, 0x00, 0x00, 0x6A, 0x1B, 0x68, 0x7E, 0x7C, 0x00, 0x00, 0xCF, 0xFF, 0x05, 0x00, 0x70, 0x00, 0x00, 0xCD,
    0x80, 0xD9, 0xD0, 0x0F, 0x0B, 0x89, 0xE1, 0xBA, 0x95, 0x7C, 0x00, 0x00, 0x0F, 0x34, 0x0F, 0x0B, 0xEB, 0xE7, 0x36,
    0xFF, 0x05, 0x04, 0x70, 0x00, 0x00, 0xFB, 0x90, 0x0F, 0x35, 0x50, 0x0F, 0x20, 0xC0, 0x0C, 0x08, 0x0F, 0x22, 0xC0,
    0x58, 0xCF, 0x0F, 0x06, 0xCF, 0x83, 0x04, 0x24, 0x02, 0xCF, 0x50, 0xB0, 0x20, 0xE6, 0x20, 0x58, 0xCF, 0x20, 0x11,
    0x21, 0x20, 0x21, 0x04, 0x21, 0x01, 0x21, 0xFE, 0x43, 0x34, 0x40, 0x00, 0x40, 0x01, 0x37, 0x00, 0xD8, 0x7C, 0x00,
    0x00, 0x07, 0x04, 0x14, 0x7D, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00,
    0x00, 0x9A, 0xCF, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x92, 0xCF, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xFA, 0xCF,
    0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xF2, 0xCF, 0x00, 0x67, 0x00, 0x08, 0x7D, 0x00, 0x89, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0x5C, 0x00, 0x00, 0x10, 0x00, 0x00, 0x00,
};

//   (as above)
//           mov dword [1000h], 2007h ; the first 2 MiB
//           mov dword [2000h], 3007h
//           mov dword [3000h], 87h
//           mov eax, 0A0h           ; PAE, PGE
//           mov cr4, eax
//           mov eax, 1000h
//           mov cr3, eax
//           mov ecx, 0C0000080h     ; LME, SCE
//           xor edx, edx
//           mov eax, 101h
//           wrmsr
//           mov eax, cr0
//           or eax, 80000001h
//           mov cr0, eax
//           jmp 8:flat
//   bits 64
//   flat:   mov ax, 28h
//           ltr ax
//           mov esp, 6000h
//           inc ecx                 ; STAR, LSTAR, SFMASK
//           mov edx, 00130008h
//           xor eax, eax
//           wrmsr
//           inc ecx
//           xor edx, edx
//           mov eax, enter
//           wrmsr
//           mov ecx, 0C0000084h
//           mov eax, 200h
//           wrmsr
//           push 1Bh
//           push 5000h
//           push 202h
//           push 23h
//           push user
//           iretq
//   user:   inc dword [7000h]       ; mark A
//           int 80h                 ; mark B: sets TS
//           fnop                    ; mark C: #NM, whose handler clears TS: begun again
//           ud2                     ; mark D: #UD, whose handler skips it
//           nop
//           nop
//           syscall                 ; mark E
//           jmp user                ; mark F
//   enter:  mov rdx, rsp
//           mov esp, 5800h
//           inc dword [7004h]
//           mov rsp, rdx
//           o64 sysret
//   device: push rax
//           mov rax, cr0
//           or al, 8
//           mov cr0, rax
//           pop rax
//           iretq
//   missing: clts
//           iretq
//   invalid: add qword [rsp], 2
//           iretq
//   timer:  push rax
//           mov al, 20h
//           out 20h, al
//           pop rax
//           iretq
//   ports   db 20h, 11h, 21h, 20h, 21h, 4, 21h, 1, 21h, 0FEh, 43h, 34h, 40h, 0, 40h, 1
//   align 4
//   gdtr    dw 37h
//           dd gdt
//   idtr    dw 81h*16-1
//           dd idt
//   align 8
//   gdt     dq 0, 00AF9A000000FFFFh, 00CF92000000FFFFh, 00CFF2000000FFFFh, 00AFFA000000FFFFh
//           dw 67h, tss, 8900h, 0
//           dq 0
//   tss     dd 0, 5C00h, 0
//   idt:
constexpr std::array<u8, 348> user64 = {
    0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xD0, 0xBC, 0x00, 0x70, 0xBE, 0xFB, 0x7C, 0xB9, 0x08, 0x00, 0xAC, 0x0F, 0xB6,
    0xD0, 0xAC, 0xEE, 0xE2, 0xF8, 0x0F, 0x01, 0x16, 0x0C, 0x7D, 0x0F, 0x01, 0x1E, 0x12, 0x7D, 0x66, 0xC7, 0x06, 0x00,
    0x10, 0x07, 0x20, 0x00, 0x00, 0x66, 0xC7, 0x06, 0x00, 0x20, 0x07, 0x30, 0x00, 0x00, 0x66, 0xC7, 0x06, 0x00, 0x30,
    0x87, 0x00, 0x00, 0x00, 0x66, 0xB8, 0xA0, 0x00, 0x00, 0x00, 0x0F, 0x22, 0xE0, 0x66, 0xB8, 0x00, 0x10, 0x00, 0x00,
    0x0F, 0x22, 0xD8, 0x66, 0xB9, 0x80, 0x00, 0x00, 0xC0, 0x66, 0x31, 0xD2, 0x66, 0xB8, 0x01, 0x01, 0x00, 0x00, 0x0F,
    0x30, 0x0F, 0x20, 0xC0, 0x66, 0x0D, 0x01, 0x00, 0x00, 0x80, 0x0F, 0x22, 0xC0, 0xEA, 0x71, 0x7C, 0x08, 0x00, 0x66,
    0xB8, 0x28, 0x00, 0x0F, 0x00, 0xD8, 0xBC, 0x00, 0x60, 0x00, 0x00, 0xFF, 0xC1, 0xBA, 0x08, 0x00, 0x13, 0x00, 0x31,
    0xC0, 0x0F, 0x30, 0xFF, 0xC1, 0x31, 0xD2, 0xB8, 0xC7, 0x7C, 0x00, 0x00, 0x0F, 0x30, 0xB9, 0x84, 0x00, 0x00, 0xC0,
    0xB8, 0x00, 0x02, 0x00, 0x00, 0x0F, 0x30, 0x6A, 0x1B, 0x68, 0x00, 0x50, 0x00, 0x00, 0x68, 0x02, 0x02, 0x00, 0x00,
    0x6A, 0x23, 0x68, 0xB4, 0x7C, 0x00, 0x00, 0x48, 0xCF, 0xFF, 0x04, 0x25, 0x00, 0x70, 0x00, 0x00, 0xCD, 0x80, 0xD9,
    0xD0, 0x0F, 0x0B, 0x90, 0x90, 0x0F, 0x05, 0xEB, 0xED, 0x48, 0x89, 0xE2, 0xBC, 0x00, 0x58, 0x00, 0x00, 0xFF, 0x04,
    0x25, 0x04, 0x70, 0x00, 0x00, 0x48, 0x89, 0xD4, 0x48, 0x0F, 0x07, 0x50, 0x0F, 0x20, 0xC0, 0x0C, 0x08, 0x0F, 0x22,
    0xC0, 0x58, 0x48, 0xCF, 0x0F, 0x06, 0x48, 0xCF, 0x48, 0x83, 0x04, 0x24, 0x02, 0x48, 0xCF, 0x50, 0xB0, 0x20, 0xE6,
    0x20, 0x58, 0x48, 0xCF, 0x20, 0x11, 0x21, 0x20, 0x21, 0x04, 0x21, 0x01, 0x21, 0xFE, 0x43, 0x34, 0x40, 0x00, 0x40,
    0x01, 0x90, 0x37, 0x00, 0x18, 0x7D, 0x00, 0x00, 0x0F, 0x08, 0x5C, 0x7D, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x9A, 0xAF, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x92, 0xCF, 0x00,
    0xFF, 0xFF, 0x00, 0x00, 0x00, 0xF2, 0xCF, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0xFA, 0xAF, 0x00, 0x67, 0x00, 0x50,
    0x7D, 0x00, 0x89, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x5C,
    0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
};

struct Guest {
    std::span<const u8> code;
    bool wide;
    u64 user, enter, device, missing, invalid, timer, idt;
    std::vector<u64> loop; ///< what `next` comes to; SYSENTER or SYSCALL is the last but one
};

std::vector<Guest> guests() {
    return {{user32,
             false,
             0x7C7E,
             0x7C97,
             0x7CA2,
             0x7CAD,
             0x7CB0,
             0x7CB5,
             0x7D14,
             {0x7C7E, 0x7C84, 0x7C86, 0x7C88, 0x7C8A, 0x7C8C, 0x7C91, 0x7C95}},
            {user64,
             true,
             0x7CB4,
             0x7CC7,
             0x7CDC,
             0x7CE8,
             0x7CEC,
             0x7CF3,
             0x7D5C,
             {0x7CB4, 0x7CBB, 0x7CBD, 0x7CBF, 0x7CC1, 0x7CC2, 0x7CC3, 0x7CC5}}};
}

struct UserBench : Bench {
    explicit UserBench(const Guest& guest) : Bench(guest.code) {
        const auto gate = [&](unsigned vector, u64 handler, u8 rights) {
            const std::array<u8, 16> bytes = {static_cast<u8>(handler), static_cast<u8>(handler >> 8), 8, 0, 0, rights};
            const std::size_t size = guest.wide ? 16 : 8;
            machine->board().memory.write_block(PhysAddress{guest.idt + vector * size}, std::span(bytes).first(size));
        };
        gate(6, guest.invalid, 0x8E);
        gate(7, guest.missing, 0x8E);
        gate(0x20, guest.timer, 0x8E);
        gate(0x80, guest.device, 0xEE);
        debugger.changed();
        REQUIRE(go({.kind = Plan::Kind::until, .address = guest.user}));
        REQUIRE(debugger.cpu().cpl == 3);
    }
};

} // namespace

TEST_CASE("control: next comes back from every kind of handler, wherever an interrupt comes between, and back") {
    for (const Guest& guest : guests()) {
        CAPTURE(guest.wide);
        UserBench b(guest);
        std::vector<u64> counts;
        for (int turn = 0; turn < 12; ++turn) {
            for (const u64 expected : guest.loop) {
                CAPTURE(turn);
                REQUIRE(b.ip() == expected);
                REQUIRE(b.debugger.cpu().cpl == 3);
                counts.push_back(b.count());
                b.next();
                REQUIRE(b.stop().kind == StopKind::step);
            }
        }
        for (std::size_t i = counts.size(); i-- > counts.size() / 2;) {
            CAPTURE(i);
            b.next(true);
            REQUIRE(b.ip() == guest.loop[i % guest.loop.size()]);
            REQUIRE(b.count() == counts[i]);
        }
    }
}

TEST_CASE("control: step goes into handlers and says so; finish comes out, and reverse-finish back") {
    for (const Guest& guest : guests()) {
        CAPTURE(guest.wide);
        struct Entry {
            u64 at, from, back;
            std::string_view text;
        };
        const std::vector<u64>& loop = guest.loop;
        for (const Entry& entry : {Entry{guest.device, loop[1], loop[2], "step into software interrupt 80h"},
                                   Entry{guest.missing, loop[2], loop[2], "step into exception #NM"},
                                   Entry{guest.invalid, loop[3], loop[4], "step into exception #UD"},
                                   Entry{guest.enter, loop[6], loop[7], "step"}}) {
            CAPTURE(entry.text);
            UserBench b(guest);
            REQUIRE(b.go({.kind = Plan::Kind::until, .address = entry.from}));
            const u64 count = b.count();
            b.step();
            REQUIRE(b.ip() == entry.at);
            CHECK(b.stop().text == entry.text);
            REQUIRE(b.go({.kind = Plan::Kind::finish}));
            CHECK(b.ip() == entry.back);
            CHECK(b.debugger.cpu().cpl == 3);
            b.step(true);
            CHECK(b.debugger.cpu().cpl == 0);
            REQUIRE(b.go({.kind = Plan::Kind::finish, .backwards = true}));
            CHECK(b.count() == count);
            CHECK(b.ip() == entry.from);
        }
        UserBench b(guest);
        b.break_at(guest.timer + 1);
        b.go_on();
        b.step(true);
        REQUIRE(b.ip() == guest.timer);
        b.step(true);
        const u64 count = b.count(); // in user code, or at the IRET to it
        b.step();
        if (b.ip() != guest.timer) b.step();
        CHECK(b.ip() == guest.timer);
        CHECK(b.stop().text == "step into interrupt 20h (IRQ 0)");
        REQUIRE(b.go({.kind = Plan::Kind::finish, .backwards = true}));
        CHECK(b.count() >= count);
        CHECK(b.count() <= count + 1);
        CHECK(b.debugger.cpu().cpl == 3);
    }
}
