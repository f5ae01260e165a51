// The `boot` suite: every guest of a list is one start of this program, in a process of its own, with a script that
// waits for the texts that must appear. A user can so hold a machine's whole behaviour in a file.
#include "cpu/engine_options.hpp"
#include "tests/x86-conformance/boot/guest_list.hpp"
#include "tests/x86-conformance/boot/process.hpp"
#include "tests/x86-conformance/runner/suite.hpp"

#include <algorithm>
#include <filesystem>

namespace glassbox::conformance {

namespace {

class BootWorker final : public Worker {
  public:
    explicit BootWorker(const std::vector<BootGuest>& guests) : guests_(guests) {}

    Expected<> run(std::size_t form, Sink& sink) override {
        const BootGuest& guest = guests_[form];
        if (!sink.wanted(0)) return {};
        for (const std::string& file : guest.needs) {
            if (std::filesystem::exists(file)) continue;
            sink.skipped(file + " is missing");
            return {};
        }
        std::vector<std::string> words = {"run", "--display", "none"};
        words.insert(words.end(), guest.arguments.begin(), guest.arguments.end());
        const std::string script = script_of(guest);
        if (script.empty() && std::ranges::find(guest.arguments, "--max-seconds") == guest.arguments.end())
            words.insert(words.end(), {"--max-seconds", std::to_string(guest.seconds) + "s"});
        auto outcome = run_program(words, script, [&] { return sink.stop(); });
        if (!outcome) return fail(guest.name + ": " + outcome.error().message);
        if (outcome->status == guest.status) {
            sink.passed();
            return {};
        }
        if (outcome->stopped) return {}; // by us: no result
        Failure failure;
        failure.what = "glassbox";
        for (const std::string& word : words) failure.what += " " + word;
        failure.expected = "exit status " + std::to_string(guest.status);
        failure.got = "exit status " + std::to_string(outcome->status);
        failure.difference = "exit status; the end of what it printed:\n" + outcome->output;
        sink.failed(std::move(failure));
        return {};
    }

  private:
    const std::vector<BootGuest>& guests_;
};

class BootSuite final : public Suite {
  public:
    std::string_view name() const override { return "boot"; }
    std::string_view arguments() const override { return "LIST.toml..."; }
    std::string_view summary() const override { return "whole guests: scripts and the texts that must appear"; }

    Expected<std::vector<Form>> open(const Plan& plan) override {
        if (plan.arguments.empty())
            return fail("name a list of guests (tests/x86-conformance/README.md describes the file)");
        std::vector<Form> forms;
        for (const std::string& path : plan.arguments) {
            auto list = read_guest_list(path);
            if (!list) return fail(list.error().message);
            for (BootGuest& guest : *list) {
                if (plan.engine) guest.arguments.insert(guest.arguments.end(), {"--engine", name_of(*plan.engine)});
                if (std::ranges::any_of(forms, [&](const Form& f) { return f.name == guest.name; }))
                    return fail(path + ": another list has a guest '" + guest.name + "' too");
                forms.push_back({guest.name, 1});
                guests_.push_back(std::move(guest));
            }
        }
        return forms;
    }
    Expected<std::unique_ptr<Worker>> worker() override { return std::make_unique<BootWorker>(guests_); }

  private:
    std::vector<BootGuest> guests_;
};

} // namespace

std::unique_ptr<Suite> make_boot_suite() { return std::make_unique<BootSuite>(); }

} // namespace glassbox::conformance
