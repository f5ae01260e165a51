// Interrupts that cannot be delivered, far transfers, returns and task switches that are refused, and what shuts a
// processor down: the explanation's way against the processor's.
#include "explain_fixture.hpp"

#include "debugger/symbols/expression.hpp"

using namespace glassbox;
using namespace glassbox::explain_test;

namespace {

constexpr u32 handler = 0x7000;
void set_gate(Guest& m, unsigned vector, u16 selector, u32 rights, u32 offset = handler) {
    m.put<u64>(idt + 8 * vector, gate(selector, offset, rights));
}
constexpr u32 interrupt32 = 0xE, trap32 = 0xF, task_type = 5;
constexpr std::initializer_list<unsigned> int_30{0xCD, 0x30};

/// A far jump or call to selector:offset.
Told far(Guest& m, unsigned opcode, u16 selector, u32 offset = 0x7000) {
    return run(m, {opcode, offset & 0xFF, offset >> 8 & 0xFF, offset >> 16 & 0xFF, offset >> 24, selector & 0xFFu,
                   static_cast<unsigned>(selector >> 8)});
}
constexpr unsigned jmp = 0xEA, call = 0x9A;

void push(Guest& m, std::initializer_list<u32> values) { // the last one ends on top
    for (const u32 v : values) {
        m.cpu.set_r32(RSP, m.cpu.r32(RSP) - 4);
        m.put<u32>(m.cpu.r32(RSP), v);
    }
}

} // namespace

TEST_CASE("explain: gates that do not deliver") {
    Guest m;
    EXPLAINS(run(m, int_30), GP, 0x182,
             "The IDT may hold interrupt, trap and task gates alone; this entry is all zeroes");
    set_gate(m, 0x30, code0, access(interrupt32, 0, false));
    EXPLAINS(run(m, int_30), NP, 0x182, "The P bit of vector 30h's gate is 0");
    set_gate(m, 0x30, 0, access(interrupt32, 0));
    EXPLAINS(run(m, int_30), GP, 0, "The gate's selector is null");
    set_gate(m, 0x30, 0x1000, access(interrupt32, 0));
    EXPLAINS(run(m, int_30), GP, 0x1000, "whose limit is 0FFFh");
    set_gate(m, 0x30, data0, access(interrupt32, 0));
    EXPLAINS(run(m, int_30), GP, data0, "The gate must lead to a code segment");
    set_gate(m, 0x30, code3, access(interrupt32, 0));
    EXPLAINS(run(m, int_30), GP, code3 & ~3u, "DPL (3) is greater than CPL (0)");
    m.set_entry(probe, descriptor(0, 0xFFFFF, access(0x1B, 0, false), 0xC));
    set_gate(m, 0x30, probe, access(interrupt32, 0));
    EXPLAINS(run(m, int_30), NP, probe, "The code segment's P bit is 0");
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x1B, 0), 4));
    EXPLAINS(run(m, int_30), GP, 0, "The handler's offset 00007000h is beyond its segment's limit, 00000FFFh");
    m.cpu.idtr.limit = 0x17F;
    EXPLAINS(run(m, int_30), GP, 0x182, "takes bytes 180h to 187h of the IDT at 00003000h, whose limit is 017Fh");
    m.cpu.idtr.limit = 0x7FF;
    set_gate(m, 0x30, code0, access(interrupt32, 0));
    m.level(3);
    EXPLAINS(run(m, int_30), GP, 0x182, "the gate's DPL (0) must not be less than CPL (3)");
}

TEST_CASE("explain: the stack that a gate switches to") {
    Guest m;
    set_gate(m, 0x30, code0, access(interrupt32, 3));
    m.level(3);
    m.put<u32>(tss_a + 8, 0);
    EXPLAINS(run(m, int_30), TS, 0, "SS must not hold a null selector");
    m.put<u32>(tss_a + 8, data3);
    EXPLAINS(run(m, int_30), TS, data3 & ~3u, "RPL (3) must be the privilege level of the stack's code, 0");
    m.put<u32>(tss_a + 8, code0);
    EXPLAINS(run(m, int_30), TS, code0, "must be writable data");
    m.set_entry(probe, descriptor(0, 0xFFFF, access(0x13, 0, false), 4));
    m.put<u32>(tss_a + 8, probe);
    EXPLAINS(run(m, int_30), SS, probe, "for a stack segment that is #SS");
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x13, 0), 4));
    m.put<u32>(tss_a + 4, 0x1004);
    const Told t = run(m, int_30);
    EXPLAINS(t, SS, probe,
             "SS0:ESP0 at offset 04h of the TSS that TR holds (0028h, base 00004000h, limit 0FFFh) is "
             "0060:00001004 (SDM 3A 5.8.5).");
    CHECK(t.has("Of the 5 values to push, number 1 takes 4 bytes at SS:00001000h"));
    CHECK(t.has("segment ends at its limit, 00000FFFh"));
    m.cpu.tr.limit = 7;
    EXPLAINS(run(m, int_30), TS, sel_tss_a, "which is too short");
}

