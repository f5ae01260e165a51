// The register file of the IBM VGA (IBM Personal System/2 Hardware Interface Technical Reference, "Video Subsystem",
// 1991), as bytes, with names for the fields that several parts of the adapter need.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

#include <array>

namespace glassbox {

struct VgaRegisters {
    u8 misc_output = 0;     ///< 3C2h write, 3CCh read
    u8 feature_control = 0; ///< 3xAh write, 3CAh read
    u8 subsystem_enable = 1;
    u8 sequencer_index = 0;
    std::array<u8, 8> sequencer{};
    u8 crtc_index = 0;
    std::array<u8, 0x19> crtc{};
    u8 graphics_index = 0;
    std::array<u8, 9> graphics{};
    u8 attribute_index = 0; ///< with bit 5, palette address source
    bool attribute_data_next = false;
    std::array<u8, 0x15> attribute{};

    u8 pel_mask = 0xFF;
    u8 dac_read_index = 0, dac_write_index = 0;
    u8 dac_component = 0; ///< 0 red, 1 green, 2 blue
    bool dac_reading = false;
    std::array<std::array<u8, 3>, 256> dac{};

    u32 latches = 0; ///< plane 0 in the low byte

    bool colour_ports() const { return (misc_output & 1) != 0; }
    bool ram_enabled() const { return (misc_output & 2) != 0; }
    bool chain4() const { return (sequencer[4] & 0x08) != 0; }
    bool odd_even_writes() const { return (sequencer[4] & 0x04) == 0; }
    bool odd_even_reads() const { return (graphics[5] & 0x10) != 0; }
    bool odd_even_chained() const { return (graphics[6] & 0x02) != 0; }
    unsigned write_mode() const { return graphics[5] & 3u; }
    bool read_mode_1() const { return (graphics[5] & 0x08) != 0; }
    bool shift_256() const { return (graphics[5] & 0x40) != 0; }
    bool shift_interleaved() const { return (graphics[5] & 0x20) != 0; }
    unsigned memory_map() const { return (graphics[6] >> 2) & 3u; }
    bool graphics_mode() const { return (graphics[6] & 1) != 0; }

    /// Dots in a character clock.
    unsigned character_dots() const { return (sequencer[1] & 1) != 0 ? 8 : 9; }
    unsigned columns() const { return crtc[1] + 1u; }
    /// A vertical value of ten bits: its low byte and the places of bits 8 and 9 in the overflow register.
    unsigned vertical(unsigned low, unsigned bit8, unsigned bit9) const {
        return low | ((crtc[7] >> bit8) & 1u) << 8 | ((crtc[7] >> bit9) & 1u) << 9;
    }
    unsigned line_factor() const { return (crtc[0x17] & 4) != 0 ? 2 : 1; } ///< vertical counter clocked at half rate
    unsigned vertical_total() const { return (vertical(crtc[6], 0, 5) + 2) * line_factor(); }
    unsigned displayed_lines() const { return (vertical(crtc[0x12], 1, 6) + 1) * line_factor(); }
    unsigned retrace_start() const { return vertical(crtc[0x10], 2, 7) * line_factor(); }
    unsigned line_compare() const {
        return (crtc[0x18] | ((crtc[7] >> 4) & 1u) << 8 | ((crtc[9] >> 6) & 1u) << 9) * line_factor();
    }
    unsigned max_scan() const { return crtc[9] & 0x1Fu; }
    bool double_scan() const { return (crtc[9] & 0x80) != 0; }
    u32 start_address() const { return static_cast<u32>(crtc[0x0C] << 8 | crtc[0x0D]); }
    u32 cursor_address() const { return static_cast<u32>(crtc[0x0E] << 8 | crtc[0x0F]); }
    /// What is added to the address counter from one character row to the next.
    u32 row_offset() const { return crtc[0x13] * 2u; }

    void persist(Archive& archive);
};

} // namespace glassbox
