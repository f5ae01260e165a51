// What families of instructions need to do something interesting: counts, dividends, selectors, addresses to go to,
// stack contents, images of the x87 state.
#include "tests/x86-conformance/host/maker.hpp"
#include "tests/x86-conformance/host/values.hpp"

#include <algorithm>

namespace glassbox::conformance::host {

namespace {

bool is_x87(const Row& row) { return row.at.map == 0 && row.at.opcode >= 0xD8 && row.at.opcode <= 0xDF; }
bool is_bit_string(const Row& row) {
    return row.at.map == 1 && (row.at.opcode & 0xE7) == 0xA3 && row.at.opcode != 0xA7;
}
bool is_offset_form(const Row& row) { return is_offset(row); }

constexpr u32 misaligned_mode = 1u << 17; // MXCSR.MM of AMD's processors, which the model lacks
constexpr u32 x87_environment = 28, x87_state = 108;

} // namespace

unsigned Maker::memory_size() const {
    const unsigned v = row_.attributes & attr::opsize_fixed ? 4 : shape_.opsize();
    if (is("fldenv") || is("fnstenv")) return v == 4 ? x87_environment : x87_environment / 2;
    if (is("frstor") || is("fnsave")) return v == 4 ? x87_state : x87_state - 14;
    if (is("fxsave") || is("fxrstor")) return 512;
    if (is("lgdt") || is("lidt")) return 6;
    for (const Arg a : row_.args) {
        switch (a) {
        case Arg::Eb:
        case Arg::Mb:
        case Arg::Ob: return 1;
        case Arg::Ew:
        case Arg::Mw: return 2;
        case Arg::Ed:
        case Arg::Md:
        case Arg::Wd: return 4;
        case Arg::Qd: return 8;
        case Arg::Mq:
        case Arg::Qq:
        case Arg::Wq: return 8;
        case Arg::Wx:
        case Arg::Mdq: return 16;
        case Arg::Mt: return 10;
        case Arg::Ma: return 2 * v;
        case Arg::Mp: return v + 2;
        case Arg::Ev:
        case Arg::Mv:
        case Arg::Ov: return v;
        default: break;
        }
    }
    return 1;
}

bool Maker::wants_alignment() const {
    if (is("fxsave") || is("fxrstor")) return true;
    for (const Arg a : row_.args) {
        if (a == Arg::Wx || a == Arg::Mdq) return true;
    }
    return false;
}

bool Maker::loads_stack() const {
    return is("lss") || (is("pop") && row_.args[0] == Arg::SS) || (at_opcode(0, 0x8E, 0x8E) && row_.at.digit_ == SS);
}

u16 Maker::any_selector() {
    constexpr u16 global[] = {flat_code, flat_data, 0x08, 0x10, 0x18, 0x80, 0x1000, 0xFFF8};
    if (loads_stack() && random_.chance(2)) {
        constexpr u16 stacks[] = {
            flat_data,           selector_of(data16),     selector_of(data32),   selector_of(down16),
            selector_of(down32), selector_of(small_data), selector_of(odd_base), selector_of(flat_pages)};
        return stacks[random_.below(8)];
    }
    switch (random_.below(10)) {
    case 0: return static_cast<u16>(random_.below(4)); // null
    case 1: return static_cast<u16>((global[random_.below(8)] & ~3u) | random_.below(4));
    case 2: return random_.chance(2) ? flat_data : flat_code;
    case 3: return static_cast<u16>((ldt.size() + random_.below(4)) << 3 | 7); // beyond the LDT
    default:
        return selector_of(static_cast<LdtEntry>(random_.below(ldt.size())), random_.chance(4) ? random_.below(4) : 3);
    }
}

u32 Maker::code_target(u16 selector) {
    const u32 wild = biased(random_);
    const u32 itself = code_start + in_.code_at - base_of(selector); // a jump there does not end
    if (random_.chance(24) && ((wild - itself + 24) & 0xFFFF) > 48) return wild;
    u32 at = random_.below(code_size);
    if (at + 24 > in_.code_at && at < in_.code_at + 24)
        at = in_.code_at < code_size / 2 ? code_size - 64 : 32; // not itself
    const u32 target = code_start + at - base_of(selector);
    return random_.chance(8) ? target | (static_cast<u32>(random_.next()) & 0xFFFF'0000) : target;
}

void Maker::far_pointer(u32& offset, u16& selector) {
    constexpr u16 code[] = {flat_code,
                            selector_of(code32),
                            selector_of(code16),
                            selector_of(execute_only),
                            selector_of(small_code16),
                            selector_of(high_code16)};
    selector = random_.chance(3) ? any_selector() : code[random_.below(6)];
    if ((selector & 4) && selector >> 3 >= ldt.size())
        offset = biased(random_);
    else
        offset = code_target(selector);
}

void Maker::push_value(u32& at, u32 value, unsigned width) {
    if (width == 2)
        set_memory(at, static_cast<u16>(value));
    else
        set_memory(at, value);
    at += width;
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
    if (is("jmp") || is("call")) {
        if (row_.args[0] == Arg::Ap) {
            u32 offset = 0;
            u16 selector = 0;
            far_pointer(offset, selector);
            const unsigned width = shape_.opsize();
            e_.immediate = width == 4 ? offset | u64{selector} << 32 : (offset & 0xFFFF) | u64{selector} << 16;
        } else if (row_.args[0] == Arg::Ev && !e_.memory) {
            if (e_.rm == RSP) e_.rm = RSI;
            r_.gpr[e_.rm] = code_target(r_.seg[CS]);
        }
    }
    const bool divides = is("div") || is("idiv");
    if (divides && random_.chance(2)) r_.gpr[RDX] = random_.chance(2) ? 0 : ~u32{0};
    if (divides && random_.chance(2)) r_.gpr[RAX] &= 0xFFF;
    if (divides && random_.chance(3)) r_.gpr[RAX] = random_.chance(2) ? 0x8000'8000 : 0xFFFF'8080;
    if (is("shld") || is("shrd") || at_opcode(0, 0xC0, 0xC1) || at_opcode(0, 0xD0, 0xD3)) {
        set_register(RCX, 1, random_.chance(3) ? random_.below(256) : random_.below(40));
        e_.immediate = random_.chance(3) ? random_.below(256) : random_.below(40);
        keep(RCX);
    }
    if (is_bit_string(row_) && e_.memory && !random_.chance(20)) {
        r_.gpr[e_.reg] = (r_.gpr[e_.reg] & (shape_.opsize() == 2 ? 0xFFFF'0000 : 0)) |
                         ((random_.below(0x2000) - 0x1000) & (shape_.opsize() == 2 ? 0xFFFF : ~u32{0}));
        if (e_.reg != RSP) keep(e_.reg);
    }
    const bool compares = is("cmpxchg") || is("cmpxchg8b");
    if (compares) keep(RAX), keep(RDX);
    if (at_opcode(0, 0x8E, 0x8E) && random_.chance(2)) e_.reg = static_cast<u8>(random_.below(6));
    const bool selector_operand =
        at_opcode(0, 0x8E, 0x8E) || at_opcode(1, 0x00, 0x00) || at_opcode(1, 0x02, 0x03) || is("arpl");
    if (selector_operand && e_.rm == RSP) e_.rm = RBP;
    if (selector_operand && !e_.memory) set_register(e_.rm, 2, any_selector());
    if (is("bound")) keep(e_.reg);
}

/// With the memory operand's place known: what lies there, and where implied operands are.
void Maker::after_operand() {
    if (is_offset_form(row_)) {
        if (shape_.addrsize() == 2 && base_of(r_.seg[implied_segment(DS)]) == 0) e_.segment = 0x65;
        const unsigned segment = implied_segment(DS);
        linear_ = choose_linear(segment, memory_size(), random_.chance(2));
        e_.displacement = linear_ - base_of(r_.seg[segment]);
        fill_operand();
    } else if (e_.memory) {
        fill_operand();
    }
    if (is("xlatb")) {
        if (shape_.addrsize() == 2 && base_of(r_.seg[implied_segment(DS)]) == 0) e_.segment = 0x65;
        const unsigned segment = implied_segment(DS);
        r_.gpr[RBX] = choose_linear(segment, 1, false) - base_of(r_.seg[segment]) - (r_.gpr[RAX] & 0xFF);
    }
    if (is("maskmovq") || is("maskmovdqu")) {
        if (shape_.addrsize() == 2 && base_of(r_.seg[implied_segment(DS)]) == 0) e_.segment = 0x65;
        const unsigned segment = implied_segment(DS);
        r_.gpr[RDI] = choose_linear(segment, 16, random_.chance(2)) - base_of(r_.seg[segment]);
    }
    if (is("cmpxchg") && !e_.memory && random_.chance(2)) {
        const unsigned width = row_.args[0] == Arg::Eb ? 1 : shape_.opsize();
        set_register(RAX, width, register_value(e_.rm, width));
    }
    make_stack_contents();
}

void Maker::fill_operand() {
    std::array<u8, 512> bytes{};
    const auto value = std::span(bytes).first(memory_size());
    for (u8& b : value) b = static_cast<u8>(random_.next());
    fill_special_operand(value);
    set_memory(linear_, value);
}

void Maker::fill_special_operand(std::span<u8> value) {
    const auto put = [&](std::size_t at, auto x) {
        std::memcpy(value.data() + at, &x, std::min(sizeof x, value.size() - at));
    };
    const unsigned v = shape_.opsize();
    if (is("fldenv") || is("frstor") || is("fxrstor")) return make_environment(value);
    if (is_x87(row_)) return any_x87_operand(random_, row_.at.opcode, static_cast<unsigned>(row_.at.digit_ & 7), value);
    if (is("ldmxcsr"))
        return put(0, static_cast<u32>(random_.next()) & (random_.chance(8) ? ~misaligned_mode : 0xFFFF));
    if (row_.feature >= Feature::mmx && row_.feature <= Feature::sse2) {
        const unsigned kind = random_.below(5);
        for (std::size_t at = 0; at < value.size(); at += 8) put(at, any_lane(random_, kind));
        return;
    }
    const bool selector =
        at_opcode(0, 0x8E, 0x8E) || at_opcode(1, 0x00, 0x00) || at_opcode(1, 0x02, 0x03) || is("arpl");
    if (selector) return put(0, any_selector());
    if (row_.args[0] == Arg::Mp || row_.args[1] == Arg::Mp) {
        u32 offset = biased(random_);
        u16 to = any_selector();
        if (is("jmp") || is("call")) far_pointer(offset, to);
        put(0, offset);
        return put(v, to);
    }
    if (is("jmp") || is("call")) return put(0, code_target(r_.seg[CS]));
    if (is("bound")) {
        const u32 around = register_value(e_.reg, v);
        put(0, around - random_.below(4) + random_.below(2));
        return put(v, around + random_.below(4) - random_.below(2));
    }
    if (is("cmpxchg8b")) {
        if (random_.chance(2)) return;
        put(0, r_.gpr[RAX]);
        return put(4, r_.gpr[RDX]);
    }
    if (is("cmpxchg") && random_.chance(2)) return put(0, r_.gpr[RAX]);
    if (value.size() <= 4) put(0, biased(random_));
}

void Maker::make_environment(std::span<u8> image) {
    const auto put = [&](std::size_t at, auto x) {
        std::memcpy(image.data() + at, &x, std::min(sizeof x, image.size() - at));
    };
    std::array<u8, 288> fx{};
    any_x87(random_, fx, true);
    u16 control = 0, status = 0;
    std::memcpy(&control, fx.data() + fx_control, 2);
    std::memcpy(&status, fx.data() + fx_status, 2);
    if (random_.chance(4)) status = static_cast<u16>(random_.next()), control = static_cast<u16>(random_.next());
    if (is("fxrstor")) {
        any_sse(random_, fx);
        std::ranges::copy(fx, image.begin());
        put(0, control);
        put(2, status);
        put(fx_opcode, static_cast<u16>(random_.next()));
        put(fx_ip, static_cast<u32>(random_.next()));
        put(fx_dp, static_cast<u32>(random_.next()));
        if (random_.chance(12)) put(fx_mxcsr, u32{1} << random_.below(32) & ~misaligned_mode);
        return;
    }
    const std::size_t step = shape_.opsize();
    put(0, control);
    put(step, status);
    if (random_.chance(2)) put(2 * step, random_.chance(2) ? u16{0} : u16{0xFFFF});
    for (std::size_t i = 0, at = 7 * step; at + 10 <= image.size(); ++i, at += 10)
        std::copy_n(fx.begin() + fx_registers + 16 * static_cast<std::ptrdiff_t>(i), 10,
                    image.begin() + static_cast<std::ptrdiff_t>(at));
}

void Maker::make_string() {
    const bool narrow = shape_.addrsize() == 2;
    const unsigned width = (row_.at.opcode & 1) ? shape_.opsize() : 1;
    u32 count = random_.chance(8) ? 0 : random_.below(60);
    if (random_.chance(16)) count = 60 + random_.below(120);
    r_.gpr[RCX] = narrow ? count | (static_cast<u32>(random_.next()) & 0xFFFF'0000) : count;
    const u32 span = e_.rep ? std::max(count, 1u) * width : width;
    const auto place = [&](unsigned number, unsigned segment) {
        const u32 linear = choose_linear(segment, random_.chance(4) ? span : width, random_.chance(2));
        r_.gpr[number] = linear - base_of(r_.seg[segment]);
        if (narrow) r_.gpr[number] = (r_.gpr[number] & 0xFFFF) | (static_cast<u32>(random_.next()) & 0xFFFF'0000);
        return linear;
    };
    if (narrow && base_of(r_.seg[implied_segment(DS)]) == 0) e_.segment = 0x65;
    const unsigned from = implied_segment(DS);
    u32 source = place(RSI, from);
    u32 target = place(RDI, ES);
    if (random_.chance(4)) { // overlapping
        target = source + random_.below(17) - 8;
        r_.gpr[RDI] = target - base_of(r_.seg[ES]);
    }
    if (row_.attributes & attr::repeats) { // CMPS and SCAS go on while both sides are the same, or while they differ
        const bool down = (r_.eflags & eflags::DF) != 0;
        std::array<u8, 256> same{};
        const u8 value = static_cast<u8>(random_.next());
        same.fill(value);
        const u32 length = std::min<u32>(span, 256);
        if (random_.chance(2)) r_.gpr[RAX] = value * 0x0101'0101u;
        if (random_.chance(2)) same[random_.below(length)] ^= 1;
        if (down) source -= length - width, target -= length - width;
        set_memory(source, std::span<const u8>(same).first(length));
        if (random_.chance(2)) same[random_.below(length)] ^= 1;
        set_memory(target, std::span<const u8>(same).first(length));
    }
}

void Maker::make_branch() {
    if (random_.chance(2)) set_register(RCX, shape_.addrsize(), random_.below(3));
    switch (random_.below(4)) {
    case 0: e_.immediate = random_.below(100); break;
    case 1: e_.immediate = static_cast<u64>(-static_cast<i64>(20 + random_.below(100))); break;
    case 2:
        if (random_.chance(2)) e_.immediate = static_cast<u64>(i64{code_target(r_.seg[CS])} - i64{r_.eip});
        break;
    default: break;
    }
    // Into itself it would not end, or run other bytes than these.
    const auto near = static_cast<i8>(e_.immediate);
    if (near < 0 && near > -20) e_.immediate = (e_.immediate & ~u64{0xFF}) | static_cast<u8>(near + 20);
}

void Maker::make_stack_contents() {
    u32 at = stack_linear();
    const unsigned v = shape_.opsize();
    if (is("ret")) return push_value(at, code_target(r_.seg[CS]), v);
    if (is("retf") || is("iret")) {
        u32 offset = 0;
        u16 selector = 0;
        far_pointer(offset, selector);
        push_value(at, offset, v);
        push_value(at, selector | (static_cast<u32>(random_.next()) & 0xFFFF'0000), v);
        if (is("iret")) push_value(at, static_cast<u32>(random_.next()), v);
        return;
    }
    const bool pops_segment = (row_.attributes & attr::ends_block) && is("pop");
    if (pops_segment) return push_value(at, any_selector() | (static_cast<u32>(random_.next()) & 0xFFFF'0000), v);
    if (is("popf")) return push_value(at, static_cast<u32>(random_.next()), v);
    if (is("pop") || is("popa")) return push_value(at, biased(random_), v);
}

} // namespace glassbox::conformance::host