TEST_CASE("explain: task gates and task switches") {
    Guest m;
    set_gate(m, 0x30, 0x0C, access(task_type, 0));
    EXPLAINS(run(m, int_30), GP, 0x0C, "must name a TSS in the GDT");
    set_gate(m, 0x30, sel_tss_a, access(task_type, 0));
    EXPLAINS(run(m, int_30), GP, sel_tss_a, "must lead to an available TSS; this is a 32-bit TSS (busy)");
    m.set_entry(probe, descriptor(tss_b, 0x60, access(9, 0), 0));
    set_gate(m, 0x30, probe, access(task_type, 0));
    EXPLAINS(run(m, int_30), TS, probe, "The new TSS has limit 0060h; it must be at least 67h");
    m.set_entry(probe, descriptor(tss_b, 0x67, access(9, 0, false), 0));
    EXPLAINS(run(m, int_30), NP, probe, "The TSS descriptor's P bit is 0");
    m.cpu.eflags |= eflags::NT;
    m.put<u16>(tss_a, sel_tss_b);
    EXPLAINS(run(m, {0xCF}), TS, sel_tss_b, "The back link must lead to a busy TSS");
}

TEST_CASE("explain: far jumps, calls and call gates") {
    Guest m;
    EXPLAINS(far(m, jmp, 0), GP, 0, "CS must not hold a null selector");
    EXPLAINS(far(m, jmp, data0), GP, data0, "is a data segment: execution cannot go on there");
    EXPLAINS(far(m, jmp, code3), GP, code3 & ~3u, "CPL = DPL and RPL <= CPL; CPL is 0, DPL 3, RPL 3 (SDM 3A 5.8.1.1)");
    EXPLAINS(far(m, jmp, sel_ldt), GP, sel_ldt, "not to an LDT");
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x1B, 0), 4));
    EXPLAINS(far(m, call, probe), GP, 0, "beyond the code segment's limit, 00000FFFh");
    m.set_entry(probe, descriptor(0, 0xFFF, access(0x1B, 0, false), 4));
    EXPLAINS(far(m, jmp, probe), NP, probe, "The code segment's P bit is 0");
    m.set_entry(gate_slot, gate(code0, handler, access(0xC, 0)));
    m.level(3);
    EXPLAINS(far(m, call, gate_slot), GP, gate_slot, "Its DPL (0) must not be less than CPL (3)");
    m.set_entry(gate_slot, gate(code0, handler, access(0xC, 3)));
    EXPLAINS(far(m, jmp, gate_slot), GP, code0, "JMP cannot change the privilege level");
    m.set_entry(gate_slot, gate(data0, handler, access(0xC, 3)));
    EXPLAINS(far(m, call, gate_slot), GP, data0, "A call gate must lead to code");
    m.set_entry(gate_slot, gate(code0, handler, access(0xC, 3, false)));
    EXPLAINS(far(m, call, gate_slot), NP, gate_slot, "Its P bit is 0");
    m.set_entry(gate_slot, gate(code0, handler, access(0xC, 3)));
    m.put<u32>(tss_a + 8, data3);
    EXPLAINS(far(m, call, gate_slot), TS, data3 & ~3u, "RPL (3) must be the privilege level");
}

