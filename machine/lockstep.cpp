#include "machine/lockstep.hpp"

#include "cpu/state.hpp"
#include "machine/board.hpp"
#include "machine/lockstep_compare.hpp"
#include "machine/snapshot.hpp"
#include "mmu/access.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox {

namespace {

std::vector<u8> processor_state(Machine& machine) {
    Archive archive = Archive::saver();
    machine.board().processors.persist_processors(archive);
    return std::move(archive.bytes());
}

constexpr u64 trail_length = 16;

LockstepDifference::Place place_of(const Cpu& cpu) {
    LockstepDifference::Place place{cpu.seg[CS].selector, cpu.ip, cpu.seg[CS].big(), {}};
    for (unsigned i = 0; i < 15; ++i) {
        u64 phys = 0;
        if (!translate_quietly(cpu, static_cast<u32>(cpu.seg[CS].base + cpu.ip + i), phys)) break;
        const u8* page = cpu.memory.page_for_read(PhysAddress{phys});
        if (!page) break; // a device: reading it might change it
        place.bytes.push_back(page[phys & page_mask]);
    }
    return place;
}

/// Time may pass without an instruction, so a comparison at the same count is one at the same time too.
bool at_same_point(const Machine& a, const Machine& b) {
    return a.instructions() == b.instructions() && a.now() == b.now();
}

} // namespace

Lockstep::Lockstep(Machine& one, Machine& other, const LockstepOptions& options)
    : first_(one), second_(other), options_(options) {
    options_.every = std::max<u64>(options_.every, 1);
    if (everything_equal())
        take_checkpoint();
    else
        differ();
}

void Lockstep::at_instruction(u64 count, std::function<void(Machine&)> action) {
    actions_.emplace_back(count, std::move(action));
}

StopReason Lockstep::run_one(Machine& machine, Time until, u64 max_instructions) {
    if (&machine == &second_) {
        for (const auto& [count, action] : actions_) {
            if (count <= machine.instructions() || count > max_instructions) continue;
            const StopReason reason = machine.run(until, count);
            if (reason != StopReason::limit || machine.instructions() != count) return reason;
            action(machine);
        }
    }
    return machine.run(until, max_instructions);
}

StopReason Lockstep::run(Time until, u64 max_instructions) {
    if (difference_) return StopReason::diverged;
    since_checkpoint_.emplace_back(Run{until, max_instructions});
    for (;;) {
        const u64 next = (first_.instructions() / options_.every + 1) * options_.every;
        const u64 target = std::min(max_instructions, next);
        const StopReason reason = run_one(first_, until, target);
        if (run_one(second_, until, target) != reason || !processors_equal()) {
            differ();
            return StopReason::diverged;
        }
        if (first_.instructions() >= checkpoint_.instruction + options_.checkpoint_every) {
            if (!check()) return StopReason::diverged;
            since_checkpoint_.emplace_back(Run{until, max_instructions});
        }
        if (reason != StopReason::limit || first_.instructions() < target || target == max_instructions) return reason;
    }
}

Expected<> Lockstep::inject(const Input& input) {
    if (difference_) return {};
    since_checkpoint_.emplace_back(input);
    auto done = first_.inject(input);
    const auto same = second_.inject(input);
    if (done.has_value() != same.has_value()) differ();
    return done;
}

Expected<> Lockstep::load(const std::string& path) {
    if (auto done = first_.load(path); !done) return done;
    if (auto done = second_.load(path); !done) return done;
    static_cast<void>(check());
    return {};
}

bool Lockstep::check() {
    if (difference_) return false;
    if (everything_equal()) {
        take_checkpoint();
        return true;
    }
    differ();
    return false;
}

bool Lockstep::processors_equal() {
    return at_same_point(first_, second_) && processor_state(first_) == processor_state(second_);
}

bool Lockstep::everything_equal() {
    if (!at_same_point(first_, second_)) return false;
    const auto one = first_.board().memory.ram(), other = second_.board().memory.ram();
    return one.size() == other.size() && machine_state(first_.board()) == machine_state(second_.board()) &&
           std::memcmp(one.data(), other.data(), one.size()) == 0;
}

