#include "machine/hostile.hpp"

#include "bus/memory_map.hpp"
#include "bus/port_bus.hpp"
#include "cpu/features.hpp"
#include "devices/rtc/rtc.hpp"

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
    if (cpu.has(Feature::i586)) {
        Msrs& m = cpu.msrs;
        for (u64* one : {&m.sysenter_cs, &m.sysenter_esp, &m.sysenter_eip, &m.star, &m.lstar, &m.cstar, &m.fmask,
                         &m.kernel_gs_base, &m.tsc_aux})
            *one = numbers.next() & 0x7FFF'FFFF; // canonical, and no reserved bit of any
        for (std::size_t i = 2; i < m.machine_check.size(); ++i) m.machine_check[i] = numbers.next();
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

namespace {

/// Writes to ports as a program would: nothing can come of it that a program could not have left behind.
class Programmer {
  public:
    Programmer(PortBus& ports, u64 seed) : ports_(ports), numbers_(seed) {}
    u8 random() { return static_cast<u8>(numbers_.next()); }
    void out(u16 port, u8 value) { ports_.write(Port{port}, 1, value); }
    void scramble(u16 port) { out(port, random()); }
    u8 in(u16 port) { return static_cast<u8>(ports_.read(Port{port}, 1)); }

  private:
    PortBus& ports_;
    Numbers numbers_;
};

void poison_dma(Programmer& p) {
    for (u16 i = 0; i < 8; ++i) {
        for (unsigned half = 0; half < 2; ++half) {
            p.scramble(i);
            p.scramble(static_cast<u16>(0xC0 + 2 * i));
        }
    }
    for (u8 n = 0; n < 4; ++n) {
        p.out(0x0B, static_cast<u8>((p.random() & 0xFC) | n));
        p.out(0xD6, static_cast<u8>((p.random() & 0xFC) | n));
    }
    for (const u16 page : std::initializer_list<u16>{0x81, 0x82, 0x83, 0x87, 0x89, 0x8A, 0x8B, 0x8F}) p.scramble(page);
    p.out(0x0D, 0); // master clear: all that RESET does promise
    p.out(0xDA, 0);
}

void poison_timer(Programmer& p) {
    for (u8 n = 0; n < 3; ++n) {
        p.out(0x43, static_cast<u8>(n << 6 | 0x30 | (p.random() & 0x0F)));
        p.scramble(static_cast<u16>(0x40 + n));
        p.scramble(static_cast<u16>(0x40 + n));
    }
}

void poison_interrupts(Programmer& p) {
    for (const u16 port : std::initializer_list<u16>{0x20, 0xA0}) {
        const auto data = static_cast<u16>(port + 1);
        p.out(port, 0x11);
        p.scramble(data);
        p.scramble(data);
        p.out(data, 0x01);
        p.scramble(data);
    }
}

void poison_serial(Programmer& p) {
    for (const u16 base : std::initializer_list<u16>{0x3F8, 0x2F8, 0x3E8, 0x2E8}) {
        const auto at = [base](unsigned n) { return static_cast<u16>(base + n); };
        p.out(at(3), 0x80);
        p.scramble(at(0));
        p.scramble(at(1));
        p.out(at(3), 0);
        p.scramble(at(7));
    }
}

void poison_display(Programmer& p, MemoryMap& memory) {
    const u8 misc = p.in(0x3CC);
    p.out(0x3C2, 0x03); // memory on, colour addresses
    for (u8 plane = 0; plane < 4; ++plane) {
        p.out(0x3C4, 2);
        p.out(0x3C5, static_cast<u8>(1u << plane));
        p.out(0x3C4, 4);
        p.out(0x3C5, 0x06);
        for (const auto& [index, value] : {std::pair<u8, u8>{1, 0}, {3, 0}, {5, 0}, {6, 0x05}, {8, 0xFF}}) {
            p.out(0x3CE, index);
            p.out(0x3CF, value);
        }
        for (u64 at = 0; at < 0x10000; ++at) memory.write(PhysAddress{0xA0000 + at}, 1, p.random());
    }
    p.out(0x3C8, 0);
    for (unsigned i = 0; i < 768; ++i) p.scramble(0x3C9);
    for (u8 i = 1; i < 5; ++i) p.out(0x3C4, i), p.scramble(0x3C5);
    for (u8 i = 0; i < 9; ++i) p.out(0x3CE, i), p.scramble(0x3CF);
    p.out(0x3D4, 0x11);
    p.out(0x3D5, 0);
    for (u8 i = 0; i < 0x19; ++i)
        if (i != 0x11) p.out(0x3D4, i), p.scramble(0x3D5);
    p.out(0x3C2, misc);
}

} // namespace

void poison(PortBus& ports, MemoryMap& memory, u64 seed) {
    Programmer programmer(ports, seed ^ 0x6368'6970);
    poison_dma(programmer);
    poison_timer(programmer);
    poison_interrupts(programmer);
    poison_serial(programmer);
    poison_display(programmer, memory);
}

void poison(Rtc& rtc, u64 seed) {
    Numbers numbers(seed ^ 0x636D'6F73);
    // The clock (0-0Dh without the alarm), what 0Eh and 0Fh say of the last run, what a checksum is over (10h-2Fh) and
    // the century (32h) are a set-up's, as are the sizes that firmware reads (30h-3Fh, 5Bh-5Fh).
    for (const u8 alarm : {u8{1}, u8{3}, u8{5}}) rtc.set_cmos(alarm, static_cast<u8>(numbers.next()));
    for (u8 i = 0x40; i < 0x80; ++i) {
        const auto value = static_cast<u8>(numbers.next());
        if (i < 0x5B || i > 0x5F) rtc.set_cmos(i, value);
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
