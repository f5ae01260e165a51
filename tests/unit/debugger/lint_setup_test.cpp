// Lint, what must be set up: interrupt controllers, modes, tables, DMA, the edges of memory, disks.
#include "cpu/fault.hpp"
#include "lint_fixture.hpp"

using namespace glassbox;
using namespace glassbox::lint_test;

namespace {

/// Both 8259As, the slave's vectors at 28h; `icw4` 3: automatic EOI. All handlers are at 3000h, in real mode.
struct Interrupted : Guest {
    explicit Interrupted(const std::vector<u8>& handler, u8 icw4 = 1, u8 base = 0x20) : Guest("486") {
        program(base, icw4);
        fill(0, 0x400);
        fill(0x7F00, 0x100);
        for (u64 vector = 0; vector < 0x100; ++vector) write(vector * 4, {0x00, 0x30, 0, 0});
        write(0x3000, handler);
        cpu().idtr = {0, 0x3FF};
        write(0x1000, {0xFB, 0xF4, 0xF4, 0xEB, 0xFD}); // STI; HLT; HLT; JMP $-1
        lint->clear();
    }
    void program(u8 base, u8 icw4) {
        PortBus& ports = machine->board().ports;
        for (const auto& [port, value] : std::initializer_list<std::pair<u16, u8>>{{0x20, 0x11},
                                                                                   {0x21, base},
                                                                                   {0x21, 4},
                                                                                   {0x21, icw4},
                                                                                   {0x21, 0},
                                                                                   {0xA0, 0x11},
                                                                                   {0xA1, static_cast<u8>(base + 8)},
                                                                                   {0xA1, 2},
                                                                                   {0xA1, icw4},
                                                                                   {0xA1, 0}})
            ports.write(Port{port}, 1, value);
    }
    void run_with(unsigned irq) {
        cpu().ip = 0x1000;
        go(2);
        machine->board().pic.set_irq(irq, true); // an edge
        machine->run(machine->now() + millisecond, ~u64{0});
    }
};

/// Flat 32-bit code: selector 8 is code, 10h data, 18h nothing; all gates lead to 3000h.
struct Protected : Guest {
    explicit Protected(const std::vector<u8>& handler, const char* model = "max") : Guest(model) {
        fill(0x2000, 0x1000);
        fill(0x7F00, 0x100);
        fill(0x9000, 0x800);
        write32(0x2008, 0xFFFF);
        write32(0x200C, 0x00CF'9B00);
        write32(0x2010, 0xFFFF);
        write32(0x2014, 0x00CF'9300);
        for (u64 vector = 0; vector < 0x100; ++vector) {
            write32(0x9000 + 8 * vector, 0x0008'3000);
            write32(0x9000 + 8 * vector + 4, 0x8E00);
        }
        write(0x3000, handler);
        flat();
        cpu().gdtr = {0x2000, 0x1F};
        cpu().idtr = {0x9000, 0x7FF};
        cpu().seg[CS].selector = 8;
        lint->clear();
    }
};

const std::vector<u8> iret{0xCF};

} // namespace

TEST_CASE("lint: which EOI was enough") {
    const std::vector<u8> master{0xB0, 0x20, 0xE6, 0x20, 0xCF}, slave{0xB0, 0x20, 0xE6, 0xA0, 0xCF},
        both{0xB0, 0x20, 0xE6, 0xA0, 0xEB, 0x00, 0xE6, 0x20, 0xCF}, specific{0xB0, 0x63, 0xE6, 0x20, 0xCF},
        wrong{0xB0, 0x64, 0xE6, 0x20, 0xCF};
    struct Case {
        const std::vector<u8>& handler;
        unsigned irq;
        u8 icw4;
        const char* says; ///< null: nothing
    };
    for (const Case& c : std::initializer_list<Case>{{master, 3, 1, nullptr},
                                                     {specific, 3, 1, nullptr},
                                                     {wrong, 3, 1, "vector 23h (8259A, IRQ 3) without an EOI"},
                                                     {iret, 3, 3, nullptr},
                                                     {iret, 10, 1, "vector 2Ah (8259A, IRQ 10) without an EOI"},
                                                     {slave, 10, 1, "IRQ 10) with an EOI to the slave only"},
                                                     {master, 10, 1, "vector 2Ah (8259A, IRQ 10) without an EOI"},
                                                     {both, 10, 1, nullptr},
                                                     {iret, 10, 3, nullptr}}) {
        CAPTURE(c.irq);
        Interrupted g(c.handler, c.icw4);
        g.run_with(c.irq);
        if (c.says)
            CHECK(has(g.only(LintKind::missing_eoi), c.says));
        else
            g.quiet();
    }
}

TEST_CASE("lint: the local APIC's EOI") {
    const std::vector<u8> eoi{0xC7, 0x05, 0xB0, 0x00, 0xE0, 0xFE, 0, 0, 0, 0, 0xCF}; // MOV DWORD [FEE000B0h], 0
    for (const bool given : {false, true}) {
        Protected g(given ? eoi : iret);
        g.machine->board().memory.write(PhysAddress{0xFEE0'00F0}, 4, 0x1FF);
        g.write(0x1000, {0xFB, 0xC7, 0x05, 0x00, 0x03, 0xE0, 0xFE, 0x40, 0x00, 0x04, 0x00, 0xF4, 0xEB, 0xFD});
        g.cpu().ip = 0x1000; // STI; MOV DWORD [FEE00300h], 4'0040h (itself); HLT; JMP $-1
        g.machine->run(g.machine->now() + millisecond, ~u64{0});
        if (given)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::missing_eoi), "vector 40h (local APIC)"));
    }
}

TEST_CASE("lint: interrupts at exceptions' vectors, in protected mode only") {
    const std::vector<u8> handler{0xB0, 0x20, 0xE6, 0x20, 0xCF};
    Interrupted real(handler, 1, 8);
    real.run_with(3);
    real.quiet();
    for (const u8 base : {u8{8}, u8{0x20}}) {
        Protected g(handler, "486");
        PortBus& ports = g.machine->board().ports;
        for (const auto& [port, value] :
             std::initializer_list<std::pair<u16, u8>>{{0x20, 0x11}, {0x21, base}, {0x21, 4}, {0x21, 1}, {0x21, 0}})
            ports.write(Port{port}, 1, value);
        g.lint->clear();
        g.write(0x1000, {0xFB, 0xF4, 0xEB, 0xFD});
        g.cpu().ip = 0x1000;
        g.go(2);
        g.machine->board().pic.set_irq(0, true);
        g.machine->run(g.machine->now() + millisecond, ~u64{0});
        if (base == 8)
            CHECK(has(g.only(LintKind::interrupt_setup), "entered for IRQ 0 at vector 08h"));
        else
            g.quiet();
    }
}

TEST_CASE("lint: an EOI for a spurious IRQ 7 ends what it should not") {
    for (const bool other : {false, true}) {
        Interrupted g({0x90});
        if (other) { // IRQ 3 is in service
            g.run_with(3);
            g.lint->clear();
            REQUIRE(g.machine->board().pic.master().isr() == 8);
        }
        g.lint->delivered(g.cpu(), 0x27, InterruptKind::hardware, 0x1002);
        g.run({0xB0, 0x20, 0xE6, 0x20, 0x90}, 3, 0x1100);
        CHECK(g.count(LintKind::interrupt_setup) == (other ? 1 : 0));
        if (other) CHECK(has(g.lint->warnings()[0].text, "spurious IRQ 7"));
    }
}

TEST_CASE("lint: behind the MOV that changes CR0.PE comes a far jump (SDM 3A 9.9.1)") {
    struct Case {
        std::vector<u8> between;
        bool fine;
    };
    for (const Case& c : {Case{{}, true}, Case{{0xEB, 0x00}, true}, Case{{0x90}, false}}) {
        Guest g;
        g.fill(0x2000, 0x100);
        g.write32(0x2008, 0xFFFF);
        g.write32(0x200C, 0x0000'9B00); // 16-bit code
        g.cpu().gdtr = {0x2000, 0x0F};
        std::vector<u8> code{0x0F, 0x20, 0xC0, 0x0C, 0x01, 0x0F, 0x22, 0xC0}; // MOV EAX, CR0; OR AL, 1; MOV CR0, EAX
        code.insert(code.end(), c.between.begin(), c.between.end());
        code.insert(code.end(), {0xEA, 0x00, 0x11, 0x08, 0x00}); // JMP 8:1100h
        g.write(0x1100, {0x90, 0x90});
        g.run(code, 5 + (c.between.empty() ? 0 : 1));
        CHECK(g.cpu().seg[CS].selector == 8);
        if (c.fine)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::mode_switch), "sets PE, and is no far jump"));
    }
}

