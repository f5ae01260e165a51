// One run of `glassbox conform`: opens each suite, runs it, prints failures as a whole and the table at the end.
#include "cpu/engine_options.hpp"
#include "tests/x86-conformance/coverage/coverage.hpp"
#include "tests/x86-conformance/runner/command.hpp"
#include "tests/x86-conformance/runner/report.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iostream>
#include <unistd.h>

namespace glassbox::conformance {

namespace {

volatile std::sig_atomic_t caught_signal = 0;
void on_signal(int number) { caught_signal = number; }

/// Catches SIGINT and SIGTERM while it lives, so that a run cut short still prints its table.
class SignalGuard {
  public:
    SignalGuard() {
        caught_signal = 0;
        struct sigaction action{};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESETHAND; // the second one ends the program at once
        sigaction(SIGINT, &action, &old_[0]);
        sigaction(SIGTERM, &action, &old_[1]);
    }
    ~SignalGuard() {
        sigaction(SIGINT, &old_[0], nullptr);
        sigaction(SIGTERM, &old_[1], nullptr);
    }
    SignalGuard(const SignalGuard&) = delete;
    SignalGuard& operator=(const SignalGuard&) = delete;

  private:
    struct sigaction old_[2]{};
};

std::string quoted(const std::string& word) {
    if (!word.empty() &&
        word.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,=+") ==
            std::string::npos)
        return word;
    std::string out = "'";
    for (const char c : word) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return out + "'";
}

/// What runs one case again.
std::string command_for(const Command& command, const SuiteCall& call, const std::string& form, u64 index) {
    std::string out = "glassbox conform " + call.suite;
    for (const std::string& argument : call.arguments) out += " " + quoted(argument);
    out += " --filter " + quoted(form + "#" + std::to_string(index));
    if (command.seed != 1) out += " --seed " + std::to_string(command.seed);
    if (command.count) out += " --count " + std::to_string(*command.count);
    if (!command.engine.empty()) out += " --engine " + quoted(command.engine);
    return out;
}

void show_progress(const std::string& suite, const Progress& p) {
    std::string line = "\r" + suite + ": " + grouped(p.forms_done) + " of " + grouped(p.forms) + " forms, " +
                       grouped(p.cases) + " cases, " + grouped(p.failed) + " failed, " +
                       std::to_string(static_cast<u64>(p.seconds)) + " s";
    line += "\x1b[K";
    std::cerr << line << std::flush;
}

void list_forms(const std::string& suite, const std::vector<Form>& forms, const Filter& filter) {
    for (const Form& form : forms) {
        if (filter.matches_form(form.name)) std::cout << suite << ' ' << form.name << ' ' << form.cases << '\n';
    }
}

Expected<> write_file(const std::string& path, const std::string& text) {
    if (path.empty()) return {};
    std::ofstream out(path, std::ios::binary);
    out << text;
    out.close();
    if (!out) return fail("cannot write " + path + ": " + std::strerror(errno));
    return {};
}

class Conform {
  public:
    explicit Conform(Command command) : command_(std::move(command)) {}

    Expected<int> run() {
        auto engine = parse_engine_options(command_.engine);
        if (!engine) return fail("--engine: " + engine.error().message);
        engine_ = *engine;
        for (const SuiteCall& call : command_.calls) {
            if (auto done = run_call(call); !done) return fail(call.suite + ": " + done.error().message);
            if (caught_signal != 0) break;
        }
        if (!command_.filter.empty() && !filter_matched_)
            return fail("no form matches --filter (--list shows the forms there are)");
        if (command_.list) return all_passed;
        if (command_.coverage) std::cout << coverage_.report() << '\n';
        std::cout << summary_table(results_) << std::flush;
        if (auto done = write_file(command_.junit, junit_xml(results_)); !done) return fail(done.error().message);
        if (auto done = write_file(command_.json, json_text(results_)); !done) return fail(done.error().message);
        if (caught_signal != 0) return 128 + static_cast<int>(caught_signal);
        for (const SuiteResult& r : results_) {
            if (r.failed() != 0) return something_failed;
        }
        return all_passed;
    }

  private:
    Expected<> run_call(const SuiteCall& call) {
        auto suites = all_suites();
        const auto found = std::ranges::find_if(suites, [&](const auto& s) { return s->name() == call.suite; });
        Suite& suite = **found;
        Plan plan;
        plan.arguments = call.arguments;
        plan.filter = command_.filter;
        plan.seed = command_.seed;
        plan.count = command_.count;
        plan.fail_fast = command_.fail_fast;
        plan.engine = command_.engine.empty() ? nullptr : &engine_;
        plan.coverage = command_.coverage ? &coverage_ : nullptr;
        const auto forms = suite.open(plan);
        if (!forms) return fail(forms.error().message);
        filter_matched_ |=
            std::ranges::any_of(*forms, [&](const Form& form) { return command_.filter.matches_form(form.name); });
        if (command_.list) {
            list_forms(call.suite, *forms, command_.filter);
            return {};
        }
        RunSettings settings;
        settings.jobs = command_.jobs;
        settings.interrupted = [] { return caught_signal != 0; };
        const bool terminal = ::isatty(STDERR_FILENO) != 0;
        if (terminal) settings.progress = [&](const Progress& p) { show_progress(call.suite, p); };
        auto result = run_suite(suite, plan, *forms, settings);
        if (terminal) std::cerr << "\r\x1b[K" << std::flush;
        if (!result) return fail(result.error().message);
        for (const FormResult& form : result->forms) print_failures(call, form);
        results_.push_back(*std::move(result));
        return {};
    }

    void print_failures(const SuiteCall& call, const FormResult& form) {
        std::size_t described = 0;
        for (const Failure& failure : form.failures) {
            if (described_ == most_described) break;
            const std::string again = command_for(command_, call, form.form, failure.index);
            std::cout << failure_text(call.suite, form.form, failure, again) << '\n';
            ++described;
            ++described_;
        }
        if (form.failed > described)
            std::cout << call.suite << ' ' << form.form << ": " << grouped(form.failed - described)
                      << (described ? " more cases failed\n\n" : " cases failed\n");
    }

    static constexpr std::size_t most_described = 25; ///< the first few say most; --json and --junit have more

    Command command_;
    EngineOptions engine_;
    Coverage coverage_;
    std::vector<SuiteResult> results_;
    bool filter_matched_ = false;
    std::size_t described_ = 0;
};

} // namespace

int run_conform(const std::vector<std::string>& words) {
    auto command = parse_conform(words);
    if (!command) {
        std::cerr << "glassbox: conform: " << command.error().message << '\n';
        return could_not_read;
    }
    if (command->help) {
        std::cout << conform_help() << std::flush;
        return all_passed;
    }
    const SignalGuard guard;
    const auto status = Conform(*std::move(command)).run();
    if (status) return *status;
    std::cerr << "glassbox: conform: " << status.error().message << '\n';
    return could_not_read;
}

} // namespace glassbox::conformance
