// A graphics mode overwrites the VGA's registers and its memory: the characters on the screen, in planes 0 and 1, and
// also the font, in plane 2. All of it can be read, so all of it can be put back. IBM VGA Technical Reference, "Video
// Subsystem".
#include "vga_text_mode.hpp"

#include "../kernel/ports.hpp"
#include "../kernel/text.hpp"

namespace {

constexpr u16 attribute_port = 0x3C0, misc_write = 0x3C2, sequencer_port = 0x3C4, dac_mask = 0x3C6, dac_read = 0x3C7,
              dac_write = 0x3C8, dac_data = 0x3C9, misc_read = 0x3CC, graphics_port = 0x3CE, crtc_port = 0x3D4,
              input_status = 0x3DA;

u8 read_indexed(u16 port, u8 index) {
    out8(port, index);
    return in8(static_cast<u16>(port + 1));
}
void write_indexed(u16 port, u8 index, u8 value) {
    out8(port, index);
    out8(static_cast<u16>(port + 1), value);
}

/// Makes plane 2 appear alone at A0000h, byte by byte.
void open_font_plane() {
    write_indexed(sequencer_port, 2, 0x04); // write to plane 2 only
    write_indexed(sequencer_port, 4, 0x07); // no odd/even addressing
    write_indexed(graphics_port, 1, 0x00);  // processor data, not set/reset
    write_indexed(graphics_port, 3, 0x00);
    write_indexed(graphics_port, 4, 0x02); // read plane 2
    write_indexed(graphics_port, 5, 0x00);
    write_indexed(graphics_port, 6, 0x04); // 64 KiB at A0000h
    write_indexed(graphics_port, 8, 0xFF);
}

void write_memory_registers(const VgaTextMode& saved) {
    for (u8 i = 1; i < 5; ++i) write_indexed(sequencer_port, i, saved.sequencer[i]);
    for (u8 i = 0; i < 9; ++i) write_indexed(graphics_port, i, saved.graphics[i]);
}

} // namespace

void save_text_mode(VgaTextMode& saved) {
    saved.misc = in8(misc_read);
    for (u8 i = 0; i < 5; ++i) saved.sequencer[i] = read_indexed(sequencer_port, i);
    for (u8 i = 0; i < 25; ++i) saved.crtc[i] = read_indexed(crtc_port, i);
    for (u8 i = 0; i < 9; ++i) saved.graphics[i] = read_indexed(graphics_port, i);
    for (u8 i = 0; i < 21; ++i) {
        in8(input_status); // the attribute controller takes index and data through one port; this resets which is next
        out8(attribute_port, i);
        saved.attribute[i] = in8(static_cast<u16>(attribute_port + 1));
    }
    in8(input_status);
    out8(attribute_port, 0x20); // the picture on again
    out8(dac_read, 0);
    for (auto& value : saved.palette) value = in8(dac_data);
    memcpy(saved.cells, pointer_to<u8>(0xB8000), sizeof(saved.cells));
    open_font_plane();
    memcpy(saved.font, pointer_to<u8>(0xA0000), sizeof(saved.font));
    write_memory_registers(saved);
}

void restore_text_mode(const VgaTextMode& saved) {
    write_indexed(sequencer_port, 0, 0x01); // hold the sequencer while its clock changes
    out8(misc_write, saved.misc);
    write_memory_registers(saved);
    write_indexed(sequencer_port, 0, 0x03);
    write_indexed(crtc_port, 0x11, static_cast<u8>(saved.crtc[0x11] & 0x7F)); // bit 7 protects registers 0-7
    for (u8 i = 0; i < 25; ++i)
        if (i != 0x11) write_indexed(crtc_port, i, saved.crtc[i]);
    write_indexed(crtc_port, 0x11, saved.crtc[0x11]);
    for (u8 i = 0; i < 21; ++i) {
        in8(input_status);
        out8(attribute_port, i);
        out8(attribute_port, saved.attribute[i]);
    }
    out8(dac_mask, 0xFF);
    out8(dac_write, 0);
    for (const auto value : saved.palette) out8(dac_data, value);
    open_font_plane();
    memcpy(pointer_to<u8>(0xA0000), saved.font, sizeof(saved.font));
    write_memory_registers(saved);
    memcpy(pointer_to<u8>(0xB8000), saved.cells, sizeof(saved.cells));
    in8(input_status);
    out8(attribute_port, 0x20);
}
