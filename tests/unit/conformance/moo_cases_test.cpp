// The moo suite's comparison, with cases written by hand for each processor: what the manuals promise passes, whatever
// else is changed fails. Intel 8086 Family User's Manual (1979), 80286 and 80386 Programmer's Reference Manuals.
#include "moo_writer.hpp"

#include "tests/x86-conformance/moo/describe.hpp"
#include "tests/x86-conformance/moo/execution.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::conformance;
using namespace moo_test;

namespace {

/// Runs cases on one processor.
class Stand {
  public:
    explicit Stand(const char* cpu) : execution_(**moo::chip_of(cpu), plan_) {}
    bool passes(const Written& written, const moo::Registers& mask = {}) {
        body_ = written.test_body(0);
        moo::Problem problem;
        REQUIRE_MESSAGE(moo::parse_case(body_, 0, test_, problem), problem.reason);
        REQUIRE_MESSAGE(execution_.sound(test_, problem), problem.reason);
        outcome = {};
        const bool passed = execution_.run(test_, mask);
        const bool again = execution_.run(test_, mask, &outcome);
        CHECK(passed == again);
        CHECK(passed == outcome.differences.empty());
        stray = execution_.stray();
        failure = describe(test_, 0, outcome);
        return passed;
    }
    moo::Outcome outcome;
    std::optional<u32> stray;
    Failure failure;

  private:
    Plan plan_;
    moo::Execution execution_;
    Bytes body_;
    moo::Case test_;
};

Written add_16() {
    Written w; // add ax, bx
    w.code = {0x01, 0xD8};
    w.initial = {{reg::eax, 0xFFFF}, {reg::ebx, 1}};
    return w;
}

} // namespace

TEST_CASE("8086: one instruction, without a HLT") {
    Stand stand("8086");
    Written add = add_16();
    add.initial.emplace_back(reg::eflags, 0xF002);
    add.final = {{reg::eax, 0}, {reg::eip, 0x102}, {reg::eflags, 0xF057}};
    CHECK_MESSAGE(stand.passes(add), stand.failure.difference);
    CHECK(!stand.stray);

    Written loop; // jmp $: exactly once
    loop.code = {0xEB, 0xFE};
    loop.initial = {{reg::eflags, 0xF002}};
    CHECK_MESSAGE(stand.passes(loop), stand.failure.difference);

    Written movs; // rep movsb: to its end
    movs.code = {0xF3, 0xA4};
    movs.initial = {{reg::ecx, 3}, {reg::esi, 0x10}, {reg::edi, 0x20}, {reg::eflags, 0xF002}};
    movs.memory = {{0x30010, 1}, {0x30011, 2}, {0x30012, 3}};
    movs.final = {{reg::ecx, 0}, {reg::esi, 0x13}, {reg::edi, 0x23}, {reg::eip, 0x102}};
    movs.final_memory = {{0x40020, 1}, {0x40021, 2}, {0x40022, 3}};
    CHECK_MESSAGE(stand.passes(movs), stand.failure.difference);
}

