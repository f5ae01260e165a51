// Where XSAVE's state components lie (SDM 1, 13.1, 13.4): one table for the instructions and for CPUID leaf 0Dh.
//
// The standard offsets are those of Intel's server processors: PKRU lies behind the place of AVX-512's components, so
// that those can come without moving it.
#pragma once

#include "cpu/features.hpp"

#include <array>

namespace glassbox::xsave {

inline constexpr unsigned x87 = 0, sse = 1, avx = 2, pkru = 9;
constexpr u64 bit(unsigned component) { return u64{1} << component; }

/// The legacy region is FXSAVE's image; the header follows; then come components 2 and up.
inline constexpr u32 legacy_size = 512, header_size = 64, extended_at = legacy_size + header_size;
inline constexpr u64 compacted = u64{1} << 63; ///< bit of XCOMP_BV

struct Component {
    u8 number;
    Feature feature;
    u32 size;
    u32 offset;      ///< in the standard format
    bool supervisor; ///< enabled by IA32_XSS, not XCR0, and only in the compacted format
    bool aligned;    ///< to 64 bytes in the compacted format
};
/// Ascending; the first two make up the legacy region.
inline constexpr std::array<Component, 2> extended{{
    {avx, Feature::avx, 256, 576, false, false},
    {pkru, Feature::pku, 8, 2688, false, false},
}};

/// The bits that XCR0 may have: CPUID.(EAX=0Dh, ECX=0):EDX:EAX.
constexpr u64 supported_xcr0(const FeatureSet& features) {
    u64 bits = bit(x87) | bit(sse);
    for (const Component& c : extended) {
        if (!c.supervisor && features.has(c.feature)) bits |= bit(c.number);
    }
    return bits;
}
/// The bits that IA32_XSS may have: CPUID.(EAX=0Dh, ECX=1):EDX:ECX.
constexpr u64 supported_xss(const FeatureSet& features) {
    u64 bits = 0;
    for (const Component& c : extended) {
        if (c.supervisor && features.has(c.feature)) bits |= bit(c.number);
    }
    return bits;
}
/// What XSETBV accepts: x87 always; AVX only with SSE (SDM 2, XSETBV).
constexpr bool valid_xcr0(const FeatureSet& features, u64 value) {
    if ((value & ~supported_xcr0(features)) != 0 || (value & bit(x87)) == 0) return false;
    return (value & bit(avx)) == 0 || (value & bit(sse)) != 0;
}
/// Bytes of the standard format for `components`: CPUID.(EAX=0Dh, ECX=0):EBX with XCR0, ECX with all supported bits.
constexpr u32 standard_size(u64 components) {
    u32 size = extended_at;
    for (const Component& c : extended) {
        if ((components & bit(c.number)) != 0 && c.offset + c.size > size) size = c.offset + c.size;
    }
    return size;
}
/// Where component `number` begins in the compacted format of `components`; past the last for number 64.
constexpr u32 compacted_offset(u64 components, unsigned number) {
    u32 at = extended_at;
    for (const Component& c : extended) {
        if ((components & bit(c.number)) == 0) continue;
        if (c.aligned) at = (at + 63) & ~u32{63};
        if (c.number == number) return at;
        at += c.size;
    }
    return at;
}
/// Bytes of the compacted format: CPUID.(EAX=0Dh, ECX=1):EBX with XCR0 | IA32_XSS.
constexpr u32 compacted_size(u64 components) { return compacted_offset(components, 64); }

} // namespace glassbox::xsave
