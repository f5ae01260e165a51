// SSE4.2's string comparisons (SDM 1, 12.10.2 and 4.1 of SDM 2B, "Imm8 control byte operation"): PCMPESTRI, PCMPESTRM,
// PCMPISTRI, PCMPISTRM. Memory operands need no alignment.
#include "cpu/sse/exec.hpp"

#include <algorithm>

namespace glassbox::sse {

namespace {

using enum Arg;
constexpr Feature sse42 = Feature::sse42, avx = Feature::avx;

/// The control byte: 0 words, 1 signed, 3-2 how to compare, 5-4 polarity, 6 last instead of first, or bytes instead of
/// bits.
enum class Comparison : u8 { equal_any, ranges, equal_each, equal_ordered };
struct Strings {
    std::array<int, 16> a{}, b{}; ///< the elements of the first operand and of the second
    unsigned count = 16;          ///< elements of a register
    unsigned a_length = 16, b_length = 16;
};

Strings unpack(const Xmm& a, const Xmm& b, u8 control) {
    Strings s;
    const auto fill = [&]<class T>(T) {
        const auto x = lanes<T, Xm>(a), y = lanes<T, Xm>(b);
        s.count = s.a_length = s.b_length = lane_count<T, Xm>;
        for (unsigned i = 0; i < s.count; ++i) {
            s.a[i] = x[i];
            s.b[i] = y[i];
        }
    };
    switch (control & 3) {
    case 0: fill(u8{}); break;
    case 1: fill(u16{}); break;
    case 2: fill(i8{}); break;
    default: fill(i16{}); break;
    }
    return s;
}

bool any_equal(const Strings& s, unsigned j) {
    for (unsigned i = 0; i < s.a_length; ++i) {
        if (s.a[i] == s.b[j]) return true;
    }
    return false;
}
bool in_a_range(const Strings& s, unsigned j) {
    for (unsigned i = 0; i + 1 < s.a_length; i += 2) {
        if (s.a[i] <= s.b[j] && s.b[j] <= s.a[i + 1]) return true;
    }
    return false;
}
/// The first string is found at j; what its end or the register's end cuts off is taken as found.
bool found_at(const Strings& s, unsigned j) {
    for (unsigned i = 0; i < s.a_length && j + i < s.count; ++i) {
        if (j + i >= s.b_length || s.a[i] != s.b[j + i]) return false;
    }
    return true;
}
u32 compare(const Strings& s, u8 control) {
    u32 result = 0;
    for (unsigned j = 0; j < s.count; ++j) {
        bool yes = false;
        switch (static_cast<Comparison>(control >> 2 & 3)) {
        case Comparison::equal_any: yes = j < s.b_length && any_equal(s, j); break;
        case Comparison::ranges: yes = j < s.b_length && in_a_range(s, j); break;
        case Comparison::equal_each:
            yes = j < s.a_length && j < s.b_length ? s.a[j] == s.b[j] : j >= s.a_length && j >= s.b_length;
            break;
        case Comparison::equal_ordered: yes = found_at(s, j); break;
        }
        const bool inverted = (control & 0x10) && (!(control & 0x20) || j < s.b_length);
        result |= static_cast<u32>(yes != inverted) << j;
    }
    return result;
}

/// Where the lengths come from.
enum class Ends : u8 { zero, registers32, registers64 };

unsigned length_of(i64 value, unsigned count) {
    return value < 0 ? static_cast<unsigned>(std::min<u64>(~static_cast<u64>(value) + 1, count))
                     : static_cast<unsigned>(std::min<u64>(static_cast<u64>(value), count));
}
void find_lengths(const Cpu& cpu, Strings& s, Ends ends) {
    const auto explicit_length = [&](Gpr n) {
        return length_of(ends == Ends::registers64 ? static_cast<i64>(cpu.gpr[n]) : static_cast<i32>(cpu.gpr[n]),
                         s.count);
    };
    const auto terminated = [&](const std::array<int, 16>& text) {
        return static_cast<unsigned>(std::find(text.begin(), text.begin() + s.count, 0) - text.begin());
    };
    s.a_length = ends == Ends::zero ? terminated(s.a) : explicit_length(RAX);
    s.b_length = ends == Ends::zero ? terminated(s.b) : explicit_length(RDX);
}

Xmm mask_of(u32 result, const Strings& s, u8 control) {
    if (!(control & 0x40)) return {{result, 0}};
    std::array<u8, 16> bytes{};
    const unsigned width = 16 / s.count;
    for (unsigned i = 0; i < 16; ++i) bytes[i] = result >> (i / width) & 1 ? 0xFF : 0;
    return std::bit_cast<Xmm>(bytes);
}
unsigned index_of(u32 result, const Strings& s, u8 control) {
    if (result == 0) return s.count;
    return static_cast<unsigned>(control & 0x40 ? std::bit_width(result) - 1 : std::countr_zero(result));
}

template <class File, Ends ends, bool index> struct CompareStrings {
    template <class Source> struct Body {
        static bool run(Cpu& cpu, const Op& op, Flags& f) {
            Xmm b;
            if (!File::ready(cpu) || !V128::source<Source>(cpu, op, b)) return false;
            const u8 control = static_cast<u8>(Source::immediate(op));
            Strings s = unpack(cpu.sse.xmm(op.reg), b, control);
            find_lengths(cpu, s, ends);
            const u32 result = compare(s, control);
            if constexpr (index)
                cpu.gpr[RCX] = index_of(result, s, control);
            else
                File::set(cpu, 0, mask_of(result, s, control));
            f.load((result ? eflags::CF : 0) | (s.b_length < s.count ? eflags::ZF : 0) |
                   (s.a_length < s.count ? eflags::SF : 0) | (result & 1 ? eflags::OF : 0));
            return true;
        }
    };
};

template <Name name, Ends ends, bool index> consteval auto comparison(u32 opcode, int w = -1, u32 only = 0) {
    const At place = at(opcode).p66().w(w);
    return table(row<CompareStrings<Xm, ends, index>::template Body>(info_of<name, eflags::OSZAPC>, place,
                                                                     {Vdq, Wdq, Ib}, sse42, only),
                 row<CompareStrings<V128, ends, index>::template Body>(vex_info<name, eflags::OSZAPC>, place.vex().l(0),
                                                                       {Vdq, Wdq, Ib}, avx, only));
}

constexpr auto rows =
    table(comparison<"pcmpestrm", Ends::registers64, false>(0x0F3A60, 1, attr::only_64),
          comparison<"pcmpestri", Ends::registers64, true>(0x0F3A61, 1, attr::only_64),
          comparison<"pcmpestrm", Ends::registers32, false>(0x0F3A60),
          comparison<"pcmpestri", Ends::registers32, true>(0x0F3A61),
          comparison<"pcmpistrm", Ends::zero, false>(0x0F3A62), comparison<"pcmpistri", Ends::zero, true>(0x0F3A63));

} // namespace

std::span<const Row> text_rows() { return rows; }

} // namespace glassbox::sse
