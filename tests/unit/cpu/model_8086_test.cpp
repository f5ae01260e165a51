// What the 8086 and 8088 do and their successors do not. Sources: 8086 Family User's Manual (9800722), SDM 3B 22.17,
// 386 Programmer's Reference 14.7, and the facts that come with the captures of SingleStepTests/8086 and /8088 (README,
// metadata.json).
#include "model_fixture.hpp"

using namespace glassbox;
using namespace glassbox::model_test;

TEST_CASE("8086: RESET starts at FFFF:0000 (User's Manual, table 2-4)") {
    Early m("8086");
    reset_state(m.cpu);
    CHECK(m.cpu.seg[SegmentName::CS].selector == 0xFFFF);
    CHECK(m.cpu.ip == 0);
    CHECK(m.flags() == 0xF002);
}

TEST_CASE("8086 and 8088 are the same execution") {
    CHECK(find_cpu_model("8088")->features.words == find_cpu_model("8086")->features.words);
}

TEST_CASE("8086: bits 12-15 of FLAGS are ones (SDM 3B 22.17.2)") {
    Early m("8086");
    m.set_flags(0);
    CHECK(m.flags() == 0xF002);
    m.put<u16>(Early::stack, 0x1000, u16{0});
    m.run({0x9D}); // POPF
    CHECK(m.flags() == 0xF002);
    m.run({0x9C}); // PUSHF
    CHECK(m.pushed(0) == 0xF002);
    m.put<u16>(Early::stack, m.sp(), u16{0xFFFF});
    m.run({0x9D});
    CHECK(m.flags() == 0xFFD7);
}

TEST_CASE("8086: PUSH SP pushes the new SP (SDM 3B 22.17.1), FF /6 and FF /7 too") {
    for (auto form : {std::initializer_list<u8>{0x54}, {0xFF, 0xF4}, {0xFF, 0xFC}}) {
        Early m("8086");
        m.run(form);
        CHECK(m.sp() == 0x0FFE);
        CHECK(m.pushed(0) == 0x0FFE);
    }
    Early later("286");
    later.run({0x54});
    CHECK(later.pushed(0) == 0x1000);
}

TEST_CASE("8086: 60-6F are the jumps 70-7F (metadata: alias)") {
    for (unsigned n = 0; n < 16; ++n) {
        for (const u32 flags : {0u, 0x8D5u, 0x40u, 0x1u, 0x80u, 0x800u, 0x4u}) {
            Early a("8086"), b("8086");
            a.set_flags(flags), b.set_flags(flags);
            a.run({static_cast<u8>(0x60 + n), 0x10});
            b.run({static_cast<u8>(0x70 + n), 0x10});
            CHECK(a.ip() == b.ip());
        }
    }
    Early m("8086");
    m.set_flags(eflags::ZF);
    m.run({0x64, 0x10}); // JZ, no FS prefix
    CHECK(m.ip() == Early::after(2) + 0x10);
}

TEST_CASE("8086: C0, C1, C8, C9 return as C2, C3, CA, CB (metadata: alias)") {
    const auto with_frame = [](std::initializer_list<u8> bytes) {
        auto m = std::make_unique<Early>("8086");
        m->put<u16>(Early::stack, 0x1000, u16{0x1234});
        m->put<u16>(Early::stack, 0x1002, u16{0x0777});
        m->run(bytes);
        CHECK(m->ip() == 0x1234);
        return m;
    };
    CHECK(with_frame({0xC0, 0x06, 0x00})->sp() == 0x1008);
    CHECK(with_frame({0xC1})->sp() == 0x1002);
    auto far_immediate = with_frame({0xC8, 0x06, 0x00});
    CHECK(far_immediate->sp() == 0x100A);
    CHECK(far_immediate->cpu.seg[SegmentName::CS].selector == 0x0777);
    CHECK(with_frame({0xC9})->cpu.seg[SegmentName::CS].selector == 0x0777);
}