TEST_CASE("explain: returns") {
    Guest m;
    m.level(3);
    push(m, {code0, 0x100});
    EXPLAINS(run(m, {0xCB}), GP, code0, "RPL is 0 and CPL is 3");
    m.level(0);
    push(m, {0, 0x100});
    EXPLAINS(run(m, {0xCB}), GP, 0, "CS must not hold a null selector");
    m.level(0);
    push(m, {0x202, data0, 0x100});
    EXPLAINS(run(m, {0xCF}), GP, data0, "CS takes code segments alone");
    m.level(0);
    push(m, {data0, 0x9000, 0x202, code3, 0x100});
    EXPLAINS(run(m, {0xCF}), GP, data0, "The stack to return to is 0010:00009000");
    m.level(0);
    m.cpu.seg[SS].limit = 0x8000;
    m.cpu.seg[SS].update(false);
    m.cpu.update_mode();
    m.cpu.set_r32(RSP, 0x8000);
    EXPLAINS(run(m, {0xCF}), SS, 0, "offsets 00008000h to 00008003h");
    Guest64 wide;
    wide.cpu.eflags |= eflags::NT;
    EXPLAINS(run(wide, {0x48, 0xCF}), GP, 0, "long mode has no task switches");
}

TEST_CASE("explain: 64-bit gates") {
    Guest64 m;
    EXPLAINS(run(m, int_30), GP, 0x182, "64-bit interrupt and trap gates alone");
    m.set_idt64(0x30, code0_32, high + 0x7000, access(interrupt32, 3));
    EXPLAINS(run(m, int_30), GP, code0_32, "In long mode a handler must be 64-bit code");
    m.set_idt64(0x30, code0, not_canonical, access(interrupt32, 3));
    EXPLAINS(run(m, int_30), GP, 0, "is not canonical");
    m.set_idt64(0x30, code0, high + 0x7000, access(interrupt32, 3), 3);
    m.put<u64>(tss_a + 28 + 24, not_canonical + 0x100);
    EXPLAINS(run(m, int_30), SS, 0, "The stack is switched to IST3 at offset 34h");
    m.put<u64>(tss_a + 28 + 24, high + 0x40'0000); // beyond what is mapped
    EXPLAINS(run(m, int_30), PF, 2, "Of the 5 values to push, number 1 takes 8 bytes");
    m.cpu.tr.limit = 0x20;
    EXPLAINS(run(m, int_30), TS, sel_tss64, "which is too short");
}

TEST_CASE("explain: a triple fault, all of it") {
    Guest m;
    m.put<u32>(0x3'0000, 0);
    m.cpu.set_r32(RBX, 0);
    set_gate(m, 13, 0, 0);
    const std::string text = run_down(m, {0x8E, 0xDB, 0xF7, 0xF3, 0x90}); // mov ds, bx: fine; div ebx: #DE
    INFO(text);
    Told t;
    t.text = text;
    CHECK(m.cpu.shutdown);
    CHECK(t.has("1. The first fault: #DE (divide error)"));
    CHECK(t.has("The divisor is 0 (SDM 3A 6.15, interrupt 0)."));
    CHECK(t.has("2. The second fault: #GP (general protection), error code 0003h"));
    CHECK(t.has("It arose while #DE was being delivered (SDM 3A 6.12):"));
    CHECK(t.has("Both are contributory: the second, while the first is being delivered, makes a double fault"));
    CHECK(t.has("3. The third fault: #GP (general protection), error code 0043h"));
    CHECK(t.has("It arose while #DF was being delivered"));
    CHECK(t.has("shuts the processor down"));
}

TEST_CASE("explain: faults that follow one another are no double fault") {
    Guest m;
    // #GP by the IDT of #DB, delivered well: nothing shuts down. Then #UD (benign) whose gate is bad: #GP is handled.
    set_gate(m, 13, code0, access(trap32, 0));
    m.put<u8>(handler, 0xF4);
    place_code(m, {0x0F, 0x0B});
    m.cpu.run(2);
    CHECK(!m.cpu.shutdown);
    CHECK(m.cpu.fault_chain_length == 2);
    CHECK(m.cpu.fault_chain_during[0].vector == -1);
    CHECK(m.cpu.fault_chain_during[1].vector == 6);
    CHECK(explain_shutdown(m.cpu) == "The processor is not shut down.\n");
}

TEST_CASE("explain: what a fault often comes from") {
    Guest m;
    push(m, {0x202, code0, 0x100, 0x10}); // #GP's error code is still there
    EXPLAINS(run(m, {0xCF}), GP, 0x100, "One slot further up, 0008:00000100 would be an address of code");
    m.level(0);
    m.cpu.idtr = {0, 0x3FF};
    const Told t = run(m, {0xCD, 0x7F});
    CHECK(t.has("LIDT seems not to have been executed since"));
    m.level(3);
    m.cpu.cr3 = 0x2'0000; // an empty directory
    m.cpu.cr0 |= cr0::PG;
    m.cpu.flush_tlb(false);
    m.cpu.update_mode();
    EXPLAINS(run(m, {}), PF, 4, "The address is that of the instruction");
}

TEST_CASE("explain: what an external interrupt meets") {
    Guest m;
    m.cpu.eflags |= eflags::IF;
    m.put<u8>(0x100, 0x90);
    m.cpu.set_intr(true); // the fixture's controller says vector 20h
    m.cpu.run(1);
    INFO(explain_shutdown(m.cpu));
    CHECK(m.cpu.shutdown);
    Told t;
    t.text = explain_shutdown(m.cpu);
    CHECK(t.has("It arose while external interrupt 20h was being delivered"));
    CHECK(t.has("#GP (general protection), error code 0103h"));
}

TEST_CASE("explain: interrupts, selectors, errors, registers") {
    Guest m;
    set_gate(m, 0x80, code0, access(trap32, 3));
    Told t;
    t.text = explain_interrupt(m.cpu, 0x80, [](u64 at) { return at == handler ? "syscall_entry" : ""; });
    INFO(t.text);
    CHECK(t.has("so execution goes on at 0008:00007000 <syscall_entry>, CPL 0, IF unchanged (trap gate)."));
    CHECK(t.has("EFLAGS.IF = 0: a maskable interrupt would wait (SDM 3A 6.8.1)."));
    m.level(3);
    set_gate(m, 14, code0, access(interrupt32, 0));
    t.text = explain_interrupt(m.cpu, 14);
    CHECK(t.has("with error code 0000h"));
    CHECK(t.has("By INT 0Eh at this CPL it would not be allowed"));

    t.text = explain_selector(m.cpu, data0);
    CHECK(t.has("DS, ES, FS, GS no, into SS no"));
    t.text = explain_selector(m.cpu, data3);
    CHECK(t.has("SS holds it"));
    CHECK(t.has("DS, ES, FS, GS yes, into SS yes"));

    t.text = explain_error(0x1B, 13);
    CHECK(t.has("IDT=1, the gate of vector 03h (#BP), EXT=1"));
    t.text = explain_error(0x2C, 11);
    CHECK(t.has("index 5 of the LDT (TI=1), selector 002Ch whatever its RPL, EXT=0"));
    t.text = explain_error(0x0B, 14);
    CHECK(t.has("P=1: the page was present"));
    CHECK(t.has("RSVD=1"));

    CHECK(explain_register(m.cpu, "CR0").find("PE         = 1  protected mode") != std::string::npos);
    CHECK(explain_register(m.cpu, "eflags").find("IOPL = 0") != std::string::npos);
    for (const char* name : {"cr2", "cr3", "cr4", "efer", "mxcsr", "xcr0", "dr6", "dr7", "pkru", "fcw", "fsw"})
        CHECK(explain_register(m.cpu, name).size() > 20);
    CHECK(explain_register(m.cpu, "eax").empty());
}

TEST_CASE("explain: addresses") {
    Guest m;
    Told t;
    Address a;
    a.segmented = true;
    a.selector = data0;
    a.offset = 0x1234;
    t.text = explain_address(m.cpu, a);
    CHECK(t.has("is in DS, whose hidden part says: data, writable"));
    CHECK(t.has("physical address 00001234h there is memory ('ram'), 1234h from its beginning"));
    m.memory.set_a20(false);
    a = {};
    a.value = 0x10'1234;
    t.text = explain_address(m.cpu, a);
    CHECK(t.has("The A20 gate is closed"));
    m.memory.set_a20(true);
    a.space = Address::Space::physical;
    a.value = 0x4000'0000;
    t.text = explain_address(m.cpu, a);
    CHECK(t.has("there is nothing"));

    Guest64 wide;
    a = {};
    a.value = 0x1000;
    wide.cpu.gpr[RBX] = 0x1000;
    const Told no_fault = run(wide, {0x8A, 0x03}); // fills the TLB
    CHECK(!no_fault.faulted);
    wide.put<u64>(page_directory, 0);
    t.text = explain_address(wide.cpu, a);
    INFO(t.text);
    CHECK(t.has("STALE: the TLB (supervisor's data) still translates this page to 00001000h"));
    CHECK(t.has("read no, write no, execute no"));
    CHECK(t.has("A read would raise #PF with error code 0000h: the page is not present"));
    a.value = not_canonical;
    t.text = explain_address(wide.cpu, a);
    CHECK(t.has("is not canonical"));
}
