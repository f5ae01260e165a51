#include "machine/history/timeline.hpp"

namespace glassbox {

struct Timeline::Impl {};

Timeline::Timeline(Machine& machine) : machine_(machine) {}
Timeline::~Timeline() = default;

void Timeline::begin(const HistoryOptions& options) { (void)options; }
bool Timeline::active() const { return impl_ != nullptr; }
StopReason Timeline::run(Time until, u64 max_instructions) { return machine_.run(until, max_instructions); }
Expected<> Timeline::inject(const Input& input) { return machine_.inject(input); }
void Timeline::changed_by_hand() {}
Moment Timeline::now() const { return {machine_.instructions(), machine_.now()}; }
Moment Timeline::earliest() const { return now(); }
Moment Timeline::frontier() const { return now(); }
Expected<> Timeline::go_to(u64 instructions, const std::function<bool(double)>& progress) {
    (void)instructions, (void)progress;
    return fail("no history is being kept");
}
std::optional<u64> Timeline::checkpoint_before(u64 instructions) const { return (void)instructions, std::nullopt; }
Timeline::Statistics Timeline::statistics() const { return {}; }

} // namespace glassbox
