// Memory operands of the x87: single, double, 16- and 32-bit integer. An ordinary number widens to F80 exactly and
// takes the one copy of each operation for registers; denormals, NaN and the like keep their own format, whose
// exceptions differ.
#pragma once

#include "cpu/fpu/exec.hpp"
#include "cpu/fpu/softfloat/convert.hpp"

namespace glassbox::x87 {

struct Single {
    using Bits = u32;
    using Value = F32;
    static constexpr Arg arg = Arg::Md;
};
struct Double {
    using Bits = u64;
    using Value = F64;
    static constexpr Arg arg = Arg::Mq;
};
struct Short {
    using Bits = u16;
    using Integer = i16;
    static constexpr Arg arg = Arg::Mw;
};
struct Long {
    using Bits = u32;
    using Integer = i32;
    static constexpr Arg arg = Arg::Md;
};
struct Quad {
    using Bits = u64;
    using Integer = i64;
    static constexpr Arg arg = Arg::Mq;
};
template <class M> inline constexpr bool is_integer = requires { typename M::Integer; };

template <class M, class Ea> inline bool fetch(Cpu& cpu, const Op& op, typename M::Bits& bits) {
    u64 linear = 0;
    return Ea::read(cpu, op, sizeof bits, linear) && load<typename M::Bits>(cpu, op, linear, bits);
}

/// Calls `ordinary(F80)` or, for a floating-point operand that is no ordinary number, `odd(F32 or F64)`.
template <class M, class Ordinary, class Odd>
inline auto with_operand(typename M::Bits bits, Ordinary&& ordinary, Odd&& odd) {
    if constexpr (is_integer<M>) {
        return ordinary(softfloat::extended_from_integer(static_cast<typename M::Integer>(bits)));
    } else {
        const typename M::Value value{bits};
        if (!softfloat::plain(value)) [[unlikely]]
            return odd(value);
        const softfloat::Unpacked u = softfloat::unpack_plain(value);
        return ordinary(softfloat::pack<F80>(u.sign, u.exponent + F80::bias, u.significand));
    }
}

} // namespace glassbox::x87
