// The command `lint`. Its listener belongs to the debugger, so that gdb's `monitor` and the console mean the same one.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "debugger/lint/lint.hpp"

#include <array>

namespace glassbox {

namespace {

constexpr std::string_view lint_help =
    "Lint listens to the guest and notes, once for each place, what it relies on although hardware does not\n"
    "promise it: undefined flags, reserved bits, stale translations, missing EOIs, memory that nobody has\n"
    "written, modified code without a jump, ports without their delays. The guest runs as without it, only\n"
    "slower. Memory counts as unwritten only if lint listens from power-on (glassbox --lint).\n"
    "  lint on      begin to listen\n"
    "  lint         what has been found, with counts (also: lint list)\n"
    "  lint clear   forget what has been found\n"
    "  lint off     listen no more\n";

Expected<> run_lint(CommandContext& context, Arguments& arguments) {
    std::shared_ptr<Lint>& lint = context.debugger.lint;
    const std::string what = arguments.take();
    if (!arguments.empty()) return fail("lint takes one word: on, off, list or clear");
    if (what == "on") {
        if (!lint) lint = std::make_shared<Lint>(context.debugger.machine());
        context.out += "lint listens\n";
        return {};
    }
    if (what == "off") {
        lint.reset();
        context.out += "lint does not listen any more\n";
        return {};
    }
    if (!what.empty() && what != "list" && what != "clear")
        return fail("lint: '" + what + "' is none of on, off, list and clear");
    if (!lint) return fail("lint does not listen: 'lint on' begins, 'glassbox --lint' does so at power-on");
    if (what == "clear")
        lint->clear();
    else
        context.out += lint->summary();
    return {};
}

constexpr std::array<Command, 1> table = {{
    {"lint", "", "Explain", "[on|off|list|clear]", "What the guest relies on and hardware does not promise", lint_help,
     run_lint, "on|off|list|clear"},
}};

} // namespace

std::span<const Command> lint_commands() { return table; }

} // namespace glassbox
