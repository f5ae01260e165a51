// The processor models as data. Sources: up to the Pentium 4, Intel AP-485; later ones, what CPUID of the named
// processor returns, as its instruction-set listings and errata documents ("specification updates") and AMD's revision
// guides print it, restricted to what is implemented: no DTES64, VMX, TSX, MPX, SVM, IBS, misaligned SSE, CR8 in legacy
// mode, performance monitoring or power management. Caches: SDM 2A, CPUID, table 3-12; AMD 25481 for leaves 80000005h
// and 80000006h. x86-64-v1 to -v3: x86-64 psABI 1.0, 3.1.1, table 3.1, with what an operating system needs besides.
//
// `max` and the levels present themselves as an Atom of the Saltwell generation (family 6, model 36h), the last of
// Intel's that executes in order and does not speculate: that is the truth about this processor, so that an operating
// system spends no time on isolating page tables or fencing branches. max has no speculation controls for that reason,
// and says so in IA32_ARCH_CAPABILITIES.
#include "cpu/models/models.hpp"

#include "cpu/system/system.hpp"

#include <algorithm>

namespace glassbox {

namespace {

using enum Feature;

constexpr FeatureSet features_8086{i8086, only_8086};
constexpr FeatureSet features_286{i8086, i186, i286, only_286};
constexpr FeatureSet features_386{i8086, i186, i286, i386, only_386, fpu, ud_opcodes};
constexpr FeatureSet features_486 =
    (features_386 - FeatureSet{only_386}) | FeatureSet{i486, bios486, invlpg_, cpuid, vme};
constexpr FeatureSet features_pentium = features_486 | FeatureSet{i586, de, pse, tsc, msr, mce, cx8};
constexpr FeatureSet features_mmx = features_pentium | FeatureSet{mmx, rdpmc};
constexpr FeatureSet features_pro =
    features_pentium | FeatureSet{i686, rdpmc, pae, apic, sep, mtrr, pge, mca, cmov, fcmov, nopl};
constexpr FeatureSet features_p3 = features_pro | FeatureSet{mmx, pat, pse36, fxsr, sse, prefetch};
constexpr FeatureSet features_p4 = features_p3 | FeatureSet{sse2, clflush};

// Intel, 64-bit.
constexpr FeatureSet features_core2 =
    features_p4 | FeatureSet{sse3, ssse3, monitor, cx16, nx, syscall, long_mode, lahf_lm};
constexpr FeatureSet features_penryn = features_core2 | FeatureSet{sse41};
constexpr FeatureSet features_nehalem = features_penryn | FeatureSet{sse42, popcnt, rdtscp, invariant_tsc};
constexpr FeatureSet features_westmere = features_nehalem | FeatureSet{aes, pclmulqdq, pcid, pdpe1gb, arat};
constexpr FeatureSet features_sandybridge =
    (features_westmere - FeatureSet{pdpe1gb}) | FeatureSet{xsave, xsaveopt, avx, tsc_deadline, x2apic};
constexpr FeatureSet features_ivybridge = features_sandybridge | FeatureSet{f16c, rdrand, fsgsbase, smep, erms};
constexpr FeatureSet features_haswell =
    features_ivybridge | FeatureSet{avx2, fma, bmi1, bmi2, movbe, lzcnt, invpcid, tsc_adjust, pdpe1gb};
constexpr FeatureSet features_broadwell = features_haswell | FeatureSet{adx, rdseed, smap, prefetchw};
constexpr FeatureSet features_skylake = features_broadwell | FeatureSet{clflushopt, xsavec, xgetbv1, xsaves};

// AMD.
constexpr FeatureSet features_k8 =
    features_p4 | FeatureSet{nx, syscall, long_mode, mmx_ext, now3d, now3d_ext, prefetchw};
constexpr FeatureSet features_phenom =
    features_k8 | FeatureSet{sse3,   monitor, cx16,       popcnt, fxsr_opt, pdpe1gb,
                             rdtscp, lahf_lm, cmp_legacy, lzcnt,  sse4a,    invariant_tsc};
constexpr FeatureSet features_zen =
    (features_phenom - FeatureSet{now3d, now3d_ext}) |
    FeatureSet{ssse3,      pclmulqdq, fma,      sse41,  sse42,   movbe,  aes,     xsave,  avx, f16c,
               rdrand,     arat,      fsgsbase, bmi1,   avx2,    smep,   bmi2,    rdseed, adx, smap,
               clflushopt, sha,       xsaveopt, xsavec, xgetbv1, xsaves, topoext, clzero};
constexpr FeatureSet features_zen2 = features_zen | FeatureSet{clwb, umip, rdpid, rdpru, wbnoinvd, amd_ibpb, amd_ssbd};
constexpr FeatureSet features_zen3 =
    features_zen2 | FeatureSet{pcid, invpcid, erms, fsrm, pku, vaes, vpclmulqdq, lfence_serializing, null_sel_clr_base};

// The psABI's levels: v1 is what every 64-bit processor has, and each what the one before has.
constexpr FeatureSet features_v1 = features_p4 | FeatureSet{nx, syscall, long_mode};
constexpr FeatureSet features_v2 = features_v1 | FeatureSet{cx16, lahf_lm, popcnt, sse3, ssse3, sse41, sse42};
constexpr FeatureSet features_v3 = features_v2 | FeatureSet{xsave, avx, avx2, bmi1, bmi2, f16c, fma, lzcnt, movbe};
constexpr FeatureSet features_max =
    features_skylake | features_v3 | FeatureSet{sha,      umip,     pku,     gfni,  vaes,      vpclmulqdq,
                                                la57,     rdpid,    fsrm,    clwb,  md_clear,  arch_capabilities,
                                                sse4a,    fxsr_opt, mmx_ext, now3d, now3d_ext, rdpru,
                                                wbnoinvd, clzero};

// One or two levels of the older ones show in leaf 2 alone.
constexpr CacheModel caches_p6{{0x0302'0101, 0, 0, 0x0604'0A42}, {}, {}};
constexpr CacheModel caches_p3{{0x0302'0101, 0, 0, 0x0C04'0882}, {}, {}};
constexpr CacheModel caches_p4{{0x665B'5001, 0, 0, 0x007A'7040}, {}, {}};
constexpr CacheModel caches_max{{0x02B3'B001, 0xF0, 0, 0x2C04'307D},
                                {{{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 8, 4096}}},
                                {0, 0, 0, 0, 0, 0, 0x0800'7040, 0}};
constexpr u32 l2_256k = 0x0100'6040; // leaf 80000006h ECX: size in KiB, 6: 8 ways, line
constexpr CacheModel caches_core2{{0x05B0'B101, 0x0056'57F0, 0, 0x2CB4'3049},
                                  {{{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 16, 4096, 64, true}}},
                                  {0, 0, 0, 0, 0, 0, 0x1000'8040, 0}};
constexpr CacheModel caches_penryn{{0x05B0'B101, 0x0056'57F0, 0, 0x2CB4'304E},
                                   {{{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 24, 4096, 64, true}}},
                                   {0, 0, 0, 0, 0, 0, 0x1800'8040, 0}};
constexpr CacheModel caches_nehalem{
    {0x5503'5A01, 0x00F0'B2E4, 0, 0x09CA'212C},
    {{{1, 'd', 8, 64}, {1, 'i', 4, 128}, {2, 'u', 8, 512}, {3, 'u', 16, 8192, 64, true}}},
    {0, 0, 0, 0, 0, 0, l2_256k, 0}};
constexpr CacheModel caches_westmere{
    {0x5503'5A01, 0x00F0'B2FF, 0, 0x00CA'212C},
    {{{1, 'd', 8, 64}, {1, 'i', 4, 128}, {2, 'u', 8, 512}, {3, 'u', 16, 12288, 64, true}}},
    {0, 0, 0, 0, 0, 0, l2_256k, 0}};
constexpr CacheModel caches_sandybridge{
    {0x7603'5A01, 0x00F0'B2FF, 0, 0x00CA'0000},
    {{{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 8, 512}, {3, 'u', 16, 8192, 64, true}}},
    {0, 0, 0, 0, 0, 0, l2_256k, 0}};
constexpr CacheModel caches_haswell{
    {0x7603'6301, 0x00F0'B5FF, 0, 0x00C1'0000},
    {{{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 8, 512}, {3, 'u', 16, 8192, 64, true}}},
    {0, 0, 0, 0, 0, 0, l2_256k, 0}};
constexpr CacheModel caches_broadwell{
    {0x7603'6301, 0x00F0'B5FF, 0, 0x00C3'0000},
    {{{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 8, 512}, {3, 'u', 16, 4096, 64, true}}},
    {0, 0, 0, 0, 0, 0, l2_256k, 0}};
constexpr CacheModel caches_skylake{
    {0x7603'6301, 0x00F0'B5FF, 0, 0x00C3'0000},
    {{{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 4, 1024}, {3, 'u', 16, 8192, 64, true}}},
    {0, 0, 0, 0, 0, 0, l2_256k, 0}};
constexpr CacheModel caches_k8{
    {}, {}, {0xFF08'FF08, 0xFF20'FF20, 0x4002'0140, 0x4002'0140, 0, 0x4200'4200, 0x0400'8140, 0}};
constexpr CacheModel caches_phenom{
    {}, {}, {0xFF30'FF10, 0xFF30'FF20, 0x4002'0140, 0x4002'0140, 0x2080'0000, 0x4200'4200, 0x0200'8140, 0x0030'B140}};
constexpr std::array<CacheLevel, 4> levels_zen{
    {{1, 'd', 8, 64}, {1, 'i', 4, 256}, {2, 'u', 8, 1024}, {3, 'u', 16, 8192, 64, true}}};
constexpr std::array<CacheLevel, 4> levels_zen2{
    {{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 8, 1024}, {3, 'u', 16, 16384, 64, true}}};
constexpr std::array<CacheLevel, 4> levels_zen3{
    {{1, 'd', 8, 64}, {1, 'i', 8, 64}, {2, 'u', 8, 1024}, {3, 'u', 16, 32768, 64, true}}};
constexpr CacheModel caches_zen{
    {},
    levels_zen,
    {0xFF40'FF40, 0xFF40'FF40, 0x2008'0140, 0x4004'0140, 0x3600'6400, 0x5600'6400, 0x0200'6140, 0x0040'8140}};
constexpr CacheModel caches_zen2{
    {},
    levels_zen2,
    {0xFF40'FF40, 0xFF40'FF40, 0x2008'0140, 0x2008'0140, 0x4800'6400, 0x6800'6400, 0x0200'6140, 0x0080'9140}};
constexpr CacheModel caches_zen3{
    {},
    levels_zen3,
    {0xFF40'FF40, 0xFF40'FF40, 0x2008'0140, 0x2008'0140, 0x4800'6400, 0x6800'6400, 0x0200'6140, 0x0100'9140}};

constexpr std::string_view intel = "GenuineIntel", amd = "AuthenticAMD";
constexpr u32 saltwell = 0x0003'0661;

struct Entry {
    std::string_view name, vendor, brand;
    u32 signature, max_leaf, max_extended_leaf;
    FeatureSet features;
    unsigned physical_bits;
    const CacheModel* caches;
    std::string_view summary;
    u32 microcode = 0;
};

constexpr Entry entries[] = {
    {"8086", "", "", 0, 0, 0, features_8086, 20, nullptr,
     "8086 without coprocessor; for bare processors, not for machines"},
    {"8088", "", "", 0, 0, 0, features_8086, 20, nullptr, "the same execution as the 8086"},
    {"286", "", "", 0, 0, 0, features_286, 24, nullptr,
     "80286 without coprocessor; for bare processors, not for machines"},
    {"386", intel, "", 0x0308, 0, 0, features_386, 32, nullptr, "80386 with 80387"},
    {"486", intel, "", 0x0480, 1, 0, features_486, 32, nullptr, "80486DX4"},
    {"pentium", intel, "", 0x052C, 1, 0, features_pentium, 32, nullptr, "Pentium 133"},
    {"pentium-mmx", intel, "", 0x0543, 1, 0, features_mmx, 32, nullptr, "Pentium MMX"},
    {"pentium-pro", intel, "", 0x0619, 2, 0, features_pro, 36, &caches_p6, "Pentium Pro"},
    {"pentium3", intel, "", 0x068A, 2, 0, features_p3, 36, &caches_p3, "Pentium III (Coppermine): SSE"},
    {"pentium4", intel, "Intel(R) Pentium(R) 4 CPU 2.00GHz", 0x0F29, 2, 0x8000'0004, features_p4, 36, &caches_p4,
     "Pentium 4 (Northwood): SSE2"},

    {"core2", intel, "Intel(R) Core(TM)2 CPU          6600  @ 2.40GHz", 0x0000'06F6, 0x0A, 0x8000'0008, features_core2,
     36, &caches_core2, "Core 2 Duo E6600 (Conroe; Merom is its sibling): 64 bits, SSSE3", 0xD1},
    {"penryn", intel, "Intel(R) Core(TM)2 Duo CPU     E8400  @ 3.00GHz", 0x0001'0676, 0x0A, 0x8000'0008,
     features_penryn, 36, &caches_penryn, "Core 2 Duo E8400 (Wolfdale): SSE4.1", 0x60F},
    {"nehalem", intel, "Intel(R) Core(TM) i7 CPU         920  @ 2.67GHz", 0x0001'06A5, 0x0B, 0x8000'0008,
     features_nehalem, 36, &caches_nehalem, "Core i7-920 (Bloomfield): SSE4.2, POPCNT", 0x1D},
    {"westmere", intel, "Intel(R) Xeon(R) CPU           X5650  @ 2.67GHz", 0x0002'06C2, 0x0B, 0x8000'0008,
     features_westmere, 40, &caches_westmere, "Xeon X5650 (Westmere-EP): AES, PCLMULQDQ, 1 GiB pages, PCID", 0x1F},
    {"sandybridge", intel, "Intel(R) Core(TM) i7-2600K CPU @ 3.40GHz", 0x0002'06A7, 0x0D, 0x8000'0008,
     features_sandybridge, 36, &caches_sandybridge, "Core i7-2600K: AVX, XSAVE, x2APIC, TSC deadline", 0x2F},
    {"ivybridge", intel, "Intel(R) Core(TM) i7-3770K CPU @ 3.50GHz", 0x0003'06A9, 0x0D, 0x8000'0008, features_ivybridge,
     36, &caches_sandybridge, "Core i7-3770K: F16C, RDRAND, FSGSBASE, SMEP", 0x21},
    {"haswell", intel, "Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz", 0x0003'06C3, 0x0D, 0x8000'0008, features_haswell, 39,
     &caches_haswell, "Core i7-4770: AVX2, FMA, BMI1, BMI2, MOVBE", 0x28},
    {"broadwell", intel, "Intel(R) Core(TM) i7-5600U CPU @ 2.60GHz", 0x0003'06D4, 0x14, 0x8000'0008, features_broadwell,
     39, &caches_broadwell, "Core i7-5600U: ADX, RDSEED, SMAP", 0x2F},
    {"skylake", intel, "Intel(R) Core(TM) i7-6700K CPU @ 4.00GHz", 0x0005'06E3, 0x16, 0x8000'0008, features_skylake, 39,
     &caches_skylake, "Core i7-6700K: CLFLUSHOPT, XSAVEC, XSAVES", 0xF0},

    {"k8", amd, "AMD Opteron(tm) Processor 248", 0x0000'0F5A, 1, 0x8000'0018, features_k8, 40, &caches_k8,
     "Opteron 248 (SledgeHammer): the first 64-bit processor; 3DNow!"},
    {"phenom", amd, "AMD Phenom(tm) II X4 940 Processor", 0x0010'0F42, 5, 0x8000'001B, features_phenom, 48,
     &caches_phenom, "Phenom II X4 940 (K10): SSE4a, LZCNT, POPCNT, 1 GiB pages, 3DNow!", 0x0100'00DB},
    {"zen", amd, "AMD Ryzen 7 1700 Eight-Core Processor", 0x0080'0F11, 0x0D, 0x8000'001F, features_zen, 48, &caches_zen,
     "Ryzen 7 1700: AVX2, FMA, BMI, SHA, SMAP", 0x0800'1138},
    {"zen2", amd, "AMD Ryzen 5 3600 6-Core Processor", 0x0087'0F10, 0x10, 0x8000'0020, features_zen2, 48, &caches_zen2,
     "Ryzen 5 3600: CLWB, UMIP, RDPID, RDPRU, WBNOINVD", 0x0870'1021},
    {"zen3", amd, "AMD Ryzen 5 5600X 6-Core Processor", 0x00A2'0F10, 0x10, 0x8000'0023, features_zen3, 48, &caches_zen3,
     "Ryzen 5 5600X: VAES, VPCLMULQDQ, PKU, PCID", 0x0A20'1016},

    {"x86-64-v1", intel, "GlassBox x86-64-v1 processor", saltwell, 4, 0x8000'0008, features_v1, 40, &caches_max,
     "the level of the psABI: SSE2"},
    {"x86-64-v2", intel, "GlassBox x86-64-v2 processor", saltwell, 4, 0x8000'0008, features_v2, 40, &caches_max,
     "the level of the psABI: SSE4.2, POPCNT, CMPXCHG16B"},
    {"x86-64-v3", intel, "GlassBox x86-64-v3 processor", saltwell, 0x0D, 0x8000'0008, features_v3, 40, &caches_max,
     "the level of the psABI: AVX2, FMA, BMI1, BMI2"},
    {"max", intel, "GlassBox x86 processor", saltwell, 0x0D, 0x8000'0008, features_max, 46, &caches_max,
     "everything implemented"},
};

std::vector<CpuModel> build() {
    std::vector<CpuModel> list;
    for (const Entry& e : entries) {
        CpuModel model{.name = std::string(e.name),
                       .vendor = e.vendor,
                       .brand = e.brand,
                       .signature = e.signature,
                       .max_leaf = e.max_leaf,
                       .max_extended_leaf = e.max_extended_leaf,
                       .features = e.features,
                       .cr4_bits = static_cast<u32>(cr4_of(e.features)),
                       .physical_bits = e.physical_bits,
                       .caches = e.caches,
                       .summary = e.summary,
                       .microcode = e.microcode};
        list.push_back(std::move(model));
    }
    return list;
}

} // namespace

const std::vector<CpuModel>& cpu_models() {
    static const std::vector<CpuModel> list = build();
    return list;
}

const CpuModel* find_cpu_model(std::string_view name) {
    const std::vector<CpuModel>& list = cpu_models();
    const auto found = std::ranges::find(list, name, &CpuModel::name);
    return found == list.end() ? nullptr : &*found;
}

const std::string& cpu_model_names() {
    static const std::string names = [] {
        std::string text;
        for (const CpuModel& model : cpu_models()) text += (text.empty() ? "" : " ") + model.name;
        return text;
    }();
    return names;
}

} // namespace glassbox
