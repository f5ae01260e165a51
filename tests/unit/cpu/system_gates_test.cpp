// Call gates, interrupt gates and returns x privilege (SDM 3A 5.8, 6.12), with the frames that they push and pop.
#include "system_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 handler_at = 0x4567;
constexpr u16 codes[4] = {code0, code1, code2, code3};
constexpr u16 datas[4] = {data0, data1, data2, data3};
constexpr u32 stacks[4] = {stack0, stack1, stack2, stack3};

struct GateCase {
    unsigned gate_dpl, rpl, cpl, target_dpl;
    bool conforming, gate_present, target_present;
};
template <class F> void for_all_gates(F&& f) {
    for (unsigned bits = 0; bits < 2048; ++bits)
        f(GateCase{bits & 3, bits >> 2 & 3, bits >> 4 & 3, bits >> 6 & 3, (bits >> 8 & 1) != 0, (bits >> 9 & 1) != 0,
                   (bits >> 10 & 1) != 0});
}
void set_up(Machine& m, const GateCase& c, unsigned gate_type, u32 parameters = 0) {
    m.level(c.cpl);
    m.set_entry(probe,
                descriptor(0, 0xFFFFF, access(c.conforming ? 0x1Eu : 0x1Au, c.target_dpl, c.target_present), 0xC));
    m.set_entry(gate_slot, gate(probe | 3, handler_at, access(gate_type, c.gate_dpl, c.gate_present), parameters));
}

Verdict call_gate_rule(const GateCase& c, bool call) {
    if (c.gate_dpl < c.cpl || c.gate_dpl < c.rpl) return Verdict::fault(Exception::GP, gate_slot);
    if (!c.gate_present) return Verdict::fault(Exception::NP, gate_slot);
    if (c.target_dpl > c.cpl) return Verdict::fault(Exception::GP, probe);
    if (!call && !c.conforming && c.target_dpl != c.cpl) return Verdict::fault(Exception::GP, probe);
    if (!c.target_present) return Verdict::fault(Exception::NP, probe);
    return Verdict::ok();
}

} // namespace

TEST_CASE("call gates x privilege") {
    Machine m;
    unsigned wrong = 0;
    for_all_gates([&](const GateCase& c) {
        for (const bool call : {false, true}) {
            set_up(m, c, 12);
            const Op op = Machine::op(0xDEAD, gate_slot | c.rpl);
            const bool result =
                call ? transfer::call_far_immediate<4>(m.cpu, op) : transfer::jmp_far_immediate<4>(m.cpu, op);
            bool good = agrees(m, result, call_gate_rule(c, call));
            const bool inward = call && !c.conforming && c.target_dpl < c.cpl;
            if (result) {
                const unsigned cpl = inward ? c.target_dpl : c.cpl;
                good =
                    good && m.cpu.cpl == cpl && m.cpu.next_ip == handler_at && m.cpu.seg[CS].selector == (probe | cpl);
                good = good && m.cpu.seg[SS].selector == (inward ? datas[cpl] : datas[c.cpl]);
                const u32 bytes = inward ? 16 : call ? 8 : 0;
                good = good && m.cpu.r32(RSP) == stacks[cpl] - bytes;
            } else {
                good = good && m.cpu.cpl == c.cpl && m.cpu.r32(RSP) == stacks[c.cpl] && m.cpu.next_ip == 0x105;
            }
            wrong += !good;
        }
    });
    CHECK(wrong == 0);
}

