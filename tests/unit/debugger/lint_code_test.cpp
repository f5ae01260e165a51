// Lint, what concerns instructions: undefined flags, reserved bits, memory that nobody has written, modified code.
#include "lint_fixture.hpp"

using namespace glassbox;
using namespace glassbox::lint_test;

TEST_CASE("lint: a flag that MUL leaves undefined decides a jump") {
    Guest g;
    g.run({0xF6, 0xE3, 0x78, 0x00, 0x90}, 2); // MUL BL; JS $+2
    const std::string text = g.only(LintKind::undefined_flags);
    CHECK(has(text, "reads SF, undefined after mul bl at 00001000"));
    CHECK(g.lint->warnings()[0].place == "0000:1002");
    CHECK(g.lint->warnings()[0].count == 1);
    g.cpu().ip = 0x1000;
    g.go(2);
    CHECK(g.lint->warnings()[0].count == 2);
    CHECK(g.heard.size() == 1); // told once
    CHECK(has(g.heard[0], "[undefined-flags; SDM 2, mul"));
    CHECK(has(g.lint->summary(), "undefined-flags: 1 place, 2 times"));

    Guest defined;
    defined.run({0xF6, 0xE3, 0x72, 0x00, 0x90}, 2); // JC: MUL says whether the upper half is used
    defined.quiet();
    Guest between;
    between.run({0xF6, 0xE3, 0x84, 0xC0, 0x78, 0x00, 0x90}, 3); // TEST AL, AL
    between.quiet();
    Guest saved;
    saved.run({0xF6, 0xE3, 0x9C, 0x9D, 0x90}, 3); // PUSHF, POPF
    saved.quiet();
}

TEST_CASE("lint: OF after a shift by CL depends on CL (SDM 2, SHL)") {
    for (const u8 count : {u8{1}, u8{3}, u8{0}}) {
        Guest g;
        g.cpu().gpr[RCX] = count;
        g.run({0xD2, 0xE0, 0x70, 0x00, 0x90}, 2); // SHL AL, CL; JO
        CHECK(g.count(LintKind::undefined_flags) == (count == 3 ? 1 : 0));
    }
}

TEST_CASE("lint: reserved bits of control and debug registers") {
    Guest g;
    g.cpu().set_r32(RAX, static_cast<u32>(g.cpu().cr0) | 0x100);
    g.run({0x0F, 0x22, 0xC0, 0x90}, 2);
    CHECK(has(g.only(LintKind::reserved_bits), "reserved bits of CR0: 100"));
    Guest dr;
    dr.cpu().set_r32(RAX, 0x4400);
    dr.run({0x0F, 0x23, 0xF8, 0x90}, 2);
    CHECK(has(dr.only(LintKind::reserved_bits), "DR7: 4000"));
    Guest fine;
    fine.cpu().set_r32(RAX, static_cast<u32>(fine.cpu().cr0) | 2);
    fine.run({0x0F, 0x22, 0xC0, 0x90}, 2);
    fine.quiet();
}

