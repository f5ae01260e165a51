// Moves of MMX, SSE and SSE2 (SDM 2): whole registers, halves and scalars, between registers, memory and general
// registers, masks of signs, and non-temporal stores. Caches are not modelled: a non-temporal store is a store.
#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
using enum Alignment;
constexpr Feature mmx = Feature::mmx, sse1 = Feature::sse, sse2 = Feature::sse2;

// --- whole XMM registers
// ------------------------------------------------------------------------------------------------
template <Alignment alignment> struct Whole {
    template <class Source> struct Load {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!sse_ready(cpu)) return false;
            if constexpr (in_register<Source>) {
                cpu.sse.xmm(op.reg) = cpu.sse.xmm(op.base);
                return true;
            } else {
                return fetch_vector<alignment, Source>(cpu, op, cpu.sse.xmm(op.reg));
            }
        }
    };
    template <class Source> struct Store {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!sse_ready(cpu)) return false;
            if constexpr (in_register<Source>) {
                cpu.sse.xmm(op.base) = cpu.sse.xmm(op.reg);
                return true;
            } else {
                return put_vector<alignment, Source>(cpu, op, cpu.sse.xmm(op.reg));
            }
        }
    };
};

// --- scalars: MOVSS, MOVSD, MOVQ, MOVD
// ------------------------------------------------------------------------------------
template <Word T> void merge_low(Xmm& x, T value) {
    x.q[0] = sizeof(T) == 8 ? value : (x.q[0] & ~u64{0xFFFF'FFFF}) | value;
}
template <Word T> struct Scalar {
    template <class Source> struct Load { // from memory the rest becomes zero, from a register it stays
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            T value;
            if (!sse_ready(cpu) || !fetch_low<T, Source>(cpu, op, value)) return false;
            if constexpr (in_register<Source>)
                merge_low<T>(cpu.sse.xmm(op.reg), value);
            else
                cpu.sse.xmm(op.reg).q = {value, 0};
            return true;
        }
    };
    template <class Source> struct Store {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!sse_ready(cpu)) return false;
            const T value = static_cast<T>(cpu.sse.xmm(op.reg).q[0]);
            if constexpr (in_register<Source>) {
                merge_low<T>(cpu.sse.xmm(op.base), value);
                return true;
            } else {
                return put<T, Source>(cpu, op, value);
            }
        }
    };
};
template <class Source> struct MovqLoad {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u64 value;
        if (!sse_ready(cpu) || !fetch_low<u64, Source>(cpu, op, value)) return false;
        cpu.sse.xmm(op.reg).q = {value, 0};
        return true;
    }
};
template <class Source> struct MovqStore {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu)) return false;
        const u64 value = cpu.sse.xmm(op.reg).q[0];
        if constexpr (in_register<Source>) {
            cpu.sse.xmm(op.base).q = {value, 0};
            return true;
        } else {
            return put<u64, Source>(cpu, op, value);
        }
    }
};
template <class Source> bool fetch_general(Cpu& cpu, const Op& op, u32& value) {
    if constexpr (in_register<Source>) {
        value = static_cast<u32>(cpu.gpr[op.base]);
        return true;
    } else {
        return fetch<u32, Source>(cpu, op, value);
    }
}
template <class Source> bool put_general(Cpu& cpu, const Op& op, u32 value) {
    if constexpr (in_register<Source>) {
        cpu.gpr[op.base] = value;
        return true;
    } else {
        return put<u32, Source>(cpu, op, value);
    }
}
template <class Source> struct MovdToXmm {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u32 value;
        if (!sse_ready(cpu) || !fetch_general<Source>(cpu, op, value)) return false;
        cpu.sse.xmm(op.reg).q = {value, 0};
        return true;
    }
};
template <class Source> struct MovdFromXmm {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        return sse_ready(cpu) && put_general<Source>(cpu, op, static_cast<u32>(cpu.sse.xmm(op.reg).q[0]));
    }
};