TEST_CASE("lint: behind the MOV that clears CR0.PE too (SDM 3A 9.9.2)") {
    Guest g;
    g.flat();
    g.run({0x0F, 0x20, 0xC0, 0x24, 0xFE, 0x0F, 0x22, 0xC0, 0x90, 0x90}, 4);
    CHECK(has(g.only(LintKind::mode_switch), "clears PE, and is no far jump"));
}

TEST_CASE("lint: the code that turns paging on must be mapped to where it is") {
    for (const u32 entry : {0x1007u, 0x3007u, 0u}) {
        Paged g;
        g.cpu().cr0 &= ~cr0::PG;
        g.cpu().flush_tlb(false);
        g.cpu().update_mode();
        g.fill(0x3000, 0x1000);
        g.write32(Paged::table + 4, entry);
        g.lint->clear();
        g.cpu().gpr[RAX] = g.cpu().cr0 | cr0::PG;
        g.run({0x0F, 0x22, 0xC0, 0x90}, 1);
        INFO(g.lint->summary());
        if (entry == 0x1007)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::mode_switch),
                      entry ? "00001003 is at physical 00003003" : "not mapped by the new tables"));
    }
}

TEST_CASE("lint: limits of descriptor tables are 8n - 1") {
    struct Case {
        u8 digit;
        u16 limit;
        bool flat, fine;
    };
    for (const Case& c :
         {Case{2, 0x17, false, true}, Case{2, 0x18, false, false}, Case{3, 0x3FF, false, true}, Case{3, 0, true, true},
          Case{3, 0x7FF, true, true}, Case{3, 0x800, true, false}, Case{2, 0x28, true, false}}) {
        Guest g;
        g.fill(0x5000, 0x10);
        g.write(0x5000, {static_cast<u8>(c.limit), static_cast<u8>(c.limit >> 8)});
        if (c.flat) g.flat();
        std::vector<u8> code{0x0F, 0x01, static_cast<u8>((c.digit << 3) | (c.flat ? 5 : 6)), 0x00, 0x50};
        if (c.flat) code.insert(code.end(), {0, 0});
        code.push_back(0x90);
        g.run(code, 1);
        CAPTURE(c.limit);
        if (c.fine)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::descriptor_tables), "which is not 8n - 1"));
    }
}