TEST_CASE("8086: POP CS, MOV CS, and segment numbers of two bits (README, 0F, 8C, 8E)") {
    Early m("8086");
    m.put<u16>(Early::stack, 0x1000, u16{0x0777});
    m.run({0x0F});
    CHECK(m.cpu.seg[SegmentName::CS].selector == 0x0777);
    CHECK(m.ip() == Early::after(1));
    CHECK(m.sp() == 0x1002);
    m.cpu.set_r16(RBX, 0x0888);
    m.run({0x8E, 0xCB}); // MOV CS,BX
    CHECK(m.cpu.seg[SegmentName::CS].selector == 0x0888);
    CHECK(m.ip() == Early::after(2));
    m.run({0x8E, 0xFB}); // reg = 7: DS
    CHECK(m.cpu.seg[SegmentName::DS].selector == 0x0888);
    m.run({0x8C, 0xE1}); // reg = 4: MOV CX,ES
    CHECK(m.cpu.r16(RCX) == Early::extra);
    m.put<u16>(0x8880 + 0x40, u16{0x0999});
    m.run({0x8E, 0x2E, 0x40, 0x00}); // reg = 5: MOV CS,[0040]
    CHECK(m.cpu.seg[SegmentName::CS].selector == 0x0999);
}

TEST_CASE("8086: shift counts use all of CL (User's Manual, SHL; README, D2)") {
    Early m("8086");
    m.cpu.set_r16(RAX, 0x8001);
    m.cpu.set_r16(RCX, 0x20);
    m.run({0xD3, 0xE0}); // SHL AX,CL by 32
    CHECK(m.ax() == 0);
    CHECK((m.flags() & (eflags::ZF | eflags::CF)) == eflags::ZF);
    m.cpu.set_r16(RAX, 0x8001);
    m.cpu.set_r16(RCX, 16);
    m.run({0xD3, 0xE0});
    CHECK((m.flags() & eflags::CF) != 0); // the last bit out is the first one
    m.cpu.set_r16(RAX, 0x8000);
    m.cpu.set_r16(RCX, 0xFF);
    m.run({0xD3, 0xF8}); // SAR
    CHECK(m.ax() == 0xFFFF);
    m.cpu.set_r16(RAX, 0x0081);
    m.cpu.set_r16(RCX, 33);
    m.run({0xD2, 0xC0}); // ROL AL,33 = ROL AL,1
    CHECK(m.al() == 0x03);
    CHECK((m.flags() & eflags::CF) != 0);
    m.set_flags(eflags::CF);
    m.cpu.set_r16(RAX, 0x0000);
    m.cpu.set_r16(RCX, 35); // three rounds of 9 bits and 8 more
    m.run({0xD2, 0xD0});    // RCL AL,CL
    CHECK(m.al() == 0x80);
    m.put<u8>(Early::data, 0x10, u8{0x40});
    m.cpu.set_r16(RCX, 0x22);
    m.run({0xD2, 0x26, 0x10, 0x00}); // SHL [0010],CL by 34
    CHECK(m.get<u8>(Early::data, 0x10) == 0);
    m.set_flags(0x8D5);
    m.cpu.set_r16(RCX, 0xFF00);
    m.run({0xD3, 0xE0}); // a count of zero
    CHECK((m.flags() & 0x8D5) == 0x8D5);
}

TEST_CASE("8086: D0-D3 /6 set all bits, D2 and D3 if CL is not zero (metadata: undocumented)") {
    Early m("8086");
    m.set_flags(eflags::CF | eflags::OF | eflags::ZF);
    m.run({0xD0, 0xF0});
    CHECK(m.al() == 0xFF);
    CHECK((m.flags() & 0x8C5) == (eflags::SF | eflags::PF));
    m.cpu.set_r16(RAX, 0x1234);
    m.cpu.set_r16(RCX, 0);
    m.run({0xD3, 0xF0});
    CHECK(m.ax() == 0x1234);
    m.cpu.set_r16(RCX, 0x40);
    m.run({0xD3, 0xF0});
    CHECK(m.ax() == 0xFFFF);
    m.run({0xD1, 0x36, 0x10, 0x00});
    CHECK(m.get<u16>(Early::data, 0x10) == 0xFFFF);
    Early later("286"); // where it is SHL
    later.cpu.set_r16(RAX, 0x0001);
    later.run({0xD0, 0xF0});
    CHECK(later.al() == 0x02);
}

TEST_CASE("8086: words wrap within 64 KiB, whatever the access (User's Manual, 2-12)") {
    Early m("8086");
    m.put<u8>(Early::data, 0xFFFF, u8{0x34});
    m.put<u8>(Early::data, 0x0000, u8{0x12});
    m.put<u8>((u32{Early::data} << 4) + 0x10000, u8{0x99});
    m.run({0xA1, 0xFF, 0xFF}); // MOV AX,[FFFF]
    CHECK(m.ax() == 0x1234);
    m.run({0xFF, 0x06, 0xFF, 0xFF}); // INC word [FFFF]
    CHECK(m.get<u8>(Early::data, 0xFFFF) == 0x35);
    m.cpu.set_r16(RSI, 0xFFFF);
    m.cpu.set_r16(RDI, 0xFFFF);
    m.cpu.set_r16(RCX, 2);
    m.put<u16>(Early::data, 1, u16{0x5678});
    m.run({0xF3, 0xA5}, 3); // REP MOVSW
    CHECK(m.get<u8>(Early::extra, 0xFFFF) == 0x35);
    CHECK(m.get<u8>(Early::extra, 0x0000) == 0x12);
    CHECK(m.get<u16>(Early::extra, 1) == 0x5678);
    CHECK(m.cpu.r16(RSI) == 3);
    CHECK(m.get<u8>((u32{Early::data} << 4) + 0x10000) == 0x99);
    CHECK(m.cpu.fault_chain_length == 0);
}

