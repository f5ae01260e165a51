// The command `lint`. Its listener belongs to the debugger, so that gdb's `monitor` and the console mean the same one.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "debugger/hex.hpp"
#include "debugger/lint/lint.hpp"
#include "debugger/symbols/expression.hpp"

#include <array>
#include <cstdio>

namespace glassbox {

namespace {

constexpr std::string_view lint_help =
    "Lint listens to the guest and notes, once for each place, what it relies on although hardware does not\n"
    "promise it. The guest runs as without it, only slower. Memory counts as unwritten only if lint listens\n"
    "from power-on (glassbox --lint). `lint rules` lists what it looks for.\n"
    "  lint on                       begin to listen\n"
    "  lint                          what has been found, with counts (also: lint list)\n"
    "  lint list missing-eoi         of one rule, with sections and what to do\n"
    "  lint rules                    all rules, and which are off or stop\n"
    "  lint explain missing-eoi      why hardware does not promise it, and what to do\n"
    "  lint off uninitialised        not this one (lint on uninitialised: again)\n"
    "  lint stop stale-translation   stop where it happens, at the instruction behind (nostop: not any more)\n"
    "  lint suppress schedule        nothing more is said of the instruction there (unsuppress: again)\n"
    "  lint suppress $pc undefined-flags   ... of one rule\n"
    "  lint clear                    forget what has been found\n"
    "  lint off                      listen no more\n";

Expected<LintKind> rule_named(const std::string& name) {
    if (const auto kind = find_rule(name)) return *kind;
    return fail("there is no lint rule '" + name + "': 'lint rules' lists them");
}

Expected<Lint*> listener(CommandContext& context) {
    if (context.debugger.lint) return context.debugger.lint.get();
    return fail("lint does not listen: 'lint on' begins, 'glassbox --lint' does so at power-on");
}

Expected<> begin(CommandContext& context) {
    Debugger& debugger = context.debugger;
    if (!debugger.lint) debugger.lint = std::make_shared<Lint>(debugger.machine());
    debugger.lint->set_symbols(&debugger.symbols());
    context.out += "lint listens\n";
    return {};
}

Expected<> set_rule(CommandContext& context, const std::string& name, bool on) {
    auto kind = rule_named(name);
    auto lint = listener(context);
    if (!kind) return fail(kind.error().message);
    if (!lint) return fail(lint.error().message);
    (*lint)->enable(*kind, on);
    context.out += "lint: " + std::string(name_of(*kind)) + (on ? " is looked for\n" : " is not looked for any more\n");
    return {};
}

Expected<> list(CommandContext& context, const std::string& name) {
    auto lint = listener(context);
    if (!lint) return fail(lint.error().message);
    if (name.empty()) {
        context.out += (*lint)->summary();
        return {};
    }
    auto kind = rule_named(name);
    if (!kind) return fail(kind.error().message);
    bool any = false;
    for (const LintWarning& w : (*lint)->warnings()) {
        if (w.kind != *kind) continue;
        any = true;
        context.out += Lint::to_text(w) + "    " + std::to_string(w.count) + (w.count == 1 ? " time" : " times") +
                       ", the last at #" + std::to_string(w.at) + "\n";
    }
    if (!any) context.out += "lint: nothing of " + std::string(name_of(*kind)) + "\n";
    return {};
}

Expected<> rules(CommandContext& context) {
    const Lint* lint = context.debugger.lint.get();
    for (unsigned i = 0; i < lint_kinds; ++i) {
        const auto kind = static_cast<LintKind>(i);
        const LintRule& rule = rule_of(kind);
        std::string line = "  " + std::string(rule.name);
        line.resize(22, ' ');
        line += rule.summary;
        if (lint && !lint->enabled(kind)) line += " (off)";
        if (lint && lint->stops(kind)) line += " (stops)";
        context.out += line + "\n";
    }
    if (!lint) return {};
    for (const Lint::Suppression& s : lint->suppressions())
        context.out += "  suppressed at " + capital_hex(s.linear, 8) + "h" +
                       (s.kind ? ": " + std::string(name_of(*s.kind)) : std::string()) + ", " +
                       std::to_string(s.count) + (s.count == 1 ? " time\n" : " times\n");
    return {};
}

Expected<> explain(CommandContext& context, const std::string& name) {
    auto kind = rule_named(name);
    if (!kind) return fail(kind.error().message);
    const LintRule& rule = rule_of(*kind);
    std::string text(rule.name);
    text += ": ";
    text += rule.summary;
    text += ".\n";
    text += rule.explanation;
    text += "\nDo: ";
    text += rule.advice;
    text += ".\nSections: ";
    text += rule.section;
    context.out += text + "\n";
    return {};
}

Expected<> set_stop(CommandContext& context, const std::string& name, bool on) {
    auto kind = rule_named(name);
    if (!kind) return fail(kind.error().message);
    if (on && !context.debugger.lint)
        if (auto begun = begin(context); !begun) return begun;
    auto lint = listener(context);
    if (!lint) return fail(lint.error().message);
    (*lint)->set_stops(*kind, on);
    Debugger& debugger = context.debugger;
    (*lint)->stop = [&debugger](const LintWarning& warning) {
        const std::string place = warning.symbol.empty() ? warning.place : warning.place + " <" + warning.symbol + ">";
        debugger.request_reason = "lint, " + std::string(name_of(warning.kind)) + ": " + place + "  " +
                                  warning.instruction + ": " + warning.text;
    };
    context.out += "lint: " + std::string(name_of(*kind)) + (on ? " stops the machine\n" : " does not stop any more\n");
    return {};
}

Expected<> suppress(CommandContext& context, Arguments& arguments, bool on) {
    auto lint = listener(context);
    if (!lint) return fail(lint.error().message);
    const std::string place = arguments.take();
    if (place.empty()) return fail("lint: an address is missing: where the warning's instruction is");
    auto address = evaluate_address(context.debugger, place);
    if (!address) return fail(address.error().message);
    std::optional<LintKind> kind;
    if (const std::string name = arguments.take(); on && !name.empty()) {
        auto named = rule_named(name);
        if (!named) return fail(named.error().message);
        kind = *named;
    }
    const bool done = on ? (*lint)->suppress(address->value, kind) : (*lint)->unsuppress(address->value);
    const std::string at = capital_hex(address->value, 8) + "h";
    if (!done) return fail(on ? "that is suppressed already" : "nothing is suppressed at " + at);
    context.out += "lint: the instruction at " + at + (on ? " is let off\n" : " is looked at again\n");
    return {};
}

Expected<> run_lint(CommandContext& context, Arguments& arguments) {
    std::shared_ptr<Lint>& lint = context.debugger.lint;
    const std::string what = arguments.take();
    if (what == "suppress" || what == "unsuppress") {
        auto done = suppress(context, arguments, what == "suppress");
        if (done && !arguments.empty()) return fail("lint " + what + " takes an address and a rule");
        return done;
    }
    const std::string rule = arguments.take();
    if (!arguments.empty()) return fail("lint " + what + " takes one rule at most");
    if (what == "on") return rule.empty() ? begin(context) : set_rule(context, rule, true);
    if (what == "off") {
        if (!rule.empty()) return set_rule(context, rule, false);
        lint.reset();
        context.out += "lint does not listen any more\n";
        return {};
    }
    if (what == "explain") return explain(context, rule);
    if (what == "stop" || what == "nostop") return set_stop(context, rule, what == "stop");
    if (what.empty() || what == "list") return list(context, rule);
    if (!rule.empty()) return fail("lint " + what + " takes no rule");
    if (what == "rules") return rules(context);
    if (what != "clear")
        return fail("lint: '" + what +
                    "' is none of on, off, list, rules, explain, stop, nostop, suppress, unsuppress and clear");
    auto listening = listener(context);
    if (!listening) return fail(listening.error().message);
    lint->clear();
    return {};
}

constexpr std::array<Command, 1> table = {{
    {"lint", "", "Explain", "[on|off|list|rules|explain|stop|nostop|suppress|unsuppress|clear] [RULE|ADDRESS]",
     "What the guest relies on and hardware does not promise", lint_help, run_lint,
     "on|off|list|rules|explain|stop|nostop|suppress|unsuppress|clear"},
}};

} // namespace

std::span<const Command> lint_commands() { return table; }

} // namespace glassbox
