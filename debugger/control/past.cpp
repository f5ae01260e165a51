#include "debugger/control/past.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr std::string_view cancelled = "cancelled: the machine is where it was";

/// Before an instruction of the past ends the run at the first one of a processor.
struct FirstPoint final : PastObserver {
    unsigned processor = 0;
    std::optional<Point> found;
    bool every() const override { return true; }
    bool finished() const override { return found.has_value(); }
    bool before(Cpu& cpu, unsigned number, u64 count) override {
        if (number != processor) return false;
        found = Point{count, code_address(cpu), stack_address(cpu)};
        return true;
    }
};

struct AllPoints final : PastObserver {
    unsigned processor = 0;
    std::vector<Point> found;
    bool every() const override { return true; }
    bool before(Cpu& cpu, unsigned number, u64 count) override {
        if (number == processor) found.push_back({count, code_address(cpu), stack_address(cpu)});
        return false;
    }
};

struct AddressSeeker final : PastObserver {
    u64 linear = 0;
    unsigned processor = 0;
    std::optional<u64> found;
    std::optional<u64> address() const override { return linear; }
    bool before(Cpu& cpu, unsigned number, u64 count) override {
        if (number == processor && code_address(cpu) == linear) found = count;
        return false;
    }
};

/// Calls that are open at the end of an interval, and returns that no call in it belongs to.
struct CallSeeker final : PastObserver {
    unsigned processor = 0;
    CallTracker calls;
    std::vector<CallTracker::Return> returns;
    bool flow() const override { return true; }
    bool before(Cpu& cpu, unsigned number, u64 count) override {
        if (number != processor) return false;
        const FlowInsn insn = flow_at(cpu);
        if (is_call(insn.flow)) {
            calls.call(cpu, insn, count);
        } else if (is_return(insn.flow)) {
            const auto by = CallTracker::return_at(cpu, insn);
            if (!calls.returned(by)) returns.push_back(by);
        }
        return false;
    }
    void delivered(Cpu& cpu, unsigned number, InterruptKind kind, u64 from_ip, u64 count) override {
        if (number == processor) calls.delivered(cpu, from_ip, count, static_cast<u8>(kind) == 0);
    }
};

struct StopSeeker final : PastObserver {
    Moment start, present;
    std::optional<Past::Found> found;
    bool points() const override { return true; }
    void hit(const Hit& hit, const Moment& moment) override {
        if (moment > start && moment < present && (!found || moment >= found->moment)) found = {hit, moment};
    }
};

} // namespace

Past::Past(Debugger::Impl& impl)
    : present(impl.timeline.now()), impl_(impl), earliest_(impl.timeline.earliest().instructions),
      pace_(impl.timeline.poll_interval()) {}

bool Past::told(double done) {
    if (pace_.due() && !cancelled_ && impl_.self.progress) cancelled_ = !impl_.self.progress(done);
    return !cancelled_;
}

Expected<> Past::go(const Moment& moment) {
    // A search goes to many places: its own progress counts, not that of each way.
    const auto progress = [this](double) { return told(0); };
    if (!progress(0)) return fail(std::string(cancelled));
    const auto gone = go(moment, progress);
    return cancelled_ ? fail(std::string(cancelled)) : gone;
}

Expected<> Past::home() { return go(present, {}); }

Expected<> Past::go(const Moment& moment, const std::function<bool(double)>& progress) {
    impl_.disconnect();
    if (auto gone = impl_.timeline.go_to(moment.instructions, progress); !gone) return gone;
    Time time = impl_.timeline.now().time;
    while (time < moment.time) { // asleep
        (void)impl_.timeline.run(moment.time, impl_.machine.instructions() + slice());
        if (progress && !progress(0)) return fail(std::string(cancelled));
        if (impl_.timeline.now().time == time) break;
        time = impl_.timeline.now().time;
    }
    return {};
}

Expected<> Past::execute(PastObserver& observer, u64 count, Time time) {
    Debugger::Impl& d = impl_;
    d.observer = &observer;
    d.questions_changed = true;
    d.hits.clear();
    d.asked = false;
    d.skip_fault_count = ~u64{0};
    for (unsigned i = 0; i < d.machine.processors(); ++i) d.modes[i] = d.mode_name(d.machine.cpu(i));
    const auto over = [&] { return d.machine.instructions() >= count && d.machine.now() >= time; };
    const u64 begin = d.machine.instructions();
    Expected<> result;
    while (!over()) {
        d.connect();
        const u64 done = d.machine.instructions();
        const StopReason reason =
            done < count ? d.timeline.run(never, std::min(count, done + slice())) : d.timeline.run(time);
        const bool ours = std::exchange(d.asked, false);
        if (ours && reason != StopReason::breakpoint) d.request_left = true;
        const Moment now = d.timeline.now();
        for (const Hit& hit : std::exchange(d.hits, {})) {
            std::string trouble;
            StopPoint* point = d.points.find(hit.number);
            if (!point || (!hit.checked && !d.accepts(*point, hit.processor, trouble))) continue;
            // What an instruction did is undone by going to the state before it; a wire may change without one.
            const bool exact = hit.before || point->kind == StopPointKind::irq || now.instructions <= earliest_;
            observer.hit(hit, exact ? now : Moment{now.instructions - 1, 0});
        }
        if (observer.finished()) break;
        if (reason != StopReason::limit && reason != StopReason::breakpoint) break;
        const double part =
            static_cast<double>(now.instructions - begin) / static_cast<double>(std::max<u64>(count - begin, 1));
        if (!told(part)) {
            result = fail(std::string(cancelled));
            break;
        }
    }
    d.observer = nullptr;
    d.disconnect();
    return result;
}

