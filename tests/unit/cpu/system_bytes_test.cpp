// System instructions from their bytes on: that the table's rows lead to the right function with the right operands.
// What the functions themselves do has its tests next door.
#include "system_fixture.hpp"

#include <vector>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 code_at = 0xC000, data_at = 0xD000;

void run(Machine& m, const std::vector<u8>& bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i) m.put<u8>(code_at + static_cast<u32>(i), bytes[i]);
    m.cpu.forget_blocks();
    m.cpu.ip = code_at;
    m.cpu.run(1);
    CHECK(m.cpu.fault_chain_length == 0);
}

} // namespace

TEST_CASE("SLDT and STR: 32 bits with zeros above, 16 bits, memory always a word (SDM 2B)") {
    Machine m;
    for (const bool task : {false, true}) {
        const u16 selector = task ? sel_tss_a : sel_ldt;
        const u8 reg = task ? 1 << 3 : 0;
        m.cpu.set_r32(RBX, 0xFFFF'FFFF);
        run(m, {0x0F, 0x00, static_cast<u8>(0xC3 | reg)});
        CHECK(m.cpu.r32(RBX) == selector);
        CHECK(m.cpu.ip == code_at + 3);
        m.cpu.set_r32(RBX, 0xFFFF'FFFF);
        run(m, {0x66, 0x0F, 0x00, static_cast<u8>(0xC3 | reg)});
        CHECK(m.cpu.r32(RBX) == (0xFFFF'0000 | selector));
        m.cpu.set_r32(RBX, data_at);
        m.put<u32>(data_at + 1, 0xFFFF'FFFF);
        run(m, {0x0F, 0x00, static_cast<u8>(0x43 | reg), 1});
        CHECK(m.get<u32>(data_at + 1) == (0xFFFF'0000 | selector));
    }
}

TEST_CASE("SGDT and SIDT store limit and base (SDM 2B)") {
    Machine m;
    m.cpu.gdtr = {0x1234'5678, 0x9ABC};
    m.cpu.idtr = {0x8765'4321, 0xCBA9};
    m.cpu.set_r32(RBX, data_at);
    run(m, {0x0F, 0x01, 0x43, 1});
    CHECK(m.get<u16>(data_at + 1) == 0x9ABC);
    CHECK(m.get<u32>(data_at + 3) == 0x1234'5678);
    run(m, {0x0F, 0x01, 0x4B, 1});
    CHECK(m.get<u16>(data_at + 1) == 0xCBA9);
    CHECK(m.get<u32>(data_at + 3) == 0x8765'4321);
}

TEST_CASE("SMSW: all of CR0 into 32 bits, a word into memory (SDM 2B)") {
    Machine m;
    const u32 cr0_now = static_cast<u32>(m.cpu.cr0);
    m.cpu.set_r32(RBX, 0xFFFF'FFFF);
    run(m, {0x0F, 0x01, 0xE3});
    CHECK(m.cpu.r32(RBX) == cr0_now);
    m.cpu.set_r32(RBX, 0xFFFF'FFFF);
    run(m, {0x66, 0x0F, 0x01, 0xE3});
    CHECK(m.cpu.r32(RBX) == (0xFFFF'0000 | (cr0_now & 0xFFFF)));
    m.cpu.set_r32(RBX, data_at);
    m.put<u32>(data_at + 1, 0xFFFF'FFFF);
    run(m, {0x0F, 0x01, 0x63, 1});
    CHECK(m.get<u32>(data_at + 1) == (0xFFFF'0000 | (cr0_now & 0xFFFF)));
}

TEST_CASE("CPUID leaves its answer in four registers (SDM 2A)") {
    Machine m;
    m.cpu.set_r32(RAX, 0);
    run(m, {0x0F, 0xA2});
    CHECK(m.cpu.r32(RAX) >= 2);
    CHECK(m.cpu.r32(RBX) == 0x756E'6547); // "Genu"
    CHECK(m.cpu.r32(RDX) == 0x4965'6E69); // "ineI"
    CHECK(m.cpu.r32(RCX) == 0x6C65'746E); // "ntel"
    CHECK(m.cpu.ip == code_at + 2);
}

TEST_CASE("SYSENTER goes where its MSRs say (SDM 2B)") {
    Machine m;
    m.level(3);
    m.cpu.set_full_eflags(eflags::IF);
    m.cpu.msrs.sysenter_cs = code0;
    m.cpu.msrs.sysenter_esp = 0x7000;
    m.cpu.msrs.sysenter_eip = 0x8888;
    run(m, {0x0F, 0x34});
    CHECK(m.cpu.ip == 0x8888);
    CHECK(m.cpu.r32(RSP) == 0x7000);
    CHECK(m.cpu.cpl == 0);
    CHECK(m.cpu.seg[CS].selector == code0);
    CHECK(m.cpu.seg[SS].selector == code0 + 8);
    CHECK((m.cpu.full_eflags() & eflags::IF) == 0);
}

TEST_CASE("a near CALL of 16 bits in 32-bit code pushes a word and cuts the target (SDM 2A)") {
    Machine m;
    m.cpu.set_r32(RSP, stack0);
    run(m, {0x66, 0xE8, 0x10, 0x00});
    CHECK(m.cpu.ip == code_at + 4 + 0x10);
    CHECK(m.cpu.r32(RSP) == stack0 - 2);
    CHECK(m.get<u16>(stack0 - 2) == code_at + 4);
    m.cpu.seg[SS] = Descriptor{m.entry(data0_16)}.segment(data0_16); // the same on a 16-bit stack
    m.cpu.update_mode();
    m.cpu.set_r32(RSP, stack0);
    run(m, {0x66, 0xE8, 0x10, 0x00});
    CHECK(m.cpu.ip == code_at + 4 + 0x10);
    CHECK(m.get<u16>(stack0 - 2) == code_at + 4);
}
