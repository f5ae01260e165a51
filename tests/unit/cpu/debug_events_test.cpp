// RF in pushed EFLAGS, and what a fault does to the breakpoints of its instruction (SDM 3B 17.3.1). Found by the system
// suite, forms debug/.
#include "system_fixture.hpp"

#include <initializer_list>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 code_at = 0xC000, handler = 0xD000;

/// Every exception's handler is a HLT.
struct Events : Machine {
    Events(std::initializer_list<u8> bytes) {
        level(0);
        u32 at = code_at;
        for (const u8 b : bytes) put<u8>(at++, b);
        put<u8>(handler, 0xF4);
        for (u32 vector : {1u, 13u, 0x20u}) put<u64>(idt + 8 * vector, gate(code0, handler, access(14, 0)));
        cpu.ip = code_at;
    }
    void run(u64 slice = 1000) {
        for (unsigned guard = 0; guard < 1000 && !cpu.halted; ++guard) cpu.run(slice);
        REQUIRE(cpu.halted);
    }
    u32 pushed(u32 n) { return get<u32>(cpu.r32(RSP) + 4 * n); }
};

} // namespace

TEST_CASE("between two repetitions a trap pushes RF, after the last one it does not") {
    for (u32 count : {1u, 3u}) {
        Events m{0xF3, 0xAA, 0x90, 0xF4}; // rep stosb
        m.cpu.gpr[RCX] = count;
        m.cpu.gpr[RDI] = 0xE000;
        m.cpu.eflags |= eflags::TF;
        m.run();
        CHECK(m.pushed(0) == (count == 1 ? code_at + 2 : code_at));
        CHECK((m.pushed(2) & eflags::RF) == (count == 1 ? 0u : eflags::RF));
    }
}

TEST_CASE("an interrupt between two repetitions pushes RF") {
    Events m{0xF3, 0xAA, 0x90, 0xF4};
    m.cpu.gpr[RCX] = 100;
    m.cpu.gpr[RDI] = 0xE000;
    m.cpu.eflags |= eflags::IF;
    m.cpu.run(10);
    m.cpu.set_intr(true);
    m.run();
    CHECK(m.pushed(0) == code_at);
    CHECK((m.pushed(2) & eflags::RF) != 0);
    CHECK(m.cpu.r32(RCX) == 90);
}

TEST_CASE("a breakpoint on a string instruction that RF passes over is passed over for all repetitions") {
    Events m{0xF3, 0xAA, 0xF4};
    m.cpu.gpr[RCX] = 5;
    m.cpu.gpr[RDI] = 0xE000;
    m.cpu.eflags |= eflags::RF;
    m.cpu.dr[0] = code_at;
    m.cpu.dr[7] = 2;
    m.cpu.debug_registers_changed();
    m.run();
    CHECK(m.cpu.r32(RCX) == 0);
    CHECK(m.cpu.ip == code_at + 3);
}

TEST_CASE("general detection is a fault: RF is pushed") {
    Events m{0x0F, 0x21, 0xC0}; // mov eax, dr0
    m.cpu.dr[7] = 0x2400;
    m.run();
    CHECK((m.cpu.dr[6] & dr6::BD) != 0);
    CHECK(m.pushed(0) == code_at);
    CHECK((m.pushed(2) & eflags::RF) != 0);
}

TEST_CASE("a fault drops what its instruction has hit") {
    Events m{0xA5, 0xF4}; // movsd, whose destination is beyond the limit of ES
    m.cpu.seg[ES].limit = 0xFFF;
    m.cpu.seg[ES].update(false);
    m.cpu.update_mode();
    m.cpu.gpr[RSI] = 0xE000;
    m.cpu.gpr[RDI] = 0x2000;
    m.cpu.dr[0] = 0xE000;
    m.cpu.dr[7] = 0xF'0002; // G0, access, four bytes
    m.cpu.debug_registers_changed();
    m.run();
    CHECK(m.pushed(0) == 0); // the error code of #GP
    CHECK(m.pushed(1) == code_at);
    CHECK(m.cpu.pending_debug == 0);
    CHECK((m.cpu.dr[6] & 15) == 0);
}

TEST_CASE("a debug exception sets B0-B3 anew and leaves the other bits of DR6 alone") {
    Events m{0x90, 0xF4};
    m.cpu.dr[2] = code_at;
    m.cpu.dr[6] = 0xFFFF'0FF0 | dr6::BS | 2; // software left these
    m.cpu.dr[7] = 0x420;                     // G2 only, execution
    m.cpu.debug_registers_changed();
    m.run();
    CHECK(m.pushed(0) == code_at);
    CHECK(m.cpu.dr[6] == (0xFFFF'0FF0 | dr6::BS | 4));
}

TEST_CASE("INT1 after MOV SS reports the data breakpoint that MOV SS held back, once") {
    Events m{0x8E, 0x15, 0x00, 0xE0, 0x00, 0x00, 0xF1, 0xF4}; // mov ss, [E000h]; int1
    m.put<u16>(0xE000, m.cpu.seg[SS].selector);
    m.cpu.dr[0] = 0xE000;
    m.cpu.dr[7] = 0xF'0002; // G0, access, four bytes
    m.cpu.debug_registers_changed();
    const u32 stack_before = m.cpu.r32(RSP);
    m.run();
    CHECK((m.cpu.dr[6] & 15) == 1);
    CHECK(m.cpu.pending_debug == 0);
    CHECK(m.cpu.ip == handler + 1);
    CHECK(m.pushed(0) == code_at + 7);
    CHECK(m.cpu.r32(RSP) == stack_before - 12); // one exception, not two
}
