// The HPET's registers (1.0a, 2.3), comparators and interrupt lines.
#include "devices/hpet/hpet.hpp"

namespace glassbox {

namespace {

enum Offset : unsigned {
    capabilities_register = 0x000,
    configuration_register = 0x010,
    status_register = 0x020,
    counter_register = 0x0F0,
    first_timer = 0x100,
    timer_stride = 0x20,
    comparator_register = 0x08,
};

constexpr u64 femtoseconds = 1'000'000'000'000'000 / Hpet::frequency;
constexpr u32 legacy_replacement = 2;

// Timer configuration bits (2.3.8).
constexpr u32 level_type = 1u << 1, interrupt_enable = 1u << 2, periodic_type = 1u << 3, periodic_capable = 1u << 4,
              wide_capable = 1u << 5, value_set_bit = 1u << 6, force32 = 1u << 8, route_field = 31u << 9;
constexpr u32 timer_writable = level_type | interrupt_enable | periodic_type | force32 | route_field;

constexpr unsigned route_of(u32 configuration) { return configuration >> 9 & 31; }
constexpr bool routable(unsigned route) { return (Hpet::route_capabilities >> route & 1) != 0; }

} // namespace

bool Hpet::Timer::wide() const { return (configuration & force32) == 0; }
bool Hpet::Timer::periodic() const { return (configuration & periodic_type) != 0; }

Hpet::Hpet(Scheduler& scheduler, IrqSink& inputs, LegacyRouter& legacy)
    : scheduler_(scheduler), inputs_(inputs), legacy_(legacy),
      events_{Scheduler::Event(scheduler, "hpet.timer0", [this] { match(0); }),
              Scheduler::Event(scheduler, "hpet.timer1", [this] { match(1); }),
              Scheduler::Event(scheduler, "hpet.timer2", [this] { match(2); })} {}

void Hpet::map(MemoryMap& memory) {
    MemoryMap::Region region;
    region.name = "hpet";
    region.start = base_address;
    region.size = 0x400;
    region.access = MemoryMap::Access::read_write;
    region.device = this;
    region.max_width = 8;
    region.priority = 100;
    memory.add(region);
}

void Hpet::reset() {
    configuration_ = status_ = 0;
    counter_ = started_ = 0;
    timers_ = {};
    schedule_all();
    drive();
    legacy_.set_replaced(false);
}

u64 Hpet::capabilities() {
    constexpr u32 legacy_capable = 1u << 15, wide_counter = 1u << 13, revision = 1, vendor = 0x8086;
    return femtoseconds << 32 | vendor << 16 | legacy_capable | wide_counter | (timers - 1) << 8 | revision;
}

u64 Hpet::read(u64 offset, unsigned width) { return *peek(offset, width); }

std::optional<u64> Hpet::peek(u64 offset, unsigned width) const {
    const u64 value = read_register(static_cast<unsigned>(offset & 0x3F8)) >> 8 * (offset & 7);
    return width >= 8 ? value : value & ((u64{1} << 8 * width) - 1);
}

void Hpet::write(u64 offset, unsigned width, u64 value) {
    const unsigned shift = static_cast<unsigned>(8 * (offset & 7));
    const u64 bytes = width >= 8 ? ~u64{0} : (u64{1} << 8 * width) - 1;
    write_register(static_cast<unsigned>(offset & 0x3F8), value << shift, bytes << shift);
}

u64 Hpet::read_register(unsigned offset) const {
    switch (offset) {
    case capabilities_register: return capabilities();
    case configuration_register: return configuration_;
    case status_register: return status_;
    case counter_register: return counter();
    default: break;
    }
    const unsigned index = (offset - first_timer) / timer_stride;
    if (offset < first_timer || index >= timers) return 0;
    const Timer& timer = timers_[index];
    switch (offset % timer_stride) {
    case 0: return u64{route_capabilities} << 32 | periodic_capable | wide_capable | timer.configuration;
    case comparator_register: return timer.comparator;
    default: return 0;
    }
}

/// `written` has ones in the bytes that the access covers.
void Hpet::write_register(unsigned offset, u64 value, u64 written) {
    switch (offset) {
    case configuration_register: return write_configuration((configuration_ & ~written) | (value & written));
    case status_register: // write 1 to clear
        status_ &= ~static_cast<u32>(value & written);
        return drive();
    case counter_register:
        counter_ = (counter() & ~written) | (value & written);
        started_ = ticks();
        return schedule_all();
    default: break;
    }
    const unsigned index = (offset - first_timer) / timer_stride;
    if (offset < first_timer || index >= timers) return;
    if (offset % timer_stride == 0 && (written & 0xFFFFFFFF) != 0) {
        write_timer(index, (timers_[index].configuration & ~written) | (value & written));
    } else if (offset % timer_stride == comparator_register) {
        write_comparator(index, value, written);
    }
}

void Hpet::write_configuration(u64 value) {
    counter_ = counter();
    started_ = ticks();
    configuration_ = static_cast<u32>(value & 3);
    if (!enabled()) {
        for (Timer& timer : timers_) timer.edge = false;
    }
    legacy_.set_replaced((configuration_ & legacy_replacement) != 0);
    schedule_all();
    drive();
}

void Hpet::write_timer(unsigned index, u64 value) {
    Timer& timer = timers_[index];
    u32 next = static_cast<u32>(value) & timer_writable;
    // "If the value is not supported, the value read back will not match": the old route stays.
    if (!routable(route_of(next))) next = (next & ~route_field) | (timer.configuration & route_field);
    constexpr u32 line_bits = level_type | interrupt_enable | route_field;
    if (((next ^ timer.configuration) & line_bits) != 0) timer.edge = false;
    if ((next & level_type) == 0) status_ &= ~(1u << index); // only level interrupts have a status
    timer.configuration = next;
    timer.value_set = timer.periodic() && (value & value_set_bit) != 0;
    timer.comparator &= timer.mask();
    timer.period &= timer.mask();
    schedule(index);
    drive();
}

void Hpet::write_comparator(unsigned index, u64 value, u64 written) {
    Timer& timer = timers_[index];
    const auto merge = [&](u64 old) { return ((old & ~written) | (value & written)) & timer.mask(); };
    // In periodic mode a write sets the period, and the accumulator too if the value-set bit came before it
    // (2.3.9.2.2).
    if (!timer.periodic() || timer.value_set) timer.comparator = merge(timer.comparator);
    if (timer.periodic()) timer.period = merge(timer.period);
    timer.value_set = false;
    schedule(index);
}

void Hpet::schedule(unsigned index) {
    if (!enabled()) return events_[index].cancel();
    const Timer& timer = timers_[index];
    u64 distance = (timer.comparator - counter()) & timer.mask();
    if (distance == 0) distance = timer.wide() ? ~u64{0} : u64{1} << 32;
    const u64 now = ticks(), last = ticks_in(never, frequency) - 1;
    if (now >= last || distance > last - now) return events_[index].cancel();
    events_[index].at(time_of(now + distance, frequency));
}

void Hpet::schedule_all() {
    for (unsigned index = 0; index < timers; ++index) schedule(index);
}

void Hpet::match(unsigned index) {
    Timer& timer = timers_[index];
    if (timer.periodic() && timer.period != 0) {
        const u64 late = (counter() - timer.comparator) & timer.mask();
        timer.comparator = (timer.comparator + (late / timer.period + 1) * timer.period) & timer.mask();
    }
    schedule(index);
    if ((timer.configuration & level_type) != 0) {
        status_ |= 1u << index;
    } else if ((timer.configuration & interrupt_enable) != 0) {
        timer.edge = false;
        drive();
        timer.edge = true;
    }
    drive();
}

/// Brings every line to the level that the timers ask for.
void Hpet::drive() {
    u32 wanted = 0;
    std::array<bool, 2> legacy_wanted{};
    for (unsigned index = 0; index < timers; ++index) {
        const Timer& timer = timers_[index];
        const bool level = timer.edge || (status_ >> index & 1) != 0;
        if (!level || !enabled() || (timer.configuration & interrupt_enable) == 0) continue;
        if (index < 2 && (configuration_ & legacy_replacement) != 0) {
            legacy_wanted[index] = true;
        } else if (routable(route_of(timer.configuration))) {
            wanted |= 1u << route_of(timer.configuration);
        }
    }
    const u32 changed = wanted ^ driven_;
    driven_ = wanted;
    for (unsigned input = 0; input < 32; ++input) {
        if ((changed >> input & 1) != 0) inputs_.set_irq(input, (wanted >> input & 1) != 0);
    }
    for (unsigned i = 0; i < 2; ++i) {
        if (legacy_wanted[i] == legacy_driven_[i]) continue;
        legacy_driven_[i] = legacy_wanted[i];
        legacy_.set_irq(LegacyRouter::hpet0 + i, legacy_wanted[i]);
    }
}

void Hpet::persist(Archive& archive) {
    archive.chunk("hpet", 1, [&](u32) {
        archive(configuration_, status_, counter_, started_, timers_, driven_, legacy_driven_);
        archive(legacy_);
        archive.require(configuration_ <= 3 && status_ < 8, "an HPET register has reserved bits");
        archive.require((driven_ & ~route_capabilities) == 0, "the HPET drives an input that it cannot reach");
        for (const Timer& timer : timers_) {
            archive.require((timer.configuration & ~timer_writable) == 0, "an HPET timer has reserved bits");
            archive.require((timer.comparator & ~timer.mask()) == 0, "an HPET comparator is too wide");
            archive.require((timer.period & ~timer.mask()) == 0, "an HPET period is too wide");
        }
    });
}

} // namespace glassbox
