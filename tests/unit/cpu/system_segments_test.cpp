// Segment loads: every descriptor type x present x DPL x RPL x CPL against SDM 3A 5.5-5.8, worked out here from the
// tables rather than from the code.
#include "system_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

struct Case {
    unsigned type; // with S as bit 4
    bool present;
    unsigned dpl, rpl, cpl;
    u16 selector() const { return static_cast<u16>(probe | rpl); }
    bool segment() const { return type >= 0x10; }
    bool is_code() const { return segment() && (type & 8); }
    bool conforming() const { return is_code() && (type & 4); }
    bool readable() const { return segment() && (!is_code() || (type & 2)); }
    bool writable() const { return segment() && !is_code() && (type & 2); }
};

template <class F> void for_all_cases(F&& f) {
    for (unsigned type = 0; type < 32; ++type)
        for (unsigned bits = 0; bits < 128; ++bits)
            f(Case{type, (bits & 1) != 0, bits >> 1 & 3, bits >> 3 & 3, bits >> 5 & 3});
}

Verdict data_rule(const Case& c) {
    const u32 error = probe;
    if (!c.readable()) return Verdict::fault(Exception::GP, error);
    if (!c.conforming() && (c.rpl > c.dpl || c.cpl > c.dpl)) return Verdict::fault(Exception::GP, error);
    if (!c.present) return Verdict::fault(Exception::NP, error);
    return Verdict::ok();
}

Verdict stack_rule(const Case& c) {
    if (c.rpl != c.cpl || !c.writable() || c.dpl != c.cpl) return Verdict::fault(Exception::GP, probe);
    if (!c.present) return Verdict::fault(Exception::SS, probe);
    return Verdict::ok();
}

Verdict far_rule(const Case& c) {
    if (!c.segment()) {
        // TSSs and gates are followed elsewhere; all others are refused for their type.
        return Verdict::fault(Exception::GP, probe);
    }
    if (!c.is_code()) return Verdict::fault(Exception::GP, probe);
    if (c.conforming() ? c.dpl > c.cpl : (c.rpl > c.cpl || c.dpl != c.cpl)) return Verdict::fault(Exception::GP, probe);
    if (!c.present) return Verdict::fault(Exception::NP, probe);
    return Verdict::ok();
}

bool followed(unsigned type) { return type == 1 || type == 4 || type == 5 || type == 9 || type == 12; }

void set_up(Machine& m, const Case& c) {
    m.level(c.cpl);
    m.set_entry(probe, descriptor(0x12340, 0x00FFF, access(c.type, c.dpl, c.present), 0x4));
}

} // namespace

TEST_CASE("data segments: descriptor types x privilege") {
    Machine m;
    unsigned wrong = 0;
    for_all_cases([&](const Case& c) {
        set_up(m, c);
        const Verdict v = data_rule(c);
        const Segment before = m.cpu.seg[DS];
        const bool result = load_segment(m.cpu, DS, c.selector());
        bool good = agrees(m, result, v);
        const Segment& s = m.cpu.seg[DS];
        if (result) {
            good = good && s.selector == c.selector() && s.base == 0x12340 && s.limit == 0xFFF &&
                   (m.entry(probe) >> 40 & 1) == 1;
        } else {
            good = good && s.selector == before.selector && s.base == before.base &&
                   (m.entry(probe) >> 40 & 1) == (c.type & 1);
        }
        wrong += !good;
    });
    CHECK(wrong == 0);
}

TEST_CASE("stack segments: descriptor types x privilege") {
    Machine m;
    unsigned wrong = 0;
    for_all_cases([&](const Case& c) {
        set_up(m, c);
        const bool result = load_segment(m.cpu, SS, c.selector());
        wrong += !agrees(m, result, stack_rule(c));
        wrong += result && m.cpu.seg[SS].base != 0x12340;
    });
    CHECK(wrong == 0);
}

TEST_CASE("far JMP and CALL: descriptor types x privilege") {
    Machine m;
    unsigned wrong = 0;
    for_all_cases([&](const Case& c) {
        if (followed(c.type)) return;
        for (const bool call : {false, true}) {
            set_up(m, c);
            const Op op = Machine::op(0x456, c.selector());
            const bool result =
                call ? transfer::call_far_immediate<4>(m.cpu, op) : transfer::jmp_far_immediate<4>(m.cpu, op);
            bool good = agrees(m, result, far_rule(c));
            if (result) {
                good =
                    good && m.cpu.next_ip == 0x456 && m.cpu.cpl == c.cpl && m.cpu.seg[CS].selector == (probe | c.cpl);
            }
            wrong += !good;
        }
    });
    CHECK(wrong == 0);
}

