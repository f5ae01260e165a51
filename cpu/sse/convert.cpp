// Conversions between single, double and 32-bit integers, in MMX, XMM and general registers (SDM 2, CVT*).
#include "cpu/sse/float.hpp"

#include "cpu/fpu/softfloat/convert.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
using softfloat::Rounding;
constexpr Feature sse1 = Feature::sse, sse2 = Feature::sse2;

// --- one lane
// ---------------------------------------------------------------------------------------------------------
template <class From, class To> struct Lane; // soft(env, unused, value) and fast(mxcsr, unused, value, result)

template <class To> struct Lane<i32, To> {
    static To soft(FloatEnv& env, i32, i32 value) { return softfloat::from_integer<To>(env, value); }
    static bool fast(u32 mode, i32, i32 value, To& r) {
        r = guest<To>(static_cast<Host<To>>(value));
        return std::is_same_v<To, F64> || inexact_is_free(mode) || static_cast<u32>(value) + (1u << 24) <= 2u << 24;
    }
};
template <> struct Lane<F32, F64> {
    static F64 soft(FloatEnv& env, F32, F32 value) { return softfloat::convert<F64>(env, value); }
    static bool fast(u32, F32, F32 value, F64& r) {
        r = guest<F64>(static_cast<double>(host(value)));
        return comparable(value);
    }
};
template <> struct Lane<F64, F32> {
    static F32 soft(FloatEnv& env, F64, F64 value) { return softfloat::convert<F32>(env, value); }
    static bool fast(u32 mode, F64, F64 value, F32& r) {
        if (!comparable(value)) return false;
        const double x = host(value);
        constexpr double limit = FLT_MAX;
        if (!(x >= -limit && x <= limit)) return false;
        const auto narrow = static_cast<float>(x);
        r = guest<F32>(narrow);
        if (!ordinary(r)) return x == 0;
        return inexact_is_free(mode) || (rounds_to_nearest(mode) && double{narrow} == x);
    }
};
template <class From, bool truncate> struct ToInteger {
    static i32 soft(FloatEnv& env, From, From value) {
        return softfloat::to_integer<i32, From>(env, value, truncate ? Rounding::truncate : env.rounding);
    }
    static bool fast(u32 mode, From, From value, i32& r) {
        const double x = host(value);
        if (!comparable(value) || !(x > -2147483648.0 && x < 2147483647.0)) return false;
        r = static_cast<i32>(x);
        if (static_cast<double>(r) == x) return true;
        if constexpr (!truncate) {
            constexpr double shifter = 6755399441055744.0; // 1.5 * 2^52: the sum's last bit is worth one
            r = static_cast<i32>((x + shifter) - shifter);
        }
        return inexact_is_free(truncate ? mode & ~mxcsr::RC : mode);
    }
};
template <class To, class From, bool truncate> using Conversion =
    std::conditional_t<std::is_same_v<To, i32>, ToInteger<From, truncate>, Lane<From, To>>;

// --- shapes
// -----------------------------------------------------------------------------------------------------------
enum class Place : u8 { xmm, mm, general };
enum class Rest : u8 { kept, zeroed }; ///< what becomes of the XMM destination's other lanes

template <class T, std::size_t n, Place place, class Source>
inline bool read_source(Cpu& cpu, const Op& op, std::array<T, n>& a) {
    if constexpr (place == Place::mm && in_register<Source>) {
        a = std::bit_cast<std::array<T, n>>(Mm::get(cpu, op.base));
        return true;
    } else if constexpr (place == Place::general && in_register<Source>) {
        a = {static_cast<T>(cpu.gpr[op.base])};
        return true;
    } else {
        return fetch_lanes<T, n, Source>(cpu, op, a);
    }
}

template <class To, class From, std::size_t n, Rest rest = Rest::kept, Place to = Place::xmm, Place from = Place::xmm,
          bool truncate = false>
struct Convert {
    template <class Source> struct Body {
        /// CVTPI2PD from memory alone does not touch the MMX state (SDM 2).
        static constexpr bool uses_mmx =
            to == Place::mm || (from == Place::mm && (in_register<Source> || std::is_same_v<To, F32>));
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            std::array<From, n> a;
            std::array<To, n> r;
            if (!sse_ready(cpu) || (uses_mmx && !mmx_ready(cpu)) || !read_source<From, n, from, Source>(cpu, op, a))
                return false;
            if (!compute(cpu, Conversion<To, From, truncate>{}, a, a, r)) return false;
            if constexpr (to == Place::xmm) {
                if constexpr (rest == Rest::zeroed) cpu.sse.xmm(op.reg) = {};
                set_low_lanes(cpu.sse.xmm(op.reg), r);
                if constexpr (uses_mmx) Mm::touch(cpu);
            } else if constexpr (to == Place::mm) {
                Mm::set(cpu, op.reg, std::bit_cast<u64>(r));
            } else {
                cpu.gpr[op.reg] = static_cast<u32>(r[0]);
            }
            return true;
        }
    };
};
template <class To, std::size_t n> using FromMm = Convert<To, i32, n, Rest::kept, Place::xmm, Place::mm>;
template <class To> using FromGeneral = Convert<To, i32, 1, Rest::kept, Place::xmm, Place::general>;
template <class From, bool truncate> using ToMm = Convert<i32, From, 2, Rest::kept, Place::mm, Place::xmm, truncate>;
template <class From, bool truncate> using ToGeneral =
    Convert<i32, From, 1, Rest::kept, Place::general, Place::xmm, truncate>;
