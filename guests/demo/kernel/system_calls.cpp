// The kernel's side of INT 80h. Whatever comes from ring 3 is not to be trusted: above all a pointer.
#include "system_calls.hpp"

#include "../user/system_call_numbers.hpp"
#include "console.hpp"
#include "memory.hpp"
#include "tasks.hpp"
#include "timer.hpp"

namespace {

/// Copies a text out of the task's memory; stops at the first byte that the task itself could not read.
void copy_from_user(char* target, u32 capacity, u32 address) {
    u32 count = 0;
    for (; count + 1 < capacity; ++count, ++address) {
        constexpr u32 readable = page_present | page_user;
        if (address < user_base || address >= user_end) break;
        if ((page_entry(current_task().directory, address) & readable) != readable) break;
        target[count] = *pointer_to<const char>(address);
        if (target[count] == 0) return;
    }
    target[count] = 0;
}

} // namespace

void system_call(Frame& frame) {
    switch (static_cast<SystemCall>(frame.eax)) {
    case SystemCall::exit: finish_current_task(); break;
    case SystemCall::sleep: sleep_ticks(frame.ebx); break;
    case SystemCall::show: {
        char text[21];
        copy_from_user(text, sizeof(text), frame.ebx);
        if (current_task().status_cell != no_status_cell) status_cell(current_task().status_cell, text);
        break;
    }
    case SystemCall::clock: frame.eax = ticks(); break;
    default: frame.eax = ~0u; // no such call
    }
}