TEST_CASE("null selectors") {
    Machine m;
    for (u16 selector = 0; selector < 4; ++selector) {
        m.level(0);
        for (unsigned name : {ES, DS, FS, GS}) {
            REQUIRE(load_segment(m.cpu, name, selector));
            CHECK(m.cpu.seg[name].selector == selector);
            CHECK_FALSE(m.cpu.seg[name].usable());
            u8 value = 0;
            CHECK_FALSE(read_segment<u8>(m.cpu, name, 0, value));
            CHECK(m.faulted(Exception::GP, 0));
        }
        CHECK_FALSE(load_segment(m.cpu, SS, selector));
        CHECK(m.faulted(Exception::GP, 0));
        CHECK_FALSE(transfer::jmp_far_immediate<4>(m.cpu, Machine::op(0, selector)));
        CHECK(m.faulted(Exception::GP, 0));
    }
}

TEST_CASE("selectors outside their table, and the LDT") {
    Machine m;
    m.cpu.gdtr.limit = 0x66; // one byte short of `probe`'s descriptor
    CHECK_FALSE(load_segment(m.cpu, DS, probe));
    CHECK(m.faulted(Exception::GP, probe));
    m.cpu.gdtr.limit = 0x67;
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x13, 0), 4));
    CHECK(load_segment(m.cpu, DS, probe));
    const u16 local = 0x0C;
    m.set_entry(local, descriptor(0x777, 0xF, access(0x12, 0), 4));
    CHECK(load_segment(m.cpu, ES, local));
    CHECK(m.cpu.seg[ES].base == 0x777);
    CHECK((m.entry(local) >> 40 & 1) == 1);
    m.cpu.ldtr.access |= Segment::unusable;
    CHECK_FALSE(load_segment(m.cpu, ES, local));
    CHECK(m.faulted(Exception::GP, local));
}

TEST_CASE("limits: granularity and expand-down") {
    Machine m;
    struct Row {
        u32 limit, type, flags;
        u32 first, last; // inclusive range of bytes that may be accessed
    };
    const Row rows[] = {
        {0xFFF, 0x12, 0x0, 0, 0xFFF},           {0x00F, 0x12, 0x8, 0, 0xFFFF},
        {0xFFFFF, 0x12, 0xC, 0, 0xFFFFFFFF},    {0xFFF, 0x16, 0x0, 0x1000, 0xFFFF},
        {0xFFF, 0x16, 0x4, 0x1000, 0xFFFFFFFF}, {0x001, 0x16, 0xC, 0x2000, 0xFFFFFFFF},
    };
    for (const Row& r : rows) {
        m.set_entry(probe, descriptor(0, r.limit, access(r.type, 0), r.flags));
        REQUIRE(load_segment(m.cpu, DS, probe));
        const Segment& s = m.cpu.seg[DS];
        CHECK(s.readable_at(r.first, 1));
        CHECK(s.readable_at(r.last, 1));
        CHECK(s.writable_at(r.last - 3, 4));
        CHECK_FALSE(s.readable_at(r.last, 2));
        if (r.first > 0) {
            CHECK_FALSE(s.readable_at(r.first - 1, 1));
            CHECK_FALSE(s.readable_at(r.first - 1, 2));
        }
        CHECK(s.flat() == (r.first == 0 && r.last == 0xFFFFFFFF));
    }
    m.set_entry(probe, descriptor(0, 0xFFFFF, access(0x16, 0), 0xC)); // expand-down above everything: nothing
    REQUIRE(load_segment(m.cpu, DS, probe));
    CHECK_FALSE(m.cpu.seg[DS].readable_at(0xFFFFFFFF, 1));
}

TEST_CASE("read-only data, execute-only and readable code") {
    Machine m;
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x10, 0), 4));
    REQUIRE(load_segment(m.cpu, DS, probe));
    CHECK(m.cpu.seg[DS].readable_at(0, 4));
    CHECK_FALSE(m.cpu.seg[DS].writable_at(0, 4));
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x1A, 0), 4));
    REQUIRE(load_segment(m.cpu, DS, probe));
    CHECK_FALSE(m.cpu.seg[DS].writable_at(0, 4));
    REQUIRE(transfer::jmp_far_immediate<4>(m.cpu, Machine::op(0, probe)));
    CHECK(m.cpu.seg[CS].readable_at(0, 4));
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x18, 0), 4));
    REQUIRE(transfer::jmp_far_immediate<4>(m.cpu, Machine::op(0, probe)));
    CHECK_FALSE(m.cpu.seg[CS].readable_at(0, 4));
}

