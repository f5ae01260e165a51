// ModRM, SIB, displacement and the registers behind them, so that they lead to the address that was chosen.
#include "tests/x86-conformance/host/maker.hpp"

#include <algorithm>

namespace glassbox::conformance::host {

namespace {

constexpr unsigned none = 16;
constexpr bool fits32(u64 value) { return static_cast<u64>(static_cast<i64>(static_cast<i32>(value))) == value; }
constexpr u64 sign_extended(u64 value, unsigned bits) {
    return static_cast<u64>(static_cast<i64>(value << (64 - bits)) >> (64 - bits));
}

/// Base and index of 32-bit and 64-bit addresses, `none` where there is none.
struct Parts {
    unsigned base, index, scale;
};
Parts parts_of(const Encoding& e, bool long_mode) {
    const unsigned rex = long_mode ? e.rex : 0, extend_base = (rex & 1u) << 3, extend_index = (rex & 2u) << 2;
    const bool sib = e.rm == 4;
    const unsigned low = sib ? e.sib & 7u : e.rm;
    const unsigned index = sib ? ((e.sib >> 3) & 7u) | extend_index : 4;
    return {e.mod == 0 && low == 5 ? none : low | extend_base, index == 4 ? none : index, e.sib >> 6 & 3u};
}

} // namespace

/// Of the ModRM byte chosen so far.
unsigned Maker::address_segment() const {
    bool stack = false;
    if (shape_.addrsize() == 2) {
        stack = e_.rm == 2 || e_.rm == 3 || (e_.rm == 6 && e_.mod != 0);
    } else {
        const unsigned base = parts_of(e_, long_).base;
        stack = base == RSP || base == RBP;
    }
    return implied_segment(stack ? SS : DS);
}

void Maker::aim32(u64 linear) {
    const Parts p = parts_of(e_, long_);
    const u64 index = p.index == none ? 0 : r_.gpr[p.index] << p.scale;
    const u32 offset = static_cast<u32>(linear - base_of(address_segment()) - index);
    e_.displacement = static_cast<u32>(random_.next());
    if (p.base == none)
        e_.displacement = offset;
    else if (e_.mod == 2)
        e_.displacement = static_cast<u32>(offset - r_.gpr[p.base]);
    else
        r_.gpr[p.base] = offset - (e_.mod == 1 ? static_cast<u32>(static_cast<i8>(e_.displacement)) : 0);
}

void Maker::aim16(u64 linear) {
    constexpr unsigned no_index = 8;
    constexpr unsigned bases[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    constexpr unsigned indexes[8] = {RSI, RDI, RSI, RDI, no_index, no_index, no_index, no_index};
    const unsigned base = bases[e_.rm], index = indexes[e_.rm];
    const u32 offset = static_cast<u32>(linear - base_of(address_segment()) - (index == no_index ? 0 : r_.gpr[index]));
    e_.displacement = static_cast<u32>(random_.next());
    if (e_.mod == 0 && e_.rm == 6) {
        e_.displacement = static_cast<u32>(linear - base_of(address_segment()));
        return;
    }
    if (e_.mod == 2) {
        e_.displacement = static_cast<u32>(offset - r_.gpr[base]);
        return;
    }
    const u32 value = offset - (e_.mod == 1 ? static_cast<u32>(static_cast<i8>(e_.displacement)) : 0);
    r_.gpr[base] = (r_.gpr[base] & 0xFFFF'0000) | (value & 0xFFFF);
}

/// False: this form cannot lead there with the registers that may change. RIP-relative ones are settled when the length
/// is known.
bool Maker::aim64(u64 linear) {
    const unsigned bits = shape_.addrsize() == 4 ? 32 : 64;
    const u64 offset = linear - base_of(address_segment());
    if (bits == 32 && offset >> 32) return false;
    const Parts p = parts_of(e_, long_);
    if (rip_relative()) {
        const u64 distance = offset - r_.rip;
        return bits == 32 || (fits32(distance + 64) && fits32(distance - 64));
    }
    const u64 random_disp = sign_extended(random_.next(), e_.mod == 1 ? 8 : 32);
    u64 disp = e_.mod == 0 && p.base != none ? 0 : random_disp;
    const bool free_base = p.base != none && !kept(p.base), free_index = p.index != none && !kept(p.index);
    if (p.base != none && p.base == p.index) { // (1 + scale) times the same
        if (!free_base || e_.mod == 0 || bits == 32) return false;
        const u64 times = 1 + (u64{1} << p.scale);
        r_.gpr[p.base] = offset / times;
        e_.displacement = offset % times;
        return true;
    }
    const auto scaled = [&] { return p.index == none ? 0 : r_.gpr[p.index] << p.scale; };
    if (free_base) {
        set_address(p.base, offset - disp - scaled());
    } else if (free_index && (e_.mod != 0 || p.base == none)) {
        const u64 rest = offset - (p.base == none ? 0 : r_.gpr[p.base]);
        if (e_.mod == 1) disp = random_.below(100);
        set_address(p.index, (rest - disp) >> p.scale);
        disp += (rest - disp) & ((u64{1} << p.scale) - 1);
        if (bits == 64 && scaled() + disp != rest) return false;
    } else { // what is there must do
        disp = offset - scaled() - (p.base == none ? 0 : r_.gpr[p.base]);
        const bool encodes = e_.mod == 2 || p.base == none;
        if (!encodes || (bits == 64 && !fits32(disp))) return false;
    }
    e_.displacement = disp;
    return true;
}

void Maker::choose_operand64(unsigned size, bool aligned, bool locked) {
    const auto place = [&] {
        linear_ = choose_linear(address_segment(), size, aligned);
        if (locked) linear_ = (linear_ & ~u64{63}) + random_.below(48);
    };
    for (unsigned tries = 0; tries < 8; ++tries) {
        e_.mod = static_cast<u8>(random_.below(3));
        e_.rm = static_cast<u8>(random_.below(8));
        e_.sib = static_cast<u8>(random_.next());
        if (rip_relative() && !e_.addrsize_prefix) data_window_ = in_.window;
        if (e_.addrsize_prefix) data_window_ = 0;
        place();
        if (aim64(linear_)) return;
        if (tries == 3 && e_.segment >= 0x64) e_.segment = 0; // its base may be out of reach
    }
    e_.mod = 0; // [RSI], [R14]
    e_.rm = RSI;
    place();
    (void)aim64(linear_);
}

/// One address for each element: base + index * scale + displacement.
void Maker::choose_vsib(unsigned size) {
    const bool wide_index =
        name_.ends_with("qd") || name_.ends_with("qq") || name_.ends_with("qps") || name_.ends_with("qpd");
    e_.mod = static_cast<u8>(random_.below(3));
    e_.rm = 4;
    e_.sib = static_cast<u8>(random_.next());
    if (e_.mod == 0 && (e_.sib & 7) == 5) e_.mod = 1;
    const unsigned rex = long_ ? e_.rex : 0;
    const unsigned base = (e_.sib & 7u) | (rex & 1u) << 3, index = ((e_.sib >> 3) & 7u) | (rex & 2u) << 2;
    const u64 disp = e_.mod == 0 ? 0 : sign_extended(random_.next(), e_.mod == 1 ? 8 : 32);
    e_.displacement = disp;
    if (e_.addrsize_prefix || !long_) data_window_ = 0;
    linear_ = choose_linear(address_segment(), size, random_.chance(2));
    if (!kept(base)) set_address(base, linear_ - base_of(address_segment()) - disp);
    const u32 reach = (random_.chance(16) ? 0x8000u : 0x800u) >> (e_.sib >> 6);
    const auto near = [&] {
        return random_.chance(20) ? static_cast<u32>(random_.next()) : random_.below(2 * reach) - reach;
    };
    for (unsigned i = 0; i < 4; ++i) {
        const u32 low = near(), high = wide_index ? (low & 0x8000'0000 ? ~u32{0} : 0) : near();
        u8* at = i < 2 ? r_.fx.data() + fx_xmm + 16 * index + 8 * i : r_.ymm.data() + 16 * index + 8 * (i - 2);
        std::memcpy(at, &low, 4);
        std::memcpy(at + 4, &high, 4);
    }
}

void Maker::choose_operand() {
    if (!e_.memory) return;
    const unsigned size = std::max(memory_size(), 1u);
    const bool locked = e_.lock || is("xchg"); // over a cache line they are very slow on hosts, or #AC
    bool aligned = wants_alignment() ? !random_.chance(8) : random_.chance(2);
    if (r_.eflags & eflags::AC) aligned = aligned || random_.chance(2);
    const bool narrow = shape_.addrsize() == 2;
    if (is_vsib(row_) && !narrow) return choose_vsib(size);
    if (long_) return choose_operand64(size, aligned, locked);
    e_.mod = static_cast<u8>(random_.below(3));
    e_.rm = static_cast<u8>(random_.below(8));
    e_.sib = static_cast<u8>(random_.next());
    if (!narrow) {
        const Parts p = parts_of(e_, long_);
        if (p.base != none && e_.mod != 2 && (p.index == p.base || kept(p.base))) e_.mod = 2;
    } else if (!(e_.mod == 0 && e_.rm == 6) && e_.mod != 2) {
        constexpr unsigned bases[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
        if (kept(bases[e_.rm])) e_.mod = 2;
    }
    if (narrow && base_of(address_segment()) < data_start - 0x1'0000 && !random_.chance(16)) e_.segment = 0x65;
    linear_ = choose_linear(address_segment(), size, aligned || locked);
    if (locked) linear_ = (linear_ & ~u64{63}) + random_.below(48);
    narrow ? aim16(linear_) : aim32(linear_);
}

} // namespace glassbox::conformance::host
