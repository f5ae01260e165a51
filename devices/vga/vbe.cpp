#include "devices/vga/vbe.hpp"

#include <algorithm>

namespace glassbox {

namespace {
constexpr std::array<u16, 6> depths = {4, 8, 15, 16, 24, 32};
} // namespace

void Vbe::reset() {
    index_ = 0;
    registers_.fill(0);
    registers_[id] = newest_id;
    registers_[xres] = registers_[virt_width] = 640;
    registers_[yres] = 480;
    registers_[bpp] = 8;
    clamp();
}

u64 Vbe::line_bytes(u64 pixels) const {
    switch (registers_[bpp]) {
    case 4: return (pixels + 7) / 8;
    case 8: return pixels;
    case 15:
    case 16: return pixels * 2;
    case 24: return pixels * 3;
    default: return pixels * 4;
    }
}

u16 Vbe::read(u16 index) const {
    const bool caps = (registers_[enable] & get_caps) != 0;
    switch (index) {
    case xres: return caps ? max_xres : registers_[xres];
    case yres: return caps ? max_yres : registers_[yres];
    case bpp: return caps ? max_bpp : registers_[bpp];
    case video_memory_64k: return static_cast<u16>(memory_.size() >> 16);
    default: return index < register_count ? registers_[index] : u16{0};
    }
}

void Vbe::write(u16 index, u16 value) {
    switch (index) {
    case id:
        // The guest writes the newest version that it knows; what it reads back is the version it gets.
        if (value >= oldest_id && value <= newest_id) registers_[id] = value;
        return;
    case bpp:
        if (value == 0) value = 8;
        if (std::find(depths.begin(), depths.end(), value) == depths.end()) return;
        registers_[bpp] = value;
        break;
    case enable: write_enable(value); return;
    case bank: registers_[bank] = std::min<u16>(value, static_cast<u16>((memory_per_plane() >> 16) - 1)); return;
    case xres:
    case yres:
    case virt_width:
    case x_offset:
    case y_offset: registers_[index] = value; break;
    default: return; // virtual height and the memory's size are not the guest's to choose
    }
    clamp();
}

void Vbe::write_enable(u16 value) {
    const bool was = enabled();
    registers_[enable] = value & (enabled_bit | get_caps | dac_8bit | lfb_enabled | no_clear);
    if (!enabled() || was) return;
    registers_[virt_width] = registers_[xres];
    registers_[x_offset] = registers_[y_offset] = 0;
    registers_[bank] = 0;
    clamp();
    if ((value & no_clear) == 0) {
        const u64 bytes = pitch() * registers_[yres] * (registers_[bpp] == 4 ? 4 : 1);
        std::fill_n(memory_.data(), std::min(bytes, memory_.size()), u8{0});
    }
}

void Vbe::clamp() {
    const auto limit = [](u16& value, u64 low, u64 high) {
        value = static_cast<u16>(std::clamp<u64>(value, low, high));
    };
    limit(registers_[xres], 8, max_xres);
    limit(registers_[yres], 1, max_yres);
    const u64 memory = memory_per_plane();
    const u64 widest_line = memory / registers_[yres];
    const u64 per_pixel = line_bytes(8); // bytes of eight pixels
    limit(registers_[virt_width], registers_[xres], std::max<u64>(registers_[xres], widest_line / per_pixel * 8));
    registers_[virt_height] = static_cast<u16>(std::min<u64>(memory / pitch(), 0xFFFF));
    limit(registers_[x_offset], 0, registers_[virt_width] - u64{registers_[xres]});
    limit(registers_[y_offset], 0, registers_[virt_height] - u64{registers_[yres]});
    limit(registers_[bank], 0, (memory >> 16) - 1);
}

void Vbe::persist(Archive& archive) {
    archive(index_, registers_);
    if (!archive.loading()) return;
    const bool known = std::find(depths.begin(), depths.end(), registers_[bpp]) != depths.end();
    archive.require(known, "a VBE depth that does not exist");
    if (!archive.ok()) return;
    clamp();
}

} // namespace glassbox
