#include "debugger/debugger.hpp"

#include "debugger/control/impl.hpp"
#include "machine/history/pace.hpp"

#include <algorithm>

namespace glassbox {

Debugger::Debugger(Machine& machine, Timeline& timeline) : impl_(std::make_unique<Impl>(*this, machine, timeline)) {}
Debugger::~Debugger() = default;

Machine& Debugger::machine() { return impl_->machine; }
Timeline& Debugger::timeline() { return impl_->timeline; }
Symbols& Debugger::symbols() { return impl_->symbols; }
unsigned Debugger::processor() const { return impl_->selected; }
void Debugger::select_processor(unsigned number) {
    if (number < impl_->machine.processors()) impl_->selected = number;
}
Cpu& Debugger::cpu() { return impl_->machine.cpu(impl_->selected); }

bool Debugger::running() const { return impl_->running; }
const Stop& Debugger::stop() const { return impl_->stop; }
bool Debugger::entered() const { return impl_->entered; }
void Debugger::attach_stopped(StopKind kind) { impl_->interrupt(kind); }
void Debugger::interrupt(StopKind kind) { impl_->interrupt(kind); }
void Debugger::keep_registers() {
    registers_before.clear();
    for (unsigned i = 0; i < impl_->machine.processors(); ++i) registers_before.emplace_back(impl_->machine.cpu(i));
}
Expected<> Debugger::resume(const Plan& plan) {
    if (!running()) keep_registers();
    return impl_->resume(plan);
}
StopReason Debugger::run(Time until, u64 max_instructions) { return impl_->run(until, max_instructions); }

void Debugger::run_to_stop() {
    // In slices, so that a front end can ask for a stop through `progress`.
    Pace pace(impl_->timeline.poll_interval());
    while (running()) {
        (void)run(never, impl_->machine.instructions() + pace.slice());
        if (pace.due() && running() && progress && !progress(0)) interrupt();
    }
}

Expected<> Debugger::go_to(u64 instructions) { return go_to(Moment{instructions, 0}); }
Expected<> Debugger::go_to(const Moment& moment) {
    keep_registers();
    return impl_->go_to(moment);
}
void Debugger::look_away() { impl_->disconnect(); }
const std::vector<Stop>& Debugger::past_stops() const { return impl_->past; }

void Debugger::changed() {
    impl_->timeline.changed_by_hand();
    impl_->questions_changed = true;
}

Expected<unsigned> Debugger::add(StopPoint point) {
    if (point.processor && *point.processor >= impl_->machine.processors())
        return fail("there is no processor " + std::to_string(*point.processor));
    if (!point.condition.empty()) {
        if (const auto good = Expression::parse(point.condition); !good) return tl::unexpected(good.error());
    }
    impl_->questions_changed = true;
    return impl_->points.add(std::move(point));
}
void Debugger::set_test(unsigned number, std::function<Expected<bool>(const Cpu&)> test) {
    impl_->tests.erase(number);
    if (test) impl_->tests.emplace(number, std::move(test));
}
bool Debugger::remove(unsigned number) {
    impl_->questions_changed = true;
    impl_->tests.erase(number);
    return impl_->points.remove(number);
}
StopPoint* Debugger::find(unsigned number) { return impl_->points.find(number); }
const std::vector<StopPoint>& Debugger::stop_points() const { return impl_->points.list(); }
void Debugger::stop_points_changed() {
    impl_->points.update();
    impl_->questions_changed = true;
}
void Debugger::set_magic_break(bool on) {
    impl_->magic = on;
    impl_->questions_changed = true;
}
bool Debugger::magic_break() const { return impl_->magic; }

void Debugger::add_listener(StopListener& listener) { impl_->listeners.push_back(&listener); }
void Debugger::remove_listener(StopListener& listener) { std::erase(impl_->listeners, &listener); }

} // namespace glassbox
