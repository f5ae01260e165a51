// A VGA with the Bochs VBE extension, as PCI function 1234:1111. Models the IBM VGA's sequencer, CRT controller,
// graphics controller, attribute controller and DAC (IBM PS/2 Hardware Interface Technical Reference, "Video
// Subsystem") and the Bochs dispi registers; the register file of BAR2 follows QEMU's docs/specs/standard-vga.
// Memory is kept as the planes side by side: plane p of address a is byte 4a+p, so that chained modes are linear.
// Deviations: chain-4 packs addresses (as SVGA chips do; the IBM VGA leaves gaps, which its display skips again); the
// attribute palette can be written while the screen shows; the light pen, the two-fold serializer load of sequencer
// register 1 and the "extended memory" bit have no effect; reads in an unmodified chain-4 mode do not load the latches.
#pragma once

#include "bus/archive.hpp"
#include "bus/io_device.hpp"
#include "bus/memory_map.hpp"
#include "bus/pci.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"
#include "devices/vga/frame.hpp"
#include "devices/vga/registers.hpp"
#include "devices/vga/vbe.hpp"
#include "devices/vga/video_memory.hpp"

#include <array>
#include <vector>

namespace glassbox {

class Vga : public PciFunction, public DisplaySource {
  public:
    static constexpr u64 memory_size = 32u << 20;

    /// `rom`: the video BIOS image for the expansion ROM; may be empty.
    Vga(Scheduler& scheduler, PortBus& ports, MemoryMap& memory, std::vector<u8> rom);

    void reset() override;
    void persist(Archive& archive);

    void render(Frame& frame) const override;
    /// Attributes come without bit 7 where it means blinking.
    bool text_screen(TextScreen& screen) const override;

    /// For the debugger's display.
    const VgaRegisters& registers() const { return r_; }
    const Vbe& vbe() const { return vbe_; }
    const VideoMemory& video_memory() const { return memory_; }

  private:
    /// One of the adapter's address ranges.
    template <u64 (Vga::*Read)(u64, unsigned), u64 (Vga::*Peek)(u64, unsigned) const,
              void (Vga::*Write)(u64, unsigned, u64)>
    struct Face final : IoDevice {
        explicit Face(Vga& owner) : vga(owner) {}
        u64 read(u64 offset, unsigned width) override { return (vga.*Read)(offset, width); }
        std::optional<u64> peek(u64 offset, unsigned width) const override { return (vga.*Peek)(offset, width); }
        void write(u64 offset, unsigned width, u64 value) override { (vga.*Write)(offset, width, value); }
        Vga& vga;
    };
    struct Raster {
        u64 clock, line_dots, lines;
        u64 shown_dots, shown_lines, retrace_start, retrace_end;
    };

    // registers.cpp
    u64 port_read(u64 offset, unsigned width);
    u64 port_peek(u64 offset, unsigned width) const;
    void port_write(u64 offset, unsigned width, u64 value);
    u8 peek_register(unsigned port) const;
    void register_was_read(unsigned port);
    void write_register(unsigned port, u8 value);
    bool port_decoded(unsigned port) const;
    u8 read_crtc() const;
    void write_crtc(u8 value);
    void write_attribute(u8 value);
    void write_dac(u8 value);
    u64 dispi_read(u64 offset, unsigned width) { return dispi_peek(offset, width); }
    u64 dispi_peek(u64 offset, unsigned width) const;
    void dispi_write(u64 offset, unsigned width, u64 value);
    void write_vbe(u16 index, u16 value);
    u64 mmio_read(u64 offset, unsigned width);
    u64 mmio_peek(u64 offset, unsigned width) const;
    void mmio_write(u64 offset, unsigned width, u64 value);

    // timing.cpp
    Raster raster() const;
    u8 input_status_0() const;
    u8 input_status_1() const;
    u64 retraces() const;
    u64 frames() const;

    // window.cpp
    u64 window_read(u64 offset, unsigned width) { return read_window(offset, width, r_.latches); }
    u64 window_peek(u64 offset, unsigned width) const;
    u64 read_window(u64 offset, unsigned width, u32& latches) const;
    void window_write(u64 offset, unsigned width, u64 value);
    bool decode(u32& address) const;
    u64 plane_address(u32 address, bool odd_even) const;
    u8 read_planes(u32 address, u32& latches) const;
    void write_planes(u32 address, u8 value);
    u32 combine(u32 data, u32 bit_mask) const;
    /// Shows the memory itself at A0000h while accesses would have no effect but reading and writing it.
    void update_window();

    // render.cpp, text.cpp, render_vbe.cpp
    bool blanked() const;
    void fill_dac(std::array<u32, 256>& colours) const;
    void fill_palette(std::array<u32, 16>& colours) const;
    u8 dac_index(u8 pixel) const;
    u32 display_address(u32 counter, unsigned row_scan) const;
    template <class F> void for_each_line(F&& line) const;
    void render_graphics(Frame& frame) const;
    void fetch_line(u32 counter, unsigned row_scan, unsigned characters, u8* pixels) const;
    void render_text(Frame& frame) const;
    void render_vbe(Frame& frame) const;
    void render_vbe_planar(u64 row, u32* out, const std::array<u32, 256>& dac) const;
    unsigned text_panning() const;
    u64 font_address(u8 attribute) const;

    Scheduler& scheduler_;
    MemoryMap& map_;
    VideoMemory memory_;
    Vbe vbe_;
    std::vector<u8> rom_;
    VgaRegisters r_;
    u64 retraces_seen_ = 0; ///< vertical retraces up to the last time their interrupt was cleared
    bool big_endian_ = false;
    bool direct_ = false; ///< derived: the window is plain memory now

    Face<&Vga::port_read, &Vga::port_peek, &Vga::port_write> ports_face_{*this};
    Face<&Vga::dispi_read, &Vga::dispi_peek, &Vga::dispi_write> dispi_face_{*this};
    Face<&Vga::mmio_read, &Vga::mmio_peek, &Vga::mmio_write> mmio_face_{*this};
    Face<&Vga::window_read, &Vga::window_peek, &Vga::window_write> window_face_{*this};
    MemoryMap::RegionId direct_region_ = 0;
};

} // namespace glassbox
