// What lies in memory beyond plain operands: selectors and targets of far transfers, strings, stack contents, images of
// the x87 and vector state.
#include "tests/x86-conformance/host/maker.hpp"
#include "tests/x86-conformance/host/values.hpp"

#include <algorithm>

namespace glassbox::conformance::host {

namespace {

constexpr u32 misaligned_mode = 1u << 17; // MXCSR.MM of AMD's processors, which the model lacks

} // namespace

u16 Maker::any_selector() {
    constexpr u16 global[] = {flat_code, flat_data, 0x08, 0x10, 0x18, 0x80, 0x1000, 0xFFF8};
    if (long_ && random_.chance(12)) return static_cast<u16>((long_code & ~3u) | random_.below(4));
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

u64 Maker::code_target(u16 selector) {
    const bool flat = long_ && selector == long_code; // 64-bit code at the other end too
    const u64 base = flat ? windows[random_.chance(4) ? random_.below(windows.size()) : in_.window].code
                          : u64{code_start} - selector_base(selector);
    const u64 wild = long_ ? wild_linear(16) : biased(random_);
    const u64 itself = base + in_.code_at; // a jump there does not end
    if (random_.chance(24) && ((wild - itself + 24) & 0xFFFF) > 48) return wild;
    u32 at = random_.below(code_size);
    if (at + 24 > in_.code_at && at < in_.code_at + 24)
        at = in_.code_at < code_size / 2 ? code_size - 64 : 32; // not itself
    const u64 target = base + at;
    if (flat) return target;
    const u32 narrow = static_cast<u32>(target);
    return random_.chance(8) ? narrow | (static_cast<u32>(random_.next()) & 0xFFFF'0000) : narrow;
}

void Maker::far_pointer(u64& offset, u16& selector) {
    constexpr u16 code[] = {flat_code,
                            selector_of(code32),
                            selector_of(code16),
                            selector_of(execute_only),
                            selector_of(small_code16),
                            selector_of(high_code16)};
    selector = random_.chance(3) ? any_selector() : code[random_.below(6)];
    if (long_ && random_.chance(3)) selector = long_code;
    if ((selector & 4) && selector >> 3 >= static_cast<int>(ldt.size()))
        offset = any_register_value();
    else
        offset = code_target(selector);
}

void Maker::push_value(u64& at, u64 value, unsigned width) {
    if (width == 2)
        set_memory(at, static_cast<u16>(value));
    else if (width == 4)
        set_memory(at, static_cast<u32>(value));
    else
        set_memory(at, value);
    at += width;
}

void Maker::make_environment(std::span<u8> image) {
    const auto put = [&](std::size_t at, auto x) {
        std::memcpy(image.data() + at, &x, std::min(sizeof x, image.size() - at));
    };
    std::array<u8, sizeof(Image::fx)> fx{};
    std::array<u8, sizeof(Image::ymm)> ymm{};
    any_x87(random_, fx, true);
    u16 control = 0, status = 0;
    std::memcpy(&control, fx.data() + fx_control, 2);
    std::memcpy(&status, fx.data() + fx_status, 2);
    if (random_.chance(4)) status = static_cast<u16>(random_.next()), control = static_cast<u16>(random_.next());
    if (begins("fxrstor")) {
        any_sse(random_, fx, ymm);
        std::ranges::copy(fx, image.begin());
        put(0, control);
        put(2, status);
        put(fx_opcode, static_cast<u16>(random_.next()));
        put(fx_ip, static_cast<u32>(random_.next()));
        put(fx_dp, static_cast<u32>(random_.next()));
        if (random_.chance(12)) put(fx_mxcsr, u32{1} << random_.below(32) & ~misaligned_mode);
        return;
    }
    const std::size_t step = opsize() == 2 ? 2 : 4;
    put(0, control);
    put(step, status);
    if (random_.chance(2)) put(2 * step, random_.chance(2) ? u16{0} : u16{0xFFFF});
    for (std::size_t i = 0, at = 7 * step; at + 10 <= image.size(); ++i, at += 10)
        std::copy_n(fx.begin() + fx_registers + 16 * static_cast<std::ptrdiff_t>(i), 10,
                    image.begin() + static_cast<std::ptrdiff_t>(at));
}

/// FXSAVE's layout, the header, the upper halves (SDM 1, 13.4).
void Maker::make_xsave_image(std::span<u8> image) {
    std::array<u8, sizeof(Image::fx)> fx{};
    std::array<u8, sizeof(Image::ymm)> ymm{};
    any_x87(random_, fx, true);
    any_sse(random_, fx, ymm);
    if (random_.chance(12)) fx[fx_mxcsr + 2] = static_cast<u8>(1u << random_.below(8) & ~2u);
    std::ranges::fill(image, u8{0});
    std::ranges::copy(fx, image.begin());
    std::ranges::copy(ymm, image.begin() + 576);
    u64 present = random_.below(8), compacted = 0;
    if (random_.chance(24)) present |= u64{1} << (random_.chance(2) ? 8 : 62);
    if (random_.chance(6)) compacted = u64{1} << 63 | present | random_.below(8);
    if (random_.chance(40)) compacted = random_.below(8);
    std::memcpy(image.data() + 512, &present, 8);
    std::memcpy(image.data() + 520, &compacted, 8);
    if (random_.chance(40)) image[528 + random_.below(48)] = 1;
}

void Maker::make_string() {
    const unsigned address = shape_.addrsize();
    const bool narrow = address == 2;
    const unsigned width = (row_.at.opcode & 1) ? opsize() : 1;
    u32 count = random_.chance(8) ? 0 : random_.below(60);
    if (random_.chance(16)) count = 60 + random_.below(120);
    set_address(RCX, count);
    const u32 span = e_.rep ? std::max(count, 1u) * width : width;
    if (long_ && address == 4) data_window_ = 0;
    if (long_ && address == 4 && !random_.chance(8)) e_.segment = 0; // a base that is out of reach
    const auto place = [&](unsigned number, unsigned segment) {
        const u64 linear = choose_linear(segment, random_.chance(4) ? span : width, random_.chance(2));
        set_address(number, linear - base_of(segment));
        return linear;
    };
    if (narrow && base_of(implied_segment(DS)) == 0) e_.segment = 0x65;
    const unsigned from = implied_segment(DS);
    u64 source = place(RSI, from);
    u64 target = place(RDI, ES);
    if (random_.chance(4)) { // overlapping
        target = source + random_.below(17) - 8;
        set_address(RDI, target - base_of(ES));
    }
    if (row_.attributes & attr::repeats) { // CMPS and SCAS go on while both sides are the same, or while they differ
        const bool down = (r_.eflags & eflags::DF) != 0;
        std::array<u8, 256> same{};
        const u8 value = static_cast<u8>(random_.next());
        same.fill(value);
        const u32 length = std::min<u32>(span, 256);
        if (random_.chance(2)) r_.gpr[RAX] = value * (long_ ? 0x0101'0101'0101'0101u : 0x0101'0101u);
        if (random_.chance(2)) same[random_.below(length)] ^= 1;
        if (down) source -= length - width, target -= length - width;
        set_memory(source, std::span<const u8>(same).first(length));
        if (random_.chance(2)) same[random_.below(length)] ^= 1;
        set_memory(target, std::span<const u8>(same).first(length));
    }
}

void Maker::make_branch() {
    if (random_.chance(2)) set_address(RCX, random_.below(3));
    switch (random_.below(4)) {
    case 0: e_.immediate = random_.below(100); break;
    case 1: e_.immediate = static_cast<u64>(-static_cast<i64>(20 + random_.below(100))); break;
    case 2:
        if (random_.chance(2)) e_.immediate = code_target(r_.seg[CS]) - r_.rip;
        break;
    default: break;
    }
    // Into itself it would not end, or run other bytes than these.
    const auto near = static_cast<i8>(e_.immediate);
    if (near < 0 && near > -20) e_.immediate = (e_.immediate & ~u64{0xFF}) | static_cast<u8>(near + 20);
}

void Maker::make_stack_contents() {
    u64 at = stack_linear();
    const unsigned v = opsize();
    const auto any_word = [&](u16 selector) { return selector | (random_.next() & ~u64{0xFFFF}); };
    if (is("ret")) return push_value(at, code_target(r_.seg[CS]), v);
    if (is("retf") || is("iret")) {
        u64 offset = 0;
        u16 selector = 0;
        far_pointer(offset, selector);
        push_value(at, offset, v);
        push_value(at, any_word(selector), v);
        if (is("iret")) push_value(at, random_.next() & (random_.chance(3) ? ~u64{0} : 0x24'0CD5), v);
        if (!is("iret") || !long_) return;
        push_value(at, random_.chance(4) ? any_register_value() : stack_linear() + random_.below(0x100), v);
        push_value(at, any_word(random_.chance(3) ? any_selector() : flat_data), v);
        return;
    }
    const bool pops_segment = (row_.attributes & attr::ends_block) && is("pop");
    if (pops_segment) return push_value(at, any_word(any_selector()), v);
    if (is("popf")) return push_value(at, random_.next(), v);
    if (is("pop") || is("popa")) return push_value(at, any_register_value(), v);
}

} // namespace glassbox::conformance::host
