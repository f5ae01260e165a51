#include "machine/hostile.hpp"

#include "cpu/features.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox::hostile {

namespace {

/// SplitMix64 (Steele, Lea, Flood 2014): one multiplication chain a word, any seed is good.
u64 mixed(u64 x) {
    x += 0x9E37'79B9'7F4A'7C15;
    x = (x ^ x >> 30) * 0xBF58'476D'1CE4'E5B9;
    x = (x ^ x >> 27) * 0x94D0'49BB'1331'11EB;
    return x ^ x >> 31;
}

class Numbers {
  public:
    explicit Numbers(u64 seed) : state_(mixed(seed)) {}
    u64 next() { return mixed(state_++); }

  private:
    u64 state_;
};

/// Eight memory types, one in each byte, of those that exist (SDM 3A, table 12-8).
u64 memory_types(u64 random) {
    constexpr u64 types[] = {0, 1, 4, 5, 6};
    u64 value = 0;
    for (unsigned i = 0; i < 8; ++i) value |= types[(random >> (8 * i) & 0xFF) % 5] << (8 * i);
    return value;
}

bool is_timer(const std::string& name) {
    for (const char* start : {"pit.", "rtc.", "hpet", "lapic"})
        if (name.starts_with(start)) return true;
    return false;
}

} // namespace

void poison(std::span<u8> ram, u64 seed) {
    Numbers numbers(seed);
    for (std::size_t at = 0; at < ram.size(); at += sizeof(u64)) {
        const u64 value = numbers.next();
        std::memcpy(ram.data() + at, &value, std::min(sizeof value, ram.size() - at));
    }
}

void poison(Cpu& cpu, u64 seed) {
    Numbers numbers(~seed - cpu.apic_id);
    if (!cpu.has(Feature::i586)) {
        const u64 width = cpu.has(Feature::i386) ? 0xFFFF'FFFF : 0xFFFF;
        for (const Gpr n : {RAX, RCX, RBX, RSP, RBP, RSI, RDI}) cpu.gpr[n] = numbers.next() & width;
        for (FpuState::Register& r : cpu.fpu.registers) {
            r.significand = numbers.next() | u64{1} << 63;
            r.sign_exponent = static_cast<u16>(numbers.next());
        }
    }
    if (!cpu.has(Feature::mtrr)) return;
    cpu.msrs.mtrr_def_type = memory_types(numbers.next()) & 0xFF;
    for (u64& fixed : cpu.msrs.mtrr_fixed) fixed = memory_types(numbers.next());
    const u64 address = ((u64{1} << cpu.model->physical_bits) - 1) & ~page_mask;
    for (std::size_t i = 0; i < cpu.msrs.mtrr_variable.size(); ++i) {
        const u64 value = numbers.next();
        const bool is_mask = (i & 1) != 0; // a mask's valid bit (11) is clear
        cpu.msrs.mtrr_variable[i] = (value & address) | (is_mask ? 0 : memory_types(value) & 0xFF);
    }
}

std::function<Time(const Scheduler::Event&, Time)> late_timers(u64 seed) {
    return [seed](const Scheduler::Event& event, Time when) -> Time {
        if (!is_timer(event.name())) return 0;
        u64 hash = seed;
        for (const char c : event.name()) hash = mixed(hash ^ static_cast<u8>(c));
        return mixed(hash ^ when) % (most_late + 1);
    };
}

} // namespace glassbox::hostile
