// Far transfers between 64-bit and compatibility mode, segment loads and table registers in long mode (SDM 3A 3.4.4,
// 5.2.1; SDM 2, JMP, CALL, RET, MOV, LGDT, LLDT, LTR, LAR, LSL).
#include "system64_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

/// m16:64, or m16:32.
template <unsigned width> Op pointer(Machine64& m, u64 offset, u16 selector) {
    if constexpr (width == 8)
        m.put<u64>(0x500, offset);
    else
        m.put<u32>(0x500, static_cast<u32>(offset));
    m.put<u16>(0x500 + width, selector);
    return Machine::memory_op(0x500);
}

} // namespace

TEST_CASE("far jumps to compatibility mode and back") {
    Machine64 m;
    // The whole offset counts against the limit of 32-bit code.
    CHECK(
        m.raised(transfer::jmp_far_memory<8>(m.cpu, pointer<8>(m, 0xFFFF'FFFF'0000'1234, code0_32)), Exception::GP, 0));
    REQUIRE(transfer::jmp_far_memory<8>(m.cpu, pointer<8>(m, 0x1234, code0_32)));
    CHECK(m.cpu.next_ip == 0x1234);
    CHECK_FALSE(m.cpu.code64());
    CHECK((m.cpu.mode & (mode::code32 | mode::protected_mode)) == (mode::code32 | mode::protected_mode));
    m.cpu.next_ip = 0x1239;
    m.cpu.gpr[RSP] = 0x8000;
    REQUIRE(transfer::call_far_immediate<4>(m.cpu, Machine::op(0x4560, code0)));
    CHECK(m.cpu.code64());
    CHECK(m.cpu.next_ip == 0x4560);
    CHECK(m.get<u32>(0x7FF8) == 0x1239);
    REQUIRE(transfer::ret_far<4>(m.cpu, Machine::op()));
    CHECK_FALSE(m.cpu.code64());
    CHECK(m.cpu.next_ip == 0x1239);
    CHECK(m.cpu.gpr[RSP] == 0x8000);
}

TEST_CASE("targets of far transfers must be canonical in 64-bit code, within the limit in 32-bit code") {
    Machine64 m;
    CHECK(m.raised(transfer::jmp_far_memory<8>(m.cpu, pointer<8>(m, not_canonical, code0)), Exception::GP, 0));
    CHECK(m.raised(transfer::call_far_memory<8>(m.cpu, pointer<8>(m, not_canonical, code0)), Exception::GP, 0));
    CHECK(m.cpu.gpr[RSP] == rsp_of[0]);
    REQUIRE(transfer::call_far_memory<8>(m.cpu, pointer<8>(m, high + 0x4560, code0)));
    CHECK(m.cpu.next_ip == high + 0x4560);
    CHECK(m.pushed(0) == return_to);
    CHECK(m.pushed(1) == code0);
    REQUIRE(transfer::ret_far<8>(m.cpu, Machine::op()));
    CHECK(m.cpu.next_ip == return_to);
    CHECK(m.cpu.gpr[RSP] == rsp_of[0]);
    m.put<u64>(static_cast<u32>(rsp_of[0]), not_canonical);
    CHECK(m.raised(transfer::ret_far<8>(m.cpu, Machine::op()), Exception::GP, 0));
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x1A, 0), 4));
    CHECK(m.raised(transfer::jmp_far_memory<4>(m.cpu, pointer<4>(m, 0x1000, probe)), Exception::GP, 0));
    CHECK(transfer::jmp_far_memory<4>(m.cpu, pointer<4>(m, 0xFFF, probe)));
    // The limit of 64-bit code is not looked at.
    m.level64(0);
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x1A, 0), 2));
    CHECK(transfer::jmp_far_memory<4>(m.cpu, pointer<4>(m, 0x4560, probe)));
}

TEST_CASE("far transfers that long mode refuses: both L and D, task switches, 32-bit gates' types") {
    Machine64 m;
    CHECK(m.raised(transfer::jmp_far_memory<4>(m.cpu, pointer<4>(m, 0, code0_both)), Exception::GP, code0_both));
    for (unsigned type = 0; type < 16; ++type) {
        if (type == 12) continue;
        m.set_wide(wide_slot, descriptor(tss_a, 0x67, access(type, 0), 0), 0);
        for (const bool in64 : {true, false}) {
            if (in64)
                m.level64(0);
            else
                m.compatible(0);
            const Op op = pointer<4>(m, 0, wide_slot);
            CHECK(m.raised(transfer::jmp_far_memory<4>(m.cpu, op), Exception::GP, wide_slot));
            CHECK(m.raised(transfer::call_far_memory<4>(m.cpu, op), Exception::GP, wide_slot));
        }
    }
}