// --- halves
// -----------------------------------------------------------------------------------------------------------
template <unsigned half> struct Half {
    template <class Ea> struct Load {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            return sse_ready(cpu) && fetch<u64, Ea>(cpu, op, cpu.sse.xmm(op.reg).q[half]);
        }
    };
    template <class Ea> struct Store {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            return sse_ready(cpu) && put<u64, Ea>(cpu, op, cpu.sse.xmm(op.reg).q[half]);
        }
    };
};
template <unsigned to, unsigned from> struct MoveHalf { // MOVHLPS, MOVLHPS
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu)) return false;
        cpu.sse.xmm(op.reg).q[to] = cpu.sse.xmm(op.base).q[from];
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
template <class Source> struct MovdToMm {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u32 value;
        if (!mmx_ready(cpu) || !fetch_general<Source>(cpu, op, value)) return false;
        Mm::set(cpu, op.reg, value);
        return true;
    }
};
template <class Source> struct MovdFromMm {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!mmx_ready(cpu) || !put_general<Source>(cpu, op, static_cast<u32>(Mm::get(cpu, op.reg)))) return false;
        Mm::touch(cpu);
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
template <class File, class T> struct SignMask { // PMOVMSKB, MOVMSKPS, MOVMSKPD
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!File::ready(cpu)) return false;
        const auto v = lanes<T, File>(File::get(cpu, op.base));
        u32 mask = 0;
        for (unsigned i = 0; i < lane_count<T, File>; ++i) mask |= static_cast<u32>(v[i] >> (bits_of<T> - 1)) << i;
        cpu.gpr[op.reg] = mask;
        File::touch(cpu);
        return true;
    }
};
template <class Ea> struct Movnti {
    static bool run(Cpu& cpu, const Op& op, Flags&) { return put<u32, Ea>(cpu, op, static_cast<u32>(cpu.gpr[op.reg])); }
};

// --- MASKMOVQ, MASKMOVDQU
// ---------------------------------------------------------------------------------------------
/// Stores the bytes whose mask byte is negative at DS:[EDI]. The whole operand must lie in the segment; only pages of
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

constexpr OpInfo movups{"movups"}, movupd{"movupd"}, movaps{"movaps"}, movapd{"movapd"}, movdqa{"movdqa"},
    movdqu{"movdqu"}, movss{"movss"}, movsd{"movsd"}, movlps{"movlps"}, movlpd{"movlpd"}, movhps{"movhps"},
    movhpd{"movhpd"}, movhlps{"movhlps"}, movlhps{"movlhps"}, movd{"movd"}, movq{"movq"}, movq2dq{"movq2dq"},
    movdq2q{"movdq2q"}, movmskps{"movmskps"}, movmskpd{"movmskpd"}, pmovmskb{"pmovmskb"}, movnti{"movnti"},
    movntps{"movntps"}, movntpd{"movntpd"}, movntq{"movntq"}, movntdq{"movntdq"}, maskmovq{"maskmovq"},
    maskmovdqu{"maskmovdqu"};

