// The summary of a shutdown, the traces that common mistakes leave, and what the machine's past says. The mistakes
// themselves are played through by tests/debugger/mistakes.py.
#include "debug_session.hpp"
#include "debugger/explain/past.hpp"
#include "debugger/view.hpp"
#include "explain_fixture.hpp"
#include "machine/board.hpp"

using namespace glassbox;
using namespace glassbox::explain_test;

namespace {

Told told(std::string text) {
    Told t;
    t.text = std::move(text);
    return t;
}
/// As the stack lies in memory, from ESP upwards.
void stack(Guest& m, std::initializer_list<u32> values) {
    u32 at = m.cpu.r32(RSP) - 4 * static_cast<u32>(values.size());
    m.cpu.set_r32(RSP, at);
    for (const u32 value : values) {
        m.put<u32>(at, value);
        at += 4;
    }
}

void says(const Told& t, std::string_view words) { CHECK_MESSAGE(t.has(words), t.text); }
void keeps_quiet(const Told& t, std::string_view words) { CHECK_MESSAGE(!t.has(words), t.text); }

} // namespace

TEST_CASE("explain: the first paragraph says what decided, and why no handler could be entered") {
    Guest m;
    m.cpu.set_r32(RBX, 0);
    const Told t = told(run_down(m, {0xF7, 0xF3})); // div ebx
    REQUIRE(m.cpu.shutdown);
    CHECK(t.text.starts_with("Triple fault: #DE at 0008:00000100 (div ebx): the divisor is 0.\n"
                             "#DE could not be delivered: the IDT may hold"));
    keeps_quiet(t, "A guess");
}

TEST_CASE("explain: a benign first fault leads to four, of which the processor keeps three") {
    Guest m;
    const Told t = told(run_down(m, {0x0F, 0x0B})); // #UD, #GP for its gate, #GP for #GP's, #GP for #DF's
    REQUIRE(m.cpu.shutdown);
    says(t, "2. The second fault: #GP (general protection), error code 0033h");
    says(t, "3. The third fault: #GP (general protection), error code 006Bh It arose while #GP was being delivered");
    says(t, "Both are contributory: the second, while the first is being delivered, makes a double fault");
    says(t, "4. The fourth fault: #GP (general protection), error code 0043h It arose while #DF was being delivered");
}

TEST_CASE("explain: IDTR as real mode has it") {
    Guest m;
    m.cpu.idtr = {0, 0x3FF};
    says(told(run_down(m, {0xF7, 0xF3})), "no IDT has been loaded (IDTR has base 0 and limit 03FFh");
}

TEST_CASE("explain: guesses at tables") {
    Guest m;
    m.cpu.set_r32(RAX, data0);
    m.cpu.gdtr.limit = 0xF;
    says(run(m, {0x8E, 0xD8}), "A guess: behind the limit, at 00001010h, lies what looks like the descriptor");
    m.cpu.gdtr = {0, 0};
    says(run(m, {0x8E, 0xD8}), "A guess: GDTR is 0, as the firmware has left it: LGDT was not executed");
    m.cpu.gdtr = {gdt - 0x800, 0xFF}; // as an offset in DS
    m.put<u64>(gdt - 0x800 + data0, 0);
    m.cpu.seg[DS].base = 0x800;
    says(run(m, {0x8E, 0xD0}), "LGDT was given an offset where it takes a linear address");
}

TEST_CASE("explain: guesses at execution where there is no program") {
    Guest m;
    m.cpu.ip = 3;
    stack(m, {0x207});
    m.put<u16>(0x205, 0xD0FF); // call eax
    const Told t = run(m, {0x0F, 0x0B});
    says(t, "A guess: what is executed are the vectors of real mode");
    says(t, "A guess: on the stack lies 00000207h, the address behind call eax");
    m.cpu.ip = 0x600;
    says(told(explain_next(m.cpu)), "A guess: what is executed are zeroes");
    m.put<u8>(0x607, 0x90);
    keeps_quiet(told(explain_next(m.cpu)), "zeroes");
}

