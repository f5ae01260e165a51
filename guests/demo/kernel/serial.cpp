// 115200 baud, 8 data bits, no parity, one stop bit. Sending waits for room; receiving is by interrupt.
#include "serial.hpp"

#include "input.hpp"
#include "ports.hpp"

namespace {
constexpr u16 base = 0x3F8;
constexpr u16 data = base, interrupt_enable = base + 1, fifo_control = base + 2, line_control = base + 3,
              modem_control = base + 4, line_status = base + 5;
constexpr u8 data_ready = 0x01, transmitter_empty = 0x20;
bool present;
} // namespace

void serial_start() {
    out8(line_control, 0x80); // DLAB: the first two registers are the divisor now
    out8(data, 1);            // 115200 / 1
    out8(interrupt_enable, 0);
    out8(line_control, 0x03);           // 8N1
    out8(fifo_control, 0x07);           // FIFOs on and empty, an interrupt for every byte
    out8(modem_control, 0x0B);          // DTR, RTS, and OUT2, which connects the interrupt line on a PC
    out8(interrupt_enable, 0x01);       // tell us when a byte has arrived
    present = in8(line_status) != 0xFF; // an empty slot reads as all ones
}

void serial_write(u8 byte) {
    if (!present) return;
    while ((in8(line_status) & transmitter_empty) == 0) {
    }
    out8(data, byte);
}

void serial_interrupt() {
    while (present && (in8(line_status) & data_ready) != 0) {
        const u8 byte = in8(data);
        if (byte == '\r')
            input_character('\n');
        else if (byte == 0x7F)
            input_character('\b'); // what most terminals send for Backspace
        else
            input_character(static_cast<char>(byte));
    }
}
