// The engine's promises: self-modifying code takes effect at the next instruction, wherever it comes from; events and
// interrupts come at an exact instruction; flags travel through every form of EFLAGS.
#include "cpu/block/cache.hpp"
#include "system_fixture.hpp"

#include <initializer_list>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 code_at = 0xC000;

struct Running : Machine {
    u32 end = code_at;
    Running() {
        level(0);
        cpu.ip = code_at;
    }
    void emit(std::initializer_list<u8> bytes) {
        for (u8 b : bytes) put<u8>(end++, b);
    }
    /// Runs to the HLT, in slices of `slice` instructions.
    void run(u64 slice = 1000) {
        for (unsigned guard = 0; guard < 100000 && !cpu.halted; ++guard) cpu.run(slice);
        REQUIRE(cpu.halted);
    }
};

} // namespace

TEST_CASE("a store to the next instruction is seen by it") {
    for (u64 slice : {1, 2, 3, 1000}) {
        Running m;
        // mov byte [code+8], 0x42 ; mov al, 1 -> 0x42 ; hlt
        m.emit({0xC6, 0x05, 0x08, 0xC0, 0x00, 0x00, 0x42, 0xB0, 0x01, 0xF4});
        m.run(slice);
        CHECK(m.cpu.reg<u8>(0) == 0x42);
    }
}

TEST_CASE("a loop that rewrites its own immediate runs the new one each time") {
    Running m;
    // xor eax, eax ; mov ecx, 5 ; L: add al, 1 ; inc byte [L+1] ; dec ecx ; jnz L ; hlt
    m.emit({0x31, 0xC0, 0xB9, 5, 0, 0, 0});
    const u32 loop = m.end;
    m.emit({0x04, 0x01, 0xFE, 0x05, static_cast<u8>(loop + 1), static_cast<u8>((loop + 1) >> 8), 0, 0, 0x49, 0x75, 0xF5,
            0xF4});
    m.run();
    CHECK(m.cpu.reg<u8>(0) == 1 + 2 + 3 + 4 + 5);
}

TEST_CASE("code written through another linear address, by REP MOVS and by DMA is seen") {
    Running m;
    // Twice: call 0xD000 (mov al, imm ; ret); the routine is changed in between.
    m.put<u8>(0xD000, 0xB0), m.put<u8>(0xD001, 1), m.put<u8>(0xD002, 0xC3);
    const auto call = [&] { m.emit({0xE8, 0, 0, 0, 0}), m.put<u32>(m.end - 4, 0xD000 - m.end); };
    call();
    m.emit({0x88, 0xC3}); // mov bl, al
    // rep movsb of three bytes from 0xE000 over the routine
    m.emit({0xBE, 0x00, 0xE0, 0, 0, 0xBF, 0x00, 0xD0, 0, 0, 0xB9, 3, 0, 0, 0, 0xF3, 0xA4});
    call();
    m.emit({0xF4});
    m.put<u8>(0xE000, 0xB0), m.put<u8>(0xE001, 2), m.put<u8>(0xE002, 0xC3);
    m.run();
    CHECK(m.cpu.reg<u8>(8 * RBX) == 1);
    CHECK(m.cpu.reg<u8>(0) == 2);
    const u8 dma[] = {0xB0, 3, 0xC3};
    m.memory.write_block(PhysAddress{0xD000}, dma);
    m.cpu.halted = false;
    m.cpu.ip = code_at;
    m.put<u8>(0xE001, 9);
    m.cpu.run(2); // the call and the mov
    CHECK(m.cpu.reg<u8>(0) == 3);
}

TEST_CASE("an instruction that runs from a frame's end into the same frame's beginning can change") {
    constexpr u32 directory = 0x20000, table = 0x21000, frame = 0x30000, twice = 0x100000;
    Running m;
    m.put<u32>(directory, table | 7);
    for (u32 i = 0; i < 256; ++i) m.put<u32>(table + 4 * i, i << 12 | 7);
    for (u32 i = 256; i < 258; ++i) m.put<u32>(table + 4 * i, frame | 7);
    m.cpu.cr3 = directory;
    REQUIRE(write_cr0(m.cpu, static_cast<u32>(m.cpu.cr0 | cr0::PG)));
    for (u8 value = 1; value < 4; ++value) {
        // mov ebx, value in both halves; hlt
        m.put<u8>(frame + 0xFFD, 0xBB), m.put<u8>(frame + 0xFFE, value), m.put<u8>(frame + 0xFFF, 0);
        m.put<u8>(frame, value), m.put<u8>(frame + 1, 0), m.put<u8>(frame + 2, 0xF4);
        m.cpu.memory_written(PhysAddress{frame + (value & 1 ? 0xFFE : 0)}, 1);
        m.cpu.ip = twice + 0xFFD;
        m.cpu.halted = false;
        m.run();
        CHECK(m.cpu.r32(RBX) == value * 0x10001u);
    }
}

TEST_CASE("a slice ends at its instruction, whatever the blocks are like") {
    for (u64 length = 1; length < 40; ++length) {
        Running m;
        for (unsigned i = 0; i < 60; ++i) m.emit({0x40}); // inc eax
        m.emit({0xF4});
        m.cpu.gpr[RAX] = 0;
        m.cpu.run(length);
        CHECK(m.cpu.r32(RAX) == length);
        CHECK(m.cpu.ip == code_at + length);
        CHECK(m.scheduler.instructions() == length);
        m.cpu.run(7);
        CHECK(m.cpu.r32(RAX) == length + 7);
    }
}

