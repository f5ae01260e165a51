// `trace`: what is executed, a line for each instruction.
#include "debugger/control/commands.hpp"
#include "debugger/control/instruction_log.hpp"
#include "debugger/control/past.hpp"
#include "debugger/look/text.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace glassbox::control {

namespace {

constexpr u64 most_on_screen = 100'000;

/// Where the lines go: the answer, or a file.
class Output {
  public:
    explicit Output(std::string& out) : out_(out) {}

    Expected<> open(Arguments& arguments) {
        if (!arguments.take_if("to")) return nothing_more(arguments);
        path_ = arguments.take();
        if (path_.empty()) return fail("a file is expected behind 'to'");
        file_.open(path_, std::ios::binary | std::ios::trunc);
        if (!file_) return fail("cannot write '" + path_ + "': " + std::strerror(errno));
        return nothing_more(arguments);
    }
    bool to_file() const { return !path_.empty(); }
    void write(const std::string& line) {
        if (to_file()) {
            file_ << line << '\n';
        } else {
            out_ += line + "\n";
        }
    }
    Expected<> close(u64 lines) {
        if (!to_file()) return {};
        file_.close();
        if (!file_) return fail("cannot write all of '" + path_ + "'");
        out_ += look::count_text(lines, "line", "lines") + " in '" + path_ + "'\n";
        return {};
    }

  private:
    std::string& out_;
    std::string path_;
    std::ofstream file_;
};

Expected<> trace_on(CommandContext& context, Arguments& arguments) {
    auto output = std::make_shared<std::string>();
    auto lines = std::make_shared<Output>(*output);
    if (const auto good = lines->open(arguments); !good) return good;
    Debugger::Impl& impl = context.debugger.implementation();
    impl.traced = output;
    impl.tracer = std::make_unique<InstructionLog>(
        impl.machine, impl.symbols, [&impl](u8 vector, InterruptKind kind) { return impl.delivery_text(vector, kind); },
        [lines, output](const std::string& line) {
            lines->write(line);
            constexpr std::size_t most = 1 << 20; // what comes last is shown
            if (output->size() > 2 * most) output->erase(0, output->find('\n', output->size() - most) + 1);
        });
    return {};
}

} // namespace

Expected<> trace(CommandContext& context, Arguments& arguments) {
    Debugger& debugger = context.debugger;
    Debugger::Impl& impl = debugger.implementation();
    if (arguments.take_if("on")) return trace_on(context, arguments);
    if (arguments.take_if("off")) {
        impl.tracer.reset();
        impl.traced.reset();
        return nothing_more(arguments);
    }
    std::string number = arguments.take();
    const bool backwards = number.starts_with('-');
    if (backwards) number.erase(0, 1);
    const auto count = number.empty() ? Expected<u64>(u64{1}) : evaluate(debugger, number);
    if (!count) return tl::unexpected(count.error());
    if (*count == 0) return fail("0 instructions leave no trace");
    Output output(context.out);
    if (const auto good = output.open(arguments); !good) return good;
    if (*count > most_on_screen && !output.to_file())
        return fail("that are too many lines to read: trace " + number + " to FILE");
    InstructionLog tracer(
        impl.machine, impl.symbols, [&impl](u8 vector, InterruptKind kind) { return impl.delivery_text(vector, kind); },
        [&](const std::string& line) { output.write(line); });
    Expected<> done = backwards ? impl.trace_past(tracer, *count) : impl.trace_on(tracer, *count);
    tracer.listen(false);
    if (!done) return done;
    return output.close(tracer.lines());
}

} // namespace glassbox::control

namespace glassbox {

/// Steps of whichever processor's turn it is; stop points stop them.
Expected<> Debugger::Impl::trace_on(InstructionLog& with, u64 count) {
    const std::unique_ptr<InstructionLog> other = std::exchange(tracer, nullptr);
    if (other) other->listen(false);
    Expected<> begun = self.resume({.kind = Plan::Kind::step, .count = count, .any_processor = true});
    if (begun) {
        with.listen(true);
        self.run_to_stop();
        with.settle();
    }
    return begun;
}

/// The last instructions before now once more; the machine is where it was afterwards.
Expected<> Debugger::Impl::trace_past(InstructionLog& with, u64 count) {
    if (!timeline.active()) return fail("no history is being kept, so there is no way back");
    if (running && entered) return fail("the machine is running");
    Past search(*this);
    const u64 now = search.present.instructions, earliest = timeline.earliest().instructions;
    Expected<> gone = search.go(now - std::min(count, now - earliest));
    if (gone) {
        with.listen(true);
        constexpr unsigned most_idle = 100; // asleep, or a stop that somebody else asked for
        for (unsigned idle = 0; gone && machine.instructions() < now && idle < most_idle;) {
            const u64 before = machine.instructions();
            (void)timeline.run(never, std::min(now, before + search.slice()));
            idle = machine.instructions() == before ? idle + 1 : 0;
            if (!search.told(0)) gone = fail("cancelled: the machine is where it was");
        }
        with.settle();
        with.listen(false);
    }
    const Expected<> home = search.home();
    return gone ? home : gone;
}

} // namespace glassbox
