// Moves of MMX, SSE, SSE3, SSE4.1 and AVX (SDM 2): whole registers, halves and scalars, between registers, memory and
// general registers, masks of signs, and non-temporal loads and stores. Caches are not modelled: a non-temporal store
// is a store.
#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
using enum Alignment;
constexpr Feature mmx = Feature::mmx, sse1 = Feature::sse, sse2 = Feature::sse2, sse3 = Feature::sse3,
                  sse41 = Feature::sse41, avx = Feature::avx, avx2 = Feature::avx2;

// --- whole registers
// ----------------------------------------------------------------------------------------------------
template <Alignment alignment, class File> struct Whole {
    template <class Source> struct Load {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!File::ready(cpu)) return false;
            if constexpr (in_register<Source>) {
                File::set(cpu, op.reg, File::get(cpu, op.base));
                return true;
            } else if constexpr (File::bytes == 16) { // straight into the register: nothing is written on a fault
                if (!fetch_vector<alignment, Source>(cpu, op, cpu.sse.xmm(op.reg))) return false;
                if constexpr (File::vex) cpu.sse.ymm_high(op.reg) = {};
                return true;
            } else {
                typename File::Value value;
                if (!fetch_vector<alignment, Source>(cpu, op, value)) return false;
                File::set(cpu, op.reg, value);
                return true;
            }
        }
    };
    template <class Source> struct Store {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!File::ready(cpu)) return false;
            if constexpr (in_register<Source>) {
                File::set(cpu, op.base, File::get(cpu, op.reg));
                return true;
            } else {
                return put_vector<alignment, Source>(cpu, op, File::get(cpu, op.reg));
            }
        }
    };
};

// --- scalars: MOVSS, MOVSD, MOVQ, MOVD
// ------------------------------------------------------------------------------------
template <Word T> Xmm with_low(Xmm x, T value) {
    x.q[0] = sizeof(T) == 8 ? value : (x.q[0] & ~u64{0xFFFF'FFFF}) | value;
    return x;
}
/// From memory the rest becomes zero, from a register it is the first source's.
template <Word T, class File> struct Scalar {
    template <class Source> struct Load {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            T value;
            if (!File::ready(cpu) || !fetch_low<T, Source>(cpu, op, value)) return false;
            if constexpr (in_register<Source>)
                File::set(cpu, op.reg, with_low<T>(File::first(cpu, op), value));
            else
                File::set(cpu, op.reg, Xmm{{value, 0}});
            return true;
        }
    };
    template <class Source> struct Store {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!File::ready(cpu)) return false;
            const T value = static_cast<T>(cpu.sse.xmm(op.reg).q[0]);
            if constexpr (in_register<Source>) {
                File::set(cpu, op.base, with_low<T>(File::get(cpu, File::vex ? op.imm2 : op.base), value));
                return true;
            } else {
                return put<T, Source>(cpu, op, value);
            }
        }
    };
};
template <class File> struct Movq {
    template <class Source> struct Load {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            u64 value;
            if (!File::ready(cpu) || !fetch_low<u64, Source>(cpu, op, value)) return false;
            File::set(cpu, op.reg, Xmm{{value, 0}});
            return true;
        }
    };
    template <class Source> struct Store {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!File::ready(cpu)) return false;
            const u64 value = cpu.sse.xmm(op.reg).q[0];
            if constexpr (in_register<Source>) {
                File::set(cpu, op.base, Xmm{{value, 0}});
                return true;
            } else {
                return put<u64, Source>(cpu, op, value);
            }
        }
    };
};
/// MOVD, and MOVQ with REX.W or VEX.W, between a vector and a general register or memory.
template <Word T, class File> struct General {
    template <class Source> struct To {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            T value;
            if (!File::ready(cpu)) return false;
            if constexpr (in_register<Source>)
                value = static_cast<T>(cpu.gpr[op.base]);
            else if (!fetch<T, Source>(cpu, op, value))
                return false;
            if constexpr (File::bytes == 8)
                File::set(cpu, op.reg, value);
            else
                File::set(cpu, op.reg, Xmm{{value, 0}});
            return true;
        }
    };
    template <class Source> struct From {
        static T low(const Cpu& cpu, unsigned n) {
            if constexpr (File::bytes == 8)
                return static_cast<T>(File::get(cpu, n));
            else
                return static_cast<T>(File::get(cpu, n).q[0]);
        }
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!File::ready(cpu)) return false;
            const T value = low(cpu, op.reg);
            if constexpr (in_register<Source>)
                cpu.gpr[op.base] = value;
            else if (!put<T, Source>(cpu, op, value))
                return false;
            File::touch(cpu);
            return true;
        }
    };
};

