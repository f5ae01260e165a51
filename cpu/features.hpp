// What a processor model has. An instruction's row in the table names the feature that it needs; a model is a set of
// them.
#pragma once

#include "bus/types.hpp"

#include <array>
#include <initializer_list>
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
};

/// A processor as CPUID and its reset state describe it (cpu/system/model.cpp holds the table).
struct CpuModel {
    std::string_view name;   ///< as given to --cpu
    std::string_view vendor; ///< 12 characters
    std::string_view brand;  ///< at most 48 characters; empty: no extended leaves
    u32 signature = 0;       ///< CPUID.1:EAX, and EDX after reset
    u32 max_leaf = 0;
    FeatureSet features;
    u32 cr4_bits = 0;            ///< writable bits of CR4
    unsigned physical_bits = 32; ///< address lines: 20, 24 or 32, and 36 with PAE or PSE-36
    std::string_view summary;
};

/// Null when there is none of that name.
const CpuModel* find_cpu_model(std::string_view name);
/// The same processor as a machine has it, whose firmware asks for more than a 386 knows.
const CpuModel& in_machine(const CpuModel& model);
/// The names, oldest first.
std::string_view cpu_model_names();

} // namespace glassbox
