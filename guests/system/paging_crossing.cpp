// Accesses and instructions that lie in two pages of which one or both fault: the address in CR2 is the first byte that
// cannot be reached, nothing has been written and no register changed (SDM 3A 6.15, interrupt 14: CR2 holds the linear
// address that generated the exception; faults restart, 6.5).
#include "guests/system/paging.hpp"

namespace paging {

namespace {

struct Access {
    const char* name;
    u8 bytes[12];
    u8 size;
    bool write;
    bool i486 = false;
};
// EBX points to the operand; EAX, ECX and EDX hold values of their own. Offsets of ESP are for the stack forms.
constexpr Access accesses[] = {
    {"MOV AX, [EBX]", {0x66, 0x8B, 0x03, 0xCD, 0x80}, 2, false},
    {"MOV EAX, [EBX]", {0x8B, 0x03, 0xCD, 0x80}, 4, false},
    {"LES EAX, [EBX]", {0xC4, 0x03, 0xCD, 0x80}, 6, false},
    {"FLD QWORD [EBX]", {0xDD, 0x03, 0xCD, 0x80}, 8, false},
    {"FLD TBYTE [EBX]", {0xDB, 0x2B, 0xCD, 0x80}, 10, false},
    {"POP EAX", {0x89, 0xDC, 0x58, 0xCD, 0x80}, 4, false},
    {"RET", {0x89, 0xDC, 0xC3}, 4, false},
    {"BOUND EAX, [EBX]", {0x62, 0x03, 0xCD, 0x80}, 8, false},
    {"LODSD", {0x89, 0xDE, 0xAD, 0xCD, 0x80}, 4, false},
    {"MOV [EBX], AX", {0x66, 0x89, 0x03, 0xCD, 0x80}, 2, true},
    {"MOV [EBX], EAX", {0x89, 0x03, 0xCD, 0x80}, 4, true},
    {"ADD [EBX], EAX", {0x01, 0x03, 0xCD, 0x80}, 4, true},
    {"LOCK ADD [EBX], AX", {0x66, 0xF0, 0x01, 0x03, 0xCD, 0x80}, 2, true},
    {"XCHG [EBX], EAX", {0x87, 0x03, 0xCD, 0x80}, 4, true},
    {"BTS [EBX], 31", {0x0F, 0xBA, 0x2B, 0x1F, 0xCD, 0x80}, 4, true},
    {"SHL DWORD [EBX], 1", {0xD1, 0x23, 0xCD, 0x80}, 4, true},
    {"PUSH EAX", {0x8D, 0x63, 0x04, 0x50, 0xCD, 0x80}, 4, true},
    {"CALL", {0x8D, 0x63, 0x04, 0xFF, 0xD1}, 4, true},
    {"STOSD", {0x89, 0xDF, 0xAB, 0xCD, 0x80}, 4, true},
    {"SGDT [EBX]", {0x0F, 0x01, 0x03, 0xCD, 0x80}, 6, true},
    {"FST QWORD [EBX]", {0xD9, 0xEE, 0xDD, 0x13, 0xCD, 0x80}, 8, true},
    {"FSTP TBYTE [EBX]", {0xD9, 0xEE, 0xDB, 0x3B, 0xCD, 0x80}, 10, true},
    {"FIST WORD [EBX]", {0xD9, 0xEE, 0xDF, 0x13, 0xCD, 0x80}, 2, true},
    {"CMPXCHG [EBX], ECX that fails", {0x0F, 0xB1, 0x0B, 0xCD, 0x80}, 4, true, true},
    {"XADD [EBX], EAX", {0x0F, 0xC1, 0x03, 0xCD, 0x80}, 4, true, true},
};

/// How the two pages are: rights missing from the first and from the second.
struct Pages {
    const char* name;
    u64 first, second;
};
constexpr Pages pages[] = {
    {"both open", open, open},
    {"second not present", open, 0},
    {"first not present", 0, open},
    {"neither present", 0, 0},
    {"second read-only", open, present | user},
    {"first read-only", present | user, open},
    {"second the supervisor's", open, present | writable},
    {"first the supervisor's", present | writable, open},
    {"second present, first the supervisor's, second not present", present | writable, 0},
};

/// 0: no fault; else the error code plus 1 in bit 31.
u32 fault_of(u64 rights, bool write, unsigned cpl, bool wp) {
    const u32 basic = 1u << 31 | (write ? error_write : 0) | (cpl == 3 ? error_user : 0);
    if (!(rights & present)) return basic;
    if (cpl == 3 && !(rights & user)) return basic | error_present;
    if (write && !(rights & writable) && (cpl == 3 || wp)) return basic | error_present;
    return 0;
}

u32 physical(const Space& s, u32 n) {
    if (!is_large(s.format())) return frame(n);
    return n == 0 ? large_frame : second_large_frame;
}
/// Bytes near the edge: the last 16 of the first page, the first 16 of the second.
u32 first_end(const Space& s) { return physical(s, 0) + s.leaf_size(); }

void fill_edges(const Space& s, u8 value) {
    for (u32 i = 1; i <= 16; ++i) byte_at(first_end(s) - i) = value;
    for (u32 i = 0; i < 16; ++i) byte_at(physical(s, 1) + i) = value;
}
bool edges_are(const Space& s, u8 value) {
    for (u32 i = 1; i <= 16; ++i) {
        if (byte_at(first_end(s) - i) != value) return false;
    }
    for (u32 i = 0; i < 16; ++i) {
        if (byte_at(physical(s, 1) + i) != value) return false;
    }
    return true;
}

void set_pages(Space& s, u32 edge, u64 first, u64 second) {
    s.map(edge - s.leaf_size(), physical(s, 0));
    s.map(edge, physical(s, 1));
    const u64 size_bit = is_large(s.format()) ? large : 0;
    s.set_leaf(edge - s.leaf_size(), physical(s, 0) | size_bit | first);
    s.set_leaf(edge, physical(s, 1) | size_bit | second);
    flush();
}

void attempt(Report& report, Space& s, u32 edge, const Access& a, const void* at, const Pages& p, u32 before,
             unsigned cpl, bool wp) {
    constexpr u8 background = 0x11;
    fill_edges(s, background);
    set_pages(s, edge, p.first, p.second);
    if (features().cpuid) write_cr0((read_cr0() & ~cr0_wp) | (wp ? cr0_wp : 0));
    Context c = ring(cpl, at);
    c.ebx = edge - before;
    c.eax = 0x1357'9BDF;
    c.ecx = c.edx = 0x0246'8ACE;
    const Exit e = run(c);
    u32 fault = fault_of(p.first, a.write, cpl, wp), address = edge - before;
    if (fault == 0) {
        fault = fault_of(p.second, a.write, cpl, wp);
        address = edge;
    }
    if (fault == 0) {
        report.expect("page fault at the operand", 0, e.vector == page_fault && e.cr2 - c.ebx < a.size);
        const bool same_again = a.bytes[0] == 0x0F && a.bytes[1] == 0xB1; // the CMPXCHG writes back what it read
        if (a.write && !same_again) report.expect("written", 1, !edges_are(s, background));
        return;
    }
    report.expect_exit(e, page_fault, fault & ~(1u << 31));
    report.expect("CR2", address, e.cr2);
    report.expect("EAX", c.eax, e.eax);
    report.expect("ECX", c.ecx, e.ecx);
    report.expect("nothing written", 1, edges_are(s, background));
    // A dirty bit is set by a write, and where the fault is there was none.
    const u32 at_fault = address == edge ? edge : edge - s.leaf_size();
    report.expect("dirty", 0, static_cast<u32>(s.leaf(at_fault) & dirty));
}

} // namespace

void crossing(Report& report) {
    in_each_format(report, [&](Space& s) {
        const u32 edges[] = {window + 2 * s.leaf_size(), window + s.region_size()}; // in one table; between two
        for (const u32 edge : edges) {
            for (const Access& a : accesses) {
                const void* at = code(a.bytes);
                for (const Pages& p : pages) {
                    for (u32 n = 0; n < 4; ++n) {
                        const unsigned cpl = n & 1 ? 3 : 1; // the stack is not that of the handler
                        const bool wp = n & 2 && features().cpuid;
                        for (u32 before = 1; before < a.size; ++before) {
                            if (!report.next()) continue;
                            report.describe("%s, %s with %u bytes before %08x, %s, CPL %u, WP %u", name(s.format()),
                                            a.name, before, edge, p.name, cpl, wp);
                            if (a.i486 && !features().cpuid)
                                report.skip("an instruction of the 486");
                            else
                                attempt(report, s, edge, a, at, p, before, cpl, wp);
                        }
                    }
                }
            }
        }
    });
}

namespace {

struct Instruction {
    const char* name;
    u8 bytes[15];
    u8 size;
    bool leaves; ///< a jump: what follows it is not fetched
};
// Each ends, when it can be fetched, where INT 80h follows or where it goes. ECX holds the address of an INT 80h.
constexpr Instruction instructions[] = {
    {"MOV EAX, imm32", {0xB8, 0x78, 0x56, 0x34, 0x12}, 5, false},
    {"MOV AX, imm16", {0x66, 0xB8, 0x34, 0x12}, 4, false},
    {"MOV [EDX + disp32], imm32", {0xC7, 0x82, 0, 0, 0, 0, 1, 2, 3, 4}, 10, false},
    {"prefixes and INC EAX", {0x2E, 0x36, 0x3E, 0x26, 0x64, 0x65, 0xF3, 0x40}, 8, false},
    {"a JZ that is not taken", {0x0F, 0x84, 0, 0, 0, 0x10}, 6, false},
    {"INC EAX", {0x40}, 1, false},
    {"JMP ECX", {0xFF, 0xE1}, 2, true},
};

void attempt_fetch(Report& report, Space& s, u32 edge, const Instruction& in, u32 before, u64 second, unsigned cpl) {
    static volatile u32 target;
    const u32 start = first_end(s) - before;
    fill_edges(s, 0x90);
    for (u32 i = 0; i < in.size; ++i) byte_at(i < before ? start + i : physical(s, 1) + i - before) = in.bytes[i];
    const u32 tail = in.size - before; // INT 80h follows in the second page
    byte_at(physical(s, 1) + tail) = 0xCD;
    byte_at(physical(s, 1) + tail + 1) = 0x80;
    set_pages(s, edge, open, second);
    Context c = ring(cpl, reinterpret_cast<const void*>(edge - before));
    c.eax = 0x7000'0000;
    c.eflags = 2; // ZF clear
    c.edx = reinterpret_cast<u32>(&target);
    c.ecx = reinterpret_cast<u32>(code({0xCD, 0x80}));
    target = 0;
    const Exit e = run(c);
    const bool touches = before < in.size || !in.leaves;
    u32 fault = fault_of(second, false, cpl, false);
    if (!fault && (second & no_execute) && s.nx()) fault = 1u << 31 | error_present | (cpl == 3 ? error_user : 0);
    if (!touches || !fault) {
        report.expect_exit(e, end_vector, 0);
        return;
    }
    report.expect_exit(e, page_fault, (fault & ~(1u << 31)) | (s.nx() ? error_fetch : 0));
    report.expect("CR2", edge, e.cr2);
    const bool executed = before == in.size;
    report.expect("EIP", executed ? edge : c.eip, e.eip);
    if (!executed) report.expect("EAX", c.eax, e.eax);
    if (!executed) report.expect("memory", 0, target);
}

} // namespace

void fetch_crossing(Report& report) {
    constexpr u64 seconds[] = {open, 0, present | writable, open | no_execute};
    in_each_format(report, [&](Space& s) {
        const u32 edges[] = {window + 2 * s.leaf_size(), window + s.region_size()}; // in one table; between two
        for (const u32 edge : edges) {
            for (const Instruction& in : instructions) {
                for (u32 before = 1; before <= in.size; ++before) {
                    for (const u64 second : seconds) {
                        if ((second & no_execute) && !s.nx()) continue;
                        for (unsigned cpl = 0; cpl <= 3; cpl += 3) {
                            if (!report.next()) continue;
                            report.describe("%s, %s with %u bytes before %08x, second page %x%s, CPL %u",
                                            name(s.format()), in.name, before, edge, static_cast<u32>(second),
                                            second & no_execute ? " NX" : "", cpl);
                            attempt_fetch(report, s, edge, in, before, second, cpl);
                        }
                    }
                }
            }
        }
    });
}

} // namespace paging
