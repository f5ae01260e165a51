// Conversions between single, double, and 32- and 64-bit integers, in MMX, vector and general registers (SDM 2, CVT*
// and VCVT*).
#include "cpu/sse/float.hpp"

#include "cpu/fpu/softfloat/convert.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
using softfloat::Rounding;
constexpr Feature sse1 = Feature::sse, sse2 = Feature::sse2, avx = Feature::avx;

// --- one lane, or as many as are 16 bytes of the wider type
// -----------------------------------------------------------
// soft(env, unused, value), fast(mxcsr, unused, value, result), whole<V of To>(lanes); mode_of(mxcsr) is what decides
// whether inexact results are free.

template <class To, class From> struct FromInteger { // i32 or i64
    static constexpr bool exact = std::is_same_v<To, F64> && sizeof(From) == 4;
    static u32 mode_of(u32 mode) { return mode; }
    static To soft(FloatEnv& env, From, From value) { return softfloat::from_integer<To>(env, value); }
    static bool fast(u32 mode, From, From value, To& r) {
        r = guest<To>(static_cast<Host<To>>(value));
        constexpr u64 limit = u64{1} << To::precision; // integers up to here are exact
        return exact || inexact_is_free(mode) || static_cast<u64>(i64{value}) + limit <= 2 * limit;
    }
    template <class R, class V> static auto whole(V value) {
        return whole_result(__builtin_convertvector(value, R), ~MaskOf<R>{});
    }
};
struct Widen {
    static constexpr bool exact = true;
    static u32 mode_of(u32 mode) { return mode; }
    static F64 soft(FloatEnv& env, F32, F32 value) { return softfloat::convert<F64>(env, value); }
    static bool fast(u32, F32, F32 value, F64& r) {
        r = guest<F64>(static_cast<double>(host(value)));
        return comparable(value, value);
    }
    template <class R, class V> static auto whole(V value) {
        return whole_result(__builtin_convertvector(value, R), tame(value));
    }
};
struct Narrow {
    static constexpr bool exact = false;
    static u32 mode_of(u32 mode) { return mode; }
    static F32 soft(FloatEnv& env, F64, F64 value) { return softfloat::convert<F32>(env, value); }
    static bool fast(u32 mode, F64, F64 value, F32& r) {
        if (!not_denormal(value)) return false;
        const double x = host(value);
        constexpr double limit = FLT_MAX;
        if (!(x >= -limit && x <= limit)) return false;
        const auto narrow = static_cast<float>(x);
        r = guest<F32>(narrow);
        if (!ordinary(r)) return x == 0;
        return inexact_is_free(mode) || (rounds_to_nearest(mode) && double{narrow} == x);
    }
    template <class R, class V> static auto whole(V value) {
        const V m = magnitudes(value);
        constexpr double least = 2 * double{FLT_MIN}, most = FLT_MAX;
        return whole_result(__builtin_convertvector(value, R), ((m >= least) & (m <= most)) | (value == 0));
    }
};
template <class To, class From, bool truncate> struct ToInteger {
    static constexpr bool exact = false;
    /// Truncation does not look at RC.
    static u32 mode_of(u32 mode) { return truncate ? mode & ~mxcsr::RC : mode; }
    static To soft(FloatEnv& env, From, From value) {
        return softfloat::to_integer<To, From>(env, value, truncate ? Rounding::truncate : env.rounding);
    }
    static bool fast(u32 mode, From, From value, To& r) {
        const double x = host(value);
        constexpr double limit = sizeof(To) == 4 ? 2147483647.0 : 2251799813685248.0; // 2^51: the shifter's reach
        if (!(x > -limit && x < limit)) return false;
        r = static_cast<To>(x);
        if (static_cast<double>(r) == x) return true;
        if constexpr (!truncate) {
            constexpr double shifter = 6755399441055744.0; // 1.5 * 2^52: the sum's last bit is worth one
            r = static_cast<To>((x + shifter) - shifter);
        }
        return inexact_is_free(mode_of(mode));
    }
    template <class R, class V> static auto whole(V value) {
        using T = LaneOf<V>;
        constexpr T limit = sizeof(T) == 4 ? T(2147483520.0) : T(2147483647.0); // the last below 2^31
        const auto good = magnitudes(value) <= limit;
        const V whole = truncate ? value : with_signs_of(nearest_integers(magnitudes(value)), value);
        return whole_result(__builtin_convertvector(choose<V>(good, whole, V{}), R), good);
    }
};

// --- packed ---------------------------------------------------------------------------------------------------------
template <class T> struct HostTypeOf {
    using Type = T;
};
template <> struct HostTypeOf<F32> {
    using Type = float;
};
template <> struct HostTypeOf<F64> {
    using Type = double;
};
template <class T> using HostType = typename HostTypeOf<T>::Type;

