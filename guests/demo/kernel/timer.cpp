// Channel 0 of the 8254 divides 1.193182 MHz down to interrupts on IRQ 0. Each one is a chance to change the task.
#include "timer.hpp"

#include "console.hpp"
#include "interrupts.hpp"
#include "pic.hpp"
#include "ports.hpp"
#include "tasks.hpp"

namespace {
constexpr u32 clock_hertz = 1193182;
constexpr u16 channel_0 = 0x40, control = 0x43;
volatile u32 tick_count;

/// The first cell of the status line shows how long the kernel has been running.
void show_clock(u32 seconds) {
    char text[] = " up 0000:00:00";
    const u32 parts[] = {seconds / 3600, seconds / 60 % 60, seconds % 60};
    for (u32 i = 0, place = 7; i < 3; ++i, place += 3) {
        u32 value = parts[i];
        for (u32 digit = 0; digit < (i == 0 ? 4u : 2u); ++digit, value /= 10)
            text[place - digit] = static_cast<char>('0' + value % 10);
    }
    status_cell(0, text);
}

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
    if (tick_count % ticks_a_second == 0) show_clock(tick_count / ticks_a_second);
    tasks_tick();
}

u32 ticks() { return tick_count; }
