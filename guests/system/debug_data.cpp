// Data and I/O breakpoints: which accesses they see (SDM 3B 17.2.5), and that they trap after the instruction.
#include "guests/system/debug.hpp"
#include "guests/system/faults.hpp"

namespace debug {

namespace {

alignas(64) u8 watched[128];

struct Access {
    const char* name;
    u8 bytes[6];
    u32 length, size;
    bool write;
};
constexpr Access accesses[] = {
    {"read byte", {0x8A, 0x02, 0xCD, 0x80}, 2, 1, false},
    {"read word", {0x66, 0x8B, 0x02, 0xCD, 0x80}, 3, 2, false},
    {"read dword", {0x8B, 0x02, 0xCD, 0x80}, 2, 4, false},
    {"write byte", {0x88, 0x02, 0xCD, 0x80}, 2, 1, true},
    {"write word", {0x66, 0x89, 0x02, 0xCD, 0x80}, 3, 2, true},
    {"write dword", {0x89, 0x02, 0xCD, 0x80}, 2, 4, true},
};

bool overlaps(u32 a, u32 a_size, u32 b, u32 b_size) { return a < b + b_size && b < a + a_size; }

} // namespace

void data(Report& report) {
    unsigned n = 0;
    for (const Access& a : accesses) {
        for (const On on : {On::write, On::access}) {
            for (const u32 length : {1u, 2u, 4u}) {
                for (u32 where = 0; where < 4; ++where) {
                    for (u32 offset = 0; offset < 12; ++offset) {
                        n = (n + 1) & 3;
                        if (!report.next()) continue;
                        report.describe("DR%u %s %u bytes at +%u, %s at +%u", n, on == On::write ? "W" : "R/W", length,
                                        where + 4, a.name, offset);
                        set_address(n, address(watched) + 4 + where);
                        Context c = ring(offset & 3, code(a.bytes));
                        c.edx = address(watched) + offset;
                        const Debugged e = run_with(c, breakpoint(n, on, length));
                        const u32 start = (4 + where) & ~(length - 1);
                        const bool hit = overlaps(start, length, offset, a.size) && (a.write || on == On::access);
                        if (hit) {
                            expect_debug(report, e, 1u << n, c.eip + a.length);
                            report.expect("RF", 0, e.eflags & rf);
                        } else {
                            report.expect_exit(e, end_vector, 0);
                            report.expect("DR6", 0, e.hits());
                        }
                    }
                }
            }
        }
    }
}

// --- each kind of instruction
// -------------------------------------------------------------------------------------------

namespace {

struct Instruction {
    const char* name;
    u8 bytes[10];
    u32 length; ///< EIP after the trap, from the start
    bool reads, writes;
    void (*set)(Context&) = [](Context&) {};
};
// EDX points at the watched dword; ESP, ESI or EDI when the case says so.
void stack_above(Context& c) { c.esp = address(watched) + 68; }
void stack_at(Context& c) { c.esp = address(watched) + 64; }
void source(Context& c) { c.esi = c.edx, c.edi = address(watched); }
void destination(Context& c) { c.edi = c.edx, c.esi = address(watched); }

const Instruction instructions[] = {
    {"MOV r, m", {0x8B, 0x02, 0xCD, 0x80}, 2, true, false},
    {"MOV m, r", {0x89, 0x02, 0xCD, 0x80}, 2, false, true},
    {"MOV m, imm", {0xC7, 0x02, 0, 0, 0, 0, 0xCD, 0x80}, 6, false, true},
    {"ADD m, r", {0x01, 0x02, 0xCD, 0x80}, 2, true, true},
    {"ADD r, m", {0x03, 0x02, 0xCD, 0x80}, 2, true, false},
    {"CMP m, r", {0x39, 0x02, 0xCD, 0x80}, 2, true, false},
    {"TEST m, r", {0x85, 0x02, 0xCD, 0x80}, 2, true, false},
    {"INC m", {0xFF, 0x02, 0xCD, 0x80}, 2, true, true},
    {"NEG m", {0xF7, 0x1A, 0xCD, 0x80}, 2, true, true},
    {"SHL m", {0xD1, 0x22, 0xCD, 0x80}, 2, true, true},
    {"XCHG m, r", {0x87, 0x02, 0xCD, 0x80}, 2, true, true},
    {"LOCK OR m, r", {0xF0, 0x09, 0x02, 0xCD, 0x80}, 3, true, true},
    {"MUL m", {0xF7, 0x22, 0xCD, 0x80}, 2, true, false},
    {"IMUL r, m", {0x0F, 0xAF, 0x02, 0xCD, 0x80}, 3, true, false},
    {"MOVZX r, m8", {0x0F, 0xB6, 0x02, 0xCD, 0x80}, 3, true, false},
    {"BT m, r", {0x0F, 0xA3, 0x02, 0xCD, 0x80}, 3, true, false},
    {"BTS m, imm", {0x0F, 0xBA, 0x2A, 0x03, 0xCD, 0x80}, 4, true, true},
    {"SETC m", {0x0F, 0x92, 0x02, 0xCD, 0x80}, 3, false, true},
    {"PUSH r", {0x50, 0xCD, 0x80}, 1, false, true, stack_above},
    {"PUSH m", {0xFF, 0x32, 0xCD, 0x80}, 2, true, false},
    {"PUSH imm", {0x6A, 0x01, 0xCD, 0x80}, 2, false, true, stack_above},
    {"PUSHFD", {0x9C, 0xCD, 0x80}, 1, false, true, stack_above},
    {"PUSHAD", {0x60, 0xCD, 0x80}, 1, false, true, [](Context& c) { c.esp = address(watched) + 80; }},
    {"POP r", {0x58, 0xCD, 0x80}, 1, true, false, stack_at},
    {"POP m", {0x8F, 0x02, 0xCD, 0x80}, 2, false, true},
    {"POPAD", {0x61, 0xCD, 0x80}, 1, true, false, [](Context& c) { c.esp = address(watched) + 48; }},
    {"CALL", {0xE8, 0, 0, 0, 0, 0xCD, 0x80}, 5, false, true, stack_above},
    {"ENTER", {0xC8, 0, 0, 0, 0xCD, 0x80}, 4, false, true, stack_above},
    {"LEAVE", {0xC9, 0xCD, 0x80}, 1, true, false, [](Context& c) { c.ebp = c.edx; }},
    {"LODSD", {0xAD, 0xCD, 0x80}, 1, true, false, source},
    {"STOSD", {0xAB, 0xCD, 0x80}, 1, false, true, destination},
    {"MOVSD from", {0xA5, 0xCD, 0x80}, 1, true, false, source},
    {"MOVSD to", {0xA5, 0xCD, 0x80}, 1, false, true, destination},
    {"CMPSD", {0xA7, 0xCD, 0x80}, 1, true, false, source},
    {"SCASD", {0xAF, 0xCD, 0x80}, 1, true, false, destination},
    {"XLAT", {0xD7, 0xCD, 0x80}, 1, true, false, [](Context& c) { c.ebx = c.edx, c.eax = 0; }},
    {"MOV moffs", {0, 0xCD, 0x80}, 0, false, false}, // filled in: the address is in the code
    {"LDS", {0xC5, 0x02, 0xCD, 0x80}, 2, true, false},
    {"BOUND", {0x62, 0x02, 0xCD, 0x80}, 2, true, false, [](Context& c) { c.eax = 0; }},
    {"FLD m32", {0xD9, 0x02, 0xCD, 0x80}, 2, true, false},
    {"FST m32", {0xD9, 0x12, 0xCD, 0x80}, 2, false, true},
    {"FNSTCW", {0xD9, 0x3A, 0xCD, 0x80}, 2, false, true},
    {"FNSTENV", {0xD9, 0x32, 0xCD, 0x80}, 2, false, true, [](Context& c) { c.edx -= 8; }},
    {"SIDT", {0x0F, 0x01, 0x0A, 0xCD, 0x80}, 3, false, true},
    {"SMSW", {0x0F, 0x01, 0x22, 0xCD, 0x80}, 3, false, true},
};

void data_instruction(Report& report, const Instruction& i, On on, unsigned cpl) {
    reset_tables();
    asm volatile("fninit");
    memset(watched, 0, sizeof watched);
    u8 bytes[10];
    memcpy(bytes, i.bytes, sizeof bytes);
    u32 length = i.length;
    bool reads = i.reads;
    if (bytes[0] == 0) { // A1: MOV EAX, moffs32
        const u32 at = address(watched) + 64;
        const u8 moffs[] = {0xA1,
                            static_cast<u8>(at),
                            static_cast<u8>(at >> 8),
                            static_cast<u8>(at >> 16),
                            static_cast<u8>(at >> 24),
                            0xCD,
                            0x80};
        memcpy(bytes, moffs, sizeof moffs);
        length = 5;
        reads = true;
    }
    Context c = ring(cpl, code(bytes, sizeof bytes));
    c.edx = address(watched) + 64;
    const u32 target = c.edx;
    i.set(c);
    set_address(2, target);
    if (bytes[0] == 0xC5) { // LDS: the upper half of what is watched is the selector
        c.edx = target - 2;
        *reinterpret_cast<u16*>(target + 2) = flat_data(cpl);
    }
    const Debugged e = run_with(c, breakpoint(2, on, 4));
    if (i.writes || (reads && on == On::access)) {
        expect_debug(report, e, 4, c.eip + length);
    } else {
        report.expect_exit(e, end_vector, 0);
        report.expect("DR6", 0, e.hits());
    }
}

} // namespace

void data_instructions(Report& report) {
    for (const Instruction& i : instructions) {
        for (const On on : {On::write, On::access}) {
            if (!report.next()) continue;
            report.describe("%s, DR2 %s", i.name, on == On::write ? "W" : "R/W");
            data_instruction(report, i, on, 3);
        }
    }
}

// --- over a page's edge
// -----------------------------------------------------------------------------------------------------

void data_page_edge(Report& report) {
    constexpr u32 edge = faults::absent_page + 0x2000;
    for (const bool paged : {false, true}) {
        for (const Access& a : accesses) {
            for (u32 watch = 0; watch < 8; ++watch) {
                for (u32 offset = 0; offset < 8; ++offset) {
                    if (!report.next()) continue;
                    report.describe("byte at edge%c%u watched, %s at edge%c%u, paging %u", watch < 4 ? '-' : '+',
                                    watch < 4 ? 4 - watch : watch - 4, a.name, offset < 4 ? '-' : '+',
                                    offset < 4 ? 4 - offset : offset - 4, paged ? 1u : 0u);
                    if (paged) faults::paging_on();
                    set_address(1, edge - 4 + watch);
                    Context c = ring(3, code(a.bytes));
                    c.edx = edge - 4 + offset;
                    const Debugged e = run_with(c, breakpoint(1, On::access, 1));
                    if (paged) faults::paging_off();
                    if (overlaps(watch, 1, offset, a.size))
                        expect_debug(report, e, 2, c.eip + a.length);
                    else
                        report.expect_exit(e, end_vector, 0);
                }
            }
        }
    }
    // A write that faults on its second page has not happened: no breakpoint.
    for (const On on : {On::write, On::access}) {
        if (!report.next()) continue;
        report.describe("write that ends on an absent page, DR0 on its start");
        faults::paging_on();
        set_address(0, faults::absent_page - 2);
        Context c = ring(3, code(accesses[5].bytes));
        c.edx = faults::absent_page - 2;
        const Debugged e = run_with(c, breakpoint(0, on, 2));
        faults::paging_off();
        report.expect_exit(e, 14, 6);
        report.expect("DR6", 0, e.hits());
    }
}

// --- ports
// ---------------------------------------------------------------------------------------------------------------

namespace {
struct PortAccess {
    const char* name;
    u8 bytes[6];
    u32 length, size;
};
constexpr PortAccess port_accesses[] = {
    {"IN AL, DX", {0xEC, 0xCD, 0x80}, 1, 1},
    {"IN AX, DX", {0x66, 0xED, 0xCD, 0x80}, 2, 2},
    {"IN EAX, DX", {0xED, 0xCD, 0x80}, 1, 4},
    {"OUT DX, AL", {0xEE, 0xCD, 0x80}, 1, 1},
    {"OUT DX, AX", {0x66, 0xEF, 0xCD, 0x80}, 2, 2},
    {"OUT DX, EAX", {0xEF, 0xCD, 0x80}, 1, 4},
    {"INSB", {0x6C, 0xCD, 0x80}, 1, 1},
    {"INSD", {0x6D, 0xCD, 0x80}, 1, 4},
    {"OUTSB", {0x6E, 0xCD, 0x80}, 1, 1},
    {"OUTSW", {0x66, 0x6F, 0xCD, 0x80}, 2, 2},
};
constexpr u16 first_port = 0x80; // POST code and DMA pages: nothing happens there
} // namespace

void ports(Report& report) {
    for (const PortAccess& a : port_accesses) {
        for (const u32 length : {1u, 2u, 4u}) {
            for (u32 where = 4; where < 8; ++where) {
                for (u32 offset = 0; offset < 9; ++offset) {
                    if (!report.next()) continue;
                    report.describe("%s at port %02x, DR3 %u bytes at port %02x", a.name, first_port + offset, length,
                                    first_port + where);
                    if (!features().cpuid || !(features().edx >> 2 & 1)) {
                        report.skip("no I/O breakpoints before the Pentium");
                        continue;
                    }
                    write_cr4(read_cr4() | cr4_de);
                    set_address(3, first_port + where);
                    Context c = ring(0, code(a.bytes));
                    c.edx = first_port + offset;
                    c.esi = c.edi = address(watched);
                    const Debugged e = run_with(c, breakpoint(3, On::port, length));
                    write_cr4(read_cr4() & ~cr4_de);
                    if (overlaps(where & ~(length - 1), length, offset, a.size))
                        expect_debug(report, e, 8, c.eip + a.length);
                    else
                        report.expect_exit(e, end_vector, 0);
                }
            }
        }
    }
}

} // namespace debug
