// Lanes on the host's vector unit, in the compiler's portable vectors, 16 bytes at a time (8 on the narrow side of a
// conversion). The few operations that portable vectors lack are the x86 baseline's own, with a plain form beside them.
#pragma once

#include "cpu/sse/state.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace glassbox::sse {

template <class T, std::size_t n = 16 / sizeof(T)> struct HostVector {
    typedef T Type __attribute__((vector_size(n * sizeof(T))));
};
template <class T, std::size_t n = 16 / sizeof(T)> using Vector = typename HostVector<T, n>::Type;
template <class V> using LaneOf = std::remove_cvref_t<decltype(V{}[0])>;
template <class T> using SameSizeInteger = std::conditional_t<sizeof(T) == 4, i32, i64>;
/// What comparing vectors gives: all ones or zero in every lane.
template <class V> using MaskOf = Vector<SameSizeInteger<LaneOf<V>>, sizeof(V) / sizeof(LaneOf<V>)>;

template <class T> inline Vector<T> host_lanes(const Xmm& x) { return std::bit_cast<Vector<T>>(x); }

template <class M> inline bool all_lanes(M mask) {
    if constexpr (sizeof mask == 8) {
        return std::bit_cast<u64>(mask) == ~u64{0};
    } else {
#if defined(__SSE2__)
        return _mm_movemask_epi8(std::bit_cast<__m128i>(mask)) == 0xFFFF;
#else
        const auto q = std::bit_cast<std::array<u64, 2>>(mask);
        return (q[0] & q[1]) == ~u64{0};
#endif
    }
}
template <class V> inline V magnitudes(V v) {
    constexpr auto without_sign = std::numeric_limits<SameSizeInteger<LaneOf<V>>>::max();
    return std::bit_cast<V>(std::bit_cast<MaskOf<V>>(v) & without_sign);
}
template <class V> inline V with_signs_of(V magnitude, V sign) {
    constexpr auto sign_bit = std::numeric_limits<SameSizeInteger<LaneOf<V>>>::min();
    return std::bit_cast<V>(std::bit_cast<MaskOf<V>>(magnitude) | (std::bit_cast<MaskOf<V>>(sign) & sign_bit));
}
/// Neither denormal nor NaN. The least normal numbers are left out too: a compiler that sees the exact class tests bits
/// for it, which takes SSE2 far longer than two comparisons.
template <class V> inline MaskOf<V> tame(V v) {
    using T = LaneOf<V>;
    return (magnitudes(v) >= 2 * std::numeric_limits<T>::min()) | (v == T{0});
}
/// Normal, and no neighbour of the denormals or of overflow.
template <class V> inline MaskOf<V> ordinary_lanes(V v) {
    using T = LaneOf<V>;
    const V m = magnitudes(v);
    return (m >= 2 * std::numeric_limits<T>::min()) & (m <= std::numeric_limits<T>::max());
}
template <class V> inline V choose(MaskOf<V> mask, V yes, V no) {
    return std::bit_cast<V>((std::bit_cast<MaskOf<V>>(yes) & mask) | (std::bit_cast<MaskOf<V>>(no) & ~mask));
}
/// Magnitudes to the nearest integer, ties to even, without the host's rounding instructions.
template <class V> inline V nearest_integers(V magnitude) {
    using T = LaneOf<V>;
    constexpr T all_whole = T{1} / std::numeric_limits<T>::epsilon(); // from here on there is no fraction
    return choose<V>(magnitude < all_whole, (magnitude + all_whole) - all_whole, magnitude);
}
inline Vector<float> roots(Vector<float> v) {
#if defined(__SSE2__)
    return std::bit_cast<Vector<float>>(_mm_sqrt_ps(std::bit_cast<__m128>(v)));
#else
    return Vector<float>{std::sqrt(v[0]), std::sqrt(v[1]), std::sqrt(v[2]), std::sqrt(v[3])};
#endif
}
inline Vector<double> roots(Vector<double> v) {
#if defined(__SSE2__)
    return std::bit_cast<Vector<double>>(_mm_sqrt_pd(std::bit_cast<__m128d>(v)));
#else
    return Vector<double>{std::sqrt(v[0]), std::sqrt(v[1])};
#endif
}

