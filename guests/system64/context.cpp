// Descriptor tables, and contexts in C++ terms. The assembler's side is context.asm.
#include "guests/system64/system64.hpp"

u64 gdt[gdt_size / 8] __attribute__((aligned(16)));
Wide idt[256] __attribute__((aligned(16)));
u64 ldt[32] __attribute__((aligned(16)));
Tss tss __attribute__((aligned(128)));

extern "C" {
u64 kernel_rsp;
extern Exit exit_record;
extern u8 exit_stubs[];
void enter_context(const Context* context);
}

namespace {

constexpr u32 stack_size = 4096, code_arena_size = 16 * 4096;
u8 ring_stacks[4][stack_size] __attribute__((aligned(4096)));     // what contexts of each level run on
u8 handler_stacks[10][stack_size] __attribute__((aligned(4096))); // what the TSS names
u8 code_arena[code_arena_size] __attribute__((aligned(4096)));
u32 code_used;

struct __attribute__((packed)) TableRegister {
    u16 limit;
    u64 base;
};

u64 top(const u8* stack) { return address(stack) + stack_size - 64; }

} // namespace

u64 stub(u32 vector) { return address(exit_stubs) + 16 * vector; }

void set_gate(u32 vector, u32 selector, u64 offset, u32 type, u32 dpl, bool present, u32 ist) {
    idt[vector] = {gate(selector, offset, type, dpl, present, ist), offset >> 32};
}
void set_wide(u16 selector, u64 base, u32 limit, u32 type, u32 dpl, bool present) {
    gdt[selector / 8] = descriptor(base, limit, type, dpl, present, size16);
    gdt[selector / 8 + 1] = base >> 32;
}
void load_gdt(u32 limit, u64 base) {
    const TableRegister r{static_cast<u16>(limit), base};
    asm volatile("lgdt %0" ::"m"(r) : "memory");
}
void load_idt(u32 limit, u64 base) {
    const TableRegister r{static_cast<u16>(limit), base};
    asm volatile("lidt %0" ::"m"(r) : "memory");
}
void load_ldt(u16 selector) { asm volatile("lldt %w0" ::"r"(u32{selector}) : "memory"); }
void load_task(u16 selector) {
    gdt[selector / 8] &= ~(u64{busy} << 40);
    asm volatile("ltr %w0" ::"r"(u32{selector}) : "memory");
}

void reset_tables() {
    memset(gdt, 0, sizeof gdt);
    memset(ldt, 0, sizeof ldt);
    memset(&tss, 0, sizeof tss);
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        gdt[flat_code(cpl) / 8] = descriptor(0, 0xFFFFF, code_type, cpl, true, size64, true);
        gdt[flat_code32(cpl) / 8] = descriptor(0, 0xFFFFF, code_type, cpl, true, size32, true);
        gdt[flat_data(cpl) / 8] = descriptor(0, 0xFFFFF, data_type, cpl, true, size32, true);
    }
    gdt[0x20 / 8] = gdt[kernel_data / 8]; // SYSRET's, and of set_five_levels
    set_wide(tss_selector, address(&tss), sizeof tss - 1, tss_type);
    set_wide(ldt_selector, address(ldt), sizeof ldt - 1, ldt_type);
    for (u32 i = 0; i < 3; ++i) tss.rsp[i] = top(handler_stacks[i]);
    for (u32 i = 1; i < 8; ++i) tss.ist[i] = top(handler_stacks[2 + i]);
    tss.io_map = sizeof tss;
    for (u32 vector = 0; vector < 256; ++vector) {
        const bool open = vector == 3 || vector == 4 || vector == end_vector || vector == other_end;
        // What a bad stack raises needs a good one.
        const u32 ist = vector == df_vector ? 6 : vector >= ss_vector && vector <= pf_vector ? 7 : 0;
        set_gate(vector, kernel_code, stub(vector), interrupt_gate, open ? 3 : 0, true, ist);
    }
    load_gdt(gdt_size - 1, address(gdt));
    load_idt(sizeof idt - 1, address(idt));
    asm volatile(
        "pushq %0\n\t"
        "leaq 1f(%%rip), %%rax\n\t"
        "pushq %%rax\n\t"
        "lretq\n"
        "1:\n\t"
        "movw %w1, %%ds\n\tmovw %w1, %%es\n\tmovw %w1, %%fs\n\tmovw %w1, %%gs\n\tmovw %w1, %%ss" ::"i"(kernel_code),
        "r"(u32{kernel_data})
        : "rax", "memory");
    load_ldt(ldt_selector);
    load_task(tss_selector);
}