/// On the host, if that is certain.
template <class C, class From, class To, std::size_t n>
inline bool try_lanes(u32 mode, const std::array<From, n>& a, std::array<To, n>& r) {
    constexpr std::size_t piece = 16 / std::max(sizeof(From), sizeof(To));
    if constexpr (host_is_exact && n % piece == 0) {
        if (C::exact || inexact_is_free(C::mode_of(mode))) {
            bool good = true;
            for (std::size_t i = 0; i < n; i += piece) {
                Vector<HostType<From>, piece> from;
                std::memcpy(&from, static_cast<const void*>(&a[i]), sizeof from);
                const auto part = C::template whole<Vector<HostType<To>, piece>>(from);
                std::memcpy(static_cast<void*>(&r[i]), &part.value, sizeof part.value);
                good = good && part.holds();
            }
            return good;
        }
    }
    return false;
}
template <class C, class From, class To, std::size_t n>
bool convert_lanes(Cpu& cpu, const std::array<From, n>& a, std::array<To, n>& r) {
    return try_lanes<C>(cpu.sse.mxcsr, a, r) || compute_lanes(cpu, C{}, a.data(), a.data(), r.data(), n);
}

/// n lanes of an XMM or YMM register, or memory of their size; 16 bytes are aligned where File says so.
template <class File, class Source, class T, std::size_t n>
inline bool fetch_lanes(Cpu& cpu, const Op& op, std::array<T, n>& a) {
    using Part = std::conditional_t<sizeof a == 32, V256, std::conditional_t<File::vex, V128, Xm>>;
    if constexpr (sizeof a < 16) {
        std::conditional_t<sizeof a == 4, u32, u64> value;
        if (!fetch_low<decltype(value), Source>(cpu, op, value)) return false;
        a = std::bit_cast<std::array<T, n>>(value);
    } else {
        typename Part::Value value;
        if (!Part::template source<Source>(cpu, op, value)) return false;
        std::memcpy(static_cast<void*>(&a), static_cast<const void*>(&value), sizeof a);
    }
    return true;
}
template <class File, class Source, class T, std::size_t n>
inline bool try_fetch_lanes(Cpu& cpu, const FastOp& op, std::array<T, n>& a) {
    using Part = std::conditional_t<sizeof a == 32, V256, std::conditional_t<File::vex, V128, Xm>>;
    std::conditional_t<sizeof a == 8, u64, typename Part::Value> value;
    if constexpr (sizeof a == 8) {
        if (!try_low<u64, Source>(cpu, op, value)) return false;
    } else {
        if (!try_source<Part, Source>(cpu, op, value)) return false;
    }
    std::memcpy(static_cast<void*>(&a), static_cast<const void*>(&value), sizeof a);
    return true;
}
/// The result, zero-extended to 16 bytes when it is 8.
template <class File, class T, std::size_t n> inline void set_lanes(Cpu& cpu, unsigned to, const std::array<T, n>& r) {
    using Part = std::conditional_t<sizeof r == 32, V256, std::conditional_t<File::vex, V128, Xm>>;
    typename Part::Value value{};
    std::memcpy(static_cast<void*>(&value), static_cast<const void*>(&r), sizeof r);
    Part::set(cpu, to, value);
}
template <class C, class To, class From> struct ConvertPacked {
    template <class File> struct Shape {
        static constexpr std::size_t n = File::bytes / std::max(sizeof(To), sizeof(From));
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                std::array<From, n> a;
                std::array<To, n> r;
                if (!ready_at_once<File>(cpu) || !try_fetch_lanes<File, Source>(cpu, op, a)) return false;
                if (!try_lanes<C>(cpu.sse.mxcsr, a, r)) return false;
                set_lanes<File>(cpu, op.reg, r);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                std::array<From, n> a;
                std::array<To, n> r;
                if (!File::ready(cpu) || !fetch_lanes<File, Source>(cpu, op, a) || !convert_lanes<C>(cpu, a, r))
                    return false;
                set_lanes<File>(cpu, op.reg, r);
                return true;
            }
        };
    };
};

