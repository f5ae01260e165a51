// Semantics of the classic arithmetic and logic instructions, shared by their handlers and by the fused ones.
#pragma once

#include "cpu/decode/row.hpp"
#include "cpu/flags.hpp"

namespace glassbox {

struct Add {
    static constexpr OpInfo info{"add", eflags::OSZAPC};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = static_cast<T>(a + b);
        f.add<T>(a, b, r);
        return r;
    }
};
struct Adc {
    static constexpr OpInfo info{"adc", eflags::OSZAPC, 0, eflags::CF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = static_cast<T>(a + b + f.cf());
        f.add<T>(a, b, r);
        return r;
    }
};
struct Sub {
    static constexpr OpInfo info{"sub", eflags::OSZAPC};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = static_cast<T>(a - b);
        f.sub<T>(a, b, r);
        return r;
    }
};
struct Sbb {
    static constexpr OpInfo info{"sbb", eflags::OSZAPC, 0, eflags::CF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = static_cast<T>(a - b - f.cf());
        f.sub<T>(a, b, r);
        return r;
    }
};
struct Cmp {
    static constexpr OpInfo info{"cmp", eflags::OSZAPC};
    static constexpr bool compare_only = true;
    template <Word T> static T apply(Flags& f, T a, T b) { return Sub::apply<T>(f, a, b); }
};
struct And {
    static constexpr OpInfo info{"and", eflags::OSZAPC & ~eflags::AF, eflags::AF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = a & b;
        f.logic<T>(r);
        return r;
    }
};
struct Or {
    static constexpr OpInfo info{"or", eflags::OSZAPC & ~eflags::AF, eflags::AF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = a | b;
        f.logic<T>(r);
        return r;
    }
};
struct Xor {
    static constexpr OpInfo info{"xor", eflags::OSZAPC & ~eflags::AF, eflags::AF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = a ^ b;
        f.logic<T>(r);
        return r;
    }
};
struct Test {
    static constexpr OpInfo info{"test", eflags::OSZAPC & ~eflags::AF, eflags::AF};
    static constexpr bool compare_only = true;
    template <Word T> static T apply(Flags& f, T a, T b) { return And::apply<T>(f, a, b); }
};
struct Inc {
    static constexpr OpInfo info{"inc", eflags::OSZAP};
    template <Word T> static T apply(Flags& f, T a) {
        const T r = static_cast<T>(a + 1);
        const bool carry = f.cf();
        f.set_result<T>(r);
        f.set_cf_of_af(carry, r == static_cast<T>(T{1} << (bits_of<T> - 1)), (r & 15) == 0);
        return r;
    }
};
struct Dec {
    static constexpr OpInfo info{"dec", eflags::OSZAP};
    template <Word T> static T apply(Flags& f, T a) {
        const T r = static_cast<T>(a - 1);
        const bool carry = f.cf();
        f.set_result<T>(r);
        f.set_cf_of_af(carry, a == static_cast<T>(T{1} << (bits_of<T> - 1)), (a & 15) == 0);
        return r;
    }
};
} // namespace glassbox