TEST_CASE("explain: guesses at a handler's return") {
    Guest m;
    stack(m, {2, 0x100, code0}); // an error code below the frame
    says(run(m, {0xCF}), "A guess: the handler has left the error code (0002h) on the stack");
    Guest n;
    stack(n, {0x100, code3 & ~3u, 2, 0x8000, data3});
    says(run(n, {0xCF}), "with RPL 3, which is 001Bh, is meant");
}

TEST_CASE("explain: the past of what decided") {
    test::DebugSession gb;
    gb.machine->run(never, 1);
    gb.timeline->begin({});
    Cpu& cpu = gb.machine->cpu();
    const std::vector<u8> code{0xC7, 0x06, 0x00, 0x06, 0x05, 0x00, 0x90, 0x90}; // mov word [600h], 5
    REQUIRE(write_linear_by_hand(cpu, 0x7C00, code));
    for (const char* segment : {"cs", "ds"}) REQUIRE(write_register(cpu, segment, 0));
    REQUIRE(write_register(cpu, "eip", 0x7C00));
    gb.debugger->changed();
    REQUIRE(gb.debugger->resume({.kind = Plan::Kind::step, .count = 3}));
    gb.debugger->run_to_stop();
    REQUIRE(cpu.ip == 0x7C08);
    const u64 before = gb.machine->state_hash();

    Evidence evidence;
    evidence.instructions = gb.machine->instructions();
    evidence.places = {{"the word", 0x600, 2}, {"the next word", 0x602, 2}};
    evidence.idt_missing = true;
    const Told t = told(explain::tell_past(*gb.debugger, evidence));
    says(t, "the word was written last at 0000:7C00 (mov word ptr [0x0600], 0x05), 3 instructions before.");
    says(t, "instructions none has written the next word.");
    says(t, "instructions none has executed LIDT.");
    CHECK(gb.machine->state_hash() == before);
    CHECK(gb.machine->instructions() == evidence.instructions);

    evidence.places = {{"the word", 0x600, 2}};
    evidence.idt_missing = false;
    evidence.instructions -= 3; // before it was written
    says(told(explain::tell_past(*gb.debugger, evidence)), "none has written the word.");
    CHECK(gb.machine->state_hash() == before);
}

TEST_CASE("a triple fault is told once before it resets the board, unless the guest means it") {
    for (const u8 intended : {u8{0}, u8{5}}) {
        CAPTURE(intended);
        MachineConfig config;
        config.memory_bytes = 1 << 20;
        const auto created = glassbox::Machine::create(config, {});
        REQUIRE_MESSAGE(created.has_value(), created.error().message);
        glassbox::Machine& machine = **created;
        unsigned told = 0;
        machine.board().on_triple_fault = [&] {
            ++told;
            CHECK(machine.cpu().shutdown);
            CHECK(summarize_triple_fault(machine).starts_with("Triple fault: #UD"));
        };
        for (unsigned time = 0; time < 2; ++time) {
            Cpu& cpu = machine.cpu();
            REQUIRE(machine.run(never, machine.instructions() + 1) == StopReason::limit); // out of the reset
            machine.board().rtc.set_cmos(0x0F, intended);
            cpu.idtr = {.base = 0, .limit = 0};
            REQUIRE(write_register(cpu, "cs", 0x1000).has_value());
            REQUIRE(write_register(cpu, "ip", 0).has_value());
            const std::array<u8, 2> ud2{0x0F, 0x0B};
            machine.board().memory.write_block(PhysAddress{0x10000}, ud2);
            CHECK(machine.run(never, machine.instructions() + 3) == StopReason::limit);
            CHECK(!cpu.shutdown);
            CHECK(cpu.idtr.limit != 0); // it has been reset
        }
        CHECK(told == (intended == 0 ? 1 : 0));
    }
}
