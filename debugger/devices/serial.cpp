// The PC16550D (National Semiconductor data sheet), the parallel port (IBM PC/AT Technical Reference) and the 8042 with
// keyboard and mouse (IBM PS/2 Hardware Interface Technical Reference).
#include "debugger/devices/sheet.hpp"
#include "debugger/devices/show.hpp"
#include "machine/board.hpp"

#include <array>

namespace glassbox {

namespace {

std::string iir_words(u8 iir) {
    const std::string fifo = (iir & 0xC0) ? ", FIFOs on" : ", FIFOs off";
    switch (iir & 15) {
    case 0x6: return "receiver line status" + fifo;
    case 0x4: return "received data available" + fifo;
    case 0xC: return "character timeout" + fifo;
    case 0x2: return "transmitter holding register empty" + fifo;
    case 0x0: return "modem status" + fifo;
    default: return "no interrupt pending" + fifo;
    }
}

std::string frame_words(u8 lcr) {
    constexpr std::array parities{"N", "O", "N", "E", "N", "M", "N", "S"};
    return std::to_string(5 + (lcr & 3)) + parities[lcr >> 3 & 7] + ((lcr & 4) ? ((lcr & 3) ? "2" : "1.5") : "1") +
           ((lcr & 0x40) ? ", break" : "") + ((lcr & 0x80) ? ", DLAB" : "");
}

std::string key_name(KeyId key) { return std::string(key.extended ? "E0 " : "") + hex_digits(key.code, 2); }

} // namespace

void show_uart(const Board& board, unsigned index, std::string& out) {
    constexpr std::array<unsigned, 4> bases{0x3F8, 0x2F8, 0x3E8, 0x2E8};
    const Uart16550::Registers r = board.uarts.at(index)->registers();
    Sheet sheet(out);
    sheet.title("COM" + std::to_string(index + 1) + ": 16550A (ports " + hexh(bases.at(index)) + "-" +
                hexh(bases.at(index) + 7) + ", IRQ " + std::to_string(Uart16550::standard_irq(index)) + ")");
    sheet.row(
        "IER", r.ier, 2,
        bit_names(r.ier,
                  {{1, "ERBFI: data"}, {2, "ETBEI: THR empty"}, {4, "ELSI: line status"}, {8, "EDSSI: modem status"}},
                  ", "));
    sheet.row("IIR", r.iir, 2, iir_words(r.iir));
    sheet.row("LCR", r.lcr, 2, frame_words(r.lcr));
    sheet.row("MCR", r.mcr, 2,
              bit_names(r.mcr,
                        {{1, "DTR"},
                         {2, "RTS"},
                         {4, "OUT1"},
                         {8, "OUT2: interrupts reach the wire", "OUT2 off: no interrupts"},
                         {0x10, "LOOP"}},
                        ", "));
    sheet.row("LSR", r.lsr, 2,
              bit_names(r.lsr, {{1, "DR"},
                                {2, "OE"},
                                {4, "PE"},
                                {8, "FE"},
                                {0x10, "BI"},
                                {0x20, "THRE"},
                                {0x40, "TEMT"},
                                {0x80, "FIFO error"}}));
    sheet.row("MSR", r.msr, 2,
              bit_names(r.msr, {{1, "DCTS"},
                                {2, "DDSR"},
                                {4, "TERI"},
                                {8, "DDCD"},
                                {0x10, "CTS"},
                                {0x20, "DSR"},
                                {0x40, "RI"},
                                {0x80, "DCD"}}));
    sheet.row("SCR", r.scr, 2);
    sheet.row("divisor", r.divisor, 4,
              r.divisor ? std::to_string(115200 / r.divisor) + " baud, " + frame_words(r.lcr & 0x3F) +
                              ", a character takes " + duration(r.character_time)
                        : "0: no clock");
    sheet.row("receiver FIFO", std::to_string(r.receive.size()) + "/16",
              byte_list(r.receive) + (r.fifo_enabled ? ", trigger level " + std::to_string(r.trigger) : ""));
    sheet.row("sender FIFO", std::to_string(r.transmit.size()) + "/16", byte_list(r.transmit));
    sheet.row("shift register", r.shifting ? hex_digits(r.shift, 2) : "empty");
    sheet.row("on the line", std::to_string(r.line), "bytes on their way in");
    sheet.row("INTR", r.interrupt ? "asserted" : "-");
}

void show_lpt(const Board& board, std::string& out) {
    Sheet sheet(out);
    if (!board.parallel) return sheet.line("This machine has no parallel port.");
    const ParallelPort::Registers r = board.parallel->registers();
    sheet.title("LPT1: parallel port (ports 378h-37Ah, IRQ 7)");
    sheet.row("data", r.data, 2);
    sheet.row("status", r.status, 2,
              bit_names(r.status,
                        {{0x80, "ready", "BUSY"},
                         {0x40, {}, "ACK"},
                         {0x20, "paper out"},
                         {0x10, "SELECT", "no printer is online"},
                         {0x08, {}, "ERROR"}},
                        ", "));
    sheet.row("control", r.control, 2,
              bit_names(r.control,
                        {{1, "STROBE"},
                         {2, "AUTO FEED"},
                         {4, {}, "INIT"},
                         {8, "SELECT IN"},
                         {0x10, "IRQ on", "IRQ off"},
                         {0x20, "input"}},
                        ", "));
}

void show_ps2(const Board& board, std::string& out) {
    const Ps2Controller::Registers r = board.ps2.registers();
    Sheet sheet(out);
    sheet.title("8042 keyboard controller (ports 60h, 64h; IRQ 1 and 12)");
    sheet.row("status", r.status, 2,
              bit_names(r.status,
                        {{1, "OBF: output buffer full", "output buffer empty"},
                         {2, "IBF"},
                         {4, "SYS"},
                         {8, "last write: command", "last write: data"},
                         {0x10, {}, "locked"},
                         {0x20, "AUXB: from the mouse"}},
                        ", "));
    sheet.row("command byte", r.configuration, 2,
              bit_names(r.configuration,
                        {{1, "IRQ 1"},
                         {2, "IRQ 12"},
                         {4, "SYS"},
                         {0x10, "keyboard disabled", "keyboard enabled"},
                         {0x20, "mouse disabled", "mouse enabled"},
                         {0x40, "translation"}},
                        ", "));
    sheet.row("output buffer", r.output_buffer, 2,
              r.full ? (r.from_mouse ? "waits, from the mouse" : "waits, from the keyboard") : "has been read");
    sheet.row("output port", r.output_port, 2,
              bit_names(r.output_port, {{2, "A20 open", "A20 closed"}, {0x10, "IRQ 1"}, {0x20, "IRQ 12"}}, ", "));
    if (r.awaited_by) sheet.row("awaits data of", r.awaited_by, 2, "command");
    sheet.row("replies", byte_list(r.replies));
    const Ps2Keyboard::Registers k = board.ps2.keyboard().registers();
    sheet.title("Keyboard");
    sheet.row("scanning", on_off(k.scanning), "scan code set " + std::to_string(k.set));
    const u8 leds = board.ps2.leds();
    sheet.row("LEDs", leds, 2, bit_names(leds, {{1, "Scroll Lock"}, {2, "Num Lock"}, {4, "Caps Lock"}}, ", "));
    sheet.row("typematic", k.typematic, 2, "delay " + std::to_string(250 * (1 + (k.typematic >> 5 & 3))) + " ms");
    sheet.row("buffer", std::to_string(k.buffer.size()) + "/16", byte_list(k.buffer) + (k.overrun ? ", overrun" : ""));
    sheet.row("replies", byte_list(k.replies));
    if (k.awaited_by) sheet.row("awaits data of", k.awaited_by, 2, "command");
    std::string down;
    for (const KeyId key : k.down) down += (down.empty() ? "" : ", ") + key_name(key);
    sheet.row("keys down", down.empty() ? "none" : down);
    const Ps2Mouse::Registers m = board.ps2.mouse().registers();
    sheet.title("Mouse");
    sheet.row("mode", m.mode,
              std::string(m.enabled ? "reporting enabled" : "reporting disabled") + ", identity " +
                  std::to_string(m.identity));
    sheet.row("sample rate", std::to_string(m.rate),
              "per second, resolution " + std::to_string(1 << (m.resolution & 3)) + " counts/mm, scaling " +
                  (m.scaling ? "2:1" : "1:1"));
    sheet.row("movement", std::to_string(m.dx) + " " + std::to_string(m.dy),
              "right, up; wheel " + std::to_string(m.wheel));
    sheet.row("buttons", m.buttons, 2, bit_names(m.buttons, {{1, "left"}, {2, "right"}, {4, "middle"}}));
    sheet.row("packet", byte_list(m.packet));
    sheet.row("replies", byte_list(m.replies));
}

} // namespace glassbox