TEST_CASE("a call gate copies parameters and a far return releases both stacks") {
    Machine m;
    for (const bool wide : {false, true}) {
        set_up(m, {3, 3, 3, 0, false, true, true}, wide ? 12 : 4, 3);
        const u32 w = wide ? 4 : 2;
        m.cpu.set_r32(RSP, stack3 - 3 * w);
        for (u32 i = 0; i < 3; ++i) {
            if (wide)
                m.put<u32>(stack3 - 12 + 4 * i, 0x11110000 + i);
            else
                m.put<u16>(stack3 - 6 + 2 * i, static_cast<u16>(0x2200 + i));
        }
        REQUIRE(transfer::call_far_immediate<4>(m.cpu, Machine::op(0, gate_slot | 3)));
        const u32 sp = m.cpu.r32(RSP);
        CHECK(sp == stack0 - 7 * w);
        const auto at = [&](u32 n) { return wide ? m.get<u32>(sp + 4 * n) : m.get<u16>(sp + 2 * n); };
        CHECK(at(0) == 0x105);
        CHECK(at(1) == code3);
        for (u32 i = 0; i < 3; ++i) CHECK(at(2 + i) == (wide ? 0x11110000 + i : 0x2200 + i));
        CHECK(at(5) == ((stack3 - 3 * w) & (wide ? ~0u : 0xFFFFu)));
        CHECK(at(6) == data3);

        m.cpu.seg[DS] = Descriptor{m.entry(data0)}.segment(data0);
        m.cpu.seg[ES] = Descriptor{m.entry(code0_conforming)}.segment(code0_conforming);
        const Op release = Machine::op(3 * w);
        REQUIRE(
            (wide ? transfer::ret_far_immediate<4>(m.cpu, release) : transfer::ret_far_immediate<2>(m.cpu, release)));
        CHECK(m.cpu.cpl == 3);
        CHECK(m.cpu.next_ip == 0x105);
        CHECK(m.cpu.r32(RSP) == stack3);
        CHECK(m.cpu.seg[SS].selector == data3);
        CHECK_FALSE(m.cpu.seg[DS].usable()); // level-0 data may not leak outwards
        CHECK(m.cpu.seg[ES].usable());       // conforming code may
        CHECK(m.cpu.seg[FS].usable());
    }
}

TEST_CASE("inner stacks: what the TSS must hold") {
    Machine m;
    const GateCase c{3, 3, 3, 0, false, true, true};
    const auto call = [&] { return transfer::call_far_immediate<4>(m.cpu, Machine::op(0, gate_slot | 3)); };
    struct Row {
        u16 ss;
        u32 esp;
        u32 tr_limit;
        Exception e;
        u32 error;
    };
    const Row rows[] = {
        {0, stack0, 0xFFF, Exception::TS, 0},               // null
        {0x1000, stack0, 0xFFF, Exception::TS, 0x1000},     // outside the GDT
        {data0 | 1, stack0, 0xFFF, Exception::TS, data0},   // RPL
        {data1, stack0, 0xFFF, Exception::TS, data1 & ~3u}, // DPL
        {code0, stack0, 0xFFF, Exception::TS, code0},       // code
        {data0, stack0, 8, Exception::TS, sel_tss_a},       // TSS too short: bytes 4 to 9 are needed
        {0x88, stack0, 0xFFF, Exception::SS, 0x88},         // not present
        {0x90, 0x800, 0xFFF, Exception::SS, 0x90},          // beyond its limit: the selector is the error code
    };
    for (const Row& r : rows) {
        set_up(m, c, 12);
        m.set_entry(0x88, descriptor(0, 0xFFFFF, access(0x12, 0, false), 0xC));
        m.set_entry(0x90, descriptor(0, 0x7F0, access(0x12, 0), 0x4));
        m.put<u32>(tss_a + 4, r.esp);
        m.put<u16>(tss_a + 8, r.ss);
        m.cpu.tr.limit = r.tr_limit;
        CHECK_FALSE(call());
        CHECK(m.cpu.fault.vector == r.e);
        CHECK(m.cpu.fault.error == r.error);
        CHECK(m.cpu.cpl == 3);
    }
}

