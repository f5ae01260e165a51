// Counter 0 of the 8254 (data sheet 231164) as a clock.
#include "guests/lesson/lesson.hpp"

volatile unsigned ticks;

void start_timer(unsigned hertz) {
    constexpr unsigned frequency = 1193182;
    const unsigned divisor = frequency / hertz;
    out8(0x43, 0x34); // counter 0, low byte and high byte, mode 2
    out8(0x40, static_cast<u8>(divisor));
    out8(0x40, static_cast<u8>(divisor >> 8));
}

void timer_interrupt() {
    ticks = ticks + 1;
    if (!bugs.eoi) end_interrupt();
}
