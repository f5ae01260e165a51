// The processor models and CPUID (SDM 2A, CPUID; Intel AP-485 for signatures and cache descriptors). `max` has
// everything that is implemented; it presents itself as a Pentium M, the most able P6 without 64-bit mode.
#include "cpu/system/system.hpp"

#include <algorithm>

namespace glassbox {

namespace {

using enum Feature;

constexpr FeatureSet features_8086{i8086, only_8086};
constexpr FeatureSet features_286{i8086, i186, i286, only_286};
constexpr FeatureSet features_386{i8086, i186, i286, i386, only_386, fpu, ud_opcodes};
constexpr FeatureSet features_486 = [] {
    FeatureSet set = features_386 | FeatureSet{i486, bios486, invlpg_, cpuid, vme};
    set.remove(only_386);
    return set;
}();
constexpr FeatureSet features_pentium = features_486 | FeatureSet{i586, de, pse, tsc, msr, mce, cx8};
constexpr FeatureSet features_mmx = features_pentium | FeatureSet{mmx, rdpmc};
constexpr FeatureSet features_pro =
    features_pentium | FeatureSet{i686, rdpmc, pae, apic, sep, mtrr, pge, mca, cmov, fcmov, nopl};
constexpr FeatureSet features_p3 = features_pro | FeatureSet{mmx, pat, pse36, fxsr, sse, prefetch};
constexpr FeatureSet features_p4 = features_p3 | FeatureSet{sse2, clflush};
constexpr FeatureSet features_max = features_p4 | FeatureSet{nx};

constexpr u32 cr4_486 = cr4::VME | cr4::PVI;
constexpr u32 cr4_pentium = cr4_486 | cr4::TSD | cr4::DE | cr4::PSE | cr4::MCE;
constexpr u32 cr4_pro = cr4_pentium | cr4::PAE | cr4::PGE | cr4::PCE;
constexpr u32 cr4_p3 = cr4_pro | cr4::OSFXSR | cr4::OSXMMEXCPT;

constexpr CpuModel models[] = {
    {"8086", "", "", 0, 0, features_8086, 0, 20, "8086 without coprocessor; for bare processors, not for machines"},
    {"8088", "", "", 0, 0, features_8086, 0, 20, "the same execution as the 8086"},
    {"286", "", "", 0, 0, features_286, 0, 24, "80286 without coprocessor; for bare processors, not for machines"},
    {"386", "GenuineIntel", "", 0x0308, 0, features_386, 0, 32, "80386 with 80387"},
    {"486", "GenuineIntel", "", 0x0480, 1, features_486, cr4_486, 32, "80486DX4"},
    {"pentium", "GenuineIntel", "", 0x052C, 1, features_pentium, cr4_pentium, 32, "Pentium 133"},
    {"pentium-mmx", "GenuineIntel", "", 0x0543, 1, features_mmx, cr4_pentium | cr4::PCE, 32, "Pentium MMX"},
    {"pentium-pro", "GenuineIntel", "", 0x0619, 2, features_pro, cr4_pro, 36, "Pentium Pro"},
    {"pentium3", "GenuineIntel", "", 0x068A, 2, features_p3, cr4_p3, 36, "Pentium III (Coppermine): SSE"},
    {"pentium4", "GenuineIntel", "Intel(R) Pentium(R) 4 CPU 2.00GHz", 0x0F29, 2, features_p4, cr4_p3, 36,
     "Pentium 4 (Northwood): SSE2"},
    {"max", "GenuineIntel", "GlassBox x86 processor", 0x06D8, 4, features_max, cr4_p3, 36,
     "everything implemented: SSE2, PAE, NX"},
};

// BSWAP and WBINVD came with the 486, but Debian's SeaBIOS executes them whatever the processor: a machine with a 386
// that lacks them could not start.
constexpr CpuModel machine_386 = [] {
    CpuModel model = *std::ranges::find(models, "386", &CpuModel::name);
    model.features.add(bios486);
    return model;
}();

/// A feature's bit in CPUID.1:EDX.
struct FeatureBit {
    Feature feature;
    u8 bit;
};
constexpr FeatureBit leaf1_edx[] = {
    {fpu, 0},    {vme, 1},      {de, 2},   {pse, 3},   {tsc, 4},  {msr, 5},   {pae, 6},   {mce, 7},
    {cx8, 8},    {apic, 9},     {sep, 11}, {mtrr, 12}, {pge, 13}, {mca, 14},  {cmov, 15}, {pat, 16},
    {pse36, 17}, {clflush, 19}, {mmx, 23}, {fxsr, 24}, {sse, 25}, {sse2, 26},
};
constexpr FeatureBit extended_edx[] = {{syscall, 11}, {nx, 20}};

template <std::size_t N> u32 bits_of_model(const CpuModel& model, const FeatureBit (&list)[N]) {
    u32 bits = 0;
    for (const FeatureBit& f : list) {
        if (model.features.has(f.feature)) bits |= 1u << f.bit;
    }
    return bits;
}

/// Four characters as CPUID packs them; absent ones are zero.
u32 packed(std::string_view text, std::size_t at) {
    u32 value = 0;
    for (std::size_t i = 0; i < 4 && at + i < text.size(); ++i)
        value |= static_cast<u32>(static_cast<u8>(text[at + i])) << (8 * i);
    return value;
}

CpuidResult version(const Cpu& cpu) {
    const CpuModel& model = *cpu.model;
    u32 edx = bits_of_model(model, leaf1_edx);
    if (!cpu.interrupts.apic_enabled()) edx &= ~(1u << 9);
    const u32 clflush_size = model.features.has(clflush) ? 8 : 0; // in units of eight bytes
    return {model.signature, clflush_size << 8, 0, edx};
}

/// Cache and TLB descriptors (SDM 2A, table 3-12).
CpuidResult cache_descriptors(const CpuModel& model) {
    if (model.signature == 0x06D8) return {0x02B3'B001, 0xF0, 0, 0x2C04'307D};
    if ((model.signature >> 8) == 0xF) return {0x665B'5001, 0, 0, 0x007A'7040};
    if (model.features.has(sse)) return {0x0302'0101, 0, 0, 0x0C04'0882};
    return {0x0302'0101, 0, 0, 0x0604'0A42};
}

/// Deterministic cache parameters: 32 K + 32 K first level, 2 M second, 8 ways of 64-byte lines.
CpuidResult cache_parameters(u32 subleaf) {
    constexpr u32 ways = 7u << 22;
    constexpr u32 line = 63;
    switch (subleaf) {
    case 0: return {0x121, ways | line, 63, 0};   // data
    case 1: return {0x122, ways | line, 63, 0};   // instructions
    case 2: return {0x143, ways | line, 4095, 0}; // unified
    default: return {};
    }
}

} // namespace

const CpuModel* find_cpu_model(std::string_view name) {
    const auto* found = std::ranges::find(models, name, &CpuModel::name);
    return found == std::end(models) ? nullptr : found;
}

const CpuModel& in_machine(const CpuModel& model) { return model.name == machine_386.name ? machine_386 : model; }

std::string_view cpu_model_names() {
    return "8086 8088 286 386 486 pentium pentium-mmx pentium-pro pentium3 pentium4 max";
}

CpuidResult cpuid(const Cpu& cpu, u32 leaf, u32 subleaf) {
    const CpuModel& model = *cpu.model;
    constexpr u32 last_extended = 0x8000'0004;
    const bool extended = leaf >= 0x8000'0000 && !model.brand.empty();
    if (extended && leaf <= last_extended) {
        if (leaf == 0x8000'0000) return {last_extended, 0, 0, 0};
        if (leaf == 0x8000'0001) return {0, 0, 0, bits_of_model(model, extended_edx)};
        const std::size_t at = (leaf - 0x8000'0002) * 16;
        return {packed(model.brand, at), packed(model.brand, at + 4), packed(model.brand, at + 8),
                packed(model.brand, at + 12)};
    }
    // Beyond the last leaf the P6 family answers as for the last one (SDM 2A, CPUID).
    const bool limited = model.features.has(nx) && (cpu.msrs.misc_enable >> 22 & 1) != 0;
    const u32 last = limited ? std::min(model.max_leaf, 3u) : model.max_leaf;
    switch (std::min(leaf, last)) {
    case 0: return {last, packed(model.vendor, 0), packed(model.vendor, 8), packed(model.vendor, 4)};
    case 1: return version(cpu);
    case 2: return cache_descriptors(model);
    case 4: return cache_parameters(subleaf);
    default: return {};
    }
}

} // namespace glassbox