template <class From, std::size_t n, bool truncate> using ToPackedInteger =
    Convert<i32, From, n, Rest::zeroed, Place::xmm, Place::xmm, truncate>;

template <class C> consteval Row cvt(const OpInfo& info, At at, Arg to, Arg from, Feature feature) {
    return row<C::template Body>(info, at, {to, from}, feature);
}

constexpr OpInfo cvtpi2ps{"cvtpi2ps"}, cvtpi2pd{"cvtpi2pd"}, cvtsi2ss{"cvtsi2ss"}, cvtsi2sd{"cvtsi2sd"},
    cvttps2pi{"cvttps2pi"}, cvttpd2pi{"cvttpd2pi"}, cvttss2si{"cvttss2si"}, cvttsd2si{"cvttsd2si"},
    cvtps2pi{"cvtps2pi"}, cvtpd2pi{"cvtpd2pi"}, cvtss2si{"cvtss2si"}, cvtsd2si{"cvtsd2si"}, cvtps2pd{"cvtps2pd"},
    cvtpd2ps{"cvtpd2ps"}, cvtss2sd{"cvtss2sd"}, cvtsd2ss{"cvtsd2ss"}, cvtdq2ps{"cvtdq2ps"}, cvtps2dq{"cvtps2dq"},
    cvttps2dq{"cvttps2dq"}, cvttpd2dq{"cvttpd2dq"}, cvtdq2pd{"cvtdq2pd"}, cvtpd2dq{"cvtpd2dq"};

constexpr std::array rows = {
    cvt<FromMm<F32, 2>>(cvtpi2ps, at(0x0F2A).np(), Vx, Qq, sse1),
    cvt<FromMm<F64, 2>>(cvtpi2pd, at(0x0F2A).p66(), Vx, Qq, sse2),
    cvt<FromGeneral<F32>>(cvtsi2ss, at(0x0F2A).pF3(), Vx, Ed, sse1),
    cvt<FromGeneral<F64>>(cvtsi2sd, at(0x0F2A).pF2(), Vx, Ed, sse2),

    cvt<ToMm<F32, true>>(cvttps2pi, at(0x0F2C).np(), Pq, Wq, sse1),
    cvt<ToMm<F64, true>>(cvttpd2pi, at(0x0F2C).p66(), Pq, Wx, sse2),
    cvt<ToGeneral<F32, true>>(cvttss2si, at(0x0F2C).pF3(), Gd, Wd, sse1),
    cvt<ToGeneral<F64, true>>(cvttsd2si, at(0x0F2C).pF2(), Gd, Wq, sse2),
    cvt<ToMm<F32, false>>(cvtps2pi, at(0x0F2D).np(), Pq, Wq, sse1),
    cvt<ToMm<F64, false>>(cvtpd2pi, at(0x0F2D).p66(), Pq, Wx, sse2),
    cvt<ToGeneral<F32, false>>(cvtss2si, at(0x0F2D).pF3(), Gd, Wd, sse1),
    cvt<ToGeneral<F64, false>>(cvtsd2si, at(0x0F2D).pF2(), Gd, Wq, sse2),

    cvt<Convert<F64, F32, 2>>(cvtps2pd, at(0x0F5A).np(), Vx, Wq, sse2),
    cvt<Convert<F32, F64, 2, Rest::zeroed>>(cvtpd2ps, at(0x0F5A).p66(), Vx, Wx, sse2),
    cvt<Convert<F64, F32, 1>>(cvtss2sd, at(0x0F5A).pF3(), Vx, Wd, sse2),
    cvt<Convert<F32, F64, 1>>(cvtsd2ss, at(0x0F5A).pF2(), Vx, Wq, sse2),

    cvt<Convert<F32, i32, 4>>(cvtdq2ps, at(0x0F5B).np(), Vx, Wx, sse2),
    cvt<ToPackedInteger<F32, 4, false>>(cvtps2dq, at(0x0F5B).p66(), Vx, Wx, sse2),
    cvt<ToPackedInteger<F32, 4, true>>(cvttps2dq, at(0x0F5B).pF3(), Vx, Wx, sse2),
    cvt<ToPackedInteger<F64, 2, true>>(cvttpd2dq, at(0x0FE6).p66(), Vx, Wx, sse2),
    cvt<Convert<F64, i32, 2>>(cvtdq2pd, at(0x0FE6).pF3(), Vx, Wq, sse2),
    cvt<ToPackedInteger<F64, 2, false>>(cvtpd2dq, at(0x0FE6).pF2(), Vx, Wx, sse2),
};

} // namespace

std::span<const Row> convert_rows() { return rows; }

} // namespace glassbox::sse
