// Blends, tests and widening moves of SSE4.1, AVX and AVX2 (SDM 2).
#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature sse41 = Feature::sse41, avx = Feature::avx, avx2 = Feature::avx2;

// --- by an immediate: a bit for each lane chooses the second source
// --------------------------------------------------------
template <class T, unsigned high_shift> struct Choose {
    static u8 for_high_lane(u8 imm) { return static_cast<u8>(imm >> high_shift); }
    template <class File> static Xmm apply(const Xmm& a, const Xmm& b, u8 imm) {
        auto x = lanes<T, Xm>(a);
        const auto y = lanes<T, Xm>(b);
        for (unsigned i = 0; i < lane_count<T, Xm>; ++i) x[i] = imm >> i & 1 ? y[i] : x[i];
        return std::bit_cast<Xmm>(x);
    }
};

// --- by a vector: the sign of each lane chooses
// ----------------------------------------------------------------------------
template <class T> Xmm chosen(const Xmm& a, const Xmm& b, const Xmm& mask) {
    const Lanes<T, Xm> second = Lanes<T, Xm>{} - (lanes<T, Xm>(mask) >> (bits_of<T> - 1));
    return std::bit_cast<Xmm>((lanes<T, Xm>(a) & ~second) | (lanes<T, Xm>(b) & second));
}
/// The mask is XMM0.
template <class T> struct ByXmm0 {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            Xmm b;
            if (!sse_ready(cpu) || !Xm::source<Source>(cpu, op, b)) return false;
            cpu.sse.xmm(op.reg) = chosen<T>(cpu.sse.xmm(op.reg), b, cpu.sse.xmm(0));
            return true;
        }
    };
};
/// The mask is the register in the immediate.
template <class T, class File> struct ByRegister {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            typename File::Value b;
            if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
            const typename File::Value a = File::first(cpu, op);
            const typename File::Value mask = File::get(cpu, register_in(cpu, Source::immediate(op)));
            if constexpr (File::bytes == 32)
                File::set(
                    cpu, op.reg,
                    {{chosen<T>(a.part[0], b.part[0], mask.part[0]), chosen<T>(a.part[1], b.part[1], mask.part[1])}});
            else
                File::set(cpu, op.reg, chosen<T>(a, b, mask));
            return true;
        }
    };
};

// --- PTEST, VTESTPS, VTESTPD: ZF when the bits that count have none in common, CF when the first source has all of
// them ----------------------------------------------------------------------------------------------------------------
template <u64 bits, class File> struct Test {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags& f) {
            typename File::Value b;
            if (!File::ready(cpu) || !File::template source<Source>(cpu, op, b)) return false;
            const typename File::Value a = File::get(cpu, op.reg);
            u64 common = 0, missing = 0;
            const auto gather = [&](const Xmm& x, const Xmm& y) {
                common |= (x.q[0] & y.q[0]) | (x.q[1] & y.q[1]);
                missing |= (~x.q[0] & y.q[0]) | (~x.q[1] & y.q[1]);
            };
            if constexpr (File::bytes == 32) {
                gather(a.part[0], b.part[0]);
                gather(a.part[1], b.part[1]);
            } else {
                gather(a, b);
            }
            f.load((common & bits ? 0 : eflags::ZF) | (missing & bits ? 0 : eflags::CF));
            return true;
        }
    };
};

