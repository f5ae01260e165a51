// AMD's registers at C001xxxxh (APM 2, appendix A; the BIOS and Kernel Developer's Guides 26094, 31116 and the
// Processor Programming Reference 54945 for the families that have them). They configure memory controllers, caches and
// power states that are not modelled: they keep what is written. SVM is absent: VM_CR says that it is disabled and
// locked.
#include "cpu/system/msr.hpp"

#include <optional>

namespace glassbox::msr {

namespace {

// Places in Msrs::amd.
constexpr unsigned syscfg = 0, hwcr = 1, iorr = 2 /* 4 */, top_mem = 6, top_mem2 = 7, nb_cfg = 8, smm = 9 /* 3 */,
                   core_config = 16 /* 32 */;
constexpr u32 config_base = 0xC001'1000 + 0x20;

constexpr u64 hwcr_tsc_at_p0 = 1 << 24;

struct Place {
    unsigned at;
    u64 writable;
};

/// Which registers are state.
std::optional<Place> place(u32 index) {
    constexpr u64 all = ~u64{0}, address = 0x000F'FFFF'FFFF'FFFF;
    if (index >= config_base && index < config_base + 0x20) return Place{core_config + index - config_base, all};
    switch (index) {
    case 0xC001'0010: return Place{syscfg, 0xFFFF'FFFF};
    case 0xC001'0015: return Place{hwcr, all};
    case 0xC001'0016:
    case 0xC001'0017:
    case 0xC001'0018:
    case 0xC001'0019: return Place{iorr + index - 0xC001'0016, address};
    case 0xC001'001A: return Place{top_mem, address};
    case 0xC001'001D: return Place{top_mem2, address};
    case 0xC001'001F: return Place{nb_cfg, all};
    case 0xC001'0111:
    case 0xC001'0112:
    case 0xC001'0113: return Place{smm + index - 0xC001'0111, all}; // SMM_BASE, SMM_ADDR, SMM_MASK
    default: return std::nullopt;
    }
}

u64* performance(Cpu& cpu, u32 index) {
    return index >= 0xC001'0000 && index <= 0xC001'0007 ? &cpu.msrs.perf[index - 0xC001'0000] : nullptr;
}

/// Registers that read as zero and take any value: patch loader, interrupt pending, MMIO configuration, P-states.
bool is_inert(u32 index) {
    return index == 0xC001'0020 || (index >= 0xC001'0044 && index <= 0xC001'004A) || index == 0xC001'0055 ||
           index == 0xC001'0058 || (index >= 0xC001'0061 && index <= 0xC001'006B);
}

constexpr u32 vm_cr = 0xC001'0114;
constexpr u64 svm_locked = 1 << 3, svm_disabled = 1 << 4;

/// C0010030h to C0010035h: the processor's name, eight characters each.
u64 name_part(const Cpu& cpu, u32 n) {
    u64 value = 0;
    for (unsigned i = 0; i < 8; ++i) {
        const std::size_t at = 8 * n + i;
        if (at < cpu.model->brand.size()) value |= u64{static_cast<u8>(cpu.model->brand[at])} << (8 * i);
    }
    return value;
}

} // namespace

Answer read_amd(Cpu& cpu, u32 index, u64& value) {
    if (!cpu.model->amd()) return Answer::unknown;
    if (const auto p = place(index)) {
        value = cpu.msrs.amd[p->at];
    } else if (const u64* counter = performance(cpu, index)) {
        value = *counter;
    } else if (index >= 0xC001'0030 && index <= 0xC001'0035) {
        value = name_part(cpu, index - 0xC001'0030);
    } else if (index == vm_cr) {
        value = svm_locked | svm_disabled;
    } else if (is_inert(index)) {
        value = 0;
    } else {
        return Answer::unknown;
    }
    return Answer::done;
}

Answer write_amd(Cpu& cpu, u32 index, u64 value) {
    if (!cpu.model->amd()) return Answer::unknown;
    if (const auto p = place(index)) {
        if ((value & ~p->writable) != 0) return Answer::refused;
        cpu.msrs.amd[p->at] = value;
    } else if (u64* counter = performance(cpu, index)) {
        *counter = value;
    } else if (!is_inert(index) && index != vm_cr && !(index >= 0xC001'0030 && index <= 0xC001'0035)) {
        return Answer::unknown;
    }
    return Answer::done;
}

} // namespace glassbox::msr

namespace glassbox {

void reset_amd_msrs(Cpu& cpu) {
    if (!cpu.model->amd()) return;
    cpu.msrs.amd[msr::smm] = 0x3'0000;
    if (cpu.model->family() >= 0x10) cpu.msrs.amd[msr::hwcr] = msr::hwcr_tsc_at_p0;
}

} // namespace glassbox
