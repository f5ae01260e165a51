// The `system` suite: starts the kernel of guests/system, or for long mode that of guests/system64, on a whole machine,
// once for each form, and turns what it prints into results. The kernel is put into memory as a multiboot loader would
// leave it, without firmware, so every chip is in the state that its data sheet gives after RESET. A case that must
// shut the processor down, and one that does so against the rules, ends the start; the next one goes on behind it.
#include "cpu/state.hpp"
#include "cpu/system/system.hpp"
#include "guests/embedded.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"
#include "tests/x86-conformance/coverage/coverage.hpp"
#include "tests/x86-conformance/runner/suite.hpp"
#include "tests/x86-conformance/system/kernel_lines.hpp"

#include <algorithm>
#include <cstring>
#include <set>

namespace glassbox::conformance {

namespace {

constexpr u64 memory_bytes = 32u << 20;
constexpr u32 kernel_at = 0x10'0000, progress_at = kernel_at + 0x44, information_at = 0x9000, command_line_at = 0x9100;
constexpr u16 exit_port = 0xF4;
constexpr u64 most_instructions = 2'000'000'000; // no form needs a tenth of it
constexpr unsigned most_restarts = 2000;

/// Flat 32-bit segments, as Multiboot specification 0.6.96, 3.2, asks for.
void enter_kernel(Cpu& cpu, u32 entry) {
    cpu.reset_pending = false; // of power-on: the firmware does not run
    reset_state(cpu);
    cpu.cr0 = cr0::PE | cr0::ET;
    constexpr u32 rights = Segment::G | Segment::DB | Segment::P | Segment::S | Segment::accessed | Segment::writable;
    for (unsigned name = 0; name < 6; ++name) {
        Segment& s = cpu.seg[name];
        s.selector = name == CS ? 8 : 16;
        s.access = rights | (name == CS ? Segment::code : 0);
        s.base = 0;
        s.limit = ~u32{0};
        s.update(false);
    }
    cpu.update_mode();
    cpu.flush_tlb(false);
    cpu.set_r32(RAX, 0x2BAD'B002);
    cpu.set_r32(RBX, information_at);
    cpu.ip = entry;
}

using Kernel = std::span<const u8> (*)();

/// A machine that has just been given a kernel.
class Start {
  public:
    static Expected<std::unique_ptr<Start>> create(const std::string& model, Kernel kernel,
                                                   const std::string& command_line, const Plan& plan) {
        auto start = std::unique_ptr<Start>(new Start);
        MachineConfig config;
        config.memory_bytes = memory_bytes;
        config.cpu_model = model;
        config.exit_port = exit_port;
        config.stop_on_triple_fault = true;
        if (plan.engine) config.engine = *plan.engine;
        HostPorts ports;
        ports.debug_console = &start->lines_;
        auto machine = Machine::create(config, ports);
        if (!machine) return fail(machine.error().message);
        start->machine_ = *std::move(machine);
        start->load(kernel(), command_line);
        if (plan.coverage) plan.coverage->watch(start->machine_->cpu());
        return start;
    }
    StopReason run() { return machine_->run(never, most_instructions); }
    const KernelLog& log() const { return lines_.log(); }
    u32 case_running() const {
        u32 index = 0;
        std::memcpy(&index, machine_->board().memory.ram().data() + progress_at, sizeof index);
        return index;
    }
    std::string autopsy() const { return machine_->autopsy(); }

  private:
    Start() = default;
    void load(std::span<const u8> kernel, const std::string& command_line) {
        Board& board = machine_->board();
        board.memory.write_block(PhysAddress{kernel_at}, kernel);
        u32 entry = 0;
        std::memcpy(&entry, kernel.data() + 28, sizeof entry); // entry_addr of the header
        const u32 information[5] = {4, 0, 0, 0, command_line_at};
        std::array<u8, sizeof information> bytes;
        std::memcpy(bytes.data(), information, sizeof information);
        board.memory.write_block(PhysAddress{information_at}, bytes);
        std::vector<u8> line(command_line.begin(), command_line.end());
        line.push_back(0);
        board.memory.write_block(PhysAddress{command_line_at}, line);
        enter_kernel(board.processors[0], entry);
    }

    KernelLines lines_;
    std::unique_ptr<Machine> machine_;
};

struct SystemForm {
    std::string model;
    Kernel kernel;
    std::string name, section; ///< as the kernel calls it
};

/// Runs the cases [from, until) of a form, over as many starts as it takes.
class FormRun {
  public:
    FormRun(const SystemForm& form, const Plan& plan, Sink& sink) : form_(form), plan_(plan), sink_(sink) {}

    Expected<> run(u64 from, u64 until) {
        for (unsigned starts = 0; from < until && !sink_.stop(); ++starts) {
            if (starts == most_restarts)
                return fail("the kernel has died " + std::to_string(starts) + " times in " + form_.name);
            auto start = Start::create(
                form_.model, form_.kernel,
                "form=" + form_.name + " from=" + std::to_string(from) + " until=" + std::to_string(until), plan_);
            if (!start) return fail(start.error().message);
            const StopReason reason = (*start)->run();
            const KernelLog& log = (*start)->log();
            if (!log.nonsense.empty()) return fail("the kernel printed what is no result: " + log.nonsense);
            const bool ended = reason == StopReason::exit_port && log.ended;
            const u64 end = ended ? until : std::max<u64>(from, (*start)->case_running()) + 1;
            report(log, from, std::min(end, until), ended ? std::string() : why(reason, **start));
            from = end;
        }
        return {};
    }

  private:
    static std::string why(StopReason reason, const Start& start) {
        if (start.log().awaiting_shutdown && reason == StopReason::triple_fault) return "";
        switch (reason) {
        case StopReason::triple_fault: return "the processor shut down:\n" + start.autopsy();
        case StopReason::idle_forever: return "the processor halted for good:\n" + start.autopsy();
        case StopReason::limit: return "the case does not end";
        default: return "the kernel stopped before its end";
        }
    }

    /// `died`: why the last case of the range did not come back; empty when it did, or was meant not to.
    void report(const KernelLog& log, u64 from, u64 end, const std::string& died) {
        std::set<u64> told;
        const auto is_news = [&](u64 index) { return index >= from && index < end && told.insert(index).second; };
        for (const KernelLog::Case& c : log.cases) {
            if (!c.mismatches.empty() && is_news(c.index)) sink_.failed(describe(c));
        }
        for (const auto& [index, reason] : log.skipped) {
            if (is_news(index)) sink_.skipped(reason);
        }
        if (!died.empty() && is_news(end - 1)) {
            Failure failure;
            failure.index = end - 1;
            failure.what = form_.section;
            if (!log.cases.empty() && log.cases.back().index == end - 1)
                failure.what = log.cases.back().text + " (" + form_.section + ")";
            failure.got = died;
            sink_.failed(std::move(failure));
        }
        sink_.passed(end - from - told.size());
    }

    Failure describe(const KernelLog::Case& c) const {
        Failure failure;
        failure.index = c.index;
        failure.what = c.text + " (" + form_.section + ")";
        const auto add = [](std::string& text, const std::string& more) { text += (text.empty() ? "" : ", ") + more; };
        for (const Mismatch& m : c.mismatches) {
            add(failure.expected, m.what + " " + m.expected);
            add(failure.got, m.what + " " + m.got);
            add(failure.difference, m.what);
        }
        return failure;
    }

    const SystemForm& form_;
    const Plan& plan_;
    Sink& sink_;
};

class SystemWorker final : public Worker {
  public:
    SystemWorker(const Plan& plan, const std::vector<SystemForm>& kernel_forms, const std::vector<Form>& forms)
        : plan_(plan), kernel_forms_(kernel_forms), forms_(forms) {}
    Expected<> run(std::size_t form, Sink& sink) override {
        FormRun run(kernel_forms_[form], plan_, sink);
        const u64 cases = forms_[form].cases;
        for (u64 from = 0; from < cases; ++from) { // ranges of wanted cases: mostly one
            u64 until = from;
            while (until < cases && sink.wanted(until)) ++until;
            if (auto ran = run.run(from, until); !ran) return ran;
            from = until;
        }
        return {};
    }

  private:
    const Plan& plan_;
    const std::vector<SystemForm>& kernel_forms_;
    const std::vector<Form>& forms_;
};

class SystemSuite final : public Suite {
  public:
    std::string_view name() const override { return "system"; }
    std::string_view arguments() const override { return "[MODEL...]"; }
    std::string_view summary() const override {
        return "segments, gates, tasks, paging, faults, debugging, chips: a guest kernel's tables (default: model max)";
    }
    Expected<std::vector<Form>> open(const Plan& plan) override {
        plan_ = &plan;
        std::vector<std::string> models = plan.arguments;
        if (models.empty()) models.push_back("max");
        for (const std::string& model : models) {
            if (!find_cpu_model(model)) return fail("there is no processor model '" + model + "'");
            const std::string prefix = plan.arguments.size() > 1 ? model + "/" : "";
            if (auto listed = list(model, system_kernel, prefix); !listed) return fail(listed.error().message);
            if (!find_cpu_model(model)->features.has(Feature::long_mode)) continue;
            if (auto listed = list(model, system64_kernel, prefix); !listed) return fail(listed.error().message);
        }
        share_count(plan, forms_, true);
        return forms_;
    }
    Expected<std::unique_ptr<Worker>> worker() override {
        return std::make_unique<SystemWorker>(*plan_, kernel_forms_, forms_);
    }

  private:
    /// Lets the kernel count its cases.
    Expected<> list(const std::string& model, Kernel kernel, const std::string& prefix) {
        Plan quiet;
        auto start = Start::create(model, kernel, "list", quiet);
        if (!start) return fail(start.error().message);
        const StopReason reason = (*start)->run();
        const KernelLog& log = (*start)->log();
        if (reason != StopReason::exit_port || !log.ended || !log.nonsense.empty())
            return fail("the kernel cannot list its forms on model " + model + ":\n" + (*start)->autopsy());
        for (const KernelLog::FormLine& form : log.forms) {
            forms_.push_back({prefix + form.name, form.cases});
            kernel_forms_.push_back({model, kernel, form.name, form.section});
        }
        return {};
    }

    const Plan* plan_ = nullptr;
    std::vector<Form> forms_;
    std::vector<SystemForm> kernel_forms_;
};

} // namespace

std::unique_ptr<Suite> make_system_suite() { return std::make_unique<SystemSuite>(); }

} // namespace glassbox::conformance