TEST_CASE("lint: reserved bits of descriptors and gates") {
    for (const bool bad : {false, true}) {
        Guest g;
        g.fill(0x2000, 0x2000);
        g.flat();
        g.cpu().gdtr = {0x2000, 0xFF};
        g.write32(0x2008, 0xFFFF);
        g.write32(0x200C, bad ? 0x00EF'9300 : 0x00CF'9300);
        g.cpu().set_r32(RAX, 8);
        g.run({0x8E, 0xD8, 0x90}, 2);
        if (bad)
            CHECK(has(g.only(LintKind::reserved_bits), "bit 21 of a data descriptor"));
        else
            g.quiet();
    }
    for (const bool bad : {false, true}) {
        Guest g;
        g.fill(0x2000, 0x2000);
        g.fill(0x7000, 0x1000);
        g.flat();
        g.cpu().gdtr = {0x2000, 0xFF};
        g.cpu().idtr = {0x3000, 0x7FF};
        g.write32(0x2008, 0xFFFF);
        g.write32(0x200C, 0x00CF'9B00);
        g.write32(0x3180, 0x0008'1100);
        g.write32(0x3184, bad ? 0x0000'8E40 : 0x0000'8E00);
        g.cpu().seg[CS].selector = 8;
        g.write(0x1100, {0x90});
        g.run({0xCD, 0x30, 0x90}, 2);
        CHECK(g.cpu().ip == 0x1101);
        if (bad)
            CHECK(has(g.only(LintKind::reserved_bits), "bits 5 to 7 of a gate"));
        else
            g.quiet();
    }
}

TEST_CASE("lint: memory that nobody has written is computed with") {
    Guest direct;
    direct.run({0x80, 0x3E, 0x00, 0x50, 0x01, 0x90}, 2); // CMP BYTE [5000h], 1
    CHECK(has(direct.only(LintKind::uninitialised), "uses 1 byte at 00005000"));
    CHECK(direct.lint->warnings()[0].linear == 0x1000);

    Guest held;
    held.run({0xA0, 0x00, 0x50, 0x88, 0xC3, 0x84, 0xDB, 0x90}, 4); // MOV AL, [5000h]; MOV BL, AL; TEST BL, BL
    CHECK(has(held.only(LintKind::uninitialised), "compares what mov al,"));
    CHECK(held.lint->warnings()[0].linear == 0x1005);

    Guest address;
    address.run({0x8B, 0x1E, 0x00, 0x50, 0x8A, 0x07, 0x90}, 3); // MOV BX, [5000h]; MOV AL, [BX]
    CHECK(address.lint->warnings().size() == 1);
    CHECK(has(address.lint->warnings()[0].text, "uses as an address"));
}

TEST_CASE("lint: copies of what nobody has written are no offence, their use is") {
    Guest g;
    g.run({0xA0, 0x00, 0x50, 0xA2, 0x00, 0x60, 0xB0, 0x00, 0x84, 0xC0, 0x90}, 5); // … MOV [6000h], AL; MOV AL, 0
    g.quiet();
    g.run({0x80, 0x3E, 0x00, 0x60, 0x01, 0x90}, 2, 0x1100);
    CHECK(has(g.only(LintKind::uninitialised), "at 00006000"));

    Guest strings;
    strings.cpu().gpr[RSI] = 0x5000;
    strings.cpu().gpr[RDI] = 0x6000;
    strings.cpu().gpr[RCX] = 4;
    strings.write(0x5001, {1});
    strings.run({0xF3, 0xA4, 0x90}, 5); // REP MOVSB
    strings.quiet();
    strings.run({0x80, 0x3E, 0x01, 0x60, 0x01, 0x90}, 2, 0x1100);
    strings.quiet(); // that byte was written
    strings.run({0x80, 0x3E, 0x02, 0x60, 0x01, 0x90}, 2, 0x1200);
    CHECK(strings.count(LintKind::uninitialised) == 1);

    Guest stack;
    stack.run({0xFF, 0x36, 0x00, 0x50, 0x8F, 0x06, 0x00, 0x60, 0x90}, 3); // PUSH [5000h]; POP [6000h]
    stack.quiet();
}

TEST_CASE("lint: memory counts as written by the processor, by DMA, and when lint comes later") {
    Guest g;
    g.run({0xC6, 0x06, 0x00, 0x50, 0x07, 0x80, 0x3E, 0x00, 0x50, 0x01, 0x90}, 3); // MOV BYTE [5000h], 7; CMP
    g.quiet();
    Guest dma;
    dma.fill(0x5000, 3);
    dma.run({0x80, 0x3E, 0x02, 0x50, 0x01, 0x90}, 2);
    dma.quiet();
    dma.run({0x80, 0x3E, 0x03, 0x50, 0x01, 0x90}, 2, 0x1100);
    CHECK(dma.count(LintKind::uninitialised) == 1);
    Guest late;
    late.run({0x90, 0x90}, 1);
    late.lint.reset();
    late.lint = std::make_unique<Lint>(*late.machine);
    late.run({0x80, 0x3E, 0x00, 0x50, 0x01, 0x90}, 2);
    late.quiet();
    Guest code;
    code.run({0xE9, 0xFD, 0x3F, 0x90}, 2); // JMP 5000h
    CHECK(has(code.lint->warnings().at(0).text, "is executed"));
}

TEST_CASE("lint: up to the i486 the prefetch queue does not see what is written") {
    const std::vector<u8> patch{0xC6, 0x06, 0x06, 0x10, 0x40, 0x90, 0x90, 0x90}; // MOV BYTE [1006h], 40h; NOP …
    Guest g("486");
    g.run(patch, 4);
    CHECK(has(g.only(LintKind::modified_code), "the instruction at 00001006"));
    Guest pentium("pentium");
    pentium.run(patch, 4);
    pentium.quiet();
    Guest jumped("486");
    jumped.run({0xC6, 0x06, 0x07, 0x10, 0x40, 0xEB, 0x00, 0x90, 0x90}, 4);
    jumped.quiet();
    Guest data("486"); // beyond the end of the straight line
    data.run({0xC6, 0x06, 0x08, 0x10, 0x40, 0xEB, 0x02, 0x90, 0x90, 0x90}, 3);
    data.quiet();
}

TEST_CASE("lint: the run is the same with and without") {
    Guest with, without;
    without.lint.reset();
    for (Guest* g : {&with, &without}) {
        g->fill(0x5000, 0x1000);
        g->run({0xA0, 0x00, 0x50, 0xF6, 0xE3, 0x78, 0x00, 0xE6, 0x43, 0xE4, 0x40, 0xA2, 0x01, 0x50, 0xEB, 0xF0}, 1000);
    }
    CHECK(with.machine->state_hash() == without.machine->state_hash());
    CHECK_FALSE(with.lint->warnings().empty());
}