TEST_CASE("real mode keeps limits, virtual-8086 mode sets them") {
    Machine m;
    m.set_entry(probe, descriptor(0, 0xFFFFF, access(0x12, 0), 0x8)); // "unreal": 4 GiB, 16 bits
    REQUIRE(load_segment(m.cpu, DS, probe));
    REQUIRE(write_cr0(m.cpu, cr0::ET));
    REQUIRE(load_segment(m.cpu, DS, 0x1234));
    CHECK(m.cpu.seg[DS].base == 0x12340);
    CHECK(m.cpu.seg[DS].limit == 0xFFFFFFFF);
    CHECK(m.cpu.seg[DS].readable_at(0x80000, 4));
    REQUIRE(load_segment(m.cpu, DS, 0));
    CHECK((m.cpu.mode & mode::flat_ds) != 0);
    m.virtual_8086(3);
    REQUIRE(load_segment(m.cpu, DS, 0x4321));
    CHECK(m.cpu.seg[DS].base == 0x43210);
    CHECK(m.cpu.seg[DS].limit == 0xFFFF);
    CHECK_FALSE(m.cpu.seg[DS].readable_at(0xFFFF, 2));
}

TEST_CASE("PUSH and POP of segment registers") {
    Machine m;
    m.put<u32>(stack0 - 4, 0xAAAAAAAA);
    REQUIRE(transfer::push_segment<SegmentName::DS, 4>(m.cpu, Machine::op()));
    CHECK(m.cpu.r32(RSP) == stack0 - 4);
    CHECK(m.get<u32>(stack0 - 4) == (0xAAAA0000u | data0)); // only 16 bits are written
    REQUIRE(transfer::push_segment<SegmentName::FS, 2>(m.cpu, Machine::op()));
    CHECK(m.cpu.r32(RSP) == stack0 - 6);
    m.put<u16>(stack0 - 6, 0);
    REQUIRE(transfer::pop_segment<SegmentName::ES, 2>(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.seg[ES].usable());
    CHECK(m.cpu.shadow == 0);
    REQUIRE(transfer::pop_segment<SegmentName::SS, 4>(m.cpu, Machine::op()));
    CHECK(m.cpu.r32(RSP) == stack0);
    CHECK(m.cpu.shadow == Cpu::shadow_ss);
    m.put<u32>(stack0, code0); // a fault leaves ESP alone
    CHECK_FALSE(transfer::pop_segment<SegmentName::SS, 4>(m.cpu, Machine::op()));
    CHECK(m.cpu.r32(RSP) == stack0);
}

TEST_CASE("MOV to and from segment registers") {
    Machine m;
    m.cpu.set_r32(RBX, 0xFFFF0000u | data3);
    REQUIRE(transfer::mov_to_segment_register(m.cpu, Machine::register_op(RBX, FS)));
    CHECK(m.cpu.seg[FS].selector == data3);
    CHECK(m.cpu.shadow == 0);
    for (const u8 bad : {u8{1}, u8{6}, u8{7}}) {
        CHECK_FALSE(transfer::mov_to_segment_register(m.cpu, Machine::register_op(RBX, bad)));
        CHECK(m.cpu.fault.vector == Exception::UD);
    }
    m.put<u16>(0xC000, data0);
    REQUIRE(transfer::mov_to_segment_memory(m.cpu, Machine::memory_op(0xC000, SS)));
    CHECK(m.cpu.shadow == Cpu::shadow_ss);
    m.cpu.set_r32(RBX, 0xFFFFFFFF);
    REQUIRE(transfer::mov_from_segment_register<2>(m.cpu, Machine::register_op(RBX, FS)));
    CHECK(m.cpu.r32(RBX) == (0xFFFF0000u | data3));
    REQUIRE(transfer::mov_from_segment_register<4>(m.cpu, Machine::register_op(RBX, FS)));
    CHECK(m.cpu.r32(RBX) == data3);
    m.put<u32>(0xC000, 0xFFFFFFFF);
    REQUIRE(transfer::mov_from_segment_memory(m.cpu, Machine::memory_op(0xC000, CS)));
    CHECK(m.get<u32>(0xC000) == (0xFFFF0000u | code0));
}

TEST_CASE("far pointers load register and segment together or not at all") {
    Machine m;
    m.put<u32>(0xC000, 0x11223344);
    m.put<u16>(0xC004, data3);
    REQUIRE(transfer::load_far_pointer<SegmentName::GS, 4>(m.cpu, Machine::memory_op(0xC000, RDX)));
    CHECK(m.cpu.r32(RDX) == 0x11223344);
    CHECK(m.cpu.seg[GS].selector == data3);
    m.put<u16>(0xC004, sel_tss_a);
    m.put<u32>(0xC000, 0);
    CHECK_FALSE(transfer::load_far_pointer<SegmentName::GS, 4>(m.cpu, Machine::memory_op(0xC000, RDX)));
    CHECK(m.faulted(Exception::GP, sel_tss_a));
    CHECK(m.cpu.r32(RDX) == 0x11223344);
    CHECK(m.cpu.seg[GS].selector == data3);
    m.put<u16>(0xC002, data0);
    REQUIRE(transfer::load_far_pointer<SegmentName::ES, 2>(m.cpu, Machine::memory_op(0xC000, RDX)));
    CHECK(m.cpu.r32(RDX) == 0x11220000);
    CHECK(m.cpu.seg[ES].selector == data0);
}
