// Intel's registers (SDM 4, tables 2-2, 2-3, 2-15, 2-20 to 2-23), and machine check and the last-branch registers,
// which AMD has at the same numbers: those that the drivers of these processors touch. Performance counters and
// machine-check banks can be programmed and never count or report; power and thermal controls have no effect.
#include "cpu/system/msr.hpp"

#include <algorithm>
#include <optional>

namespace glassbox::msr {

namespace {

using enum Feature;

bool has_misc_enable(const Cpu& cpu) { return cpu.model->intel() && (is_p4(cpu) || cpu.has(nx)); }
/// Since Nehalem the multiplier counts 100 MHz (133 before Sandy Bridge) and there is MSR_PLATFORM_INFO.
bool has_platform_info(const Cpu& cpu) { return cpu.model->intel() && cpu.has(long_mode) && cpu.has(sse42); }

/// The clock as a multiple of 100 MHz.
u64 ratio(const Cpu& cpu) {
    constexpr Time picoseconds_of_100_mhz = 10'000;
    return std::clamp<u64>(picoseconds_of_100_mhz / std::max<Time>(cpu.scheduler.instruction_time(), 1), 1, 255);
}

/// Counters and event selects: stored.
u64* performance(Cpu& cpu, u32 index) {
    auto& perf = cpu.msrs.perf;
    if (is_p6(cpu)) {
        if (index == 0xC1 || index == 0xC2) return &perf[index - 0xC1];
        if (index == 0x186 || index == 0x187) return &perf[2 + index - 0x186];
    } else if (!cpu.has(i686) && cpu.has(Feature::msr) && index >= 0x11 && index <= 0x13) {
        return &perf[4 + index - 0x11];
    }
    return nullptr;
}

// --- machine check -----------------------------------------------------------------------------------------------

constexpr unsigned bank_count = 5;
constexpr unsigned first_bank = 2; // in Msrs::machine_check, after MCG_STATUS and MCG_CTL

bool is_bank(const Cpu& cpu, u32 index) { return cpu.has(mca) && index >= 0x400 && index < 0x400 + 4 * bank_count; }

/// CTL enables reporting: 32-bit processors keep what is written; 64-bit ones take all ones or zero, and Linux's bits
/// of its workarounds (bit 10 of bank 4, bit 0). STATUS takes zero only; ADDR and MISC did too until 64 bits (SDM
/// 3B 15.3.2).
Answer write_bank(Cpu& cpu, u32 index, u64 value) {
    const unsigned which = index & 3;
    if (which == 0 && cpu.has(long_mode)) {
        constexpr u64 workarounds = 1 << 10 | 1;
        if (value != 0 && (value | workarounds) != ~u64{0}) return Answer::refused;
    }
    if (which == 1 || (which > 1 && !cpu.has(long_mode))) {
        if (value != 0) return Answer::refused;
    }
    cpu.msrs.machine_check[first_bank + index - 0x400] = value;
    return Answer::done;
}

// --- registers that are state --------------------------------------------------------------------------------------

struct Slot {
    u64* place = nullptr;
    u64 writable = 0;
};

Slot slot(Cpu& cpu, u32 index) {
    Msrs& m = cpu.msrs;
    constexpr u64 all = ~u64{0};
    if (cpu.has(mca)) {
        if (index == 0x17A) return Slot{&m.machine_check[0], 7};
        if (index == 0x17B) return Slot{&m.machine_check[1], all};
    }
    if (u64* p = performance(cpu, index)) return Slot{p, all};
    if (cpu.has(i686) && index == 0x1D9) return Slot{&m.debug_ctl, cpu.has(long_mode) ? u64{0x1FC3} : u64{0x7F}};
    if (has_misc_enable(cpu) && index == 0x1A0) return Slot{&m.misc_enable, all};
    return {};
}

// --- registers that read as a constant -------------------------------------------------------------------------------

/// `writes`: what a write does.
enum class Writes : u8 { fault, ignored };
struct Fixed {
    u64 value;
    Writes writes;
};

std::optional<Fixed> fixed_p6(const Cpu& cpu, u32 index) {
    switch (index) {
    case 0x17: return Fixed{0, Writes::fault};   // IA32_PLATFORM_ID
    case 0x2A: return Fixed{0, Writes::ignored}; // EBL_CR_POWERON
    case 0x33: return Fixed{0, Writes::ignored}; // TEST_CTL
    case 0x79: return Fixed{0, Writes::ignored}; // BIOS_UPDT_TRIG: updates are accepted and have no effect
    case 0x88:
    case 0x89:
    case 0x8A: return Fixed{0, Writes::ignored}; // BBL_CR_D0-D2
    default: break;
    }
    if (is_p6(cpu)) {
        if (index == 0x116 || (index >= 0x118 && index <= 0x11B)) return Fixed{0, Writes::ignored}; // BBL_CR_*
        if (index == 0x11E) return Fixed{0, Writes::ignored};                                       // BBL_CR_CTL3
        if (index == 0x1E0) return Fixed{0, Writes::ignored};                                       // ROB_CR_BKUPTMPDR6
    }
    return std::nullopt;
}

std::optional<Fixed> fixed_p4(u32 index) {
    switch (index) {
    case 0x2B: return Fixed{0, Writes::ignored};                        // EBC_SOFT_POWERON
    case 0x2C: return Fixed{(20u << 24) | (1u << 16), Writes::ignored}; // EBC_FREQUENCY_ID: 20 x 100 MHz
    case 0x19A:
    case 0x19B: return Fixed{0, Writes::ignored}; // clock modulation, thermal interrupt
    case 0x19C: return Fixed{0, Writes::ignored}; // IA32_THERM_STATUS
    case 0x1A1: return Fixed{0, Writes::ignored}; // PLATFORM_BRV
    case 0x1D7:
    case 0x1D8:
    case 0x1DA: return Fixed{0, Writes::ignored}; // last exception, top of stack
    default: break;
    }
    if (index >= 0x300 && index <= 0x3F2) return Fixed{0, Writes::ignored}; // performance monitoring
    return std::nullopt;
}

/// What Core 2 and its successors have besides.
std::optional<Fixed> fixed_64(const Cpu& cpu, u32 index) {
    if (has_platform_info(cpu)) {
        switch (index) {
        case 0xCE: return Fixed{ratio(cpu) << 8 | ratio(cpu) << 40, Writes::fault}; // MSR_PLATFORM_INFO
        case 0xE2: return Fixed{1 << 15, Writes::ignored};                          // package C-states: locked
        case 0x1A2: return Fixed{100 << 16, Writes::ignored};                       // MSR_TEMPERATURE_TARGET
        case 0x1AD: return Fixed{ratio(cpu) * 0x0101'0101, Writes::ignored};        // turbo ratios
        case 0x1FC: return Fixed{0, Writes::ignored};                               // MSR_POWER_CTL
        default: break;
        }
    }
    switch (index) {
    case 0x34: return Fixed{0, Writes::fault};                                   // MSR_SMI_COUNT
    case 0xCD: return Fixed{5, Writes::fault};                                   // MSR_FSB_FREQ: 100 MHz
    case 0x198: return Fixed{ratio(cpu) << 8 | ratio(cpu) << 40, Writes::fault}; // IA32_PERF_STATUS
    case 0x199: return Fixed{ratio(cpu) << 8, Writes::ignored};                  // IA32_PERF_CTL
    case 0x19A:
    case 0x19B: return Fixed{0, Writes::ignored}; // clock modulation, thermal interrupt
    case 0x19C: return Fixed{0, Writes::ignored}; // IA32_THERM_STATUS
    case 0x1C9: return Fixed{0, Writes::ignored}; // MSR_LASTBRANCH_TOS
    default: return std::nullopt;
    }
}

std::optional<Fixed> fixed(const Cpu& cpu, u32 index) {
    if (!cpu.has(Feature::msr)) return std::nullopt;
    if (index <= 1) return Fixed{0, Writes::ignored}; // P5_MC_ADDR, P5_MC_TYPE
    if (!cpu.has(i686)) return std::nullopt;
    if (index >= 0x1DB && index <= 0x1DE) return Fixed{0, Writes::ignored}; // last branch and exception
    if (!cpu.model->intel()) return std::nullopt;
    if (const auto f = fixed_p6(cpu, index)) return f;
    if (is_p4(cpu)) return fixed_p4(index);
    if (cpu.has(long_mode)) return fixed_64(cpu, index);
    return std::nullopt;
}

} // namespace

Answer read_intel(Cpu& cpu, u32 index, u64& value) {
    if (const Slot s = slot(cpu, index); s.place) {
        value = *s.place;
    } else if (index == 0x8B && cpu.has(i686)) {
        // The update's revision: in the upper half on Intel's, in the lower on AMD's.
        value = cpu.model->amd() ? cpu.model->microcode : u64{cpu.model->microcode} << 32;
    } else if (index == 0x179 && cpu.has(mca)) {
        value = 0x100 | bank_count;
    } else if (is_bank(cpu, index)) {
        value = cpu.msrs.machine_check[first_bank + index - 0x400];
    } else if (const auto f = fixed(cpu, index)) {
        value = f->value;
    } else {
        return Answer::unknown;
    }
    return Answer::done;
}

Answer write_intel(Cpu& cpu, u32 index, u64 value) {
    if (const Slot s = slot(cpu, index); s.place) {
        if ((value & ~s.writable) != 0) return Answer::refused;
        *s.place = value;
        return Answer::done;
    }
    // Software writes zero before CPUID makes the revision readable (SDM 3A 9.11.7.1): it is always readable.
    if (index == 0x8B && cpu.has(i686)) return Answer::done;
    if (index == 0x179 && cpu.has(mca)) return Answer::refused;
    if (is_bank(cpu, index)) return write_bank(cpu, index, value);
    const auto f = fixed(cpu, index);
    if (!f) return Answer::unknown;
    return f->writes == Writes::ignored ? Answer::done : Answer::refused;
}

} // namespace glassbox::msr
