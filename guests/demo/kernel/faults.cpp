// A fault in ring 3 is the task's problem: it ends, everything else goes on. A fault in ring 0 is a bug in this kernel.
// Intel SDM volume 3A, 6.13 (error codes), 6.15 (exceptions).
#include "faults.hpp"

#include "console.hpp"
#include "ports.hpp"

namespace {

void explain_page_fault(const FaultReport& report) {
    constexpr u32 was_present = 1, was_write = 2, was_user = 4;
    print("  It tried to ");
    print((report.error & was_write) != 0 ? "write to" : "read from");
    print(" address ");
    print_hex(report.address);
    print(" (from CR2).\n  Error code ");
    print_hex(report.error, 4);
    print(": bit 0 = ");
    print((report.error & was_present) != 0 ? "1, the page is there but may not be used like that"
                                            : "0, no page is mapped there");
    print(";\n    bit 1 = ");
    print((report.error & was_write) != 0 ? "1, a write" : "0, a read");
    print("; bit 2 = ");
    print((report.error & was_user) != 0 ? "1, in user mode.\n" : "0, in the kernel.\n");
}

void explain_general_protection(const FaultReport& report) {
    print("  Error code ");
    print_hex(report.error, 4);
    if (report.error == 0) {
        print(": no descriptor is to blame, so it was the instruction itself:\n    it is allowed in ring 0 only.\n");
        return;
    }
    print(": selector ");
    print_hex(report.error & 0xFFF8, 4);
    print((report.error & 2) != 0 ? " of the IDT.\n" : (report.error & 4) != 0 ? " of the LDT.\n" : " of the GDT.\n");
}

[[noreturn]] void panic(const FaultReport& report) {
    set_color(Color::light_red);
    print("\nThe kernel itself has failed: ");
    explain(report);
    for (;;) {
        interrupts_off();
        halt();
    }
}

} // namespace

void handle_exception(Frame& frame) {
    const FaultReport report{true, frame.vector, frame.error, frame.eip,
                             frame.vector == vector_page_fault ? read_cr2() : 0};
    if (!frame.from_user()) panic(report);
    current_task().fault = report;
    finish_current_task();
}

void explain(const FaultReport& report) {
    print("exception ");
    print_number(report.vector);
    print(", ");
    print(exception_name(report.vector));
    print(", at EIP ");
    print_hex(report.eip);
    print(".\n");
    if (report.vector == vector_page_fault) explain_page_fault(report);
    if (report.vector == vector_general_protection) explain_general_protection(report);
}
