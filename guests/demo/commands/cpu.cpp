// CPUID: the processor's name and abilities. Intel SDM volume 2A, CPUID.
#include "../kernel/console.hpp"
#include "../kernel/ports.hpp"
#include "shell.hpp"

namespace {

struct Registers {
    u32 eax, ebx, ecx, edx;
};

Registers cpuid(u32 leaf) {
    Registers r;
    asm volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(0));
    return r;
}

/// The instruction exists where EFLAGS.ID (bit 21) can be changed; a 386 and most 486 lack it.
bool has_cpuid() {
    constexpr u32 id = 1u << 21;
    const u32 before = eflags();
    set_eflags(before ^ id);
    const bool changed = ((eflags() ^ before) & id) != 0;
    set_eflags(before);
    return changed;
}

void print_register(u32 value) {
    const char text[5] = {static_cast<char>(value), static_cast<char>(value >> 8), static_cast<char>(value >> 16),
                          static_cast<char>(value >> 24), 0};
    print(text);
}

constexpr const char* edx_names[32] = {"fpu",  "vme",   "de",    "pse",   "tsc",   "msr", "pae",  "mce",
                                       "cx8",  "apic",  nullptr, "sep",   "mtrr",  "pge", "mca",  "cmov",
                                       "pat",  "pse36", "psn",   "clfsh", nullptr, "ds",  "acpi", "mmx",
                                       "fxsr", "sse",   "sse2",  "ss",    "htt",   "tm",  "ia64", "pbe"};
constexpr const char* ecx_names[32] = {
    "sse3",  "pclmul", "dtes64", "monitor", "ds-cpl", "vmx",     "smx",  "est",  "tm2",    "ssse3",     "cnxt-id",
    nullptr, "fma",    "cx16",   "xtpr",    "pdcm",   nullptr,   "pcid", "dca",  "sse4.1", "sse4.2",    "x2apic",
    "movbe", "popcnt", "tsc-dl", "aes",     "xsave",  "osxsave", "avx",  "f16c", "rdrand", "hypervisor"};

void print_features(u32 bits, const char* const* names) {
    for (u32 bit = 0; bit < 32; ++bit) {
        if ((bits >> bit & 1) == 0 || names[bit] == nullptr) continue;
        put(' ');
        print(names[bit]);
    }
}

void print_brand() {
    if (cpuid(0x80000000).eax < 0x80000004) return;
    print("  brand     ");
    for (u32 leaf = 0x80000002; leaf <= 0x80000004; ++leaf) {
        const Registers r = cpuid(leaf);
        print_register(r.eax);
        print_register(r.ebx);
        print_register(r.ecx);
        print_register(r.edx);
    }
    print("\n");
}

} // namespace

void command_cpu() {
    if (!has_cpuid()) {
        print("  This processor has no CPUID instruction: a 386 or an early 486.\n");
        return;
    }
    const Registers vendor = cpuid(0);
    print("  vendor    ");
    print_register(vendor.ebx);
    print_register(vendor.edx);
    print_register(vendor.ecx);
    print("\n");
    print_brand();
    if (vendor.eax < 1) return;
    const Registers r = cpuid(1);
    u32 family = r.eax >> 8 & 15, model = r.eax >> 4 & 15;
    if (family == 6 || family == 15) model |= r.eax >> 12 & 0xF0;
    if (family == 15) family += r.eax >> 20 & 0xFF;
    print("  family    ");
    print_number(family);
    print(", model ");
    print_number(model);
    print(", stepping ");
    print_number(r.eax & 15);
    print("\n  features ");
    print_features(r.edx, edx_names);
    print_features(r.ecx, ecx_names);
    print("\n");
}
