// Lint, what goes a way before it is used: flags over branches, unwritten memory through registers.
#include "lint_fixture.hpp"

#include <filesystem>
#include <unistd.h>

using namespace glassbox;
using namespace glassbox::lint_test;

TEST_CASE("lint: undefined flags are followed over jumps, taken branches and calls") {
    Guest jump;
    jump.run({0xF6, 0xE3, 0xEB, 0x02, 0x90, 0x90, 0x78, 0x00, 0x90}, 3); // MUL BL; JMP $+4; JS
    CHECK(has(jump.only(LintKind::undefined_flags), "reads SF, undefined after mul bl at 00001000"));
    CHECK(jump.lint->warnings()[0].linear == 0x1006);

    for (const bool taken : {false, true}) {
        Guest g; // MUL BL; JC $+4; TEST AL, AL; JS: only who jumps misses the TEST
        g.cpu().gpr[RAX] = g.cpu().gpr[RBX] = taken ? 0xFF : 1;
        g.run({0xF6, 0xE3, 0x72, 0x02, 0x84, 0xC0, 0x78, 0x00, 0x90}, 4);
        if (taken)
            CHECK(has(g.only(LintKind::undefined_flags), "reads SF"));
        else
            g.quiet();
    }
    Guest call;
    call.fill(0x7F00, 0x100);
    call.run({0xF6, 0xE3, 0xE8, 0x01, 0x00, 0x90, 0x78, 0x00, 0x90}, 3); // MUL BL; CALL 1006h
    CHECK(call.count(LintKind::undefined_flags) == 1);

    Guest defined; // on the other side of the jump they are defined first
    defined.run({0xF6, 0xE3, 0xEB, 0x02, 0x90, 0x90, 0x84, 0xC0, 0x78, 0x00, 0x90}, 4);
    defined.quiet();
    Guest far; // IMUL's OF and CF are defined
    far.run({0x0F, 0xAF, 0xC3, 0xEB, 0x00, 0x70, 0x00, 0x90}, 3);
    far.quiet();
}

TEST_CASE("lint: SETcc, CMOVcc, ADC and LOOPNE read flags; a shift by nothing leaves them") {
    const std::vector<std::vector<u8>> readers{
        {0x0F, 0x98, 0xC2}, {0x0F, 0x48, 0xC2}, {0xE0, 0x00}}; // SETS DL; CMOVS AX, DX; LOOPNE
    for (const auto& reader : readers) {
        Guest g;
        std::vector<u8> code{0xF6, 0xE3};
        code.insert(code.end(), reader.begin(), reader.end());
        code.push_back(0x90);
        g.run(code, 2);
        CHECK(g.count(LintKind::undefined_flags) == 1);
    }
    Guest shift; // MUL BL; SHL DL, CL with CL = 0; JS
    shift.run({0xF6, 0xE3, 0xD2, 0xE2, 0x78, 0x00, 0x90}, 3);
    CHECK(shift.count(LintKind::undefined_flags) == 1);
    Guest shifted;
    shifted.cpu().gpr[RCX] = 1;
    shifted.run({0xF6, 0xE3, 0xD2, 0xE2, 0x78, 0x00, 0x90}, 3);
    shifted.quiet();
}

TEST_CASE("lint: fields of bits complete what nobody has written") {
    Guest whole; // MOV AX, [5000h]; AND AX, FF00h; OR AX, FF00h; MOV [5000h], AX; CMP WORD [5000h], 1
    whole.run(
        {0xA1, 0x00, 0x50, 0x25, 0x00, 0xFF, 0x0D, 0x00, 0xFF, 0xA3, 0x00, 0x50, 0x83, 0x3E, 0x00, 0x50, 0x01, 0x90},
        6);
    whole.quiet();
    // AND AX, FFF0h, stored, read again, AND AX, 000Fh: each has its share
    const std::vector<u8> steps{0xA1, 0x00, 0x50, 0x25, 0xF0, 0xFF, 0xA3, 0x00, 0x50, 0xA1, 0x00, 0x50,
                                0x25, 0x0F, 0x00, 0xA3, 0x00, 0x50, 0x83, 0x3E, 0x00, 0x50, 0x01, 0x90};
    Guest twice;
    twice.run(steps, 8);
    twice.quiet();
    Guest once;
    once.run({0xA1, 0x00, 0x50, 0x25, 0xF0, 0xFF, 0xA3, 0x00, 0x50, 0x83, 0x3E, 0x00, 0x50, 0x10, 0x90}, 5);
    CHECK(has(once.only(LintKind::uninitialised), "uses 2 bytes at 00005000"));
    Guest memory; // AND WORD [5000h], 0FFh; OR WORD [5000h], 0FFh: masks on memory itself
    memory.run(
        {0x81, 0x26, 0x00, 0x50, 0xFF, 0x00, 0x81, 0x0E, 0x00, 0x50, 0xFF, 0x00, 0x83, 0x3E, 0x00, 0x50, 0x01, 0x90},
        4);
    memory.quiet();
    for (const bool high : {false, true}) {
        Guest shift; // MOV AL, [5000h]; SHL AX, 8; TEST AL, AL or TEST AH, AH
        shift.run({0xA0, 0x00, 0x50, 0xC1, 0xE0, 0x08, 0x84, static_cast<u8>(high ? 0xE4 : 0xC0), 0x90}, 4);
        if (high)
            CHECK(has(shift.only(LintKind::uninitialised), "compares what mov al,"));
        else
            shift.quiet();
    }
}

