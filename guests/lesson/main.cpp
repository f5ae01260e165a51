// The lesson kernel: a small kernel in five steps, each of which can be given a bug. docs/tutorial.md finds them.
#include "guests/lesson/lesson.hpp"

Bugs bugs;

namespace {

struct BootInformation { // Multiboot specification 0.6.96, 3.3
    u32 flags, memory_lower, memory_upper, boot_device;
    const char* command_line;
};

bool begins_with(const char* text, const char* word) {
    while (*word) {
        if (*text++ != *word++) return false;
    }
    return true;
}

bool mentions(const char* text, const char* word) {
    for (; *text; ++text) {
        if (begins_with(text, word)) return true;
    }
    return false;
}

void choose_bugs(const BootInformation& boot) {
    if ((boot.flags & 4) == 0) return; // no command line
    bugs.overrun = mentions(boot.command_line, "bug=overrun");
    bugs.gate = mentions(boot.command_line, "bug=gate");
    bugs.tlb = mentions(boot.command_line, "bug=tlb");
    bugs.eoi = mentions(boot.command_line, "bug=eoi");
}

void keep_a_journal() {
    note("kernel starts");
    note("screen works");
    note("journal works");
    note("interrupts next."); // as long as a line of the journal
    if (notes() != 4) panic("four notes were written, the journal has another number");
    print("journal: four notes\n");
}

void call_the_system() {
    asm volatile("int $0x30");
    if (system_calls != 1) panic("the system call did not arrive");
    print("system call: answered\n");
}

/// Two page frames take turns behind one window.
void look_through_the_window() {
    alignas(4096) static u32 first[1024], second[1024];
    first[0] = 1111, second[0] = 2222;
    show_in_window(reinterpret_cast<u32>(first));
    if (*window() != 1111) panic("the window does not show the first frame");
    show_in_window(reinterpret_cast<u32>(second));
    if (*window() != 2222) panic("the window does not show the second frame");
    print("window: both frames\n");
}

void wait_for_ticks(unsigned count) {
    asm volatile("sti");
    while (ticks < count) asm volatile("hlt");
    asm volatile("cli");
    print("timer: ");
    print_number(ticks);
    print(" ticks\n");
}

void power_off() {
    constexpr u16 pm1_control = 0x604; // where SeaBIOS places the PIIX4's PMBASE, and its register 4
    out16(pm1_control, 1u << 13);      // SLP_EN, SLP_TYP 0: soft off
}

} // namespace

extern "C" void kernel_main(const BootInformation* boot) {
    choose_bugs(*boot);
    clear_screen();
    print("Lesson kernel\n");
    keep_a_journal();
    set_up_segments();
    set_up_interrupts();
    call_the_system();
    set_up_paging();
    look_through_the_window();
    start_timer(100);
    wait_for_ticks(3);
    print_journal();
    print("All is well.\n");
    power_off();
}
