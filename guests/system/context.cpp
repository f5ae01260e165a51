// Descriptor tables, and contexts in C++ terms. The assembler's side is context.asm.
#include "guests/system/system.hpp"

u64 gdt[gdt_size / 8] __attribute__((aligned(8)));
u64 idt[256] __attribute__((aligned(8)));
u64 ldt[32] __attribute__((aligned(8)));
Tss tss __attribute__((aligned(128)));

extern "C" {
u32 kernel_esp;
extern Exit exit_record;
extern u8 exit_stubs[];
void enter_context(const Context* context);
}

namespace {

constexpr u32 ring_stack_size = 4096, code_arena_size = 16 * 4096;
u8 ring_stacks[4][ring_stack_size] __attribute__((aligned(4096)));    // what contexts of each ring run on
u8 handler_stacks[3][ring_stack_size] __attribute__((aligned(4096))); // what the TSS names
u8 code_arena[code_arena_size] __attribute__((aligned(4096)));
u32 code_used;

struct __attribute__((packed)) TableRegister {
    u16 limit;
    u32 base;
};

u32 address(const void* p) { return reinterpret_cast<u32>(p); }
u32 top(const u8* stack) { return address(stack) + ring_stack_size - 16; }

constexpr u32 code_type = 0x1B, data_type = 0x13, ldt_type = 2, tss_type = 9; // S and accessed set

} // namespace

u32 stub(u32 vector) { return address(exit_stubs) + 16 * vector; }

void reset_tables() {
    memset(gdt, 0, sizeof gdt);
    memset(ldt, 0, sizeof ldt);
    memset(&tss, 0, sizeof tss);
    for (unsigned cpl = 0; cpl < 4; ++cpl) {
        gdt[flat_code(cpl) / 8] = descriptor(0, 0xFFFFF, code_type, cpl, true, true, true);
        gdt[flat_data(cpl) / 8] = descriptor(0, 0xFFFFF, data_type, cpl, true, true, true);
    }
    gdt[tss_selector / 8] = descriptor(address(&tss), sizeof tss - 1, tss_type, 0, true, false);
    gdt[ldt_selector / 8] = descriptor(address(ldt), sizeof ldt - 1, ldt_type, 0, true, false);
    gdt[code16_selector / 8] = descriptor(0, 0xFFFFF, code_type, 0, true, false, true);
    gdt[data16_selector / 8] = descriptor(0, 0xFFFFF, data_type, 0, true, false, true);
    tss.esp0 = top(handler_stacks[0]);
    tss.esp1 = top(handler_stacks[1]);
    tss.esp2 = top(handler_stacks[2]);
    tss.ss0 = flat_data(0);
    tss.ss1 = flat_data(1);
    tss.ss2 = flat_data(2);
    tss.io_map = sizeof tss;
    constexpr u32 interrupt_gate = 14;
    for (u32 vector = 0; vector < 256; ++vector) {
        const bool open = vector == 3 || vector == 4 || vector == end_vector;
        idt[vector] = gate(kernel_code, stub(vector), interrupt_gate, open ? 3 : 0);
    }
    const TableRegister gdtr{gdt_size - 1, address(gdt)}, idtr{sizeof idt - 1, address(idt)};
    asm volatile("lgdt %0\n\t"
                 "lidt %1\n\t"
                 "ljmp %2, $1f\n"
                 "1:\n\t"
                 "movw %w3, %%ds\n\tmovw %w3, %%es\n\tmovw %w3, %%fs\n\tmovw %w3, %%gs\n\tmovw %w3, %%ss\n\t"
                 "lldt %w4\n\t"
                 "ltr %w5" ::"m"(gdtr),
                 "m"(idtr), "i"(kernel_code), "r"(u32{kernel_data}), "r"(u32{ldt_selector}), "r"(u32{tss_selector})
                 : "memory");
}

Exit run(const Context& context) {
    const Context copy = context; // on the kernel's stack: flat, whatever DS the caller's case has in mind
    enter_context(&copy);
    return exit_record;
}

Context ring(unsigned cpl, const void* code) {
    Context c;
    c.cs = flat_code(cpl);
    c.ss = c.ds = c.es = c.fs = c.gs = flat_data(cpl);
    c.eip = address(code);
    c.esp = top(ring_stacks[cpl]);
    return c;
}

Context virtual_8086(u32 code_linear, u32 stack_linear) {
    Context c;
    c.eflags = 0x23002;
    c.cs = code_linear >> 4;
    c.eip = code_linear & 15;
    c.ds = c.es = c.ss = stack_linear >> 4;
    c.fs = c.gs = 0;
    c.esp = stack_linear & 15;
    return c;
}

const void* code(const u8* bytes, u32 size) {
    constexpr u32 gap = 64; // no case's code is in the prefetch or decoded neighbourhood of the last one's
    if (code_used + size + gap > code_arena_size) code_used = 0;
    u8* at = code_arena + code_used;
    memcpy(at, bytes, size);
    code_used = (code_used + size + gap) & ~15u;
    return at;
}

const Features& features() {
    static const Features found = [] {
        Features f;
        u32 changed = 0;
        asm volatile("pushfl\n\tpushfl\n\txorl $0x200000, (%%esp)\n\tpopfl\n\tpushfl\n\tpopl %0\n\t"
                     "xorl (%%esp), %0\n\tpopfl"
                     : "=r"(changed)::"cc");
        f.cpuid = (changed & 0x20'0000) != 0;
        if (!f.cpuid) return f;
        u32 a = 0, b = 0, c = 0, d = 0;
        asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(1), "c"(0));
        f.edx = d;
        f.ecx = c;
        asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x8000'0000), "c"(0));
        if (a < 0x8000'0001 || a > 0x8000'FFFF) return f;
        asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x8000'0001), "c"(0));
        f.extended_edx = d;
        return f;
    }();
    return found;
}

extern "C" void* memcpy(void* to, const void* from, u32 size) {
    void* result = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size)::"memory");
    return result;
}
extern "C" void* memset(void* to, int value, u32 size) {
    void* result = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(value) : "memory");
    return result;
}
