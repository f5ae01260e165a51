// Interrupts and returns in long mode (SDM 3A 6.14; SDM 2A, INT n, IRET): gates x IST x privilege, frames, and what
// IRET accepts.
#include "system64_fixture.hpp"

#include <algorithm>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u64 handler = high + 0x4560;
constexpr u16 codes[4] = {code0, code1, code2, code3};
constexpr u16 datas[4] = {data0, data1, data2, data3};

struct GateCase {
    unsigned gate_dpl, cpl, target_dpl, ist;
    bool conforming, gate_present, target_present, l, d, software;
};

Verdict rule(const GateCase& c, u32 vector) {
    const u32 ext = c.software ? 0 : 1;
    const u32 idt_error = vector * 8 + 2 + ext;
    if (c.software && c.gate_dpl < c.cpl) return Verdict::fault(Exception::GP, idt_error);
    if (!c.gate_present) return Verdict::fault(Exception::NP, idt_error);
    if (c.target_dpl > c.cpl || !c.l || c.d) return Verdict::fault(Exception::GP, probe | ext);
    if (!c.target_present) return Verdict::fault(Exception::NP, probe | ext);
    return Verdict::ok();
}

bool frame_is_right(Machine64& m, const GateCase& c, bool error) {
    const bool inward = !c.conforming && c.target_dpl < c.cpl;
    const unsigned cpl = inward ? c.target_dpl : c.cpl;
    const u64 top = c.ist != 0 ? ist_of(c.ist) : inward ? rsp_of[cpl] : rsp_of[c.cpl];
    const unsigned first = error ? 1 : 0;
    bool good = m.cpu.gpr[RSP] == (top & ~u64{15}) - (error ? 48 : 40);
    if (error) good = good && m.pushed(0) == 0x1234;
    good = good && m.pushed(first) == (c.software ? return_to : high + 0x100) && m.pushed(first + 1) == codes[c.cpl];
    good = good && (m.pushed(first + 2) & ~u64{eflags::RF}) == (eflags::IF | 2);
    good = good && m.pushed(first + 3) == rsp_of[c.cpl] && m.pushed(first + 4) == datas[c.cpl];
    good = good && m.cpu.cpl == cpl && m.cpu.next_ip == handler && m.cpu.ip == handler && m.cpu.code64();
    good = good && m.cpu.seg[CS].selector == (probe | cpl);
    return good && m.cpu.seg[SS].selector == (inward ? cpl : datas[c.cpl]) && m.cpu.seg[SS].usable() == !inward;
}

} // namespace

TEST_CASE("64-bit gates x IST x privilege, with the frames that they push") {
    Machine64 m;
    unsigned wrong = 0;
    for (unsigned bits = 0; bits < 1 << 14; ++bits) {
        const GateCase c{bits & 3,
                         bits >> 2 & 3,
                         bits >> 4 & 3,
                         bits >> 6 & 3,
                         (bits >> 8 & 1) != 0,
                         (bits >> 9 & 1) != 0,
                         (bits >> 10 & 1) != 0,
                         (bits >> 11 & 1) != 0,
                         (bits >> 12 & 1) != 0,
                         (bits >> 13 & 1) != 0};
        m.level64(c.cpl);
        m.cpu.set_full_eflags(eflags::IF);
        m.set_entry(probe, code_descriptor(c.conforming ? 0x1E : 0x1A, c.target_dpl, c.l, c.d, c.target_present));
        m.set_idt64(13, probe | 3, handler, access(14, c.gate_dpl, c.gate_present), c.ist);
        const bool ok = c.software ? transfer::int_n(m.cpu, Machine::op(13))
                                   : deliver_interrupt(m.cpu, 13, InterruptKind::exception, true, 0x1234);
        bool good = agrees(m, ok, rule(c, 13));
        if (ok) good = good && frame_is_right(m, c, !c.software) && (m.cpu.eflags & eflags::IF) == 0;
        if (!ok) good = good && m.cpu.gpr[RSP] == rsp_of[c.cpl] && m.cpu.cpl == c.cpl;
        wrong += !good;
    }
    CHECK(wrong == 0);
}

