#include "tests/x86-conformance/host/maker.hpp"
#include "tests/x86-conformance/host/values.hpp"

#include <algorithm>
#include <utility>

namespace glassbox::conformance::host {

namespace {

template <std::size_t N, class T> T weighted(Random& random, const std::pair<u32, T> (&choices)[N]) {
    u32 sum = 0;
    for (const auto& [weight, value] : choices) sum += weight;
    u32 at = random.below(sum);
    for (const auto& [weight, value] : choices) {
        if (at < weight) return value;
        at -= weight;
    }
    return choices[0].second;
}

/// Whether a row that demands this ModRM.reg comes before the row that takes any.
bool taken_by_another(const Row& row, unsigned reg, bool memory) {
    for (const Row* other : rows_at(row.at.map, row.at.opcode)) {
        const bool fits = other->at.mod == Mod::any || (other->at.mod == Mod::memory) == memory;
        const bool selected = other->at.mandatory == Mandatory::any || other->at.mandatory == row.at.mandatory;
        if (other != &row && fits && selected && other->at.digit_ == static_cast<int>(reg)) return true;
    }
    return false;
}

const SegmentSpec* spec_of(u16 selector) { return (selector & 4) ? &ldt[selector >> 3] : nullptr; }

} // namespace

void make_case(const RowForm& form, u64 seed, u64 index, Input& in) {
    Random random = Random::of_case(seed, form.name, index);
    in.fills = 0;
    in.bytes_used = 0;
    in.before = Image{};
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
    for (u32& g : r_.gpr) g = biased(random_);
    r_.eflags = 0x202 | (static_cast<u32>(random_.next()) & eflags::arithmetic);
    if (random_.chance((row_.attributes & attr::string) ? 3 : 16)) r_.eflags |= eflags::DF;
    if (random_.chance(64)) r_.eflags |= eflags::TF;
    if (random_.chance(32)) r_.eflags |= eflags::AC;
    const bool x87 = at_opcode(0, 0xD8, 0xDF) || at_opcode(0, 0x9B, 0x9B);
    const bool state = is("fxsave") || is("fxrstor");
    bool mmx = is("emms"), xmm = is("ldmxcsr") || is("stmxcsr");
    for (const Arg a : row_.args) {
        mmx = mmx || (a >= Arg::Pq && a <= Arg::Nq);
        xmm = xmm || (a >= Arg::Vx && a <= Arg::Ux);
    }
    quiet_units(r_.fx);
    if (x87 || mmx || state) any_x87(random_, r_.fx, true);
    if (mmx) { // significands are the registers
        const unsigned kind = random_.below(5);
        for (unsigned i = 0; i < 8; ++i) {
            const u64 lane = any_lane(random_, kind);
            std::memcpy(r_.fx.data() + fx_registers + 16 * i, &lane, 8);
        }
    }
    if (xmm || mmx || state) any_sse(random_, r_.fx);
}

void Maker::choose_prefixes() {
    e_.reg = static_cast<u8>(random_.below(8));
    e_.mod = 3;
    e_.rm = static_cast<u8>(random_.below(8));
    while (row_.at.digit_ < 0 && taken_by_another(row_, e_.reg, shape_.memory)) e_.reg = (e_.reg + 1) & 7;
    e_.memory = shape_.memory;
    e_.opsize_prefix = shape_.op_prefix;
    e_.addrsize_prefix = shape_.addr_prefix;
    e_.immediate = u64{biased(random_)} | random_.next() << 32;
    constexpr u8 segments[] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};
    if (random_.chance(shape_.memory || (row_.attributes & attr::string) ? 4 : 24))
        e_.segment = segments[random_.below(6)];
    const bool lockable = (row_.attributes & attr::lockable) && shape_.memory;
    e_.lock = random_.chance(lockable ? 6 : 80);
    if ((row_.attributes & attr::string) && random_.chance(2)) e_.rep = random_.chance(2) ? 0xF3 : 0xF2;
    // F2 and F3 mean nothing here; in the two-byte maps some processors give them a meaning.
    const bool idle_rep = row_.at.map == 0 && !(row_.attributes & attr::string);
    if (idle_rep && random_.chance(40)) e_.rep = random_.chance(2) ? 0xF3 : 0xF2;
    if (random_.chance(60)) more_prefixes_.assign(1 + random_.below(3), segments[random_.below(6)]);
    if (random_.chance(300)) more_prefixes_.assign(9 + random_.below(6), segments[random_.below(6)]); // to 15 and over
    const bool scalar = row_.at.mandatory == Mandatory::pF2 || row_.at.mandatory == Mandatory::pF3; // they win over 66h
    if ((shape_.op_prefix || scalar) && random_.chance(60)) more_prefixes_.push_back(0x66);
    if (shape_.addr_prefix && random_.chance(60)) more_prefixes_.push_back(0x67);
}

