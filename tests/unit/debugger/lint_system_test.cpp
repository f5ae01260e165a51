// Lint, what concerns the system around the instructions: translations, interrupts, ports.
#include "lint_fixture.hpp"

using namespace glassbox;
using namespace glassbox::lint_test;

namespace {

struct Interrupted : Guest {
    /// 8259A at vectors 20h and 28h; the handler of IRQ 3 at 3000h.
    explicit Interrupted(const std::vector<u8>& handler) : Guest("486") {
        PortBus& ports = machine->board().ports;
        for (const auto& [port, value] :
             std::initializer_list<std::pair<u16, u8>>{{0x20, 0x11}, {0x21, 0x20}, {0x21, 4}, {0x21, 1}, {0x21, 0}})
            ports.write(Port{port}, 1, value);
        fill(0, 0x400);
        fill(0x7F00, 0x100);
        write(0x23 * 4, {0x00, 0x30, 0, 0});
        write(0x3000, handler);
        cpu().idtr = {0, 0x3FF};
        lint->clear();
    }
    void interrupt() { machine->board().pic.set_irq(3, true); } // an edge
};

} // namespace

TEST_CASE("lint: a translation is used after its entry has changed") {
    Paged g;
    g.run({0x8A, 0x0B, 0x89, 0x07, 0x8A, 0x0B, 0x90}, 4); // MOV CL, [EBX]; MOV [EDI], EAX; MOV CL, [EBX]
    const std::string text = g.only(LintKind::stale_translation);
    CHECK(has(text, "reaches page 00300000 by a translation whose entry maps another page"));
    CHECK(has(text, "since the change at 00001002"));
    CHECK(g.lint->warnings()[0].linear == 0x1004);

    Paged flushed;
    flushed.run({0x8A, 0x0B, 0x89, 0x07, 0x0F, 0x01, 0x3B, 0x8A, 0x0B, 0x90}, 5); // INVLPG [EBX]
    flushed.quiet();
    Paged unused;
    unused.run({0x8A, 0x0B, 0x89, 0x07, 0x8A, 0x4B, 0x90, 0x90}, 2);
    unused.quiet();
    Paged aged; // the accessed and dirty bits alone
    aged.cpu().gpr[RAX] = 0x2'0000 | 7;
    aged.run({0x8A, 0x0B, 0x89, 0x07, 0x8A, 0x0B, 0x90}, 4);
    aged.quiet();
    Paged read_only; // reading by it is no offence, writing is
    read_only.cpu().gpr[RAX] = 0x2'0000 | 5;
    read_only.run({0x88, 0x0B, 0x89, 0x07, 0x8A, 0x0B, 0x90}, 4); // MOV [EBX], CL; MOV [EDI], EAX; MOV CL, [EBX]
    read_only.quiet();
    read_only.run({0x88, 0x0B, 0x90}, 2, 0x1100);
    CHECK(has(read_only.only(LintKind::stale_translation), "does not allow writes any more"));
    Paged gone;
    gone.cpu().gpr[RAX] = 0;
    gone.run({0x8A, 0x0B, 0x89, 0x07, 0x8A, 0x0B, 0x90}, 4);
    CHECK(has(gone.only(LintKind::stale_translation), "is not present any more"));
}

TEST_CASE("lint: a directory entry's PS without CR4.PSE") {
    Paged g;
    g.write32(Paged::directory, Paged::table | 0x87);
    g.run({0x8A, 0x0B, 0x90}, 2);
    CHECK(g.count(LintKind::reserved_bits) != 0);
    CHECK(has(g.lint->warnings()[0].text, "bit 7 (PS)"));
}

TEST_CASE("lint: code that was written through another linear address needs a serialising instruction (SDM 3A 9.1.3)") {
    // MOV BYTE [EBX + 1101h], 40h: 1101h by 30'1000h; then CALL 1100h
    const std::vector<u8> modify{0xC6, 0x83, 0x00, 0x11, 0x00, 0x00, 0x40};
    for (const bool serialised : {false, true}) {
        Paged g;
        g.fill(0x7F00, 0x100);
        g.cpu().gpr[RSP] = 0x8000;
        g.write(0x1100, {0x90, 0xC3});
        std::vector<u8> code{0xE8, 0xFB, 0x00, 0x00, 0x00}; // CALL 1100h
        code.insert(code.end(), modify.begin(), modify.end());
        if (serialised)
            code.insert(code.end(), {0x0F, 0xA2}); // CPUID
        else
            code.insert(code.end(), {0x90, 0x90});
        code.insert(code.end(), {0xB9, 0x00, 0x11, 0x00, 0x00, 0xFF, 0xD1, 0x90}); // MOV ECX, 1100h; CALL ECX
        g.run(code, 9);
        CHECK(g.machine->board().memory.read(PhysAddress{0x1100}, 1) == 0x40);
        if (serialised)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::modified_code), "was written through linear page 00301000"));
    }
}