TEST_CASE("lint: a comparison that the written bytes decide does not depend on the others") {
    for (const u8 first : {u8{'R'}, u8{'X'}}) {
        Guest g;
        g.write(0x5000, {first}); // CMP DWORD [5000h], "RSD "
        g.run({0x66, 0x81, 0x3E, 0x00, 0x50, 'R', 'S', 'D', ' ', 0x90}, 2);
        if (first == 'R')
            CHECK(has(g.only(LintKind::uninitialised), "of which nobody has written 3"));
        else
            g.quiet();
    }
    Guest masked; // TEST WORD [5000h], 00FFh with that byte written
    masked.write(0x5000, {0});
    masked.run({0xF7, 0x06, 0x00, 0x50, 0xFF, 0x00, 0x90}, 2);
    masked.quiet();
}

TEST_CASE("lint: several registers are followed at once, through XCHG and BSWAP too") {
    Guest two; // MOV AL, [5000h]; MOV BL, [5001h]; MOV [6000h], AL; MOV [6001h], BL
    two.run({0xA0, 0x00, 0x50, 0x8A, 0x1E, 0x01, 0x50, 0xA2, 0x00, 0x60, 0x88, 0x1E, 0x01, 0x60, 0x90}, 5);
    two.quiet();
    two.run({0x80, 0x3E, 0x00, 0x60, 0x01, 0x80, 0x3E, 0x01, 0x60, 0x01, 0x90}, 3, 0x1100);
    CHECK(two.count(LintKind::uninitialised) == 2);
    for (const u8 modrm : {u8{0xC0}, u8{0xDB}}) {
        Guest g; // MOV AL, [5000h]; XCHG BL, AL; TEST AL, AL or BL, BL
        g.run({0xA0, 0x00, 0x50, 0x86, 0xC3, 0x84, modrm, 0x90}, 4);
        CHECK(g.count(LintKind::uninitialised) == (modrm == 0xDB ? 1 : 0));
    }
    for (const u8 modrm : {u8{0xC0}, u8{0xE4}}) {
        Guest g; // XOR EAX, EAX; MOV AL, [5000h]; BSWAP EAX; TEST AL, AL; its byte is the highest now
        g.run({0x66, 0x31, 0xC0, 0xA0, 0x00, 0x50, 0x66, 0x0F, 0xC8, 0x84, modrm, 0x90}, 5);
        g.quiet();
    }
    Guest sign; // MOVSX AX, BYTE [5000h]; TEST AH, AH
    sign.run({0x0F, 0xBE, 0x06, 0x00, 0x50, 0x84, 0xE4, 0x90}, 3);
    CHECK(sign.count(LintKind::uninitialised) == 1);
    Guest zero; // MOVZX
    zero.run({0x0F, 0xB6, 0x06, 0x00, 0x50, 0x84, 0xE4, 0x90}, 3);
    zero.quiet();
    Guest pause; // MOV AL, [5000h]; OUT 80h, AL: nobody looks at the value
    pause.run({0xA0, 0x00, 0x50, 0xE6, 0x80, 0x90}, 3);
    pause.quiet();
    Guest told; // OUT 70h, AL: somebody does
    told.run({0xA0, 0x00, 0x50, 0xE6, 0x70, 0x90}, 3);
    CHECK(told.count(LintKind::uninitialised) == 1);
}

namespace {
/// A file that goes with the test.
struct Snapshot {
    std::string path =
        (std::filesystem::temp_directory_path() / ("glassbox-lint-" + std::to_string(::getpid()))).string();
    ~Snapshot() { std::filesystem::remove(path); }
};

struct Flat : Guest {
    Flat() {
        flat();
        cpu().cr4 |= cr4::OSFXSR;
        cpu().fpu.init();
        cpu().update_mode();
    }
    std::vector<u8> load{0xF3, 0x0F, 0x6F, 0x05, 0x00, 0x50, 0x00, 0x00}, // MOVDQU XMM0, [5000h]
        store{0xF3, 0x0F, 0x7F, 0x05, 0x00, 0x60, 0x00, 0x00};            // MOVDQU [6000h], XMM0
    static std::vector<u8> all(std::initializer_list<std::vector<u8>> parts) {
        std::vector<u8> code;
        for (const auto& part : parts) code.insert(code.end(), part.begin(), part.end());
        code.push_back(0x90);
        return code;
    }
};
} // namespace

