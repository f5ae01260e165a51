// Stack instructions that meet a page they cannot use: the fault leaves every register as it was, so that the
// instruction runs again whole (SDM 2, the instructions' pages; SDM 3A 6.5 faults; ENTER: a write with the final stack
// pointer must be possible).
//
// In which order PUSHA and POPA touch the stack's words is their own affair as far as CR2 goes: any byte of the access
// in the page that faults is taken.
#include "guests/system/paging.hpp"

namespace paging {

namespace {

constexpr u32 edge = window + 4 * page; ///< below it the page under test, above it an open one; or the other way

struct Instruction {
    const char* name;
    u8 bytes[12];
    u8 start; ///< of the instruction that faults
    u8 size;  ///< bytes of stack it touches
    bool pushes;
};
// The stack pointer begins in the good page; EBX is the address of an INT 80h.
constexpr Instruction instructions[] = {
    {"PUSH EAX", {0x50, 0xCD, 0x80}, 0, 4, true},
    {"PUSH AX", {0x66, 0x50, 0xCD, 0x80}, 0, 2, true},
    {"PUSH imm8", {0x6A, 0x01, 0xCD, 0x80}, 0, 4, true},
    {"PUSHF", {0x9C, 0xCD, 0x80}, 0, 4, true},
    {"PUSHA", {0x60, 0xCD, 0x80}, 0, 32, true},
    {"PUSHA 16", {0x66, 0x60, 0xCD, 0x80}, 0, 16, true},
    {"CALL near", {0xFF, 0xD3}, 0, 4, true},
    {"ENTER 16, 0", {0xC8, 0x10, 0, 0, 0xCD, 0x80}, 0, 4, true},
    {"ENTER 0, 1", {0xC8, 0, 0, 1, 0xCD, 0x80}, 0, 8, true},
    {"POP EAX", {0x58, 0xCD, 0x80}, 0, 4, false},
    {"POP AX", {0x66, 0x58, 0xCD, 0x80}, 0, 2, false},
    {"POPF", {0x9D, 0xCD, 0x80}, 0, 4, false},
    {"POPA", {0x61, 0xCD, 0x80}, 0, 32, false},
    {"POPA 16", {0x66, 0x61, 0xCD, 0x80}, 0, 16, false},
    {"RET", {0xC3}, 0, 4, false},
    {"RET 8", {0xC2, 8, 0}, 0, 4, false},
    {"RETF", {0xCB}, 0, 8, false},
    {"IRET", {0xCF}, 0, 12, false},
    {"POP ES", {0x07, 0xCD, 0x80}, 0, 2, false},
    {"POP [EDI]", {0x8F, 0x07, 0xCD, 0x80}, 0, 4, false},
};

/// `popped`: a 386 may have loaded some registers already when a POPA faults; it pops them again.
void expect_unchanged(Report& report, const Context& c, const Exit& e, bool popped = false) {
    if (!popped || features().cpuid) {
        report.expect("EAX", c.eax, e.eax);
        report.expect("EBX", c.ebx, e.ebx);
        report.expect("ECX", c.ecx, e.ecx);
        report.expect("EDX", c.edx, e.edx);
        report.expect("ESI", c.esi, e.esi);
        report.expect("EDI", c.edi, e.edi);
        report.expect("EBP", c.ebp, e.ebp);
    }
    report.expect("ESP", c.esp, e.esp);
    report.expect("EIP", c.eip, e.eip);
    report.expect("CS", c.cs, e.cs);
    report.expect("SS", c.ss, e.ss);
    report.expect("ES", c.es, e.es);
    constexpr u32 arithmetic = 0xCD5;
    report.expect("flags", c.eflags & arithmetic, e.eflags & arithmetic);
}

Context registers(unsigned cpl, const void* at) {
    Context c = ring(cpl, at);
    c.eax = 0xA0A0'A0A0;
    c.ebx = reinterpret_cast<u32>(code({0xCD, 0x80}));
    c.ecx = 0xC0C0'C0C0;
    c.edx = 0xD0D0'D0D0;
    c.esi = 0x1E1E'1E1E;
    c.edi = frame(4);
    c.ebp = edge + 0x400;
    return c;
}

/// The page that faults, as the second letter of its rights says.
u32 error_of(u64 rights, bool write, unsigned cpl) {
    return (rights & present ? error_present : 0) | (write ? error_write : 0) | (cpl == 3 ? error_user : 0);
}
bool denied(u64 rights, bool write, unsigned cpl) {
    if (!(rights & present)) return true;
    if (cpl == 3 && !(rights & user)) return true;
    return write && !(rights & writable); // CR0.WP is on, or CPL is 3
}

void attempt(Report& report, Space& s, const Instruction& in, const void* at, u32 good_bytes, u64 rights,
             unsigned cpl) {
    for (u32 i = 0; i < 64; ++i) {
        byte_at(frame(0) + page - 64 + i) = 0x22;
        byte_at(frame(1) + i) = 0x22;
    }
    s.map(edge - page, frame(0), in.pushes ? rights : open);
    s.map(edge, frame(1), in.pushes ? open : rights);
    flush();
    Context c = registers(cpl, at);
    c.esp = in.pushes ? edge + good_bytes : edge - good_bytes;
    const Exit e = run(c);
    const bool wp = features().cpuid || cpl == 3;
    if (!denied(rights, in.pushes && wp, cpl)) {
        report.require("no page fault on the stack", e.vector != page_fault || e.cr2 - (edge - page) >= 2 * page);
        return;
    }
    report.expect_exit(e, page_fault, error_of(rights, in.pushes, cpl));
    if (e.vector != page_fault) return;
    if (in.pushes)
        report.require("CR2 in the bytes pushed", e.cr2 < edge && e.cr2 >= c.esp - in.size);
    else
        report.require("CR2 in the bytes popped", e.cr2 >= edge && e.cr2 < c.esp + in.size);
    if (in.size <= 4) report.expect("CR2", in.pushes ? c.esp - in.size : edge, e.cr2);
    expect_unchanged(report, c, e, !in.pushes && in.size > 12);
}

void special(Report& report, Space& s, unsigned cpl);

} // namespace

void stack_crossing(Report& report) {
    constexpr u64 states[] = {open, 0, present | writable, present | user};
    for (const Format format : {Format::legacy, Format::pae}) {
        if (lacks(format)) continue;
        Space s(format);
        s.enter();
        if (features().cpuid) write_cr0(read_cr0() | cr0_wp);
        for (const Instruction& in : instructions) {
            const void* at = code(in.bytes);
            for (const u64 rights : states) {
                for (const unsigned cpl : {1u, 3u}) {
                    for (u32 good = 0; good < in.size; ++good) {
                        if (!report.next()) continue;
                        report.describe("%s, %s with %u bytes in the good page, other page %x, CPL %u", name(format),
                                        in.name, good, static_cast<u32>(rights), cpl);
                        attempt(report, s, in, at, good, rights, cpl);
                    }
                }
            }
        }
        special(report, s, 1);
        special(report, s, 3);
    }
}

namespace {

/// What the table cannot say: two places that can fault.
struct Special {
    const char* name;
    u8 bytes[12];
    u32 esp, ebp, esi, edi; ///< esp from the edge; the others absolute
    bool write;
    u32 low, high; ///< where CR2 may lie
    bool i486 = false;
};
constexpr u32 absent = edge - page; // to the edge
constexpr u32 good = edge + 0x800;
constexpr Special specials[] = {
    {"ENTER 0800h, 0: the final stack pointer in the absent page",
     {0xC8, 0, 0x08, 0, 0xCD, 0x80},
     0x700,
     good,
     0,
     0,
     true,
     absent,
     edge - 1,
     true},
    {"ENTER 0, 2 reads the outer frame from the absent page",
     {0xC8, 0, 0, 2, 0xCD, 0x80},
     0x700,
     edge,
     0,
     0,
     false,
     edge - 4,
     edge - 1},
    {"LEAVE pops from the absent page", {0xC9, 0xCD, 0x80}, 0x700, edge - 8, 0, 0, false, edge - 8, edge - 8},
    {"PUSH [ESI]: the operand comes first",
     {0xFF, 0x36, 0xCD, 0x80},
     0,
     good,
     absent + 8,
     0,
     false,
     absent + 8,
     absent + 8},
    {"PUSH [ESI]: then the stack", {0xFF, 0x36, 0xCD, 0x80}, 0, good, good, 0, true, edge - 4, edge - 4},
    {"CALL [ESI]: the operand comes first",
     {0xFF, 0x16, 0xCD, 0x80},
     0,
     good,
     absent + 8,
     0,
     false,
     absent + 8,
     absent + 8},
    {"POP [EDI] into the absent page",
     {0x8F, 0x07, 0xCD, 0x80},
     0x700,
     good,
     0,
     absent + 16,
     true,
     absent + 16,
     absent + 16},
    {"POP [ESP - 804h]: the address is of the new ESP",
     {0x8F, 0x84, 0x24, 0xFC, 0xF7, 0xFF, 0xFF, 0xCD, 0x80},
     0x7F0,
     good,
     0,
     0,
     true,
     edge - 0x10,
     edge - 0x10},
};

void special(Report& report, Space& s, unsigned cpl) {
    s.map(edge - page, frame(0), 0);
    s.map(edge, frame(1));
    flush();
    for (const Special& p : specials) {
        if (!report.next()) continue;
        report.describe("%s, CPL %u", p.name, cpl);
        if (p.i486 && !features().cpuid) {
            report.skip("a 386 looks no further than it writes");
            continue;
        }
        Context c = registers(cpl, code(p.bytes));
        c.esp = edge + p.esp;
        c.ebp = p.ebp;
        c.esi = p.esi;
        c.edi = p.edi;
        const Exit e = run(c);
        report.expect_exit(e, page_fault, error_of(0, p.write, cpl));
        report.require("CR2", e.cr2 >= p.low && e.cr2 <= p.high);
        expect_unchanged(report, c, e);
    }
}

// Gates to ring 1 whose stack faults: the frame is the supervisor's write, the fault is that of the INT or CALL, and
// the outer context is untouched (SDM 3A 6.12.1, 5.8.5; 4.6.1).
struct Inner {
    const char* name;
    u8 bytes[8];
    u32 size; ///< of the frame
};
constexpr u32 gate_vector = 0x70;
constexpr u16 call_gate = first_free;
constexpr Inner inners[] = {
    {"INT through an interrupt gate", {0xCD, gate_vector, 0xCD, 0x80}, 20},
    {"CALL through a call gate", {0x9A, 0, 0, 0, 0, call_gate | 3, 0}, 16},
};

} // namespace

void inner_stacks(Report& report) {
    constexpr u64 states[] = {present | writable, open, 0, present, present | user};
    Space s(Format::legacy);
    s.enter();
    if (features().cpuid) write_cr0(read_cr0() | cr0_wp);
    const u32 arrival = reinterpret_cast<u32>(code({0xCD, 0x80}));
    idt[gate_vector] = gate(flat_code(1), arrival, 14, 3);
    gdt[call_gate / 8] = gate(flat_code(1), arrival, 12, 3);
    for (const Inner& in : inners) {
        const void* at = code(in.bytes);
        for (const unsigned cpl : {2u, 3u}) {
            for (const u64 rights : states) {
                for (u32 good_bytes = 0; good_bytes <= in.size; good_bytes += 2) {
                    if (!report.next()) continue;
                    report.describe("%s from CPL %u, stack page %x, %u bytes in the good page", in.name, cpl,
                                    static_cast<u32>(rights), good_bytes);
                    s.map(edge - page, frame(0), rights);
                    s.map(edge, frame(1), present | writable);
                    flush();
                    tss.esp1 = edge + good_bytes;
                    const Context c = registers(cpl, at);
                    const Exit e = run(c);
                    const bool wp = features().cpuid;
                    if (good_bytes >= in.size || !denied(rights, wp, 1)) {
                        report.expect_exit(e, end_vector, 0);
                        report.expect("CS", flat_code(1), e.cs);
                        report.expect("ESP", tss.esp1 - in.size, e.esp);
                        continue;
                    }
                    report.expect_exit(e, page_fault, error_of(rights, true, 1));
                    report.require("CR2 in the frame", e.cr2 < edge && e.cr2 >= tss.esp1 - in.size);
                    expect_unchanged(report, c, e);
                }
            }
        }
    }
}

} // namespace paging