TEST_CASE("lint: an interrupt's service returns without an EOI, and the guest waits for the next") {
    Interrupted g({0xCF}); // IRET
    g.write(0x1000, {0xFB, 0xF4, 0xF4, 0xEB, 0xFD});
    g.cpu().ip = 0x1000;
    g.go(2);
    g.interrupt();
    g.machine->run(g.machine->now() + millisecond, ~u64{0});
    CHECK(g.machine->board().pic.master().isr() == 8);
    const std::string text = g.only(LintKind::missing_eoi);
    CHECK(has(text, "returns from vector 23h (8259A, IRQ 3) without an EOI"));
    CHECK(g.lint->warnings()[0].linear == 0x3000);

    Interrupted good({0xB0, 0x20, 0xE6, 0x20, 0xCF}); // MOV AL, 20h; OUT 20h, AL
    good.write(0x1000, {0xFB, 0xF4, 0xF4, 0xEB, 0xFD});
    good.cpu().ip = 0x1000;
    good.go(2);
    good.interrupt();
    good.machine->run(good.machine->now() + millisecond, ~u64{0});
    good.quiet();
    CHECK(good.cpu().r16(RAX) == 0x20); // the handler was there

    Interrupted later({0xCF}); // the main program gives it, before it waits
    later.write(0x1000, {0xFB, 0x90, 0x90, 0x90, 0xB0, 0x20, 0xE6, 0x20, 0xF4, 0xEB, 0xFE});
    later.cpu().ip = 0x1000;
    later.go(2);
    later.interrupt();
    later.machine->run(later.machine->now() + millisecond, ~u64{0});
    later.quiet();
}

TEST_CASE("lint: the 8254 wants a latch, the MC146818 a look at UIP, the 8042 one at its input buffer") {
    Guest torn;
    torn.run({0xB0, 0x34, 0xE6, 0x43, 0xE4, 0x40, 0x90}, 4); // counter 0, two bytes; IN AL, 40h
    CHECK(has(torn.only(LintKind::port_timing), "counter 0 without a latch"));
    Guest latched;
    latched.run({0xB0, 0x34, 0xE6, 0x43, 0xB0, 0x00, 0xE6, 0x43, 0xE4, 0x40, 0xE4, 0x40, 0x90}, 7);
    latched.quiet();
    latched.run({0xE4, 0x40, 0x90}, 2, 0x1100); // a third byte
    CHECK(latched.count(LintKind::port_timing) == 1);
    Guest read_back;
    read_back.run({0xB0, 0x34, 0xE6, 0x43, 0xB0, 0xC2, 0xE6, 0x43, 0xE4, 0x40, 0xE4, 0x40, 0xE4, 0x40, 0x90}, 8);
    read_back.quiet();

    Guest clock;
    clock.run({0xB0, 0x00, 0xE6, 0x70, 0xE4, 0x71, 0x90}, 4); // seconds
    CHECK(has(clock.only(LintKind::port_timing), "UIP"));
    Guest looked;
    looked.run({0xB0, 0x0A, 0xE6, 0x70, 0xE4, 0x71, 0xB0, 0x00, 0xE6, 0x70, 0xE4, 0x71, 0x90}, 7);
    looked.quiet();
    Guest dropped; // what is read is written over: MOV AL, 1
    dropped.run({0xB0, 0x00, 0xE6, 0x70, 0xE4, 0x71, 0xB0, 0x01, 0x90}, 5);
    dropped.quiet();
    Guest other;
    other.run({0xB0, 0x10, 0xE6, 0x70, 0xE4, 0x71, 0x90}, 4); // a byte of CMOS RAM
    other.quiet();

    Guest keyboard;
    keyboard.run({0xB0, 0xAD, 0xE6, 0x64, 0x90}, 3);
    CHECK(has(keyboard.only(LintKind::port_timing), "input buffer"));
    Guest polite;
    polite.run({0xE4, 0x64, 0xB0, 0xAD, 0xE6, 0x64, 0x90}, 4);
    polite.quiet();
}

TEST_CASE("lint: chips on a bus of their time need a pause between accesses") {
    const std::vector<u8> hasty{0xE6, 0x21, 0xB0, 0x01, 0xE6, 0x21, 0x90};
    Guest g("486");
    g.run(hasty, 4);
    CHECK(has(g.only(LintKind::port_timing), "right after out"));
    Guest modern;
    modern.run(hasty, 4);
    modern.quiet();
    Guest patient("486");
    patient.run({0xE6, 0x21, 0xEB, 0x00, 0xE6, 0x21, 0x90}, 4); // JMP $+2
    patient.quiet();
    Guest elsewhere("486");
    elsewhere.run({0xE6, 0x21, 0xE6, 0x80, 0xE6, 0x21, 0x90}, 4);
    elsewhere.quiet();
}
