// Segment registers and descriptors (SDM 3A 3.4, 3.5). In real and virtual-8086 mode the limit and the direction of
// the segment count, its type does not (SDM 3B 20.1.1).
#include "cpu/segment.hpp"

#include "cpu/system/descriptor.hpp"
#include "mmu/access.hpp"

namespace glassbox {

void Segment::update(bool real) {
    constexpr u64 nowhere = u64{1} << 63;
    u64 low = 0;
    u64 high = limit;
    const bool data = (access & code) == 0;
    if (data && (access & expand_down) != 0) {
        low = u64{limit} + 1;
        high = big() ? 0xFFFF'FFFF : 0xFFFF;
    }
    const bool there = usable() && present() && low <= high;
    const bool can_read = there && (real || is_readable());
    const bool can_write = there && (real || is_writable_data());
    read_low = can_read ? low : nowhere;
    read_high = can_read ? high : 0;
    write_low = can_write ? low : nowhere;
    write_high = can_write ? high : 0;
}

void Segment::load_real(u16 value) {
    selector = value;
    base = u64{value} << 4;
    access = (access & (G | DB)) | P | S | writable | accessed;
    update(true);
}

Segment Descriptor::segment(u16 selector) const {
    Segment s;
    s.selector = selector;
    s.access = access();
    s.base = base();
    s.limit = limit();
    s.update(false);
    return s;
}

bool descriptor_address(const Cpu& cpu, u16 selector, u64& linear) {
    const u32 last = selector | 7u;
    if ((selector & 4) != 0) {
        if (!cpu.ldtr.usable() || last > cpu.ldtr.limit) return false;
        linear = system_linear(cpu, cpu.ldtr.base + (selector & 0xFFF8u));
    } else {
        if (last > cpu.gdtr.limit) return false;
        linear = system_linear(cpu, cpu.gdtr.base + (selector & 0xFFF8u));
    }
    return true;
}

/// The 80286 ignores the last two bytes and knows none of the 386's system types (80286 Programmer's Reference, 7.4,
/// 8.5; SDM 3B 22.32).
bool read_descriptor(Cpu& cpu, u64 linear, Descriptor& out) {
    out.high = 0;
    if (!read_system<u64>(cpu, linear, out.raw)) return false;
    if (cpu.has(Feature::only_286)) {
        out.raw &= 0x0000'FFFF'FFFF'FFFF;
        if (out.is_system() && (out.type() & 8) != 0) out.raw &= ~(u64{0xF} << 40);
    }
    return true;
}

bool fetch_descriptor(Cpu& cpu, u16 selector, Blame blame, Descriptor& out) {
    u64 linear = 0;
    if (!descriptor_address(cpu, selector, linear))
        return blame.raise(cpu, selector, "selector outside its descriptor table");
    return read_descriptor(cpu, linear, out);
}

bool fetch_upper_half(Cpu& cpu, u16 selector, Blame blame, Descriptor& d) {
    const u32 limit = (selector & 4) != 0 ? cpu.ldtr.limit : cpu.gdtr.limit;
    u64 linear = 0;
    if (!descriptor_address(cpu, selector, linear) || (selector & 0xFFF8u) + 15 > limit)
        return blame.raise(cpu, selector, "16-byte descriptor outside its descriptor table");
    if (!read_system<u64>(cpu, linear + 8, d.high)) return false;
    if ((d.high >> 40 & 0x1F) != 0)
        return blame.raise(cpu, selector, "type bits in the upper half of a 16-byte descriptor");
    return true;
}

bool set_accessed(Cpu& cpu, u16 selector, Descriptor& d) {
    if (d.accessed()) return true;
    u64 linear = 0;
    if (!descriptor_address(cpu, selector, linear)) return true;
    d.raw |= u64{1} << 40;
    return write_system<u8>(cpu, linear + 5, static_cast<u8>(d.raw >> 40));
}

} // namespace glassbox
