// TSSs and what leads to them.
#include "guests/system/tasks.hpp"

namespace tasks {

namespace {

constexpr u32 handled[] = {ts_vector, np_vector, ss_vector, gp_vector};
constexpr u16 outer_sp = 0x9000; ///< level 0's stack of a 16-bit TSS, below 64 KiB

u32 handler_index(u32 vector) { return vector - ts_vector; }
u32 handler_tss(u32 vector) { return handler_at + 0x100 * handler_index(vector); }
u16 handler_of(u32 vector) { return static_cast<u16>(handler_selector + 8 * handler_index(vector)); }

void put_inner_stack(const View& v) {
    if (v.wide) {
        dword(v.at + 4) = stack_base - 0x10;
        dword(v.at + 8) = kernel_data;
        dword(v.at + 0x1C) = read_cr3();
        word(v.at + 0x66) = 0x68;
    } else {
        word(v.at + 2) = outer_sp;
        word(v.at + 4) = kernel_data;
    }
}

} // namespace

const char* const source_names[source_count] = {
    "JMP to TSS", "CALL to TSS", "JMP to task gate", "CALL to task gate", "INT n", "#UD", "#GP", "IRET"};

void build_current(const View& v) {
    memset(reinterpret_cast<void*>(v.at), 0, 0x68);
    put_inner_stack(v);
}

void build(const View& v, u32 cpl) {
    build_current(v);
    for (u32 i = 0; i < 8; ++i) v.set(static_cast<Field>(eax + i), 0x1357'2468 + 0x0101'0101 * i);
    v.set(link, 0x7FF8);
    v.set(eip, target_offset);
    v.set(eflags, 2 | flag_cf | 0x80 | flag_if);
    v.set(esp, first_sp);
    v.set(cs, target_selector | cpl);
    v.set(ss, stack_selector | cpl);
    v.set(ds, data_selector | cpl);
    v.set(es, flat_data(3));
    v.set(fs, flat_data(cpl));
    v.set(gs, 0);
    v.set(ldt_field, own_ldt);
    gates::put_target();
    gdt[target_selector / 8] = gates::target_descriptor(code_type, cpl);
    // A 16-bit TSS says nothing about the upper half of ESP: its stack must not use it.
    gdt[stack_selector / 8] = descriptor(stack_base, 0xFFF, data_type, cpl, true, v.wide);
    gdt[data_selector / 8] = whole(data_type, cpl);
    gdt[own_ldt / 8] = descriptor(address(ldt), 0x7F, ldt_type, 0, true, false);
}

void put_descriptor(u16 selector, const View& v, u32 dpl, bool is_busy) {
    gdt[selector / 8] = descriptor(v.at, v.limit(), v.type() | (is_busy ? busy : 0), dpl, true, false);
}

void restore() {
    asm volatile("clts" ::: "memory");
    load_ldt(ldt_selector);
    load_task(tss_selector);
    for (const u32 vector : {1u, ud_vector, df_vector, ts_vector, np_vector, ss_vector, gp_vector, vector_in_use})
        idt[vector] = gate(kernel_code, stub(vector), interrupt_gate32, 0);
}

u32 descriptor_type(u16 selector) { return high(gdt[selector / 8]) >> 8 & 0x1F; }

u16 local_table() {
    u32 selector;
    asm volatile("sldt %0" : "=r"(selector));
    return static_cast<u16>(selector);
}

/// Each starts at its vector's stub, on a stack that looks as if an interrupt gate had pushed what the stub expects.
void catch_faults() {
    for (const u32 vector : handled) {
        const View v{handler_tss(vector), true};
        build_current(v);
        const u32 frame = stack_base + 0x2000 + 0x100 * handler_index(vector);
        dword(frame) = 0;
        dword(frame + 4) = kernel_code;
        dword(frame + 8) = 2;
        v.set(eip, stub(vector));
        v.set(eflags, 2);
        v.set(esp, frame);
        v.set(cs, kernel_code);
        for (const Field f : {ss, ds, es, fs, gs}) v.set(f, kernel_data);
        v.set(ldt_field, ldt_selector);
        put_descriptor(handler_of(vector), v, 0);
        idt[vector] = gate(handler_of(vector), 0, task_gate, 0);
    }
}

u16 raised_in(u32 vector) { return vector >= ts_vector && vector <= gp_vector ? word(handler_tss(vector)) : u16{0}; }

u32 length_of(Source s) {
    constexpr u32 lengths[source_count] = {2, 2, 2, 2, 2, 0, 0, 1};
    return lengths[s];
}

Context prepare(Source s, u32 cpl, const View& a) {
    constexpr u8 bytes[source_count][3] = {{0xFF, 0x2B, 0x90}, {0xFF, 0x1B, 0x90},          {0xFF, 0x2B, 0x90},
                                           {0xFF, 0x1B, 0x90}, {0xCD, vector_in_use, 0x90}, {0x0F, 0x0B, 0x90},
                                           {0x8E, 0xC0, 0x90}, {0xCF, 0x90, 0x90}};
    static const void* codes[source_count];
    if (!codes[s]) {
        u8* own = reinterpret_cast<u8*>(arena_begin + 0x100 + 16 * s); // code() may hand its place to others
        memcpy(own, bytes[s], 3);
        codes[s] = own;
    }
    const u64 g = gate(b_selector, 0, task_gate, 3);
    gdt[task_gate_selector / 8] = g;
    if (s == int_gate) idt[vector_in_use] = g;
    if (s == by_ud) idt[ud_vector] = g;
    if (s == by_gp) idt[gp_vector] = g;
    if (s == by_iret) a.set(link, b_selector);
    dword(pointer_at) = 0xDEAD'BEEF; // a TSS or task gate needs no offset
    word(pointer_at + 4) = s == jump_gate || s == call_gate ? task_gate_selector : b_selector;
    Context c = ring(cpl, codes[s]);
    c.eax = 0xABCD'0000 | gp_error;
    c.ebx = pointer_at;
    c.ecx = 0x2222'3333;
    c.edx = 0x4444'5555;
    c.esi = 0x6666'7777;
    c.edi = 0x8888'9999;
    c.ebp = 0xAAAA'BBBB;
    c.es = flat_data(3);
    c.gs = 0;
    c.eflags = 2 | flag_of | flag_if | (s == by_iret ? flag_nt : 0);
    return c;
}

} // namespace tasks
