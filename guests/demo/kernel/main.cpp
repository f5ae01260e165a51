// The kernel starts here: one part after the other, in the order in which they need each other.
#include "../commands/shell.hpp"
#include "../user/jobs.hpp"
#include "boot_info.hpp"
#include "console.hpp"
#include "interrupts.hpp"
#include "keyboard.hpp"
#include "memory.hpp"
#include "pic.hpp"
#include "ports.hpp"
#include "segments.hpp"
#include "tasks.hpp"
#include "timer.hpp"

namespace {

void step(const char* text) {
    set_color(Color::dark_grey);
    print("  ");
    print(text);
    print("\n");
    set_color(Color::grey);
}

} // namespace

extern "C" void kernel_main() {
    console_start();
    set_color(Color::light_cyan);
    print("GlassBox demo: a small operating system to look into\n");
    if (boot_info().magic != 0x42534C47) {
        print("The loader's boot information is missing.\n");
        return;
    }
    segments_start();
    step("segments: flat code and data for ring 0 and ring 3, one task state segment");
    memory_start();
    step("paging:   the kernel sees memory as it is, each task only its own");
    interrupts_start();
    keyboard_start();
    allow_irq(irq_keyboard);
    allow_irq(irq_com1);
    step("PIC:      IRQ 0-15 moved to vectors 20h-2Fh");
    tasks_start();
    timer_start();
    step("PIT:      100 ticks a second, each may change the task");
    interrupts_on();
    start_user_task("spinner", job_spinner, 1);
    start_user_task("counter", job_counter, 2);
    start_user_task("primes", job_primes, 3);
    step("ring 3:   three tasks on the status line, each with its own memory");
    print("GlassBox demo ready\n");
    shell();
}
