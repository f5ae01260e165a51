// The chips of the board in words: each function writes one chip's registers, named as in its data sheet, behind `out`.
// Nothing is read through a bus, so looking has no effect on the guest.
#pragma once

#include "bus/types.hpp"

#include <optional>
#include <string>

namespace glassbox {

class Board;

// interrupts
void show_pic(const Board& board, std::string& out);
void show_apic(const Board& board, unsigned processor, std::string& out);
void show_io_apic(const Board& board, std::string& out);
void show_irqs(const Board& board, std::string& out);
/// "8259A" and so on: what an ISA interrupt wire (0-15) usually belongs to.
const char* irq_name(unsigned irq);

// timers
void show_pit(const Board& board, std::string& out);
void show_rtc(const Board& board, bool with_cmos, std::string& out);
void show_hpet(const Board& board, std::string& out);
void show_acpi(const Board& board, std::string& out);
void show_events(const Board& board, std::string& out);

// disks
void show_dma(const Board& board, std::string& out);
void show_ide(const Board& board, std::string& out);
void show_fdc(const Board& board, std::string& out);

// the rest
void show_vga(const Board& board, std::string& out);
void show_vga_dac(const Board& board, std::string& out);
void show_screen(const Board& board, std::string& out);
void show_pci(const Board& board, std::string& out);
/// False if there is no such function on bus 0.
bool show_pci_function(const Board& board, unsigned slot, unsigned function, std::string& out);
void show_uart(const Board& board, unsigned index, std::string& out);
void show_lpt(const Board& board, std::string& out);
void show_ps2(const Board& board, std::string& out);
void show_a20(const Board& board, std::string& out);
void show_ports(const Board& board, std::optional<u16> one, std::string& out);
void show_devices(const Board& board, std::string& out);

} // namespace glassbox
