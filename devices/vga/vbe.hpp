// The Bochs VBE "dispi" interface (Bochs' VBE_DISPI specification, IDs B0C0h to B0C5h): eleven 16-bit registers behind
// an index, which set a linear mode of any size. Sizes out of range are clamped to what the memory can show.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"
#include "devices/vga/video_memory.hpp"

#include <array>

namespace glassbox {

class Vbe {
  public:
    enum Index : u16 {
        id,
        xres,
        yres,
        bpp,
        enable,
        bank,
        virt_width,
        virt_height,
        x_offset,
        y_offset,
        video_memory_64k,
        register_count
    };
    static constexpr u16 enabled_bit = 0x01, get_caps = 0x02, dac_8bit = 0x20, lfb_enabled = 0x40, no_clear = 0x80;
    static constexpr u16 newest_id = 0xB0C5, oldest_id = 0xB0C0;
    static constexpr u16 max_xres = 2560, max_yres = 1600, max_bpp = 32;

    explicit Vbe(VideoMemory& memory) : memory_(memory) { reset(); }

    u16 read_index() const { return index_; }
    void write_index(u16 value) { index_ = value; }
    u16 read_data() const { return read(index_); }
    void write_data(u16 value) { write(index_, value); }
    u16 read(u16 index) const;
    void write(u16 index, u16 value);

    bool enabled() const { return (registers_[enable] & enabled_bit) != 0; }
    /// A mode whose memory is linear (8 bits per pixel and more) rather than four planes.
    bool linear() const { return enabled() && registers_[bpp] >= 8; }
    bool dac_is_8bit() const { return (registers_[enable] & dac_8bit) != 0; }
    unsigned width() const { return registers_[xres]; }
    unsigned height() const { return registers_[yres]; }
    unsigned depth() const { return registers_[bpp]; }
    /// Bytes from one row to the next; in a planar mode, per plane.
    u64 pitch() const { return line_bytes(registers_[virt_width]); }
    unsigned first_x() const { return registers_[x_offset]; }
    unsigned first_y() const { return registers_[y_offset]; }
    /// What the window at A0000h is offset by, in bytes (per plane in a planar mode).
    u64 bank_offset() const { return u64{registers_[bank]} << 16; }

    void reset();
    void persist(Archive& archive);

  private:
    u64 line_bytes(u64 pixels) const;
    u64 memory_per_plane() const { return registers_[bpp] == 4 ? memory_.size() / 4 : memory_.size(); }
    void write_enable(u16 value);
    /// Makes every register consistent with the others and with the memory.
    void clamp();

    VideoMemory& memory_;
    u16 index_ = 0;
    std::array<u16, register_count> registers_{};
};

} // namespace glassbox
