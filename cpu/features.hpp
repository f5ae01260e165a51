// What a processor model has. An instruction's row in the table names the feature that it needs; a model is a set of
// them.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <array>
#include <initializer_list>
#include <string>
#include <string_view>

namespace glassbox {

enum class Feature : u8 {
    i8086,
    i186,
    i286,
    i386,
    i486,
    i586,
    i686, // generations: a model has its own and all before
    only_8086,
    only_286,
    only_386, // what one generation does and its successors do not: such a row comes before all others of its opcode
    fpu,
    vme,
    de,
    pse,
    tsc,
    msr,
    pae,
    mce,
    cx8,
    apic,
    sep,
    mtrr,
    pge,
    mca,
    cmov,
    pat,
    pse36,
    clflush,
    mmx,
    fxsr,
    sse,
    sse2,
    nx,
    rdpmc,
    cpuid,
    ud_opcodes,
    nopl,
    prefetch,
    prefetchw,
    fcmov,
    syscall,
    invlpg_,
    bios486, // BSWAP and WBINVD: of the 486, but Debian's SeaBIOS executes them on any processor (see `in_machine`)

    // CPUID.1:ECX
    sse3,
    pclmulqdq,
    monitor,
    ssse3,
    fma,
    cx16,
    pcid,
    sse41,
    sse42,
    x2apic,
    movbe,
    popcnt,
    tsc_deadline,
    aes,
    xsave,
    avx,
    f16c,
    rdrand,
    hypervisor,
    // CPUID.7.0
    fsgsbase,
    tsc_adjust,
    bmi1,
    avx2,
    smep,
    bmi2,
    erms,
    invpcid,
    rdseed,
    adx,
    smap,
    clflushopt,
    clwb,
    sha,
    umip,
    pku,
    gfni,
    vaes,
    vpclmulqdq,
    la57,
    rdpid,
    fsrm,
    md_clear,
    spec_ctrl, // IBRS and IBPB
    stibp,
    l1d_flush,
    arch_capabilities,
    ssbd,
    // CPUID.0Dh.1
    xsaveopt,
    xsavec,
    xgetbv1,
    xsaves,
    // CPUID.80000001h: AMD's, most of them taken over by Intel
    long_mode,
    lahf_lm, // LAHF and SAHF in 64-bit mode
    pdpe1gb,
    rdtscp,
    mmx_ext, // SSE's integer instructions on MMX registers, and MASKMOVQ, MOVNTQ, PREFETCH, SFENCE
    now3d,
    now3d_ext,
    fxsr_opt,   // EFER.FFXSR
    cr8_legacy, // LOCK MOV CR0 is MOV CR8
    lzcnt,
    sse4a,
    misalignsse, // MXCSR.MM
    cmp_legacy,
    topoext,
    invariant_tsc,
    // CPUID.80000008h and 80000021h
    clzero,
    rdpru,
    wbnoinvd,
    amd_ibpb,
    amd_ssbd,
    amd_ssb_no,
    lfence_serializing,
    null_sel_clr_base, // loading a null selector clears base and limit
    arat,              // CPUID.6: the APIC timer always runs
    count              // last. AVX-512, VMX and SVM come before it: FeatureSet has room for 256
};

static_assert(static_cast<unsigned>(Feature::count) <= 256);

struct FeatureSet {
    std::array<u64, 4> words{};
    constexpr FeatureSet() = default;
    constexpr FeatureSet(std::initializer_list<Feature> list) {
        for (Feature f : list) add(f);
    }
    constexpr void add(Feature f) { words[static_cast<u8>(f) / 64] |= u64{1} << (static_cast<u8>(f) % 64); }
    constexpr void remove(Feature f) { words[static_cast<u8>(f) / 64] &= ~(u64{1} << (static_cast<u8>(f) % 64)); }
    constexpr bool has(Feature f) const { return (words[static_cast<u8>(f) / 64] >> (static_cast<u8>(f) % 64)) & 1; }
    constexpr FeatureSet operator|(const FeatureSet& other) const {
        FeatureSet sum = *this;
        for (unsigned i = 0; i < words.size(); ++i) sum.words[i] |= other.words[i];
        return sum;
    }
    constexpr FeatureSet operator-(const FeatureSet& other) const {
        FeatureSet rest = *this;
        for (unsigned i = 0; i < words.size(); ++i) rest.words[i] &= ~other.words[i];
        return rest;
    }
    constexpr bool operator==(const FeatureSet&) const = default;
};

/// A cache as CPUID leaf 4 describes it.
struct CacheLevel {
    u8 level = 0;    ///< 0: none
    char kind = 'u'; ///< d, i or u
    u16 ways = 0;
    u32 sets = 0;
    u8 line = 64;
    bool shared = false; ///< by all processors of the package
};
/// What CPUID says about caches and TLBs.
struct CacheModel {
    std::array<u32, 4> descriptors{};   ///< leaf 2: EAX to EDX
    std::array<CacheLevel, 4> levels{}; ///< leaf 4 (Intel), 8000001Dh (AMD with TOPOEXT)
    std::array<u32, 8> extended{};      ///< leaves 80000005h and 80000006h
};

/// A processor as CPUID and its reset state describe it (cpu/models/models.cpp holds the table).
struct CpuModel {
    std::string name;        ///< as given to --cpu, with what was added and taken away
    std::string_view vendor; ///< 12 characters
    std::string_view brand;  ///< at most 48 characters
    u32 signature = 0;       ///< CPUID.1:EAX, and EDX after reset
    u32 max_leaf = 0;
    u32 max_extended_leaf = 0; ///< 0: no extended leaves
    FeatureSet features;
    u32 cr4_bits = 0;            ///< writable bits of CR4
    unsigned physical_bits = 32; ///< address lines: 20, 24 or 32, 36 with PAE or PSE-36, more with long mode
    const CacheModel* caches = nullptr;
    std::string_view summary;
    u32 microcode = 0; ///< the update that firmware has loaded: systems switch features off that early ones break

