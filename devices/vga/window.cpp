// The processor's window A0000h-BFFFFh: the graphics controller's read and write modes, the latches, and the ways in
// which the sequencer spreads addresses over the planes (IBM PS/2 Technical Reference, "Graphics Controller").
#include "devices/vga/vga.hpp"

namespace glassbox {

namespace {
/// One bit per plane becomes one byte per plane.
constexpr u32 spread(unsigned planes) {
    return ((planes & 1) ? 0xFFu : 0u) | ((planes & 2) ? 0xFF00u : 0u) | ((planes & 4) ? 0xFF0000u : 0u) |
           ((planes & 8) ? 0xFF000000u : 0u);
}
constexpr u32 repeat(u8 byte) { return byte * 0x01010101u; }
constexpr u8 rotate(u8 value, unsigned by) { return static_cast<u8>((value | value << 8) >> (by & 7)); }
} // namespace

bool Vga::decode(u32& address) const {
    if (!r_.ram_enabled()) return false;
    switch (r_.memory_map()) {
    case 0: return true;
    case 1: return address < 0x10000;
    case 2:
        if (address < 0x10000 || address >= 0x18000) return false;
        address -= 0x10000;
        return true;
    default:
        if (address < 0x18000) return false;
        address -= 0x18000;
        return true;
    }
}

u64 Vga::plane_address(u32 address, bool odd_even) const {
    u32 at = address;
    // Chained odd/even: bit 0 chose the plane, and address bit 16 takes its place (0 while the window has no bit 16).
    if (odd_even && r_.odd_even_chained()) at = (at & ~1u) | ((at >> 16) & 1);
    const u64 bank = vbe_.enabled() ? vbe_.bank_offset() : 0;
    return bank + (at & 0xFFFF);
}

u64 Vga::window_peek(u64 offset, unsigned width) const {
    u32 latches = r_.latches;
    return read_window(offset, width, latches);
}

/// Loads `latches`, which are the adapter's own unless somebody only looks.
u64 Vga::read_window(u64 offset, unsigned width, u32& latches) const {
    u64 value = 0;
    for (unsigned i = 0; i < width; ++i) {
        auto address = static_cast<u32>(offset + i);
        u8 byte = 0xFF;
        if (vbe_.linear()) {
            const u64 at = vbe_.bank_offset() + address;
            if (address < 0x10000 && at < memory_.size()) byte = memory_.data()[at];
        } else if (decode(address)) {
            byte = read_planes(address, latches);
        }
        value |= u64{byte} << (8 * i);
    }
    return value;
}

void Vga::window_write(u64 offset, unsigned width, u64 value) {
    for (unsigned i = 0; i < width; ++i) {
        auto address = static_cast<u32>(offset + i);
        const auto byte = static_cast<u8>(value >> (8 * i));
        if (vbe_.linear()) {
            const u64 at = vbe_.bank_offset() + address;
            if (address < 0x10000 && at < memory_.size()) memory_.data()[at] = byte;
        } else if (decode(address)) {
            write_planes(address, byte);
        }
    }
}

u8 Vga::read_planes(u32 address, u32& latches) const {
    unsigned plane = r_.graphics[4] & 3;
    u64 at = 0;
    if (r_.chain4()) {
        plane = address & 3;
        at = address >> 2;
    } else {
        const bool odd_even = r_.odd_even_reads();
        if (odd_even) plane = (plane & 2) | (address & 1);
        at = plane_address(address, odd_even);
    }
    latches = memory_.planes(at);
    if (!r_.read_mode_1()) return static_cast<u8>(latches >> (8 * plane));
    // Read mode 1: a bit is set where all compared planes hold the compare colour.
    const u32 differs = (latches ^ spread(r_.graphics[2])) & spread(r_.graphics[7]);
    return static_cast<u8>(~(differs | differs >> 8 | differs >> 16 | differs >> 24));
}

u32 Vga::combine(u32 data, u32 bit_mask) const {
    switch ((r_.graphics[3] >> 3) & 3) {
    case 1: data &= r_.latches; break;
    case 2: data |= r_.latches; break;
    case 3: data ^= r_.latches; break;
    default: break;
    }
    return (data & bit_mask) | (r_.latches & ~bit_mask);
}

void Vga::write_planes(u32 address, u8 value) {
    unsigned planes = r_.sequencer[2];
    u64 at = 0;
    if (r_.chain4()) {
        planes &= 1u << (address & 3);
        at = address >> 2;
    } else {
        const bool odd_even = r_.odd_even_writes();
        if (odd_even) planes &= (address & 1) ? 0b1010 : 0b0101;
        at = plane_address(address, odd_even);
    }
    const u32 mask = repeat(r_.graphics[8]);
    const u8 rotated = rotate(value, r_.graphics[3] & 7);
    u32 data = 0;
    switch (r_.write_mode()) {
    case 0: {
        const u32 from_set_reset = spread(r_.graphics[1]);
        data = combine((repeat(rotated) & ~from_set_reset) | (spread(r_.graphics[0]) & from_set_reset), mask);
        break;
    }
    case 1: data = r_.latches; break;
    case 2: data = combine(spread(value & 0x0Fu), mask); break;
    default: data = combine(spread(r_.graphics[0]), mask & repeat(rotated)); break;
    }
    const u32 written = spread(planes);
    memory_.set_planes(at, (memory_.planes(at) & ~written) | (data & written));
}

void Vga::update_window() {
    const bool plain = r_.chain4() && r_.sequencer[2] == 0x0F && r_.graphics[1] == 0 && r_.graphics[3] == 0 &&
                       r_.write_mode() == 0 && !r_.read_mode_1() && r_.graphics[8] == 0xFF && r_.memory_map() == 1 &&
                       r_.ram_enabled();
    const bool direct = vbe_.linear() ? vbe_.bank_offset() == 0 : plain && !vbe_.enabled();
    if (direct == direct_) return;
    direct_ = direct;
    map_.set_access(direct_region_, direct ? MemoryMap::Access::read_write : MemoryMap::Access::none);
}

} // namespace glassbox