TEST_CASE("code decoded under one limit of CS does not run under another") {
    Running m;
    m.put<u64>(idt + 8 * 13, gate(code0, 0xD000, access(14, 0)));
    m.put<u8>(0xD000, 0xF4);
    m.emit({0x40, 0xB3, 0x07, 0xF4}); // inc eax ; mov bl, 7 ; hlt
    const auto ends_at = [&](u32 limit) {
        m.level(0);
        m.cpu.seg[CS].limit = limit;
        m.cpu.seg[CS].update(false);
        m.cpu.update_mode();
        m.cpu.halted = false;
        m.cpu.ip = code_at;
        m.run();
        return m.cpu.ip;
    };
    CHECK(ends_at(code_at + 1) == 0xD001); // #GP: the limit cuts MOV
    CHECK(ends_at(code_at + 3) == code_at + 4);
    CHECK(ends_at(code_at + 1) == 0xD001);
    CHECK(ends_at(code_at) == 0xD001);
}

TEST_CASE("a repeated string instruction stops within a slice and goes on") {
    for (u64 slice : {1, 3, 7, 64}) {
        Running m;
        m.emit({0xB9, 200, 0, 0, 0, 0xBF, 0x00, 0xE0, 0, 0, 0xB0, 0xAB, 0xFC, 0xF3, 0xAA, 0xF4});
        m.run(slice);
        CHECK(m.get<u8>(0xE000) == 0xAB);
        CHECK(m.get<u8>(0xE000 + 199) == 0xAB);
        CHECK(m.get<u8>(0xE000 + 200) == 0);
        CHECK(m.cpu.r32(RCX) == 0);
        CHECK(m.scheduler.instructions() == 4 + 200 + 1); // an iteration counts as an instruction
    }
}

TEST_CASE("STI holds an interrupt off for one instruction, and the handler's frame shows where") {
    Running m;
    m.put<u64>(idt + 8 * 0x20, gate(code0, 0xD000, access(14, 0)));
    m.put<u8>(0xD000, 0xF4);
    m.emit({0xFB, 0x40, 0x40, 0xF4}); // sti ; inc eax ; inc eax ; hlt
    m.cpu.gpr[RAX] = 0;
    m.cpu.set_intr(true);
    m.run();
    CHECK(m.cpu.r32(RAX) == 1);
    CHECK(m.get<u32>(m.cpu.r32(RSP)) == code_at + 2);
}

TEST_CASE("the trap flag stops after each instruction, with BS in DR6") {
    Running m;
    m.put<u64>(idt + 8 * 1, gate(code0, 0xD000, access(14, 0)));
    m.put<u8>(0xD000, 0xF4);
    m.emit({0x40, 0x40, 0xF4});
    m.cpu.gpr[RAX] = 0;
    m.cpu.eflags |= eflags::TF;
    m.run();
    CHECK(m.cpu.r32(RAX) == 1);
    CHECK((m.cpu.dr[6] & dr6::BS) != 0);
    CHECK(m.get<u32>(m.cpu.r32(RSP)) == code_at + 1);
}

TEST_CASE("a data breakpoint traps after the access, a code breakpoint before the instruction") {
    Running m;
    m.put<u64>(idt + 8 * 1, gate(code0, 0xD000, access(14, 0)));
    m.put<u8>(0xD000, 0xF4);
    m.emit({0xA2, 0x10, 0xE0, 0, 0, 0x40, 0x40, 0xF4}); // mov [E010], al ; inc eax twice
    m.cpu.gpr[RAX] = 0;
    m.cpu.dr[0] = 0xE010;
    m.cpu.dr[7] = 0x1'0002; // G0, write, one byte
    m.cpu.debug_registers_changed();
    m.run();
    CHECK((m.cpu.dr[6] & 1) != 0);
    CHECK(m.get<u32>(m.cpu.r32(RSP)) == code_at + 5);

    m.level(0);
    m.cpu.halted = false;
    m.cpu.ip = code_at + 5;
    m.cpu.dr[0] = code_at + 6;
    m.cpu.dr[6] = 0;
    m.cpu.dr[7] = 2; // G0, execute
    m.cpu.debug_registers_changed();
    m.cpu.gpr[RAX] = 0;
    m.run();
    CHECK((m.cpu.dr[6] & 1) != 0);
    CHECK(m.cpu.r32(RAX) == 1);
    CHECK(m.get<u32>(m.cpu.r32(RSP)) == code_at + 6);
}

TEST_CASE("all 64 combinations of the arithmetic flags survive the lazy form") {
    for (u32 n = 0; n < 64; ++n) {
        const u32 value = ((n & 1) ? eflags::CF : 0) | ((n & 2) ? eflags::PF : 0) | ((n & 4) ? eflags::AF : 0) |
                          ((n & 8) ? eflags::ZF : 0) | ((n & 16) ? eflags::SF : 0) | ((n & 32) ? eflags::OF : 0);
        Flags f;
        f.load(value);
        CHECK(f.value() == value);
        CHECK(f.less() == (((value & eflags::SF) != 0) != ((value & eflags::OF) != 0)));
        f.set_cf(true);
        CHECK(f.value() == (value | eflags::CF));
    }
    for (u64 v :
         {u64{0}, u64{1} << 63, u64{1} << 32, u64{0x100}, u64{3}, ~u64{0}}) { // 64-bit results fold into the same form
        Flags f;
        f.set_result<u64>(v);
        CHECK(f.zf() == (v == 0));
        CHECK(f.sf() == ((v >> 63) != 0));
        CHECK(f.pf() == (std::popcount(static_cast<u8>(v)) % 2 == 0));
    }
}