constexpr std::array rows = {
    row<Whole<free>::Load>(movups, at(0x0F10).np(), {Vx, Wx}, sse1),
    row<Whole<free>::Load>(movupd, at(0x0F10).p66(), {Vx, Wx}, sse2),
    row<Scalar<u32>::Load>(movss, at(0x0F10).pF3(), {Vx, Wd}, sse1),
    row<Scalar<u64>::Load>(movsd, at(0x0F10).pF2(), {Vx, Wq}, sse2),
    row<Whole<free>::Store>(movups, at(0x0F11).np(), {Wx, Vx}, sse1),
    row<Whole<free>::Store>(movupd, at(0x0F11).p66(), {Wx, Vx}, sse2),
    row<Scalar<u32>::Store>(movss, at(0x0F11).pF3(), {Wd, Vx}, sse1),
    row<Scalar<u64>::Store>(movsd, at(0x0F11).pF2(), {Wq, Vx}, sse2),

    memory_row<Half<0>::Load>(movlps, at(0x0F12).np(), {Vx, Mq}, sse1),
    memory_row<Half<0>::Load>(movlpd, at(0x0F12).p66(), {Vx, Mq}, sse2),
    register_row<MoveHalf<0, 1>>(movhlps, at(0x0F12).np(), {Vx, Ux}, sse1),
    memory_row<Half<0>::Store>(movlps, at(0x0F13).np(), {Mq, Vx}, sse1),
    memory_row<Half<0>::Store>(movlpd, at(0x0F13).p66(), {Mq, Vx}, sse2),
    memory_row<Half<1>::Load>(movhps, at(0x0F16).np(), {Vx, Mq}, sse1),
    memory_row<Half<1>::Load>(movhpd, at(0x0F16).p66(), {Vx, Mq}, sse2),
    register_row<MoveHalf<1, 0>>(movlhps, at(0x0F16).np(), {Vx, Ux}, sse1),
    memory_row<Half<1>::Store>(movhps, at(0x0F17).np(), {Mq, Vx}, sse1),
    memory_row<Half<1>::Store>(movhpd, at(0x0F17).p66(), {Mq, Vx}, sse2),

    row<Whole<required>::Load>(movaps, at(0x0F28).np(), {Vx, Wx}, sse1),
    row<Whole<required>::Load>(movapd, at(0x0F28).p66(), {Vx, Wx}, sse2),
    row<Whole<required>::Store>(movaps, at(0x0F29).np(), {Wx, Vx}, sse1),
    row<Whole<required>::Store>(movapd, at(0x0F29).p66(), {Wx, Vx}, sse2),
    memory_row<Whole<required>::Store>(movntps, at(0x0F2B).np(), {Mdq, Vx}, sse1),
    memory_row<Whole<required>::Store>(movntpd, at(0x0F2B).p66(), {Mdq, Vx}, sse2),
    memory_row<Whole<required>::Store>(movntdq, at(0x0FE7).p66(), {Mdq, Vx}, sse2),
    memory_row<MmStore>(movntq, at(0x0FE7).np(), {Mq, Pq}, sse1),
    memory_row<Movnti>(movnti, at(0x0FC3).np(), {Md, Gd}, sse2),

    row<MovdToMm>(movd, at(0x0F6E).np(), {Pq, Ed}, mmx),
    row<MovdToXmm>(movd, at(0x0F6E).p66(), {Vx, Ed}, sse2),
    row<MovdFromMm>(movd, at(0x0F7E).np(), {Ed, Pq}, mmx),
    row<MovdFromXmm>(movd, at(0x0F7E).p66(), {Ed, Vx}, sse2),
    row<MovqLoad>(movq, at(0x0F7E).pF3(), {Vx, Wq}, sse2),
    row<MovqStore>(movq, at(0x0FD6).p66(), {Wq, Vx}, sse2),
    register_row<Movq2dq>(movq2dq, at(0x0FD6).pF3(), {Vx, Nq}, sse2),
    register_row<Movdq2q>(movdq2q, at(0x0FD6).pF2(), {Pq, Ux}, sse2),

    row<MmLoad>(movq, at(0x0F6F).np(), {Pq, Qq}, mmx),
    row<Whole<required>::Load>(movdqa, at(0x0F6F).p66(), {Vx, Wx}, sse2),
    row<Whole<free>::Load>(movdqu, at(0x0F6F).pF3(), {Vx, Wx}, sse2),
    row<MmStore>(movq, at(0x0F7F).np(), {Qq, Pq}, mmx),
    row<Whole<required>::Store>(movdqa, at(0x0F7F).p66(), {Wx, Vx}, sse2),
    row<Whole<free>::Store>(movdqu, at(0x0F7F).pF3(), {Wx, Vx}, sse2),

    register_row<SignMask<Xm, u32>>(movmskps, at(0x0F50).np(), {Gd, Ux}, sse1),
    register_row<SignMask<Xm, u64>>(movmskpd, at(0x0F50).p66(), {Gd, Ux}, sse2),
    register_row<SignMask<Mm, u8>>(pmovmskb, at(0x0FD7).np(), {Gd, Nq}, sse1),
    register_row<SignMask<Xm, u8>>(pmovmskb, at(0x0FD7).p66(), {Gd, Ux}, sse2),

    row_of(maskmovq, at(0x0FF7).reg().np(), {Pq, Nq}, &select_masked<Mm>, sse1),
    row_of(maskmovdqu, at(0x0FF7).reg().p66(), {Vx, Ux}, &select_masked<Xm>, sse2),
};

} // namespace

std::span<const Row> move_rows() { return rows; }

} // namespace glassbox::sse