TEST_CASE("8086: the stack wraps too") {
    Early m("8086");
    m.cpu.set_r16(RSP, 1);
    m.cpu.set_r16(RAX, 0xABCD);
    m.run({0x50});
    CHECK(m.sp() == 0xFFFF);
    CHECK(m.get<u8>(Early::stack, 0xFFFF) == 0xCD);
    CHECK(m.get<u8>(Early::stack, 0x0000) == 0xAB);
    m.run({0x5B}); // POP BX
    CHECK(m.cpu.r16(RBX) == 0xABCD);
    m.cpu.set_r16(RSP, 3);
    m.run({0xCD, 0x21}); // the frame of INT: FFFD to 0002
    CHECK(m.sp() == 0xFFFD);
    CHECK(m.get<u16>(Early::stack, 0xFFFD) == Early::after(2));
    CHECK(m.get<u8>(Early::stack, 0xFFFF) == (Early::code & 0xFF));
    CHECK(m.get<u8>(Early::stack, 0x0000) == Early::code >> 8);
    m.cpu.set_r16(RSP, 1);
    m.run({0x1E}); // PUSH DS
    CHECK(m.get<u8>(Early::stack, 0x0000) == Early::data >> 8);
    m.run({0x07}); // POP ES
    CHECK(m.cpu.seg[SegmentName::ES].selector == Early::data);
    m.put<u16>(Early::data, 0xFFFE, u16{0x1111});
    m.put<u16>(Early::data, 0x0000, u16{0x2222});
    m.run({0xC4, 0x1E, 0xFE, 0xFF}); // LES BX,[FFFE]
    CHECK(m.cpu.r16(RBX) == 0x1111);
    CHECK(m.cpu.seg[SegmentName::ES].selector == 0x2222);
}

TEST_CASE("8086: addresses wrap at 1 MiB (User's Manual, 2-10)") {
    Early m("8086");
    m.cpu.seg[SegmentName::DS].load_real(0xFFFF);
    m.put<u16>(0x1234, u16{0xBEEF});
    m.put<u16>(0x101234, u16{0xDEAD});
    m.run({0xA1, 0x44, 0x12}); // FFFF:1244
    CHECK(m.ax() == 0xBEEF);
    m.put<u8>(0xFFFFF, u8{0x77});
    m.put<u8>(0x0000, u8{0x66});
    m.run({0xA1, 0x0F, 0x00}); // the last byte and the first
    CHECK(m.ax() == 0x6677);
    m.cpu.set_r16(RAX, 0x5555);
    m.run({0xA3, 0x44, 0x12});
    CHECK(m.get<u16>(0x1234) == 0x5555);
    CHECK(m.get<u16>(0x101234) == 0xDEAD);
}

TEST_CASE("8086: IP wraps, in and between instructions") {
    Early m("8086");
    m.at(0xFFFE, {0xB8, 0x34, 0x12, 0x40}); // MOV AX,1234 across the end ; INC AX
    m.cpu.run(2);
    CHECK(m.ax() == 0x1235);
    CHECK(m.ip() == 0x0002);
    m.at(0xFFFF, {0x40, 0x40}); // one byte before the end, one behind it
    m.cpu.run(2);
    CHECK(m.ax() == 0x1237);
    CHECK(m.ip() == 0x0001);
    m.at(0xFFFE, {0xEB, 0x10}); // a jump from the last byte
    m.cpu.run(1);
    CHECK(m.ip() == 0x0010);
    m.at(0xFFFD, {0xE8, 0x10, 0x00});
    m.cpu.run(1);
    CHECK(m.ip() == 0x0010);
    CHECK(m.pushed(0) == 0);
    CHECK(m.cpu.fault_chain_length == 0);
}

