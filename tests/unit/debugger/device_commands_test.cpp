// The device commands as they are typed: their arguments, what they refuse, and that all but `irq` leave the guest
// alone.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "machine/board.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include "debug_session.hpp"

#include <doctest/doctest.h>
#include <memory>
#include <string>

using namespace glassbox;

namespace {

struct Session : test::DebugSession {
    explicit Session(unsigned processors = 1) : DebugSession(test::demo_machine(processors)) {}
};

} // namespace

TEST_CASE("devices: every command shows something, and none changes the guest") {
    Session session(2);
    const u64 before = session.machine->state_hash();
    for (const Command& command : device_commands()) {
        if (command.group == "Change") continue;
        CAPTURE(command.name);
        const std::string shown = session(command.name);
        CHECK_FALSE(shown.starts_with("error"));
        CHECK(shown.ends_with('\n'));
        CHECK(command.help.find(command.name) != std::string_view::npos); // an example
    }
    for (const char* line : {"apic 1", "rtc cmos", "vga dac", "pci 0:1.1", "pci 2.0", "uart 1", "ports 0x64"}) {
        CAPTURE(line);
        CHECK_FALSE(session(line).starts_with("error"));
    }
    CHECK(session.machine->state_hash() == before);
}

TEST_CASE("devices: what does not exist is said to be so") {
    Session session;
    CHECK(session("apic 1").starts_with("error: the processor is a number from 0 to 0"));
    CHECK(session("uart 2") == "error: there is no COM2: the machine has 1");
    CHECK(session("uart 0") == "error: there is no COM0: the machine has 1");
    CHECK(session("pci 0:5.0") == "error: there is no PCI function 0:5.0 (pci lists them)");
    CHECK(session("pci 1:0.0") == "error: there is no PCI bus but 0");
    for (const char* line : {"pci x", "pci 0:1", "pci 0:1.", "pci 0:1.1x", "pci .1", "pci 99999999999.0"}) {
        CAPTURE(line);
        CHECK(session(line).find("is no PCI function") != std::string::npos);
    }
    CHECK(session("ports 0x10000").starts_with("error: the port is a number from 0 to 65535"));
    CHECK(session("pic 1").starts_with("error: nothing is expected behind the command"));
    CHECK(session("rtc ram").starts_with("error: nothing is expected behind the command"));
}

TEST_CASE("irq: a wire is driven beside its device, which keeps its own level") {
    Session session;
    Board& board = session.machine->board();
    const u64 before = session.machine->state_hash();
    CHECK(session("irq 5 on") == "IRQ 5 (LPT2) is high\n");
    CHECK(board.isa_irqs.level(5));
    CHECK(session.machine->state_hash() != before);
    CHECK(session("irqs").find("by hand") != std::string::npos);
    CHECK(session("irq 5 on") == "IRQ 5 (LPT2) is high, as it was: no edge\n");
    CHECK(session("irq 5 off") == "IRQ 5 (LPT2) is low\n");
    CHECK_FALSE(board.isa_irqs.level(5));

    board.isa_irqs.line(6).raise(); // the floppy controller's own
    CHECK(session("irq 6 pulse").starts_with("error: IRQ 6 (floppy) is high: a device, or irq 6 on, holds it"));
    CHECK(session("irq 6 off") == "IRQ 6 (floppy) is high: a device still drives it\n");
    board.isa_irqs.line(6).lower();
    CHECK_FALSE(board.isa_irqs.level(6));

    // A second pulse is a second edge: the 8259A requests again after the first was served.
    board.ports.write(Port{0x20}, 1, 0x11);
    for (const unsigned value : {0x20u, 0x04u, 0x01u, 0x00u}) board.ports.write(Port{0x21}, 1, value);
    const std::string risen = "IRQ 3 (COM2/COM4) has risen, and falls when the 8259A's request is acknowledged\n";
    CHECK(session("irq 3 pulse") == risen);
    CHECK(board.pic.master().irr() == 0x08);
    CHECK(board.isa_irqs.level(3));
    const auto interrupt = [&] { return board.processors.apic(0).acknowledge(); }; // LINT0 is ExtINT
    CHECK(interrupt() == 0x23);
    CHECK_FALSE(board.isa_irqs.level(3));
    board.ports.write(Port{0x20}, 1, 0x20);
    CHECK(board.pic.master().irr() == 0);
    CHECK(session("irq 3 pulse") == risen);
    CHECK(board.pic.master().irr() == 0x08);
    CHECK(session("irq 3 pulse") == risen); // again, before it was taken
    CHECK(interrupt() == 0x23);
    board.ports.write(Port{0x20}, 1, 0x20);

    // Level-triggered, and on the slave: one interrupt, not as many as the wire is high for.
    board.ports.write(Port{0xA0}, 1, 0x11);
    for (const unsigned value : {0x28u, 0x02u, 0x01u, 0x00u}) board.ports.write(Port{0xA1}, 1, value);
    board.ports.write(Port{0x4D1}, 1, 0x04);
    CHECK(session("irq 10 pulse").find("falls when") != std::string::npos);
    CHECK(interrupt() == 0x2A);
    CHECK_FALSE(board.isa_irqs.level(10));
    CHECK(board.pic.slave().irr() == 0);

    board.ports.write(Port{0x21}, 1, 0x20);
    CHECK(session("irq 5 pulse") == "IRQ 5 (LPT2) has risen and fallen: the 8259A masks it\n");
    CHECK_FALSE(board.isa_irqs.level(5));
}

TEST_CASE("irq: bad numbers and levels are refused") {
    Session session;
    CHECK(session("irq").starts_with("error: the IRQ is missing"));
    CHECK(session("irq 16 on").starts_with("error: the IRQ is a number from 0 to 15"));
    CHECK(session("irq 2 on").starts_with("error: IRQ 2 is the cascade"));
    CHECK(session("irq 5").starts_with("error: write on, off or pulse"));
    CHECK(session("irq 5 up").starts_with("error: write on, off or pulse"));
    CHECK(session("irq 5 on off").starts_with("error: nothing is expected"));
}
