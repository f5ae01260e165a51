// MONITOR and MWAIT, RDTSCP, RDPID, RDPRU, CLZERO, CLFLUSHOPT, and which models decode them.
#include "cpu/decode/decoder.hpp"
#include "cpu/decode/row.hpp"
#include "cpu/system/monitor.hpp"
#include "system_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 place = 0x6040;

Op at_rax(u8 width = 4) {
    Op op = Machine::op();
    op.imm2 = width;
    return op;
}
void arm(Machine& m) {
    m.cpu.gpr[RAX] = place + 5;
    m.cpu.gpr[RCX] = m.cpu.gpr[RDX] = 0;
    REQUIRE(control::monitor(m.cpu, at_rax()));
}

} // namespace

TEST_CASE("MWAIT waits for a change of the line, or an interrupt") {
    Machine m;
    arm(m);
    CHECK(m.cpu.monitor.line == place);
    REQUIRE(control::mwait(m.cpu, Machine::op()));
    CHECK(m.cpu.halted);
    CHECK_FALSE(m.cpu.wake_pending());
    m.put<u8>(place + 64, 1); // another line
    CHECK_FALSE(m.cpu.wake_pending());
    m.put<u8>(place + 63, 1);
    CHECK(m.cpu.wake_pending());
    // Without MONITOR, or after a store that came in between, it does not wait.
    m.cpu.halted = false;
    REQUIRE(control::mwait(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.halted);
    arm(m);
    m.put<u32>(place, 0x1234);
    REQUIRE(control::mwait(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.halted);
    // HLT does not end by a store.
    arm(m);
    REQUIRE(control::mwait(m.cpu, Machine::op()));
    m.cpu.halted = false;
    REQUIRE(control::hlt(m.cpu, Machine::op()));
    m.put<u32>(place, 0x5678);
    CHECK_FALSE(m.cpu.wake_pending());
    // MMIO and nothing at all cannot be watched.
    m.cpu.gpr[RAX] = 0x9000'0000;
    REQUIRE(control::monitor(m.cpu, at_rax()));
    m.cpu.halted = false;
    REQUIRE(control::mwait(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.halted);
}

TEST_CASE("MONITOR and MWAIT: faults") {
    Machine m;
    m.cpu.gpr[RAX] = place;
    m.cpu.gpr[RCX] = 1;
    CHECK_FALSE(control::monitor(m.cpu, at_rax()));
    CHECK(m.faulted(Exception::GP, 0));
    CHECK_FALSE(control::mwait(m.cpu, Machine::op()));
    CHECK(m.faulted(Exception::GP, 0));
    m.cpu.gpr[RCX] = u64{1} << 32; // outside 64-bit mode only ECX counts
    CHECK(control::monitor(m.cpu, at_rax()));
    m.cpu.gpr[RCX] = 0;
    m.level(3);
    CHECK_FALSE(control::monitor(m.cpu, at_rax()));
    CHECK(m.cpu.fault.vector == Exception::UD);
    CHECK_FALSE(control::mwait(m.cpu, Machine::op()));
    CHECK(m.cpu.fault.vector == Exception::UD);
    m.level(0);
    m.cpu.msrs.misc_enable &= ~(u64{1} << 18);
    CHECK_FALSE(control::mwait(m.cpu, Machine::op()));
    CHECK(m.cpu.fault.vector == Exception::UD);
    Machine limited;
    limited.cpu.seg[DS].limit = 0xFFF;
    limited.cpu.seg[DS].update(false);
    limited.cpu.update_mode();
    limited.cpu.gpr[RAX] = place;
    CHECK_FALSE(control::monitor(limited.cpu, at_rax()));
    CHECK(limited.faulted(Exception::GP, 0));
    limited.cpu.gpr[RAX] = 0x1'0020;
    CHECK(control::monitor(limited.cpu, at_rax(2))); // 16-bit addresses
    CHECK(limited.cpu.monitor.line == 0);
}

TEST_CASE("RDTSCP, RDPID, RDPRU") {
    Machine m;
    m.cpu.msrs.tsc_aux = 0xABCD;
    m.cpu.msrs.tsc_offset += 0x12'3456'789A;
    REQUIRE(control::rdtscp(m.cpu, Machine::op()));
    CHECK(m.cpu.r32(RCX) == 0xABCD);
    CHECK(m.cpu.r32(RDX) == 0x12);
    REQUIRE(control::rdpid(m.cpu, Machine::register_op(RBX)));
    CHECK(m.cpu.gpr[RBX] == 0xABCD);
    m.cpu.gpr[RCX] = 1;
    m.cpu.flags.load(eflags::ZF);
    REQUIRE(control::rdpru(m.cpu, Machine::op()));
    CHECK(m.cpu.flags.value() == eflags::CF);
    CHECK(m.cpu.r32(RDX) == 0x12);
    m.cpu.gpr[RCX] = 2;
    REQUIRE(control::rdpru(m.cpu, Machine::op()));
    CHECK(m.cpu.flags.value() == 0);
    CHECK((m.cpu.r32(RDX) | m.cpu.r32(RAX)) == 0);
    m.level(3);
    REQUIRE(control::rdtscp(m.cpu, Machine::op()));
    m.cpu.cr4 |= cr4::TSD;
    CHECK_FALSE(control::rdtscp(m.cpu, Machine::op()));
    CHECK(m.faulted(Exception::GP, 0));
    CHECK_FALSE(control::rdpru(m.cpu, Machine::op()));
    CHECK(m.cpu.fault.vector == Exception::UD);
}

TEST_CASE("CLZERO and the flushes") {
    Machine m;
    for (u32 i = 0; i < 192; ++i) m.put<u8>(place - 64 + i, 0xEE);
    m.cpu.gpr[RAX] = place + 17;
    REQUIRE(control::clzero(m.cpu, at_rax()));
    CHECK(m.get<u8>(place - 1) == 0xEE);
    CHECK(m.get<u64>(place) == 0);
    CHECK(m.get<u64>(place + 56) == 0);
    CHECK(m.get<u8>(place + 64) == 0xEE);
    CHECK(control::flush_line(m.cpu, Machine::memory_op(place)));
    m.cpu.seg[DS].limit = place - 1;
    m.cpu.seg[DS].update(false);
    m.cpu.update_mode();
    CHECK_FALSE(control::clzero(m.cpu, at_rax()));
    CHECK_FALSE(control::flush_line(m.cpu, Machine::memory_op(place)));
}

TEST_CASE("models decode what they have") {
    struct Row {
        std::array<u8, 5> bytes;
        const char *with, *without; ///< a model that has it, and one that does not
    };
    constexpr Row rows[] = {
        {{0x0F, 0x01, 0xC8}, "core2", "k8"},              // MONITOR
        {{0x0F, 0x01, 0xC9}, "phenom", "pentium4"},       // MWAIT
        {{0x0F, 0x01, 0xF9}, "nehalem", "core2"},         // RDTSCP
        {{0x0F, 0x01, 0xFC}, "zen", "phenom"},            // CLZERO
        {{0x0F, 0x01, 0xFD}, "zen2", "zen"},              // RDPRU
        {{0xF3, 0x0F, 0xC7, 0xF8}, "zen2", "skylake"},    // RDPID
        {{0x66, 0x0F, 0xAE, 0x38}, "skylake", "haswell"}, // CLFLUSHOPT
        {{0x0F, 0x0D, 0x08}, "core2", "pentium4"},        // PREFETCHW, or its NOP
    };
    for (const Row& r : rows) {
        CAPTURE(r.with);
        std::array<u8, 16> code{};
        std::copy(r.bytes.begin(), r.bytes.end(), code.begin());
        Insn insn;
        CHECK(decode(code, mode::code32, find_cpu_model(r.with)->features, insn) == DecodeStatus::ok);
        CHECK(decode(code, mode::code32, find_cpu_model(r.without)->features, insn) != DecodeStatus::ok);
    }
    std::array<u8, 16> wbnoinvd{0xF3, 0x0F, 0x09};
    Insn insn;
    REQUIRE(decode(wbnoinvd, mode::code32, find_cpu_model("zen2")->features, insn) == DecodeStatus::ok);
    CHECK(std::string_view(insn.row->info->mnemonic) == "wbnoinvd");
    REQUIRE(decode(wbnoinvd, mode::code32, find_cpu_model("zen")->features, insn) == DecodeStatus::ok);
    CHECK(std::string_view(insn.row->info->mnemonic) == "wbinvd");
}

TEST_CASE("the monitor is part of a snapshot") {
    Machine m, n;
    arm(m);
    REQUIRE(control::mwait(m.cpu, Machine::op()));
    Archive out = Archive::saver();
    m.cpu.persist(out);
    Archive in = Archive::loader(out.bytes());
    n.cpu.persist(in);
    REQUIRE(in.ok());
    CHECK(n.cpu.halted);
    CHECK_FALSE(n.cpu.wake_pending());
    n.put<u8>(place, 1);
    CHECK(n.cpu.wake_pending());
}