TEST_CASE("8086: a division error is interrupt 0 after the instruction (User's Manual, 2-25)") {
    Early m("8086");
    m.cpu.set_r16(RBX, 0);
    m.run({0xF6, 0xF3}); // DIV BL
    CHECK(m.entered(0, Early::after(2)));
    m.cpu.set_r16(RSP, 0x1000);
    m.cpu.set_r16(RDX, 1);
    m.cpu.set_r16(RBX, 1);
    m.run({0x2E, 0xF7, 0xF3}); // CS: DIV BX
    CHECK(m.entered(0, Early::after(3)));
    m.cpu.set_r16(RSP, 0x1000);
    m.run({0xD4, 0x00}); // AAM 0
    CHECK(m.entered(0, Early::after(2)));
    Early later("286");
    later.cpu.set_r16(RBX, 0);
    later.run({0x2E, 0xF6, 0xF3});
    CHECK(later.entered(0, Early::after(0)));
}

TEST_CASE("8086: IDIV overflows on -128 and -32768 (README of 80286, F6.7)") {
    struct Case {
        u16 ax, bx, expected;
        bool error;
    };
    for (const Case& c : {Case{0xFF80, 1, 0, true}, Case{0xFF81, 1, 0x0081, false}, Case{0x007F, 1, 0x007F, false},
                          Case{0x0080, 1, 0, true}, Case{0xFFF9, 2, 0xFFFD, false}, Case{0x0007, 0xFE, 0x01FD, false},
                          Case{0x8000, 0xFF, 0, true}}) {
        Early m("8086");
        m.cpu.set_r16(RAX, c.ax);
        m.cpu.set_r16(RBX, c.bx);
        m.run({0xF6, 0xFB});
        CAPTURE(c.ax);
        CHECK(m.entered(0, Early::after(2)) == c.error);
        if (!c.error) CHECK(m.ax() == c.expected);
    }
    Early m("8086");
    m.cpu.set_r16(RDX, 0xFFFF);
    m.cpu.set_r16(RAX, 0x8000);
    m.cpu.set_r16(RBX, 1);
    m.run({0xF7, 0xFB});
    CHECK(m.entered(0, Early::after(2)));
    Early later("286");
    later.cpu.set_r16(RAX, 0xFF80);
    later.cpu.set_r16(RBX, 1);
    later.run({0xF6, 0xFB});
    CHECK(later.ax() == 0x0080);
}

TEST_CASE("8086: REP negates IDIV's quotient (README, F6.7) and products") {
    Early m("8086");
    m.cpu.set_r16(RAX, 7);
    m.cpu.set_r16(RBX, 2);
    m.run({0xF3, 0xF6, 0xFB});
    CHECK(m.ax() == 0x01FD); // -3, and the remainder as ever
    m.cpu.set_r16(RAX, 5);
    m.run({0xF2, 0xF6, 0xEB}); // IMUL BL
    CHECK(m.ax() == 0xFFF6);
    m.cpu.set_r16(RAX, 5);
    m.run({0xF2, 0xF7, 0xE3}); // MUL BX
    CHECK(m.ax() == 0xFFF6);
    CHECK(m.cpu.r16(RDX) == 0xFFFF);
    m.cpu.set_r16(RAX, 7);
    m.run({0xF3, 0xF6, 0xF3}); // DIV knows no sign
    CHECK(m.ax() == 0x0103);
}

TEST_CASE("8086: decimal adjustments look at AL as it was, ASCII ones at its half") {
    Early m("8086");
    m.cpu.set_r16(RAX, 0x009A);
    m.set_flags(eflags::AF);
    m.run({0x27}); // DAA
    CHECK(m.al() == 0xA0);
    CHECK((m.flags() & (eflags::AF | eflags::CF)) == eflags::AF);
    m.cpu.set_r16(RAX, 0x009A);
    m.set_flags(0);
    m.run({0x27});
    CHECK(m.al() == 0x00);
    CHECK((m.flags() & (eflags::AF | eflags::CF)) == (eflags::AF | eflags::CF));
    m.cpu.set_r16(RAX, 0x0003);
    m.set_flags(eflags::AF);
    m.run({0x2F}); // DAS: no carry from the low digit
    CHECK(m.al() == 0xFD);
    CHECK((m.flags() & eflags::CF) == 0);
    m.cpu.set_r16(RAX, 0x00FF);
    m.set_flags(0);
    m.run({0x37}); // AAA: no carry from AL into AH
    CHECK(m.ax() == 0x0105);
    m.cpu.set_r16(RAX, 0x0200);
    m.set_flags(eflags::AF);
    m.run({0x3F}); // AAS
    CHECK(m.ax() == 0x010A);
    Early later("286");
    later.cpu.set_r16(RAX, 0x00FF);
    later.set_flags(0);
    later.run({0x37});
    CHECK(later.ax() == 0x0205);
}

