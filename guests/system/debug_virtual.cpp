// Debug exceptions where addresses are not what the program says: virtual-8086 mode, segments with bases, 16-bit code,
// two linear addresses of one page. Breakpoints are on linear addresses (SDM 3B 17.2.1).
#include "guests/system/debug.hpp"
#include "guests/system/faults.hpp"

namespace debug {

namespace {

constexpr u32 code_at = 0x2'0000, stack_at = 0x3'0000, data_at = 0x3'8000; // below 1 MiB, nobody's
constexpr u32 vm = 0x2'0000;

u8* at(u32 linear) { return reinterpret_cast<u8*>(linear); }

struct Stepped {
    const char* name;
    u8 bytes[10];
    u32 ip;            ///< after the trap, from the start
    u32 set = 0;       ///< more EFLAGS at the start
    u16 top = 0;       ///< the word on the stack
    bool steps = true; ///< TF at the start
};
constexpr Stepped steps[] = {
    {"NOP", {0x90}, 1},
    {"MOV to memory", {0xA3, 0, 0}, 3},
    {"JMP", {0xEB, 4}, 6},
    {"CALL", {0xE8, 4, 0}, 7},
    {"RET", {0xC3}, 0x40, 0, 0x40},
    {"PUSHF", {0x9C}, 1},
    {"POPF that keeps TF", {0x9D}, 1, 0, 0x3102},
    {"POPF that clears TF", {0x9D}, 1, 0, 0x3002},
    {"POPF that sets TF, NOP", {0x9D, 0x90}, 2, 0, 0x3102, false},
    {"POP SS, NOP", {0x17, 0x90}, 2, 0, stack_at >> 4},
    {"MOV SS, NOP", {0x8E, 0xD0, 0x90}, 3},
    {"MOV DS", {0x8E, 0xD8}, 2},
    {"REP STOSB, first", {0xF3, 0xAA}, 0},
    {"LOOP", {0xE2, 2}, 4},
    {"CLI", {0xFA}, 1},
    {"OUT", {0xE6, 0x80}, 2},
};

Context virtual_context(const u8* bytes, u32 size) {
    memcpy(at(code_at), bytes, size);
    Context c = virtual_8086(code_at, stack_at);
    c.esp = 0x4000;
    c.ds = c.es = data_at >> 4;
    c.eax = stack_at >> 4;
    c.ecx = 3;
    return c;
}

struct OpenTss {
    Tss tss;
    u8 map[0x20];
} open_tss __attribute__((aligned(128)));

/// IOPL does not count in virtual-8086 mode, only the map: ports 0-F7h.
void open_ports() {
    open_tss.tss = tss;
    open_tss.tss.io_map = sizeof(Tss);
    memset(open_tss.map, 0, sizeof open_tss.map);
    open_tss.map[sizeof open_tss.map - 1] = 0xFF;
    gdt[tss_selector / 8] = descriptor(address(&open_tss), sizeof open_tss - 1, 9, 0, true, false);
    faults::reload_task();
}

void virtual_step(Report& report, const Stepped& s) {
    reset_tables();
    open_ports();
    Context c = virtual_context(s.bytes, sizeof s.bytes);
    c.eflags |= s.set | (s.steps ? tf : 0);
    c.esp -= 2;
    *reinterpret_cast<u16*>(at(stack_at + c.esp)) = s.top;
    const Debugged e = run_with(c, 0);
    reset_tables();
    expect_debug(report, e, bs, c.eip + s.ip);
    report.expect("CS", c.cs, e.cs);
    report.expect("VM", vm, e.eflags & vm);
}

void virtual_breakpoint(Report& report, On on, u32 where, bool hit, u32 ip) {
    reset_tables();
    static constexpr u8 program[] = {0x90, 0xA3, 0x10, 0x00, 0xA1, 0x10, 0x00, 0xCD, 0x80};
    const Context c = virtual_context(program, sizeof program);
    set_address(1, where);
    const Debugged e = run_with(c, breakpoint(1, on, on == On::execute ? 1 : 2));
    if (hit) {
        expect_debug(report, e, 2, c.eip + ip);
        report.expect("VM", vm, e.eflags & vm);
    } else {
        report.expect_exit(e, end_vector, 0);
    }
}

struct Watch {
    const char* name;
    On on;
    u32 where;
    bool hit;
    u32 ip;
};
constexpr Watch watches[] = {
    {"code, by linear address", On::execute, code_at + 1, true, 1},
    {"code, by offset", On::execute, 1, false, 0},
    {"write, by linear address", On::write, data_at + 0x10, true, 4},
    {"write, by offset", On::write, 0x10, false, 0},
    {"access, by linear address", On::access, data_at + 0x10, true, 4},
    {"access, next word", On::access, data_at + 0x12, false, 0},
};

} // namespace

void virtual_8086_mode(Report& report) {
    for (const Stepped& s : steps) {
        if (!report.next()) continue;
        report.describe("single step of %s", s.name);
        virtual_step(report, s);
    }
    for (const Watch& w : watches) {
        if (!report.next()) continue;
        report.describe("breakpoint: %s", w.name);
        virtual_breakpoint(report, w.on, w.where, w.hit, w.ip);
    }
    for (u32 n = 0; n < 8; ++n) {
        for (const bool write : {false, true}) {
            if (!report.next()) continue;
            report.describe("MOV %s DR%u", write ? "to" : "from", n);
            reset_tables();
            const u8 move[] = {0x0F, static_cast<u8>(write ? 0x23 : 0x21), static_cast<u8>(0xC0 | n << 3)};
            const Exit e = run(virtual_context(move, sizeof move));
            report.expect_exit(e, 13, 0);
            report.expect("EIP", 0, e.eip);
        }
    }
}

// --- bases and aliases
// -----------------------------------------------------------------------------------------------------

namespace {

constexpr u32 alias = faults::absent_page + 0x3000, original = faults::absent_page + 0x4000;

/// A program at `linear`, in a code segment with this base, of 16 or 32 bits.
void based_code(Report& report, u32 base, u32 linear, bool big, u32 watched, bool hit) {
    static constexpr u8 program[] = {0x90, 0x90, 0x90, 0xCD, 0x80};
    reset_tables();
    memcpy(at(linear), program, sizeof program);
    gdt[spare / 8] = descriptor(base, 0xFFFFF, 0x1B, 0, true, big, true);
    Context c = ring(0, nullptr);
    c.cs = spare;
    c.eip = linear - base;
    set_address(3, watched);
    const Debugged e = run_with(c, breakpoint(3, On::execute, 1));
    if (hit)
        expect_debug(report, e, 8, c.eip + (watched - linear));
    else
        report.expect_exit(e, end_vector, 0);
}

void based_data(Report& report, u32 base, u32 offset, u32 watched, bool hit) {
    static constexpr u8 program[] = {0x89, 0x02, 0xCD, 0x80};
    reset_tables();
    gdt[spare / 8] = descriptor(base, 0xFFFFF, 0x13, 0, true, true, true);
    Context c = ring(0, code(program));
    c.ds = spare;
    c.edx = offset;
    set_address(3, watched);
    const Debugged e = run_with(c, breakpoint(3, On::write, 4));
    if (hit)
        expect_debug(report, e, 8, c.eip + 2);
    else
        report.expect_exit(e, end_vector, 0);
}

void aliased(Report& report, bool through_alias, bool watch_alias, On on) {
    static constexpr u8 read[] = {0x8B, 0x02, 0xCD, 0x80}, program[] = {0x90, 0xCD, 0x80};
    reset_tables();
    memcpy(at(original), program, sizeof program);
    faults::paging_on();
    faults::map(alias, original);
    const u32 used = through_alias ? alias : original, watched = watch_alias ? alias : original;
    Context c = ring(3, on == On::execute ? at(used) : code(read));
    c.edx = used;
    set_address(0, watched);
    const Debugged e = run_with(c, breakpoint(0, on, on == On::execute ? 1 : 4));
    faults::paging_off();
    if (used == watched)
        expect_debug(report, e, 1, on == On::execute ? c.eip : c.eip + 2);
    else
        report.expect_exit(e, end_vector, 0);
}

} // namespace

void linear_addresses(Report& report) {
    constexpr u32 linear = arena_begin + 0x5'0010;
    for (const u32 back : {0u, 0x10u, 0x1234u, 0xFFF0u}) {
        for (const bool big : {false, true}) {
            for (u32 where = 0; where < 3; ++where) {
                if (!report.next()) continue;
                report.describe("%u-bit code at offset %x, breakpoint at its byte %u", big ? 32u : 16u, back, where);
                based_code(report, linear - back, linear, big, linear + where, true);
            }
        }
        if (report.next()) {
            report.describe("code at offset %x, breakpoint at that linear address", back);
            based_code(report, linear - back, linear, true, back ? back : 4, false);
        }
    }
    for (const u32 back : {0u, 0x10u, 0x1'2345u, 0xFFFF'0000u, 0x8000'0000u}) {
        for (i32 off = -4; off <= 4; off += 4) {
            if (!report.next()) continue;
            report.describe("data at offset %x, breakpoint %d bytes from it", back, off);
            based_data(report, linear - back, back, linear + static_cast<u32>(off), off == 0);
        }
    }
    for (unsigned bits = 0; bits < 4; ++bits) {
        for (const On on : {On::execute, On::access}) {
            if (!report.next()) continue;
            report.describe("%s through %s address, breakpoint on the %s one", on == On::execute ? "code" : "data",
                            bits & 1 ? "another" : "its", bits & 2 ? "other" : "first");
            aliased(report, bits & 1, bits & 2, on);
        }
    }
}

} // namespace debug
