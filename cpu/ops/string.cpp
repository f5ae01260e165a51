// MOVS, STOS, LODS, CMPS, SCAS, INS, OUTS and their repetitions (SDM 2). An iteration counts as an instruction; a
// repetition stops for events at an exact iteration and continues there. Where both sides are plain memory, MOVS and
// STOS go page by page on host memory.
#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/ops/port_access.hpp"

#include <algorithm>

namespace glassbox {

namespace {

using enum Arg;

enum class String : u8 { movs, stos, lods, cmps, scas, ins, outs };

/// Index and count registers in the address size.
u64 index_register(const Cpu& cpu, const Op& op, Gpr n) { return cpu.gpr[n] & address_mask(cpu, op); }
void set_index(Cpu& cpu, const Op& op, Gpr n, u64 value) {
    if (op.extra == 16)
        cpu.set_r16(n, static_cast<u16>(value));
    else
        cpu.gpr[n] = value & address_mask(cpu, op);
}
void advance(Cpu& cpu, const Op& op, Gpr n, u64 bytes) {
    const u64 old = cpu.gpr[n];
    set_index(cpu, op, n, (cpu.eflags & eflags::DF) ? old - bytes : old + bytes);
}

template <Word T> bool load_source(Cpu& cpu, const Op& op, T& value) {
    u64 linear = 0;
    return any_read(cpu, op.seg, index_register(cpu, op, RSI), sizeof(T), linear) && load<T>(cpu, op, linear, value);
}
template <Word T> bool load_destination(Cpu& cpu, const Op& op, T& value) {
    u64 linear = 0;
    return any_read(cpu, SegmentName::ES, index_register(cpu, op, RDI), sizeof(T), linear) &&
           load<T>(cpu, op, linear, value);
}
template <Word T> bool store_destination(Cpu& cpu, const Op& op, T value) {
    u64 linear = 0;
    return any_write(cpu, SegmentName::ES, index_register(cpu, op, RDI), sizeof(T), linear) &&
           store<T>(cpu, op, linear, value);
}

/// One iteration, index registers included.
template <String kind, Word T> bool once(Cpu& cpu, const Op& op, Flags& f) {
    constexpr unsigned size = sizeof(T);
    T a, b;
    if constexpr (kind == String::movs) {
        if (!load_source<T>(cpu, op, a) || !store_destination<T>(cpu, op, a)) return false;
    } else if constexpr (kind == String::stos) {
        if (!store_destination<T>(cpu, op, cpu.reg<T>(8 * RAX))) return false;
    } else if constexpr (kind == String::lods) {
        if (!load_source<T>(cpu, op, a)) return false;
        cpu.set_reg<T>(8 * RAX, a);
    } else if constexpr (kind == String::cmps) {
        if (!load_source<T>(cpu, op, a) || !load_destination<T>(cpu, op, b)) return false;
        f.sub<T>(a, b, static_cast<T>(a - b));
    } else if constexpr (kind == String::scas) {
        a = cpu.reg<T>(8 * RAX);
        if (!load_destination<T>(cpu, op, b)) return false;
        f.sub<T>(a, b, static_cast<T>(a - b));
    } else if constexpr (kind == String::ins) {
        // The port is read only when its value can be stored: reading has side effects.
        u64 linear = 0;
        if (!check_port(cpu, cpu.r16(RDX), size) ||
            !any_write(cpu, SegmentName::ES, index_register(cpu, op, RDI), size, linear) ||
            !probe_write(cpu, linear, size))
            return false;
        if (!store<T>(cpu, op, linear, static_cast<T>(port_read(cpu, op, cpu.r16(RDX), size)))) return false;
    } else {
        if (!check_port(cpu, cpu.r16(RDX), size) || !load_source<T>(cpu, op, a)) return false;
        port_write(cpu, op, cpu.r16(RDX), size, a);
    }
    if constexpr (kind == String::movs || kind == String::lods || kind == String::cmps || kind == String::outs)
        advance(cpu, op, RSI, size);
    if constexpr (kind == String::movs || kind == String::stos || kind == String::cmps || kind == String::scas ||
                  kind == String::ins)
        advance(cpu, op, RDI, size);
    return true;
}

/// How many elements upwards from `offset` stay within the segment, the page and the address size.
template <Word T> u32 run_length(u64 offset, u64 linear, u64 segment_high, u64 mask, u32 wanted) {
    const u64 page_room = (page_size - (linear & page_mask)) / sizeof(T);
    const u64 high = std::min(segment_high, mask);
    const u64 segment_room = offset <= high ? (std::min(high - offset, page_size) + 1) / sizeof(T) : 0;
    return static_cast<u32>(std::min<u64>({wanted, page_room, segment_room}));
}

/// The linear address of `offset` and the last offset of its segment; false where a slow iteration must find out.
bool bulk_place(const Cpu& cpu, unsigned segment, u64 offset, unsigned size, bool write, u64& linear, u64& high) {
    if (cpu.code64()) {
        linear = cpu.base64[segment] + offset;
        high = ~u64{0};
        return true;
    }
    const Segment& s = cpu.seg[segment];
    linear = static_cast<u32>(s.base + offset);
    high = write ? s.write_high : s.read_high;
    return write ? s.writable_at(offset, size) : s.readable_at(offset, size);
}

/// MOVS or STOS on host memory: the number of elements done, 0 when a slow iteration must come first.
template <String kind, Word T> u32 bulk(Cpu& cpu, const Op& op, u32 wanted) {
    if (cpu.eflags & eflags::DF) return 0;
    const u64 mask = address_mask(cpu, op);
    const u64 di = index_register(cpu, op, RDI);
    u64 to_linear = 0, to_high = 0;
    if (!bulk_place(cpu, SegmentName::ES, di, sizeof(T), true, to_linear, to_high)) return 0;
    u32 n = run_length<T>(di, to_linear, to_high, mask, wanted);
    if (n < 2) return 0;
    u8* to = host_for_write<T>(*cpu.tlb, to_linear);
    if (!to) return 0;
    if constexpr (kind == String::stos) {
        const T value = cpu.reg<T>(8 * RAX);
        if constexpr (sizeof(T) == 1)
            std::memset(to, value, n);
        else
            for (u32 i = 0; i < n; ++i) std::memcpy(to + u64{i} * sizeof(T), &value, sizeof(T));
    } else {
        const u64 si = index_register(cpu, op, RSI);
        u64 from_linear = 0, from_high = 0;
        if (!bulk_place(cpu, op.seg, si, sizeof(T), false, from_linear, from_high)) return 0;
        n = run_length<T>(si, from_linear, from_high, mask, n);
        if (n < 2) return 0;
        const u8* from = host_for_read<T>(*cpu.tlb, from_linear);
        if (!from) return 0;
        const u64 bytes = u64{n} * sizeof(T);
        const auto source = reinterpret_cast<u64>(from), target = reinterpret_cast<u64>(to);
        if (target > source && target < source + bytes) { // the copy feeds on itself: element by element
            for (u32 i = 0; i < n; ++i) {
                T element;
                std::memcpy(&element, from + u64{i} * sizeof(T), sizeof(T));
                std::memcpy(to + u64{i} * sizeof(T), &element, sizeof(T));
            }
        } else {
            std::memmove(to, from, bytes);
        }
        set_index(cpu, op, RSI, si + u64{n} * sizeof(T));
    }
    set_index(cpu, op, RDI, di + u64{n} * sizeof(T));
    return n;
}

/// An 80286 in real mode that meets exception 13 has moved on already: the index registers of what it has tried to
/// reach and, of a repetition, CX, which a write finds decremented for the next element too (SingleStepTests/80286: 6D,
/// 6F, A5, A7, AB, AD, AF). CMPS reads ES:DI first.
template <String kind, Word T> [[gnu::cold, gnu::noinline]] void moved_on_286(Cpu& cpu, const Op& op, bool repeated) {
    if (!cpu.has(Feature::only_286) || !cpu.real_mode()) return;
    constexpr bool uses_si =
        kind == String::movs || kind == String::lods || kind == String::cmps || kind == String::outs;
    constexpr bool uses_di = kind != String::lods && kind != String::outs;
    const bool at_source = uses_si && !cpu.seg[op.seg].readable_at(cpu.r16(RSI), sizeof(T));
    const bool at_destination = uses_di && !cpu.seg[SegmentName::ES].readable_at(cpu.r16(RDI), sizeof(T));
    bool si = uses_si, di = uses_di;
    u16 done = 1;
    if (kind == String::movs && at_source) di = false;
    if (kind == String::cmps && at_destination) {
        si = false;
        done = 0;
    }
    if (kind == String::stos || kind == String::ins || (kind == String::movs && !at_source)) done = 2;
    if (si) advance(cpu, op, RSI, sizeof(T));
    if (di) advance(cpu, op, RDI, sizeof(T));
    if (repeated) cpu.set_r16(RCX, static_cast<u16>(cpu.r16(RCX) - done));
}

template <String kind, Word T> struct Single {
    static bool run(Cpu& cpu, const Op& op, Flags& f) {
        if (once<kind, T>(cpu, op, f)) [[likely]]
            return true;
        moved_on_286<kind, T>(cpu, op, false);
        return false;
    }
};

enum class Repeat : u8 { rep, repe, repne };

template <String kind, Word T, Repeat repeat>
GLASSBOX_HANDLER void repeated(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    u64 count = index_register(cpu, *op, RCX);
    // Iterations that the slice has room for, with what was charged for this op and those after it.
    i64 room = cpu.budget + header_of(op).count - op->pos;
    bool started = false, finished = count == 0;
    if constexpr (kind == String::ins || kind == String::outs) { // the port's permission comes before the count
        if (count == 0 && !check_port(cpu, cpu.r16(RDX), sizeof(T))) GLASSBOX_LEAVE(leave_fault, cpu, op, f);
    }
    while (count != 0) {
        if (room <= 0 || cpu.leave_requested) break;
        u32 n = 0;
        if constexpr (kind == String::movs || kind == String::stos)
            n = bulk<kind, T>(cpu, *op, static_cast<u32>(std::min<u64>({count, static_cast<u64>(room), u64{1} << 16})));
        if (n == 0) {
            if (!once<kind, T>(cpu, *op, f)) [[unlikely]] {
                moved_on_286<kind, T>(cpu, *op, true);
                GLASSBOX_LEAVE(leave_fault, cpu, op, f);
            }
            n = 1;
        }
        count -= n;
        set_index(cpu, *op, RCX, count);
        room -= n;
        cpu.budget -= n;
        started = true;
        finished = count == 0;
        if constexpr (kind == String::cmps || kind == String::scas) {
            if (f.zf() != (repeat == Repeat::repe)) finished = true;
        }
        if (finished) break;
    }
    if (!finished) GLASSBOX_LEAVE(leave_again, cpu, op, f);
    if (started) cpu.budget += 1; // the op itself was charged with its block
    if (cpu.budget < 0 || cpu.leave_requested) [[unlikely]]
        GLASSBOX_LEAVE(leave_after, cpu, op, f);
    GLASSBOX_GO(cpu, op + 1, f);
}

template <String kind> Handler select_string(const Insn& insn, Op&) {
    const auto pick = [&]<Word T>() -> Handler {
        if (insn.rep == 0) return &handler<Single<kind, T>>;
        if constexpr (kind == String::cmps || kind == String::scas) {
            return insn.rep == 0xF3 ? &repeated<kind, T, Repeat::repe> : &repeated<kind, T, Repeat::repne>;
        } else {
            return &repeated<kind, T, Repeat::rep>;
        }
    };
    if constexpr (kind == String::ins || kind == String::outs)
        return with_port_width(insn, pick);
    else
        return with_width(insn.opcode & 1 ? insn.opsize : 1u, pick);
}

constexpr OpInfo movs_info{"movs"}, stos_info{"stos"}, lods_info{"lods"}, cmps_info{"cmps", eflags::OSZAPC},
    scas_info{"scas", eflags::OSZAPC}, ins_info{"ins"}, outs_info{"outs"};
// REP with a count of zero leaves the flags alone.
constexpr u32 plain = attr::string | attr::may_fault, comparing = plain | attr::repeats | attr::flags_conditional;

constexpr Row rows[] = {
    {at(0xA4), {Yb, Xb}, &movs_info, &select_string<String::movs>, plain},
    {at(0xA5), {Yv, Xv}, &movs_info, &select_string<String::movs>, plain},
    {at(0xA6), {Xb, Yb}, &cmps_info, &select_string<String::cmps>, comparing},
    {at(0xA7), {Xv, Yv}, &cmps_info, &select_string<String::cmps>, comparing},
    {at(0xAA), {Yb, AL}, &stos_info, &select_string<String::stos>, plain},
    {at(0xAB), {Yv, eAX}, &stos_info, &select_string<String::stos>, plain},
    {at(0xAC), {AL, Xb}, &lods_info, &select_string<String::lods>, plain},
    {at(0xAD), {eAX, Xv}, &lods_info, &select_string<String::lods>, plain},
    {at(0xAE), {AL, Yb}, &scas_info, &select_string<String::scas>, comparing},
    {at(0xAF), {eAX, Yv}, &scas_info, &select_string<String::scas>, comparing},
    {at(0x6C), {Yb, DX}, &ins_info, &select_string<String::ins>, plain | attr::at_most_32, Feature::i186},
    {at(0x6D), {Yv, DX}, &ins_info, &select_string<String::ins>, plain | attr::at_most_32, Feature::i186},
    {at(0x6E), {DX, Xb}, &outs_info, &select_string<String::outs>, plain | attr::at_most_32, Feature::i186},
    {at(0x6F), {DX, Xv}, &outs_info, &select_string<String::outs>, plain | attr::at_most_32, Feature::i186},
};

} // namespace

std::span<const Row> families::string() { return rows; }

} // namespace glassbox
