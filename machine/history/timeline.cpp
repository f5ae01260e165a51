#include "machine/history/timeline.hpp"

#include "machine/board.hpp"
#include "machine/history/pace.hpp"
#include "machine/history/timeline_impl.hpp"

#include <algorithm>

namespace glassbox {

namespace {

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
    Pace pace(options.poll_interval);
    while (machine.instructions() < target) {
        const u64 before = machine.instructions();
        const StopReason reason = advance(never, std::min(target, before + pace.slice()));
        if (pace.due() && progress && machine.instructions() < target) {
            const double done = static_cast<double>(machine.instructions() - from) / static_cast<double>(target - from);
            if (!progress(done)) {
                if (auto back = restore(here); !back) return back;
                return fail("the way back was cancelled");
            }
        }
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
    Impl::Entry entry{i.now(), i.settled, {}};
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

double Timeline::poll_interval() const { return impl_ ? impl_->options.poll_interval : HistoryOptions{}.poll_interval; }

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
        Impl::Entry& copy =
            impl_->log.emplace_back(Impl::Entry{entry.at, entry.settled, Input{}, std::move(entry.medium)});
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