TEST_CASE("interrupt gates x privilege") {
    Machine m;
    unsigned wrong = 0;
    for_all_gates([&](const GateCase& c) {
        if (c.rpl != 0) return;
        for (const unsigned type : {6u, 7u, 14u, 15u}) {
            for (const bool software : {false, true}) {
                set_up(m, c, 12);
                m.put<u64>(idt + 8 * 0x30, gate(probe, handler_at, access(type, c.gate_dpl, c.gate_present)));
                m.cpu.set_full_eflags(eflags::IF | eflags::NT);
                const u32 ext = software ? 0 : 1;
                Verdict v = Verdict::ok();
                if (software && c.gate_dpl < c.cpl)
                    v = Verdict::fault(Exception::GP, 0x30 * 8 + 2);
                else if (!c.gate_present)
                    v = Verdict::fault(Exception::NP, 0x30 * 8 + 2 + ext);
                else if (c.target_dpl > c.cpl)
                    v = Verdict::fault(Exception::GP, probe + ext);
                else if (!c.target_present)
                    v = Verdict::fault(Exception::NP, probe + ext);
                const bool result =
                    deliver_interrupt(m.cpu, 0x30, software ? InterruptKind::software : InterruptKind::hardware);
                bool good = agrees(m, result, v);
                const bool inward = !c.conforming && c.target_dpl < c.cpl;
                const unsigned cpl = inward ? c.target_dpl : c.cpl;
                const unsigned w = type >= 14 ? 4 : 2;
                if (result) {
                    good = good && m.cpu.cpl == cpl && m.cpu.ip == handler_at && m.cpu.next_ip == handler_at;
                    good = good && m.cpu.r32(RSP) == stacks[cpl] - (inward ? 5 : 3) * w;
                    good = good && ((m.cpu.eflags & eflags::IF) != 0) == ((type & 1) != 0);
                    good = good && (m.cpu.eflags & eflags::NT) == 0;
                    const u32 pushed_ip = w == 4 ? m.get<u32>(m.cpu.r32(RSP)) : m.get<u16>(m.cpu.r32(RSP));
                    good = good && pushed_ip == (software ? 0x105u : 0x100u);
                } else {
                    good = good && m.cpu.ip == 0x100 && (m.cpu.eflags & eflags::NT) != 0;
                }
                wrong += !good;
            }
        }
    });
    CHECK(wrong == 0);
}

TEST_CASE("a stack without room is noticed before a bad EIP") {
    Machine m;
    for (const u32 esp : {4u, 0x8000u}) {
        const Exception expected = esp == 4 ? Exception::SS : Exception::GP;
        const auto prepare = [&] {
            m.level(3);
            m.cpu.seg[SS].limit = 0xFFFF;
            m.cpu.seg[SS].update(false);
            m.cpu.set_r32(RSP, esp);
            m.set_entry(probe, descriptor(0, 0xFF, access(0x1B, 3), 4));
            m.put<u64>(idt + 8 * 0x90, gate(probe, handler_at, access(14, 3)));
        };
        prepare();
        CHECK_FALSE(transfer::call_far_immediate<4>(m.cpu, Machine::op(handler_at, probe | 3)));
        CHECK(m.faulted(expected, 0));
        prepare();
        CHECK_FALSE(deliver_interrupt(m.cpu, 0x90, InterruptKind::software));
        CHECK(m.faulted(expected, 0));
        prepare();
        CHECK_FALSE(deliver_interrupt(m.cpu, 0x90, InterruptKind::hardware));
        CHECK(m.faulted(expected, 1));
    }
}

TEST_CASE("IDT entries that are no gates, and the IDT's limit") {
    Machine m;
    for (unsigned type = 0; type < 32; ++type) {
        const bool is_gate = type == 5 || type == 6 || type == 7 || type == 14 || type == 15;
        if (is_gate) continue;
        m.put<u64>(idt + 8 * 0x30, gate(code0, handler_at, access(type, 3)));
        CHECK_FALSE(deliver_interrupt(m.cpu, 0x30, InterruptKind::hardware));
        CHECK(m.faulted(Exception::GP, 0x30 * 8 + 3));
        CHECK_FALSE(deliver_interrupt(m.cpu, 0x30, InterruptKind::int3));
        CHECK(m.faulted(Exception::GP, 0x30 * 8 + 2));
    }
    m.put<u64>(idt + 8 * 0x30, gate(code0, handler_at, access(14, 3)));
    m.cpu.idtr.limit = 0x30 * 8 + 6;
    CHECK_FALSE(deliver_interrupt(m.cpu, 0x30, InterruptKind::software));
    CHECK(m.faulted(Exception::GP, 0x30 * 8 + 2));
    m.cpu.idtr.limit = 0x30 * 8 + 7;
    CHECK(deliver_interrupt(m.cpu, 0x30, InterruptKind::software));
}

