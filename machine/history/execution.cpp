// A machine executed along its log: inputs at their instants, checkpoints where they are due, and what a recording
// expects.
#include "machine/history/pace.hpp"
#include "machine/history/timeline_impl.hpp"

#include <algorithm>

namespace glassbox {

StopReason Timeline::Impl::execute(Time until, u64 count) {
    const u64 before = machine.instructions();
    const double start = host_seconds();
    const StopReason reason = machine.run(until, count);
    spacing.ran(host_seconds() - start, machine.instructions() - before);
    settled = true;
    if (machine.instructions() != before) arrived = reason == StopReason::limit && machine.instructions() == count;
    frontier = std::max(frontier, now());
    return reason;
}

void Timeline::Impl::apply(const Entry& entry) {
    if (entry.settled && !settled) execute(machine.now(), machine.instructions());
    ++next;
    if (const auto* by_hand = std::get_if<CheckpointRef>(&entry.what)) {
        if (auto done = restore(*by_hand); !done) lost(done.error().message);
        return;
    }
    if (const auto* state = std::get_if<Future::State>(&entry.what)) {
        if (auto done = (*state)(machine); !done) return lost(done.error().message);
        settled = false;
        log[next - 1].what = keeper.take(position(), arrived, true);
        return;
    }
    const Input& input = std::get<Input>(entry.what);
    if (const auto* media = std::get_if<MediaInput>(&input))
        (void)machine.board().insert_medium(media->drive, entry.medium);
    else
        (void)machine.inject(input);
    settled = arrived = false;
    frontier = std::max(frontier, now());
}

/// A state that this program has kept itself cannot be put back: nothing of what follows would be true.
void Timeline::Impl::lost(const std::string& reason) {
    if (trouble.empty()) trouble = reason;
    machine.request_stop();
}

/// Entries of this very moment: they precede whatever comes from now on.
void Timeline::Impl::apply_pending() {
    while (next < log.size() && log[next].at <= now()) apply(log[next]);
}

/// Where the next checkpoint is due, which is after the present instruction count.
u64 Timeline::Impl::next_checkpoint() const {
    const CheckpointRef before = keeper.at_or_before(position()), after = keeper.after(position());
    u64 due = (before ? before->instructions() : machine.instructions()) + spacing.now();
    if (after && after->instructions() < due + spacing.now() / 2) due = after->instructions() + spacing.now();
    return std::max(due, machine.instructions() + 1);
}

void Timeline::Impl::checkpoint_if_due() {
    const CheckpointRef before = keeper.at_or_before(position());
    if (before && machine.instructions() < before->instructions() + options.spacing) return;
    const double start = host_seconds();
    const CheckpointRef taken = keeper.take(position(), arrived);
    spacing.took(host_seconds() - start);
    if (listener && arrived && !(now() < frontier)) listener->checkpoint(*taken);
    keeper.thin(options.memory_budget, machine.instructions());
}

/// The recording says what the machine was like at this count.
void Timeline::Impl::meet_expectation() {
    if (met >= expectations.size() || machine.instructions() < expectations[met].instructions) return;
    const Future::Expectation& expected = expectations[met++];
    if (machine.instructions() != expected.instructions || !arrived || divergence) return;
    if (digest_of(*keeper.take(position(), arrived)) == expected.digest) return;
    divergence = Divergence{met > 1 ? expectations[met - 2].instructions : 0, expected.instructions};
}

/// Runs through what the log says, up to `until` or `count`, and what nobody has executed yet after its end. What
/// happened at the last moment itself is left for those who go further.
StopReason Timeline::Impl::advance(Time until, u64 count) {
    for (;;) {
        Time stop_time = until;
        u64 stop_count = count;
        if (next < log.size()) {
            const Entry& entry = log[next];
            const bool going_on = machine.now() < until && machine.instructions() < count;
            if (entry.at <= now() && going_on) {
                apply(entry);
                continue;
            }
            stop_time = std::min(stop_time, entry.at.time);
            // At the entry's count of instructions already, the machine is idle until its time comes.
            if (machine.instructions() < entry.at.instructions) stop_count = std::min(count, entry.at.instructions);
        }
        if (replaying) { // nobody has executed what follows the recording's end
            if (!(now() < frontier)) return execute(machine.now(), machine.instructions());
            stop_time = std::min(stop_time, frontier.time);
            if (machine.instructions() < frontier.instructions)
                stop_count = std::min(stop_count, frontier.instructions);
        }
        u64 due = next_checkpoint();
        if (met < expectations.size() && expectations[met].instructions > machine.instructions())
            due = std::min(due, expectations[met].instructions);
        const StopReason reason = execute(stop_time, std::min(stop_count, due));
        if (machine.instructions() >= due) {
            meet_expectation();
            checkpoint_if_due();
        }
        if (reason != StopReason::limit) {
            const bool revived = reason != StopReason::breakpoint && next < log.size() && log[next].at <= now() &&
                                 machine.now() < until && machine.instructions() < count;
            if (revived) continue;
            return reason;
        }
        if (machine.now() >= until || machine.instructions() >= count) return reason;
    }
}

} // namespace glassbox
