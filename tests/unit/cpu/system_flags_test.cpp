// IF and its keepers: CLI, STI, PUSHF, POPF, INT n and IRET in real, protected and virtual-8086 mode with VME and PVI
// (SDM 3A 20.3, 20.4), and the I/O permission bitmap.
#include "system_fixture.hpp"

using namespace glassbox;
using namespace glassbox::system_test;

TEST_CASE("CLI and STI: mode x CPL x IOPL x VME and PVI") {
    Machine m;
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        for (unsigned iopl = 0; iopl < 4; ++iopl) {
            for (const bool pvi : {false, true}) {
                for (const bool vip : {false, true}) {
                    m.level(cpl);
                    m.cpu.cr4 = pvi ? cr4::PVI : 0;
                    const u32 before = iopl << 12 | (vip ? eflags::VIP : 0) | 2;
                    const bool direct = cpl <= iopl;
                    const bool virt = !direct && cpl == 3 && pvi;
                    m.cpu.shadow = 0;
                    m.cpu.set_full_eflags(before | eflags::IF | eflags::VIF);
                    CHECK(control::cli(m.cpu, Machine::op()) == (direct || virt));
                    CHECK(((m.cpu.eflags & eflags::IF) == 0) == direct);
                    CHECK(((m.cpu.eflags & eflags::VIF) == 0) == virt);
                    m.cpu.set_full_eflags(before);
                    CHECK(control::sti(m.cpu, Machine::op()) == (direct || (virt && !vip)));
                    CHECK(((m.cpu.eflags & eflags::IF) != 0) == direct);
                    CHECK(((m.cpu.eflags & eflags::VIF) != 0) == (virt && !vip));
                    CHECK(m.cpu.shadow == (direct ? Cpu::shadow_sti : 0));
                }
            }
        }
    }
}

TEST_CASE("STI casts its shadow only when IF was clear") {
    Machine m;
    m.cpu.set_full_eflags(eflags::IF);
    REQUIRE(control::sti(m.cpu, Machine::op()));
    CHECK(m.cpu.shadow == 0);
}

TEST_CASE("PUSHF and POPF in protected mode") {
    Machine m;
    const u32 all = 0x3F7FD5;
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        for (unsigned iopl = 0; iopl < 4; ++iopl) {
            for (const bool wide : {false, true}) {
                m.level(cpl);
                m.cpu.set_full_eflags(iopl << 12 | eflags::VIP | eflags::RF);
                const u32 sp = m.cpu.r32(RSP) - 4;
                m.cpu.set_r32(RSP, sp);
                m.put<u32>(sp, all);
                REQUIRE((wide ? control::popf<4>(m.cpu, Machine::op()) : control::popf<2>(m.cpu, Machine::op())));
                u32 expected = eflags::arithmetic | eflags::TF | eflags::DF | eflags::NT | 2 | eflags::VIP;
                if (wide)
                    expected |= eflags::AC | eflags::ID;
                else
                    expected |= eflags::RF;
                if (cpl <= iopl) expected |= eflags::IF;
                expected |= cpl == 0 ? eflags::IOPL : iopl << 12;
                CHECK(m.cpu.full_eflags() == expected);
                CHECK(m.cpu.r32(RSP) == sp + (wide ? 4 : 2));
            }
        }
    }
    m.level(0);
    m.cpu.set_full_eflags(eflags::RF | eflags::IF | eflags::CF);
    REQUIRE(control::pushf<4>(m.cpu, Machine::op()));
    CHECK(m.get<u32>(m.cpu.r32(RSP)) == (eflags::IF | eflags::CF | 2));
}

