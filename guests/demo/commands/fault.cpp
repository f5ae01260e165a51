// Three programs break the rules. The processor notices, the kernel explains, everybody else goes on.
#include "../kernel/console.hpp"
#include "../kernel/faults.hpp"
#include "../kernel/tasks.hpp"
#include "../user/jobs.hpp"
#include "shell.hpp"

namespace {

void demonstrate(const char* what, u32 job) {
    set_color(Color::white);
    print("  A task ");
    print(what);
    print("\n");
    set_color(Color::grey);
    const u32 number = start_user_task("fault", job, no_status_cell);
    if (number == 0) {
        print("  There is no room for another task.\n");
        return;
    }
    const FaultReport report = wait_for_task(number);
    if (report.happened) {
        print("  The processor says: ");
        explain(report);
    } else {
        print("  Nothing happened, which should not be.\n");
    }
}

} // namespace

void command_fault() {
    demonstrate("writes to an address that belongs to nobody.", job_write_nowhere);
    demonstrate("reads the kernel's memory.", job_read_kernel);
    demonstrate("switches the interrupts off (CLI).", job_stop_interrupts);
    print("  The kernel ended all three, and goes on.\n");
}
