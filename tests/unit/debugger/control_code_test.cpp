// Breakpoints where code comes and goes, and in guests that debug themselves.
#include "tests/unit/debugger/control_bench.hpp"

#include <vector>

using namespace glassbox;
using namespace glassbox::control_guests;

namespace {

// Code that is loaded, mapped, mapped elsewhere and changed after its breakpoints were set.
//
//   bits 16
//   org 7C00h
//   start:  cli
//           xor ax, ax
//           mov ds, ax
//           lgdt [gdtr]
//           mov eax, cr0
//           or al, 1
//           mov cr0, eax
//           jmp 8:flat
//   bits 32
//   flat:   mov ax, 10h
//           mov ds, ax
//           mov es, ax
//           mov ss, ax
//           mov esp, 6000h
//           mov dword [10000h], 11003h ; identity pages for 4 MiB, but for 300000h and 301000h
//           mov edi, 11000h
//           mov eax, 3
//           mov ecx, 1024
//   fill:   stosd
//           add eax, 1000h
//           loop fill
//           mov [11000h+300h*4], ecx
//           mov [11000h+301h*4], ecx
//           mov eax, 10000h
//           mov cr3, eax
//           mov eax, cr0
//           or eax, 80000000h
//           mov cr0, eax
//           mov dword [4000h], 0C39040h ; inc eax / nop / ret
//           mov dword [5000h], 0C39048h ; dec eax / nop / ret
//           mov dword [11000h+300h*4], 4003h
//           mov ebx, 300000h        ; mark A
//           call ebx                ; first
//           mov dword [11000h+300h*4], 5003h
//           invlpg [ebx]
//           call ebx                ; second: the same address shows other code
//           mov dword [11000h+301h*4], 4003h
//           mov ecx, 301000h
//           call ecx                ; third: the first code at another address
//           mov dword [4000h], 0C34040h ; inc eax / inc eax / ret
//           call ecx                ; fourth
//   done:   hlt
//           jmp done
//   gdtr    dw 23
//           dd gdt
//   align 8
//   gdt     dq 0, 00CF9A000000FFFFh, 00CF92000000FFFFh
constexpr std::array<u8, 216> load = {
    0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x0F, 0x01, 0x16, 0xBA, 0x7C, 0x0F, 0x20, 0xC0, 0x0C, 0x01, 0x0F, 0x22, 0xC0,
    0xEA, 0x17, 0x7C, 0x08, 0x00, 0x66, 0xB8, 0x10, 0x00, 0x8E, 0xD8, 0x8E, 0xC0, 0x8E, 0xD0, 0xBC, 0x00, 0x60,
    0x00, 0x00, 0xC7, 0x05, 0x00, 0x00, 0x01, 0x00, 0x03, 0x10, 0x01, 0x00, 0xBF, 0x00, 0x10, 0x01, 0x00, 0xB8,
    0x03, 0x00, 0x00, 0x00, 0xB9, 0x00, 0x04, 0x00, 0x00, 0xAB, 0x05, 0x00, 0x10, 0x00, 0x00, 0xE2, 0xF8, 0x89,
    0x0D, 0x00, 0x1C, 0x01, 0x00, 0x89, 0x0D, 0x04, 0x1C, 0x01, 0x00, 0xB8, 0x00, 0x00, 0x01, 0x00, 0x0F, 0x22,
    0xD8, 0x0F, 0x20, 0xC0, 0x0D, 0x00, 0x00, 0x00, 0x80, 0x0F, 0x22, 0xC0, 0xC7, 0x05, 0x00, 0x40, 0x00, 0x00,
    0x40, 0x90, 0xC3, 0x00, 0xC7, 0x05, 0x00, 0x50, 0x00, 0x00, 0x48, 0x90, 0xC3, 0x00, 0xC7, 0x05, 0x00, 0x1C,
    0x01, 0x00, 0x03, 0x40, 0x00, 0x00, 0xBB, 0x00, 0x00, 0x30, 0x00, 0xFF, 0xD3, 0xC7, 0x05, 0x00, 0x1C, 0x01,
    0x00, 0x03, 0x50, 0x00, 0x00, 0x0F, 0x01, 0x3B, 0xFF, 0xD3, 0xC7, 0x05, 0x04, 0x1C, 0x01, 0x00, 0x03, 0x40,
    0x00, 0x00, 0xB9, 0x00, 0x10, 0x30, 0x00, 0xFF, 0xD1, 0xC7, 0x05, 0x00, 0x40, 0x00, 0x00, 0x40, 0x40, 0xC3,
    0x00, 0xFF, 0xD1, 0xF4, 0xEB, 0xFD, 0x17, 0x00, 0xC0, 0x7C, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x9A, 0xCF, 0x00, 0xFF, 0xFF, 0x00, 0x00, 0x00, 0x92, 0xCF, 0x00,
};

// A guest with a breakpoint of its own in DR0, single steps by TF, and a data breakpoint, each of which its handler
// counts.
//
//   bits 16
//   org 7C00h
//   start:  cli
//           xor ax, ax
//           mov ds, ax
//           mov ss, ax
//           mov sp, 7000h
//           mov word [4], trap
//           mov [6], ax
//           mov eax, point
//           mov dr0, eax
//   again:  mov eax, 1
//           mov dr7, eax
//   point:  inc word [9100h]        ; mark A: the guest's breakpoint, a fault
//           pushf
//           pop ax
//           or ah, 1
//           push ax
//           popf                    ; TF: a trap behind the next instruction
//           nop                     ; mark B
//           inc word [9104h]        ; mark C
//           mov eax, 10001h         ; DR0 stops behind writes to 9106h
//           mov ebx, 9106h
//           mov dr0, ebx
//           mov dr7, eax
//           inc word [9106h]        ; mark D
//           mov eax, point          ; mark E
//           mov dr0, eax
//           jmp again
//   trap:   push bp
//           mov bp, sp
//           push eax
//           inc word [9102h]
//           xor eax, eax
//           mov dr7, eax
//           mov dr6, eax
//           and byte [bp+7], 0FEh
//           pop eax
//           pop bp
//           iret
constexpr std::array<u8, 112> traps = {
    0xFA, 0x31, 0xC0, 0x8E, 0xD8, 0x8E, 0xD0, 0xBC, 0x00, 0x70, 0xC7, 0x06, 0x04, 0x00, 0x56, 0x7C, 0xA3, 0x06, 0x00,
    0x66, 0xB8, 0x25, 0x7C, 0x00, 0x00, 0x0F, 0x23, 0xC0, 0x66, 0xB8, 0x01, 0x00, 0x00, 0x00, 0x0F, 0x23, 0xF8, 0xFF,
    0x06, 0x00, 0x91, 0x9C, 0x58, 0x80, 0xCC, 0x01, 0x50, 0x9D, 0x90, 0xFF, 0x06, 0x04, 0x91, 0x66, 0xB8, 0x01, 0x00,
    0x01, 0x00, 0x66, 0xBB, 0x06, 0x91, 0x00, 0x00, 0x0F, 0x23, 0xC3, 0x0F, 0x23, 0xF8, 0xFF, 0x06, 0x06, 0x91, 0x66,
    0xB8, 0x25, 0x7C, 0x00, 0x00, 0x0F, 0x23, 0xC0, 0xEB, 0xC6, 0x55, 0x89, 0xE5, 0x66, 0x50, 0xFF, 0x06, 0x02, 0x91,
    0x66, 0x31, 0xC0, 0x0F, 0x23, 0xF8, 0x0F, 0x23, 0xF0, 0x80, 0x66, 0x07, 0xFE, 0x66, 0x58, 0x5D, 0xCF,
};

/// The instants at which stop points stop the guest `load`, and then the way back over them.
std::vector<u64> stops_of(const std::vector<StopPoint>& points) {
    Bench b(load);
    for (const StopPoint& point : points) b.add(point);
    std::vector<u64> ips, counts;
    for (;;) {
        b.go_on();
        if (b.stop().kind != StopKind::breakpoint) break;
        REQUIRE(ips.size() < 20);
        ips.push_back(b.ip());
        counts.push_back(b.count());
    }
    CHECK(b.stop().kind == StopKind::ended);
    CHECK(b.ip() > 0x7CB7);
    for (std::size_t i = counts.size(); i-- > 0;) {
        b.back();
        CHECK(b.count() == counts[i]);
        CHECK(b.ip() == ips[i]);
    }
    b.back();
    CHECK(b.stop().kind == StopKind::history_end);
    return ips;
}

StopPoint at(u64 linear) { return {.where = {.value = linear}}; }
StopPoint at_physical(u64 address) { return {.where = {.space = Address::Space::physical, .value = address}}; }

} // namespace

