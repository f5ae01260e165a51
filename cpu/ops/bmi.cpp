// POPCNT, LZCNT, TZCNT, BMI1, BMI2, ADX, MOVBE and CRC32 (SDM 2). A model without LZCNT or TZCNT takes their F3 for
// nothing and finds BSR and BSF (cpu/ops/bit.cpp).
#include "cpu/ops/bmi.hpp"

#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"

#include <array>

namespace glassbox {

namespace bmi {

namespace {
constexpr std::array<u32, 256> crc_table = [] {
    std::array<u32, 256> table{};
    for (u32 i = 0; i < 256; ++i) {
        u32 r = i;
        for (unsigned bit = 0; bit < 8; ++bit) r = (r >> 1) ^ ((r & 1) != 0 ? 0x82F6'3B78 : 0); // reflected polynomial
        table[i] = r;
    }
    return table;
}();
} // namespace

u32 crc32c(u32 crc, u64 value, unsigned bytes) {
    for (; bytes != 0; --bytes, value >>= 8) crc = (crc >> 8) ^ crc_table[(crc ^ value) & 0xFF];
    return crc;
}

} // namespace bmi

namespace {

using namespace bmi;
using enum Arg;

struct InGpr {};

/// The r/m operand: a register, or memory of kind `Source`.
template <Word T, class Source> inline bool rm_value(Cpu& cpu, const auto& op, T& value) {
    if constexpr (std::is_same_v<Source, InGpr>) {
        value = cpu.reg<T>(op.base);
        return true;
    } else {
        u64 linear = 0;
        return Source::read(cpu, op, sizeof(T), linear) && load<T>(cpu, op, linear, value);
    }
}
template <class Source> inline u64 immediate_beside(const auto& op) {
    if constexpr (std::is_same_v<Source, InGpr>)
        return op.imm;
    else
        return Source::immediate(op);
}

/// Calls `pick.template operator()<Source>()`.
template <class F> Handler with_source(const Insn& insn, Op& op, F&& pick) {
    if (insn.mem) return with_address(insn, pick);
    op.base = static_cast<u8>(8 * insn.rm_number());
    return pick.template operator()<InGpr>();
}

/// Here Op::reg is the destination, and Op::imm2 the other register; both byte offsets.
template <class S, Word T, class Source> struct ThreeOperand {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        T rm{};
        if (!rm_value<T, Source>(cpu, op, rm)) return false;
        cpu.set_reg<T>(op.reg, S::template apply<T>(f, rm, cpu.reg<T>(op.imm2)));
        return true;
    }
};
template <class S, Word T, class Source> struct WithCount {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        T rm{};
        if (!rm_value<T, Source>(cpu, op, rm)) return false;
        cpu.set_reg<T>(op.reg, S::template apply<T>(f, rm, static_cast<T>(immediate_beside<Source>(op))));
        return true;
    }
};
template <class S, Word T, class Source> struct OneSource {
    static bool run(Cpu& cpu, const auto& op, Flags& f) {
        T rm{};
        if (!rm_value<T, Source>(cpu, op, rm)) return false;
        cpu.set_reg<T>(op.reg, S::template apply<T>(f, rm));
        return true;
    }
};
/// Where both destinations are the same register the high half stays.
template <Word T, class Source> struct MulxBody {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        T rm{};
        if (!rm_value<T, Source>(cpu, op, rm)) return false;
        __extension__ using Wide = unsigned __int128;
        const Wide product = static_cast<Wide>(cpu.reg<T>(8 * RDX)) * rm;
        cpu.set_reg<T>(op.imm2, static_cast<T>(product));
        cpu.set_reg<T>(op.reg, static_cast<T>(product >> bits_of<T>));
        return true;
    }
};

template <class S> Handler select_three(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(8 * insn.reg_number());
    op.imm2 = 8u * insn.vvvv;
    return with_dword(insn.operand[0].width, [&]<Word T>() -> Handler {
        return with_source(insn, op, []<class Source>() -> Handler { return &handler<ThreeOperand<S, T, Source>>; });
    });
}
template <class S> Handler select_one(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(8 * insn.vvvv);
    return with_dword(insn.operand[0].width, [&]<Word T>() -> Handler {
        return with_source(insn, op, []<class Source>() -> Handler { return &handler<OneSource<S, T, Source>>; });
    });
}
Handler select_mulx(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(8 * insn.reg_number());
    op.imm2 = 8u * insn.vvvv;
    return with_dword(insn.operand[0].width, [&]<Word T>() -> Handler {
        return with_source(insn, op, []<class Source>() -> Handler { return &handler<MulxBody<T, Source>>; });
    });
}
Handler select_rorx(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(8 * insn.reg_number());
    return with_dword(insn.operand[0].width, [&]<Word T>() -> Handler {
        return with_source(insn, op, []<class Source>() -> Handler { return &handler<WithCount<Rorx, T, Source>>; });
    });
}

// --- MOVBE ----------------------------------------------------------------------------------------------------------
constexpr OpInfo movbe_info{"movbe"}, crc32_info{"crc32"}, mulx_info{"mulx"};

