// The clock tick: 100 times a second.
#pragma once

#include "types.hpp"

constexpr u32 ticks_a_second = 100;

void timer_start();
void timer_interrupt();
/// Ticks since the kernel started.
u32 ticks();