TEST_CASE("control: a breakpoint follows its linear address, a physical one the memory, whatever is mapped when") {
    using Ips = std::vector<u64>;
    CHECK(stops_of({at(0x300000)}) == Ips{0x300000, 0x300000}); // not mapped when it is set; then two pages
    CHECK(stops_of({at(0x301000)}) == Ips{0x301000, 0x301000}); // the second time, other code
    CHECK(stops_of({at_physical(0x4000)}) == Ips{0x300000, 0x301000, 0x301000}); // through each address
    CHECK(stops_of({at_physical(0x5001)}) == Ips{0x300001});
    CHECK(stops_of({at(0x300000), at_physical(0x4001)}) == Ips{0x300000, 0x300001, 0x300000, 0x301001, 0x301001});
}

TEST_CASE("control: inside of an instruction there is none, unless a range begins there") {
    CHECK(stops_of({at(0x7C85), at(0x7C8A), at(0x7C99)}).empty());
    StopPoint range = at(0x7C85);
    range.length = 5; // its last byte begins the CALL
    CHECK(stops_of({range}) == std::vector<u64>{0x7C89});
}

TEST_CASE("control: breakpoints that are changed while the machine stands there") {
    Bench b(load);
    const unsigned first = b.break_at(0x300000);
    b.go_on();
    REQUIRE(b.ip() == 0x300000);
    b.debugger.remove(first);
    b.break_at(0x300000); // again: the machine is there, and goes on from it
    const u64 count = b.count();
    b.go_on();
    CHECK(b.count() > count);
    CHECK(b.ip() == 0x300000);
    b.back();
    CHECK(b.count() == count);
    b.break_at(0x300001); // the very next one
    b.go_on();
    CHECK(b.ip() == 0x300001);
    CHECK(b.count() == count + 1);
}

