// What the bit-manipulation instructions compute (SDM 2), apart from how their operands are found. Flags that the
// manual leaves undefined come out as from a logical instruction: PF from the result, AF clear.
#pragma once

#include "cpu/decode/row.hpp"
#include "cpu/flags.hpp"

#include <bit>

namespace glassbox::bmi {

using namespace eflags;

inline constexpr u32 undefined_af_pf = AF | PF;

// --- of the form  destination = f(source), destination and source ModRM.reg and r/m
// -----------------------------------
struct Popcnt {
    static constexpr OpInfo info{"popcnt", OSZAPC};
    template <Word T> static T apply(Flags& f, T, T b) {
        const T r = static_cast<T>(std::popcount(b));
        f.result = b == 0 ? u64{1} << 62 : 1; // ZF and nothing else, or nothing: cpu/flags.hpp
        f.carries = 0;
        return r;
    }
};
struct Lzcnt {
    static constexpr OpInfo info{"lzcnt", CF | ZF, OSZAPC & ~(CF | ZF)};
    template <Word T> static T apply(Flags& f, T, T b) {
        const T r = static_cast<T>(std::countl_zero(b));
        f.logic<T>(r);
        f.set_cf(b == 0);
        return r;
    }
};
struct Tzcnt {
    static constexpr OpInfo info{"tzcnt", CF | ZF, OSZAPC & ~(CF | ZF)};
    template <Word T> static T apply(Flags& f, T, T b) {
        const T r = static_cast<T>(std::countr_zero(b));
        f.logic<T>(r);
        f.set_cf(b == 0);
        return r;
    }
};

// --- of the form  destination = f(r/m, register of vvvv)
// -----------------------------------------------------------------
struct Andn {
    static constexpr OpInfo info{"andn", OSZAPC & ~undefined_af_pf, undefined_af_pf};
    template <Word T> static T apply(Flags& f, T rm, T other) {
        const T r = static_cast<T>(~other & rm);
        f.logic<T>(r);
        return r;
    }
};
struct Bextr {
    static constexpr OpInfo info{"bextr", CF | ZF | OF, SF | AF | PF};
    template <Word T> static T apply(Flags& f, T rm, T control) {
        const unsigned start = control & 0xFF, length = (control >> 8) & 0xFF;
        T r = start < bits_of<T> ? static_cast<T>(rm >> start) : T{0};
        if (length < bits_of<T>) r &= static_cast<T>((T{1} << length) - 1);
        f.logic<T>(r);
        return r;
    }
};
struct Bzhi {
    static constexpr OpInfo info{"bzhi", OSZAPC & ~undefined_af_pf, undefined_af_pf};
    template <Word T> static T apply(Flags& f, T rm, T index) {
        const unsigned n = index & 0xFF;
        const T r = n < bits_of<T> ? static_cast<T>(rm & ((T{1} << n) - 1)) : rm;
        f.logic<T>(r);
        f.set_cf(n >= bits_of<T>);
        return r;
    }
};
struct Pdep {
    static constexpr OpInfo info{"pdep"};
    template <Word T> static T apply(Flags&, T mask, T value) {
        T r = 0;
        for (; mask != 0 && value != 0; value = static_cast<T>(value >> 1), mask &= static_cast<T>(mask - 1)) {
            if (value & 1) r |= static_cast<T>(mask & (T{0} - mask));
        }
        return r;
    }
};
struct Pext {
    static constexpr OpInfo info{"pext"};
    template <Word T> static T apply(Flags&, T mask, T value) {
        T r = 0;
        for (unsigned to = 0; mask != 0; ++to, mask &= static_cast<T>(mask - 1)) {
            if (value & mask & (T{0} - mask)) r |= static_cast<T>(T{1} << to);
        }
        return r;
    }
};
struct Sarx {
    static constexpr OpInfo info{"sarx"};
    template <Word T> static T apply(Flags&, T rm, T count) {
        return static_cast<T>(static_cast<Signed<T>>(rm) >> (count & (bits_of<T> - 1)));
    }
};
struct Shlx {
    static constexpr OpInfo info{"shlx"};
    template <Word T> static T apply(Flags&, T rm, T count) { return static_cast<T>(rm << (count & (bits_of<T> - 1))); }
};
struct Shrx {
    static constexpr OpInfo info{"shrx"};
    template <Word T> static T apply(Flags&, T rm, T count) { return static_cast<T>(rm >> (count & (bits_of<T> - 1))); }
};
struct Rorx {
    static constexpr OpInfo info{"rorx"};
    template <Word T> static T apply(Flags&, T rm, T count) {
        return std::rotr(rm, static_cast<int>(count & (bits_of<T> - 1)));
    }
};

// --- of the form  register of vvvv = f(r/m)
// ----------------------------------------------------------------------------
struct Blsi {
    static constexpr OpInfo info{"blsi", OSZAPC & ~undefined_af_pf, undefined_af_pf};
    template <Word T> static T apply(Flags& f, T rm) {
        const T r = static_cast<T>((T{0} - rm) & rm);
        f.logic<T>(r);
        f.set_cf(rm != 0);
        return r;
    }
};
struct Blsmsk {
    static constexpr OpInfo info{"blsmsk", OSZAPC & ~undefined_af_pf, undefined_af_pf};
    template <Word T> static T apply(Flags& f, T rm) {
        const T r = static_cast<T>((rm - 1) ^ rm);
        f.logic<T>(r);
        f.set_cf(rm == 0);
        return r;
    }
};
struct Blsr {
    static constexpr OpInfo info{"blsr", OSZAPC & ~undefined_af_pf, undefined_af_pf};
    template <Word T> static T apply(Flags& f, T rm) {
        const T r = static_cast<T>((rm - 1) & rm);
        f.logic<T>(r);
        f.set_cf(rm == 0);
        return r;
    }
};

// --- ADX: the destination is read too
// ------------------------------------------------------------------------------------
struct Adcx {
    static constexpr OpInfo info{"adcx", CF, 0, CF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = static_cast<T>(a + b + (f.cf() ? 1u : 0u));
        f.set_cf(sign_of(static_cast<T>((a & b) | ((a | b) & ~r))));
        return r;
    }
};
struct Adox {
    static constexpr OpInfo info{"adox", OF, 0, OF};
    template <Word T> static T apply(Flags& f, T a, T b) {
        const T r = static_cast<T>(a + b + (f.of() ? 1u : 0u));
        f.set_cf_of_af(f.cf(), sign_of(static_cast<T>((a & b) | ((a | b) & ~r))), f.af());
        return r;
    }
};

/// CRC-32C, polynomial 11EDC6F41h, bits reflected (SDM 2, CRC32), without the customary inversions.
u32 crc32c(u32 crc, u64 value, unsigned bytes);

} // namespace glassbox::bmi