// --- halves
// -----------------------------------------------------------------------------------------------------------
template <unsigned half, class File> struct Half {
    template <class Ea> struct Load {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            u64 value;
            if (!File::ready(cpu) || !fetch<u64, Ea>(cpu, op, value)) return false;
            Xmm x = File::first(cpu, op);
            x.q[half] = value;
            File::set(cpu, op.reg, x);
            return true;
        }
    };
    template <class Ea> struct Store {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            return File::ready(cpu) && put<u64, Ea>(cpu, op, cpu.sse.xmm(op.reg).q[half]);
        }
    };
};
template <unsigned to, unsigned from, class File> struct MoveHalf { // MOVHLPS, MOVLHPS
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!File::ready(cpu)) return false;
        Xmm x = File::first(cpu, op);
        x.q[to] = cpu.sse.xmm(op.base).q[from];
        File::set(cpu, op.reg, x);
        return true;
    }
};

// --- MMX
// ----------------------------------------------------------------------------------------------------------------
template <class Source> struct MmLoad {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u64 value;
        if (!mmx_ready(cpu) || !Mm::source<Source>(cpu, op, value)) return false;
        Mm::set(cpu, op.reg, value);
        return true;
    }
};
template <class Source> struct MmStore {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!mmx_ready(cpu)) return false;
        const u64 value = Mm::get(cpu, op.reg);
        if constexpr (in_register<Source>) {
            Mm::set(cpu, op.base, value);
        } else {
            if (!put<u64, Source>(cpu, op, value)) return false;
            Mm::touch(cpu);
        }
        return true;
    }
};
struct Movq2dq {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu) || !mmx_ready(cpu)) return false;
        cpu.sse.xmm(op.reg).q = {Mm::get(cpu, op.base), 0};
        Mm::touch(cpu);
        return true;
    }
};
struct Movdq2q {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu) || !mmx_ready(cpu)) return false;
        Mm::set(cpu, op.reg, cpu.sse.xmm(op.base).q[0]);
        return true;
    }
};

// --- general registers
// --------------------------------------------------------------------------------------------------
template <class T> u32 signs(const Xmm& x) {
    const auto v = lanes<T, Xm>(x);
    u32 mask = 0;
    for (unsigned i = 0; i < lane_count<T, Xm>; ++i) mask |= static_cast<u32>(v[i] >> (bits_of<T> - 1)) << i;
    return mask;
}
template <class File, class T> struct SignMask { // PMOVMSKB, MOVMSKPS, MOVMSKPD
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!File::ready(cpu)) return false;
        const auto& v = File::get(cpu, op.base);
        if constexpr (File::bytes == 8)
            cpu.gpr[op.reg] = signs<T>(Xmm{{v, 0}});
        else if constexpr (File::bytes == 16)
            cpu.gpr[op.reg] = signs<T>(v);
        else
            cpu.gpr[op.reg] = signs<T>(v.part[0]) | signs<T>(v.part[1]) << lane_count<T, Xm>;
        File::touch(cpu);
        return true;
    }
};
template <Word T> struct Movnti {
    template <class Ea> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) { return put<T, Ea>(cpu, op, static_cast<T>(cpu.gpr[op.reg])); }
    };
};