TEST_CASE("virtual-8086 mode: PUSHF, POPF, IRET") {
    Machine m;
    for (const bool vme : {false, true}) {
        for (const unsigned iopl : {0u, 3u}) {
            m.virtual_8086(iopl);
            m.cpu.cr4 = vme ? cr4::VME : 0;
            m.cpu.eflags |= eflags::VIF;
            const bool allowed = iopl == 3 || vme;
            CHECK(control::pushf<2>(m.cpu, Machine::op()) == allowed);
            CHECK(control::pushf<4>(m.cpu, Machine::op()) == (iopl == 3));
            if (iopl < 3 && vme) CHECK(m.get<u16>(0x8000 - 2) == (eflags::IOPL | eflags::IF | 2));
            if (iopl == 3) CHECK(m.get<u16>(0x8000 - 2) == (eflags::IOPL | 2));

            m.virtual_8086(iopl);
            m.cpu.cr4 = vme ? cr4::VME : 0;
            m.put<u16>(0x8000, eflags::IF | eflags::CF);
            CHECK(control::popf<2>(m.cpu, Machine::op()) == allowed);
            if (allowed) {
                CHECK(((m.cpu.eflags & eflags::IF) != 0) == (iopl == 3));
                CHECK(((m.cpu.eflags & eflags::VIF) != 0) == (iopl < 3));
                CHECK(m.cpu.iopl() == iopl);
                CHECK(m.cpu.flags.cf());
            }
            m.virtual_8086(iopl);
            m.cpu.cr4 = vme ? cr4::VME : 0;
            m.put<u16>(0x8000, 0x10);
            m.put<u16>(0x8002, 0x1234);
            m.put<u16>(0x8004, eflags::IF);
            CHECK(transfer::iret<2>(m.cpu, Machine::op()) == allowed);
            if (allowed) {
                CHECK(m.cpu.seg[CS].base == 0x12340);
                CHECK(((m.cpu.eflags & eflags::VIF) != 0) == (iopl < 3));
                CHECK(m.cpu.v86());
            }
        }
    }
    // With a virtual interrupt pending, enabling traps.
    m.virtual_8086(0);
    m.cpu.cr4 = cr4::VME;
    m.cpu.eflags |= eflags::VIP;
    m.put<u16>(0x8000, eflags::IF);
    CHECK_FALSE(control::popf<2>(m.cpu, Machine::op()));
    CHECK(m.faulted(Exception::GP, 0));
    CHECK(m.cpu.r32(RSP) == 0x8000);
    m.put<u16>(0x8000, 0);
    CHECK(control::popf<2>(m.cpu, Machine::op()));
}

TEST_CASE("INT n in virtual-8086 mode: the six methods of SDM 3A table 20-2") {
    Machine m;
    for (const bool vme : {false, true}) {
        for (const unsigned iopl : {0u, 3u}) {
            for (const bool intercepted : {false, true}) {
                CAPTURE(vme);
                CAPTURE(iopl);
                CAPTURE(intercepted);
                m.virtual_8086(iopl);
                m.cpu.cr4 = vme ? cr4::VME : 0;
                m.cpu.eflags |= eflags::IF | eflags::VIF;
                m.put<u8>(tss_a + 0x68 + 0x21 / 8, intercepted ? 1 << (0x21 & 7) : 0);
                m.put<u16>(4 * 0x21, 0x5678);
                m.put<u16>(4 * 0x21 + 2, 0x0200);
                m.put<u64>(idt + 8 * 0x21, gate(code0, 0x4567, access(14, 3)));
                const bool result = transfer::int_n(m.cpu, Machine::op(0x21));
                const bool to_program = vme && !intercepted;
                if (to_program) { // methods 5 and 6
                    REQUIRE(result);
                    CHECK(m.cpu.v86());
                    CHECK(m.cpu.seg[CS].base == 0x2000);
                    CHECK(m.cpu.next_ip == 0x5678);
                    CHECK((m.get<u16>(0x8000 - 2) & eflags::IF) != 0); // the IF that the program sees
                    CHECK((m.get<u16>(0x8000 - 2) & eflags::IOPL) == eflags::IOPL);
                    CHECK(((m.cpu.eflags & eflags::VIF) != 0) == (iopl == 3));
                    CHECK(((m.cpu.eflags & eflags::IF) != 0) == (iopl < 3));
                } else if (iopl == 3) { // methods 1 and 4
                    REQUIRE(result);
                    CHECK_FALSE(m.cpu.v86());
                    CHECK(m.cpu.cpl == 0);
                    CHECK(m.cpu.next_ip == 0x4567);
                    CHECK(m.cpu.r32(RSP) == stack0 - 36);
                    CHECK((m.get<u32>(stack0 - 28) & eflags::VM) != 0);
                    CHECK(m.get<u32>(stack0 - 4) == 0x100); // GS
                    CHECK_FALSE(m.cpu.seg[DS].usable());
                } else { // methods 2 and 3
                    CHECK_FALSE(result);
                    CHECK(m.faulted(Exception::GP, 0));
                }
            }
        }
    }
}