TEST_CASE("RETF and IRET x privilege") {
    Machine m;
    unsigned wrong = 0;
    for (unsigned bits = 0; bits < 1024; ++bits) {
        const unsigned cpl = bits & 3, rpl = bits >> 2 & 3, dpl = bits >> 4 & 3;
        const bool conforming = (bits >> 6 & 1) != 0, present = (bits >> 7 & 1) != 0, is_iret = (bits >> 8 & 1) != 0;
        const bool good_stack = (bits >> 9 & 1) != 0;
        m.level(cpl);
        m.set_entry(probe, descriptor(0, 0xFFFFF, access(conforming ? 0x1Eu : 0x1Au, dpl, present), 0xC));
        const u32 sp = stacks[cpl] - 20;
        m.cpu.set_r32(RSP, sp);
        u32 at = sp;
        const auto push = [&](u32 v) {
            m.put<u32>(at, v);
            at += 4;
        };
        push(0x777);
        push(probe | rpl);
        if (is_iret) push(2 | eflags::CF);
        push(0x6000);
        push(good_stack ? datas[rpl] : datas[(rpl + 1) & 3]);
        Verdict v = Verdict::ok();
        if (rpl < cpl || (conforming ? dpl > rpl : dpl != rpl))
            v = Verdict::fault(Exception::GP, probe);
        else if (!present)
            v = Verdict::fault(Exception::NP, probe);
        else if (rpl > cpl && !good_stack)
            v = Verdict::fault(Exception::GP, datas[(rpl + 1) & 3] & ~3u);
        const bool result =
            is_iret ? transfer::iret<4>(m.cpu, Machine::op()) : transfer::ret_far<4>(m.cpu, Machine::op());
        bool good = agrees(m, result, v);
        if (result) {
            good = good && m.cpu.cpl == rpl && m.cpu.next_ip == 0x777;
            good = good && m.cpu.r32(RSP) == (rpl > cpl ? 0x6000 : sp + (is_iret ? 12 : 8));
        } else {
            good = good && m.cpu.cpl == cpl && m.cpu.r32(RSP) == sp;
        }
        wrong += !good;
    }
    CHECK(wrong == 0);
}

TEST_CASE("IRET restores only the flags that the level may change") {
    Machine m;
    const u32 image = eflags::IF | eflags::IOPL | eflags::ID | eflags::AC | eflags::VIF | eflags::DF | eflags::CF | 2;
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        for (unsigned iopl = 0; iopl < 4; ++iopl) {
            m.level(cpl);
            m.cpu.set_full_eflags(iopl << 12);
            const u32 sp = stacks[cpl] - 12;
            m.cpu.set_r32(RSP, sp);
            m.put<u32>(sp, 0x10);
            m.put<u32>(sp + 4, codes[cpl]);
            m.put<u32>(sp + 8, image);
            REQUIRE(transfer::iret<4>(m.cpu, Machine::op()));
            u32 expected = eflags::ID | eflags::AC | eflags::DF | eflags::CF | 2;
            if (cpl <= iopl) expected |= eflags::IF;
            expected |= cpl == 0 ? eflags::IOPL | eflags::VIF : iopl << 12;
            CHECK(m.cpu.full_eflags() == expected);
        }
    }
}

TEST_CASE("error codes and RF are pushed for faults") {
    Machine m;
    m.level(3);
    m.put<u64>(idt + 8 * 14, gate(code0, handler_at, access(14, 0)));
    m.cpu.set_full_eflags(eflags::IF | eflags::ZF);
    m.cpu.fault = Fault{Exception::PF, true, 7, 0xCAFE, "test"};
    REQUIRE(deliver_fault(m.cpu));
    CHECK(m.cpu.cr2 == 0xCAFE);
    const u32 sp = m.cpu.r32(RSP);
    CHECK(sp == stack0 - 24);
    CHECK(m.get<u32>(sp) == 7);
    CHECK(m.get<u32>(sp + 4) == 0x100);
    CHECK(m.get<u32>(sp + 8) == code3);
    CHECK(m.get<u32>(sp + 12) == (eflags::IF | eflags::ZF | eflags::RF | 2));
    CHECK(m.get<u32>(sp + 16) == stack3);
    CHECK(m.get<u32>(sp + 20) == data3);
}

