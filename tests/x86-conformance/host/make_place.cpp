// Where a case's code, stack and operands lie: segments, their bases, linear addresses at the edges of pages, of
// segments, of 4 GiB and of the canonical ranges.
#include "tests/x86-conformance/host/maker.hpp"

namespace glassbox::conformance::host {

namespace {

const SegmentSpec* spec_of(u16 selector) {
    return (selector & 4) && selector >> 3 < static_cast<int>(ldt.size()) ? &ldt[selector >> 3] : nullptr;
}

} // namespace

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

/// In 64-bit code the selectors of DS and ES mean nothing, nor do those of FS and GS beside their bases.
void Maker::choose_segments() {
    if (long_) {
        r_.seg = {data_selector(false), long_code,           flat_data, data_selector(false),
                  data_selector(false), data_selector(false)};
        static constexpr std::pair<u32, u8> places[] = {{5, u8{0}}, {4, u8{1}}, {2, u8{2}}};
        in_.window = weighted(random_, places);
        data_window_ = weighted(random_, places);
        choose_bases();
        return;
    }
    const bool narrow = shape_.addrsize() == 2; // what is beyond 64 KiB is out of reach
    r_.seg[CS] = code_selector();
    r_.seg[SS] = stack_selector();
    r_.seg[DS] = data_selector(narrow);
    r_.seg[ES] = data_selector(narrow);
    r_.seg[FS] = data_selector(false);
    r_.seg[GS] = data_selector(true);
}

void Maker::choose_bases() {
    const auto any = [&]() -> u64 {
        switch (random_.below(6)) {
        case 0: return 0;
        case 1: return random_.below(0x1'0000);
        case 2: return data_start_here() - random_.below(0x1'0000);
        case 3: return data_start_here() + random_.below(data_size);
        case 4: return 0 - u64{random_.below(0x1'0000)};
        default: return static_cast<u64>(static_cast<i64>(random_.next()) >> 17); // canonical
        }
    };
    r_.fs_base = any();
    r_.gs_base = any();
}

u32 Maker::selector_base(u16 selector) const {
    const SegmentSpec* spec = spec_of(selector);
    return spec ? spec->base : 0;
}

u64 Maker::base_of(unsigned segment) const {
    if (!long_) return selector_base(r_.seg[segment]);
    return segment == FS ? r_.fs_base : segment == GS ? r_.gs_base : 0;
}

bool Maker::wide_stack() const {
    const SegmentSpec* spec = spec_of(r_.seg[SS]);
    return !spec || spec->big;
}

u64 Maker::stack_linear() const {
    if (long_) return r_.gpr[RSP];
    return static_cast<u32>(base_of(SS) + (wide_stack() ? r_.gpr[RSP] : r_.gpr[RSP] & 0xFFFF));
}

void Maker::choose_stack() {
    u32 at = stack_at + 0x100 + random_.below(stack_end - stack_at - 0x200);
    if (!random_.chance(6)) at &= long_ ? ~7u : ~3u;
    switch (random_.below(32)) {
    case 0: at = stack_at + random_.below(40); break;             // a push goes to the read-only page
    case 1: at = stack_end - random_.below(24); break;            // a pop leaves the memory
    case 2: at = page + random_.below(24); break;                 // the limit of the expand-down segments
    case 3: at = stack_at + page - 16 + random_.below(32); break; // over a page
    case 4: at = random_.below(64); break;                        // offset 0 wraps
    default: break;
    }
    if (r_.seg[SS] == selector_of(high_data16)) at = random_.chance(2) ? page - random_.below(40) : random_.below(page);
    const u64 base = base_of(SS);
    const auto offset = [&](u32 in_region) -> u64 {
        if (long_) return data_start_here() + in_region;
        const u32 value = static_cast<u32>(data_start + in_region - base);
        return wide_stack() ? value : (value & 0xFFFF) | (static_cast<u32>(random_.next()) & 0xFFFF'0000);
    };
    r_.gpr[RSP] = offset(at);
    if (long_ && random_.chance(40)) r_.gpr[RSP] = wild_linear(16);
    keep(RSP);
    if (is("leave") || is("enter")) {
        r_.gpr[RBP] = offset(stack_at + 0x800 + random_.below(0x400));
        if (random_.chance(12)) r_.gpr[RBP] = offset(stack_end - random_.below(20));
        if (long_ && random_.chance(20)) r_.gpr[RBP] = wild_linear(16);
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
    r_.rip = long_ ? windows[in_.window].code + in_.code_at
                   : static_cast<u32>(code_start + in_.code_at - selector_base(r_.seg[CS]));
}

unsigned Maker::implied_segment(unsigned usual) const {
    switch (e_.segment) {
    case 0x26: return long_ ? usual : ES;
    case 0x2E: return long_ ? usual : CS;
    case 0x36: return long_ ? usual : SS;
    case 0x3E: return long_ ? usual : DS;
    case 0x64: return FS;
    case 0x65: return GS;
    default: return usual;
    }
}

/// Where no program of level 3 has memory. Between 2^46 and 2^47 there may be the host's own.
u64 Maker::wild_linear(unsigned size) {
    const u64 near = random_.below(2 * size + 1);
    switch (random_.below(8)) {
    case 0: return canonical_end - near;                         // into the hole
    case 1: return canonical_end + (random_.next() >> 17);       // in it
    case 2: return kernel_start - near;                          // out of it
    case 3: return kernel_start + (random_.next() >> 20);        // the kernel's half
    case 4: return 0 - near;                                     // the end of the address space
    case 5: return (u64{0x2345} << 32) + (random_.next() >> 32); // not mapped
    case 6: return random_.next() | u64{1} << 62;                // not canonical, mostly
    default: return random_.chance(2) ? near : 0x8000'0000 - near;
    }
}

u64 Maker::choose_linear(unsigned segment, unsigned size, bool aligned) {
    const u16 selector = r_.seg[segment];
    const SegmentSpec* spec = long_ ? nullptr : spec_of(selector);
    u32 at = 0x40 + random_.below(operands_end - 0x400);
    if (aligned) at &= ~63u;
    switch (random_.below(24)) {
    case 0: at = page * (1 + random_.below(3)) - random_.below(size + 1); break; // over a page
    case 1: at = operands_end - random_.below(2 * size + 1); break;              // to an unmapped page
    case 2: at = read_only_at + random_.below(page - size); break;
    case 3: at = read_only_at + page - random_.below(size + 1); break; // read-only, then not
    case 4: at = read_only_at - random_.below(size + 1); break;        // unmapped, then read-only
    case 5: at = ~random_.below(size + 1); break;                      // unmapped, then mapped: below the region
    case 6:
        if (spec) return spec->base + spec->limit + 1 - size + random_.below(2 * size + 1) - size / 2;
        if (long_) return wild_linear(size);
        break;
    case 7:
        if (!long_ && random_.chance(4)) {
            const u32 wild = static_cast<u32>(random_.next());
            return (wild & 0xFFFF'0000) == (system_at & 0xFFFF'0000) ? 0 : wild;
        }
        break;
    case 8: at += random_.below(32); break;
    case 9: at &= ~15u; break;
    default: break;
    }
    if (long_) return data_start_here() + static_cast<u64>(static_cast<i64>(static_cast<i32>(at)));
    if (selector == selector_of(high_data16) && !random_.chance(8))
        return data_start + (random_.chance(4) ? page - random_.below(2 * size) : random_.below(page));
    if (selector == selector_of(small_data) && !random_.chance(8)) return spec->base + random_.below(0x104);
    return static_cast<u32>(data_start + at);
}

} // namespace glassbox::conformance::host
