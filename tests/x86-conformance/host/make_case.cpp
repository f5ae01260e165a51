#include "tests/x86-conformance/host/maker.hpp"
#include "tests/x86-conformance/host/values.hpp"

#include <algorithm>

namespace glassbox::conformance::host {

namespace {

/// Whether a row that demands this ModRM.reg comes before the row that takes any.
bool taken_by_another(const Row& row, unsigned reg, bool memory, bool long_mode) {
    for (const Row* other : rows_at(row.at.encoding, row.at.map, row.at.opcode)) {
        if (other->attributes & (long_mode ? attr::not_in_64 : attr::only_64)) continue;
        const bool fits = other->at.mod == Mod::any || (other->at.mod == Mod::memory) == memory;
        const bool selected = other->at.mandatory == Mandatory::any || other->at.mandatory == row.at.mandatory;
        if (other != &row && fits && selected && other->at.digit_ == static_cast<int>(reg)) return true;
    }
    return false;
}

constexpr u8 segment_prefixes[] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};

bool is_legacy_prefix(u8 b) {
    return std::ranges::find(segment_prefixes, b) != std::end(segment_prefixes) || b == 0x66 || b == 0x67 ||
           b == 0xF0 || b == 0xF2 || b == 0xF3;
}

} // namespace

void make_case(const RowForm& form, u64 seed, u64 index, Input& in) {
    Random random = Random::of_case(seed, form.name, index);
    in.fills = 0;
    in.bytes_used = 0;
    in.before = Image{};
    in.window = 0;
    Maker(form, index, random, in).make();
}

void Maker::make() {
    choose_registers();
    choose_prefixes();
    choose_segments();
    choose_stack();
    choose_code_place();
    before_operand();
    choose_operand();
    after_operand();
    encode_and_place();
}

void Maker::choose_registers() {
    for (unsigned i = 0; i < (long_ ? 16u : 8u); ++i) r_.gpr[i] = any_register_value();
    r_.eflags = 0x202 | (static_cast<u32>(random_.next()) & eflags::arithmetic);
    if (random_.chance((row_.attributes & attr::string) ? 3 : 16)) r_.eflags |= eflags::DF;
    if (random_.chance(64)) r_.eflags |= eflags::TF;
    if (random_.chance(32)) r_.eflags |= eflags::AC;
    choose_units();
}

void Maker::choose_units() {
    const bool x87 = at_opcode(0, 0xD8, 0xDF) || at_opcode(0, 0x9B, 0x9B);
    const bool state = begins("fxsave") || begins("fxrstor") || begins("xsave") || begins("xrstor");
    const bool mmx = is("emms") || is("femms") || is_mmx(row_);
    const bool vectors = is("ldmxcsr") || is("stmxcsr") || is_vector(row_) || is_vex(row_);
    quiet_units(r_.fx);
    if (x87 || mmx || state) any_x87(random_, r_.fx, true);
    if (mmx) { // significands are the registers
        const unsigned kind = random_.below(5);
        for (unsigned i = 0; i < 8; ++i) {
            const u64 lane = any_lane(random_, kind);
            std::memcpy(r_.fx.data() + fx_registers + 16 * i, &lane, 8);
        }
    }
    if (vectors || mmx || state) any_sse(random_, r_.fx, r_.ymm);
}

void Maker::choose_rex_and_vex() {
    const bool vex = is_vex(row_);
    if (long_) {
        const u8 low = random_.chance(2) ? static_cast<u8>(random_.below(8)) : u8{0};
        if (random_.chance(40)) {
            idle_rex_ = static_cast<u8>(0x40 | random_.below(16));
            idle_rex_at_ = random_.below(16);
        }
        if (shape_.w || low || vex || random_.chance(6)) e_.rex = static_cast<u8>(0x40 | (shape_.w ? 8 : 0) | low);
        if (row_.attributes & attr::rex_b) e_.rex |= 0x41;
    } else if (vex) {
        e_.rex = shape_.w ? 0x48 : 0x40;
    }
    if (!vex) return;
    e_.vector_length = shape_.wide_vector;
    e_.three_bytes = random_.chance(2);
    if (!long_ && e_.three_bytes && random_.chance(8)) e_.rex |= 1; // VEX.B means nothing there
    if (!(row_.attributes & attr::vex_no_vvvv)) e_.vvvv = static_cast<u8>(random_.below(long_ ? 16 : 8));
    // What is not allowed: vvvv that must not name a register, prefixes that VEX replaces.
    if (random_.chance(60)) e_.vvvv = static_cast<u8>(random_.below(long_ ? 16 : 8));
    if (random_.chance(80) && row_.at.w_ >= 0) e_.rex ^= 8;
    if (random_.chance(80) && row_.at.l_ >= 0) e_.vector_length = !e_.vector_length;
    if (random_.chance(150)) e_.opsize_prefix = true;
    if (random_.chance(150)) e_.rep = random_.chance(2) ? 0xF3 : 0xF2;
}

