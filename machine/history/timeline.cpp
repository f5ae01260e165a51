#include "machine/history/timeline.hpp"

#include "machine/board.hpp"
#include "machine/history/future.hpp"
#include "machine/history/keeper.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <variant>

namespace glassbox {

namespace {

/// What happened to the machine from outside, and when. `settled` as in Position: of the instant before it.
struct Entry {
    Moment at;
    bool settled = false;
    /// An input, or what a person has made of the machine: a checkpoint, or a state that a recording knows.
    std::variant<Input, CheckpointRef, Future::State> what;
    Board::Medium medium{}; ///< of a MediaInput: the file may not be there any more when it is again
};

constexpr u64 progress_step = 8'000'000;
/// What is executed again to go back by one instruction takes no longer than this, at the speed of the first time.
constexpr double longest_way = 0.1;

double host_seconds() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

/// How far apart checkpoints should be. Measured on the host's clock, which is as well: where they are changes nothing
/// that the guest can see.
class Spacing {
  public:
    explicit Spacing(const HistoryOptions& options) : least_(options.spacing), share_(options.percent / 100.0) {}
    void ran(double seconds, u64 instructions) {
        seconds_ += seconds, instructions_ += instructions;
        if (instructions_ < least_) return;
        speed_ = static_cast<double>(instructions_) / std::max(seconds_, 1e-6);
        seconds_ = 0, instructions_ = 0;
    }
    void took(double seconds) { // whoever else has used the processor meanwhile does not count fully
        cost_ = cost_ == 0 ? seconds : 0.8 * cost_ + 0.2 * std::min(seconds, 3 * cost_);
    }
    u64 now() const {
        if (share_ <= 0) return least_;
        return std::max(least_, static_cast<u64>(speed_ * std::min(cost_ / share_, longest_way)));
    }

  private:
    u64 least_;
    double share_;
    double seconds_ = 0, speed_ = 0, cost_ = 0;
    u64 instructions_ = 0;
};

/// Nobody hears of what executes while it exists.
class Silence {
  public:
    explicit Silence(Machine& machine) : machine_(machine) {
        for (unsigned i = 0; i < machine.processors(); ++i)
            observers_.push_back(std::exchange(machine.cpu(i).observer, nullptr));
        machine.board().probes.mute(true);
    }
    ~Silence() {
        machine_.board().probes.mute(false);
        for (unsigned i = 0; i < machine_.processors(); ++i) machine_.cpu(i).observer = std::move(observers_[i]);
    }
    Silence(const Silence&) = delete;
    Silence& operator=(const Silence&) = delete;

  private:
    Machine& machine_;
    std::vector<std::function<void(Cpu&)>> observers_;
};

} // namespace

struct Timeline::Impl {
    Impl(Machine& machine_, const HistoryOptions& options_)
        : machine(machine_), options(options_), spacing(options_), keeper(machine_.board()) {
        frontier = now();
        keeper.take(position(), true);
    }

    Machine& machine;
    HistoryOptions options;
    Spacing spacing;
    Keeper keeper;
    std::vector<Entry> log;
    u64 next = 0;        ///< entries of the log that have been applied
    bool settled = true; ///< the machine ran since
    bool arrived = true; ///< this is the first instant with this count of instructions
    Moment frontier;
    TimelineListener* listener = nullptr;
    bool replaying = false; ///< the frontier is a recording's end
    std::vector<Future::Expectation> expectations;
    std::size_t met = 0; ///< of the expectations
    std::optional<Divergence> divergence;
    std::string trouble; ///< why the history cannot be executed any more

    Moment now() const { return {machine.instructions(), machine.now()}; }
    Position position() const { return {now(), next, settled}; }

