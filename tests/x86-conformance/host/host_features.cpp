// What the host has, by CPUID (SDM 2A, CPUID; AMD APM 3, appendix E), for each feature that a row may ask for.
#include "tests/x86-conformance/host/forms.hpp"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace glassbox::conformance::host {

#if defined(__x86_64__)

namespace {

enum Register : u8 { eax, ebx, ecx, edx };
struct Bit {
    Feature feature;
    u32 leaf, subleaf;
    Register reg;
    unsigned bit;
    const char* reason;
};
constexpr Bit bits[] = {
    {Feature::fpu, 1, 0, edx, 0, "the host has no x87 unit"},
    {Feature::tsc, 1, 0, edx, 4, "the host has no RDTSC"},
    {Feature::cx8, 1, 0, edx, 8, "the host has no CMPXCHG8B"},
    {Feature::cmov, 1, 0, edx, 15, "the host has no CMOV"},
    {Feature::fcmov, 1, 0, edx, 15, "the host has no FCMOV"},
    {Feature::clflush, 1, 0, edx, 19, "the host has no CLFLUSH"},
    {Feature::mmx, 1, 0, edx, 23, "the host has no MMX"},
    {Feature::fxsr, 1, 0, edx, 24, "the host has no FXSAVE"},
    {Feature::sse, 1, 0, edx, 25, "the host has no SSE"},
    {Feature::sse2, 1, 0, edx, 26, "the host has no SSE2"},
    {Feature::sse3, 1, 0, ecx, 0, "the host has no SSE3"},
    {Feature::pclmulqdq, 1, 0, ecx, 1, "the host has no PCLMULQDQ"},
    {Feature::ssse3, 1, 0, ecx, 9, "the host has no SSSE3"},
    {Feature::fma, 1, 0, ecx, 12, "the host has no FMA"},
    {Feature::cx16, 1, 0, ecx, 13, "the host has no CMPXCHG16B"},
    {Feature::sse41, 1, 0, ecx, 19, "the host has no SSE4.1"},
    {Feature::sse42, 1, 0, ecx, 20, "the host has no SSE4.2"},
    {Feature::movbe, 1, 0, ecx, 22, "the host has no MOVBE"},
    {Feature::popcnt, 1, 0, ecx, 23, "the host has no POPCNT"},
    {Feature::aes, 1, 0, ecx, 25, "the host has no AES"},
    {Feature::xsave, 1, 0, ecx, 27, "the host has no XSAVE that its kernel uses"},
    {Feature::avx, 1, 0, ecx, 28, "the host has no AVX"},
    {Feature::f16c, 1, 0, ecx, 29, "the host has no F16C"},
    {Feature::rdrand, 1, 0, ecx, 30, "the host has no RDRAND"},
    {Feature::fsgsbase, 7, 0, ebx, 0, "the host has no FSGSBASE"},
    {Feature::bmi1, 7, 0, ebx, 3, "the host has no BMI1"},
    {Feature::avx2, 7, 0, ebx, 5, "the host has no AVX2"},
    {Feature::bmi2, 7, 0, ebx, 8, "the host has no BMI2"},
    {Feature::invpcid, 7, 0, ebx, 10, "the host has no INVPCID"},
    {Feature::rdseed, 7, 0, ebx, 18, "the host has no RDSEED"},
    {Feature::adx, 7, 0, ebx, 19, "the host has no ADX"},
    {Feature::smap, 7, 0, ebx, 20, "the host has no SMAP"},
    {Feature::clflushopt, 7, 0, ebx, 23, "the host has no CLFLUSHOPT"},
    {Feature::clwb, 7, 0, ebx, 24, "the host has no CLWB"},
    {Feature::sha, 7, 0, ebx, 29, "the host has no SHA"},
    {Feature::pku, 7, 0, ecx, 4, "the host's kernel has no protection keys"},
    {Feature::gfni, 7, 0, ecx, 8, "the host has no GFNI"},
    {Feature::vaes, 7, 0, ecx, 9, "the host has no VAES"},
    {Feature::vpclmulqdq, 7, 0, ecx, 10, "the host has no VPCLMULQDQ"},
    {Feature::rdpid, 7, 0, ecx, 22, "the host has no RDPID"},
    {Feature::xsaveopt, 0xD, 1, eax, 0, "the host has no XSAVEOPT"},
    {Feature::xsavec, 0xD, 1, eax, 1, "the host has no XSAVEC"},
    {Feature::xgetbv1, 0xD, 1, eax, 2, "the host has no XGETBV of XINUSE"},
    {Feature::xsaves, 0xD, 1, eax, 3, "the host has no XSAVES"},
    {Feature::lahf_lm, 0x8000'0001, 0, ecx, 0, "the host has no LAHF in 64-bit mode"},
    {Feature::lzcnt, 0x8000'0001, 0, ecx, 5, "the host has no LZCNT"},
    {Feature::sse4a, 0x8000'0001, 0, ecx, 6, "the host has no SSE4a"},
    {Feature::prefetchw, 0x8000'0001, 0, ecx, 8, "the host has no PREFETCHW"},
    {Feature::mmx_ext, 1, 0, edx, 25, "the host has no SSE"},
    {Feature::rdtscp, 0x8000'0001, 0, edx, 27, "the host has no RDTSCP"},
    {Feature::now3d, 0x8000'0001, 0, edx, 31, "the host has no 3DNow!"},
    {Feature::now3d_ext, 0x8000'0001, 0, edx, 30, "the host has no extensions to 3DNow!"},
    {Feature::syscall, 0x8000'0001, 0, edx, 11, "the host has no SYSCALL"},
    {Feature::clzero, 0x8000'0008, 0, ebx, 0, "the host has no CLZERO"},
    {Feature::rdpru, 0x8000'0008, 0, ebx, 4, "the host has no RDPRU"},
    {Feature::wbnoinvd, 0x8000'0008, 0, ebx, 9, "the host has no WBNOINVD"},
};

bool has_bit(const Bit& x) {
    u32 value[4] = {};
    return __get_cpuid_count(x.leaf, x.subleaf, &value[0], &value[1], &value[2], &value[3]) != 0 &&
           (value[x.reg] >> x.bit & 1) != 0;
}

} // namespace

const char* host_lacks(const Row& row) {
    for (const Bit& x : bits) {
        if (x.feature == row.feature && !has_bit(x)) return x.reason;
    }
    return nullptr;
}
#else
const char* host_lacks(const Row&) { return "the host is no x86"; }
#endif

} // namespace glassbox::conformance::host
