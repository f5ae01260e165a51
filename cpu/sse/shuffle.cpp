// Packs, interleaves, shuffles, and words in and out (SDM 2), for integers on MMX and XMM registers and for the packed
// floats whose bits they move.
#include "cpu/sse/exec.hpp"

#include <algorithm>
#include <limits>

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature mmx = Feature::mmx, sse1 = Feature::sse, sse2 = Feature::sse2;

// --- PACKSSWB, PACKSSDW, PACKUSWB
// ---------------------------------------------------------------------------------------
template <class From, class To> struct Pack {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<From, File>(a), y = lanes<From, File>(b);
        Lanes<To, File> r;
        const auto narrow = [](From v) {
            return static_cast<To>(std::clamp<i32>(v, std::numeric_limits<To>::min(), std::numeric_limits<To>::max()));
        };
        for (unsigned i = 0; i < lane_count<From, File>; ++i) {
            r[i] = narrow(x[i]);
            r[lane_count<From, File> + i] = narrow(y[i]);
        }
        return std::bit_cast<typename File::Value>(r);
    }
};

// --- PUNPCKL*, PUNPCKH*, UNPCKL*, UNPCKH*
// -------------------------------------------------------------------------------
template <class T, bool high> struct Interleave {
    template <class File>
    static typename File::Value apply(const typename File::Value& a, const typename File::Value& b) {
        const auto x = lanes<T, File>(a), y = lanes<T, File>(b);
        Lanes<T, File> r;
        constexpr unsigned half = lane_count<T, File> / 2, first = high ? half : 0;
        for (unsigned i = 0; i < half; ++i) {
            r[2 * i] = x[first + i];
            r[2 * i + 1] = y[first + i];
        }
        return std::bit_cast<typename File::Value>(r);
    }
};
/// PUNPCKL* on MMX registers reads only 32 bits of memory.
template <class T> struct InterleaveLowMm {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            u32 low;
            if (!mmx_ready(cpu)) return false;
            if constexpr (in_register<Source>)
                low = static_cast<u32>(Mm::get(cpu, op.base));
            else if (!fetch<u32, Source>(cpu, op, low))
                return false;
            Mm::set(cpu, op.reg, Interleave<T, false>::template apply<Mm>(Mm::get(cpu, op.reg), low));
            return true;
        }
    };
};

// --- PSHUFW, PSHUFD, PSHUFLW, PSHUFHW, SHUFPS, SHUFPD
// ---------------------------------------------------------------------
/// Four lanes of type T from `first` on are chosen by two bits each; the others are copied.
template <class T, unsigned first = 0> struct Shuffle {
    template <class File>
    static typename File::Value apply(const typename File::Value&, const typename File::Value& b, u8 order) {
        const auto from = lanes<T, File>(b);
        auto r = from;
        for (unsigned i = 0; i < 4; ++i) r[first + i] = from[first + (order >> (2 * i) & 3u)];
        return std::bit_cast<typename File::Value>(r);
    }
};
struct Shufps {
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b, u8 order) {
        const auto x = lanes<u32, Xm>(a), y = lanes<u32, Xm>(b);
        return std::bit_cast<Xmm>(
            Lanes<u32, Xm>{x[order & 3u], x[order >> 2 & 3u], y[order >> 4 & 3u], y[order >> 6 & 3u]});
    }
};
struct Shufpd {
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b, u8 order) {
        return {{a.q[order & 1u], b.q[order >> 1 & 1u]}};
    }
};

// --- PINSRW, PEXTRW
// -----------------------------------------------------------------------------------------------------
template <class File> struct InsertWord {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            u16 word;
            if (!File::ready(cpu)) return false;
            if constexpr (in_register<Source>)
                word = static_cast<u16>(cpu.gpr[op.base]);
            else if (!fetch<u16, Source>(cpu, op, word))
                return false;
            auto v = lanes<u16, File>(File::get(cpu, op.reg));
            v[Source::immediate(op) % lane_count<u16, File>] = word;
            File::set(cpu, op.reg, std::bit_cast<typename File::Value>(v));
            return true;
        }
    };
};
template <class File> struct ExtractWord {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!File::ready(cpu)) return false;
        const auto v = lanes<u16, File>(File::get(cpu, op.base));
        cpu.gpr[op.reg] = v[op.imm % lane_count<u16, File>];
        File::touch(cpu);
        return true;
    }
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <class S> consteval Row mm(const OpInfo& info, u32 opcode) {
    return row<Combine<S, Mm>::template Body>(info, at(opcode).np(), {Pq, Qq}, mmx);
}
template <class T> consteval Row mm_low(const OpInfo& info, u32 opcode) {
    return row<InterleaveLowMm<T>::template Body>(info, at(opcode).np(), {Pq, Qd}, mmx);
}
template <class S> consteval Row xm(const OpInfo& info, u32 opcode) {
    return row<Combine<S, Xm>::template Body>(info, at(opcode).p66(), {Vx, Wx}, sse2);
}
template <class S> consteval Row ps(const OpInfo& info, u32 opcode) {
    return row<Combine<S, Xm>::template Body>(info, at(opcode).np(), {Vx, Wx}, sse1);
}
template <class S> consteval Row shuffle(const OpInfo& info, At at, Feature feature) {
    return row<CombineImm<S, Xm>::template Body>(info, at, {Vx, Wx, Ib}, feature);
}

