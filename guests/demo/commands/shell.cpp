// A prompt, a line, a table of commands.
#include "shell.hpp"

#include "../kernel/console.hpp"
#include "../kernel/input.hpp"
#include "../kernel/tasks.hpp"
#include "../kernel/text.hpp"
#include "../kernel/timer.hpp"

namespace {

void command_help();

struct Command {
    const char* name;
    const char* help;
    void (*run)();
};

constexpr Command commands[] = {
    {"help", "this list", command_help},
    {"cpu", "what the processor says about itself", command_cpu},
    {"mem", "the BIOS's memory map and the page tables", command_mem},
    {"pci", "the devices on the PCI bus", command_pci},
    {"tasks", "who runs, and for how long", command_tasks},
    {"disk", "the drives on the IDE channels", command_disk},
    {"fault", "three programs break the rules and are caught", command_fault},
    {"gfx", "a picture, until a key is pressed", command_gfx},
    {"clear", "clear the screen", clear_screen},
    {"uptime", "time since the start", command_uptime},
    {"reboot", "start the machine anew", command_reboot},
    {"off", "switch the machine off", command_off},
};

void command_help() {
    for (const auto& command : commands) {
        print("  ");
        print_padded(command.name, 8);
        print(command.help);
        print("\n");
    }
}

/// Reads one line with backspace; the text is echoed as it comes.
void read_line(char* line, u32 capacity) {
    u32 used = 0;
    for (;;) {
        const char c = read_character();
        if (c == '\n') break;
        if (c == '\b') {
            if (used > 0) {
                --used;
                put('\b');
            }
        } else if (c >= ' ' && c < 0x7F && used + 1 < capacity) {
            line[used++] = c;
            put(c);
        }
    }
    put('\n');
    line[used] = 0;
}

/// Cuts spaces at both ends.
char* trim(char* line) {
    while (*line == ' ') ++line;
    for (u32 end = length(line); end > 0 && line[end - 1] == ' ';) line[--end] = 0;
    return line;
}

void run(const char* name) {
    for (const auto& command : commands)
        if (equal(command.name, name)) return command.run();
    print("There is no command '");
    print(name);
    print("'; 'help' lists them.\n");
}

} // namespace

[[noreturn]] void shell() {
    print("Type 'help' for the commands, here or on the serial port.\n");
    for (;;) {
        set_color(Color::light_green);
        print("glass> ");
        set_color(Color::grey);
        char buffer[64];
        read_line(buffer, sizeof(buffer));
        const char* const name = trim(buffer);
        if (*name != 0) run(name);
    }
}

void command_tasks() {
    print("  task      ring  state      ticks  switches  preempted  page directory\n");
    for (u32 number = 0; number < most_tasks; ++number) {
        const Task& t = task(number);
        if (t.state == TaskState::empty) continue;
        const auto column = [](u32 value, u32 width) {
            u32 digits = 1;
            for (u32 rest = value; rest >= 10; rest /= 10) ++digits;
            for (; digits < width; ++digits) put(' ');
            print_number(value);
        };
        print("  ");
        print_padded(t.name, 10);
        print(t.in_user_mode ? "3     " : "0     ");
        print_padded(state_name(t.state), 9);
        column(t.ticks_used, 7);
        column(t.switches, 10);
        column(t.preemptions, 11);
        print("  ");
        print_hex(t.directory);
        print("\n");
    }
}

void command_uptime() {
    print("  ");
    print_number(ticks() / ticks_a_second);
    put('.');
    print_number(ticks() / 10 % 10);
    print_number(ticks() % 10);
    print(" s\n");
}
