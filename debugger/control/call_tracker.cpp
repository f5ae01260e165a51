#include "debugger/control/call_tracker.hpp"

namespace glassbox {

namespace {
/// Deeper than any stack of calls; what is older is forgotten.
constexpr std::size_t most_open = 100'000;
} // namespace

void CallTracker::call(const Cpu& cpu, const FlowInsn& insn, u64 count) {
    if (open_.size() >= most_open) open_.erase(open_.begin(), open_.begin() + most_open / 2);
    const u64 sp = stack_address(cpu), from = code_address(cpu);
    if (insn.flow == Flow::syscall || insn.flow == Flow::sysenter)
        return open_.push_back({Kind::system_call, sp, sp, from, count});
    const u64 pushed = insn.flow == Flow::call_far ? 2 * insn.opsize : insn.opsize;
    open_.push_back({Kind::call, sp - pushed, 0, from, count});
}

void CallTracker::delivered(const Cpu& cpu, u64 from_ip, u64 count, bool hardware) {
    if (open_.size() >= most_open) open_.erase(open_.begin(), open_.begin() + most_open / 2);
    const auto frame = delivered_frame(cpu, from_ip);
    open_.push_back({Kind::delivery, stack_address(cpu), frame ? frame->sp : 0, from_ip, count, hardware});
}

CallTracker::Return CallTracker::return_at(const Cpu& cpu, const FlowInsn& insn) {
    Return by{.slot = stack_address(cpu), .outer = 0, .flow = insn.flow};
    if (insn.flow == Flow::iret) {
        if (const auto frame = interrupt_frame(cpu, insn.opsize)) by.outer = frame->sp;
    } else if (insn.flow == Flow::sysret) {
        by.outer = by.slot;
    } else if (insn.flow == Flow::sysexit) {
        by.outer = cpu.gpr[RCX];
    }
    return by;
}

std::optional<std::size_t> CallTracker::match(const std::vector<Entry>& open, const Return& by) {
    for (std::size_t i = open.size(); i-- > 0;) {
        const Entry& e = open[i];
        switch (e.kind) {
        case Kind::call:
            if ((by.flow == Flow::ret || by.flow == Flow::ret_far) && e.slot == by.slot) return i;
            break;
        case Kind::delivery: // the handler may have copied the frame to another stack, or taken an error code off
            if (by.flow == Flow::iret && (e.slot == by.slot || (e.outer != 0 && e.outer == by.outer))) return i;
            if (by.flow == Flow::ret_far && e.slot == by.slot) return i; // RETF 2 keeps the handler's flags
            break;
        case Kind::system_call:
            if ((by.flow == Flow::sysret || by.flow == Flow::sysexit || by.flow == Flow::iret) && e.outer == by.outer)
                return i;
            break;
        }
    }
    return {};
}

bool CallTracker::returned(const Return& by) {
    const auto at = match(open_, by);
    if (at) open_.resize(*at);
    return at.has_value();
}

} // namespace glassbox