    bool intel() const { return vendor == "GenuineIntel"; }
    bool amd() const { return vendor == "AuthenticAMD"; }
    unsigned family() const {
        const unsigned base = signature >> 8 & 0xF;
        return base == 15 ? base + (signature >> 20 & 0xFF) : base;
    }
};

/// Null when there is none of that name.
const CpuModel* find_cpu_model(std::string_view name);
/// `MODEL` or `MODEL,+feature,-feature`: what is taken away takes along what needs it; what is added must find there
/// what it needs.
Expected<CpuModel> parse_cpu_model(std::string_view text);
/// The same processor as a machine has it, whose firmware asks for more than a 386 knows.
CpuModel in_machine(CpuModel model);
/// The names, oldest first, with spaces between them.
const std::string& cpu_model_names();

/// Where CPUID shows a feature.
enum class CpuidWord : u8 {
    none, ///< nowhere: what instructions and registers the generation has
    leaf1_edx,
    leaf1_ecx,
    leaf6_eax,
    leaf7_ebx,
    leaf7_ecx,
    leaf7_edx,
    leaf13_eax, ///< subleaf 1
    ext1_edx,
    ext1_ecx,
    ext7_edx,
    ext8_ebx,
    ext33_eax ///< 80000021h
};
/// The bits of one register of CPUID that the features set.
u32 cpuid_bits(const FeatureSet& features, CpuidWord word);
/// As in --cpu and the documents; those of a generation have names too, but cannot be added or taken away.
std::string_view feature_name(Feature feature);
/// The names of what CPUID shows of a set, with spaces between them.
std::string feature_names(const FeatureSet& features);
/// For people: all models with their summaries, and all features.
std::string cpu_model_help();

} // namespace glassbox