TEST_CASE("8086: what its successors do otherwise") {
    Stand stand("8088");
    Written push; // push sp: what is left of it
    push.code = {0x54};
    push.initial = {{reg::eflags, 0xF002}};
    push.final = {{reg::esp, 0x0FFE}, {reg::eip, 0x101}};
    push.final_memory = {{0x20FFE, 0xFE}, {0x20FFF, 0x0F}};
    CHECK_MESSAGE(stand.passes(push), stand.failure.difference);

    Written shift; // shl ax, cl: all of CL counts
    shift.code = {0xD3, 0xE0};
    shift.initial = {{reg::eax, 0x1234}, {reg::ecx, 33}, {reg::eflags, 0xF002}};
    shift.final = {{reg::eax, 0}, {reg::eip, 0x102}, {reg::eflags, 0xF046}};
    CHECK_MESSAGE(stand.passes(shift), stand.failure.difference);

    Written wrap; // mov [0010], al with DS = FFFF: twenty address lines
    wrap.code = {0xA2, 0x10, 0x00};
    wrap.initial = {{reg::eax, 0x5A}, {reg::ds, 0xFFFF}, {reg::eflags, 0xF002}};
    wrap.final = {{reg::eip, 0x103}};
    wrap.final_memory = {{0, 0x5A}};
    CHECK_MESSAGE(stand.passes(wrap), stand.failure.difference);

    Written top; // mov [000f], ax with DS = FFFF: a word over the end of memory
    top.code = {0xA3, 0x0F, 0x00};
    top.initial = {{reg::eax, 0x5AA5}, {reg::ds, 0xFFFF}, {reg::eflags, 0xF002}};
    top.final = {{reg::eip, 0x103}};
    top.final_memory = {{0xFFFFF, 0xA5}, {0, 0x5A}};
    CHECK_MESSAGE(stand.passes(top), stand.failure.difference);

    Written end; // mov [ffff], ax: a word over the end of a segment
    end.code = {0xA3, 0xFF, 0xFF};
    end.initial = {{reg::eax, 0x5AA5}, {reg::eflags, 0xF002}};
    end.final = {{reg::eip, 0x103}};
    end.final_memory = {{0x3FFFF, 0xA5}, {0x30000, 0x5A}};
    CHECK_MESSAGE(stand.passes(end), stand.failure.difference);

    Written idiv; // rep idiv bl: the quotient is negated (README of SingleStepTests/8088)
    idiv.code = {0xF3, 0xF6, 0xFB};
    idiv.initial = {{reg::eax, 100}, {reg::ebx, 7}, {reg::eflags, 0xF002}};
    idiv.final = {{reg::eax, 0x02F2}, {reg::eip, 0x103}};
    CHECK_MESSAGE(stand.passes(idiv), stand.failure.difference);

    Written flags; // pushf: bits 12 to 15 are ones
    flags.code = {0x9C};
    flags.initial = {{reg::eflags, 0xF003}};
    flags.final = {{reg::esp, 0x0FFE}, {reg::eip, 0x101}};
    flags.final_memory = {{0x20FFE, 0x03}, {0x20FFF, 0xF0}};
    CHECK_MESSAGE(stand.passes(flags), stand.failure.difference);
}

TEST_CASE("8086: a division by zero is interrupt 0, after the instruction, with undefined flags in the image") {
    Stand stand("8088");
    Written div; // div bl
    div.code = {0xF6, 0xF3};
    div.initial = {{reg::eax, 0x1234}, {reg::eflags, 0xF002}};
    div.memory = {{0, 0x00}, {1, 0x04}, {2, 0x00}, {3, 0x00}};
    div.final = {{reg::cs, 0}, {reg::eip, 0x400}, {reg::esp, 0x0FFA}, {reg::eflags, 0xF0D7}};
    div.final_memory = {{0x20FFA, 0x02}, {0x20FFB, 0x01}, {0x20FFC, 0x00},
                        {0x20FFD, 0x10}, {0x20FFE, 0xD7}, {0x20FFF, 0xF0}};
    CHECK_MESSAGE(stand.passes(div), stand.failure.difference);
    div.final_memory[5].second = 0xF4; // DF is not undefined
    CHECK_FALSE(stand.passes(div));
    CHECK(stand.failure.difference == "[020fff]: expected f4, got f0");
    div.final_memory[5].second = 0xF0;
    div.final_memory[0].second = 0x00; // the address of the instruction itself
    CHECK_FALSE(stand.passes(div));
}

TEST_CASE("80286: up to the HLT, or that of an exception's handler") {
    Stand stand("C286");
    Written add = add_16();
    add.code.push_back(0xF4);
    add.initial.emplace_back(reg::eflags, 0x7002); // IOPL and NT cannot be set in real mode
    add.final = {{reg::eax, 0}, {reg::eip, 0x103}, {reg::eflags, 0x57}};
    CHECK_MESSAGE(stand.passes(add), stand.failure.difference);

    Written limit; // mov ax, [ffff]
    limit.code = {0xA1, 0xFF, 0xFF, 0xF4};
    limit.handler(13);
    limit.final = {{reg::cs, 0x50}, {reg::eip, 0x11}, {reg::esp, 0x0FFA}};
    limit.final_memory = {{0x20FFA, 0x00}, {0x20FFB, 0x01}, {0x20FFC, 0x00},
                          {0x20FFD, 0x10}, {0x20FFE, 0x02}, {0x20FFF, 0x00}};
    limit.exception = moo::ExceptionTaken{13, 0x20FFE};
    CHECK_MESSAGE(stand.passes(limit), stand.failure.difference);
    limit.exception->number = 12;
    CHECK_FALSE(stand.passes(limit));
    CHECK(stand.failure.difference == "exception: expected 12, got 13");
    limit.exception.reset();
    CHECK_FALSE(stand.passes(limit));
    CHECK(stand.failure.difference == "exception: expected none, got 13");

    Written push; // push sp: what it was
    push.code = {0x54, 0xF4};
    push.final = {{reg::esp, 0x0FFE}, {reg::eip, 0x102}};
    push.final_memory = {{0x20FFE, 0x00}, {0x20FFF, 0x10}};
    CHECK_MESSAGE(stand.passes(push), stand.failure.difference);
}

