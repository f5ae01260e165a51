// The interrupt descriptor table, and the one function that every interrupt, exception and system call comes through.
// Intel SDM volume 3A, 6.10-6.15.
#include "interrupts.hpp"

#include "console.hpp"
#include "faults.hpp"
#include "keyboard.hpp"
#include "pic.hpp"
#include "ports.hpp"
#include "segments.hpp"
#include "serial.hpp"
#include "system_calls.hpp"
#include "tasks.hpp"
#include "timer.hpp"

extern "C" const u32 interrupt_entries[49];

namespace {

u64 gates[256];

/// An interrupt gate: interrupts are off in the handler. `level` is the least privileged ring that may use INT on it.
u64 gate(u32 handler, u32 level) {
    const u32 low = u32{kernel_code} << 16 | (handler & 0xFFFF);
    const u32 high = (handler & 0xFFFF0000) | 0x8E00 | level << 13;
    return u64{high} << 32 | low;
}

void handle_irq(u32 irq) {
    if (!begin_irq(irq)) return;
    if (irq == irq_keyboard) keyboard_interrupt();
    if (irq == irq_com1) serial_interrupt();
    // The controllers must be told before the timer changes the task: this call may return much later.
    end_irq(irq);
    if (irq == irq_timer) timer_interrupt();
}

} // namespace

extern "C" void handle_interrupt(Frame* frame) {
    if (frame->vector == vector_system_call)
        system_call(*frame);
    else if (frame->vector >= first_irq_vector)
        handle_irq(frame->vector - first_irq_vector);
    else
        handle_exception(*frame);
    reschedule_if_needed();
}

void interrupts_start() {
    for (u32 vector = 0; vector < 48; ++vector) gates[vector] = gate(interrupt_entries[vector], 0);
    gates[vector_system_call] = gate(interrupt_entries[48], 3);
    const struct {
        u16 limit;
        u32 base;
    } __attribute__((packed)) table{sizeof(gates) - 1, address_of(gates)};
    asm volatile("lidt %0" : : "m"(table));
    pic_start();
}

const char* exception_name(u32 vector) {
    constexpr const char* names[] = {"divide error",
                                     "debug",
                                     "non-maskable interrupt",
                                     "breakpoint",
                                     "overflow",
                                     "bound exceeded",
                                     "invalid opcode",
                                     "no coprocessor",
                                     "double fault",
                                     "coprocessor overrun",
                                     "invalid TSS",
                                     "segment not present",
                                     "stack fault",
                                     "general protection fault",
                                     "page fault",
                                     "reserved",
                                     "floating-point error",
                                     "alignment check",
                                     "machine check"};
    return vector < sizeof(names) / sizeof(names[0]) ? names[vector] : "reserved";
}
