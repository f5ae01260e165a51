// The 8237A's register file and the page registers.
#include "devices/dma/dma.hpp"

namespace glassbox {

namespace {

enum Base : u64 { first_chip = 0x00, second_chip = 0x20, page_ports = 0x40 };

// Registers 8-15 of a controller; 0-7 are the channels' addresses and counts.
enum Index : unsigned { command = 8, request, single_mask, mode, clear_flip_flop, master_clear, clear_mask, all_masks };

} // namespace

void DmaControllers::map(PortBus& ports) {
    ports.map("dma.first", {Port(0x00), 0x10}, *this, 1, first_chip);
    ports.map("dma.second", {Port(0xC0), 0x20}, *this, 1, second_chip);
    ports.map("dma.pages", {Port(0x81), 0x0F}, *this, 1, page_ports + 1);
}

DmaControllers::Place DmaControllers::place(u64 offset) {
    if (offset >= page_ports) return {std::nullopt, static_cast<unsigned>(offset & 15)};
    // The second controller sits on address lines A4-A1: each register shows at two ports.
    if (offset >= second_chip) return {1, static_cast<unsigned>(offset - second_chip) / 2};
    return {0, static_cast<unsigned>(offset)};
}

std::optional<u64> DmaControllers::peek(u64 offset, unsigned width) const {
    (void)width;
    const Place at = place(offset);
    return at.controller ? peek_register(controllers_[*at.controller], at.index) : pages_[at.index];
}

u64 DmaControllers::read(u64 offset, unsigned width) {
    (void)width;
    const Place at = place(offset);
    return at.controller ? read_register(controllers_[*at.controller], at.index) : pages_[at.index];
}

void DmaControllers::write(u64 offset, unsigned width, u64 value) {
    (void)width;
    const u8 byte = static_cast<u8>(value);
    const Place at = place(offset);
    if (at.controller) return write_register(*at.controller, at.index, byte);
    pages_[at.index] = byte;
}

u8 DmaControllers::read_register(Controller& controller, unsigned index) {
    const u8 value = peek_register(controller, index);
    if (index < 8) controller.high_byte = !controller.high_byte;
    if (index == command) controller.terminal = 0; // reading the status clears the terminal counts
    return value;
}

u8 DmaControllers::peek_register(const Controller& controller, unsigned index) {
    if (index < 8) {
        const Channel& c = controller.channels[index / 2];
        const u16 value = (index & 1) != 0 ? c.current_count : c.current_address;
        return static_cast<u8>(controller.high_byte ? value >> 8 : value);
    }
    switch (index) {
    case command: return static_cast<u8>(controller.request << 4 | controller.terminal); // the status register
    case master_clear: return 0; // the temporary register, of memory-to-memory transfers only
    case all_masks: return controller.mask;
    default: return 0xFF;
    }
}

void DmaControllers::write_register(unsigned which, unsigned index, u8 value) {
    Controller& controller = controllers_[which];
    const u8 bit = static_cast<u8>(1u << (value & 3));
    if (index < 8) { // both the base and the current register
        Channel& c = controller.channels[index / 2];
        u16& base = (index & 1) != 0 ? c.base_count : c.base_address;
        base = static_cast<u16>(controller.high_byte ? (base & 0x00FF) | value << 8 : (base & 0xFF00) | value);
        controller.high_byte = !controller.high_byte;
        u16& current = (index & 1) != 0 ? c.current_count : c.current_address;
        current = base;
        return;
    }
    switch (index) {
    case command: controller.command = value; break;
    case request: write_request(which, value); break;
    case single_mask:
        controller.mask = static_cast<u8>((value & 4) != 0 ? controller.mask | bit : controller.mask & ~bit);
        break;
    case mode: controller.channels[value & 3].mode = value & 0xFC; break;
    case clear_flip_flop: controller.high_byte = false; break;
    case master_clear:
        controller.command = controller.request = controller.terminal = 0;
        controller.high_byte = false;
        controller.mask = 0x0F;
        break;
    case clear_mask: controller.mask = 0; break;
    default: controller.mask = value & 0x0F;
    }
    serve_requests();
}

} // namespace glassbox
