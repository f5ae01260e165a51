// Segment registers, LDTR and TR written by hand: the hidden part comes from where the processor would take it (SDM 3A
// 3.4.3; 3B 20.1.1). What would make the register impossible is an error; privilege is not, for whoever changes
// CS and SS one after the other passes through states in which it does not fit.
#include "cpu/system/transfer.hpp"
#include "debugger/view.hpp"

#include <array>
#include <cstring>

namespace glassbox {

namespace {

constexpr unsigned ldtr = 6, tr = 7;

struct Found {
    Descriptor descriptor;
    u64 linear = 0;
};

Expected<Found> find_descriptor(const Cpu& cpu, u16 selector, bool wide) {
    Found found;
    if (!descriptor_address(cpu, selector, found.linear))
        return fail((selector & 4) != 0 ? "the selector lies outside the LDT" : "the selector lies outside the GDT");
    const u32 limit = (selector & 4) != 0 ? cpu.ldtr.limit : cpu.gdtr.limit;
    if (wide && (selector & 0xFFF8u) + 15 > limit) return fail("the 16-byte descriptor reaches beyond the table");
    std::array<u8, 16> bytes{};
    const std::size_t size = wide ? 16 : 8;
    if (read_linear_quietly(cpu, found.linear, std::span(bytes).first(size)) < size)
        return fail("the descriptor's memory cannot be read");
    std::memcpy(&found.descriptor.raw, bytes.data(), 8);
    if (wide) std::memcpy(&found.descriptor.high, bytes.data() + 8, 8);
    return found;
}

/// As the processor does when it loads the register: an accessed segment, a busy task.
Expected<> mark_in_table(Cpu& cpu, const Found& found) {
    const auto type = static_cast<u8>(found.descriptor.raw >> 40);
    std::array<u8, 1> before{};
    if (read_linear_quietly(cpu, found.linear + 5, before) == 1 && before[0] == type) return {};
    return write_linear_by_hand(cpu, found.linear + 5, std::array<u8, 1>{type});
}

Expected<> commit_segment(Cpu& cpu, unsigned name, u16 selector, Found& found) {
    found.descriptor.raw |= u64{1} << 40;
    if (auto marked = mark_in_table(cpu, found); !marked) return marked;
    cpu.seg[name] = found.descriptor.segment(selector);
    if (name == CS) cpu.cpl = selector & 3;
    return {};
}

Expected<> load_from_table(Cpu& cpu, unsigned name, u16 selector) {
    if (is_null(selector)) {
        if (name == CS) return fail("CS cannot be null");
        if (name == SS && !cpu.code64()) return fail("SS can be null in 64-bit mode only");
        cpu.seg[name] = load_null(cpu, name, selector);
        return {};
    }
    auto found = find_descriptor(cpu, selector, false);
    if (!found) return tl::unexpected(found.error());
    const Descriptor& d = found->descriptor;
    if (!d.present()) return fail("the descriptor is not present (P = 0)");
    if (name == CS) {
        if (!d.is_code()) return fail("the descriptor is not a code segment");
        if (!valid_code_size(cpu, d)) return fail("the descriptor has both L and D set");
        if (d.conforming() ? d.dpl() > (selector & 3u) : d.dpl() != (selector & 3u))
            return fail("the selector's RPL, which becomes the CPL, does not fit the descriptor's DPL of " +
                        std::to_string(d.dpl()));
    } else if (name == SS) {
        if (!d.writable_data()) return fail("the descriptor is not writable data");
    } else if (!d.readable()) {
        return fail("the descriptor is not a readable segment");
    }
    return commit_segment(cpu, name, selector, *found);
}

Expected<> load_system(Cpu& cpu, unsigned which, u16 selector) {
    if (which == ldtr && is_null(selector)) {
        cpu.ldtr = null_segment(cpu.ldtr, selector);
        return {};
    }
    if ((selector & 4) != 0 || is_null(selector)) return fail("the selector must be one of the GDT");
    auto found = find_descriptor(cpu, selector, cpu.long_mode());
    if (!found) return tl::unexpected(found.error());
    Descriptor& d = found->descriptor;
    const bool right = which == ldtr ? d.is_system(SystemType::ldt) : d.is_available_tss() || d.is_busy_tss();
    if (!right) return fail(which == ldtr ? "the descriptor is not an LDT's" : "the descriptor is not a TSS's");
    if (!d.present()) return fail("the descriptor is not present (P = 0)");
    if (which == tr) {
        d.raw |= u64{2} << 40;
        if (auto marked = mark_in_table(cpu, *found); !marked) return marked;
    }
    (which == ldtr ? cpu.ldtr : cpu.tr) = d.segment(selector);
    return {};
}

} // namespace

Expected<> write_selector(Cpu& cpu, unsigned which, u16 selector) {
    if (which >= ldtr) {
        if (!cpu.protected_mode()) return fail("LDTR and TR are loaded in protected mode");
        return load_system(cpu, which, selector);
    }
    if (cpu.protected_mode()) return load_from_table(cpu, which, selector);
    cpu.seg[which] = real_segment(cpu, which, selector);
    return {};
}

} // namespace glassbox