u16 Maker::data_selector(bool based) {
    static constexpr std::pair<u32, u16> everywhere[] = {{60, flat_data},
                                                         {6, selector_of(data32)},
                                                         {5, selector_of(data16)},
                                                         {3, selector_of(small_data)},
                                                         {4, selector_of(read_only)},
                                                         {3, selector_of(down32)},
                                                         {3, selector_of(down16)},
                                                         {4, selector_of(odd_base)},
                                                         {3, selector_of(flat_pages)},
                                                         {2, selector_of(code32)},
                                                         {1, selector_of(code16)},
                                                         {2, u16{0}}};
    static constexpr std::pair<u32, u16> near_data[] = {{30, selector_of(data16)},    {30, selector_of(data32)},
                                                        {6, selector_of(odd_base)},   {4, selector_of(read_only)},
                                                        {3, selector_of(small_data)}, {3, selector_of(down16)},
                                                        {2, selector_of(down32)},     {4, selector_of(high_data16)}};
    return based ? weighted(random_, near_data) : weighted(random_, everywhere);
}

u16 Maker::stack_selector() {
    static constexpr std::pair<u32, u16> in_code32[] = {
        {60, flat_data},          {4, selector_of(data16)},   {4, selector_of(data32)},    {2, selector_of(down16)},
        {2, selector_of(down32)}, {2, selector_of(odd_base)}, {2, selector_of(flat_pages)}};
    static constexpr std::pair<u32, u16> in_code16[] = {
        {50, selector_of(data16)},    {8, selector_of(data32)}, {4, flat_data},
        {6, selector_of(down16)},     {2, selector_of(down32)}, {5, selector_of(odd_base)},
        {4, selector_of(high_data16)}};
    return shape_.code32 ? weighted(random_, in_code32) : weighted(random_, in_code16);
}

u16 Maker::code_selector() {
    static constexpr std::pair<u32, u16> wide[] = {
        {60, flat_code}, {6, selector_of(code32)}, {2, selector_of(execute_only)}};
    static constexpr std::pair<u32, u16> narrow[] = {
        {20, selector_of(code16)}, {3, selector_of(small_code16)}, {4, selector_of(high_code16)}};
    return shape_.code32 ? weighted(random_, wide) : weighted(random_, narrow);
}

void Maker::choose_segments() {
    const bool narrow = shape_.addrsize() == 2; // what is beyond 64 KiB is out of reach
    r_.seg[CS] = code_selector();
    r_.seg[SS] = stack_selector();
    r_.seg[DS] = data_selector(narrow);
    r_.seg[ES] = data_selector(narrow);
    r_.seg[FS] = data_selector(false);
    r_.seg[GS] = data_selector(true);
}

u32 Maker::base_of(u16 selector) const {
    const SegmentSpec* spec = spec_of(selector);
    return spec ? spec->base : 0;
}

bool Maker::wide_stack() const {
    const SegmentSpec* spec = spec_of(r_.seg[SS]);
    return !spec || spec->big;
}

u32 Maker::stack_linear() const { return base_of(r_.seg[SS]) + (wide_stack() ? r_.gpr[RSP] : r_.gpr[RSP] & 0xFFFF); }

