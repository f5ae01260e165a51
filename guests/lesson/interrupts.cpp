// The descriptor tables (SDM 3A 3.4.5 and 6.11), the two 8259A (data sheet 231468), and what interrupts do here.
#include "guests/lesson/lesson.hpp"

namespace {

struct Gate {
    u16 offset_low, selector;
    u8 zero, type;
    u16 offset_high;
};

struct [[gnu::packed]] TablePointer {
    u16 limit;
    u32 base;
};

/// What the entries of entry.asm leave on the stack.
struct Frame {
    u32 edi, esi, ebp, esp, ebx, edx, ecx, eax;
    u32 vector, error;
    u32 eip, cs, eflags;
};

constexpr u16 code_selector = 0x08, data_selector = 0x10;
constexpr u8 interrupt_gate = 0x8E;
constexpr unsigned system_call = 0x30, first_irq = 0x20;

unsigned long long gdt[3];
Gate idt[49];

void set_gate(unsigned vector, u32 entry) {
    const u16 selector = bugs.gate ? data_selector : code_selector;
    idt[vector] = {static_cast<u16>(entry), selector, 0, interrupt_gate, static_cast<u16>(entry >> 16)};
}

/// IRQ 0-15 come as vectors 20h-2Fh, and only the timer is let through.
void set_up_pic() {
    constexpr u16 master = 0x20, slave = 0xA0;
    out8(master, 0x11), out8(slave, 0x11);                           // ICW1: cascade, ICW4 follows
    out8(master + 1, first_irq), out8(slave + 1, first_irq + 8);     // ICW2: vectors
    out8(master + 1, 0x04), out8(slave + 1, 0x02);                   // ICW3: the slave is on IR2
    out8(master + 1, 0x01), out8(slave + 1, 0x01);                   // ICW4: 8086 mode
    out8(master + 1, static_cast<u8>(~0x01)), out8(slave + 1, 0xFF); // OCW1: the masks
}

} // namespace

extern "C" const u32 interrupt_entries[49];
unsigned system_calls;
void timer_interrupt();

void set_up_segments() {
    gdt[0] = 0;
    gdt[1] = 0x00CF9A000000FFFF; // code, ring 0, 4 GiB
    gdt[2] = 0x00CF92000000FFFF; // data, ring 0, 4 GiB
    const TablePointer pointer{sizeof gdt - 1, reinterpret_cast<u32>(gdt)};
    asm volatile("lgdt %0\n"
                 "ljmp %1, $1f\n"
                 "1: movw %w2, %%ds\n"
                 "movw %w2, %%es\n"
                 "movw %w2, %%ss"
                 :
                 : "m"(pointer), "i"(code_selector), "r"(u32{data_selector})
                 : "memory");
}

void set_up_interrupts() {
    for (unsigned vector = 0; vector < 49; ++vector) set_gate(vector, interrupt_entries[vector]);
    const TablePointer pointer{sizeof idt - 1, reinterpret_cast<u32>(idt)};
    asm volatile("lidt %0" : : "m"(pointer));
    set_up_pic();
}

/// OCW2: the interrupt in service is over.
void end_interrupt() { out8(0x20, 0x20); }

extern "C" void handle_interrupt(Frame* frame) {
    if (frame->vector == system_call) {
        ++system_calls;
    } else if (frame->vector == first_irq) {
        timer_interrupt();
    } else {
        print("vector ");
        print_number(frame->vector);
        panic(" was not expected");
    }
}
