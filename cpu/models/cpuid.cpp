// CPUID (SDM 2A, CPUID; AMD: APM 3, appendix E). Leaves for what is not implemented (performance monitoring, quality of
// service, SGX, processor trace) are there up to the model's last leaf and all zero, as on a processor that has them
// fused off. The package has one thread a core and as many cores as the machine has processors.
#include "cpu/sse/xsave_layout.hpp"
#include "cpu/system/system.hpp"

#include <algorithm>
#include <bit>

namespace glassbox {

namespace {

using enum Feature;

constexpr u32 first_extended = 0x8000'0000;

u32 bits(const Cpu& cpu, CpuidWord word) { return cpuid_bits(cpu.model->features, word); }

/// Four characters as CPUID packs them; absent ones are zero.
u32 packed(std::string_view text, std::size_t at) {
    u32 value = 0;
    for (std::size_t i = 0; i < 4 && at + i < text.size(); ++i)
        value |= static_cast<u32>(static_cast<u8>(text[at + i])) << (8 * i);
    return value;
}

/// The APIC ID's bits that tell processors of a package apart.
u32 core_bits(const Cpu& cpu) { return static_cast<u32>(std::bit_width(std::max(cpu.processors, 1u) - 1)); }
u32 rounded_count(const Cpu& cpu) { return 1u << core_bits(cpu); }
bool several(const Cpu& cpu) { return cpu.processors > 1; }

/// IA32_MISC_ENABLE takes away MONITOR (bit 18) and NX (bit 34).
bool monitor_enabled(const Cpu& cpu) { return cpu.model->amd() || (cpu.msrs.misc_enable >> 18 & 1) != 0; }
bool nx_enabled(const Cpu& cpu) { return cpu.model->amd() || (cpu.msrs.misc_enable >> 34 & 1) == 0; }

CpuidResult version(const Cpu& cpu) {
    const CpuModel& model = *cpu.model;
    constexpr u32 apic_bit = 1u << 9, htt = 1u << 28, x2apic_bit = 1u << 21, osxsave = 1u << 27, monitor_bit = 1u << 3;
    u32 ecx = bits(cpu, CpuidWord::leaf1_ecx), edx = bits(cpu, CpuidWord::leaf1_edx);
    if (!cpu.interrupts.apic_enabled()) {
        edx &= ~apic_bit;
        ecx &= ~x2apic_bit;
    }
    if ((cpu.cr4 & cr4::OSXSAVE) != 0) ecx |= osxsave;
    if (!monitor_enabled(cpu)) ecx &= ~monitor_bit;
    u32 ebx = model.features.has(clflush) ? 8u << 8 : 0; // the line in units of eight bytes
    if (several(cpu)) {
        edx |= htt;
        ebx |= rounded_count(cpu) << 16;
    }
    ebx |= cpu.apic_id << 24; // the initial APIC ID
    return {model.signature, ebx, ecx, edx};
}

CpuidResult cache_descriptors(const CpuModel& model) {
    static constexpr CacheModel none{};
    const auto& d = (model.caches ? *model.caches : none).descriptors;
    return {d[0], d[1], d[2], d[3]};
}

/// Leaf 4, and 8000001Dh: deterministic cache parameters.
CpuidResult cache_parameters(const Cpu& cpu, u32 subleaf) {
    const CacheModel* caches = cpu.model->caches;
    if (!caches || subleaf >= caches->levels.size() || caches->levels[subleaf].level == 0) return {};
    const CacheLevel& c = caches->levels[subleaf];
    const u32 kind = c.kind == 'd' ? 1 : c.kind == 'i' ? 2 : 3;
    const u32 sharing = c.shared ? rounded_count(cpu) - 1 : 0;
    const u32 cores = cpu.model->amd() ? 0 : (rounded_count(cpu) - 1) << 26;
    constexpr u32 self_initializing = 1u << 8;
    return {kind | u32{c.level} << 5 | self_initializing | sharing << 14 | cores,
            (u32{c.ways} - 1u) << 22 | (u32{c.line} - 1u), c.sets - 1, 0};
}

/// MONITOR: lines of 64 bytes, no extensions: MWAIT takes no hint in ECX.
CpuidResult monitor_lines(const Cpu& cpu) {
    if (!cpu.has(monitor)) return {};
    return {64, 64, 0, 0};
}

CpuidResult structured_features(const Cpu& cpu, u32 subleaf) {
    if (subleaf != 0) return {};
    u32 ecx = bits(cpu, CpuidWord::leaf7_ecx);
    constexpr u32 ospke = 1u << 4;
    if ((cpu.cr4 & cr4::PKE) != 0) ecx |= ospke;
    return {0, bits(cpu, CpuidWord::leaf7_ebx), ecx, bits(cpu, CpuidWord::leaf7_edx)};
}

/// Leaf 0Bh: one thread a core, then the cores (SDM 3A 8.9.1).
CpuidResult topology(const Cpu& cpu, u32 subleaf) {
    constexpr u32 thread_level = 1u << 8, core_level = 2u << 8;
    const u32 level = subleaf & 0xFF;
    if (subleaf == 0) return {0, 1, thread_level, cpu.apic_id};
    if (subleaf == 1) return {core_bits(cpu), std::max(cpu.processors, 1u), core_level | level, cpu.apic_id};
    return {0, 0, level, cpu.apic_id};
}

CpuidResult xsave_component(const Cpu& cpu, u32 number) {
    for (const xsave::Component& c : xsave::extended) {
        if (c.number != number || !cpu.has(c.feature)) continue;
        return {c.size, c.supervisor ? 0 : c.offset, (c.supervisor ? 1u : 0u) | (c.aligned ? 2u : 0u), 0};
    }
    return {};
}

CpuidResult xsave_state(const Cpu& cpu, u32 subleaf) {
    const FeatureSet& features = cpu.model->features;
    if (!features.has(Feature::xsave)) return {};
    const u64 user = xsave::supported_xcr0(features), supervisor = xsave::supported_xss(features);
    if (subleaf == 0)
        return {static_cast<u32>(user), xsave::standard_size(cpu.xcr0), xsave::standard_size(user),
                static_cast<u32>(user >> 32)};
    if (subleaf == 1) {
        const u32 eax = bits(cpu, CpuidWord::leaf13_eax);
        if (!features.has(xsavec)) return {eax, 0, 0, 0};
        return {eax, xsave::compacted_size(cpu.xcr0 | cpu.msrs.xss), static_cast<u32>(supervisor),
                static_cast<u32>(supervisor >> 32)};
    }
    return xsave_component(cpu, subleaf);
}

/// SYSCALL shows on Intel's only in 64-bit mode; a disabled NX does not show.
CpuidResult extended_features(const Cpu& cpu) {
    const CpuModel& model = *cpu.model;
    constexpr u32 syscall_bit = 1u << 11, apic_bit = 1u << 9, cmp_legacy_bit = 2;
    u32 ecx = bits(cpu, CpuidWord::ext1_ecx), edx = bits(cpu, CpuidWord::ext1_edx);
    if (model.intel() && !cpu.code64()) edx &= ~syscall_bit;
    if (!nx_enabled(cpu)) edx &= ~(1u << 20);
    if (!several(cpu)) ecx &= ~cmp_legacy_bit;
    if (!model.amd()) return {0, 0, ecx, edx};
    // AMD repeats the bits of leaf 1 that its first extended processors had.
    constexpr u32 repeated = 0x0183'F3FF;
    edx |= bits(cpu, CpuidWord::leaf1_edx) & repeated;
    if (!cpu.interrupts.apic_enabled()) edx &= ~apic_bit;
    return {model.signature, 0, ecx, edx};
}

CpuidResult address_sizes(const Cpu& cpu) {
    const u32 linear = !cpu.has(long_mode) ? 32 : cpu.has(la57) ? 57 : 48;
    u32 ecx = 0;
    if (cpu.model->amd() && several(cpu)) ecx = (cpu.processors - 1) | core_bits(cpu) << 12;
    const u32 last_rdpru = cpu.has(rdpru) ? 1u << 16 : 0; // APERF
    return {cpu.model->physical_bits | linear << 8, bits(cpu, CpuidWord::ext8_ebx), ecx, last_rdpru};
}

CpuidResult extended(const Cpu& cpu, u32 leaf, u32 subleaf) {
    const CpuModel& model = *cpu.model;
    static constexpr CacheModel no_caches{};
    const auto& caches = (model.caches ? *model.caches : no_caches).extended;
    switch (leaf) {
    case 0x8000'0000:
        if (!model.amd()) return {model.max_extended_leaf, 0, 0, 0};
        return {model.max_extended_leaf, packed(model.vendor, 0), packed(model.vendor, 8), packed(model.vendor, 4)};
    case 0x8000'0001: return extended_features(cpu);
    case 0x8000'0002:
    case 0x8000'0003:
    case 0x8000'0004: {
        const std::size_t at = (leaf - 0x8000'0002) * 16;
        return {packed(model.brand, at), packed(model.brand, at + 4), packed(model.brand, at + 8),
                packed(model.brand, at + 12)};
    }
    case 0x8000'0005: return {caches[0], caches[1], caches[2], caches[3]};
    case 0x8000'0006: return {caches[4], caches[5], caches[6], caches[7]};
    case 0x8000'0007: return {0, 0, 0, bits(cpu, CpuidWord::ext7_edx)};
    case 0x8000'0008: return address_sizes(cpu);
    case 0x8000'001D: return model.features.has(topoext) ? cache_parameters(cpu, subleaf) : CpuidResult{};
    case 0x8000'001E:
        // Extended APIC ID; one thread a core; one node.
        return model.features.has(topoext) ? CpuidResult{cpu.apic_id, cpu.apic_id, 0, 0} : CpuidResult{};
    case 0x8000'0021: return {bits(cpu, CpuidWord::ext33_eax), 0, 0, 0};
    default: return {};
    }
}

CpuidResult basic(const Cpu& cpu, u32 leaf, u32 last, u32 subleaf) {
    const CpuModel& model = *cpu.model;
    switch (leaf) {
    case 0: return {last, packed(model.vendor, 0), packed(model.vendor, 8), packed(model.vendor, 4)};
    case 1: return version(cpu);
    case 2: return cache_descriptors(model);
    case 4: return model.amd() ? CpuidResult{} : cache_parameters(cpu, subleaf);
    case 5: return monitor_lines(cpu);
    case 6: return {bits(cpu, CpuidWord::leaf6_eax), 0, 0, 0};
    case 7: return structured_features(cpu, subleaf);
    case 0x0B: return topology(cpu, subleaf);
    case 0x0D: return xsave_state(cpu, subleaf);
    default: return {};
    }
}

} // namespace

CpuidResult cpuid(const Cpu& cpu, u32 leaf, u32 subleaf) {
    const CpuModel& model = *cpu.model;
    if (leaf >= first_extended && leaf <= model.max_extended_leaf) return extended(cpu, leaf, subleaf);
    const bool limited = model.intel() && model.features.has(nx) && (cpu.msrs.misc_enable >> 22 & 1) != 0;
    const u32 last = limited ? std::min(model.max_leaf, 3u) : model.max_leaf;
    // Beyond the last leaf Intel's answer as for the last one (SDM 2A, CPUID), AMD's with zeros.
    if (leaf > last && model.amd()) return {};
    return basic(cpu, std::min(leaf, last), last, subleaf);
}

} // namespace glassbox
