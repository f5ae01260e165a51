// What families of instructions need of their operands to do something interesting: counts, dividends, selectors,
// values in memory.
#include "tests/x86-conformance/host/maker.hpp"
#include "tests/x86-conformance/host/values.hpp"

#include <algorithm>

namespace glassbox::conformance::host {

namespace {

bool is_x87(const Row& row) { return row.at.map == 0 && row.at.opcode >= 0xD8 && row.at.opcode <= 0xDF; }
bool is_bit_string(const Row& row) {
    return !is_vex(row) && row.at.map == 1 && (row.at.opcode & 0xE7) == 0xA3 && row.at.opcode != 0xA7;
}

constexpr u32 misaligned_mode = 1u << 17; // MXCSR.MM of AMD's processors, which the model lacks
constexpr u32 x87_environment = 28, x87_state = 108, xsave_size = 576 + 256;

/// Of an operand in memory; `v`: operand size, `y`: 4 or 8 by W, `x`: vector length.
unsigned size_of(Arg a, unsigned v, unsigned y, unsigned x) {
    switch (a) {
    case Arg::Eb:
    case Arg::Mb:
    case Arg::Ob:
    case Arg::Wb:
    case Arg::Edb: return 1;
    case Arg::Ew:
    case Arg::Mw:
    case Arg::Ww:
    case Arg::Edw: return 2;
    case Arg::Ed:
    case Arg::Md:
    case Arg::Wd:
    case Arg::Mvd: return 4;
    case Arg::Ey:
    case Arg::My: return y;
    case Arg::Qd:
    case Arg::Mq:
    case Arg::Qq:
    case Arg::Eq:
    case Arg::Wq:
    case Arg::Mvq: return 8;
    case Arg::Mt: return 10;
    case Arg::Mdq:
    case Arg::Wdq: return 16;
    case Arg::Wqq:
    case Arg::Mqq: return 32;
    case Arg::Wx:
    case Arg::Mx: return x;
    case Arg::Wh: return x / 2;
    case Arg::Wo: return x / 4;
    case Arg::We: return x / 8;
    case Arg::Ma: return 2 * v;
    case Arg::Mp: return v + 2;
    case Arg::Ez: return v == 8 ? 4 : v;
    case Arg::Ev:
    case Arg::Mv:
    case Arg::Ov: return v;
    default: return 0;
    }
}

} // namespace

unsigned Maker::memory_size() const {
    const unsigned v = (row_.attributes & attr::opsize_fixed) && !long_ ? 4 : opsize();
    const bool small = v == 2;
    if (is("fldenv") || is("fnstenv")) return small ? x87_environment / 2 : x87_environment;
    if (is("frstor") || is("fnsave")) return small ? x87_state - 14 : x87_state;
    if (begins("fxsave") || begins("fxrstor")) return 512;
    if (begins("xsave") || begins("xrstor")) return xsave_size;
    if (begins("cmpxchg16")) return 16;
    if (is("lgdt") || is("lidt")) return long_ ? 10 : 6;
    for (const Arg a : row_.args) {
        const unsigned size = size_of(a, v, (e_.rex & 8) && long_ ? 8 : 4, e_.vector_length ? 32 : 16);
        if (size) return size;
    }
    return 1;
}

bool Maker::wants_alignment() const {
    if (begins("fxsave") || begins("fxrstor") || begins("xsave") || begins("xrstor") || begins("cmpxchg16"))
        return true;
    if (is_vex(row_)) return begins("vmova") || begins("vmovdqa") || begins("vmovnt");
    for (const Arg a : row_.args) {
        if (a == Arg::Wx || a == Arg::Mdq || a == Arg::Wdq || a == Arg::Mx) return true;
    }
    return false;
}

bool Maker::loads_stack() const {
    return is("lss") || (is("pop") && row_.args[0] == Arg::SS) || (at_opcode(0, 0x8E, 0x8E) && row_.at.digit_ == SS);
}

/// Before the memory operand is chosen: registers that must keep their values, immediates.
void Maker::before_operand() {
    if (row_.attributes & attr::string) make_string();
    if (row_.attributes & attr::branch) make_branch();
    if (is("enter")) {
        const u32 level = random_.chance(2) ? random_.below(32) : random_.below(3);
        e_.immediate = random_.below(0x200) | u64{random_.chance(16) ? random_.below(256) : level} << 16;
    }
    if (is("ret") || is("retf")) e_.immediate = random_.chance(8) ? e_.immediate : random_.below(0x80);
    if (is("int")) {
        e_.immediate = random_.chance(2) ? random_.below(32) : random_.below(256);
        if ((e_.immediate & 0xFF) == 0x80) e_.immediate = 0x81; // the host's kernel answers system calls there
    }
    if (is("jmp") || is("call")) before_branch();
    const bool divides = is("div") || is("idiv");
    const u64 all = long_ ? ~u64{0} : 0xFFFF'FFFF;
    if (divides && random_.chance(2)) r_.gpr[RDX] = random_.chance(2) ? 0 : all;
    if (divides && random_.chance(2)) r_.gpr[RAX] &= 0xFFF;
    if (divides && random_.chance(3))
        r_.gpr[RAX] = (random_.chance(2) ? 0x8000'0000'8000'8000 : 0xFFFF'FFFF'FFFF'8080) & all;
    if (divides && long_ && random_.chance(4))
        r_.gpr[RDX] = r_.gpr[rm_number()] - random_.below(3); // borders on overflow
    if (is("shld") || is("shrd") || at_opcode(0, 0xC0, 0xC1) || at_opcode(0, 0xD0, 0xD3)) {
        set_register(RCX, 1, random_.chance(3) ? random_.below(256) : random_.below(40));
        e_.immediate = random_.chance(3) ? random_.below(256) : random_.below(40);
        keep(RCX);
    }
    if (is_bit_string(row_) && e_.memory && !random_.chance(20)) {
        const i64 distance = static_cast<i64>(random_.below(0x2000)) - 0x1000;
        set_register(reg_number(), opsize(), static_cast<u64>(distance));
        if (reg_number() != RSP) keep(reg_number());
    }
    if (begins("cmpxchg")) keep(RAX), keep(RDX);
    if (begins("xsave") || begins("xrstor")) { // the components that the guest has
        r_.gpr[RAX] = random_.chance(3) ? 7 : random_.below(8);
        r_.gpr[RDX] = 0;
        keep(RAX), keep(RDX);
    }
    if (at_opcode(0, 0x8E, 0x8E) && random_.chance(2)) e_.reg = static_cast<u8>(random_.below(6));
    const bool selector_operand =
        at_opcode(0, 0x8E, 0x8E) || at_opcode(1, 0x00, 0x00) || at_opcode(1, 0x02, 0x03) || is("arpl");
    if (selector_operand && e_.rm == RSP) e_.rm = RBP;
    if (selector_operand && !e_.memory) set_register(rm_number(), 2, any_selector());
    if (is("bound")) keep(e_.reg);
}

void Maker::before_branch() {
    if (row_.args[0] == Arg::Ap) {
        u64 offset = 0;
        u16 selector = 0;
        far_pointer(offset, selector);
        e_.immediate =
            opsize() == 4 ? static_cast<u32>(offset) | u64{selector} << 32 : (offset & 0xFFFF) | u64{selector} << 16;
    } else if (row_.args[0] == Arg::Ev && !e_.memory) {
        if (e_.rm == RSP) e_.rm = RSI;
        r_.gpr[rm_number()] = code_target(r_.seg[CS]);
    }
}

/// With the memory operand's place known: what lies there, and where implied operands are.
void Maker::after_operand() {
    if (is_offset(row_)) {
        e_.displacement = implied_operand(memory_size(), random_.chance(2));
        fill_operand();
    } else if (e_.memory) {
        fill_operand();
    }
    if (is("xlatb")) set_address(RBX, implied_operand(1, false) - (r_.gpr[RAX] & 0xFF));
    if (is("maskmovq") || is("maskmovdqu") || is("vmaskmovdqu"))
        set_address(RDI, implied_operand(16, random_.chance(2)));
    if (is("clzero")) set_address(RAX, implied_operand(64, random_.chance(2)));
    if (is("cmpxchg") && !e_.memory && random_.chance(2)) {
        const unsigned width = row_.args[0] == Arg::Eb ? 1 : opsize();
        set_register(RAX, width, register_value(rm_number(), width));
    }
    make_stack_contents();
}

/// Chooses the place of an operand that no ModRM names; returns its offset.
u64 Maker::implied_operand(unsigned size, bool aligned) {
    const unsigned address = shape_.addrsize();
    if (address == 2 && base_of(implied_segment(DS)) == 0) e_.segment = 0x65;
    if (long_ && address == 4) {
        data_window_ = 0;
        if (!random_.chance(8)) e_.segment = 0; // a base that is out of reach
    }
    const unsigned segment = implied_segment(DS);
    linear_ = choose_linear(segment, size, aligned);
    return linear_ - base_of(segment);
}

void Maker::fill_operand() {
    std::array<u8, xsave_size> bytes{};
    const auto value = std::span(bytes).first(memory_size());
    for (u8& b : value) b = static_cast<u8>(random_.next());
    fill_special_operand(value);
    set_memory(linear_, value);
}

void Maker::fill_special_operand(std::span<u8> value) {
    const auto put = [&](std::size_t at, auto x) {
        std::memcpy(value.data() + at, &x, std::min(sizeof x, value.size() - at));
    };
    const unsigned v = opsize();
    if (begins("xrstor")) return make_xsave_image(value);
    if (is("fldenv") || is("frstor") || begins("fxrstor")) return make_environment(value);
    if (is_x87(row_)) return any_x87_operand(random_, row_.at.opcode, static_cast<unsigned>(row_.at.digit_ & 7), value);
    if (is("ldmxcsr") || is("vldmxcsr"))
        return put(0, static_cast<u32>(random_.next()) & (random_.chance(8) ? ~misaligned_mode : 0xFFFF));
    if (is_vector(row_) || is_mmx(row_)) {
        const unsigned kind = random_.below(5);
        for (std::size_t at = 0; at < value.size(); at += 8) put(at, any_lane(random_, kind));
        return;
    }
    const bool selector =
        at_opcode(0, 0x8E, 0x8E) || at_opcode(1, 0x00, 0x00) || at_opcode(1, 0x02, 0x03) || is("arpl");
    if (selector) return put(0, any_selector());
    if (row_.args[0] == Arg::Mp || row_.args[1] == Arg::Mp) {
        u64 offset = any_register_value();
        u16 to = any_selector();
        if (is("jmp") || is("call")) far_pointer(offset, to);
        put(0, offset);
        return put(v, to);
    }
    if (is("jmp") || is("call")) return put(0, code_target(r_.seg[CS]));
    if (is("bound")) {
        const u64 around = register_value(e_.reg, v);
        put(0, around - random_.below(4) + random_.below(2));
        return put(v, around + random_.below(4) - random_.below(2));
    }
    if (is("cmpxchg8b") || is("cmpxchg16b")) {
        if (random_.chance(2)) return;
        put(0, r_.gpr[RAX]);
        return put(value.size() / 2, r_.gpr[RDX]);
    }
    if (is("cmpxchg") && random_.chance(2)) return put(0, r_.gpr[RAX]);
    if (value.size() <= 8) put(0, any_register_value());
}

} // namespace glassbox::conformance::host