TEST_CASE("lint: an interrupt pushes a CS that the GDT does not know any more") {
    for (const u16 selector : {u16{8}, u16{0x10}, u16{0x18}, u16{0x28}}) {
        Protected g({0x90});
        g.cpu().seg[CS].selector = selector;
        g.run({0xCD, 0x30, 0x90}, 1);
        if (selector == 8)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::descriptor_tables), "names no code segment there any more"));
    }
    Protected error({0x90}); // below an error code: MOV DS, a selector beyond the GDT
    error.cpu().seg[CS].selector = 0x10;
    error.cpu().gpr[RAX] = 0x80;
    error.run({0x8E, 0xD8, 0x90}, 2);
    CHECK(error.count(LintKind::descriptor_tables) == 1);
}

TEST_CASE("lint: DMA across 64 KiB") {
    struct Case {
        u16 address, count; ///< as the chip has them: the count less one
        u8 mode;
        bool fine;
    };
    for (const Case& c : {Case{0xFE00, 0x1FF, 0x46, true}, Case{0xFE01, 0x1FF, 0x46, false},
                          Case{0, 0xFFFF, 0x46, true}, Case{0xFE01, 0x1FF, 0x42, true}, // a verification moves nothing
                          Case{0x1FF, 0x1FF, 0x66, true},                               // downwards
                          Case{0x1FE, 0x1FF, 0x66, false}}) {
        Guest g;
        PortBus& ports = g.machine->board().ports;
        const auto out = [&](u16 port, unsigned value) { ports.write(Port{port}, 1, value & 0xFF); };
        out(0x0C, 0);
        out(0x0B, c.mode);
        out(0x04, c.address);
        out(0x04, c.address >> 8);
        out(0x05, c.count);
        out(0x05, c.count >> 8);
        out(0x81, 0x03);
        g.lint->clear();
        g.run({0xB0, 0x02, 0xE6, 0x0A, 0x90}, 3);
        if (c.fine)
            g.quiet();
        else
            CHECK(has(g.only(LintKind::dma_boundary), "on channel 2"));
    }
}

