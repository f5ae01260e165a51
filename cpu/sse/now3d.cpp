// 3DNow! and its extensions on MMX registers (APM 5): the rows. The opcode is the byte behind the operands.
#include "cpu/sse/now3d.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/sse/exec.hpp"

namespace glassbox {

namespace {

using namespace sse;
using enum Arg;

u32 low(u64 a) { return static_cast<u32>(a); }
u32 high(u64 a) { return static_cast<u32>(a >> 32); }
u64 pair(u32 l, u32 h) { return l | u64{h} << 32; }

/// A function of two numbers on both halves.
template <auto function> struct Both {
    template <class File> static u64 apply(u64 a, u64 b) {
        return pair(function(low(a), low(b)), function(high(a), high(b)));
    }
};
template <auto condition> struct Compare {
    template <class File> static u64 apply(u64 a, u64 b) {
        const auto mask = [](bool held) { return held ? ~u32{0} : 0; };
        return pair(mask(condition(low(a), low(b))), mask(condition(high(a), high(b))));
    }
};
/// A function of the source's halves, or of its lower half, which both halves of the result then have.
template <auto function> struct BothOfSource {
    template <class File> static u64 apply(u64, u64 b) { return pair(function(low(b)), function(high(b))); }
};
template <auto function> struct LowOfSource {
    template <class File> static u64 apply(u64, u64 b) { return pair(function(low(b)), function(low(b))); }
};
/// The halves of one operand with each other: the destination's give the lower half, the source's the upper one.
template <auto of_first, auto of_second> struct Across {
    template <class File> static u64 apply(u64 a, u64 b) {
        return pair(of_first(low(a), high(a)), of_second(low(b), high(b)));
    }
};

u32 subtract_reversed(u32 a, u32 b) { return now3d::subtract(b, a); }
u32 to_doubleword(u32 b) { return now3d::to_integer(b, 32); }
u32 to_word(u32 b) { return now3d::to_integer(b, 16); }
u32 from_doubleword(u32 b) { return now3d::from_integer(b); }
u32 from_word(u32 b) { return now3d::from_integer(static_cast<u32>(static_cast<i16>(b))); }

struct Pswapd {
    template <class File> static u64 apply(u64, u64 b) { return pair(high(b), low(b)); }
};
struct Pavgusb {
    template <class File> static u64 apply(u64 a, u64 b) {
        const auto x = lanes<u8, Mm>(a), y = lanes<u8, Mm>(b);
        return std::bit_cast<u64>((x | y) - ((x ^ y) >> 1));
    }
};
struct Pmulhrw { // the upper halves of the products, rounded
    template <class File> static u64 apply(u64 a, u64 b) {
        u64 r = 0;
        for (unsigned i = 0; i < 64; i += 16) {
            const i32 product = static_cast<i16>(a >> i) * static_cast<i16>(b >> i);
            r |= u64{static_cast<u16>((product + 0x8000) >> 16)} << i;
        }
        return r;
    }
};
struct Femms {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if (!mmx_ready(cpu)) return false;
        cpu.fpu.emms();
        return true;
    }
};
Handler select_femms(const Insn&, Op&) { return &handler<Femms>; }

template <Name name, class S> consteval Row now(u32 suffix, Feature feature = Feature::now3d) {
    return row<Combine<S, Mm>::template Body>(info_of<name>, at(0x0F'0F00 | suffix), {Pq, Qq}, feature);
}

constexpr Feature ext = Feature::now3d_ext;

constexpr std::array rows = {
    now<"pi2fw", BothOfSource<from_word>>(0x0C, ext),
    now<"pi2fd", BothOfSource<from_doubleword>>(0x0D),
    now<"pf2iw", BothOfSource<to_word>>(0x1C, ext),
    now<"pf2id", BothOfSource<to_doubleword>>(0x1D),
    now<"pfnacc", Across<now3d::subtract, now3d::subtract>>(0x8A, ext),
    now<"pfpnacc", Across<now3d::subtract, now3d::add>>(0x8E, ext),
    now<"pfcmpge", Compare<now3d::greater_or_equal>>(0x90),
    now<"pfmin", Both<now3d::minimum>>(0x94),
    now<"pfrcp", LowOfSource<now3d::reciprocal>>(0x96),
    now<"pfrsqrt", LowOfSource<now3d::reciprocal_root>>(0x97),
    now<"pfsub", Both<now3d::subtract>>(0x9A),
    now<"pfadd", Both<now3d::add>>(0x9E),
    now<"pfcmpgt", Compare<now3d::greater>>(0xA0),
    now<"pfmax", Both<now3d::maximum>>(0xA4),
    now<"pfrcpit1", Both<now3d::reciprocal_step>>(0xA6),
    now<"pfrsqit1", Both<now3d::root_step>>(0xA7),
    now<"pfsubr", Both<subtract_reversed>>(0xAA),
    now<"pfacc", Across<now3d::add, now3d::add>>(0xAE),
    now<"pfcmpeq", Compare<now3d::equal>>(0xB0),
    now<"pfmul", Both<now3d::multiply>>(0xB4),
    now<"pfrcpit2", Both<now3d::multiply>>(0xB6),
    now<"pmulhrw", Pmulhrw>(0xB7),
    now<"pswapd", Pswapd>(0xBB, ext),
    now<"pavgusb", Pavgusb>(0xBF),
    row_of(info_of<"femms">, at(0x0F0E), {}, &select_femms, Feature::now3d), // no ModRM
};

} // namespace

std::span<const Row> families::now3d() { return rows; }

} // namespace glassbox