void Maker::choose_prefixes() {
    e_.reg = static_cast<u8>(random_.below(8));
    e_.mod = 3;
    e_.rm = static_cast<u8>(random_.below(8));
    while (row_.at.digit_ < 0 && taken_by_another(row_, e_.reg, shape_.memory, long_)) e_.reg = (e_.reg + 1) & 7;
    e_.memory = shape_.memory;
    e_.opsize_prefix = shape_.op_prefix;
    e_.addrsize_prefix = shape_.addr_prefix;
    e_.immediate = any_register_value() | (long_ ? 0 : random_.next() << 32);
    choose_rex_and_vex();
    if (random_.chance(shape_.memory || (row_.attributes & attr::string) ? 4 : 24))
        e_.segment = segment_prefixes[random_.below(6)];
    const bool lockable = (row_.attributes & attr::lockable) && shape_.memory;
    e_.lock = random_.chance(lockable ? 6 : is_vex(row_) ? 200 : 80);
    if ((row_.attributes & attr::string) && random_.chance(2)) e_.rep = random_.chance(2) ? 0xF3 : 0xF2;
    // F2 and F3 mean nothing here; in the two-byte maps some processors give them a meaning.
    const bool idle_rep = row_.at.map == 0 && !(row_.attributes & attr::string);
    if (idle_rep && random_.chance(40)) e_.rep = random_.chance(2) ? 0xF3 : 0xF2;
    choose_meaningless_prefixes();
}

void Maker::choose_meaningless_prefixes() {
    const auto any = [&] { return segment_prefixes[random_.below(6)]; };
    if (random_.chance(60)) more_prefixes_.assign(1 + random_.below(3), any());
    if (random_.chance(300)) more_prefixes_.assign(9 + random_.below(6), any());                    // to 15 and over
    const bool scalar = row_.at.mandatory == Mandatory::pF2 || row_.at.mandatory == Mandatory::pF3; // they win over 66h
    if ((shape_.op_prefix || (scalar && !is_vex(row_))) && random_.chance(60)) more_prefixes_.push_back(0x66);
    if (shape_.addr_prefix && random_.chance(60)) more_prefixes_.push_back(0x67);
}

u64 Maker::register_value(unsigned number, unsigned width) const {
    if (width == 1) {
        const bool high = is_high_byte(number);
        return r_.gpr[high ? number & 3 : number] >> (high ? 8 : 0) & 0xFF;
    }
    return width == 8 ? r_.gpr[number] : r_.gpr[number] & ((u64{1} << 8 * width) - 1);
}

void Maker::set_register(unsigned number, unsigned width, u64 value) {
    const bool high = width == 1 && is_high_byte(number);
    const u64 mask = (width == 8 ? ~u64{0} : (u64{1} << 8 * width) - 1) << (high ? 8 : 0);
    u64& g = r_.gpr[high ? number & 3 : number];
    g = (g & ~mask) | (value << (high ? 8 : 0) & mask);
}

void Maker::set_address(unsigned number, u64 value) {
    const unsigned width = shape_.addrsize();
    if (width != 8 && (long_ || width == 2)) r_.gpr[number] = long_ ? random_.next() : static_cast<u32>(random_.next());
    set_register(number, width, value);
}

/// The instruction with the prefixes that mean nothing. REX counts right before the opcode only: before another prefix
/// it is lost (SDM 2A 2.2.1).
std::vector<u8> Maker::assemble() const {
    std::vector<u8> bytes = encode(row_, e_, shape_.code());
    bytes.insert(bytes.begin(), more_prefixes_.begin(), more_prefixes_.end());
    std::size_t places = e_.rex != 0 && !is_vex(row_) ? 1 : 0;
    for (std::size_t i = 0; i < bytes.size() && is_legacy_prefix(bytes[i]); ++i) ++places;
    if (idle_rex_ && places)
        bytes.insert(bytes.begin() + static_cast<std::ptrdiff_t>(idle_rex_at_ % places), idle_rex_);
    return bytes;
}

void Maker::encode_and_place() {
    std::vector<u8> bytes = assemble();
    if (e_.memory && rip_relative() && !is_vsib(row_)) { // it counts from the end
        e_.displacement = linear_ - base_of(address_segment()) - (r_.rip + bytes.size());
        bytes = assemble();
    }
    const std::size_t room = std::min<std::size_t>(in_.code.size(), code_size - in_.code_at);
    in_.code_size = static_cast<u8>(std::min(bytes.size(), room));
    in_.code.fill(0);
    std::copy_n(bytes.begin(), in_.code_size, in_.code.begin());
}

} // namespace glassbox::conformance::host
