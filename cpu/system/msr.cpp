// Model-specific registers (SDM 4, chapter 2: tables 2-2, 2-21 to 2-23): those that the drivers of a Pentium, a P6 and
// a Pentium 4 touch. Performance counters and machine-check banks can be programmed and never count or report. Unknown
// registers, reserved bits and invalid types are #GP(0).
#include "cpu/system/control.hpp"

#include <optional>

namespace glassbox {

namespace {

constexpr u64 physical_mask = 0xF'FFFF'FFFF;

bool is_p6(const Cpu& cpu) { return cpu.has(Feature::i686) && (cpu.model->signature >> 8) != 0xF; }
bool is_p4(const Cpu& cpu) { return (cpu.model->signature >> 8) == 0xF; }
bool is_max(const Cpu& cpu) { return cpu.has(Feature::nx); }

bool valid_memory_type(u64 type) { return type == 0 || type == 1 || type == 4 || type == 5 || type == 6; }
bool valid_pat(u64 value) {
    for (unsigned i = 0; i < 8; ++i) {
        const u64 type = value >> (8 * i) & 0xFF;
        if (!valid_memory_type(type) && type != 7) return false;
    }
    return true;
}
bool valid_fixed_mtrr(u64 value) {
    for (unsigned i = 0; i < 8; ++i) {
        if (!valid_memory_type(value >> (8 * i) & 0xFF)) return false;
    }
    return true;
}
bool valid_variable_mtrr(unsigned n, u64 value) {
    if ((value & ~physical_mask) != 0) return false;
    if ((n & 1) != 0) return (value & 0x7FF) == 0;                  // PHYSMASK: V is bit 11
    return (value & 0xF00) == 0 && valid_memory_type(value & 0xFF); // PHYSBASE
}

/// A register that is state: where it is kept and which bits may be written.
struct Slot {
    u64* place;
    u64 writable;
};

/// Fixed-range MTRRs have scattered numbers.
std::optional<unsigned> fixed_mtrr(u32 index) {
    if (index == 0x250) return 0;
    if (index == 0x258 || index == 0x259) return 1 + (index - 0x258);
    if (index >= 0x268 && index <= 0x26F) return 3 + (index - 0x268);
    return std::nullopt;
}

/// Counters and event selects: stored.
u64* performance(Cpu& cpu, u32 index) {
    auto& perf = cpu.msrs.perf;
    if (is_p6(cpu)) {
        if (index == 0xC1 || index == 0xC2) return &perf[index - 0xC1];
        if (index == 0x186 || index == 0x187) return &perf[2 + index - 0x186];
    } else if (!cpu.has(Feature::i686) && cpu.has(Feature::msr) && index >= 0x11 && index <= 0x13) {
        return &perf[4 + index - 0x11];
    }
    return nullptr;
}

/// Machine-check banks: CTL keeps what is written, STATUS, ADDR and MISC take only zero (SDM 3B 15.3.2).
constexpr unsigned bank_count = 5;
constexpr unsigned first_bank = 2;
bool is_bank(const Cpu& cpu, u32 index) {
    return cpu.has(Feature::mca) && index >= 0x400 && index < 0x400 + 4 * bank_count;
}

std::optional<Slot> slot(Cpu& cpu, u32 index) {
    Msrs& m = cpu.msrs;
    constexpr u64 all = ~u64{0};
    if (cpu.has(Feature::sep)) {
        if (index == 0x174) return Slot{&m.sysenter_cs, 0xFFFF'FFFF};
        if (index == 0x175) return Slot{&m.sysenter_esp, 0xFFFF'FFFF};
        if (index == 0x176) return Slot{&m.sysenter_eip, 0xFFFF'FFFF};
    }
    if (cpu.has(Feature::mca)) {
        if (index == 0x17A) return Slot{&m.machine_check[0], 7};
        if (index == 0x17B) return Slot{&m.machine_check[1], all};
    }
    if (u64* p = performance(cpu, index)) return Slot{p, all};
    if (cpu.has(Feature::i686) && index == 0x1D9) return Slot{&m.debug_ctl, 0x7F};
    if ((is_p4(cpu) || is_max(cpu)) && index == 0x1A0) return Slot{&m.misc_enable, all};
    return std::nullopt;
}

/// Registers that read as a constant. `writes`: what a write does.
enum class Writes : u8 { fault, ignored };
struct Fixed {
    u64 value;
    Writes writes;
};

std::optional<Fixed> fixed_p5(u32 index) {
    if (index <= 1) return Fixed{0, Writes::ignored}; // P5_MC_ADDR, P5_MC_TYPE
    return std::nullopt;
}

std::optional<Fixed> fixed_p6(const Cpu& cpu, u32 index) {
    switch (index) {
    case 0x17: return Fixed{0, Writes::fault};   // IA32_PLATFORM_ID
    case 0x2A: return Fixed{0, Writes::ignored}; // EBL_CR_POWERON
    case 0x33: return Fixed{0, Writes::ignored}; // TEST_CTL
    case 0x79: return Fixed{0, Writes::ignored}; // BIOS_UPDT_TRIG: updates are accepted and have no effect
    case 0x88:
    case 0x89:
    case 0x8A: return Fixed{0, Writes::ignored}; // BBL_CR_D0-D2
    case 0x1DB:
    case 0x1DC:
    case 0x1DD:
    case 0x1DE: return Fixed{0, Writes::ignored}; // last branch records
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

std::optional<Fixed> fixed(const Cpu& cpu, u32 index) {
    if (!cpu.has(Feature::msr)) return std::nullopt;
    if (const auto f = fixed_p5(index)) return f;
    if (!cpu.has(Feature::i686)) return std::nullopt;
    if (const auto f = fixed_p6(cpu, index)) return f;
    if (is_p4(cpu)) return fixed_p4(index);
    if (is_max(cpu) && index >= 0x19A && index <= 0x19C) return Fixed{0, Writes::ignored};
    return std::nullopt;
}

constexpr const char* unknown = "no such MSR";
constexpr const char* invalid = "MSR does not take this value";

bool write_mtrr(Cpu& cpu, u32 index, u64 value, bool& handled) {
    Msrs& m = cpu.msrs;
    handled = true;
    if (index >= 0x200 && index <= 0x20F) {
        if (!valid_variable_mtrr(index - 0x200, value)) return cpu.gp(0, invalid);
        m.mtrr_variable[index - 0x200] = value;
    } else if (const auto n = fixed_mtrr(index)) {
        if (!valid_fixed_mtrr(value)) return cpu.gp(0, invalid);
        m.mtrr_fixed[*n] = value;
    } else if (index == 0x2FF) {
        if ((value & ~u64{0xCFF}) != 0 || !valid_memory_type(value & 0xFF)) return cpu.gp(0, invalid);
        m.mtrr_def_type = value;
    } else if (index == 0xFE) {
        return cpu.gp(0, "MTRRcap is read-only");
    } else {
        handled = false;
    }
    return true;
}

bool write_efer(Cpu& cpu, u64 value) {
    if ((value & ~efer::NXE) != 0) return cpu.gp(0, invalid);
    if (cpu.msrs.efer != value) {
        cpu.msrs.efer = value;
        cpu.flush_tlb(false);
    }
    return true;
}

bool write_bank(Cpu& cpu, u32 index, u64 value) {
    if ((index & 3) != 0 && value != 0) return cpu.gp(0, invalid);
    cpu.msrs.machine_check[first_bank + index - 0x400] = value;
    return true;
}

} // namespace

bool read_msr(Cpu& cpu, u32 index, u64& value) {
    Msrs& m = cpu.msrs;
    if (const auto s = slot(cpu, index)) {
        value = *s->place;
    } else if (index == 0x10 && cpu.has(Feature::tsc)) {
        value = cpu.tsc();
    } else if (index == 0x1B && cpu.has(Feature::apic)) {
        value = cpu.interrupts.apic_base();
    } else if (index == 0x8B && cpu.has(Feature::i686)) {
        value = m.ucode_revision;
    } else if (index == 0xFE && cpu.has(Feature::mtrr)) {
        value = 0x508; // eight variable ranges, fixed ranges, write combining
    } else if (cpu.has(Feature::mtrr) && index >= 0x200 && index <= 0x20F) {
        value = m.mtrr_variable[index - 0x200];
    } else if (cpu.has(Feature::mtrr) && fixed_mtrr(index)) {
        value = m.mtrr_fixed[*fixed_mtrr(index)];
    } else if (index == 0x2FF && cpu.has(Feature::mtrr)) {
        value = m.mtrr_def_type;
    } else if (index == 0x277 && cpu.has(Feature::pat)) {
        value = m.pat;
    } else if (index == 0x179 && cpu.has(Feature::mca)) {
        value = 0x100 | bank_count;
    } else if (is_bank(cpu, index)) {
        value = m.machine_check[first_bank + index - 0x400];
    } else if (index == 0xC000'0080 && cpu.has(Feature::nx)) {
        value = m.efer;
    } else if (const auto f = fixed(cpu, index)) {
        value = f->value;
    } else {
        return cpu.gp(0, unknown);
    }
    return true;
}

bool write_msr(Cpu& cpu, u32 index, u64 value) {
    Msrs& m = cpu.msrs;
    if (const auto s = slot(cpu, index)) {
        if ((value & ~s->writable) != 0) return cpu.gp(0, invalid);
        *s->place = value;
        return true;
    }
    if (index == 0x10 && cpu.has(Feature::tsc)) {
        m.tsc_offset += value - cpu.tsc();
        return true;
    }
    if (index == 0x1B && cpu.has(Feature::apic)) return cpu.interrupts.set_apic_base(value) || cpu.gp(0, invalid);
    // Software writes zero before CPUID makes the revision readable (SDM 3A 9.11.7.1): there is no update to report.
    if (index == 0x8B && cpu.has(Feature::i686)) return true;
    if (cpu.has(Feature::mtrr)) {
        bool handled = false;
        if (!write_mtrr(cpu, index, value, handled)) return false;
        if (handled) return true;
    }
    if (index == 0x277 && cpu.has(Feature::pat)) {
        if (!valid_pat(value)) return cpu.gp(0, invalid);
        m.pat = value;
        return true;
    }
    if (is_bank(cpu, index)) return write_bank(cpu, index, value);
    if (index == 0xC000'0080 && cpu.has(Feature::nx)) return write_efer(cpu, value);
    const auto f = fixed(cpu, index);
    if (!f) return cpu.gp(0, unknown);
    return f->writes == Writes::ignored || cpu.gp(0, "MSR is read-only");
}

namespace control {

namespace {
void set_edx_eax(Cpu& cpu, u64 value) {
    cpu.set_r32(RAX, static_cast<u32>(value));
    cpu.set_r32(RDX, static_cast<u32>(value >> 32));
}
} // namespace

bool rdmsr(Cpu& cpu, const Op&) {
    u64 value = 0;
    if (cpu.cpl != 0) return cpu.gp(0, "RDMSR outside level 0");
    if (!read_msr(cpu, cpu.r32(RCX), value)) return false;
    set_edx_eax(cpu, value);
    return true;
}

bool wrmsr(Cpu& cpu, const Op&) {
    if (cpu.cpl != 0) return cpu.gp(0, "WRMSR outside level 0");
    return write_msr(cpu, cpu.r32(RCX), u64{cpu.r32(RDX)} << 32 | cpu.r32(RAX));
}

bool rdtsc(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::TSD) != 0 && cpu.cpl != 0) return cpu.gp(0, "RDTSC with CR4.TSD");
    set_edx_eax(cpu, cpu.tsc());
    return true;
}

bool rdpmc(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::PCE) == 0 && cpu.cpl != 0) return cpu.gp(0, "RDPMC without CR4.PCE");
    const u32 counters = is_p4(cpu) ? 18 : 2;
    const u32 index = is_p4(cpu) ? cpu.r32(RCX) & 0x7FFF'FFFF : cpu.r32(RCX); // bit 31: fast read
    if (index >= counters) return cpu.gp(0, "no such performance counter");
    constexpr u64 forty_bits = (u64{1} << 40) - 1;
    const u64 value = is_p4(cpu) ? 0 : is_p6(cpu) ? cpu.msrs.perf[index] : cpu.msrs.perf[5 + index];
    set_edx_eax(cpu, value & forty_bits);
    return true;
}

bool cpuid(Cpu& cpu, const Op&) {
    const CpuidResult r = glassbox::cpuid(cpu, cpu.r32(RAX), cpu.r32(RCX));
    cpu.set_r32(RAX, r.eax);
    cpu.set_r32(RBX, r.ebx);
    cpu.set_r32(RCX, r.ecx);
    cpu.set_r32(RDX, r.edx);
    return true;
}

} // namespace control
} // namespace glassbox
