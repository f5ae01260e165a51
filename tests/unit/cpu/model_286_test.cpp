// What the 80286 does in real mode and the 386 does not: the rules behind the captures of SingleStepTests/80286, and
// what those captures leave out. Sources: 80286 Programmer's Reference (210498), chapters 5, 10 and appendix B.
#include "model_fixture.hpp"

using namespace glassbox;
using namespace glassbox::model_test;

TEST_CASE("286: RESET (Programmer's Reference, 10.1)") {
    Early m("286");
    reset_state(m.cpu);
    CHECK(m.cpu.seg[SegmentName::CS].base == 0xFF'0000);
    CHECK(m.cpu.ip == 0xFFF0);
    CHECK(m.flags() == 2);
    m.at(0x100, {0x0F, 0x01, 0xE0}); // SMSW AX
    m.cpu.run(1);
    CHECK(m.ax() == 0xFFF0);
}

TEST_CASE("286: IOPL and NT cannot be set in real mode, bit 15 never (SDM 3B 22.17.2)") {
    Early m("286");
    m.put<u16>(Early::stack, 0x1000, u16{0xFFFF});
    m.run({0x9D});
    CHECK(m.flags() == 0x0FD7);
    Early later("386");
    later.put<u16>(Early::stack, 0x1000, u16{0xFFFF});
    later.run({0x9D});
    CHECK(later.flags() == 0x7FD7);
}

TEST_CASE("286: an instruction has at most ten bytes (Programmer's Reference, B.3)") {
    Early m("286");
    m.run({0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0xB8, 0x34, 0x12});
    CHECK(m.ax() == 0x1234);
    m.run({0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0x26, 0xB8, 0x34, 0x12});
    CHECK(m.entered(13, Early::after(0)));
}

TEST_CASE("286: LOCK goes with every instruction, F1 with any too; FS, GS and 66, 67 do not exist") {
    Early m("286");
    m.run({0xF0, 0x40});
    CHECK(m.ax() == 1);
    m.run({0xF1, 0x40});
    CHECK(m.ax() == 2);
    for (auto bytes : {std::initializer_list<u8>{0x64, 0x90},
                       {0x65, 0x90},
                       {0x66, 0x90},
                       {0x67, 0x90},
                       {0x8E, 0xE0},
                       {0x8E, 0xC8},
                       {0x8C, 0xE8},
                       {0xFE, 0xD0},
                       {0xFF, 0xF8},
                       {0xC6, 0xC8, 0x00},
                       {0x8F, 0xC8},
                       {0x0F, 0xA2},
                       {0x0F, 0xFF},
                       {0x0F, 0x20, 0xC0},
                       {0x0F, 0x00, 0xC0},
                       {0x63, 0xC0},
                       {0x0F, 0x80, 0x00, 0x00},
                       {0xC4, 0xC0},
                       {0x62, 0xC0},
                       {0x8D, 0xC0},
                       {0x0F, 0x02, 0xC0}}) {
        Early u("286");
        u.run(bytes);
        INFO("first byte ", static_cast<unsigned>(*bytes.begin()), " second ",
             static_cast<unsigned>(*(bytes.begin() + 1)));
        CHECK(u.entered(6, Early::after(0)));
    }
}

TEST_CASE("286: a word at FFFF is exception 13, in the stack segment too (Programmer's Reference, 5.4)") {
    for (auto bytes : {std::initializer_list<u8>{0xA1, 0xFF, 0xFF},
                       {0x36, 0xA1, 0xFF, 0xFF},
                       {0xC4, 0x06, 0xFD, 0xFF},
                       {0xC4, 0x06, 0xFF, 0xFF},
                       {0xFF, 0x1E, 0xFD, 0xFF},
                       {0x62, 0x06, 0xFD, 0xFF}}) {
        Early m("286");
        m.run(bytes);
        CHECK(m.entered(13, Early::after(0)));
    }
    Early later("386");
    later.run({0x36, 0xA1, 0xFF, 0xFF});
    CHECK(later.entered(12, Early::after(0)));
}

TEST_CASE("286: the second word of a pointer at FFFE lies at 0 (Programmer's Reference, LDS)") {
    for (const char* model : {"286", "386", "max"}) {
        Early m(model);
        m.put<u16>(Early::data, 0xFFFE, u16{0x1111});
        m.put<u16>(Early::data, 0x0000, u16{0x2222});
        m.run({0xC4, 0x1E, 0xFE, 0xFF});
        CHECK(m.cpu.r16(RBX) == 0x1111);
        CHECK(m.cpu.seg[SegmentName::ES].selector == 0x2222);
    }
}

TEST_CASE("286: a faulting string instruction has moved on") {
    struct Case {
        u8 opcode;
        u16 si, di, si_after, di_after, cx_after; ///< from CX = 10h
    };
    for (const Case& c :
         {Case{0xA5, 0xFFFF, 0x0100, 0x0001, 0x0100, 0x0F}, Case{0xA5, 0x0100, 0xFFFF, 0x0102, 0x0001, 0x0E},
          Case{0xA7, 0x0100, 0xFFFF, 0x0100, 0x0001, 0x10}, Case{0xA7, 0xFFFF, 0x0100, 0x0001, 0x0102, 0x0F},
          Case{0xAB, 0x0100, 0xFFFF, 0x0100, 0x0001, 0x0E}, Case{0xAD, 0xFFFF, 0x0100, 0x0001, 0x0100, 0x0F},
          Case{0xAF, 0x0100, 0xFFFF, 0x0100, 0x0001, 0x0F}, Case{0x6D, 0x0100, 0xFFFF, 0x0100, 0x0001, 0x0E},
          Case{0x6F, 0xFFFF, 0x0100, 0x0001, 0x0100, 0x0F}}) {
        for (const bool repeated : {false, true}) {
            Early m("286");
            m.cpu.set_r16(RSI, c.si);
            m.cpu.set_r16(RDI, c.di);
            m.cpu.set_r16(RCX, 0x10);
            if (repeated)
                m.run({0xF3, c.opcode});
            else
                m.run({c.opcode});
            CAPTURE(static_cast<unsigned>(c.opcode));
            CHECK(m.entered(13, Early::after(0)));
            CHECK(m.cpu.r16(RSI) == c.si_after);
            CHECK(m.cpu.r16(RDI) == c.di_after);
            CHECK(m.cpu.r16(RCX) == (repeated ? c.cx_after : 0x10));
        }
    }
    Early later("386");
    later.cpu.set_r16(RSI, 0xFFFF);
    later.run({0xAD});
    CHECK(later.cpu.r16(RSI) == 0xFFFF);
}

TEST_CASE("286: PUSHA and ENTER leave in memory what they pushed before a fault") {
    Early m("286");
    m.cpu.set_r16(RSP, 9); // AX, CX, DX, BX go to 7, 5, 3, 1, then a word at FFFF
    m.cpu.set_r16(RBX, 0xB0B1);
    m.run({0x60});
    CHECK(m.sp() == 3); // three words of the exception from 9 down
    CHECK(m.get<u16>(Early::stack, 1) == 0xB0B1);
    Early e("286");
    e.cpu.set_r16(RBP, 7); // frames at 5, 3, 1 and FFFF
    for (u16 at = 1; at <= 5; at = static_cast<u16>(at + 2))
        e.put<u16>(Early::stack, at, static_cast<u16>(0xF000 + at));
    e.run({0xC8, 0x00, 0x00, 0x06});
    CHECK(e.sp() == 0x0FFA);
    CHECK(e.cpu.r16(RBP) == 7);
    CHECK(e.get<u16>(Early::stack, 0x1000 - 8) == 0xF001);
    CHECK(e.entered(13, Early::after(0)));
}

TEST_CASE("286: ENTER (Programmer's Reference, ENTER)") {
    Early m("286");
    m.cpu.set_r16(RBP, 0x2000);
    m.put<u16>(Early::stack, 0x1FFE, u16{0xAAAA});
    m.put<u16>(Early::stack, 0x1FFC, u16{0xBBBB});
    m.run({0xC8, 0x10, 0x00, 0x23}); // level 23h counts as 3
    CHECK(m.cpu.r16(RBP) == 0x0FFE);
    CHECK(m.sp() == 0x0FF8 - 0x10);
    CHECK(m.get<u16>(Early::stack, 0x0FFE) == 0x2000);
    CHECK(m.get<u16>(Early::stack, 0x0FFC) == 0xAAAA);
    CHECK(m.get<u16>(Early::stack, 0x0FFA) == 0xBBBB);
    CHECK(m.get<u16>(Early::stack, 0x0FF8) == 0x0FFE);
}

TEST_CASE("286: POP to a faulting place has moved SP") {
    Early m("286");
    m.run({0x8F, 0x06, 0xFF, 0xFF});
    CHECK(m.sp() == 0x1002 - 6);
    CHECK(m.entered(13, Early::after(0)));
    Early later("386");
    later.run({0x8F, 0x06, 0xFF, 0xFF});
    CHECK(later.sp() == 0x1000 - 6);
}

TEST_CASE("286 and 386: IDIV r/m8 lets one overflow pass") {
    for (const char* model : {"286", "386"}) {
        Early m(model);
        m.cpu.set_r16(RAX, static_cast<u16>(-(0x80 * (0x20 + 0x80) + 5)));
        m.cpu.set_r16(RBX, 0x20);
        m.run({0xF6, 0xFB});
        CHECK(m.ax() == 0xFB80); // remainder -5, quotient -128
        m.cpu.set_r16(RAX, static_cast<u16>(-(0x80 * (0x20 + 0x80) + 0x20)));
        m.run({0xF6, 0xFB});
        CHECK(m.entered(0, Early::after(0)));
    }
    Early later("486");
    later.cpu.set_r16(RAX, static_cast<u16>(-(0x80 * (0x20 + 0x80) + 5)));
    later.cpu.set_r16(RBX, 0x20);
    later.run({0xF6, 0xFB});
    CHECK(later.entered(0, Early::after(0)));
}

TEST_CASE("286: AAM 0 leaves SF, ZF and PF of half of AL; the 386 leaves them alone") {
    for (const auto& [al, flags] : {std::pair<u8, u32>{0x01, eflags::ZF | eflags::PF}, {0x06, eflags::PF}, {0x04, 0}}) {
        for (const bool early : {true, false}) {
            Early m(early ? "286" : "386");
            m.set_flags(eflags::SF);
            m.cpu.set_r16(RAX, al);
            m.run({0xD4, 0x00});
            CHECK(m.entered(0, Early::after(0)));
            CHECK((m.pushed(2) & (eflags::SF | eflags::ZF | eflags::PF)) == (early ? flags : eflags::SF));
        }
    }
}

TEST_CASE("286: ESC asks for its first word only, and MSW.EM, TS and MP for #NM (Programmer's Reference, 10.2)") {
    Early m("286");
    m.run({0xD8, 0x06, 0xFE, 0xFF});
    CHECK(m.ip() == Early::after(4));
    m.run({0xD8, 0x06, 0xFF, 0xFF});
    CHECK(m.entered(13, Early::after(0)));
    m.cpu.cr0 |= cr0::TS;
    m.run({0xD8, 0xC0});
    CHECK(m.entered(7, Early::after(0)));
    m.run({0x9B});
    CHECK(m.ip() == Early::after(1));
    m.cpu.cr0 |= cr0::MP;
    m.run({0x9B});
    CHECK(m.entered(7, Early::after(0)));
}

TEST_CASE("286 and 386: a vector beyond the interrupt table is exception 8 (Programmer's Reference, 5.4)") {
    for (const char* model : {"286", "386"}) {
        Early m(model);
        m.cpu.idtr.limit = 0x7F;
        m.run({0xCD, 0x20});
        CHECK(m.entered(8, Early::after(0)));
    }
    Early later("max");
    later.cpu.idtr.limit = 0x7F;
    later.run({0xCD, 0x20});
    CHECK(later.entered(13, Early::after(0)));
}

TEST_CASE("286: the vector is read after the frame is pushed, on others before") {
    for (const bool early : {true, false}) {
        Early m(early ? "286" : "386");
        m.cpu.seg[SegmentName::SS].load_real(0);
        m.cpu.update_mode();
        m.cpu.set_r16(RSP, 0x84); // the frame of INT 20h: FLAGS at 82, CS at 80, IP at 7E
        m.run({0xCD, 0x20});
        CHECK(m.cpu.seg[SegmentName::CS].selector == (early ? 0x0002 : Early::handlers));
    }
}

TEST_CASE("286: 24 address lines") {
    Early m("286");
    m.cpu.seg[SegmentName::DS].base = 0xFF'FFF0; // as LOADALL or protected mode may set it
    m.put<u16>(0x0100, u16{0xBEEF});
    m.run({0xA1, 0x10, 0x01});
    CHECK(m.ax() == 0xBEEF);
}

TEST_CASE("286: the last two bytes of a descriptor and the 386's types do not count (Programmer's Reference, 7.4)") {
    for (const bool early : {true, false}) {
        Early m(early ? "286" : "386");
        m.put<u64>(0x8008, 0x12CF'9312'3456'0FFF); // writable data; above: G, D, limit and base of the 386
        m.put<u64>(0x8010, 0x0000'8912'3456'002B); // TSS of the 386
        m.cpu.gdtr = {0x8000, 0xFF};
        m.cpu.cr0 |= cr0::PE;
        m.cpu.update_mode();
        m.cpu.set_r16(RAX, 8);
        m.run({0x8E, 0xD8}); // MOV DS,AX
        const Segment& ds = m.cpu.seg[SegmentName::DS];
        CHECK(ds.base == (early ? 0x12'3456 : 0x1212'3456));
        CHECK(ds.limit == (early ? 0x0FFF : 0xF0FF'FFFF));
        m.cpu.set_r16(RAX, 16);
        m.run({0x0F, 0x02, 0xD8}); // LAR BX,AX
        CHECK(((m.flags() & eflags::ZF) != 0) == !early);
    }
}

TEST_CASE("286: SGDT stores ones above the base of 24 bits (SDM 2B, SGDT)") {
    for (const bool early : {true, false}) {
        Early m(early ? "286" : "386");
        m.cpu.gdtr = {0x12'3456, 0x789A};
        m.run({0x0F, 0x01, 0x06, 0x10, 0x00});
        CHECK(m.get<u16>(Early::data, 0x10) == 0x789A);
        CHECK(m.get<u32>(Early::data, 0x12) == (early ? 0xFF12'3456 : 0x0012'3456));
    }
}

TEST_CASE("286: LOADALL (Intel, Undocumented iAPX 286 Test Instruction)") {
    Early m("286");
    for (u32 at = 0; at < 0x66; at += 2) m.put<u16>(0x800 + at, u16{0});
    m.put<u16>(0x818, u16{0x0043});      // FLAGS
    m.put<u16>(0x81A, u16{0x0200});      // IP
    m.put<u16>(0x81E, u16{0xDDDD});      // DS
    m.put<u16>(0x822, Early::code);      // CS
    m.put<u16>(0x826, u16{0x0D1D});      // DI
    m.put<u16>(0x834, u16{0xA1A1});      // AX
    m.put<u64>(0x83C, 0xFFFF'9301'0000); // CS: base 010000
    m.put<u64>(0x842, 0x0FFF'9304'0000); // SS
    m.put<u64>(0x848, 0x00FF'9312'3456); // DS: base 123456
    m.put<u64>(0x84E, 0x0123'0012'0000); // GDTR
    m.run({0x0F, 0x05});
    CHECK(m.ip() == 0x0200);
    CHECK(m.flags() == 0x0043);
    CHECK(m.ax() == 0xA1A1);
    CHECK(m.cpu.r16(RDI) == 0x0D1D);
    CHECK(m.cpu.gdtr.base == 0x12'0000);
    CHECK(m.cpu.gdtr.limit == 0x0123);
    CHECK(m.cpu.seg[SegmentName::DS].selector == 0xDDDD);
    m.put<u16>(0x12'3460, u16{0xBEEF});
    m.put<u32>(Early::code, 0x200, 0x9000'0AA1u); // MOV AX,[000A]
    m.cpu.run(1);
    CHECK(m.ax() == 0xBEEF);
}
