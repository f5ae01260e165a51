// Channel 0 of the 8254 divides 1.193182 MHz down to interrupts on IRQ 0. Each one is a chance to change the task.
#include "timer.hpp"

#include "interrupts.hpp"
#include "pic.hpp"
#include "ports.hpp"
#include "tasks.hpp"

namespace {
constexpr u32 clock_hertz = 1193182;
constexpr u16 channel_0 = 0x40, control = 0x43;
volatile u32 tick_count;
} // namespace

void timer_start() {
    constexpr u32 divisor = (clock_hertz + ticks_a_second / 2) / ticks_a_second;
    out8(control, 0x34); // channel 0, low byte then high byte, mode 2 (rate generator)
    out8(channel_0, static_cast<u8>(divisor));
    out8(channel_0, static_cast<u8>(divisor >> 8));
    allow_irq(irq_timer);
}

void timer_interrupt() {
    tick_count = tick_count + 1;
    tasks_tick();
}

u32 ticks() { return tick_count; }
