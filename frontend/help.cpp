// --help: the table of options, and what the options cannot say in a line each.
#include "frontend/script.hpp"
#include "frontend/settings.hpp"
#include "machine/keys.hpp"

namespace glassbox {

namespace {

constexpr std::size_t page_width = 100, help_column = 30, script_column = 42;

/// Breaks words into lines. `text` is what stands on the first line already; further lines begin at `column`.
std::string wrapped(std::string text, std::size_t column, std::string_view words) {
    std::size_t used = text.size();
    bool first = true;
    for (const std::string& word : split(words, ' ')) {
        if (!first && used + 1 + word.size() > page_width) {
            text += "\n" + std::string(column, ' ');
            used = column;
            first = true;
        }
        text += (first ? "" : " ") + word;
        used += word.size() + (first ? 0 : 1);
        first = false;
    }
    return text + "\n";
}

std::string option_line(const Setting& setting) {
    std::string text = "  " + dashed(setting);
    if (!setting.value.empty()) text += (is_optional(setting) ? "" : " ") + std::string(setting.value);
    if (text.size() >= help_column) {
        return text + "\n" + wrapped(std::string(help_column, ' '), help_column, setting.help);
    }
    text.resize(help_column, ' ');
    return wrapped(text, help_column, setting.help);
}

constexpr std::string_view introduction =
    R"(GlassBox, an x86 PC that you can see through: boots and runs real operating systems.

Usage: glassbox [run] [MACHINE.toml] [options]
       glassbox debug [MACHINE.toml] [options]   stops before the first instruction, in the debugger
       glassbox conform SUITE... [options]       evidence that the processor is right

Run and debug start the machine that MACHINE.toml (its keys are the options' names) and the options
describe; options override the file. --help shows this, debug --help what belongs to the debugger,
conform --help what belongs to the evidence, --version the version.
)";

constexpr std::string_view exit_statuses = R"(Exit status:
  0  the guest powered off, or the user or a script ended the run
  1  a usage or file error
  2  the guest triple-faulted (with --on-triple-fault stop)
  3  a limit of instructions or time was reached, or the guest halted with interrupts off
  4  an expectation of the script, or a command of a debugger's script (-x), failed
  5  --lint=error has found something in the guest
  6  the two machines of --lockstep differ, or a machine and the recording that it repeats
  (V<<1)|1 after the guest wrote V to the --exit-port; 128 + the signal's number after SIGINT or
  SIGTERM

)";

constexpr std::string_view files = R"(MACHINE.toml:
  memory = "256M"
  disk = ["disk.qcow2,discard-writes"]      # options that repeat take a list
  cdrom = "install.iso"
  boot = ["cdrom", "disk"]
  serial = ["stdio"]
  state-hash = true                         # options without a value are true or false
  Paths in the file are relative to its folder.

)";

constexpr std::string_view examples = R"(Examples:
  glassbox --demo
  glassbox --cdrom install.iso --disk disk.img --boot cdrom,disk --memory 512M
  glassbox --kernel vmlinuz --initrd root.gz --append "console=ttyS0" --display none --serial stdio
  glassbox --floppy dos.img --script test.txt --display none --state-hash

)";

constexpr std::string_view display_keys = R"(Keys:
  window    a click gives the guest the mouse and the keyboard, Ctrl+Alt+G takes them back;
            Ctrl+Alt+F full screen; Ctrl+Alt+D enters the debugger; Ctrl+Alt+Insert sends
            Ctrl+Alt+Delete; a dropped .iso or floppy image becomes the medium of its drive; closing
            asks the guest to power off, the second time, or while the debugger has stopped the
            machine, it ends the run
  terminal  Ctrl+] q (or Ctrl+] twice) ends the run, Ctrl+] d sends Ctrl+Alt+Delete, Ctrl+] p
            presses the power button, Ctrl+] r resets, Ctrl+] b enters the debugger, Ctrl+] l
            redraws, Ctrl+] ] sends Ctrl+]
  serial    (--serial stdio in a terminal) Ctrl+A x ends the run, Ctrl+A d enters the debugger,
            Ctrl+A a sends Ctrl+A, Ctrl+A h shows this
  debugger  Ctrl-C in the terminal stops the machine for the debugger; there, help lists everything,
            Ctrl-C drops the line and what waits, Tab completes, Ctrl-R searches, Ctrl-D ends the
            run; Ctrl-Z and the shell's fg work as everywhere

)";

constexpr std::string_view time_notes = R"(Time:
  --max-instructions and --max-seconds count from the machine's power-on, also in a run that begins
  with --load. With --clock virtual, and nothing typed or received from outside, two runs are the
  same to the instruction.

)";

constexpr std::string_view debugger_introduction =
    R"(Usage: glassbox debug [MACHINE.toml] [options]

The machine that MACHINE.toml and the options describe, stopped before its first instruction, and a
console that sees all of it and goes backwards too: help there lists the commands. Without anything
to boot there is the firmware. Any run can be stopped for the debugger with the keys below; see
also --on-triple-fault debug, --hostile and --trace.
)";

constexpr std::string_view debugger_examples = R"(Examples:
  glassbox debug --floppy os.img --break-at-boot
  glassbox debug --kernel kernel.elf --symbols kernel.elf --break main
  glassbox debug --disk disk.img --gdb 1234          # then, in gdb: target remote :1234
  glassbox --disk disk.img --record run.rec          # and later:
  glassbox debug --replay run.rec
  glassbox debug --kernel kernel.elf -x test.gbd --display none   # status 4 if a command fails

All other options: glassbox --help. Commands, gdb, going back and lint: docs/debugger.md.
)";

void append_groups(std::string& out, std::string_view only) {
    std::string_view group;
    for (const Setting& setting : all_settings()) {
        if (!only.empty() && setting.group != only) continue;
        if (setting.group != group) out += "\n" + std::string(group = setting.group) + ":\n";
        out += option_line(setting);
    }
    out += "\n";
}

} // namespace

std::string debugger_help_text() {
    std::string out(debugger_introduction);
    append_groups(out, find_setting("break")->group);
    out += display_keys;
    out += exit_statuses;
    out += debugger_examples;
    return out;
}

std::string help_text() {
    std::string out(introduction);
    append_groups(out, {});
    out += exit_statuses;
    out += display_keys;
    out += time_notes;
    out +=
        "Script (--script): a command a line, # begins a comment; times are guest time, a wait is 30s\n"
        "unless said; strings know \\n \\t \\r \\b \\e \\0 \\\\ \\\" \\xNN; a wait that fails prints the screen and\n"
        "ends with status 4\n";
    for (const std::string& line : split(script_help(), '\n')) {
        if (!line.empty()) out += wrapped(line.substr(0, script_column), script_column, line.substr(script_column));
    }
    out += "  Keys are letters, digits, punctuation, combinations with dashes (shift-a, ctrl-alt-delete), and:\n";
    out += wrapped("  ", 2, key_names());
    out += "\n";
    out += files;
    out += examples;
    out.pop_back();
    return out;
}

} // namespace glassbox
