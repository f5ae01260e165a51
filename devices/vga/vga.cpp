#include "devices/vga/vga.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace glassbox {

namespace {
constexpr u64 window_start = 0xA0000, window_size = 0x20000;
constexpr int window_priority = 5, direct_priority = 6;
} // namespace

Vga::Vga(Scheduler& scheduler, PortBus& ports, MemoryMap& memory, std::vector<u8> rom)
    : PciFunction("vga", {0x1234, 0x1111, 0x030000, 2}, ports, memory), scheduler_(scheduler), map_(memory),
      memory_(memory_size), vbe_(memory_), rom_(std::move(rom)) {
    ports.map("VGA", {Port{0x3B0}, 0x30}, ports_face_);
    ports.map("VBE", {Port{0x1CE}, 4}, dispi_face_, 2);
    add_bar(0, BarKind::memory32_prefetchable, memory_size, nullptr, 8, 0, memory_.data());
    add_bar(2, BarKind::memory32, 4096, &mmio_face_, 4);
    if (!rom_.empty()) {
        rom_.resize(std::max<std::size_t>(page_size, std::bit_ceil(rom_.size())), 0xFF);
        add_bar(6, BarKind::memory32, rom_.size(), nullptr, 8, 0, rom_.data(), true);
    }
    MemoryMap::Region window;
    window.name = "VGA window";
    window.start = window_start;
    window.size = window_size;
    window.access = MemoryMap::Access::read_write;
    window.device = &window_face_;
    window.max_width = 8;
    window.priority = window_priority;
    memory.add(std::move(window));
    MemoryMap::Region direct;
    direct.name = "VGA chain-4 window";
    direct.start = window_start;
    direct.size = 0x10000;
    direct.host = memory_.data();
    direct.priority = direct_priority;
    direct_region_ = memory.add(std::move(direct));
}

void Vga::reset() {
    PciFunction::reset();
    r_ = VgaRegisters{};
    vbe_.reset();
    retraces_seen_ = 0;
    big_endian_ = false;
    update_window();
}

void VgaRegisters::persist(Archive& archive) {
    archive(misc_output, feature_control, subsystem_enable, sequencer_index, sequencer, crtc_index, crtc,
            graphics_index, graphics, attribute_index, attribute_data_next, attribute, pel_mask, dac_read_index,
            dac_write_index, dac_component, dac_reading, dac, latches);
    archive.require(dac_component < 3, "the DAC stands at a colour component that does not exist");
}

void Vga::persist(Archive& archive) {
    persist_config(archive);
    archive.chunk("vga", 1, [&](u32) {
        archive(r_, vbe_, retraces_seen_, big_endian_);
        memory_.persist(archive);
        if (archive.loading()) update_window();
    });
}

} // namespace glassbox
