#include "machine/processors.hpp"

#include "cpu/block/cache.hpp"

#include <algorithm>

namespace glassbox {

Processors::Processors(unsigned count, const CpuModel& model, MemoryMap& memory, PortBus& ports, Scheduler& scheduler,
                       ApicBus& apics, const std::function<u8()>& external_vector)
    : scheduler_(scheduler), apics_(apics) {
    for (u32 id = 0; id < std::max(count, 1u); ++id) {
        auto p = std::make_unique<Processor>();
        auto blocks = id == 0 ? nullptr : all_[0]->cpu->blocks;
        p->cpu = std::make_unique<Cpu>(memory, ports, scheduler, p->socket, model, std::move(blocks));
        Cpu& cpu = *p->cpu;
        cpu.bootstrap = id == 0;
        cpu.apic_id = id;
        cpu.processors = count;
        if (count > 1) {
            cpu.signalled = [this, id] {
                if (id == turn_) return;
                company_ = true;
                leave();
            };
        }
        LocalApic::Config config;
        config.id = id;
        config.bootstrap = cpu.bootstrap;
        config.present = model.features.has(Feature::apic);
        config.physical_bits = model.physical_bits;
        config.x2apic = model.features.has(Feature::x2apic);
        if (model.features.has(Feature::tsc_deadline)) config.tsc = [&cpu] { return cpu.tsc(); };
        p->apic = std::make_unique<LocalApic>(scheduler, cpu, apics, external_vector, std::move(config));
        p->socket.plug(*p->apic);
        all_.push_back(std::move(p));
    }
    apics_.set_active(all_[0]->apic.get());
}

void Processors::map(MemoryMap& memory) {
    for (auto& p : all_) p->apic->map(memory);
}

void Processors::reset() {
    for (auto& p : all_) {
        p->apic->reset();
        p->cpu->reset();
        if (!p->cpu->bootstrap) p->cpu->reset_now(); // not at its first turn: all counters start at the same time
    }
    turn_ = count() - 1; // the next turn is the bootstrap processor's
    left_ = 0;
    company_ = passing_ = false;
}

void Processors::init() {
    for (auto& p : all_) {
        p->cpu->init();
        p->apic->init();
    }
}

void Processors::set_irq(unsigned pin, bool level) {
    for (auto& p : all_) p->apic->set_lint(pin, level);
}

bool Processors::any_runnable() const {
    return std::ranges::any_of(all_, [](const auto& p) { return p->cpu->runnable(); });
}

bool Processors::asleep_for_good() const {
    return std::ranges::all_of(all_, [](const auto& p) {
        const Cpu& cpu = *p->cpu;
        if (cpu.runnable()) return false;
        return cpu.shutdown || cpu.wait_for_sipi || (!(cpu.eflags & eflags::IF) && !p->apic->lint0_wakes());
    });
}

const Cpu* Processors::shut_down() const {
    for (const auto& p : all_) {
        if (p->cpu->shutdown && !p->cpu->wake_pending()) return p->cpu.get();
    }
    return nullptr;
}

/// How many instructions fit before something else has to be done.
u64 Processors::room(Time until, u64 max_instructions) const {
    const Time left = until - scheduler_.now(), each = scheduler_.instruction_cost();
    const u64 count = std::min(scheduler_.instructions_to_next_event(), left / each + (left % each != 0));
    return std::min(count, max_instructions - scheduler_.instructions());
}

void Processors::next_turn() {
    do turn_ = (turn_ + 1) % count();
    while (!current().runnable());
    const auto runnable = std::ranges::count_if(all_, [](const auto& p) { return p->cpu->runnable(); });
    company_ = runnable > 1;
    passing_ = false;
    // MWAIT ends by a write that nobody is told of: who waits so is asked at the end of every turn.
    const bool watched =
        std::ranges::any_of(all_, [](const auto& p) { return p->cpu->halted && p->cpu->monitor.waiting; });
    left_ = company_ || watched ? turn_length : lone_turn_length;
    scheduler_.share_among(static_cast<unsigned>(runnable));
    apics_.set_active(all_[turn_]->apic.get());
}

void Processors::take_turn(u64 count) {
    Cpu& cpu = current();
    if (passing_) {
        scheduler_.skip_to(scheduler_.now() + count * scheduler_.instruction_cost());
        left_ -= count;
        return;
    }
    const u64 before = scheduler_.instructions();
    cpu.pause_yields = company_;
    cpu.run(count);
    left_ -= std::min(left_, scheduler_.instructions() - before);
    passing_ = std::exchange(cpu.gave_way, false);
}

void Processors::run(Time until, u64 max_instructions) {
    if (count() == 1) return current().run(room(until, max_instructions));
    if (!any_runnable()) return;
    if (left_ == 0 || !current().runnable()) next_turn();
    if (company_) left_ = std::min(left_, turn_length);
    take_turn(std::min(left_, room(until, max_instructions)));
}

void Processors::persist_processors(Archive& archive) {
    for (auto& p : all_) p->cpu->persist(archive);
}

/// A machine with one processor has no turns, and its snapshots no word of them.
void Processors::persist(Archive& archive) {
    persist_processors(archive);
    if (count() == 1) return;
    archive.chunk("processors", 1, [&](u32) {
        archive(turn_, left_, company_, passing_);
        archive.require(turn_ < count(), "it is the turn of a processor that is not there");
        archive.require(left_ <= lone_turn_length, "a processor's turn is too long");
        if (archive.loading() && !archive.ok()) turn_ = 0, left_ = 0;
    });
    apics_.set_active(all_[turn_]->apic.get());
}

} // namespace glassbox