// --- MMX registers
// ----------------------------------------------------------------------------------------------------
template <class To> struct FromMm { // CVTPI2PS keeps the upper half, CVTPI2PD fills it
    template <class Source> struct Body {
        /// CVTPI2PD from memory does not touch the MMX state (SDM 2).
        static constexpr bool uses_mmx = in_register<Source> || std::is_same_v<To, F32>;
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            u64 value;
            std::array<To, 2> r;
            if (!sse_ready(cpu) || (uses_mmx && !mmx_ready(cpu)) || !Mm::source<Source>(cpu, op, value)) return false;
            if (!convert_lanes<FromInteger<To, i32>>(cpu, std::bit_cast<std::array<i32, 2>>(value), r)) return false;
            std::memcpy(static_cast<void*>(&cpu.sse.xmm(op.reg)), static_cast<const void*>(&r), sizeof r);
            if constexpr (uses_mmx) Mm::touch(cpu);
            return true;
        }
    };
};
template <class From, bool truncate> struct ToMm {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            std::array<From, 2> a;
            std::array<i32, 2> r;
            if (!sse_ready(cpu) || !mmx_ready(cpu) || !fetch_lanes<Xm, Source>(cpu, op, a)) return false;
            if (!convert_lanes<ToInteger<i32, From, truncate>>(cpu, a, r)) return false;
            Mm::set(cpu, op.reg, std::bit_cast<u64>(r));
            return true;
        }
    };
};

// --- scalar ---------------------------------------------------------------------------------------------------------
template <class C, class To, class From> struct ConvertScalar {
    template <class File> struct Shape {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                From a;
                To r;
                if (!ready_at_once<File>(cpu) || !try_low<Bits<From>, Source>(cpu, op, a.bits)) return false;
                if (!try_lane(cpu.sse.mxcsr, C{}, a, a, r)) return false;
                set_scalar<File>(cpu, op, r);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                From a;
                To r;
                if (!File::ready(cpu) || !fetch_scalar<From, Source>(cpu, op, a) || !compute(cpu, C{}, a, a, r))
                    return false;
                set_scalar<File>(cpu, op, r);
                return true;
            }
        };
    };
};
/// From a general register or memory, of 32 or 64 bits.
template <class To, class File> struct FromGeneral {
    template <class Int> struct Width {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                std::make_unsigned_t<Int> bits = 0;
                if (!ready_at_once<File>(cpu)) return false;
                if constexpr (in_register<Source>) {
                    bits = static_cast<decltype(bits)>(cpu.gpr[op.base]);
                } else {
                    if (!try_low<decltype(bits), Source>(cpu, op, bits)) return false;
                }
                const Int a = static_cast<Int>(bits);
                To r;
                if (!try_lane(cpu.sse.mxcsr, FromInteger<To, Int>{}, a, a, r)) return false;
                set_scalar<File>(cpu, op, r);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                std::make_unsigned_t<Int> bits = 0;
                if (!File::ready(cpu)) return false;
                if constexpr (in_register<Source>) {
                    bits = static_cast<decltype(bits)>(cpu.gpr[op.base]);
                } else {
                    if (!fetch<decltype(bits), Source>(cpu, op, bits)) return false;
                }
                const Int a = static_cast<Int>(bits);
                To r;
                if (!compute(cpu, FromInteger<To, Int>{}, a, a, r)) return false;
                set_scalar<File>(cpu, op, r);
                return true;
            }
        };
    };
};
template <class From, bool truncate, class File> struct ToGeneral {
    template <class Int> struct Width {
        template <class Source> struct Body {
            static bool run(Cpu& cpu, const FastOp& op, Flags&)
                requires TriedFirst<Source>
            {
                From a;
                Int r;
                if (!ready_at_once<File>(cpu) || !try_low<Bits<From>, Source>(cpu, op, a.bits)) return false;
                if (!try_lane(cpu.sse.mxcsr, ToInteger<Int, From, truncate>{}, a, a, r)) return false;
                cpu.gpr[op.reg] = static_cast<std::make_unsigned_t<Int>>(r);
                return true;
            }
            static bool run(Cpu& cpu, const Op& op, Flags&) {
                From a;
                Int r;
                if (!File::ready(cpu) || !fetch_scalar<From, Source>(cpu, op, a)) return false;
                if (!compute(cpu, ToInteger<Int, From, truncate>{}, a, a, r)) return false;
                cpu.gpr[op.reg] = static_cast<std::make_unsigned_t<Int>>(r);
                return true;
            }
        };
    };
};
/// By the width of one operand, 4 or 8 bytes.
template <template <class Int> class Width, unsigned operand> Handler select_width(const Insn& insn, Op& op) {
    return insn.operand[operand].width == 8 ? select<Width<i64>::template Body>(insn, op)
                                            : select<Width<i32>::template Body>(insn, op);
}