TEST_CASE("80286: flags that a division leaves undefined, in the image of #DE at an odd stack pointer too") {
    Stand stand("C286");
    Written div; // div bl
    div.code = {0xF6, 0xF3, 0xF4};
    div.initial = {{reg::esp, 0x0FFF}};
    div.handler(0);
    div.final = {{reg::cs, 0x50}, {reg::eip, 0x11}, {reg::esp, 0x0FF9}, {reg::eflags, 0x8D7}};
    div.final_memory = {{0x20FF9, 0x00}, {0x20FFA, 0x01}, {0x20FFB, 0x00},
                        {0x20FFC, 0x10}, {0x20FFD, 0xD7}, {0x20FFE, 0x08}};
    div.exception = moo::ExceptionTaken{0, 0x20FFC}; // as captured: the address of the bus cycle
    CHECK_MESSAGE(stand.passes(div), stand.failure.difference);
    div.final_memory[5].second = 0x0A; // IF
    CHECK_FALSE(stand.passes(div));
}

TEST_CASE("80386: 32-bit registers") {
    Stand stand("386E");
    Written add; // add eax, ebx
    add.wide = true;
    add.code = {0x66, 0x01, 0xD8, 0xF4};
    add.initial = {{reg::eax, 0xFFFF'FFFF}, {reg::ebx, 1}, {reg::eflags, 0xFFFC'0002}};
    add.final = {{reg::eax, 0}, {reg::eip, 0x104}, {reg::eflags, 0xFFFC'0057}};
    CHECK_MESSAGE(stand.passes(add), stand.failure.difference);
    add.final[0].second = 0x1'0000;
    CHECK_FALSE(stand.passes(add));
    CHECK(stand.failure.difference == "eax: expected 00010000, got 00000000");

    Written segment; // mov fs, ax
    segment.wide = true;
    segment.code = {0x8E, 0xE0, 0xF4};
    segment.initial = {{reg::eax, 0x1234'5678}};
    segment.final = {{reg::fs, 0x5678}, {reg::eip, 0x103}};
    CHECK_MESSAGE(stand.passes(segment), stand.failure.difference);

    Written status; // mov eax, cr0
    status.wide = true;
    status.code = {0x0F, 0x20, 0xC0, 0xF4};
    status.final = {{reg::eax, 0x7FFE'FFF0}, {reg::eip, 0x104}};
    CHECK_MESSAGE(stand.passes(status), stand.failure.difference);
}

TEST_CASE("80386: exceptions and shutdown") {
    Stand stand("386E");
    Written limit; // mov ax, [ebx] beyond 64 K
    limit.wide = true;
    limit.code = {0x67, 0x8B, 0x03, 0xF4};
    limit.initial = {{reg::ebx, 0x1'0000}};
    limit.handler(13);
    limit.final = {{reg::cs, 0x50}, {reg::eip, 0x11}, {reg::esp, 0x0FFA}};
    limit.final_memory = {{0x20FFA, 0x00}, {0x20FFB, 0x01}, {0x20FFC, 0x00},
                          {0x20FFD, 0x10}, {0x20FFE, 0x02}, {0x20FFF, 0x00}};
    limit.exception = moo::ExceptionTaken{13, 0x20FFE};
    CHECK_MESSAGE(stand.passes(limit), stand.failure.difference);

    Written down; // push ax: neither it nor any exception has room
    down.wide = true;
    down.code = {0x50, 0xF4};
    down.initial = {{reg::esp, 1}};
    down.shutdown = true;
    CHECK_MESSAGE(stand.passes(down), stand.failure.difference);
    CHECK_MESSAGE(stand.passes(limit), stand.failure.difference); // and the next case starts afresh
    down.initial = {{reg::esp, 0x1000}};
    CHECK_FALSE(stand.passes(down));
    CHECK(stand.failure.difference.starts_with("end: expected shutdown, got no shutdown"));
}

TEST_CASE("80386: a result without a definition is not compared, everything else is") {
    Stand stand("386E");
    Written shld; // shld ax, bx, 18
    shld.wide = true;
    shld.code = {0x0F, 0xA4, 0xD8, 0x12, 0xF4};
    shld.initial = {{reg::eax, 0x1234}, {reg::ebx, 0x5678}};
    shld.final = {{reg::eax, 0xDEAD}, {reg::eip, 0x105}, {reg::eflags, 0x8D7}};
    CHECK_MESSAGE(stand.passes(shld), stand.failure.difference);
    shld.final.emplace_back(reg::ecx, 1);
    CHECK_FALSE(stand.passes(shld));
    shld.final.pop_back();
    shld.code[3] = 15; // well defined
    CHECK_FALSE(stand.passes(shld));

    Written to_memory; // shld [0010], bx, 18
    to_memory.wide = true;
    to_memory.code = {0x0F, 0xA4, 0x1E, 0x10, 0x00, 0x12, 0xF4};
    to_memory.memory = {{0x30010, 0x34}, {0x30011, 0x12}};
    to_memory.final = {{reg::eip, 0x107}, {reg::eflags, 0x8D7}};
    to_memory.final_memory = {{0x30010, 0xAD}, {0x30011, 0xDE}};
    CHECK_MESSAGE(stand.passes(to_memory), stand.failure.difference);
}

TEST_CASE("masks of the file are for registers that it calls undefined; flags are the table's business") {
    Stand stand("386E");
    Written bsf; // bsf ax, bx with BX = 0
    bsf.wide = true;
    bsf.code = {0x0F, 0xBC, 0xC3, 0xF4};
    bsf.initial = {{reg::eax, 0x1111}};
    bsf.final = {{reg::eax, 0x2222}, {reg::eip, 0x104}, {reg::eflags, 0x42}};
    CHECK_FALSE(stand.passes(bsf));
    moo::Registers whole_file;
    whole_file.present = 1u << reg::eax;
    whole_file.value[reg::eax] = 0xFFFF'0000;
    CHECK_MESSAGE(stand.passes(bsf, whole_file), stand.failure.difference);
    bsf.mask = {{reg::eax, 0xFFFF'0000}};
    CHECK_MESSAGE(stand.passes(bsf), stand.failure.difference);

    whole_file.present |= 1u << reg::eflags;
    whole_file.value[reg::eflags] = 0;
    bsf.final[2].second = 0x02; // ZF is defined
    CHECK_FALSE(stand.passes(bsf, whole_file));
}

TEST_CASE("undefined flags depend on the shift count") {
    Stand stand("386E");
    Written shift; // shl ax, N
    shift.wide = true;
    shift.code = {0xC1, 0xE0, 1, 0xF4};
    shift.initial = {{reg::eax, 0x4001}};
    shift.final = {{reg::eax, 0x8002}, {reg::eip, 0x104}, {reg::eflags, 0x882}};
    CHECK_MESSAGE(stand.passes(shift), stand.failure.difference);
    shift.final[2].second = 0x892; // AF
    CHECK_MESSAGE(stand.passes(shift), stand.failure.difference);
    shift.final[2].second = 0x082; // OF after a shift by one
    CHECK_FALSE(stand.passes(shift));
    shift.code[2] = 2;
    shift.final = {{reg::eax, 0x0004}, {reg::eip, 0x104}, {reg::eflags, 0x803}};
    CHECK_MESSAGE(stand.passes(shift), stand.failure.difference);
    shift.final[2].second = 0x003;
    CHECK_MESSAGE(stand.passes(shift), stand.failure.difference);
    shift.code[2] = 32; // nothing happens, no flag is undefined
    shift.final = {{reg::eip, 0x104}};
    CHECK_MESSAGE(stand.passes(shift), stand.failure.difference);
    shift.final.emplace_back(reg::eflags, 0x12);
    CHECK_FALSE(stand.passes(shift));
}

TEST_CASE("everything that is not as captured is found") {
    Stand stand("C286");
    Written store; // mov [0010], al
    store.code = {0xA2, 0x10, 0x00, 0xF4};
    store.initial = {{reg::eax, 0x5A}};
    store.memory = {{0x30010, 0x11}, {0x30011, 0x22}};
    store.final = {{reg::eip, 0x104}};
    store.final_memory = {{0x30010, 0x5A}};
    CHECK_MESSAGE(stand.passes(store), stand.failure.difference);
    CHECK(!stand.stray);

    SUBCASE("a register that should have changed") {
        store.final.emplace_back(reg::ebx, 1);
        CHECK_FALSE(stand.passes(store));
        CHECK(stand.failure.difference == "bx: expected 0001, got 0000");
    }
    SUBCASE("a register that should not have") {
        store.final.clear();
        CHECK_FALSE(stand.passes(store));
        CHECK(stand.failure.difference == "ip: expected 0100, got 0104");
    }
    SUBCASE("a flag") {
        store.final.emplace_back(reg::eflags, 3);
        CHECK_FALSE(stand.passes(store));
        CHECK(stand.failure.difference == "flags: expected 0003, got 0002");
    }
    SUBCASE("memory with another value") {
        store.final_memory[0].second = 0x5B;
        CHECK_FALSE(stand.passes(store));
        CHECK(stand.failure.difference == "[030010]: expected 5b, got 5a");
    }
    SUBCASE("memory that should not have changed") {
        store.final_memory.clear();
        CHECK_FALSE(stand.passes(store));
        CHECK(stand.failure.difference == "[030010]: expected 11, got 5a");
    }
    SUBCASE("memory that should have") {
        store.final_memory.emplace_back(0x30011, 0x33);
        CHECK_FALSE(stand.passes(store));
        CHECK(stand.failure.difference == "[030011]: expected 33, got 22");
    }
    SUBCASE("memory that the case does not name") {
        store.memory.clear();
        store.final_memory.clear();
        CHECK(stand.passes(store)); // as far as it can see
        REQUIRE(stand.stray);
        CHECK(*stand.stray == 0x30010);
    }
    SUBCASE("no HLT") {
        store.code = {0xEB, 0xFE, 0xF4};
        store.memory.clear();
        store.final_memory.clear();
        store.final.clear();
        CHECK_FALSE(stand.passes(store));
        CHECK(stand.failure.difference.starts_with("end: expected HLT"));
    }
}

TEST_CASE("what the captured bus wrote is no stray") {
    Written store; // mov [0010], ax
    store.code = {0xA3, 0x10, 0x00, 0xF4};
    store.initial = {{reg::eax, 0x5A5A}};
    store.final = {{reg::eip, 0x104}};
    constexpr u8 ale = 1, bhe = 2;
    Stand stand("C286");
    CHECK(stand.passes(store));
    CHECK(stand.stray == 0x30010);
    store.cycle(ale, 0x30010, 0, 6); // a word
    CHECK(stand.passes(store));
    CHECK(!stand.stray);
    store.more.clear();
    store.cycle(ale | bhe, 0x30010, 0, 6); // its low byte
    CHECK(stand.passes(store));
    CHECK(stand.stray == 0x30011);
    store.more.clear();
    store.cycle(ale, 0x30010, 0, 5); // a word read
    CHECK(stand.passes(store));
    CHECK(stand.stray == 0x30010);

    Stand stand_8086("8086");
    store.code.pop_back();
    store.initial.emplace_back(reg::eflags, 0xF002);
    store.final = {{reg::eip, 0x103}};
    store.more.clear();
    store.cycle(ale, 0x30010, 0, 4);
    CHECK(stand_8086.passes(store));
    CHECK(!stand_8086.stray);
    store.more.clear();
    store.cycle(ale, 0x30010, 1, 4); // BHE# is elsewhere
    CHECK(stand_8086.passes(store));
    CHECK(stand_8086.stray == 0x30011);
}

TEST_CASE("a failure in words") {
    Stand stand("C286");
    Written store;
    store.code = {0xA2, 0x10, 0x00, 0xF4};
    store.initial = {{reg::eax, 0x5A}};
    store.memory = {{0x30010, 0x11}};
    store.final = {{reg::eip, 0x104}};
    store.final_memory = {{0x30010, 0x5B}};
    CHECK_FALSE(stand.passes(store));
    const Failure& f = stand.failure;
    CHECK(f.what.starts_with("a2 10 00 f4   mov"));
    CHECK(f.what.find("named \"case\", hash a0a0") != std::string::npos);
    CHECK(f.before.starts_with("ax=005a  bx=0000"));
    CHECK(f.before.find("[010100] a2 10 00 f4\n[030010] 11") != std::string::npos);
    CHECK(f.expected == "ip=0104\n[030010] 5b");
    CHECK(f.got == "ip=0104\n[030010] 5a");
    CHECK(f.difference == "[030010]: expected 5b, got 5a");
}