void protect_kernel(bool on) {
    pointer_table[0] = (pointer_table[0] & ~u64{4}) | (on ? 0 : 4);
    write_cr3(read_cr3());
}

Exit run(const Context& context) {
    enter_context(&context);
    return exit_record;
}

Context ring(unsigned cpl, u64 at) {
    Context c;
    c.cs = flat_code(cpl);
    c.ss = c.ds = c.es = c.fs = c.gs = flat_data(cpl);
    c.rip = at;
    c.rsp = top(ring_stacks[cpl]);
    return c;
}
Context ring32(unsigned cpl, u64 at) {
    Context c = ring(cpl, at);
    c.cs = flat_code32(cpl);
    return c;
}

u64 code(const u8* bytes, u32 size) {
    constexpr u32 gap = 64; // no case's code is in the prefetch or decoded neighbourhood of the last one's
    if (code_used + size + gap > code_arena_size) code_used = 0;
    u8* at = code_arena + code_used;
    memcpy(at, bytes, size);
    code_used = (code_used + size + gap) & ~15u;
    return address(at);
}

Leaf cpuid(u32 leaf, u32 subleaf) {
    Leaf l{};
    asm volatile("cpuid" : "=a"(l.eax), "=b"(l.ebx), "=c"(l.ecx), "=d"(l.edx) : "a"(leaf & 0x8000'0000), "c"(0));
    if (l.eax < leaf) return {};
    asm volatile("cpuid" : "=a"(l.eax), "=b"(l.ebx), "=c"(l.ecx), "=d"(l.edx) : "a"(leaf), "c"(subleaf));
    return l;
}

const Features& features() {
    static const Features found = [] {
        Features f{};
        const auto bit = [](u32 word, u32 n) { return (word >> n & 1) != 0; };
        f.amd = cpuid(0).ecx == 0x444D'4163; // "cAMD" of "AuthenticAMD"
        const Leaf one = cpuid(1), seven = cpuid(7), extended = cpuid(0x8000'0001);
        f.nx = bit(extended.edx, 20);
        f.pages_1g = bit(extended.edx, 26);
        f.rdtscp = bit(extended.edx, 27);
        f.syscall = bit(extended.edx, 11);
        f.null_clears_base = !f.amd || bit(cpuid(0x8000'0021).eax, 6);
        f.fsgsbase = bit(seven.ebx, 0);
        f.smep = bit(seven.ebx, 7);
        f.invpcid = bit(seven.ebx, 10);
        f.smap = bit(seven.ebx, 20);
        f.umip = bit(seven.ecx, 2);
        f.pku = bit(seven.ecx, 3);
        f.la57 = bit(seven.ecx, 16);
        f.rdpid = bit(seven.ecx, 22);
        f.monitor = bit(one.ecx, 3);
        f.cx16 = bit(one.ecx, 13);
        f.pcid = bit(one.ecx, 17);
        f.x2apic = bit(one.ecx, 21);
        f.tsc_deadline = bit(one.ecx, 24);
        f.xsave = bit(one.ecx, 26);
        f.avx = bit(one.ecx, 28);
        f.pge = bit(one.edx, 13);
        f.clflush = bit(one.edx, 19);
        f.physical_bits = cpuid(0x8000'0008).eax & 0xFF;
        if (f.physical_bits == 0) f.physical_bits = 36;
        return f;
    }();
    return found;
}

extern "C" void* memcpy(void* to, const void* from, u64 size) {
    void* result = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
    return result;
}
extern "C" void* memset(void* to, int value, u64 size) {
    void* result = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
}
