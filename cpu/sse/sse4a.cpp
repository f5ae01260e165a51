// AMD's SSE4a (AMD64 Architecture Programmer's Manual 4: EXTRQ, INSERTQ, MOVNTSS, MOVNTSD). The upper quadword, which
// EXTRQ and INSERTQ leave undefined, becomes zero, as on AMD's Zen.
#include "cpu/sse/exec.hpp"

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature sse4a = Feature::sse4a;

/// A field's length and position in bits: six bits each; length 0 stands for 64. A field that does not fit is
/// undefined; here it is cut off.
struct Field {
    u64 mask;
    unsigned at;
    Field(u64 length, u64 index)
        : mask((length & 63) == 0 ? ~u64{0} : (u64{1} << (length & 63)) - 1), at(static_cast<unsigned>(index & 63)) {}
    u64 extract(u64 from) const { return from >> at & mask; }
    u64 insert(u64 into, u64 value) const { return (into & ~(mask << at)) | (value & mask) << at; }
};

struct ExtractImm { // the register is ModRM.rm
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu)) return false;
        Xmm& x = cpu.sse.xmm(op.base);
        x.q = {Field(op.imm, op.imm2).extract(x.q[0]), 0};
        return true;
    }
};
struct Extract {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu)) return false;
        const u64 control = cpu.sse.xmm(op.base).q[0];
        Xmm& x = cpu.sse.xmm(op.reg);
        x.q = {Field(control, control >> 8).extract(x.q[0]), 0};
        return true;
    }
};
struct InsertImm {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu)) return false;
        Xmm& x = cpu.sse.xmm(op.reg);
        x.q = {Field(op.imm, op.imm2).insert(x.q[0], cpu.sse.xmm(op.base).q[0]), 0};
        return true;
    }
};
struct Insert {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!sse_ready(cpu)) return false;
        const Xmm source = cpu.sse.xmm(op.base);
        Xmm& x = cpu.sse.xmm(op.reg);
        x.q = {Field(source.q[1], source.q[1] >> 8).insert(x.q[0], source.q[0]), 0};
        return true;
    }
};
template <Word T> struct StoreLow {
    template <class Ea> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags&) {
            return sse_ready(cpu) && put<T, Ea>(cpu, op, static_cast<T>(cpu.sse.xmm(op.reg).q[0]));
        }
    };
};

constexpr auto rows = table(register_row<ExtractImm>(info_of<"extrq">, at(0x0F78).digit(0).p66(), {Udq, Ib, Ib}, sse4a),
                            register_row<Extract>(info_of<"extrq">, at(0x0F79).p66(), {Vdq, Udq}, sse4a),
                            register_row<InsertImm>(info_of<"insertq">, at(0x0F78).pF2(), {Vdq, Udq, Ib, Ib}, sse4a),
                            register_row<Insert>(info_of<"insertq">, at(0x0F79).pF2(), {Vdq, Udq}, sse4a),
                            memory_row<StoreLow<u32>::Body>(info_of<"movntss">, at(0x0F2B).pF3(), {Md, Vdq}, sse4a),
                            memory_row<StoreLow<u64>::Body>(info_of<"movntsd">, at(0x0F2B).pF2(), {Mq, Vdq}, sse4a));

} // namespace

std::span<const Row> sse4a_rows() { return rows; }

} // namespace glassbox::sse