TEST_CASE("lint: odd megabytes while A20 is low, but for one look") {
    Guest g;
    g.flat();
    g.fill(0, 0x1'0000);
    g.machine->board().memory.set_a20(false);
    g.run({0xA0, 0x00, 0x00, 0x10, 0x00, 0x90}, 2); // MOV AL, [10'0000h]
    g.quiet();
    g.run({0xA0, 0x00, 0x10, 0x10, 0x00, 0x90}, 2, 0x1100);
    CHECK(has(g.only(LintKind::address_line_20), "page 00101000 while A20 is held low: it is page 00001000"));
    Guest open;
    open.flat();
    open.fill(0x10'0000, 0x2000);
    open.run({0xA0, 0x00, 0x00, 0x10, 0x00, 0xA0, 0x00, 0x10, 0x10, 0x00, 0x90}, 3);
    open.quiet();
}

TEST_CASE("lint: memory where no chip answers, but for one look") {
    Guest g;
    g.flat();
    g.run({0xA1, 0x00, 0x00, 0x00, 0xC0, 0xA1, 0x00, 0x00, 0x00, 0xC0, 0x90}, 3); // MOV EAX, [C000'0000h] twice
    g.quiet();
    g.run({0xA1, 0x04, 0x00, 0x00, 0xC0, 0x90}, 2, 0x1100);
    CHECK(has(g.only(LintKind::unbacked_memory), "reads 4 bytes at physical C0000004"));
    Guest device; // the local APIC answers
    device.flat();
    device.run({0xA1, 0x20, 0x00, 0xE0, 0xFE, 0xA1, 0x30, 0x00, 0xE0, 0xFE, 0x90}, 3);
    device.quiet();
}

TEST_CASE("lint: a disk's command needs a look at BSY and DRQ (ATA/ATAPI-6 7.4)") {
    const std::vector<u8> command{0xBA, 0x77, 0x01, 0xB0, 0x08, 0xB0, 0xE1, 0xEE, 0x90}; // MOV DX, 177h … OUT DX, AL
    Guest blind;
    blind.run(command, 5);
    CHECK(has(blind.only(LintKind::port_timing), "the disk command E1h"));
    Guest looked; // IN AL, DX first
    looked.run({0xBA, 0x77, 0x01, 0xEC, 0xB0, 0xE1, 0xEE, 0x90}, 5);
    CAPTURE(looked.machine->board().ports.read(Port{0x177}, 1));
    looked.quiet();
    Guest reset;
    reset.run({0xBA, 0x77, 0x01, 0xB0, 0x08, 0xEE, 0x90}, 4); // DEVICE RESET
    reset.quiet();
}
