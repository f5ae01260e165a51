#include "tests/x86-conformance/decode/isa_sets.hpp"

namespace glassbox::conformance {

bool model_has(const FeatureSet& features, ZydisISASet set) {
    using enum Feature;
    switch (set) {
    case ZYDIS_ISA_SET_I86: return true;
    case ZYDIS_ISA_SET_I186: return features.has(i186);
    case ZYDIS_ISA_SET_I286REAL:
    case ZYDIS_ISA_SET_I286PROTECTED: return features.has(i286);
    case ZYDIS_ISA_SET_I386: return features.has(i386);
    case ZYDIS_ISA_SET_I486:
    case ZYDIS_ISA_SET_I486REAL: return features.has(i486);
    case ZYDIS_ISA_SET_PENTIUMREAL: return features.has(i586);
    case ZYDIS_ISA_SET_PENTIUMMMX: return features.has(mmx);
    case ZYDIS_ISA_SET_PPRO: return features.has(i686);
    case ZYDIS_ISA_SET_CMOV: return features.has(cmov);
    case ZYDIS_ISA_SET_FCMOV: return features.has(fcmov);
    case ZYDIS_ISA_SET_X87: return features.has(fpu);
    case ZYDIS_ISA_SET_FXSAVE: return features.has(fxsr);
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSEMXCSR: return features.has(sse);
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX: return features.has(sse2);
    case ZYDIS_ISA_SET_CLFSH: return features.has(clflush);
    case ZYDIS_ISA_SET_RDPMC: return features.has(rdpmc);
    case ZYDIS_ISA_SET_SSE_PREFETCH: return features.has(prefetch);
    case ZYDIS_ISA_SET_PREFETCH_NOP: return features.has(prefetchw);
    case ZYDIS_ISA_SET_PAUSE: return true; // NOP on whatever does not know it
    case ZYDIS_ISA_SET_FAT_NOP: return features.has(nopl);
    case ZYDIS_ISA_SET_ADOX_ADCX: return features.has(adx);
    case ZYDIS_ISA_SET_AES: return features.has(aes);
    case ZYDIS_ISA_SET_AMD3DNOW: return features.has(now3d);
    case ZYDIS_ISA_SET_AVX: return features.has(avx);
    case ZYDIS_ISA_SET_AVX2: return features.has(avx2);
    case ZYDIS_ISA_SET_AVX2GATHER: return features.has(avx2);
    case ZYDIS_ISA_SET_AVXAES: return features.has(aes) && features.has(avx);
    case ZYDIS_ISA_SET_AVX_GFNI: return features.has(gfni) && features.has(avx);
    case ZYDIS_ISA_SET_BMI1: return features.has(bmi1);
    case ZYDIS_ISA_SET_BMI2: return features.has(bmi2);
    case ZYDIS_ISA_SET_CLFLUSHOPT: return features.has(clflushopt);
    case ZYDIS_ISA_SET_CLWB: return features.has(clwb);
    case ZYDIS_ISA_SET_CLZERO: return features.has(clzero);
    case ZYDIS_ISA_SET_CMPXCHG16B: return features.has(cx16);
    case ZYDIS_ISA_SET_F16C: return features.has(f16c);
    case ZYDIS_ISA_SET_FMA: return features.has(fma);
    case ZYDIS_ISA_SET_FXSAVE64: return features.has(fxsr);
    case ZYDIS_ISA_SET_GFNI: return features.has(gfni);
    case ZYDIS_ISA_SET_INVPCID: return features.has(invpcid);
    case ZYDIS_ISA_SET_LONGMODE: return features.has(long_mode);
    case ZYDIS_ISA_SET_LZCNT: return features.has(lzcnt);
    case ZYDIS_ISA_SET_MONITOR: return features.has(monitor);
    case ZYDIS_ISA_SET_MOVBE: return features.has(movbe);
    case ZYDIS_ISA_SET_PCLMULQDQ: return features.has(pclmulqdq);
    case ZYDIS_ISA_SET_PKU: return features.has(pku);
    case ZYDIS_ISA_SET_POPCNT: return features.has(popcnt);
    case ZYDIS_ISA_SET_RDPID: return features.has(rdpid);
    case ZYDIS_ISA_SET_RDPRU: return features.has(rdpru);
    case ZYDIS_ISA_SET_RDRAND: return features.has(rdrand);
    case ZYDIS_ISA_SET_RDSEED: return features.has(rdseed);
    case ZYDIS_ISA_SET_RDTSCP: return features.has(rdtscp);
    case ZYDIS_ISA_SET_RDWRFSGS: return features.has(fsgsbase);
    case ZYDIS_ISA_SET_SHA: return features.has(sha);
    case ZYDIS_ISA_SET_SMAP: return features.has(smap);
    case ZYDIS_ISA_SET_SSE3: return features.has(sse3);
    case ZYDIS_ISA_SET_SSE3X87: return features.has(sse3);
    case ZYDIS_ISA_SET_SSE4: return features.has(sse41);
    case ZYDIS_ISA_SET_SSE42: return features.has(sse42);
    case ZYDIS_ISA_SET_SSE4A: return features.has(sse4a);
    case ZYDIS_ISA_SET_SSSE3: return features.has(ssse3);
    case ZYDIS_ISA_SET_SSSE3MMX: return features.has(ssse3);
    case ZYDIS_ISA_SET_VAES: return features.has(vaes);
    case ZYDIS_ISA_SET_VPCLMULQDQ: return features.has(vpclmulqdq);
    case ZYDIS_ISA_SET_XSAVE: return features.has(xsave);
    case ZYDIS_ISA_SET_XSAVEC: return features.has(xsavec);
    case ZYDIS_ISA_SET_XSAVEOPT: return features.has(xsaveopt);
    case ZYDIS_ISA_SET_XSAVES: return features.has(xsaves);
    case ZYDIS_ISA_SET_LAHF: return true;
    default: return false;
    }
}

} // namespace glassbox::conformance