TEST_CASE("combinations of faults: SDM 3A table 6-5") {
    struct Row {
        Exception first;
        int kind; // 0 benign, 1 contributory, 2 page fault
    };
    const Row rows[] = {{Exception::DE, 1}, {Exception::DB, 0}, {Exception::BR, 0}, {Exception::UD, 0},
                        {Exception::NM, 0}, {Exception::TS, 1}, {Exception::NP, 1}, {Exception::SS, 1},
                        {Exception::GP, 1}, {Exception::PF, 2}, {Exception::MF, 0}, {Exception::AC, 0},
                        {Exception::XM, 0}};
    Machine m;
    for (const Row& r : rows) {
        m.protect();
        const auto v = static_cast<u32>(r.first);
        // The handler's gate is not present: #NP, contributory. #NP and #DF have handlers.
        m.put<u64>(idt + 8 * v, gate(code0, 0x100, access(14, 0, false)));
        if (r.first != Exception::NP) m.put<u64>(idt + 8 * 11, gate(code0, 0x1111, access(14, 0)));
        m.put<u64>(idt + 8 * 8, gate(code0, 0x8888, access(14, 0)));
        m.cpu.fault = Fault{r.first, false, 0, 0, "first"};
        REQUIRE(deliver_fault(m.cpu));
        CHECK(m.cpu.ip == (r.kind == 0 ? 0x1111 : 0x8888));
        CHECK(m.get<u32>(m.cpu.r32(RSP)) == (r.kind == 0 ? v * 8 + 3 : 0)); // #NP's code names the gate
    }
}

TEST_CASE("triple fault") {
    Machine m;
    m.cpu.idtr.limit = 0;
    m.cpu.fault = Fault{Exception::UD, false, 0, 0, "first"};
    CHECK_FALSE(deliver_fault(m.cpu));
    CHECK(m.cpu.shutdown);
    REQUIRE(m.cpu.fault_chain_length == 3);
    CHECK(m.cpu.fault_chain[0].vector == Exception::UD);
    CHECK(m.cpu.fault_chain[1].vector == Exception::GP);
    CHECK(m.cpu.fault_chain[2].vector == Exception::GP);
    CHECK_FALSE(deliver_fault(m.cpu));
}

TEST_CASE("real mode: interrupts, returns, far calls") {
    Machine m;
    m.real();
    m.put<u16>(4 * 0x21, 0x1234);
    m.put<u16>(4 * 0x21 + 2, 0x0800);
    m.cpu.set_full_eflags(eflags::IF | eflags::TF | eflags::CF);
    REQUIRE(transfer::int_n(m.cpu, Machine::op(0x21)));
    CHECK(m.cpu.next_ip == 0x1234);
    CHECK(m.cpu.seg[CS].base == 0x8000);
    CHECK(m.cpu.full_eflags() == (eflags::CF | 2));
    CHECK(m.cpu.r16(RSP) == 0x8000 - 6);
    CHECK(m.get<u16>(0x8000 - 6) == 0x105);
    CHECK(m.get<u16>(0x8000 - 2) == (eflags::IF | eflags::TF | eflags::CF | 2));
    REQUIRE(transfer::iret<2>(m.cpu, Machine::op()));
    CHECK(m.cpu.next_ip == 0x105);
    CHECK(m.cpu.seg[CS].base == 0);
    CHECK(m.cpu.full_eflags() == (eflags::IF | eflags::TF | eflags::CF | 2));
    CHECK(m.cpu.r16(RSP) == 0x8000);
    REQUIRE(transfer::call_far_immediate<2>(m.cpu, Machine::op(0x10, 0x0F00)));
    CHECK(m.cpu.seg[CS].base == 0xF000);
    CHECK(m.cpu.next_ip == 0x10);
    REQUIRE(transfer::ret_far<2>(m.cpu, Machine::op()));
    CHECK(m.cpu.next_ip == 0x105);
    CHECK_FALSE(transfer::jmp_far_immediate<4>(m.cpu, Machine::op(0x10000, 0x0F00)));
    CHECK(m.cpu.fault.vector == Exception::GP);
    m.cpu.set_r16(RSP, 2); // SP wraps between the words of a frame
    REQUIRE(transfer::int_n(m.cpu, Machine::op(0x21)));
    CHECK(m.cpu.r16(RSP) == 0xFFFC);
    m.real();
    m.cpu.set_r16(RSP, 1); // and never within one
    CHECK_FALSE(transfer::int_n(m.cpu, Machine::op(0x21)));
    CHECK(m.cpu.fault.vector == Exception::SS);
    CHECK(m.cpu.r16(RSP) == 1);
    m.cpu.idtr.limit = 0x21 * 4 + 2;
    CHECK_FALSE(transfer::int_n(m.cpu, Machine::op(0x21)));
    CHECK(m.cpu.fault.vector == Exception::GP);
}