TEST_CASE("trap gates leave IF; other gate types are none in long mode") {
    Machine64 m;
    for (unsigned type = 0; type < 16; ++type) {
        m.level64(3);
        m.cpu.set_full_eflags(eflags::IF | eflags::TF | eflags::NT | eflags::AC);
        m.set_idt64(0x40, code0, handler, access(type, 3));
        const bool ok = transfer::int_n(m.cpu, Machine::op(0x40));
        CAPTURE(type);
        if (type == 14 || type == 15) {
            REQUIRE(ok);
            CHECK((m.cpu.eflags & eflags::IF) == (type == 15 ? eflags::IF : 0u));
            CHECK((m.cpu.eflags & (eflags::TF | eflags::NT)) == 0);
            CHECK((m.cpu.eflags & eflags::AC) != 0);
        } else {
            CHECK(m.raised(ok, Exception::GP, 0x40 * 8 + 2));
        }
    }
}

TEST_CASE("limits and addresses on the way through a 64-bit gate") {
    Machine64 m;
    m.set_idt64(0x40, code0, handler, access(14, 3));
    m.level64(3);
    m.cpu.idtr.limit = 0x40 * 16 + 14;
    CHECK(m.raised(transfer::int_n(m.cpu, Machine::op(0x40)), Exception::GP, 0x40 * 8 + 2));
    m.cpu.idtr.limit = 0x40 * 16 + 15;
    CHECK(transfer::int_n(m.cpu, Machine::op(0x40)));
    m.cpu.idtr.limit = 0xFFF;

    m.level64(3);
    m.cpu.tr.limit = 4 + 6;
    CHECK(m.raised(transfer::int_n(m.cpu, Machine::op(0x40)), Exception::TS, sel_tss64));
    m.cpu.tr.limit = 4 + 7;
    CHECK(transfer::int_n(m.cpu, Machine::op(0x40)));
    for (unsigned ist : {1u, 7u}) {
        m.set_idt64(0x41, code0, handler, access(14, 3), ist);
        m.level64(3);
        m.cpu.tr.limit = 28 + 8 * ist + 6;
        CHECK(m.raised(transfer::int_n(m.cpu, Machine::op(0x41)), Exception::TS, sel_tss64));
        m.cpu.tr.limit = 28 + 8 * ist + 7;
        CHECK(transfer::int_n(m.cpu, Machine::op(0x41)));
    }
    m.cpu.tr.limit = 0x67;

    m.set_idt64(0x42, code0, not_canonical, access(14, 3));
    m.level64(3);
    CHECK(m.raised(transfer::int_n(m.cpu, Machine::op(0x42)), Exception::GP, 0));
    CHECK(m.raised(deliver_interrupt(m.cpu, 0x42, InterruptKind::hardware), Exception::GP, 1));
    m.put<u64>(tss_a + 4, not_canonical + 0x100);
    CHECK(m.raised(deliver_interrupt(m.cpu, 0x40, InterruptKind::hardware), Exception::SS, 1));
    m.set_idt64(0x43, 3, handler, access(14, 3));
    CHECK(m.raised(deliver_interrupt(m.cpu, 0x43, InterruptKind::hardware), Exception::GP, 1));
    m.set_idt64(0x43, 0x1008, handler, access(14, 3));
    CHECK(m.raised(transfer::int_n(m.cpu, Machine::op(0x43)), Exception::GP, 0x1008));
}