TEST_CASE("control: the guest's own breakpoints and single steps do not notice ours, nor we theirs") {
    Bench b(traps);
    const auto alone = machine_with(traps);
    b.break_at(0x7C25); // where its own is
    b.break_at(0x7C31); // behind its single step
    b.add({.kind = StopPointKind::write, .where = {.value = 0x9106}, .length = 2});
    b.add({.kind = StopPointKind::write, .where = {.value = 0x9102}, .length = 2}); // in its handler
    std::array<unsigned, 5> stops{};
    for (int i = 0; i < 120; ++i) {
        b.go_on();
        REQUIRE(b.stop().number >= 1);
        REQUIRE(b.stop().number <= 4);
        ++stops[b.stop().number];
    }
    // A turn: the breakpoint before its fault and when it is begun again, the other two, three times the handler.
    CHECK(stops[1] + stops[2] + stops[3] + stops[4] == 120);
    CHECK(stops[4] >= 3 * (stops[3] - 1));
    CHECK(stops[4] <= 3 * (stops[3] + 1));
    CHECK(stops[2] + 1 >= stops[3]);
    CHECK(stops[1] >= stops[3]);
    CHECK(alone->run(never, b.count()) == StopReason::limit);
    CHECK(alone->state_hash() == b.machine->state_hash());
}

TEST_CASE("control: next passes over the guest's debug handlers, and back") {
    Bench b(traps);
    REQUIRE(b.go({.kind = Plan::Kind::until, .address = 0x7C25}));
    const std::vector<u64> turn = {0x7C25, 0x7C29, 0x7C2A, 0x7C2B, 0x7C2E, 0x7C2F, 0x7C30, 0x7C31};
    std::vector<u64> counts;
    for (const u64 expected : turn) {
        REQUIRE(b.ip() == expected);
        counts.push_back(b.count());
        b.next();
    }
    REQUIRE(b.go({.kind = Plan::Kind::until, .address = 0x7C47}));
    const u64 before = b.count();
    b.next();
    CHECK(b.ip() == 0x7C4B);
    b.next(true);
    CHECK(b.ip() == 0x7C47);
    CHECK(b.count() == before);
    REQUIRE(b.debugger.go_to(counts.back()).has_value());
    for (std::size_t i = turn.size() - 1; i-- > 0;) {
        b.next(true);
        CHECK(b.ip() == turn[i]);
        CHECK(b.count() == counts[i]);
    }
}
