// The end of --help: what the options cannot say in a line each.
#include "frontend/keys.hpp"
#include "frontend/options.hpp"
#include "frontend/script.hpp"

namespace glassbox {

namespace {

/// Breaks a list of words into indented lines.
std::string wrapped(const std::string& words) {
    std::string out, line = " ";
    for (const std::string& word : split(words, ' ')) {
        if (line.size() + word.size() > 100) {
            out += line + "\n";
            line = " ";
        }
        line += " " + word;
    }
    return out + line + "\n";
}

constexpr std::string_view exit_statuses = R"(Exit status:
  0  the guest powered off, or the user or a script ended the run
  1  a usage or file error
  2  the guest triple-faulted (with --on-triple-fault stop)
  3  a limit of instructions or time was reached, or the guest halted with interrupts off
  4  an expectation of the script failed
  (V<<1)|1 after the guest wrote V to the --exit-port; 128 + the signal's number after SIGINT or SIGTERM

)";

constexpr std::string_view files = R"(MACHINE.toml:
  memory = "256M"
  disk = ["disk.qcow2,discard-writes"]      # options that repeat take a list
  cdrom = "install.iso"
  boot = ["cdrom", "disk"]
  serial = ["stdio"]
  state-hash = true                         # options without a value are true or false

)";

constexpr std::string_view examples = R"(Examples:
  glassbox --demo
  glassbox --cdrom install.iso --disk disk.img --boot cdrom,disk --memory 512M
  glassbox --kernel vmlinuz --initrd initrd.gz --append "console=ttyS0" --display none --serial stdio
  glassbox --floppy dos.img --script test.txt --display none --state-hash

)";

constexpr std::string_view display_keys = R"(Keys:
  window    a click gives the guest the mouse and the keyboard, Ctrl+Alt+G takes them back; Ctrl+Alt+F full screen;
            Ctrl+Alt+Insert sends Ctrl+Alt+Delete; a dropped .iso or floppy image becomes the medium of its drive;
            closing asks the guest to power off, the second time it ends the run
  terminal  Ctrl+] q (or Ctrl+] twice) ends the run, Ctrl+] d sends Ctrl+Alt+Delete, Ctrl+] p presses the power
            button, Ctrl+] r resets, Ctrl+] l redraws, Ctrl+] ] sends Ctrl+]
  serial    (--serial stdio in a terminal) Ctrl+A x ends the run, Ctrl+A a sends Ctrl+A, Ctrl+A h shows this

)";

constexpr std::string_view time_notes = R"(Time:
  --max-instructions and --max-seconds count from the machine's power-on, also in a run that begins with --load.
  With --clock virtual, and nothing typed or received from outside, two runs are the same to the instruction.

)";

} // namespace

std::string help_footer() {
    std::string out(exit_statuses);
    out += display_keys;
    out += time_notes;
    out += "Script (--script): a command a line, # begins a comment; times are guest time, a wait is 30s unless said;\n"
           "strings know \\n \\t \\r \\b \\e \\0 \\\\ \\\" \\xNN; a wait that fails prints the screen and ends with "
           "status 4\n";
    out += script_help();
    out += "  Keys are letters, digits, punctuation, combinations with dashes (shift-a, ctrl-alt-delete), and:\n";
    out += wrapped(key_names());
    out += "\n";
    out += files;
    out += examples;
    out.pop_back();
    return out;
}

} // namespace glassbox