TEST_CASE("8086: nothing is an invalid opcode") {
    for (unsigned opcode = 0; opcode < 256; ++opcode) {
        Early m("8086");
        for (unsigned modrm = 0; modrm < 256; ++modrm) {
            m.cpu.set_r16(RSP, 0x1000);
            m.run({static_cast<u8>(opcode), static_cast<u8>(modrm), 0x10, 0x00, 0x00, 0x00});
            INFO("opcode ", opcode, " ModRM ", modrm);
            CHECK((m.cpu.fault_chain_length == 0 || m.cpu.fault_chain[0].vector == Exception::DE));
            if (opcode < 0xC4 || (opcode & 0xFE) == 0xC8) break; // no group: once is enough
        }
    }
}

TEST_CASE("8086: ModRM.reg of C6, C7 and 8F is ignored (README), 82 is 80, F6 /1 is TEST, D6 sets AL from CF") {
    Early m("8086");
    m.run({0xC6, 0xF8, 0x42}); // MOV AL,42 with reg = 7
    CHECK(m.al() == 0x42);
    m.run({0xC7, 0x1E, 0x20, 0x00, 0x34, 0x12});
    CHECK(m.get<u16>(Early::data, 0x20) == 0x1234);
    m.put<u16>(Early::stack, 0x1000, u16{0x7777});
    m.run({0x8F, 0xCB}); // POP BX with reg = 1
    CHECK(m.cpu.r16(RBX) == 0x7777);
    m.run({0x82, 0xC0, 0x01}); // ADD AL,1
    CHECK(m.al() == 0x43);
    m.run({0xF6, 0xC8, 0x80}); // TEST AL,80
    CHECK((m.flags() & eflags::ZF) != 0);
    m.set_flags(eflags::CF);
    m.run({0xD6});
    CHECK(m.al() == 0xFF);
}

TEST_CASE("8086: LOCK (F0, F1) and other prefixes go with everything, without limit") {
    Early m("8086");
    m.cpu.set_r16(RAX, 1);
    m.run({0xF0, 0xF1, 0xF3, 0x26, 0x2E, 0x36, 0x3E, 0xF0, 0x26, 0x2E, 0x36, 0x3E, 0x26, 0x2E, 0x36, 0x3E, 0x40});
    CHECK(m.ax() == 2);
    CHECK(m.ip() == Early::after(17));
    // A run that is longer than any buffer: the override that counts is the last one.
    for (u32 i = 0; i < 300; ++i) m.put<u8>(Early::code, static_cast<u16>(0x200 + i), u8{0x3E});
    m.put<u8>(Early::code, 0x200 + 300, u8{0x26});
    m.put<u8>(Early::code, 0x200 + 301, u8{0xA0}); // ES: MOV AL,[0010]
    m.put<u16>(Early::code, 0x200 + 302, u16{0x0010});
    m.put<u8>(Early::code, 0x200 + 304, u8{0xF4});
    m.put<u8>(Early::extra, 0x10, u8{0x5A});
    m.at(0x200, {});
    m.cpu.run(1000);
    CHECK(m.al() == 0x5A);
    CHECK(m.ip() == 0x200 + 305);
}

TEST_CASE("8086: ESC reads its operand and WAIT goes on, without a coprocessor (User's Manual, 2-37)") {
    Early m("8086");
    for (unsigned n = 0; n < 8; ++n) {
        m.run({static_cast<u8>(0xD8 + n), 0x06, 0xFF, 0xFF});
        CHECK(m.ip() == Early::after(4));
        m.run({static_cast<u8>(0xD8 + n), 0xC1});
        CHECK(m.ip() == Early::after(2));
    }
    m.run({0x9B});
    CHECK(m.ip() == Early::after(1));
    CHECK(m.cpu.fault_chain_length == 0);
}

TEST_CASE("8086: no trap comes between the load of any segment register and the next instruction") {
    Early m("8086");
    m.set_flags(eflags::TF);
    m.run({0x8E, 0xD8, 0x90}, 3); // MOV DS,AX ; NOP ; trap
    CHECK(m.entered(1, Early::after(3)));
    Early later("286"); // where only SS does so
    later.set_flags(eflags::TF);
    later.run({0x8E, 0xD8, 0x90}, 2);
    CHECK(later.entered(1, Early::after(2)));
}
