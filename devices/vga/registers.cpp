// Port decode of the VGA (IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem", register summary) and
// of the memory-mapped register file (QEMU docs/specs/standard-vga.rst).
#include "devices/vga/vga.hpp"

namespace glassbox {

namespace {
constexpr std::array<u8, 8> sequencer_bits = {0x03, 0x3D, 0x0F, 0x3F, 0x0E, 0, 0, 0};
constexpr std::array<u8, 9> graphics_bits = {0x0F, 0x0F, 0x0F, 0x1F, 0x03, 0x7B, 0x0F, 0x0F, 0xFF};
constexpr std::array<u8, 0x15> attribute_bits = {0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0x3F,
                                                 0x3F, 0x3F, 0x3F, 0x3F, 0x3F, 0xEF, 0xFF, 0x3F, 0x0F, 0x0F};
constexpr u32 little_endian_mark = 0x1E1E1E1E, big_endian_mark = 0xBEBEBEBE;
} // namespace

bool Vga::port_decoded(unsigned port) const {
    // The CRT controller and the status registers answer at 3Bxh or 3Dxh, by bit 0 of the miscellaneous output
    // register.
    if (port < 0x3C0) return !r_.colour_ports() && (port == 0x3B4 || port == 0x3B5 || port == 0x3BA);
    if (port >= 0x3D0) return r_.colour_ports() && (port == 0x3D4 || port == 0x3D5 || port == 0x3DA);
    return true;
}

u64 Vga::port_peek(u64 offset, unsigned) const {
    const auto port = static_cast<unsigned>(0x3B0 + offset);
    return port_decoded(port) ? peek_register(port) : 0xFF;
}

u64 Vga::port_read(u64 offset, unsigned width) {
    const u64 value = port_peek(offset, width);
    const auto port = static_cast<unsigned>(0x3B0 + offset);
    if (port_decoded(port)) register_was_read(port);
    return value;
}

void Vga::register_was_read(unsigned port) {
    if (port == 0x3BA || port == 0x3DA) r_.attribute_data_next = false;
    if (port == 0x3C9 && ++r_.dac_component == 3) {
        r_.dac_component = 0;
        ++r_.dac_read_index;
    }
}

void Vga::port_write(u64 offset, unsigned, u64 value) {
    const auto port = static_cast<unsigned>(0x3B0 + offset);
    if (port_decoded(port)) write_register(port, static_cast<u8>(value));
}

u8 Vga::peek_register(unsigned port) const {
    switch (port) {
    case 0x3C0: return r_.attribute_index;
    case 0x3C1: {
        const unsigned index = r_.attribute_index & 0x1F;
        return index < r_.attribute.size() ? r_.attribute[index] : u8{0};
    }
    case 0x3C2: return input_status_0();
    case 0x3C3: return r_.subsystem_enable;
    case 0x3C4: return r_.sequencer_index;
    case 0x3C5: return r_.sequencer[r_.sequencer_index & 7];
    case 0x3C6: return r_.pel_mask;
    case 0x3C7: return r_.dac_reading ? 3 : 0;
    case 0x3C8: return r_.dac_write_index;
    case 0x3C9: return r_.dac[r_.dac_read_index][r_.dac_component];
    case 0x3CA: return r_.feature_control;
    case 0x3CC: return r_.misc_output;
    case 0x3CE: return r_.graphics_index;
    case 0x3CF: return r_.graphics_index < r_.graphics.size() ? r_.graphics[r_.graphics_index] : u8{0};
    case 0x3B4:
    case 0x3D4: return r_.crtc_index;
    case 0x3B5:
    case 0x3D5: return read_crtc();
    case 0x3BA:
    case 0x3DA: return input_status_1();
    default: return 0xFF;
    }
}

void Vga::write_register(unsigned port, u8 value) {
    switch (port) {
    case 0x3C0: write_attribute(value); break;
    case 0x3C2: r_.misc_output = value; break;
    case 0x3C3: r_.subsystem_enable = value & 1; break;
    case 0x3C4: r_.sequencer_index = value & 7; break;
    case 0x3C5: r_.sequencer[r_.sequencer_index & 7] = value & sequencer_bits[r_.sequencer_index & 7]; break;
    case 0x3C6: r_.pel_mask = value; break;
    case 0x3C7:
        r_.dac_read_index = value;
        r_.dac_component = 0;
        r_.dac_reading = true;
        break;
    case 0x3C8:
        r_.dac_write_index = value;
        r_.dac_component = 0;
        r_.dac_reading = false;
        break;
    case 0x3C9: write_dac(value); break;
    case 0x3CE: r_.graphics_index = value & 0x0F; break;
    case 0x3CF:
        if (r_.graphics_index < r_.graphics.size()) {
            r_.graphics[r_.graphics_index] = value & graphics_bits[r_.graphics_index];
        }
        break;
    case 0x3B4:
    case 0x3D4: r_.crtc_index = value; break;
    case 0x3B5:
    case 0x3D5: write_crtc(value); break;
    case 0x3BA:
    case 0x3DA: r_.feature_control = value & 0x0B; break;
    default: break;
    }
    update_window();
}

u8 Vga::read_crtc() const {
    if (r_.crtc_index < r_.crtc.size()) return r_.crtc[r_.crtc_index];
    // Undocumented by IBM but present in its chip and all successors: the latch of the read plane, the flip-flop.
    if (r_.crtc_index == 0x22) return static_cast<u8>(r_.latches >> (8 * (r_.graphics[4] & 3)));
    if (r_.crtc_index == 0x24) return r_.attribute_data_next ? 0x80 : 0x00;
    return 0;
}

void Vga::write_crtc(u8 value) {
    const u8 index = r_.crtc_index;
    if (index >= r_.crtc.size()) return;
    if (index <= 7 && (r_.crtc[0x11] & 0x80) != 0) { // registers 0-7 are protected, but for line compare's bit 8
        if (index == 7) r_.crtc[7] = static_cast<u8>((r_.crtc[7] & ~0x10) | (value & 0x10));
        return;
    }
    r_.crtc[index] = value;
    if (index == 0x11 && (value & 0x10) == 0) retraces_seen_ = retraces(); // clear vertical interrupt
}

void Vga::write_attribute(u8 value) {
    if (!r_.attribute_data_next) {
        r_.attribute_index = value & 0x3F;
    } else {
        const unsigned index = r_.attribute_index & 0x1F;
        if (index < r_.attribute.size()) r_.attribute[index] = value & attribute_bits[index];
    }
    r_.attribute_data_next = !r_.attribute_data_next;
}

void Vga::write_dac(u8 value) {
    r_.dac[r_.dac_write_index][r_.dac_component] = vbe_.dac_is_8bit() ? value : value & 0x3F;
    if (++r_.dac_component == 3) {
        r_.dac_component = 0;
        ++r_.dac_write_index;
    }
}

u64 Vga::dispi_peek(u64 offset, unsigned) const { return offset == 0 ? vbe_.read_index() : vbe_.read_data(); }

void Vga::dispi_write(u64 offset, unsigned, u64 value) {
    if (offset == 0) {
        vbe_.write_index(static_cast<u16>(value));
    } else {
        write_vbe(vbe_.read_index(), static_cast<u16>(value));
    }
}

void Vga::write_vbe(u16 index, u16 value) {
    const bool was_8bit = vbe_.dac_is_8bit();
    vbe_.write(index, value);
    if (was_8bit != vbe_.dac_is_8bit()) { // the colours keep their brightness
        for (auto& colour : r_.dac) {
            for (u8& part : colour) part = static_cast<u8>(was_8bit ? part >> 2 : part << 2);
        }
    }
    update_window();
}

u64 Vga::mmio_read(u64 offset, unsigned width) {
    if (offset < 0x400 || offset + width > 0x420) return mmio_peek(offset, width);
    u64 value = 0;
    for (unsigned i = 0; i < width; ++i) value |= port_read(offset + i - 0x400 + 0x10, 1) << (8 * i);
    return value;
}

u64 Vga::mmio_peek(u64 offset, unsigned width) const {
    u64 value = 0;
    if (offset >= 0x400 && offset + width <= 0x420) {
        for (unsigned i = 0; i < width; ++i) value |= port_peek(offset + i - 0x400 + 0x10, 1) << (8 * i);
    } else if (offset >= 0x500 && offset < 0x500 + 2 * Vbe::register_count) {
        value = vbe_.read(static_cast<u16>((offset - 0x500) / 2));
        if (offset & 1) value >>= 8;
        if (width == 4) value |= u64{vbe_.read(static_cast<u16>((offset - 0x500) / 2 + 1))} << 16;
    } else if (offset == 0x600) {
        value = 8; // the extension region's size
    } else if (offset == 0x604) {
        value = big_endian_ ? big_endian_mark : little_endian_mark;
    }
    return value;
}

void Vga::mmio_write(u64 offset, unsigned width, u64 value) {
    if (offset >= 0x400 && offset + width <= 0x420) {
        for (unsigned i = 0; i < width; ++i) port_write(offset + i - 0x400 + 0x10, 1, (value >> (8 * i)) & 0xFF);
    } else if (offset >= 0x500 && offset < 0x500 + 2 * Vbe::register_count && (offset & 1) == 0) {
        const auto index = static_cast<u16>((offset - 0x500) / 2);
        write_vbe(index, static_cast<u16>(value));
        if (width == 4) write_vbe(static_cast<u16>(index + 1), static_cast<u16>(value >> 16));
    } else if (offset == 0x604 && width == 4) {
        if (value == little_endian_mark || value == big_endian_mark) big_endian_ = value == big_endian_mark;
    }
}

} // namespace glassbox
