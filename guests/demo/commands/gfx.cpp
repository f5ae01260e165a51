// Graphics through the Bochs VBE interface: two ports choose the mode, and the picture is one long array of pixels that
// starts at the display's first PCI base address. (QEMU documentation, specs/standard-vga.)
#include "../kernel/console.hpp"
#include "../kernel/input.hpp"
#include "../kernel/memory.hpp"
#include "../kernel/ports.hpp"
#include "canvas.hpp"
#include "pci_bus.hpp"
#include "picture.hpp"
#include "shell.hpp"
#include "vga_text_mode.hpp"

namespace {

constexpr u16 dispi_index = 0x1CE, dispi_data = 0x1CF;
enum Dispi : u16 { id = 0, width = 1, height = 2, bits = 3, enable = 4 };
constexpr u16 enabled = 0x01, linear_frame_buffer = 0x40;

u16 read_dispi(Dispi index) {
    out16(dispi_index, index);
    return in16(dispi_data);
}
void write_dispi(Dispi index, u16 value) {
    out16(dispi_index, index);
    out16(dispi_data, value);
}

VgaTextMode text_mode;

void show(u32 frame_buffer) {
    write_dispi(enable, 0);
    write_dispi(width, canvas_width);
    write_dispi(height, canvas_height);
    write_dispi(bits, 32);
    write_dispi(enable, enabled | linear_frame_buffer);
    auto* const target = pointer_to<volatile u32>(frame_buffer);
    for (u32 i = 0; i < canvas_width * canvas_height; ++i) target[i] = canvas_pixels()[i];
}

} // namespace

void command_gfx() {
    const PciSearch display(0x11111234);
    if (!display.found || (read_dispi(id) & 0xFFF0) != 0xB0C0) {
        print("  There is no Bochs-compatible display here.\n");
        return;
    }
    const u32 frame_buffer = pci_read(display.function, 0x10) & ~15u;
    print("  640 x 480 pixels of 32 bits at ");
    print_hex(frame_buffer);
    print("; press a key to come back.\n");
    map_device(frame_buffer, canvas_width * canvas_height * 4);
    show_status(false); // text and picture share the display's memory
    save_text_mode(text_mode);
    paint_picture(text_mode.font);
    show(frame_buffer);
    read_character();
    write_dispi(enable, 0);
    restore_text_mode(text_mode);
    show_status(true);
    print("  Back in text mode.\n");
}
