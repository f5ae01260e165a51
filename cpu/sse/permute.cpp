// What crosses 16-byte lanes in AVX and AVX2 (SDM 2): broadcasts, halves in and out, and permutations of YMM registers.
#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature avx = Feature::avx, avx2 = Feature::avx2;

using Elements32 = std::array<u32, 8>;
using Elements64 = std::array<u64, 4>;

// --- broadcasts
// ---------------------------------------------------------------------------------------------------------
template <Word T, class File> struct Broadcast {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            T element;
            if (!File::ready(cpu) || !fetch_low<T, Source>(cpu, op, element)) return false;
            const Xmm x = std::bit_cast<Xmm>(Lanes<T, Xm>{} + element);
            if constexpr (File::bytes == 32)
                File::set(cpu, op.reg, {{x, x}});
            else
                File::set(cpu, op.reg, x);
            return true;
        }
    };
};
template <class Ea> struct BroadcastHalf {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        Xmm x;
        if (!avx_ready(cpu) || !V128::source<Ea>(cpu, op, x)) return false;
        V256::set(cpu, op.reg, {{x, x}});
        return true;
    }
};

// --- halves
// -------------------------------------------------------------------------------------------------------------
template <class Source> struct InsertHalf {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        Xmm x;
        if (!avx_ready(cpu) || !V128::source<Source>(cpu, op, x)) return false;
        Ymm r = V256::first(cpu, op);
        r.part[Source::immediate(op) & 1] = x;
        V256::set(cpu, op.reg, r);
        return true;
    }
};
template <class Source> struct ExtractHalf {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!avx_ready(cpu)) return false;
        const Xmm x = V256::get(cpu, op.reg).part[Source::immediate(op) & 1];
        if constexpr (in_register<Source>) {
            V128::set(cpu, op.base, x);
            return true;
        } else {
            return put_vector<Alignment::free, Source>(cpu, op, x);
        }
    }
};
/// Each half is one of four, or zero.
template <class Source> struct PermuteHalves {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        Ymm b;
        if (!avx_ready(cpu) || !V256::source<Source>(cpu, op, b)) return false;
        const Ymm a = V256::first(cpu, op);
        const u64 imm = Source::immediate(op);
        const auto half = [&](u64 control) {
            if (control & 8) return Xmm{};
            return control & 2 ? b.part[control & 1] : a.part[control & 1];
        };
        V256::set(cpu, op.reg, {{half(imm), half(imm >> 4)}});
        return true;
    }
};

// --- elements
// -----------------------------------------------------------------------------------------------------------
template <class Source> struct PermuteDwords { // VPERMD, VPERMPS: the first source chooses among the second
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        Ymm b;
        if (!avx_ready(cpu) || !V256::source<Source>(cpu, op, b)) return false;
        const auto order = std::bit_cast<Elements32>(V256::first(cpu, op)), from = std::bit_cast<Elements32>(b);
        Elements32 r;
        for (unsigned i = 0; i < 8; ++i) r[i] = from[order[i] & 7];
        V256::set(cpu, op.reg, std::bit_cast<Ymm>(r));
        return true;
    }
};
template <class Source> struct PermuteQwords { // VPERMQ, VPERMPD
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        Ymm b;
        if (!avx_ready(cpu) || !V256::source<Source>(cpu, op, b)) return false;
        const u64 imm = Source::immediate(op);
        const auto from = std::bit_cast<Elements64>(b);
        Elements64 r;
        for (unsigned i = 0; i < 4; ++i) r[i] = from[imm >> (2 * i) & 3];
        V256::set(cpu, op.reg, std::bit_cast<Ymm>(r));
        return true;
    }
};

// --- rows -----------------------------------------------------------------------------------------------------------
/// From memory since `memory`, from a register since AVX2. 128 bits only where `narrow`.
template <Name name, class T, bool narrow = true>
consteval auto broadcast(u32 opcode, Arg memory, Feature memory_feature) {
    const At wide = at(opcode).p66().vex().w(0).l(1);
    const At small = at(opcode).p66().vex().w(0).l(0);
    const auto ymm = table(
        memory_row<Broadcast<T, V256>::template Body>(info_of<name>, wide, {Vx, memory}, memory_feature),
        register_row<typename Broadcast<T, V256>::template Body<InRegister>>(info_of<name>, wide, {Vx, Udq}, avx2));
    if constexpr (narrow)
        return table(ymm,
                     memory_row<Broadcast<T, V128>::template Body>(info_of<name>, small, {Vx, memory}, memory_feature),
                     register_row<typename Broadcast<T, V128>::template Body<InRegister>>(info_of<name>, small,
                                                                                          {Vx, Udq}, avx2));
    else
        return ymm;
}
consteval At ymm_at(u32 opcode, int w) { return at(opcode).p66().vex().l(1).w(w); }

constexpr auto rows =
    table(broadcast<"vbroadcastss", u32>(0x0F3818, Md, avx), broadcast<"vbroadcastsd", u64, false>(0x0F3819, Mq, avx),
          broadcast<"vpbroadcastb", u8>(0x0F3878, Mb, avx2), broadcast<"vpbroadcastw", u16>(0x0F3879, Mw, avx2),
          broadcast<"vpbroadcastd", u32>(0x0F3858, Md, avx2), broadcast<"vpbroadcastq", u64>(0x0F3859, Mq, avx2),
          memory_row<BroadcastHalf>(info_of<"vbroadcastf128">, ymm_at(0x0F381A, 0), {Vqq, Mdq}, avx),
          memory_row<BroadcastHalf>(info_of<"vbroadcasti128">, ymm_at(0x0F385A, 0), {Vqq, Mdq}, avx2),
          row<InsertHalf>(info_of<"vinsertf128">, ymm_at(0x0F3A18, 0), {Vqq, Hqq, Wdq, Ib}, avx),
          row<InsertHalf>(info_of<"vinserti128">, ymm_at(0x0F3A38, 0), {Vqq, Hqq, Wdq, Ib}, avx2),
          row<ExtractHalf>(info_of<"vextractf128">, ymm_at(0x0F3A19, 0), {Wdq, Vqq, Ib}, avx),
          row<ExtractHalf>(info_of<"vextracti128">, ymm_at(0x0F3A39, 0), {Wdq, Vqq, Ib}, avx2),
          row<PermuteHalves>(info_of<"vperm2f128">, ymm_at(0x0F3A06, 0), {Vqq, Hqq, Wqq, Ib}, avx),
          row<PermuteHalves>(info_of<"vperm2i128">, ymm_at(0x0F3A46, 0), {Vqq, Hqq, Wqq, Ib}, avx2),
          row<PermuteDwords>(info_of<"vpermps">, ymm_at(0x0F3816, 0), {Vqq, Hqq, Wqq}, avx2),
          row<PermuteDwords>(info_of<"vpermd">, ymm_at(0x0F3836, 0), {Vqq, Hqq, Wqq}, avx2),
          row<PermuteQwords>(info_of<"vpermq">, ymm_at(0x0F3A00, 1), {Vqq, Wqq, Ib}, avx2),
          row<PermuteQwords>(info_of<"vpermpd">, ymm_at(0x0F3A01, 1), {Vqq, Wqq, Ib}, avx2));

} // namespace

std::span<const Row> permute_rows() { return rows; }

} // namespace glassbox::sse