// --- rows -----------------------------------------------------------------------------------------------------------
template <Name name, class C, class To, class From>
consteval std::array<Row, 3> packed(At at, Feature feature, std::array<Arg, 2> legacy, std::array<Arg, 2> vex) {
    using S = ConvertPacked<C, To, From>;
    return {row<S::template Shape<Xm>::template Body>(info_of<name>, at, {legacy[0], legacy[1]}, feature),
            row<S::template Shape<V128>::template Body>(vex_info<name>, at.vex().l(0), {vex[0], vex[1]}, avx),
            row<S::template Shape<V256>::template Body>(vex_info<name>, at.vex().l(1), {vex[0], vex[1]}, avx)};
}
template <Name name, class To> consteval std::array<Row, 2> from_general(At at, Feature feature) {
    return {
        row_of(info_of<name>, at, {Vx, Ey}, &select_width<FromGeneral<To, Xm>::template Width, 1>, feature),
        row_of(vex_info<name>, at.vex(), {Vdq, Hdq, Ey}, &select_width<FromGeneral<To, V128>::template Width, 2>, avx)};
}
template <Name name, class From, bool truncate> consteval std::array<Row, 2> to_general(At at, Feature feature) {
    constexpr Arg from = scalar_arg<From>;
    return {
        row_of(info_of<name>, at, {Gy, from}, &select_width<ToGeneral<From, truncate, Xm>::template Width, 0>, feature),
        row_of(vex_info<name>, at.vex(), {Gy, from}, &select_width<ToGeneral<From, truncate, V128>::template Width, 0>,
               avx)};
}

constexpr std::array rows =
    table(row<FromMm<F32>::Body>(info_of<"cvtpi2ps">, at(0x0F2A).np(), {Vx, Qq}, sse1),
          row<FromMm<F64>::Body>(info_of<"cvtpi2pd">, at(0x0F2A).p66(), {Vx, Qq}, sse2),
          row<ToMm<F32, true>::Body>(info_of<"cvttps2pi">, at(0x0F2C).np(), {Pq, Wq}, sse1),
          row<ToMm<F64, true>::Body>(info_of<"cvttpd2pi">, at(0x0F2C).p66(), {Pq, Wx}, sse2),
          row<ToMm<F32, false>::Body>(info_of<"cvtps2pi">, at(0x0F2D).np(), {Pq, Wq}, sse1),
          row<ToMm<F64, false>::Body>(info_of<"cvtpd2pi">, at(0x0F2D).p66(), {Pq, Wx}, sse2),

          from_general<"cvtsi2ss", F32>(at(0x0F2A).pF3(), sse1), from_general<"cvtsi2sd", F64>(at(0x0F2A).pF2(), sse2),
          to_general<"cvttss2si", F32, true>(at(0x0F2C).pF3(), sse1),
          to_general<"cvttsd2si", F64, true>(at(0x0F2C).pF2(), sse2),
          to_general<"cvtss2si", F32, false>(at(0x0F2D).pF3(), sse1),
          to_general<"cvtsd2si", F64, false>(at(0x0F2D).pF2(), sse2),

          packed<"cvtps2pd", Widen, F64, F32>(at(0x0F5A).np(), sse2, {Vx, Wq}, {Vx, Wh}),
          packed<"cvtpd2ps", Narrow, F32, F64>(at(0x0F5A).p66(), sse2, {Vx, Wx}, {Vdq, Wx}),
          scalar_rows<"cvtss2sd", ConvertScalar<Widen, F64, F32>::Shape, F32>(at(0x0F5A).pF3(), sse2),
          scalar_rows<"cvtsd2ss", ConvertScalar<Narrow, F32, F64>::Shape, F64>(at(0x0F5A).pF2(), sse2),

          packed<"cvtdq2ps", FromInteger<F32, i32>, F32, i32>(at(0x0F5B).np(), sse2, {Vx, Wx}, {Vx, Wx}),
          packed<"cvtps2dq", ToInteger<i32, F32, false>, i32, F32>(at(0x0F5B).p66(), sse2, {Vx, Wx}, {Vx, Wx}),
          packed<"cvttps2dq", ToInteger<i32, F32, true>, i32, F32>(at(0x0F5B).pF3(), sse2, {Vx, Wx}, {Vx, Wx}),
          packed<"cvttpd2dq", ToInteger<i32, F64, true>, i32, F64>(at(0x0FE6).p66(), sse2, {Vx, Wx}, {Vdq, Wx}),
          packed<"cvtdq2pd", FromInteger<F64, i32>, F64, i32>(at(0x0FE6).pF3(), sse2, {Vx, Wq}, {Vx, Wh}),
          packed<"cvtpd2dq", ToInteger<i32, F64, false>, i32, F64>(at(0x0FE6).pF2(), sse2, {Vx, Wx}, {Vdq, Wx}));

} // namespace

std::span<const Row> convert_rows() { return rows; }

} // namespace glassbox::sse