    StopReason execute(Time until, u64 count);
    StopReason advance(Time until, u64 count);
    void apply(const Entry& entry);
    void apply_pending();
    void lost(const std::string& reason);
    void drop_future();
    u64 next_checkpoint() const;
    void checkpoint_if_due();
    void meet_expectation();
    Expected<> inject(const Input& input);
    Expected<> restore(const CheckpointRef& checkpoint);
    CheckpointRef start_for(u64 instructions) const;
    Expected<> go_to(u64 instructions, const std::function<bool(double)>& progress);
};

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

void Timeline::Impl::drop_future() {
    if (listener && (next < log.size() || now() < frontier)) listener->future_dropped(now(), next);
    replaying = false;
    expectations.clear();
    met = 0;
    log.resize(next);
    keeper.drop_after(position());
    frontier = now();
    machine.board().output.forget_future();
}

/// At the frontier.
Expected<> Timeline::Impl::inject(const Input& input) {
    Entry entry{now(), settled, input};
    Expected<> done;
    if (const auto* media = std::get_if<MediaInput>(&input)) {
        auto medium = machine.board().open_medium(*media);
        if (!medium) return tl::unexpected(medium.error());
        entry.medium = std::move(*medium);
        // Logged even if it fails: a drive whose tray is locked tells the guest that somebody tried.
        done = machine.board().insert_medium(media->drive, entry.medium);
    } else if (done = machine.inject(input); !done) {
        return done;
    }
    if (listener) listener->injected(entry.at, entry.settled, input);
    log.push_back(std::move(entry));
    next = log.size();
    settled = arrived = false;
    frontier = now();
    return done;
}

Expected<> Timeline::Impl::restore(const CheckpointRef& checkpoint) {
    if (auto done = keeper.restore(checkpoint); !done) return done;
    next = checkpoint->position.entries;
    settled = checkpoint->position.settled;
    arrived = checkpoint->arrival;
    return {};
}

/// The latest checkpoint from which the first instant with that count is reached.
CheckpointRef Timeline::Impl::start_for(u64 instructions) const {
    const auto& list = keeper.list();
    for (auto it = list.rbegin(); it != list.rend(); ++it) {
        const Checkpoint& c = **it;
        if (c.instructions() < instructions) return *it;
        if (c.instructions() == instructions && (c.arrival || c.by_hand)) return *it;
    }
    return nullptr;
}

Expected<> Timeline::Impl::go_to(u64 target, const std::function<bool(double)>& progress) {
    const u64 first = keeper.list().front()->instructions();
    if (target < first)
        return fail("the history begins with instruction " + std::to_string(first) + ", after " +
                    std::to_string(target));
    if (target > frontier.instructions)
        return fail("instruction " + std::to_string(target) + " has not been executed yet: the machine has come to " +
                    std::to_string(frontier.instructions));
    if (const std::string* path = machine.board().written_at_once())
        return fail("'" + *path +
                    "' is written at once, which cannot be taken back: the machine has to be started "
                    "with its media kept (MachineConfig::keep_media)");
    const Silence silence(machine);
    const CheckpointRef here = keeper.take(position(), arrived);
    const CheckpointRef start = start_for(target);
    if (!start) return fail("there is no checkpoint before instruction " + std::to_string(target));
    if (machine.instructions() >= target || position() < start->position) {
        if (auto done = restore(start); !done) return done;
    }
    const u64 from = machine.instructions();
    while (machine.instructions() < target) {
        if (progress && target - from > progress_step) {
            const double done = static_cast<double>(machine.instructions() - from) / static_cast<double>(target - from);
            if (!progress(done)) {
                if (auto back = restore(here); !back) return back;
                return fail("the way back was cancelled");
            }
        }
        const u64 before = machine.instructions();
        const StopReason reason = advance(never, std::min(target, before + progress_step));
        if (!trouble.empty()) return fail(trouble);
        if (machine.instructions() == before && reason != StopReason::limit && reason != StopReason::breakpoint) {
            if (auto back = restore(here); !back) return back;
            return fail("the machine did not execute again what it had executed: instruction " +
                        std::to_string(before) + " was the last");
        }
    }
    keeper.thin(options.memory_budget, machine.instructions());
    return {};
}

Timeline::Timeline(Machine& machine) : machine_(machine) {}
Timeline::~Timeline() = default;

void Timeline::begin(const HistoryOptions& options) { impl_ = std::make_unique<Impl>(machine_, options); }
void Timeline::begin_here() {
    const HistoryOptions options = impl_ ? impl_->options : HistoryOptions{};
    if (impl_ && impl_->next == 0 && now() == earliest() && now() == frontier()) return;
    impl_.reset();
    begin(options);
}
bool Timeline::active() const { return impl_ != nullptr; }

StopReason Timeline::run(Time until, u64 max_instructions) {
    if (!impl_) return machine_.run(until, max_instructions);
    const StopReason reason = impl_->advance(until, max_instructions);
    // Nothing follows a recording's end, so what happened at its last instant happens now.
    if (impl_->replaying && !(now() < impl_->frontier) && impl_->next < impl_->log.size()) {
        impl_->apply_pending();
        impl_->execute(machine_.now(), machine_.instructions());
    }
    return reason;
}

Expected<> Timeline::inject(const Input& input) {
    if (!impl_) return machine_.inject(input);
    if (impl_->replaying)
        return fail("the machine replays a recording, in which this did not happen: leave the recording first");
    if (impl_->now() < impl_->frontier)
        impl_->drop_future();
    else
        impl_->apply_pending();
    return impl_->inject(input);
}

void Timeline::changed_by_hand() {
    if (!impl_) return;
    Impl& i = *impl_;
    i.drop_future();
    // Several changes at one instant are one.
    if (i.next > 0 && !i.settled) {
        if (const auto* last = std::get_if<CheckpointRef>(&i.log[i.next - 1].what)) {
            i.keeper.drop(*last);
            i.log.pop_back();
            --i.next;
            i.settled = true;
        }
    }
    if (i.listener) i.listener->changed_by_hand(i.now(), i.settled);
    Entry entry{i.now(), i.settled, {}};
    i.next++;
    i.settled = false;
    entry.what = i.keeper.take(i.position(), i.arrived, true);
    i.log.push_back(std::move(entry));
}

Expected<> Timeline::commit_media() {
    if (replaying()) return fail("a recording is being repeated: what its guest writes to drives is not kept");
    if (impl_ && impl_->listener)
        return fail("the run is being recorded, and could not be repeated with other files: end the recording first");
    if (auto done = machine_.board().commit_media(); !done) return done;
    if (impl_) {
        const HistoryOptions options = impl_->options;
        impl_.reset();
        begin(options);
    }
    return {};
}

Moment Timeline::now() const { return {machine_.instructions(), machine_.now()}; }
Moment Timeline::earliest() const { return impl_ ? impl_->keeper.list().front()->position.moment : now(); }
Moment Timeline::frontier() const { return impl_ ? impl_->frontier : now(); }

Expected<> Timeline::go_to(u64 instructions, const std::function<bool(double)>& progress) {
    if (!impl_) return fail("no history is being kept");
    return impl_->go_to(instructions, progress);
}

std::optional<u64> Timeline::checkpoint_before(u64 instructions) const {
    if (!impl_) return std::nullopt;
    const auto& list = impl_->keeper.list();
    for (auto it = list.rbegin(); it != list.rend(); ++it) {
        if ((*it)->instructions() < instructions) return (*it)->instructions();
    }
    return std::nullopt;
}

void Timeline::load_future(Future future) {
    if (!impl_) return;
    for (Future::Entry& entry : future.entries) {
        Entry& copy = impl_->log.emplace_back(Entry{entry.at, entry.settled, Input{}, std::move(entry.medium)});
        if (auto* input = std::get_if<Input>(&entry.what))
            copy.what = std::move(*input);
        else
            copy.what = std::move(std::get<Future::State>(entry.what));
    }
    impl_->frontier = std::max(impl_->frontier, future.frontier);
    impl_->expectations = std::move(future.expectations);
    impl_->met = 0;
    impl_->replaying = true;
}

bool Timeline::replaying() const { return impl_ && impl_->replaying; }
void Timeline::leave_future() {
    if (!replaying()) return;
    if (!(impl_->now() < impl_->frontier)) impl_->apply_pending();
    impl_->drop_future();
}
std::optional<Timeline::Divergence> Timeline::diverged() const { return impl_ ? impl_->divergence : std::nullopt; }
void Timeline::set_listener(TimelineListener* listener) {
    if (impl_) impl_->listener = listener;
}
u64 Timeline::entries() const { return impl_ ? impl_->next : 0; }

Timeline::Statistics Timeline::statistics() const {
    if (!impl_) return {};
    return {impl_->keeper.list().size(), impl_->keeper.pages(), impl_->keeper.memory()};
}

} // namespace glassbox
