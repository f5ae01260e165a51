// docs/cpu-models.md, written from the tables.
#include "cpu/models/feature_table.hpp"
#include "cpu/models/models.hpp"

#include <cstdio>

namespace glassbox {

namespace {

constexpr std::string_view introduction = R"(# Processor models

`--cpu MODEL` gives the machine a processor; `--cpu MODEL,+feature,-feature` adds to it and takes away, in any number.
`--cpu help` prints what follows. This page is written from the tables in `cpu/models/` and held to them by a test
(make it anew: `GLASSBOX_WRITE_DOCS=1 unit_cpu`).

What is taken away takes along what needs it: `haswell,-avx` has no AVX2, FMA and F16C either. What is added must find
what it needs: `nehalem,+avx` is an error that says so, `nehalem,+xsave,+avx` is not. CPUID's leaves, the bits of CR4
and the address lines follow. A snapshot fits a machine with the same model and the same changes.

A model has the instructions, CPUID leaves, MSRs and address lines of the processor that it is named after, as far as
they are implemented: there is no VMX, SVM, TSX, MPX, SGX, performance monitoring, power management, IBS, MXCSR.MM, CR8 in
legacy mode or AVX-512, and
no model shows them. `max` has everything that is implemented, those of AMD's extensions too that Intel's never had;
`x86-64-v1` to `-v3` are the levels of the x86-64 psABI with what an operating system needs besides. These four say that
they are a Saltwell Atom: an Intel processor that executes in order and does not speculate, so that operating systems
neither isolate page tables nor fence branches; `max` denies every such weakness in IA32_ARCH_CAPABILITIES as well.
Speculation controls can be added (`max,+spec_ctrl,+ssbd`): they are stored and have nothing to do.

Sources: up to the Pentium 4 Intel's AP-485; then what CPUID returns on the named processor; caches by SDM 2A, CPUID,
table 3-12, and AMD's CPUID Specification 25481; levels by the x86-64 psABI 1.0, table 3.1; MSRs by SDM 4, chapter 2, and
AMD's BKDG and PPR of the family.

)";

std::string hexadecimal(u32 value) {
    char text[12];
    std::snprintf(text, sizeof text, "%Xh", value);
    return text;
}

std::string places(CpuidWord word) {
    switch (word) {
    case CpuidWord::leaf1_edx: return "1:EDX";
    case CpuidWord::leaf1_ecx: return "1:ECX";
    case CpuidWord::leaf6_eax: return "6:EAX";
    case CpuidWord::leaf7_ebx: return "7.0:EBX";
    case CpuidWord::leaf7_ecx: return "7.0:ECX";
    case CpuidWord::leaf7_edx: return "7.0:EDX";
    case CpuidWord::leaf13_eax: return "0Dh.1:EAX";
    case CpuidWord::ext1_edx: return "80000001h:EDX";
    case CpuidWord::ext1_ecx: return "80000001h:ECX";
    case CpuidWord::ext7_edx: return "80000007h:EDX";
    case CpuidWord::ext8_ebx: return "80000008h:EBX";
    case CpuidWord::ext33_eax: return "80000021h:EAX";
    case CpuidWord::none: break;
    }
    return {};
}

} // namespace

std::string cpu_model_reference() {
    std::string text(introduction);
    text += "| Model | Processor | Signature | Address lines | CPUID leaves |\n|---|---|---|---|---|\n";
    for (const CpuModel& model : cpu_models()) {
        const bool cpuid = model.features.has(Feature::cpuid);
        text += "| `" + model.name + "` | " + std::string(model.summary) + " | " +
                (model.signature ? hexadecimal(model.signature) : "") + " | " + std::to_string(model.physical_bits) +
                " | " + (cpuid ? hexadecimal(model.max_leaf) : "none") +
                (model.max_extended_leaf ? ", " + hexadecimal(model.max_extended_leaf) : "") + " |\n";
    }
    text += "\n## What each has\n\n";
    for (const CpuModel& model : cpu_models()) {
        if (model.features.has(Feature::cpuid))
            text += "- `" + model.name + "`: " + feature_names(model.features) + "\n";
    }
    text += "\n## Features\n\n| Feature | CPUID | Needs |\n|---|---|---|\n";
    for (const FeatureRow& row : feature_rows()) {
        if (row.word == CpuidWord::none) continue;
        text += "| `" + std::string(row.name) + "` | " + places(row.word) + "[" + std::to_string(row.bit) + "] | " +
                feature_names(row.needs) + " |\n";
    }
    return text;
}

} // namespace glassbox