// --- MASKMOVQ, MASKMOVDQU
// ---------------------------------------------------------------------------------------------
/// Stores the bytes whose mask byte is negative at DS:[RDI]. The whole operand must lie in the segment; only pages of
/// bytes that are stored can fault (SDM 2 leaves it to the implementation). Op::imm is the number of the mask register.
template <class File> struct MaskedStore {
    static u64 next(const Cpu& cpu, u64 linear, unsigned i) {
        return cpu.code64() ? linear + i : static_cast<u32>(linear + i);
    }
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u64 linear = 0;
        if (!File::ready(cpu) || !locate_write(cpu, op.seg, effective_offset(cpu, op), File::bytes, linear))
            return false;
        const auto value = lanes<u8, File>(File::get(cpu, op.reg));
        const auto mask = lanes<u8, File>(File::get(cpu, static_cast<unsigned>(op.imm)));
        for (unsigned i = 0; i < File::bytes; ++i) {
            if (mask[i] >> 7 && !probe_write(cpu, next(cpu, linear, i), 1)) return false;
        }
        for (unsigned i = 0; i < File::bytes; ++i) {
            if (mask[i] >> 7 && !store<u8>(cpu, op, next(cpu, linear, i), value[i])) return false;
        }
        File::touch(cpu);
        return true;
    }
};
template <class File> Handler select_masked(const Insn& insn, Op& op) {
    op.reg = static_cast<u8>(insn.reg_number());
    op.imm = insn.rm_number();
    op.base = 8 * RDI;
    return &handler<MaskedStore<File>>;
}