// --- PMOVSX, PMOVZX
// ---------------------------------------------------------------------------------------------------
template <class From, class To, class File> struct Widen {
    template <class Source> struct Body {
        static constexpr unsigned count = File::bytes / sizeof(To), size = count * sizeof(From);
        static bool load_source(Cpu& cpu, const Op& op, Xmm& b) {
            if constexpr (size == 16) {
                return V128::source<Source>(cpu, op, b);
            } else {
                using Number = std::conditional_t<size == 8, u64, std::conditional_t<size == 4, u32, u16>>;
                Number low;
                if (!fetch_low<Number, Source>(cpu, op, low)) return false;
                b = {{low, 0}};
                return true;
            }
        }
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            Xmm b;
            if (!File::ready(cpu) || !load_source(cpu, op, b)) return false;
            const auto from = lanes<From, Xm>(b);
            std::array<To, count> to;
            for (unsigned i = 0; i < count; ++i) to[i] = static_cast<To>(from[i]);
            File::set(cpu, op.reg, std::bit_cast<typename File::Value>(to));
            return true;
        }
    };
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <Name legacy, Name vex, class T>
consteval auto blend_by_vector(u32 legacy_opcode, u32 vex_opcode, Feature wide) {
    const At place = at(vex_opcode).p66().vex().w(0);
    return table(row<ByXmm0<T>::template Body>(info_of<legacy>, at(legacy_opcode).p66(), {Vx, Wx}, sse41),
                 row<ByRegister<T, V128>::template Body>(info_of<vex>, place.l(0), {Vx, Hx, Wx, Lx}, avx),
                 row<ByRegister<T, V256>::template Body>(info_of<vex>, place.l(1), {Vx, Hx, Wx, Lx}, wide));
}
template <Name name, u64 bits> consteval auto test(At place) {
    return table(row<Test<bits, V128>::template Body>(vex_info<name, eflags::OSZAPC>, place.vex().l(0), {Vx, Wx}, avx),
                 row<Test<bits, V256>::template Body>(vex_info<name, eflags::OSZAPC>, place.vex().l(1), {Vx, Wx}, avx));
}
template <Name name, class From, class To> consteval auto widen(u32 opcode) {
    constexpr Arg source = sizeof(To) / sizeof(From) == 2 ? Wh : sizeof(To) / sizeof(From) == 4 ? Wo : We;
    const At place = at(opcode).p66();
    return table(row<Widen<From, To, Xm>::template Body>(info_of<name>, place, {Vx, source}, sse41),
                 row<Widen<From, To, V128>::template Body>(vex_info<name>, place.vex().l(0), {Vx, source}, avx),
                 row<Widen<From, To, V256>::template Body>(vex_info<name>, place.vex().l(1), {Vx, source}, avx2));
}
constexpr u64 all_bits = ~u64{0}, signs32 = 0x8000'0000'8000'0000, signs64 = 0x8000'0000'0000'0000;

constexpr auto rows = table(
    vector_imm<"pblendw", Choose<u16, 0>>(at(0x0F3A0E).p66(), sse41),
    vector_imm<"blendps", Choose<u32, 4>>(at(0x0F3A0C).p66(), sse41, avx),
    vector_imm<"blendpd", Choose<u64, 2>>(at(0x0F3A0D).p66(), sse41, avx),
    vex_vector_imm<"vpblendd", Choose<u32, 4>>(at(0x0F3A02).p66().w(0), avx2),
    blend_by_vector<"pblendvb", "vpblendvb", u8>(0x0F3810, 0x0F3A4C, avx2),
    blend_by_vector<"blendvps", "vblendvps", u32>(0x0F3814, 0x0F3A4A, avx),
    blend_by_vector<"blendvpd", "vblendvpd", u64>(0x0F3815, 0x0F3A4B, avx),

    row<Test<all_bits, Xm>::Body>(info_of<"ptest", eflags::OSZAPC>, at(0x0F3817).p66(), {Vx, Wx}, sse41),
    test<"ptest", all_bits>(at(0x0F3817).p66()), test<"testps", signs32>(at(0x0F380E).p66().w(0)),
    test<"testpd", signs64>(at(0x0F380F).p66().w(0)),

    widen<"pmovsxbw", i8, i16>(0x0F3820), widen<"pmovsxbd", i8, i32>(0x0F3821), widen<"pmovsxbq", i8, i64>(0x0F3822),
    widen<"pmovsxwd", i16, i32>(0x0F3823), widen<"pmovsxwq", i16, i64>(0x0F3824), widen<"pmovsxdq", i32, i64>(0x0F3825),
    widen<"pmovzxbw", u8, u16>(0x0F3830), widen<"pmovzxbd", u8, u32>(0x0F3831), widen<"pmovzxbq", u8, u64>(0x0F3832),
    widen<"pmovzxwd", u16, u32>(0x0F3833), widen<"pmovzxwq", u16, u64>(0x0F3834),
    widen<"pmovzxdq", u32, u64>(0x0F3835));

} // namespace

std::span<const Row> blend_rows() { return rows; }

} // namespace glassbox::sse
