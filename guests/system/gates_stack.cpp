// The stack of an inner level, taken from the TSS by call gates, INT n and exceptions: every descriptor, selector, room
// and TSS limit (SDM 2A, CALL, INT n: "more privilege"; SDM 3A, 6.13, 6.15 #TS). Only levels 1 and 2 can be damaged:
// level 0's stack takes the exception.
#include "guests/system/gates.hpp"

namespace gates {

namespace {

enum Entry : u32 { call_32, call_16, int_32, int_16, exception_32 };
constexpr const char* entry_names[] = {"call gate", "16-bit call gate", "INT", "INT, 16-bit gate", "#UD"};
constexpr Entry all_entries[] = {call_32, call_16, int_32, int_16, exception_32};

constexpr u32 ext_of(Entry entry) { return entry == exception_32 ? 1 : 0; }
/// Bytes on the new stack without parameters.
constexpr u32 frame_of(Entry entry) {
    constexpr u32 bytes[] = {16, 8, 20, 10, 20};
    return bytes[entry];
}
constexpr bool is_wide(Entry entry) { return entry != call_16 && entry != int_16; }

const void* code_of(Entry entry) {
    constexpr u8 int_bytes[] = {0xCD, vector_in_use, 0x0F, 0x0B}, ud_bytes[] = {0x0F, 0x0B};
    if (entry == exception_32) return code(ud_bytes);
    return entry >= int_32 ? code(int_bytes) : far_code(call);
}

void open_gate(Entry entry, u32 parameter_count = 0) {
    constexpr u32 types[] = {call_gate32, call_gate16, interrupt_gate32, interrupt_gate16, interrupt_gate32};
    const u64 g = gate(target_selector, gate_offset, types[entry], 3, true, parameter_count);
    if (entry <= call_16)
        gdt[gate_selector / 8] = g;
    else
        idt[entry == exception_32 ? ud_vector : vector_in_use] = g;
    put_pointer(call, gate_selector, 0);
}

struct Inner {
    Entry entry;
    const void* at;
    u32 level, selector, esp;
};

/// From level 3 through the gate to `level`, whose stack the caller has prepared.
void check(Report& report, const Inner& n, Fault fault, u32 parameter_count = 0) {
    gdt[target_selector / 8] =
        gdt[target_selector / 8] ? gdt[target_selector / 8] : target_descriptor(code_type, n.level);
    set_inner_stack(n.level, static_cast<u16>(n.selector), n.esp);
    Context c = ring(3, n.at);
    c.ebx = pointer_at;
    c.esp -= 0x100;
    const Exit e = run(c);
    report.expect_exit(e, fault.vector, fault.error);
    const bool ok = fault.vector == end_vector;
    report.expect("CS", ok ? target_selector | n.level : c.cs, e.cs);
    report.expect("EIP", ok ? (is_wide(n.entry) ? gate_offset : target_offset) + 2 : c.eip, e.eip);
    report.expect("SS", ok ? n.selector : c.ss, e.ss);
    const u32 size = frame_of(n.entry) + parameter_count * (is_wide(n.entry) ? 4 : 2);
    report.expect("ESP", ok ? n.esp - size : c.esp, e.esp);
}

void matrix(Report& report, Entry entry) {
    const Tss saved = tss;
    put_target();
    open_gate(entry);
    const void* at = code_of(entry);
    const u32 ext = ext_of(entry);
    for (u32 i = 0; i < 32 * 2 * 4 * 4 * 2; ++i) {
        if (!report.next()) continue;
        const u32 level = 1 + (i & 1), rpl = i >> 1 & 3, dpl = i >> 3 & 3, type = i >> 6;
        const bool present = i >> 5 & 1;
        report.describe("%s to level %u, stack type %02x DPL %u P %u RPL %u", entry_names[entry], level, type, dpl,
                        u32{present}, rpl);
        const u64 d = whole(type, dpl, present);
        gdt[stack_selector / 8] = d;
        gdt[target_selector / 8] = target_descriptor(code_type, level);
        Fault fault = none;
        if (rpl != level || dpl != level || !is_writable_data(type))
            fault = {ts_vector, stack_selector | ext};
        else if (!present)
            fault = {ss_vector, stack_selector | ext};
        check(report, {entry, at, level, stack_selector | rpl, inner_esp(level)}, fault);
        const bool marked = fault.vector == end_vector;
        report.expect("descriptor", high(d) | (marked ? 0x100 : 0), high(gdt[stack_selector / 8]));
        tss = saved;
    }
    reset_tables();
}

} // namespace

void inner_stack_call(Report& report) { matrix(report, call_32); }
void inner_stack_int(Report& report) { matrix(report, int_32); }
void inner_stack_exception(Report& report) { matrix(report, exception_32); }

void inner_stack_selectors(Report& report) {
    const Tss saved = tss;
    put_target();
    for (const Entry entry : all_entries) {
        open_gate(entry);
        const void* at = code_of(entry);
        for (const Place& p : places) {
            for (u32 i = 0; i < 8; ++i) {
                if (!report.next()) continue;
                const u32 level = 1 + (i & 1), rpl = i >> 1;
                report.describe("%s to level %u, stack: %s, RPL %u", entry_names[entry], level, p.what, rpl);
                put_in_places(whole(data_type, level));
                gdt[target_selector / 8] = target_descriptor(code_type, level);
                const Fault fault = p.found && rpl == level ? none : Fault{ts_vector, p.selector | ext_of(entry)};
                check(report, {entry, at, level, p.selector | rpl, inner_esp(level)}, fault);
                tss = saved;
            }
        }
    }
    reset_tables();
}

/// Room for the frame on the new stack; too little of it is noticed before a bad EIP.
void inner_stack_room(Report& report) {
    const Tss saved = tss;
    put_target();
    for (const Entry entry : all_entries) {
        const void* at = code_of(entry);
        for (const u32 parameter_count : {0u, 1u, 31u}) {
            if (parameter_count && entry > call_16) continue;
            const u32 needed = frame_of(entry) + parameter_count * (is_wide(entry) ? 4 : 2);
            for (const bool down : {false, true}) {
                for (const u32 room : {0u, 1u, 2u, 4u, needed - 4, needed - 2, needed - 1, needed, needed + 1}) {
                    for (const bool bad_target : {false, true}) {
                        if (!report.next()) continue;
                        report.describe("%s, %u parameters, room for %u of %u bytes, expand-%s%s", entry_names[entry],
                                        parameter_count, room, needed, down ? "down" : "up",
                                        bad_target ? ", target beyond its limit" : "");
                        open_gate(entry, parameter_count);
                        gdt[stack_selector / 8] =
                            descriptor(arena_begin + 0x2000, 0xFFF, down ? 0x17 : 0x13, 1, true, true);
                        gdt[target_selector / 8] =
                            bad_target ? descriptor(target_base, 0xF, code_type, 1) : target_descriptor(code_type, 1);
                        Fault fault = bad_target ? Fault{gp_vector, ext_of(entry)} : none;
                        if (room < needed) fault = {ss_vector, stack_selector | ext_of(entry)};
                        check(report, {entry, at, 1, stack_selector | 1, down ? 0x1000 + room : room}, fault,
                              parameter_count);
                        tss = saved;
                    }
                }
            }
        }
    }
    reset_tables();
}

namespace {

constexpr u16 short_task = first_free + 0x18;
constexpr u32 small_tss = arena_begin + 0x3000;

/// A TSS of 16 bits (SDM 3A, figure 7-10) with stacks below 64 KiB.
void put_tss16() {
    u16* words = reinterpret_cast<u16*>(small_tss);
    memset(words, 0, 44);
    words[1] = 0x9000, words[2] = flat_data(0);
    words[3] = 0xA000, words[4] = flat_data(1);
    words[5] = 0xB000, words[6] = flat_data(2);
}

void check_short(Report& report, Entry entry, const void* at, bool wide, u32 level, u32 limit) {
    gdt[target_selector / 8] = target_descriptor(code_type, level);
    put_tss16();
    const u32 base = wide ? address(&tss) : small_tss;
    gdt[short_task / 8] = descriptor(base, limit, wide ? tss32_type : tss16_type, 0, true, false);
    load_task(short_task);
    const u32 last = wide ? 4 + 8 * level + 5 : 2 + 4 * level + 3;
    Context c = ring(3, at);
    c.ebx = pointer_at;
    const Exit e = run(c);
    const bool ok = limit >= last;
    report.expect_exit(e, ok ? end_vector : ts_vector, ok ? 0 : short_task | ext_of(entry));
    report.expect("CS", ok ? target_selector | level : c.cs, e.cs);
    const u32 sp = wide ? inner_esp(level) : word(small_tss + 2 + 4 * level);
    report.expect("ESP", ok ? sp - frame_of(entry) : c.esp, e.esp);
    load_task(tss_selector);
}

} // namespace

/// TSSs of both sizes that end within or just behind the level's stack pointer.
void short_tss(Report& report) {
    put_target();
    for (const Entry entry : all_entries) {
        open_gate(entry);
        const void* at = code_of(entry);
        for (const bool wide : {false, true}) {
            for (u32 level = 1; level < 3; ++level) {
                const u32 first = wide ? 4 + 8 * level : 2 + 4 * level;
                for (u32 limit = first - 1; limit < first + 9; ++limit) {
                    if (!report.next()) continue;
                    report.describe("%s to level %u, %u-bit TSS of limit %x", entry_names[entry], level,
                                    wide ? 32u : 16u, limit);
                    check_short(report, entry, at, wide, level, limit);
                }
            }
        }
    }
    reset_tables();
}

} // namespace gates