TEST_CASE("lint: vector registers carry it, their arithmetic uses it") {
    Flat copy;
    copy.write(0x5003, {7});
    copy.run(Flat::all({copy.load, copy.store}), 3);
    copy.quiet();
    copy.run({0x80, 0x3D, 0x03, 0x60, 0, 0, 0x01, 0x90}, 2, 0x1100); // CMP BYTE [6003h], 1: that one was written
    copy.quiet();
    copy.run({0x80, 0x3D, 0x0F, 0x60, 0, 0, 0x01, 0x90}, 2, 0x1200);
    CHECK(has(copy.only(LintKind::uninitialised), "at 0000600F"));
    Flat sum;
    sum.run(Flat::all({sum.load, {0x66, 0x0F, 0xFE, 0xC8}}), 3); // PADDD XMM1, XMM0
    CHECK(has(sum.only(LintKind::uninitialised), "computes with what movdqu"));
    Flat cleared;
    cleared.run(Flat::all({cleared.load, {0x66, 0x0F, 0xEF, 0xC0}, {0x66, 0x0F, 0xFE, 0xC8}}), 4); // PXOR first
    cleared.quiet();
    Flat moved; // MOVD EAX, XMM0; TEST EAX, EAX
    moved.run(Flat::all({moved.load, {0x66, 0x0F, 0x7E, 0xC0}, {0x85, 0xC0}}), 4);
    CHECK(has(moved.only(LintKind::uninitialised), "compares what movdqu"));
    Flat strlen; // PCMPEQB, PMOVMSKB: it reads beyond the end and looks at what is before it
    strlen.run(Flat::all({strlen.load, {0x66, 0x0F, 0x74, 0xC8}, {0x66, 0x0F, 0xD7, 0xC1}, {0x85, 0xC0}}), 5);
    strlen.quiet();
}

TEST_CASE("lint: x87 registers carry it, their arithmetic uses it") {
    const std::vector<u8> load{0xDD, 0x05, 0x00, 0x50, 0, 0}, store{0xDD, 0x1D, 0x00, 0x60, 0, 0};
    Flat copy; // FLD QWORD [5000h]; FXCH-free FSTP QWORD [6000h]
    copy.run(Flat::all({load, store}), 3);
    copy.quiet();
    copy.run({0x80, 0x3D, 0x07, 0x60, 0, 0, 0x01, 0x90}, 2, 0x1100);
    CHECK(copy.count(LintKind::uninitialised) == 1);
    Flat sum; // FADD ST, ST
    sum.run(Flat::all({load, {0xD8, 0xC0}}), 3);
    CHECK(has(sum.only(LintKind::uninitialised), "computes with what fld"));
    Flat narrow; // FSTP DWORD: a conversion
    narrow.run(Flat::all({load, {0xD9, 0x1D, 0x00, 0x60, 0, 0}}), 3);
    CHECK(has(narrow.only(LintKind::uninitialised), "converts what fld"));
    Flat constant; // FLD1; FADD ST, ST
    constant.run(Flat::all({{0xD9, 0xE8}, {0xD8, 0xC0}}), 3);
    constant.quiet();
}

TEST_CASE("lint: what is executed again after going back is counted once") {
    const Snapshot file;
    Guest g;
    const std::vector<u8> code{0xF6, 0xE3, 0x78, 0x00, 0xEB, 0xFA}; // MUL BL; JS; JMP $-4
    g.run(code, 1);
    REQUIRE(g.machine->save(file.path).has_value());
    g.go(29);
    const u64 before = g.count(LintKind::undefined_flags);
    CHECK(before == 10);
    REQUIRE(g.machine->load(file.path).has_value());
    g.go(29);
    CHECK(g.count(LintKind::undefined_flags) == before);
    g.go(6);
    CHECK(g.count(LintKind::undefined_flags) == before + 2);
}

TEST_CASE("lint: after going back nothing is made of what was yet to come") {
    const Snapshot file;
    Guest memory; // 6000h is written, read, and then a copy of what nobody has written
    memory.fill(0x6000, 1);
    memory.run({0x80, 0x3E, 0x00, 0x60, 0x01, 0xA0, 0x00, 0x50, 0xA2, 0x00, 0x60, 0xEB, 0xFE}, 0);
    REQUIRE(memory.machine->save(file.path).has_value());
    memory.go(4);
    REQUIRE(memory.machine->load(file.path).has_value());
    memory.go(1);
    memory.quiet();
    Paged pages; // 30'0000h leads to 2'0000h, then (not used) to 2'1000h, then back
    REQUIRE(pages.machine->save(file.path).has_value());
    pages.run({0x89, 0x07, 0x0F, 0x22, 0xDE, 0x8A, 0x13, 0xC7, 0x07, 0x07, 0x00, 0x02, 0x00, 0x90}, 4);
    pages.quiet();
    REQUIRE(pages.machine->load(file.path).has_value());
    pages.run({0x8A, 0x13, 0x90}, 2);
    pages.quiet();
}
