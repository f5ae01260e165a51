// Single elements in and out of vectors (SDM 2): PINSR*, PEXTR*, INSERTPS, EXTRACTPS, on MMX registers the forms for
// words. General registers receive elements zero-extended.
#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature sse1 = Feature::sse, sse2 = Feature::sse2, sse41 = Feature::sse41, avx = Feature::avx;

template <Word T, class File> struct Insert {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            T element;
            if (!File::ready(cpu)) return false;
            if constexpr (in_register<Source>)
                element = static_cast<T>(cpu.gpr[op.base]);
            else if (!fetch<T, Source>(cpu, op, element))
                return false;
            auto v = lanes<T, File>(File::first(cpu, op));
            v[Source::immediate(op) % lane_count<T, File>] = element;
            File::set(cpu, op.reg, std::bit_cast<typename File::Value>(v));
            return true;
        }
    };
};
/// PEXTRW's old form: the general register is ModRM.reg.
template <class File> struct ExtractWord {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!File::ready(cpu)) return false;
        const auto v = lanes<u16, File>(File::get(cpu, op.base));
        cpu.gpr[op.reg] = v[op.imm % lane_count<u16, File>];
        File::touch(cpu);
        return true;
    }
};
template <Word T, class File> struct Extract {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!File::ready(cpu)) return false;
            const T element = lanes<T, File>(File::get(cpu, op.reg))[Source::immediate(op) % lane_count<T, File>];
            if constexpr (in_register<Source>) {
                cpu.gpr[op.base] = element;
                return true;
            } else {
                return put<T, Source>(cpu, op, element);
            }
        }
    };
};
/// Immediate: 7-6 the source's element (a register's alone), 5-4 where it goes, 3-0 what becomes zero.
template <class File> struct InsertSingle {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            if (!File::ready(cpu)) return false;
            const u8 imm = static_cast<u8>(Source::immediate(op));
            u32 element;
            if constexpr (in_register<Source>)
                element = lanes<u32, File>(File::get(cpu, op.base))[imm >> 6];
            else if (!fetch<u32, Source>(cpu, op, element))
                return false;
            auto v = lanes<u32, File>(File::first(cpu, op));
            v[imm >> 4 & 3] = element;
            for (unsigned i = 0; i < 4; ++i) v[i] = imm >> i & 1 ? 0 : v[i];
            File::set(cpu, op.reg, std::bit_cast<Xmm>(v));
            return true;
        }
    };
};

// --- rows -----------------------------------------------------------------------------------------------------------
template <Name name, class T> consteval auto insert(At place, Arg source, Feature legacy, u32 only = 0) {
    return table(
        row<Insert<T, Xm>::template Body>(info_of<name>, place, {Vdq, source, Ib}, legacy, only),
        row<Insert<T, V128>::template Body>(vex_info<name>, place.vex().l(0), {Vdq, Hdq, source, Ib}, avx, only));
}
template <Name name, class T> consteval auto extract(At place, Arg destination, u32 only = 0) {
    return table(
        row<Extract<T, Xm>::template Body>(info_of<name>, place, {destination, Vdq, Ib}, sse41, only),
        row<Extract<T, V128>::template Body>(vex_info<name>, place.vex().l(0), {destination, Vdq, Ib}, avx, only));
}

constexpr auto rows = table(
    row<Insert<u16, Mm>::Body>(info_of<"pinsrw">, at(0x0FC4).np(), {Pq, Edw, Ib}, sse1),
    insert<"pinsrw", u16>(at(0x0FC4).p66(), Edw, sse2),
    register_row<ExtractWord<Mm>>(info_of<"pextrw">, at(0x0FC5).np(), {Gd, Nq, Ib}, sse1),
    register_row<ExtractWord<Xm>>(info_of<"pextrw">, at(0x0FC5).p66(), {Gd, Udq, Ib}, sse2),
    register_row<ExtractWord<V128>>(vex_info<"pextrw">, at(0x0FC5).p66().vex().l(0), {Gd, Udq, Ib}, avx),

    insert<"pinsrb", u8>(at(0x0F3A20).p66(), Edb, sse41), insert<"pinsrd", u32>(at(0x0F3A22).p66(), Ed, sse41),
    insert<"pinsrq", u64>(at(0x0F3A22).p66().w(1), Eq, sse41, attr::only_64),
    extract<"pextrb", u8>(at(0x0F3A14).p66(), Edb), extract<"pextrw", u16>(at(0x0F3A15).p66(), Edw),
    extract<"pextrd", u32>(at(0x0F3A16).p66(), Ed), extract<"pextrq", u64>(at(0x0F3A16).p66().w(1), Eq, attr::only_64),
    extract<"extractps", u32>(at(0x0F3A17).p66(), Ed),
    row<InsertSingle<Xm>::Body>(info_of<"insertps">, at(0x0F3A21).p66(), {Vdq, Wd, Ib}, sse41),
    row<InsertSingle<V128>::Body>(vex_info<"insertps">, at(0x0F3A21).p66().vex().l(0), {Vdq, Hdq, Wd, Ib}, avx));

} // namespace

std::span<const Row> element_rows() { return rows; }

} // namespace glassbox::sse