TEST_CASE("an interrupt from compatibility mode goes to 64-bit code and comes back by IRETQ") {
    Machine64 m;
    m.set_idt64(0x40, code0, handler, access(14, 3));
    m.compatible(3);
    m.cpu.next_ip = 0x105;
    CHECK_FALSE(m.cpu.code64());
    REQUIRE(transfer::int_n(m.cpu, Machine::op(0x40)));
    CHECK(m.cpu.code64());
    CHECK(m.pushed(0) == 0x105);
    CHECK(m.pushed(1) == code3_32);
    CHECK(m.pushed(3) == 0x8000);
    CHECK(m.pushed(4) == data3);
    REQUIRE(transfer::iret<8>(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.code64());
    CHECK(m.cpu.mode == [&] {
        Machine64 other;
        other.compatible(3);
        return other.cpu.mode;
    }());
    CHECK(m.cpu.next_ip == 0x105);
    CHECK(m.cpu.gpr[RSP] == 0x8000);
    CHECK(m.cpu.seg[SS].selector == data3);
}

TEST_CASE("an interrupt at level 0 from compatibility mode keeps its stack, aligned, and pushes SS:RSP") {
    Machine64 m;
    m.set_idt64(0x40, code0, handler, access(14, 3));
    m.compatible(0);
    m.cpu.gpr[RSP] = 0x8004;
    REQUIRE(transfer::int_n(m.cpu, Machine::op(0x40)));
    CHECK(m.cpu.gpr[RSP] == 0x8000 - 40);
    CHECK(m.pushed(3) == 0x8004);
    CHECK(m.cpu.seg[SS].selector == data0);
}

namespace {

struct ReturnCase {
    unsigned cpl, cs_rpl, cs_dpl, ss_rpl, ss_dpl;
    bool null_ss, long_code;
};

Verdict return_rule(const ReturnCase& c) {
    const u16 cs = probe;
    if (c.cs_rpl < c.cpl || c.cs_dpl != c.cs_rpl) return Verdict::fault(Exception::GP, cs);
    if (c.null_ss)
        return c.long_code && c.cs_rpl != 3 && c.ss_rpl == c.cs_rpl ? Verdict::ok() : Verdict::fault(Exception::GP, 0);
    if (c.ss_rpl != c.cs_rpl || c.ss_dpl != c.cs_rpl) return Verdict::fault(Exception::GP, datas[c.ss_dpl] & 0xFFFCu);
    return Verdict::ok();
}

void put_frame(Machine64& m, u64 at, u64 ip, u64 cs, u64 flags, u64 sp, u64 ss) {
    const u64 values[5] = {ip, cs, flags, sp, ss};
    for (u32 i = 0; i < 5; ++i) m.put<u64>(static_cast<u32>(at) + 8 * i, values[i]);
    m.cpu.gpr[RSP] = at;
}

} // namespace

TEST_CASE("IRETQ x privilege x code size, with and without a stack segment") {
    Machine64 m;
    unsigned wrong = 0;
    for (unsigned bits = 0; bits < 1 << 12; ++bits) {
        const ReturnCase c{bits & 3,      bits >> 2 & 3,         bits >> 4 & 3,        bits >> 6 & 3,
                           bits >> 8 & 3, (bits >> 10 & 1) != 0, (bits >> 11 & 1) != 0};
        m.level64(c.cpl);
        m.set_entry(probe, code_descriptor(0x1A, c.cs_dpl, c.long_code, !c.long_code));
        const u16 ss = static_cast<u16>((c.null_ss ? 0 : datas[c.ss_dpl] & 0xFFFC) | c.ss_rpl);
        const u64 ip = c.long_code ? handler : 0x4560;
        const u64 sp = c.long_code ? high + 0xB000 : 0xFFFF'FFFF'0000'B000;
        put_frame(m, high + 0x7000, ip, probe | c.cs_rpl, eflags::CF | 2, sp, ss);
        const bool ok = transfer::iret<8>(m.cpu, Machine::op());
        bool good = agrees(m, ok, return_rule(c));
        if (ok) {
            good = good && m.cpu.next_ip == (c.long_code ? handler : 0x4560u) && m.cpu.code64() == c.long_code;
            good = good && m.cpu.gpr[RSP] == (c.long_code ? high + 0xB000 : 0xB000u);
            good = good && m.cpu.cpl == c.cs_rpl && m.cpu.seg[SS].selector == ss;
            good = good && m.cpu.seg[SS].usable() == !c.null_ss && m.cpu.flags.cf();
            // data segments of inner levels do not stay
            good = good && m.cpu.seg[DS].usable() == (c.cs_rpl == c.cpl);
        } else {
            good = good && m.cpu.gpr[RSP] == high + 0x7000 && m.cpu.cpl == c.cpl;
        }
        wrong += !good;
    }
    CHECK(wrong == 0);
}

TEST_CASE("what IRET refuses in long mode") {
    Machine64 m;
    const auto frame = [&](u64 ip, u16 cs, u64 flags = 2) {
        m.level64(0);
        put_frame(m, high + 0x7000, ip, cs, flags, high + 0x6000, 0);
    };
    frame(handler, code0);
    m.cpu.eflags |= eflags::NT;
    CHECK(m.raised(transfer::iret<8>(m.cpu, Machine::op()), Exception::GP, 0));
    frame(not_canonical, code0);
    CHECK(m.raised(transfer::iret<8>(m.cpu, Machine::op()), Exception::GP, 0));
    frame(handler, code0_both);
    CHECK(m.raised(transfer::iret<8>(m.cpu, Machine::op()), Exception::GP, code0_both));
    frame(handler, 0);
    CHECK(m.raised(transfer::iret<8>(m.cpu, Machine::op()), Exception::GP, 0));
    frame(handler, data0);
    CHECK(m.raised(transfer::iret<8>(m.cpu, Machine::op()), Exception::GP, data0));
    m.level64(0);
    m.cpu.gpr[RSP] = not_canonical;
    CHECK(m.raised(transfer::iret<8>(m.cpu, Machine::op()), Exception::SS, 0));
    frame(0x10'0000'0000 | 0x10'0000, code0_32); // beyond no limit once it is cut to 32 bits, but SS is null
    CHECK(m.raised(transfer::iret<8>(m.cpu, Machine::op()), Exception::GP, 0));
}

TEST_CASE("IRET's flags in long mode: no virtual-8086 mode, IOPL at level 0 only, RF comes back") {
    Machine64 m;
    constexpr u32 all = eflags::VM | eflags::RF | eflags::IOPL | eflags::AC | eflags::ID | eflags::IF | eflags::NT;
    m.level64(0);
    put_frame(m, high + 0x7000, handler, code0, all, high + 0x6000, data0);
    REQUIRE(transfer::iret<8>(m.cpu, Machine::op()));
    CHECK((m.cpu.eflags & all) == (all & ~eflags::VM));
    m.level64(3);
    put_frame(m, high + 0x7000, handler, code3, all, high + 0x6000, data3);
    REQUIRE(transfer::iret<8>(m.cpu, Machine::op()));
    CHECK((m.cpu.eflags & all) == (eflags::RF | eflags::AC | eflags::ID | eflags::NT));
    // The 32-bit form with EFLAGS.VM, which is no way out of long mode.
    m.compatible(0);
    m.cpu.gpr[RSP] = 0x7000;
    for (const u32 v : {0x4560u, u32{code0_32}, all}) {
        m.put<u32>(static_cast<u32>(m.cpu.gpr[RSP]), v);
        m.cpu.gpr[RSP] += 4;
    }
    m.cpu.gpr[RSP] = 0x7000;
    REQUIRE(transfer::iret<4>(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.v86());
    CHECK(m.cpu.gpr[RSP] == 0x700C); // compatibility mode at one level: no SS:ESP
}

TEST_CASE("IRET with 16- and 32-bit operands in 64-bit mode pops SS:RSP too") {
    Machine64 m;
    m.level64(0);
    const u32 wide[5] = {0x4560, code0, 2, 0x6000, data0};
    for (u32 i = 0; i < 5; ++i) m.put<u32>(0x7000 + 4 * i, wide[i]);
    m.cpu.gpr[RSP] = high + 0x7000;
    REQUIRE(transfer::iret<4>(m.cpu, Machine::op()));
    CHECK(m.cpu.gpr[RSP] == 0x6000);
    CHECK(m.cpu.next_ip == 0x4560);
    m.level64(0);
    const u16 narrow[5] = {0x4560, code3, 2, 0x6000, data3};
    for (u32 i = 0; i < 5; ++i) m.put<u16>(0x7000 + 2 * i, narrow[i]);
    m.cpu.gpr[RSP] = high + 0x7000;
    REQUIRE(transfer::iret<2>(m.cpu, Machine::op()));
    CHECK(m.cpu.cpl == 3);
    CHECK(m.cpu.gpr[RSP] == 0x6000);
}

TEST_CASE("a return to a 16-bit stack replaces SP alone") {
    Machine64 m;
    m.set_entry(probe, descriptor(0, 0xFFFF, access(0x13, 3), 0));
    m.level64(0);
    put_frame(m, high + 0x7000, 0x4560, code3_32, 2, 0x1234'5678, probe | 3);
    REQUIRE(transfer::iret<8>(m.cpu, Machine::op()));
    CHECK(m.cpu.r16(RSP) == 0x5678);
    CHECK((m.cpu.gpr[RSP] & ~u64{0xFFFF}) == ((high + 0x7000) & ~u64{0xFFFF}));
}

TEST_CASE("faults on the way to a handler double in long mode, and end in a shutdown") {
    Machine64 m;
    m.set_idt64(8, code0, handler, access(14, 0), 2);
    m.level64(3);
    m.cpu.gp(0, "test"); // vector 13 has no gate
    REQUIRE(deliver_fault(m.cpu));
    CHECK(m.cpu.next_ip == handler);
    CHECK(m.cpu.gpr[RSP] == (ist_of(2) & ~u64{15}) - 48);
    CHECK(m.pushed(0) == 0);
    CHECK(m.pushed(1) == high + 0x100);
    m.set_idt64(8, code0_32, handler, access(14, 0));
    m.level64(3);
    m.cpu.gp(0, "test");
    CHECK_FALSE(deliver_fault(m.cpu));
    CHECK(m.cpu.shutdown);
}

TEST_CASE("64-bit call gates x privilege") {
    Machine64 m;
    unsigned wrong = 0;
    for (unsigned bits = 0; bits < 1 << 13; ++bits) {
        const unsigned gate_dpl = bits & 3;
        const unsigned rpl = bits >> 2 & 3;
        const unsigned cpl = bits >> 4 & 3;
        const unsigned dpl = bits >> 6 & 3;
        const bool conforming = (bits >> 8 & 1) != 0;
        const bool present = (bits >> 9 & 1) != 0;
        const bool l = (bits >> 10 & 1) != 0;
        const bool d = (bits >> 11 & 1) != 0;
        const bool call = (bits >> 12 & 1) != 0;
        m.level64(cpl);
        m.set_entry(probe, code_descriptor(conforming ? 0x1E : 0x1A, dpl, l, d));
        m.set_gate64(gate64_slot, probe, handler, access(12, gate_dpl, present));
        m.put<u32>(0x500, 0xDEAD);
        m.put<u16>(0x504, static_cast<u16>(gate64_slot | rpl));
        const Op op = Machine::memory_op(0x500);
        const bool ok = call ? transfer::call_far_memory<4>(m.cpu, op) : transfer::jmp_far_memory<4>(m.cpu, op);
        const bool inward = !conforming && dpl < cpl;
        Verdict v = Verdict::ok();
        if (gate_dpl < cpl || gate_dpl < rpl)
            v = Verdict::fault(Exception::GP, gate64_slot);
        else if (!present)
            v = Verdict::fault(Exception::NP, gate64_slot);
        else if (dpl > cpl || (inward && !call) || !l || d)
            v = Verdict::fault(Exception::GP, probe);
        bool good = agrees(m, ok, v);
        if (ok) {
            const unsigned now = inward ? dpl : cpl;
            good = good && m.cpu.cpl == now && m.cpu.next_ip == handler && m.cpu.code64();
            good = good && m.cpu.gpr[RSP] == rsp_of[now] - (inward ? 32 : call ? 16 : 0);
            if (call) good = good && m.pushed(0) == return_to && m.pushed(1) == codes[cpl];
            if (inward)
                good = good && m.pushed(2) == rsp_of[cpl] && m.pushed(3) == datas[cpl] && m.cpu.seg[SS].selector == now;
        }
        wrong += !good;
    }
    CHECK(wrong == 0);
}

TEST_CASE("a 64-bit call gate and the far return through it, from 64-bit and from 32-bit code") {
    Machine64 m;
    m.set_gate64(gate64_slot, code0, handler, access(12, 3));
    m.level64(3);
    m.put<u64>(0x500, u64{gate64_slot} << 32);
    REQUIRE(transfer::call_far_memory<4>(m.cpu, Machine::memory_op(0x500)));
    CHECK(m.cpu.cpl == 0);
    REQUIRE(transfer::ret_far<8>(m.cpu, Machine::op()));
    CHECK(m.cpu.cpl == 3);
    CHECK(m.cpu.next_ip == return_to);
    CHECK(m.cpu.gpr[RSP] == rsp_of[3]);
    CHECK(m.cpu.seg[SS].selector == data3);

    m.compatible(3);
    m.cpu.next_ip = 0x105;
    REQUIRE(transfer::call_far_immediate<4>(m.cpu, Machine::op(0, gate64_slot)));
    CHECK(m.cpu.code64());
    REQUIRE(transfer::ret_far<8>(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.code64());
    CHECK(m.cpu.next_ip == 0x105);
    CHECK(m.cpu.gpr[RSP] == 0x8000);

    m.set_gate64(gate64_slot, code0, not_canonical, access(12, 3));
    m.level64(0);
    CHECK(m.raised(transfer::jmp_far_memory<4>(m.cpu, Machine::memory_op(0x500)), Exception::GP, 0));
    m.level64(3);
    CHECK(m.raised(transfer::call_far_memory<4>(m.cpu, Machine::memory_op(0x500)), Exception::GP, 0));
    m.set_wide(gate64_slot, gate(code0, 0x4560, access(12, 3)), u64{1} << 40);
    CHECK(m.raised(transfer::call_far_memory<4>(m.cpu, Machine::memory_op(0x500)), Exception::GP, gate64_slot));
    m.set_gate64(gate64_slot, code0, handler, access(12, 3));
    m.cpu.gdtr.limit = gate64_slot + 14;
    CHECK(m.raised(transfer::call_far_memory<4>(m.cpu, Machine::memory_op(0x500)), Exception::GP, gate64_slot));
}