TEST_CASE("IRET back into virtual-8086 mode restores all segments") {
    Machine m;
    m.virtual_8086(3);
    m.put<u64>(idt + 8 * 0x21, gate(code0, 0x4567, access(15, 3)));
    for (unsigned name : {ES, DS, FS, GS}) m.cpu.seg[name] = v86_segment(static_cast<u16>(0x1000 + name));
    REQUIRE(transfer::int_n(m.cpu, Machine::op(0x21)));
    REQUIRE(transfer::iret<4>(m.cpu, Machine::op()));
    CHECK(m.cpu.v86());
    CHECK(m.cpu.cpl == 3);
    CHECK(m.cpu.next_ip == 0x102);
    CHECK(m.cpu.r32(RSP) == 0x8000);
    for (unsigned name : {ES, DS, FS, GS}) CHECK(m.cpu.seg[name].selector == 0x1000 + name);
    CHECK(m.cpu.seg[SS].base == 0);
    // A handler that is not at level 0 is refused.
    m.set_entry(probe, descriptor(0, 0xFFFFF, access(0x1A, 3), 0xC));
    m.put<u64>(idt + 8 * 0x21, gate(probe, 0x4567, access(15, 3)));
    CHECK_FALSE(transfer::int_n(m.cpu, Machine::op(0x21)));
    CHECK(m.faulted(Exception::GP, probe));
    m.put<u64>(idt + 8 * 0x21, gate(code0_conforming, 0x4567, access(15, 3)));
    CHECK_FALSE(transfer::int_n(m.cpu, Machine::op(0x21)));
    CHECK(m.faulted(Exception::GP, code0_conforming));
}

TEST_CASE("the I/O permission bitmap") {
    Machine m;
    m.level(3);
    m.put<u8>(tss_a + 0x88 + 0x60 / 8, 0x10); // port 64h is denied
    for (u16 port = 0x58; port < 0x70; ++port) {
        for (const unsigned width : {1u, 2u, 4u}) {
            const bool denied = port <= 0x64 && port + width > 0x64;
            CHECK(check_io(m.cpu, port, width) == !denied);
            if (denied) CHECK(m.faulted(Exception::GP, 0));
        }
    }
    m.cpu.set_full_eflags(3 << 12);
    CHECK(check_io(m.cpu, 0x64, 1));
    m.cpu.set_full_eflags(0);
    m.cpu.tr.limit = 0x88 + 0x10; // both bytes must lie within the limit
    CHECK(check_io(m.cpu, 0x7F, 1));
    CHECK_FALSE(check_io(m.cpu, 0x80, 1));
    m.cpu.tr = Descriptor{descriptor(tss_a, 0xFFF, access(3, 0), 0)}.segment(sel_tss_a); // a 16-bit TSS has none
    CHECK_FALSE(check_io(m.cpu, 0x58, 1));
    m.virtual_8086(3); // the bitmap counts there whatever IOPL is
    m.put<u8>(tss_a + 0x88 + 0x60 / 8, 0x10);
    CHECK_FALSE(check_io(m.cpu, 0x64, 1));
    CHECK(check_io(m.cpu, 0x65, 1));
    m.real();
    CHECK(check_io(m.cpu, 0x64, 4));
}