template <Word T> T swapped(T value) {
    if constexpr (sizeof(T) == 2)
        return __builtin_bswap16(value);
    else if constexpr (sizeof(T) == 4)
        return __builtin_bswap32(value);
    else
        return __builtin_bswap64(value);
}
template <Word T, class Ea> struct MovbeLoad {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        u64 linear = 0;
        T value{};
        if (!Ea::read(cpu, op, sizeof(T), linear) || !load<T>(cpu, op, linear, value)) return false;
        cpu.set_reg<T>(op.reg, swapped<T>(value));
        return true;
    }
};
template <Word T, class Ea> struct MovbeStore {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        u64 linear = 0;
        return Ea::write(cpu, op, sizeof(T), linear) && store<T>(cpu, op, linear, swapped<T>(cpu.reg<T>(op.reg)));
    }
};
template <bool store> Handler select_movbe(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(8 * insn.reg_number());
    return with_wide(insn.opsize, [&]<Word T>() -> Handler {
        return with_address(insn, []<class Ea>() -> Handler {
            if constexpr (store)
                return &handler<MovbeStore<T, Ea>>;
            else
                return &handler<MovbeLoad<T, Ea>>;
        });
    });
}

// --- CRC32 ----------------------------------------------------------------------------------------------------------
/// The upper half of a 64-bit destination becomes zero, as that of a 32-bit one does.
template <Word T, class Source> struct Crc32Body {
    static bool run(Cpu& cpu, const auto& op, Flags&) {
        T value{};
        if (!rm_value<T, Source>(cpu, op, value)) return false;
        cpu.set_reg<u32>(op.reg, crc32c(cpu.reg<u32>(op.reg), value, sizeof(T)));
        return true;
    }
};
Handler select_crc32(const Insn& insn, Op& op) {
    op.reg = insn.operand[0].number;
    return with_width(insn.operand[1].width, [&]<Word T>() -> Handler {
        if (insn.mem) return with_address(insn, []<class Ea>() -> Handler { return &handler<Crc32Body<T, Ea>>; });
        op.base = insn.operand[1].number;
        return &handler<Crc32Body<T, InGpr>>;
    });
}

// --- rows -----------------------------------------------------------------------------------------------------------
/// The order of the operands in the manual differs: ANDN, PDEP and PEXT have vvvv second, the others last.
template <class S> consteval Row vvvv_second(At at, Feature feature) {
    return {at.vex().l(0), {Gy, By, Ey}, &S::info, &select_three<S>, attr::opsize_fixed, feature};
}
template <class S> consteval Row vvvv_last(At at, Feature feature) {
    return {at.vex().l(0), {Gy, Ey, By}, &S::info, &select_three<S>, attr::opsize_fixed, feature};
}
template <class S> consteval Row vvvv_first(At at, Feature feature) {
    return {at.vex().l(0), {By, Ey}, &S::info, &select_one<S>, attr::opsize_fixed, feature};
}

constexpr Row rows[] = {
    binary<Popcnt>(at(0x0FB8).pF3(), Gv, Ev, 0, Feature::popcnt),
    binary<Tzcnt>(at(0x0FBC).pF3(), Gv, Ev, 0, Feature::bmi1),
    binary<Lzcnt>(at(0x0FBD).pF3(), Gv, Ev, 0, Feature::lzcnt),

    vvvv_second<Andn>(at(0x0F38F2).np(), Feature::bmi1),
    vvvv_first<Blsr>(at(0x0F38F3).digit(1).np(), Feature::bmi1),
    vvvv_first<Blsmsk>(at(0x0F38F3).digit(2).np(), Feature::bmi1),
    vvvv_first<Blsi>(at(0x0F38F3).digit(3).np(), Feature::bmi1),
    vvvv_last<Bextr>(at(0x0F38F7).np(), Feature::bmi1),

    vvvv_last<Bzhi>(at(0x0F38F5).np(), Feature::bmi2),
    vvvv_second<Pext>(at(0x0F38F5).pF3(), Feature::bmi2),
    vvvv_second<Pdep>(at(0x0F38F5).pF2(), Feature::bmi2),
    {at(0x0F38F6).pF2().vex().l(0), {Gy, By, Ey}, &mulx_info, &select_mulx, attr::opsize_fixed, Feature::bmi2},
    vvvv_last<Shlx>(at(0x0F38F7).p66(), Feature::bmi2),
    vvvv_last<Sarx>(at(0x0F38F7).pF3(), Feature::bmi2),
    vvvv_last<Shrx>(at(0x0F38F7).pF2(), Feature::bmi2),
    {at(0x0F3AF0).pF2().vex().l(0),
     {Gy, Ey, Ib},
     &Rorx::info,
     &select_rorx,
     attr::opsize_fixed | attr::vex_no_vvvv,
     Feature::bmi2},

    binary<Adcx>(at(0x0F38F6).p66(), Gy, Ey, attr::opsize_fixed, Feature::adx),
    binary<Adox>(at(0x0F38F6).pF3(), Gy, Ey, attr::opsize_fixed, Feature::adx),

    {at(0x0F38F0).mem().no_rep(), {Gv, Mv}, &movbe_info, &select_movbe<false>, 0, Feature::movbe},
    {at(0x0F38F1).mem().no_rep(), {Mv, Gv}, &movbe_info, &select_movbe<true>, 0, Feature::movbe},
    {at(0x0F38F0).pF2(), {Gy, Eb}, &crc32_info, &select_crc32, 0, Feature::sse42},
    {at(0x0F38F1).pF2(), {Gy, Ev}, &crc32_info, &select_crc32, 0, Feature::sse42},
};

} // namespace

std::span<const Row> families::bmi() { return rows; }

} // namespace glassbox
