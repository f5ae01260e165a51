// --help: the table of options, and what the options cannot say in a line each.
#include "frontend/script.hpp"
#include "frontend/settings.hpp"
#include "machine/keys.hpp"

namespace glassbox {

namespace {

constexpr std::size_t page_width = 100, help_column = 30;

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
    if (!setting.value.empty()) text += " " + std::string(setting.value);
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
       glassbox conform SUITE... [options]    evidence that the processor is right: glassbox conform --help

Run and debug start the machine that MACHINE.toml (its keys are the options' names) and the options describe;
options override the file. --help shows this, --version the version.
)";

constexpr std::string_view exit_statuses = R"(Exit status:
  0  the guest powered off, or the user or a script ended the run
  1  a usage or file error
  2  the guest triple-faulted (with --on-triple-fault stop)
  3  a limit of instructions or time was reached, or the guest halted with interrupts off
  4  an expectation of the script, or a command of a debugger's script (-x), failed
  6  the two machines of --lockstep differ
  (V<<1)|1 after the guest wrote V to the --exit-port; 128 + the signal's number after SIGINT or SIGTERM

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
  glassbox --kernel vmlinuz --initrd initrd.gz --append "console=ttyS0" --display none --serial stdio
  glassbox --floppy dos.img --script test.txt --display none --state-hash

)";

constexpr std::string_view display_keys = R"(Keys:
  window    a click gives the guest the mouse and the keyboard, Ctrl+Alt+G takes them back; Ctrl+Alt+F full screen;
            Ctrl+Alt+D enters the debugger; Ctrl+Alt+Insert sends Ctrl+Alt+Delete; a dropped .iso or floppy image becomes the medium of its drive;
            closing asks the guest to power off, the second time it ends the run
  terminal  Ctrl+] q (or Ctrl+] twice) ends the run, Ctrl+] d sends Ctrl+Alt+Delete, Ctrl+] p presses the power
            button, Ctrl+] r resets, Ctrl+] b enters the debugger, Ctrl+] l redraws,
            Ctrl+] ] sends Ctrl+]
  serial    (--serial stdio in a terminal) Ctrl+A x ends the run, Ctrl+A d enters the debugger, Ctrl+A a sends
            Ctrl+A, Ctrl+A h shows this
  debugger  Ctrl-C in the terminal stops the machine for the debugger; there, help lists everything

)";

constexpr std::string_view time_notes = R"(Time:
  --max-instructions and --max-seconds count from the machine's power-on, also in a run that begins with --load.
  With --clock virtual, and nothing typed or received from outside, two runs are the same to the instruction.

)";

} // namespace

std::string help_text() {
    std::string out(introduction);
    std::string_view group;
    for (const Setting& setting : all_settings()) {
        if (setting.group != group) out += "\n" + std::string(group = setting.group) + ":\n";
        out += option_line(setting);
    }
    out += "\n";
    out += exit_statuses;
    out += display_keys;
    out += time_notes;
    out += "Script (--script): a command a line, # begins a comment; times are guest time, a wait is 30s unless said;\n"
           "strings know \\n \\t \\r \\b \\e \\0 \\\\ \\\" \\xNN; a wait that fails prints the screen and ends with "
           "status 4\n";
    out += script_help();
    out += "  Keys are letters, digits, punctuation, combinations with dashes (shift-a, ctrl-alt-delete), and:\n";
    out += wrapped("  ", 2, key_names());
    out += "\n";
    out += files;
    out += examples;
    out.pop_back();
    return out;
}

} // namespace glassbox
