// What every feature is called, where CPUID shows it (SDM 2A, CPUID; AMD CPUID Specification 25481; APM 3, appendix E)
// and what it needs. A feature needs another when its instructions work on the other's state (AVX2 on AVX's) or when no
// processor has had it alone and software takes the other for granted.
#include "cpu/models/feature_table.hpp"

#include <algorithm>

namespace glassbox {

namespace {

using enum Feature;
using enum CpuidWord;

constexpr FeatureRow rows[] = {
    {i8086, "8086", none, 0, {}},
    {i186, "80186", none, 0, {}},
    {i286, "80286", none, 0, {}},
    {i386, "386", none, 0, {}},
    {i486, "486", none, 0, {}},
    {i586, "pentium", none, 0, {}},
    {i686, "pentium-pro", none, 0, {}},
    {only_8086, "8086 only", none, 0, {}},
    {only_286, "80286 only", none, 0, {}},
    {only_386, "386 only", none, 0, {}},
    {rdpmc, "rdpmc", none, 0, {msr}},
    {Feature::cpuid, "cpuid", none, 0, {}},
    {ud_opcodes, "ud", none, 0, {}},
    {nopl, "nopl", none, 0, {}},
    {prefetch, "prefetch", none, 0, {sse}},
    {fcmov, "fcmov", none, 0, {cmov, fpu}},
    {invlpg_, "invlpg", none, 0, {}},
    {bios486, "bios486", none, 0, {}},
    // Not implemented (ext1_ecx 4 and 7), so CPUID never shows them.
    {cr8_legacy, "cr8_legacy", none, 0, {}},
    {misalignsse, "misalignsse", none, 0, {}},

    {fpu, "fpu", leaf1_edx, 0, {}},
    {vme, "vme", leaf1_edx, 1, {}},
    {de, "de", leaf1_edx, 2, {}},
    {pse, "pse", leaf1_edx, 3, {}},
    {tsc, "tsc", leaf1_edx, 4, {}},
    {msr, "msr", leaf1_edx, 5, {}},
    {pae, "pae", leaf1_edx, 6, {}},
    {mce, "mce", leaf1_edx, 7, {}},
    {cx8, "cx8", leaf1_edx, 8, {}},
    {apic, "apic", leaf1_edx, 9, {msr}},
    {sep, "sep", leaf1_edx, 11, {msr}},
    {mtrr, "mtrr", leaf1_edx, 12, {msr}},
    {pge, "pge", leaf1_edx, 13, {}},
    {mca, "mca", leaf1_edx, 14, {msr, mce}},
    {cmov, "cmov", leaf1_edx, 15, {}},
    {pat, "pat", leaf1_edx, 16, {msr}},
    {pse36, "pse36", leaf1_edx, 17, {pse}},
    {clflush, "clflush", leaf1_edx, 19, {}},
    {mmx, "mmx", leaf1_edx, 23, {fpu}},
    {fxsr, "fxsr", leaf1_edx, 24, {fpu}},
    {sse, "sse", leaf1_edx, 25, {fxsr, mmx}},
    {sse2, "sse2", leaf1_edx, 26, {sse}},

    {sse3, "sse3", leaf1_ecx, 0, {sse2}},
    {pclmulqdq, "pclmulqdq", leaf1_ecx, 1, {sse2}},
    {monitor, "monitor", leaf1_ecx, 3, {}},
    {ssse3, "ssse3", leaf1_ecx, 9, {sse3}},
    {fma, "fma", leaf1_ecx, 12, {avx}},
    {cx16, "cx16", leaf1_ecx, 13, {long_mode}},
    {pcid, "pcid", leaf1_ecx, 17, {long_mode}},
    {sse41, "sse4_1", leaf1_ecx, 19, {ssse3}},
    {sse42, "sse4_2", leaf1_ecx, 20, {sse41}},
    {x2apic, "x2apic", leaf1_ecx, 21, {apic}},
    {movbe, "movbe", leaf1_ecx, 22, {}},
    {popcnt, "popcnt", leaf1_ecx, 23, {}},
    {tsc_deadline, "tsc_deadline", leaf1_ecx, 24, {apic, tsc}},
    {aes, "aes", leaf1_ecx, 25, {sse2}},
    {xsave, "xsave", leaf1_ecx, 26, {fxsr}},
    {avx, "avx", leaf1_ecx, 28, {xsave, sse42}},
    {f16c, "f16c", leaf1_ecx, 29, {avx}},
    {rdrand, "rdrand", leaf1_ecx, 30, {}},
    {hypervisor, "hypervisor", leaf1_ecx, 31, {}},

    {arat, "arat", leaf6_eax, 2, {apic}},

    {fsgsbase, "fsgsbase", leaf7_ebx, 0, {long_mode}},
    {tsc_adjust, "tsc_adjust", leaf7_ebx, 1, {tsc, msr}},
    {bmi1, "bmi1", leaf7_ebx, 3, {}},
    {avx2, "avx2", leaf7_ebx, 5, {avx}},
    {smep, "smep", leaf7_ebx, 7, {}},
    {bmi2, "bmi2", leaf7_ebx, 8, {}},
    {erms, "erms", leaf7_ebx, 9, {}},
    {invpcid, "invpcid", leaf7_ebx, 10, {}},
    {rdseed, "rdseed", leaf7_ebx, 18, {}},
    {adx, "adx", leaf7_ebx, 19, {}},
    {smap, "smap", leaf7_ebx, 20, {}},
    {clflushopt, "clflushopt", leaf7_ebx, 23, {clflush}},
    {clwb, "clwb", leaf7_ebx, 24, {clflush}},
    {sha, "sha_ni", leaf7_ebx, 29, {ssse3}},
    {umip, "umip", leaf7_ecx, 2, {}},
    {pku, "pku", leaf7_ecx, 3, {xsave, long_mode}},
    {gfni, "gfni", leaf7_ecx, 8, {sse2}},
    {vaes, "vaes", leaf7_ecx, 9, {avx, aes}},
    {vpclmulqdq, "vpclmulqdq", leaf7_ecx, 10, {avx, pclmulqdq}},
    {la57, "la57", leaf7_ecx, 16, {long_mode}},
    {rdpid, "rdpid", leaf7_ecx, 22, {msr}},
    {fsrm, "fsrm", leaf7_edx, 4, {}},
    {md_clear, "md_clear", leaf7_edx, 10, {}},
    {spec_ctrl, "spec_ctrl", leaf7_edx, 26, {msr}},
    {stibp, "stibp", leaf7_edx, 27, {spec_ctrl}},
    {l1d_flush, "flush_l1d", leaf7_edx, 28, {msr}},
    {arch_capabilities, "arch_capabilities", leaf7_edx, 29, {msr}},
    {ssbd, "ssbd", leaf7_edx, 31, {spec_ctrl}},

    {xsaveopt, "xsaveopt", leaf13_eax, 0, {xsave}},
    {xsavec, "xsavec", leaf13_eax, 1, {xsave}},
    {xgetbv1, "xgetbv1", leaf13_eax, 2, {xsave}},
    {xsaves, "xsaves", leaf13_eax, 3, {xsavec, msr}},

    {syscall, "syscall", ext1_edx, 11, {msr}},
    {nx, "nx", ext1_edx, 20, {pae, msr}},
    {mmx_ext, "mmxext", ext1_edx, 22, {mmx}},
    {fxsr_opt, "fxsr_opt", ext1_edx, 25, {fxsr, long_mode}},
    {pdpe1gb, "pdpe1gb", ext1_edx, 26, {long_mode}},
    {rdtscp, "rdtscp", ext1_edx, 27, {tsc, msr}},
    {long_mode, "lm", ext1_edx, 29, {pae, syscall, sse2, cx8, cmov, pge}},
    {now3d_ext, "3dnowext", ext1_edx, 30, {now3d}},
    {now3d, "3dnow", ext1_edx, 31, {mmx}},
    {lahf_lm, "lahf_lm", ext1_ecx, 0, {long_mode}},
    {cmp_legacy, "cmp_legacy", ext1_ecx, 1, {}},
    {lzcnt, "lzcnt", ext1_ecx, 5, {}},
    {sse4a, "sse4a", ext1_ecx, 6, {sse3}},
    {prefetchw, "3dnowprefetch", ext1_ecx, 8, {}},
    {topoext, "topoext", ext1_ecx, 22, {apic}},
    {invariant_tsc, "invariant_tsc", ext7_edx, 8, {tsc}},
    {clzero, "clzero", ext8_ebx, 0, {clflush}},
    {rdpru, "rdpru", ext8_ebx, 4, {}},
    {wbnoinvd, "wbnoinvd", ext8_ebx, 9, {}},
    {amd_ibpb, "amd_ibpb", ext8_ebx, 12, {msr}},
    {amd_ssbd, "amd_ssbd", ext8_ebx, 24, {msr}},
    {amd_ssb_no, "amd_ssb_no", ext8_ebx, 26, {}},
    {lfence_serializing, "lfence_serializing", ext33_eax, 2, {}},
    {null_sel_clr_base, "null_sel_clr_base", ext33_eax, 6, {}},
};
static_assert(std::size(rows) == static_cast<std::size_t>(Feature::count));

/// Other spellings, as Linux, QEMU and the manuals have them; letters and digits only.
struct Alias {
    std::string_view name;
    Feature feature;
};
constexpr Alias aliases[] = {
    {"pni", sse3},     {"cmpxchg16b", cx16},      {"cmpxchg8b", cx8},       {"longmode", long_mode}, {"abm", lzcnt},
    {"sha", sha},      {"invtsc", invariant_tsc}, {"prefetchw", prefetchw}, {"clfsh", clflush},      {"xd", nx},
    {"rdrnd", rdrand}, {"now3d", now3d},          {"mwait", monitor},       {"ospke", pku}};

std::string plain(std::string_view name) {
    std::string text;
    for (const char c : name) {
        if (c != '_' && c != '-' && c != '.') text += c;
    }
    return text;
}

} // namespace

std::span<const FeatureRow> feature_rows() { return rows; }

const FeatureRow& feature_row(Feature feature) { return *std::ranges::find(rows, feature, &FeatureRow::feature); }

const FeatureRow* find_feature(std::string_view name) {
    const std::string wanted = plain(name);
    for (const FeatureRow& row : rows) {
        if (row.word != none && plain(row.name) == wanted) return &row;
    }
    const auto* alias = std::ranges::find(aliases, std::string_view(wanted), &Alias::name);
    return alias == std::end(aliases) ? nullptr : &feature_row(alias->feature);
}

u32 cpuid_bits(const FeatureSet& features, CpuidWord word) {
    u32 bits = 0;
    for (const FeatureRow& row : rows) {
        if (row.word == word && features.has(row.feature)) bits |= 1u << row.bit;
    }
    return bits;
}

std::string_view feature_name(Feature feature) { return feature_row(feature).name; }

std::string feature_names(const FeatureSet& features) {
    std::string text;
    for (const FeatureRow& row : rows) {
        if (row.word != none && features.has(row.feature)) text += (text.empty() ? "" : " ") + std::string(row.name);
    }
    return text;
}

} // namespace glassbox