void Maker::choose_stack() {
    u32 at = stack_at + 0x100 + random_.below(stack_end - stack_at - 0x200);
    if (!random_.chance(6)) at &= ~3u;
    switch (random_.below(32)) {
    case 0: at = stack_at + random_.below(40); break;             // a push goes to the read-only page
    case 1: at = stack_end - random_.below(24); break;            // a pop leaves the memory
    case 2: at = page + random_.below(24); break;                 // the limit of the expand-down segments
    case 3: at = stack_at + page - 16 + random_.below(32); break; // over a page
    case 4: at = random_.below(64); break;                        // offset 0 wraps
    default: break;
    }
    if (r_.seg[SS] == selector_of(high_data16)) at = random_.chance(2) ? page - random_.below(40) : random_.below(page);
    const u32 base = base_of(r_.seg[SS]);
    const auto offset = [&](u32 linear) {
        const u32 value = linear - base;
        return wide_stack() ? value : (value & 0xFFFF) | (static_cast<u32>(random_.next()) & 0xFFFF'0000);
    };
    r_.gpr[RSP] = offset(data_start + at);
    keep(RSP);
    if (is("leave") || is("enter")) {
        r_.gpr[RBP] = offset(data_start + stack_at + 0x800 + random_.below(0x400));
        if (random_.chance(12)) r_.gpr[RBP] = offset(data_start + stack_end - random_.below(20));
        keep(RBP);
    }
}

void Maker::choose_code_place() {
    in_.code_at = 0x40 + random_.below(code_size - 0x100);
    switch (random_.below(32)) {
    case 0:
    case 1: in_.code_at = page - random_.below(12); break;          // over a page, or over the small segment's limit
    case 2: in_.code_at = code_size - 1 - random_.below(10); break; // to where nothing is mapped
    case 3: in_.code_at = random_.below(4); break;
    default: break;
    }
    const bool one_page = r_.seg[CS] == selector_of(small_code16) || r_.seg[CS] == selector_of(high_code16);
    if (one_page && !random_.chance(16)) in_.code_at &= page - 1; // beyond it is beyond the limit
    r_.eip = code_start + in_.code_at - base_of(r_.seg[CS]);
}

unsigned Maker::implied_segment(unsigned usual) const {
    switch (e_.segment) {
    case 0x26: return ES;
    case 0x2E: return CS;
    case 0x36: return SS;
    case 0x3E: return DS;
    case 0x64: return FS;
    case 0x65: return GS;
    default: return usual;
    }
}

/// Of the ModRM byte chosen so far.
unsigned Maker::address_segment() const {
    bool stack = false;
    if (shape_.addrsize() == 2) {
        stack = e_.rm == 2 || e_.rm == 3 || (e_.rm == 6 && e_.mod != 0);
    } else {
        const unsigned base = e_.rm == 4 ? e_.sib & 7u : e_.rm;
        stack = base == RSP || (base == RBP && e_.mod != 0);
    }
    return implied_segment(stack ? SS : DS);
}

u32 Maker::choose_linear(unsigned segment, unsigned size, bool aligned) {
    const u16 selector = r_.seg[segment];
    const SegmentSpec* spec = spec_of(selector);
    u32 at = 0x40 + random_.below(operands_end - 0x400);
    if (aligned) at &= ~15u;
    switch (random_.below(24)) {
    case 0: at = page * (1 + random_.below(3)) - random_.below(size + 1); break; // over a page
    case 1: at = operands_end - random_.below(2 * size + 1); break;              // to an unmapped page
    case 2: at = read_only_at + random_.below(page - size); break;
    case 3: at = read_only_at + page - random_.below(size + 1); break; // read-only, then not
    case 4: at = read_only_at - random_.below(size + 1); break;        // unmapped, then read-only
    case 5: at = ~random_.below(size + 1); break;                      // unmapped, then mapped: below the region
    case 6:
        if (spec) return spec->base + spec->limit + 1 - size + random_.below(2 * size + 1) - size / 2;
        break;
    case 7:
        if (random_.chance(4)) {
            const u32 wild = static_cast<u32>(random_.next());
            return (wild & 0xFFFF'0000) == (system_at & 0xFFFF'0000) ? 0 : wild;
        }
        break;
    case 8: at += random_.below(16); break;
    default: break;
    }
    if (selector == selector_of(high_data16) && !random_.chance(8))
        return data_start + (random_.chance(4) ? page - random_.below(2 * size) : random_.below(page));
    if (selector == selector_of(small_data) && !random_.chance(8)) return spec->base + random_.below(0x104);
    return data_start + at;
}

void Maker::aim32(u32 linear) {
    const unsigned base = e_.rm == 4 ? e_.sib & 7u : e_.rm;
    const unsigned index = e_.rm == 4 ? (e_.sib >> 3) & 7u : 4;
    const bool no_base = e_.mod == 0 && base == 5;
    const u32 offset = linear - base_of(r_.seg[address_segment()]) - (index == 4 ? 0 : r_.gpr[index] << (e_.sib >> 6));
    e_.displacement = static_cast<u32>(random_.next());
    if (no_base)
        e_.displacement = offset;
    else if (e_.mod == 2)
        e_.displacement = offset - r_.gpr[base];
    else
        r_.gpr[base] = offset - (e_.mod == 1 ? static_cast<u32>(static_cast<i8>(e_.displacement)) : 0);
}

void Maker::aim16(u32 linear) {
    constexpr unsigned none = 8;
    constexpr unsigned bases[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
    constexpr unsigned indexes[8] = {RSI, RDI, RSI, RDI, none, none, none, none};
    const unsigned base = bases[e_.rm], index = indexes[e_.rm];
    const u32 offset = linear - base_of(r_.seg[address_segment()]) - (index == none ? 0 : r_.gpr[index]);
    e_.displacement = static_cast<u32>(random_.next());
    if (e_.mod == 0 && e_.rm == 6) {
        e_.displacement = linear - base_of(r_.seg[address_segment()]);
        return;
    }
    if (e_.mod == 2) {
        e_.displacement = offset - r_.gpr[base];
        return;
    }
    const u32 value = offset - (e_.mod == 1 ? static_cast<u32>(static_cast<i8>(e_.displacement)) : 0);
    r_.gpr[base] = (r_.gpr[base] & 0xFFFF'0000) | (value & 0xFFFF);
}

void Maker::choose_operand() {
    if (!e_.memory) return;
    e_.mod = static_cast<u8>(random_.below(3));
    e_.rm = static_cast<u8>(random_.below(8));
    e_.sib = static_cast<u8>(random_.next());
    const bool narrow = shape_.addrsize() == 2;
    if (!narrow) {
        const unsigned base = e_.rm == 4 ? e_.sib & 7u : e_.rm;
        const unsigned index = e_.rm == 4 ? (e_.sib >> 3) & 7u : 4;
        const bool no_base = e_.mod == 0 && base == 5;
        if (!no_base && e_.mod != 2 && (index == base || kept(base))) e_.mod = 2;
    } else if (!(e_.mod == 0 && e_.rm == 6) && e_.mod != 2) {
        constexpr unsigned bases[8] = {RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX};
        if (kept(bases[e_.rm])) e_.mod = 2;
    }
    const u16 through = r_.seg[address_segment()];
    if (narrow && base_of(through) < data_start - 0x1'0000 && !random_.chance(16)) e_.segment = 0x65;
    const unsigned segment = address_segment();
    const bool locked = e_.lock || is("xchg");
    bool aligned = wants_alignment() ? !random_.chance(8) : random_.chance(2);
    if (r_.eflags & eflags::AC) aligned = aligned || random_.chance(2);
    linear_ = choose_linear(segment, std::max(memory_size(), 1u), aligned || locked);
    if (locked) linear_ = (linear_ & ~63u) + random_.below(48); // over a cache line they are very slow on hosts, or #AC
    narrow ? aim16(linear_) : aim32(linear_);
}

u32 Maker::register_value(unsigned number, unsigned width) const {
    if (width == 1) return r_.gpr[number & 3] >> (number < 4 ? 0 : 8) & 0xFF;
    return width == 2 ? r_.gpr[number] & 0xFFFF : r_.gpr[number];
}
void Maker::set_register(unsigned number, unsigned width, u32 value) {
    const unsigned shift = width == 1 && number >= 4 ? 8 : 0;
    const u32 mask = (width == 4 ? ~u32{0} : (1u << 8 * width) - 1) << shift;
    u32& g = r_.gpr[width == 1 ? number & 3 : number];
    g = (g & ~mask) | (value << shift & mask);
}

void Maker::encode_and_place() {
    std::vector<u8> bytes = encode(row_, e_, shape_.code32);
    bytes.insert(bytes.begin(), more_prefixes_.begin(), more_prefixes_.end());
    const std::size_t room = std::min<std::size_t>(in_.code.size(), code_size - in_.code_at);
    in_.code_size = static_cast<u8>(std::min(bytes.size(), room));
    in_.code.fill(0);
    std::copy_n(bytes.begin(), in_.code_size, in_.code.begin());
}

} // namespace glassbox::conformance::host