TEST_CASE("m16:64 is Intel's alone") {
    Machine64 amd(Vendor::amd);
    amd.put<u64>(0x500, u64{code0} << 32 | 0x4560); // m16:32
    amd.put<u64>(0x508, 0);
    REQUIRE(transfer::jmp_far_memory<8>(amd.cpu, Machine::memory_op(0x500)));
    CHECK(amd.cpu.next_ip == 0x4560);
    amd.put<u64>(0x500, u64{data0} << 32 | 0x1111'2222);
    amd.cpu.gpr[RBX] = ~u64{0};
    REQUIRE((transfer::load_far_pointer<GS, 8>(amd.cpu, Machine::memory_op(0x500, RBX))));
    CHECK(amd.cpu.gpr[RBX] == 0x1111'2222);
    Machine64 intel;
    REQUIRE((transfer::load_far_pointer<GS, 8>(intel.cpu, [&] {
        Op op = pointer<8>(intel, 0x1234'5678'9ABC'DEF0, data0);
        op.reg = R9;
        return op;
    }())));
    CHECK(intel.cpu.gpr[R9] == 0x1234'5678'9ABC'DEF0);
    CHECK(intel.cpu.seg[GS].selector == data0);
}

TEST_CASE("a far return to an outer level may have a null SS only for 64-bit code inside level 3") {
    for (unsigned rpl = 1; rpl < 4; ++rpl) {
        for (const bool long_code : {true, false}) {
            Machine64 m;
            m.set_entry(probe, code_descriptor(0x1A, rpl, long_code, !long_code));
            m.cpu.gpr[RSP] = high + 0x7000;
            const u64 frame[4] = {0x4560, u64{probe} | rpl, 0x6000, rpl};
            for (u32 i = 0; i < 4; ++i) m.put<u64>(0x7000 + 8 * i, frame[i]);
            const bool ok = transfer::ret_far<8>(m.cpu, Machine::op());
            CHECK(agrees(m, ok, rpl != 3 && long_code ? Verdict::ok() : Verdict::fault(Exception::GP, 0)));
            if (ok) CHECK(m.cpu.gpr[RSP] == 0x6000);
        }
    }
}

TEST_CASE("null selectors in SS: 64-bit mode inside level 3, RPL = CPL") {
    Machine64 m;
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        for (u16 rpl = 0; rpl < 4; ++rpl) {
            m.level64(cpl);
            const bool ok = load_segment(m.cpu, SS, rpl);
            CHECK(agrees(m, ok, cpl != 3 && rpl == cpl ? Verdict::ok() : Verdict::fault(Exception::GP, 0)));
            if (ok) CHECK(m.cpu.seg[SS].dpl() == cpl);
        }
    }
    m.compatible(0);
    CHECK(m.raised(load_segment(m.cpu, SS, 0), Exception::GP, 0));
}

TEST_CASE("loads of FS and GS give 64-bit code their base; a null selector clears it on Intel's processors alone") {
    for (const Vendor vendor : {Vendor::intel, Vendor::amd}) {
        Machine64 m(vendor);
        m.set_entry(probe, descriptor(0x8765'4321, 0xFF, access(0x13, 0), 0));
        for (const unsigned name : {FS, GS}) {
            REQUIRE(load_segment(m.cpu, name, probe));
            CHECK(m.cpu.base64[name] == 0x8765'4321);
            m.cpu.gpr[RBX] = 0xFFFF;
            u64 linear = 0;
            REQUIRE(locate_write(m.cpu, name, 0x1000, 8, linear)); // beyond its limit
            CHECK(linear == 0x8765'5321);
            REQUIRE(load_segment(m.cpu, name, 0));
            CHECK(m.cpu.base64[name] == (vendor == Vendor::intel ? 0 : 0x8765'4321));
            CHECK(m.cpu.seg[name].base == m.cpu.base64[name]);
        }
        REQUIRE(load_segment(m.cpu, DS, probe));
        CHECK(m.cpu.base64[DS] == 0);
        u64 linear = 0;
        REQUIRE(locate_read(m.cpu, DS, high + 5, 4, linear));
        CHECK(linear == high + 5);
        REQUIRE(load_segment(m.cpu, DS, 0));
        CHECK(locate_write(m.cpu, DS, high, 8, linear)); // null, and used all the same
    }
}

TEST_CASE("segments that 64-bit code ignored are there again in compatibility mode") {
    Machine64 m;
    m.set_entry(probe, descriptor(0x1000, 0xFF, access(0x13, 0), 4));
    REQUIRE(load_segment(m.cpu, DS, probe));
    CHECK((m.cpu.mode & mode::flat_ds) != 0);
    REQUIRE(transfer::jmp_far_memory<4>(m.cpu, [&] {
        Op op = pointer<4>(m, 0x4560, code0_32);
        return op;
    }()));
    CHECK((m.cpu.mode & mode::flat_ds) == 0);
    u64 linear = 0;
    REQUIRE(locate_read(m.cpu, DS, 0xFC, 4, linear));
    CHECK(linear == 0x10FC);
    CHECK_FALSE(locate_read(m.cpu, DS, 0xFD, 4, linear));
}

TEST_CASE("PUSH and POP of FS and GS, MOV from segment registers, with 64-bit operands") {
    Machine64 m;
    m.cpu.seg[FS].selector = data0;
    m.put<u64>(static_cast<u32>(rsp_of[0]) - 8, ~u64{0});
    REQUIRE((transfer::push_segment<FS, 8>(m.cpu, Machine::op())));
    CHECK(m.cpu.gpr[RSP] == rsp_of[0] - 8);
    CHECK(m.pushed(0) == data0);
    m.put<u64>(static_cast<u32>(m.cpu.gpr[RSP]), 0xFFFF'FFFF'FFFF'0000 | data0);
    REQUIRE((transfer::pop_segment<GS, 8>(m.cpu, Machine::op())));
    CHECK(m.cpu.seg[GS].selector == data0);
    CHECK(m.cpu.gpr[RSP] == rsp_of[0]);
    m.cpu.gpr[R9] = ~u64{0};
    REQUIRE(transfer::mov_from_segment_register<4>(m.cpu, Machine::register_op(R9, CS)));
    CHECK(m.cpu.gpr[R9] == code0);
    m.cpu.gpr[RSP] = not_canonical + 8;
    CHECK(m.raised(transfer::push_segment<FS, 8>(m.cpu, Machine::op()), Exception::SS, 0));
    CHECK(m.cpu.gpr[RSP] == not_canonical + 8);
}

TEST_CASE("LGDT, LIDT, SGDT and SIDT have ten bytes in 64-bit mode") {
    Machine64 m;
    m.put<u16>(0x500, 0x1234);
    m.put<u64>(0x502, high + 0x9'8765);
    REQUIRE(control::lidt<8>(m.cpu, Machine::memory_op(0x500)));
    CHECK(m.cpu.idtr.base == high + 0x9'8765);
    CHECK(m.cpu.idtr.limit == 0x1234);
    REQUIRE(control::sidt(m.cpu, Machine::memory_op(0x600)));
    CHECK(m.get<u16>(0x600) == 0x1234);
    CHECK(m.get<u64>(0x602) == high + 0x9'8765);
    m.put<u64>(0x502, never_canonical);
    CHECK(m.raised(control::lgdt<8>(m.cpu, Machine::memory_op(0x500)), Exception::GP, 0));
    CHECK(m.cpu.gdtr.base == high + gdt);
    m.put<u64>(0x502, not_canonical); // but 57 bits are enough, though paging has four levels
    CHECK(control::lgdt<8>(m.cpu, Machine::memory_op(0x500)));
    CHECK(m.cpu.gdtr.base == not_canonical);
    m.cpu.gdtr.base = high + gdt;
    // Compatibility mode stores half of the base.
    m.compatible(0);
    m.put<u64>(0x602, 0);
    REQUIRE(control::sidt(m.cpu, Machine::memory_op(0x600)));
    CHECK(m.get<u64>(0x602) == 0x9'8765);
}

TEST_CASE("LLDT and LTR read 16 bytes in long mode") {
    Machine64 m;
    for (const bool task : {false, true}) {
        const auto load = [&] {
            m.cpu.gpr[RAX] = wide_slot;
            const Op op = Machine::register_op(RAX);
            return task ? control::ltr_register(m.cpu, op) : control::lldt_register(m.cpu, op);
        };
        const unsigned type = task ? 9 : 2;
        const auto put = [&](unsigned t, u64 upper, bool present = true) {
            m.set_wide(wide_slot, descriptor(0x5000, 0x67, access(t, 0, present), 0), upper);
        };
        for (unsigned t = 0; t < 16; ++t) {
            put(t, high >> 32);
            CHECK(agrees(m, load(), t == type ? Verdict::ok() : Verdict::fault(Exception::GP, wide_slot)));
        }
        const Segment& s = task ? m.cpu.tr : m.cpu.ldtr;
        CHECK(s.base == high + 0x5000);
        CHECK(s.limit == 0x67);
        put(type, high >> 32, false);
        CHECK(m.raised(load(), Exception::NP, wide_slot));
        put(type, high >> 32 | u64{0x100} << 32);
        CHECK(m.raised(load(), Exception::GP, wide_slot));
        put(type, never_canonical >> 32);
        CHECK(m.raised(load(), Exception::GP, wide_slot));
        put(type, not_canonical >> 32); // with 57 bits it is
        CHECK(load());
        CHECK(s.base == not_canonical + 0x5000);
        put(type, high >> 32);
        m.cpu.gdtr.limit = wide_slot + 14;
        CHECK(m.raised(load(), Exception::GP, wide_slot));
        m.cpu.gdtr.limit = wide_slot + 15;
        CHECK(load());
        CHECK(Descriptor{m.entry(wide_slot)}.type() == (task ? 11u : 2u)); // LTR marks it busy
        m.cpu.gdtr.limit = 0xFFF;
    }
}

TEST_CASE("LAR and LSL know the 64-bit system types in long mode") {
    Machine64 m;
    for (unsigned type = 0; type < 16; ++type) {
        m.set_wide(wide_slot, descriptor(0x5000, 0x67, access(type, 0), 0), 0);
        m.cpu.gpr[RAX] = wide_slot;
        m.cpu.gpr[RBX] = ~u64{0};
        REQUIRE(control::lar_register<4>(m.cpu, Machine::register_op(RAX, RBX)));
        const bool lar = type == 2 || type == 9 || type == 11 || type == 12;
        CHECK(m.cpu.flags.zf() == lar);
        CHECK(m.cpu.gpr[RBX] == (lar ? access(type, 0) << 8 : ~u64{0}));
        m.cpu.gpr[RBX] = ~u64{0};
        REQUIRE(control::lsl_register<4>(m.cpu, Machine::register_op(RAX, RBX)));
        CHECK(m.cpu.flags.zf() == (lar && type != 12));
        CHECK(m.cpu.gpr[RBX] == (lar && type != 12 ? 0x67 : ~u64{0}));
    }
}

TEST_CASE("UMIP keeps SGDT, SIDT, SLDT and STR from outer levels") {
    Machine64 m;
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        for (const bool umip : {false, true}) {
            m.level64(cpl);
            m.cpu.cr4 = (m.cpu.cr4 & ~cr4::UMIP) | (umip ? cr4::UMIP : 0);
            const Verdict v = umip && cpl != 0 ? Verdict::fault(Exception::GP, 0) : Verdict::ok();
            CHECK(agrees(m, control::sgdt(m.cpu, Machine::memory_op(0x600)), v));
            CHECK(agrees(m, control::sidt(m.cpu, Machine::memory_op(0x600)), v));
            CHECK(agrees(m, control::sldt_register<4>(m.cpu, Machine::register_op(RAX)), v));
            CHECK(agrees(m, control::sldt_memory(m.cpu, Machine::memory_op(0x600)), v));
            CHECK(agrees(m, control::str_register<4>(m.cpu, Machine::register_op(RAX)), v));
            CHECK(agrees(m, control::str_memory(m.cpu, Machine::memory_op(0x600)), v));
        }
    }
}

TEST_CASE("the I/O permission bitmap of a 64-bit TSS") {
    Machine64 m;
    m.level64(3);
    CHECK_FALSE(check_io(m.cpu, 0x80, 1)); // no bitmap within the limit
    m.cpu.tr.limit = 0xFFF;
    std::memset(m.memory.ram().data() + tss_a + 0x68, 0, 0x100);
    m.put<u8>(tss_a + 0x68 + 0x10, 2); // port 81h
    CHECK(check_io(m.cpu, 0x80, 1));
    CHECK_FALSE(check_io(m.cpu, 0x81, 1));
    CHECK_FALSE(check_io(m.cpu, 0x80, 2));
    m.level64(0);
    CHECK(check_io(m.cpu, 0x81, 1));
}