Expected<> Past::intervals(PastObserver& observer, u64 end, Time time, const std::function<void()>& begin,
                           const std::function<bool(u64 start)>& done) {
    for (;;) {
        const auto start = impl_.timeline.checkpoint_before(end);
        if (!start) return {};
        if (const auto gone = go(*start); !gone) return gone;
        begin();
        if (const auto executed = execute(observer, end, time); !executed) return executed;
        if (done(*start)) return {};
        end = *start;
        time = 0;
    }
}

Expected<std::vector<Point>> Past::points_before(u64 end, unsigned processor, u64 wanted) {
    std::vector<Point> all;
    u64 window = std::max<u64>(16, 2 * wanted);
    while (all.size() < wanted && end > earliest_) {
        const u64 start = end - std::min(window, end - earliest_);
        if (const auto gone = go(start); !gone) return tl::unexpected(gone.error());
        AllPoints observer;
        observer.processor = processor;
        if (const auto executed = execute(observer, end); !executed) return tl::unexpected(executed.error());
        observer.found.insert(observer.found.end(), all.begin(), all.end());
        all = std::move(observer.found);
        end = start;
        window = std::min<u64>(window * 16, 8'000'000);
    }
    return all;
}

Expected<std::optional<Point>> Past::previous(u64 end, unsigned processor) {
    if (end <= earliest_) return std::optional<Point>();
    // Most often the instruction before is one of this processor.
    if (const auto gone = go(end - 1); !gone) return tl::unexpected(gone.error());
    FirstPoint first;
    first.processor = processor;
    if (const auto executed = execute(first, end); !executed) return tl::unexpected(executed.error());
    if (first.found) return first.found;
    const auto all = points_before(end, processor, 1);
    if (!all) return tl::unexpected(all.error());
    if (all->empty()) return std::optional<Point>();
    if (const auto gone = go(all->back().count); !gone) return tl::unexpected(gone.error());
    return std::optional<Point>(all->back());
}

namespace {

/// The innermost call that a function with its stack at `stack` can be in.
std::optional<CallTracker::Entry> innermost(const std::vector<CallTracker::Entry>& open, u64 stack) {
    constexpr u64 deepest_frame = 1 << 20;
    for (std::size_t i = open.size(); i-- > 0;) {
        const CallTracker::Entry& e = open[i];
        if (e.kind != CallTracker::Kind::call || e.slot - stack < deepest_frame) return e;
    }
    return {};
}

} // namespace

Expected<std::optional<CallTracker::Entry>> Past::call_before(u64 end, unsigned processor, u64 stack,
                                                              const CallTracker::Return* by) {
    CallSeeker seeker;
    seeker.processor = processor;
    std::vector<CallTracker::Return> later; // of the intervals that come after, in their order
    std::optional<CallTracker::Entry> found;
    const auto searched = intervals(
        seeker, end, 0,
        [&] {
            seeker.calls.clear();
            seeker.returns.clear();
        },
        [&](u64) {
            std::vector<CallTracker::Entry> open = seeker.calls.open();
            std::vector<CallTracker::Return> rest = seeker.returns;
            for (const auto& one : later) {
                if (const auto at = CallTracker::match(open, one))
                    open.resize(*at);
                else
                    rest.push_back(one);
            }
            later = std::move(rest);
            if (by) {
                if (const auto at = CallTracker::match(open, *by)) found = open[*at];
            } else {
                found = innermost(open, stack);
            }
            return found.has_value();
        });
    if (!searched) return tl::unexpected(searched.error());
    return found;
}

Expected<std::optional<u64>> Past::execution_before(u64 end, u64 linear, unsigned processor) {
    AddressSeeker seeker;
    seeker.linear = linear;
    seeker.processor = processor;
    const auto searched = intervals(seeker, end, 0, [] {}, [&](u64) { return seeker.found.has_value(); });
    if (!searched) return tl::unexpected(searched.error());
    return seeker.found;
}

Expected<std::optional<Past::Found>> Past::stop_after(const Moment& start) {
    StopSeeker seeker;
    seeker.start = start;
    seeker.present = present;
    const auto searched = intervals(
        seeker, present.instructions, present.time, [] {},
        [&](u64 begin) { return seeker.found.has_value() || begin <= start.instructions; });
    if (!searched) return tl::unexpected(searched.error());
    return seeker.found;
}

} // namespace glassbox