// --- rows -----------------------------------------------------------------------------------------------------------
/// Legacy, VEX.128 and VEX.256 of one direction; `required` alignment holds for VEX too.
template <Name name, Alignment alignment> consteval auto whole_load(At place, Feature legacy) {
    return table(row<Whole<alignment, Xm>::template Load>(info_of<name>, place, {Vx, Wx}, legacy),
                 row<Whole<alignment, V128>::template Load>(vex_info<name>, place.vex().l(0), {Vx, Wx}, avx),
                 row<Whole<alignment, V256>::template Load>(vex_info<name>, place.vex().l(1), {Vx, Wx}, avx));
}
template <Name name, Alignment alignment> consteval auto whole_store(At place, Feature legacy) {
    return table(row<Whole<alignment, Xm>::template Store>(info_of<name>, place, {Wx, Vx}, legacy),
                 row<Whole<alignment, V128>::template Store>(vex_info<name>, place.vex().l(0), {Wx, Vx}, avx),
                 row<Whole<alignment, V256>::template Store>(vex_info<name>, place.vex().l(1), {Wx, Vx}, avx));
}
template <Name name, Alignment alignment> consteval auto memory_load(At place, Feature legacy, Feature wide) {
    return table(memory_row<Whole<alignment, Xm>::template Load>(info_of<name>, place, {Vx, Mx}, legacy),
                 memory_row<Whole<alignment, V128>::template Load>(vex_info<name>, place.vex().l(0), {Vx, Mx}, avx),
                 memory_row<Whole<alignment, V256>::template Load>(vex_info<name>, place.vex().l(1), {Vx, Mx}, wide));
}
template <Name name> consteval auto non_temporal_store(At place, Feature legacy) {
    return table(memory_row<Whole<required, Xm>::template Store>(info_of<name>, place, {Mx, Vx}, legacy),
                 memory_row<Whole<required, V128>::template Store>(vex_info<name>, place.vex().l(0), {Mx, Vx}, avx),
                 memory_row<Whole<required, V256>::template Store>(vex_info<name>, place.vex().l(1), {Mx, Vx}, avx));
}
template <Name name, class T> consteval auto scalar(At load, At store, Arg source, Arg memory, Feature legacy) {
    return table(row<Scalar<T, Xm>::template Load>(info_of<name>, load, {Vx, source}, legacy),
                 row<Scalar<T, Xm>::template Store>(info_of<name>, store, {source, Vx}, legacy),
                 register_row<typename Scalar<T, V128>::template Load<InRegister>>(vex_info<name>, load.vex(),
                                                                                   {Vdq, Hdq, Udq}, avx),
                 memory_row<Scalar<T, V128>::template Load>(vex_info<name>, load.vex(), {Vdq, memory}, avx),
                 register_row<typename Scalar<T, V128>::template Store<InRegister>>(vex_info<name>, store.vex(),
                                                                                    {Udq, Hdq, Vdq}, avx),
                 memory_row<Scalar<T, V128>::template Store>(vex_info<name>, store.vex(), {memory, Vdq}, avx));
}
template <Name name, unsigned half> consteval auto half_moves(At load, At store, Feature legacy) {
    return table(memory_row<Half<half, Xm>::template Load>(info_of<name>, load, {Vx, Mq}, legacy),
                 memory_row<Half<half, Xm>::template Store>(info_of<name>, store, {Mq, Vx}, legacy),
                 memory_row<Half<half, V128>::template Load>(vex_info<name>, load.vex().l(0), {Vdq, Hdq, Mq}, avx),
                 memory_row<Half<half, V128>::template Store>(vex_info<name>, store.vex().l(0), {Mq, Vdq}, avx));
}
template <Name name, unsigned to, unsigned from> consteval auto across_halves(At place) {
    return table(register_row<MoveHalf<to, from, Xm>>(info_of<name>, place, {Vx, Ux}, sse1),
                 register_row<MoveHalf<to, from, V128>>(vex_info<name>, place.vex().l(0), {Vdq, Hdq, Udq}, avx));
}
template <Name name, class T> consteval auto sign_mask(At place, Feature legacy, Feature wide) {
    return table(register_row<SignMask<Xm, T>>(info_of<name>, place, {sizeof(T) >= 4 ? Gy : Gd, Ux}, legacy),
                 register_row<SignMask<V128, T>>(vex_info<name>, place.vex().l(0), {Gd, Ux}, avx),
                 register_row<SignMask<V256, T>>(vex_info<name>, place.vex().l(1), {Gd, Ux}, wide));
}
/// MOVD, and MOVQ with W in 64-bit mode: To at `to`, From at `from`.
template <Name name, class T> consteval auto general(int w, Arg operand, u32 only) {
    const At to = at(0x0F6E).w(w), from = at(0x0F7E).w(w);
    return table(
        row<General<T, Mm>::template To>(info_of<name>, to.np(), {Pq, operand}, mmx, only),
        row<General<T, Mm>::template From>(info_of<name>, from.np(), {operand, Pq}, mmx, only),
        row<General<T, Xm>::template To>(info_of<name>, to.p66(), {Vdq, operand}, sse2, only),
        row<General<T, Xm>::template From>(info_of<name>, from.p66(), {operand, Vdq}, sse2, only),
        row<General<T, V128>::template To>(vex_info<name>, to.p66().vex().l(0), {Vdq, operand}, avx, only),
        row<General<T, V128>::template From>(vex_info<name>, from.p66().vex().l(0), {operand, Vdq}, avx, only));
}