void Lockstep::take_checkpoint() {
    checkpoint_.instruction = first_.instructions();
    checkpoint_.state = machine_state(first_.board());
    const auto ram = first_.board().memory.ram();
    checkpoint_.ram.resize(ram.size());
    // Most pages are as they were: reading is cheaper than writing.
    for (u64 at = 0; at < ram.size(); at += page_size) {
        if (std::memcmp(checkpoint_.ram.data() + at, ram.data() + at, page_size) != 0)
            std::memcpy(checkpoint_.ram.data() + at, ram.data() + at, page_size);
    }
    since_checkpoint_.clear();
}

void Lockstep::put_back(Machine& machine) {
    Board& board = machine.board();
    const auto ram = board.memory.ram();
    for (u64 at = 0; at < ram.size(); at += page_size) {
        if (std::memcmp(ram.data() + at, checkpoint_.ram.data() + at, page_size) != 0)
            std::memcpy(ram.data() + at, checkpoint_.ram.data() + at, page_size);
    }
    static_cast<void>(restore_state(board, checkpoint_.state)); // it was taken from a machine of this very shape
}

bool Lockstep::replay(u64 target) {
    for (Machine* machine : {&first_, &second_}) {
        put_back(*machine);
        for (const auto& step : since_checkpoint_) {
            if (const auto* input = std::get_if<Input>(&step)) {
                if (machine->instructions() < target) static_cast<void>(machine->inject(*input));
                continue;
            }
            const Run& run = std::get<Run>(step);
            static_cast<void>(run_one(*machine, run.until, std::min(run.max_instructions, target)));
        }
    }
    return everything_equal();
}

void Lockstep::differ() {
    LockstepDifference found;
    found.found_at = std::max(first_.instructions(), second_.instructions());
    found.instruction = checkpoint_.instruction;
    compare_machines(first_, second_, found);
    if (!checkpoint_.state.empty()) narrow(found);
    difference_ = std::move(found);
}

/// Halving: all is equal at `equal`, and not at `different`.
void Lockstep::narrow(LockstepDifference& found) {
    u64 equal = checkpoint_.instruction, different = found.found_at;
    if (!replay(equal) || equal == different || replay(different)) return;
    while (different - equal > 1) {
        const u64 middle = equal + (different - equal) / 2;
        (replay(middle) ? equal : different) = middle;
    }
    if (!replay(equal)) return;
    const u64 seen_at = found.found_at;
    found = LockstepDifference{};
    found.found_at = seen_at;
    found.narrowed = true;
    found.instruction = equal;
    record_trail(found);
    const std::vector<LockstepDifference::Value> before = processor_values(first_);
    static_cast<void>(replay(different));
    compare_machines(first_, second_, found);
    for (LockstepDifference::Value& value : found.values) {
        const auto same = std::ranges::find(before, value.name, &LockstepDifference::Value::name);
        if (same != before.end()) value.before = same->first;
    }
}

/// Up to `found.instruction`, where both are equal.
void Lockstep::record_trail(LockstepDifference& found) {
    const u64 begin = found.instruction - std::min<u64>(found.instruction - checkpoint_.instruction, trail_length - 1);
    static_cast<void>(replay(begin));
    while (first_.instructions() < found.instruction) {
        found.trail.push_back(place_of(first_.cpu()));
        const u64 before = first_.instructions();
        first_.run(first_.now() + second, before + 1);
        if (first_.instructions() == before) break;
    }
    static_cast<void>(replay(found.instruction));
    const Cpu& cpu = first_.cpu();
    found.trail.push_back(place_of(cpu));
    if (cpu.halted)
        found.event = "the processor is halted here and is woken by an interrupt";
    else if (cpu.wake_pending() && !cpu.shadow)
        found.event = "an interrupt is pending here and is taken before the instruction";
}

} // namespace glassbox
