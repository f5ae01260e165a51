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
    default: return false;
    }
}

} // namespace glassbox::conformance