constexpr auto rows = table(
    whole_load<"movups", free>(at(0x0F10).np(), sse1), whole_load<"movupd", free>(at(0x0F10).p66(), sse2),
    whole_store<"movups", free>(at(0x0F11).np(), sse1), whole_store<"movupd", free>(at(0x0F11).p66(), sse2),
    whole_load<"movaps", required>(at(0x0F28).np(), sse1), whole_load<"movapd", required>(at(0x0F28).p66(), sse2),
    whole_store<"movaps", required>(at(0x0F29).np(), sse1), whole_store<"movapd", required>(at(0x0F29).p66(), sse2),
    whole_load<"movdqa", required>(at(0x0F6F).p66(), sse2), whole_load<"movdqu", free>(at(0x0F6F).pF3(), sse2),
    whole_store<"movdqa", required>(at(0x0F7F).p66(), sse2), whole_store<"movdqu", free>(at(0x0F7F).pF3(), sse2),
    memory_load<"lddqu", free>(at(0x0FF0).pF2(), sse3, avx),
    memory_load<"movntdqa", required>(at(0x0F382A).p66(), sse41, avx2),
    non_temporal_store<"movntps">(at(0x0F2B).np(), sse1), non_temporal_store<"movntpd">(at(0x0F2B).p66(), sse2),
    non_temporal_store<"movntdq">(at(0x0FE7).p66(), sse2),

    scalar<"movss", u32>(at(0x0F10).pF3(), at(0x0F11).pF3(), Wd, Md, sse1),
    scalar<"movsd", u64>(at(0x0F10).pF2(), at(0x0F11).pF2(), Wq, Mq, sse2),
    half_moves<"movlps", 0>(at(0x0F12).np(), at(0x0F13).np(), sse1),
    half_moves<"movlpd", 0>(at(0x0F12).p66(), at(0x0F13).p66(), sse2),
    half_moves<"movhps", 1>(at(0x0F16).np(), at(0x0F17).np(), sse1),
    half_moves<"movhpd", 1>(at(0x0F16).p66(), at(0x0F17).p66(), sse2), across_halves<"movhlps", 0, 1>(at(0x0F12).np()),
    across_halves<"movlhps", 1, 0>(at(0x0F16).np()),

    general<"movd", u32>(-1, Ed, 0), general<"movq", u64>(1, Eq, attr::only_64),
    row<Movq<Xm>::Load>(info_of<"movq">, at(0x0F7E).pF3(), {Vx, Wq}, sse2),
    row<Movq<V128>::Load>(vex_info<"movq">, at(0x0F7E).pF3().vex().l(0), {Vdq, Wq}, avx),
    row<Movq<Xm>::Store>(info_of<"movq">, at(0x0FD6).p66(), {Wq, Vx}, sse2),
    row<Movq<V128>::Store>(vex_info<"movq">, at(0x0FD6).p66().vex().l(0), {Wq, Vdq}, avx),
    register_row<Movq2dq>(info_of<"movq2dq">, at(0x0FD6).pF3(), {Vx, Nq}, sse2),
    register_row<Movdq2q>(info_of<"movdq2q">, at(0x0FD6).pF2(), {Pq, Ux}, sse2),
    row<MmLoad>(info_of<"movq">, at(0x0F6F).np(), {Pq, Qq}, mmx),
    row<MmStore>(info_of<"movq">, at(0x0F7F).np(), {Qq, Pq}, mmx),
    memory_row<MmStore>(info_of<"movntq">, at(0x0FE7).np(), {Mq, Pq}, sse1),
    memory_row<Movnti<u32>::Body>(info_of<"movnti">, at(0x0FC3).np(), {Md, Gd}, sse2),
    memory_row<Movnti<u64>::Body>(info_of<"movnti">, at(0x0FC3).np().w(1), {Mq, Gy}, sse2, attr::only_64),

    sign_mask<"movmskps", u32>(at(0x0F50).np(), sse1, avx), sign_mask<"movmskpd", u64>(at(0x0F50).p66(), sse2, avx),
    sign_mask<"pmovmskb", u8>(at(0x0FD7).p66(), sse2, avx2),
    register_row<SignMask<Mm, u8>>(info_of<"pmovmskb">, at(0x0FD7).np(), {Gd, Nq}, sse1),

    row_of(info_of<"maskmovq">, at(0x0FF7).reg().np(), {Pq, Nq}, &select_masked<Mm>, sse1),
    row_of(info_of<"maskmovdqu">, at(0x0FF7).reg().p66(), {Vx, Ux}, &select_masked<Xm>, sse2),
    row_of(vex_info<"maskmovdqu">, at(0x0FF7).reg().p66().vex().l(0), {Vdq, Udq}, &select_masked<V128>, avx));

} // namespace

std::span<const Row> move_rows() { return rows; }

} // namespace glassbox::sse
