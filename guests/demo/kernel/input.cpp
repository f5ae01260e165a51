// A ring of characters between the interrupt handlers that fill it and the shell that empties it.
#include "input.hpp"

#include "ports.hpp"
#include "tasks.hpp"

namespace {
constexpr u32 capacity = 256; // a power of two, so that the counters may wrap
char ring[capacity];
u32 written, taken;
} // namespace

void input_character(char c) {
    if (written - taken < capacity) ring[written++ % capacity] = c; // when it is full, typing is lost
    wake_waiting_for_input();
}

char read_character() {
    // Look and fall asleep with interrupts off: a character between the two would never wake us.
    const NoInterrupts guard;
    while (written == taken) wait_for_input();
    return ring[taken++ % capacity];
}