TEST_CASE("BOUND, INTO, ICEBP") {
    Machine m;
    m.put<u32>(0xC000, static_cast<u32>(-5));
    m.put<u32>(0xC004, 5);
    for (int i = -7; i <= 7; ++i) {
        m.cpu.set_r32(RCX, static_cast<u32>(i));
        CHECK(transfer::bound<4>(m.cpu, Machine::memory_op(0xC000, RCX)) == (i >= -5 && i <= 5));
        if (i < -5 || i > 5) CHECK(m.cpu.fault.vector == Exception::BR);
    }
    m.put<u64>(idt + 8 * 4, gate(code0, 0x4444, access(15, 0)));
    m.put<u64>(idt + 8 * 1, gate(code0, 0x1111, access(15, 0)));
    m.cpu.set_full_eflags(0);
    REQUIRE(transfer::into(m.cpu, Machine::op()));
    CHECK(m.cpu.next_ip == 0x105);
    m.cpu.set_full_eflags(eflags::OF);
    REQUIRE(transfer::into(m.cpu, Machine::op()));
    CHECK(m.cpu.next_ip == 0x4444);
    m.level(3);
    m.cpu.set_full_eflags(eflags::OF);
    CHECK_FALSE(transfer::into(m.cpu, Machine::op()));
    CHECK(m.faulted(Exception::GP, 4 * 8 + 2));
    REQUIRE(transfer::icebp(m.cpu, Machine::op())); // the gate's DPL does not count
    CHECK(m.cpu.next_ip == 0x1111);
    CHECK(m.get<u32>(m.cpu.r32(RSP)) == 0x105);
}

TEST_CASE("SYSENTER and SYSEXIT") {
    Machine m;
    m.level(3);
    CHECK_FALSE(transfer::sysenter(m.cpu, Machine::op()));
    CHECK(m.faulted(Exception::GP, 0));
    m.cpu.msrs.sysenter_cs = 0x61;
    m.cpu.msrs.sysenter_esp = 0x7000;
    m.cpu.msrs.sysenter_eip = 0x8888;
    m.cpu.set_full_eflags(eflags::IF);
    REQUIRE(transfer::sysenter(m.cpu, Machine::op()));
    CHECK(m.cpu.cpl == 0);
    CHECK(m.cpu.seg[CS].selector == 0x60);
    CHECK(m.cpu.seg[SS].selector == 0x68);
    CHECK(m.cpu.r32(RSP) == 0x7000);
    CHECK(m.cpu.next_ip == 0x8888);
    CHECK((m.cpu.eflags & eflags::IF) == 0);
    CHECK(m.cpu.seg[SS].flat());
    m.cpu.set_r32(RCX, 0x1000);
    m.cpu.set_r32(RDX, 0x2000);
    REQUIRE(transfer::sysexit<4>(m.cpu, Machine::op()));
    CHECK(m.cpu.cpl == 3);
    CHECK(m.cpu.seg[CS].selector == 0x73);
    CHECK(m.cpu.seg[SS].selector == 0x7B);
    CHECK(m.cpu.r32(RSP) == 0x1000);
    CHECK(m.cpu.next_ip == 0x2000);
    CHECK((m.cpu.mode & mode::user) != 0);
    CHECK_FALSE(transfer::sysexit<4>(m.cpu, Machine::op()));
}