constexpr OpInfo unpcklps{"unpcklps"}, unpcklpd{"unpcklpd"}, unpckhps{"unpckhps"}, unpckhpd{"unpckhpd"},
    punpcklbw{"punpcklbw"}, punpcklwd{"punpcklwd"}, punpckldq{"punpckldq"}, punpcklqdq{"punpcklqdq"},
    punpckhbw{"punpckhbw"}, punpckhwd{"punpckhwd"}, punpckhdq{"punpckhdq"}, punpckhqdq{"punpckhqdq"},
    packsswb{"packsswb"}, packuswb{"packuswb"}, packssdw{"packssdw"}, pshufw{"pshufw"}, pshufd{"pshufd"},
    pshuflw{"pshuflw"}, pshufhw{"pshufhw"}, shufps{"shufps"}, shufpd{"shufpd"}, pinsrw{"pinsrw"}, pextrw{"pextrw"};

constexpr std::array rows = {
    ps<Interleave<u32, false>>(unpcklps, 0x0F14),
    xm<Interleave<u64, false>>(unpcklpd, 0x0F14),
    ps<Interleave<u32, true>>(unpckhps, 0x0F15),
    xm<Interleave<u64, true>>(unpckhpd, 0x0F15),

    mm_low<u8>(punpcklbw, 0x0F60),
    xm<Interleave<u8, false>>(punpcklbw, 0x0F60),
    mm_low<u16>(punpcklwd, 0x0F61),
    xm<Interleave<u16, false>>(punpcklwd, 0x0F61),
    mm_low<u32>(punpckldq, 0x0F62),
    xm<Interleave<u32, false>>(punpckldq, 0x0F62),
    mm<Interleave<u8, true>>(punpckhbw, 0x0F68),
    xm<Interleave<u8, true>>(punpckhbw, 0x0F68),
    mm<Interleave<u16, true>>(punpckhwd, 0x0F69),
    xm<Interleave<u16, true>>(punpckhwd, 0x0F69),
    mm<Interleave<u32, true>>(punpckhdq, 0x0F6A),
    xm<Interleave<u32, true>>(punpckhdq, 0x0F6A),
    xm<Interleave<u64, false>>(punpcklqdq, 0x0F6C),
    xm<Interleave<u64, true>>(punpckhqdq, 0x0F6D),

    mm<Pack<i16, i8>>(packsswb, 0x0F63),
    xm<Pack<i16, i8>>(packsswb, 0x0F63),
    mm<Pack<i16, u8>>(packuswb, 0x0F67),
    xm<Pack<i16, u8>>(packuswb, 0x0F67),
    mm<Pack<i32, i16>>(packssdw, 0x0F6B),
    xm<Pack<i32, i16>>(packssdw, 0x0F6B),

    row<CombineImm<Shuffle<u16>, Mm>::Body>(pshufw, at(0x0F70).np(), {Pq, Qq, Ib}, sse1),
    shuffle<Shuffle<u32>>(pshufd, at(0x0F70).p66(), sse2),
    shuffle<Shuffle<u16, 4>>(pshufhw, at(0x0F70).pF3(), sse2),
    shuffle<Shuffle<u16, 0>>(pshuflw, at(0x0F70).pF2(), sse2),
    shuffle<Shufps>(shufps, at(0x0FC6).np(), sse1),
    shuffle<Shufpd>(shufpd, at(0x0FC6).p66(), sse2),

    row<InsertWord<Mm>::Body>(pinsrw, at(0x0FC4).np().reg(), {Pq, Ed, Ib}, sse1),
    row<InsertWord<Mm>::Body>(pinsrw, at(0x0FC4).np().mem(), {Pq, Mw, Ib}, sse1),
    row<InsertWord<Xm>::Body>(pinsrw, at(0x0FC4).p66().reg(), {Vx, Ed, Ib}, sse2),
    row<InsertWord<Xm>::Body>(pinsrw, at(0x0FC4).p66().mem(), {Vx, Mw, Ib}, sse2),
    register_row<ExtractWord<Mm>>(pextrw, at(0x0FC5).np(), {Gd, Nq, Ib}, sse1),
    register_row<ExtractWord<Xm>>(pextrw, at(0x0FC5).p66(), {Gd, Ux, Ib}, sse2),
};

} // namespace

std::span<const Row> shuffle_rows() { return rows; }

} // namespace glassbox::sse