/// The host's own fused multiply-add, where it has one: r = ±(a * b) ± c in n lanes (at most 32 bytes). What is negated
/// comes as sign bits. False, with r untouched, unless all operands are tame and all results are ordinary or sums of
/// zeros.
#if defined(__x86_64__) && defined(__GNUC__)
inline bool host_fuses() { return __builtin_cpu_supports("fma") != 0 && __builtin_cpu_supports("avx2") != 0; }

template <class T, std::size_t n, class Signs>
[[gnu::target("avx2,fma"), gnu::noinline]] bool fuse_on_host(const void* a, const void* b, const void* c, void* r) {
    constexpr std::size_t lanes = std::max(n, 16 / sizeof(T)), bytes = n * sizeof(T);
    using V = Vector<T, lanes>;
    using M = Vector<SameSizeInteger<T>, lanes>;
    using Limits = std::numeric_limits<T>;
    constexpr auto sign_bit = std::numeric_limits<SameSizeInteger<T>>::min();
    M x{}, y{}, z{}; // lanes beyond n are zeros, and zero their sum
    std::memcpy(&x, a, bytes), std::memcpy(&y, b, bytes), std::memcpy(&z, c, bytes);
    M addend_signs{};
    for (std::size_t i = 0; i < lanes; ++i) addend_signs[i] = (i % 2 ? Signs::odd : Signs::even) ? sign_bit : 0;
    const M product_signs = M{} + (Signs::product ? sign_bit : 0);
    const V u = reinterpret_cast<V>(x ^ product_signs), v = reinterpret_cast<V>(y);
    const V w = reinterpret_cast<V>(z ^ addend_signs);
    V sum{};
    for (std::size_t i = 0; i < n; ++i) {
        if constexpr (sizeof(T) == 4)
            sum[i] = __builtin_fmaf(u[i], v[i], w[i]);
        else
            sum[i] = __builtin_fma(u[i], v[i], w[i]);
    }
    const M magnitude = M{} + std::numeric_limits<SameSizeInteger<T>>::max();
    const V mu = reinterpret_cast<V>(x & magnitude), mv = reinterpret_cast<V>(y & magnitude);
    const V mw = reinterpret_cast<V>(z & magnitude);
    const V ms = reinterpret_cast<V>(reinterpret_cast<M>(sum) & magnitude);
    const V least = V{} + 2 * Limits::min(), most = V{} + Limits::max(), null = V{};
    const M tame_ones = ((mu >= least) | (u == null)) & ((mv >= least) | (v == null)) & ((mw >= least) | (w == null));
    const M zeros = (sum == null) & (w == null) & ((u == null) | (v == null));
    const M good = tame_ones & (((ms >= least) & (ms <= most)) | zeros);
    if constexpr (sizeof good == 32) {
        if (_mm256_movemask_epi8(reinterpret_cast<__m256i>(good)) != -1) return false;
    } else {
        if (_mm_movemask_epi8(reinterpret_cast<__m128i>(good)) != 0xFFFF) return false;
    }
    std::memcpy(r, &sum, bytes);
    return true;
}
#else
inline bool host_fuses() { return false; }
template <class T, std::size_t n, class Signs> inline bool fuse_on_host(const void*, const void*, const void*, void*) {
    return false;
}
#endif

/// A result in all lanes, and in which of them it is the guest's without a doubt.
template <class V, class M> struct WholeResult {
    V value;
    M good;
    bool holds() const { return all_lanes(good); }
};
template <class V, class M> inline WholeResult<V, M> whole_result(V value, M good) { return {value, good}; }

} // namespace glassbox::sse
