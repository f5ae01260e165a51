// `explain` as the console gives it: the last fault from the log, what comes next, addresses and tables, and what is
// refused.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "debugger/explain/explain.hpp"
#include "debugger/view.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include "debug_session.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <string>
#include <vector>

using namespace glassbox;

namespace {

MachineConfig stopping_machine() {
    MachineConfig config = test::demo_machine();
    config.stop_on_triple_fault = true;
    return config;
}

struct Session : test::DebugSession {
    Session() : DebugSession(stopping_machine()) {
        machine->run(never, 1); // RESET has been taken
    }
    /// Puts code at 0000:7C00 and stands there.
    void code(std::vector<u8> bytes) {
        Cpu& cpu = machine->cpu();
        REQUIRE(write_linear_by_hand(cpu, 0x7C00, bytes));
        REQUIRE(write_register(cpu, "cs", 0));
        REQUIRE(write_register(cpu, "ss", 0));
        REQUIRE(write_register(cpu, "esp", 0x7000));
        REQUIRE(write_register(cpu, "eip", 0x7C00));
        debugger->changed();
    }
    void step() {
        REQUIRE(debugger->resume({.kind = Plan::Kind::step}));
        debugger->run_to_stop();
    }
    /// The text, or the error's message behind "error: "; without line ends.
    std::string operator()(std::string_view line) {
        const std::string out = DebugSession::operator()(line);
        if (out.starts_with("error: ")) return out;
        std::string flat;
        for (const char c : out) {
            if (c != '\n' && c != ' ')
                flat += c;
            else if (flat.empty() || flat.back() != ' ')
                flat += ' ';
        }
        return flat;
    }
};

bool has(const std::string& text, std::string_view words) { return text.find(words) != std::string::npos; }
#define SAYS(text, words)                                                                                              \
    do {                                                                                                               \
        const std::string t_ = (text);                                                                                 \
        CHECK_MESSAGE(has(t_, words), t_);                                                                             \
    } while (false)

} // namespace

TEST_CASE("explain: the last fault, also when its handler runs already, and none when there was none") {
    Session gb;
    SAYS(gb("explain"), "No fault of this processor has been seen");
    gb.code({0xF7, 0xF3}); // div bx
    REQUIRE(write_register(gb.machine->cpu(), "ebx", 0));
    SAYS(gb("explain next"), "The divisor is 0 (SDM 3A 6.15, interrupt 0). → so the division has no result: #DE.");
    gb.step();
    const std::string told = gb("why");
    SAYS(told, "#DE (divide error) at 0000:7C00, real mode, CPL 0");
    SAYS(told, "The divisor is 0");
    SAYS(gb("explain fault"), "#DE (divide error)");
}

TEST_CASE("explain: addresses, vectors, tables and registers by command") {
    Session gb;
    gb.code({0x90});
    SAYS(gb("explain next"), "Nothing that is checked before it executes denies it.");
    SAYS(gb("explain 0:7c00h"), "In real mode 0000:7C00 is linear address 0000h * 10h + 7C00h = 00007C00h");
    SAYS(gb("explain phys(0xa0000)"), "device");
    SAYS(gb("explain 0xfffffff0"), "there is");
    SAYS(gb("explain interrupt 10h"), "Vector 10h of the table at 00000h is");
    SAYS(gb("explain int 256"), "error: the vector is too large");
    SAYS(gb("explain selector 1234h"), "base 12340h");
    SAYS(gb("explain cr0"), "PE = 0 real mode");
    SAYS(gb("explain flags"), "IOPL = 0");
    SAYS(gb("explain register eax"), "error: 'eax' is not a register of bits");
    SAYS(gb("explain register"), "error: the register is missing");
    SAYS(gb("explain error 0x12 gp"), "IDT=1, the gate of vector 02h");
    SAYS(gb("explain error 5 PF"), "U/S=1");
    SAYS(gb("explain error 5"), "As #PF pushes it");
    SAYS(gb("explain error"), "error: the error code is missing");
    SAYS(gb("explain selector 8 9"), "error: nothing is expected behind that");
    CHECK(gb("explain nonsense_symbol").starts_with("error: "));
}

TEST_CASE("explain: a shutdown, from the console and without it") {
    Session gb;
    gb.code({0x0F, 0x0B}); // ud2
    REQUIRE(write_register(gb.machine->cpu(), "idtr.limit", 0));
    gb.debugger->changed();
    REQUIRE(gb.debugger->resume({}));
    gb.debugger->run_to_stop();
    REQUIRE(gb.machine->cpu().shutdown);
    const std::string told = gb("explain");
    SAYS(told, "1. The first fault: #UD (invalid opcode)");
    SAYS(told, "2. The second fault: #GP (general protection)");
    SAYS(told, "of the interrupt table, whose limit is 0000h");
    SAYS(told, "EIP=00007C00");
    CHECK(explain_triple_fault(*gb.machine).find("The first fault") != std::string::npos);
}
