// What chips ask of whoever programs them: time between accesses (8259A and 8254 A.C. characteristics; IBM PC AT
// Technical Reference, "I/O delays"), and a look before (8042, MC146818A).
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"

#include <algorithm>

namespace glassbox::lint {

Ports::Chip Ports::chip_of(u16 port) {
    if (port < 0x10 || (port >= 0xC0 && port < 0xE0)) return Chip::dma;
    if ((port & ~u16{0x81}) == 0x20) return Chip::pic; // 20h, 21h, A0h, A1h
    if ((port & ~u16{3}) == 0x40) return Chip::pit;
    if (port == 0x60 || port == 0x64) return Chip::keyboard;
    if (port == 0x70 || port == 0x71) return Chip::rtc;
    return Chip::none;
}

void Ports::accessed(Report& report, Cpu& cpu, u16 port, bool write, u8 value) {
    const u64 linear = cpu.code_linear(cpu.ip);
    const Chip chip = chip_of(port);
    recovery(report, cpu, linear, chip);
    if (chip == Chip::pit) timer(report, cpu, linear, port, write, value);
    if (chip == Chip::rtc) clock(report, cpu, linear, port, write, value);
    if (chip == Chip::keyboard) keyboard(report, cpu, linear, port, write, value);
}

/// Two accesses to one chip with nothing between them that takes time. From the Pentium on the chips are part of a
/// south bridge that waits by itself.
void Ports::recovery(Report& report, Cpu& cpu, u64 linear, Chip chip) {
    const u64 count = board_.scheduler.instructions();
    const Chip last = std::exchange(last_chip_, chip);
    const u64 last_ip = std::exchange(last_ip_, linear), between = count - std::exchange(last_count_, count);
    if (cpu.has(Feature::i586) || chip == Chip::none || chip != last || linear <= last_ip || between > 2) return;
    const auto first = instruction_at(cpu, last_ip);
    if (!first) return;
    for (u64 at = last_ip + first->length; at != linear;) {
        const auto insn = instruction_at(cpu, at);
        if (!insn || at > linear || (insn->row->attributes & (attr::branch | attr::ends_block))) return;
        at += insn->length;
    }
    constexpr const char* why[] = {"",
                                   "8259A: 190 ns between accesses (tRHRL, tWHWL)",
                                   "8254: 200 ns command recovery time (tRV)",
                                   "MC146818A: bus timing, cycle time",
                                   "8042: access to access, ISA recovery",
                                   "8237A: read or write recovery"};
    report.warn(cpu, LintKind::port_timing, linear,
                "accesses the chip right after " + text_at(cpu, last_ip) +
                    ": the data sheet asks for time between, a JMP $+2 or a port that is nobody's",
                why[static_cast<unsigned>(chip)]);
}

/// 8254 data sheet, "Read Operations": a counter that runs must be latched, or its two bytes are of different counts.
void Ports::timer(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value) {
    if (port == 0x43) {
        if (!write) return;
        if (value >= 0xC0) { // read-back: bit 5 clear latches the counts, bits 1-3 select
            for (unsigned i = 0; i < 3; ++i)
                if ((value & 0x20) == 0 && (value >> (i + 1) & 1)) latched_[i] = access_[i] == 3 ? 2 : 1;
            for (unsigned i = 0; i < 3; ++i)
                if ((value & 0x10) == 0 && (value >> (i + 1) & 1))
                    latched_[i] = std::min(latched_[i] + 1, 3); // the status byte
            return;
        }
        const unsigned n = value >> 6;
        if (const u8 mode = value >> 4 & 3) {
            access_[n] = mode;
            latched_[n] = 0;
        } else {
            latched_[n] = access_[n] == 3 ? 2 : 1;
        }
        return;
    }
    const unsigned n = port & 3u;
    if (write) return;
    if (latched_[n] > 0) {
        --latched_[n];
        return;
    }
    if (access_[n] != 3) return; // one byte cannot be torn
    report.warn(cpu, LintKind::port_timing, linear,
                "reads counter " + std::to_string(n) + " without a latch: its two bytes may be of different counts",
                "8254 data sheet, Counter Latch Command");
}

/// MC146818A data sheet, "Update Cycle": while UIP is 0, 244 us are left.
void Ports::clock(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value) {
    constexpr Time left = 244 * microsecond;
    if (port == 0x70) {
        if (write) index_ = value & 0x7F;
        return;
    }
    if (write) {
        if (index_ == 0x0B) set_ = (value & 0x80) != 0;
        return;
    }
    const Time now = board_.scheduler.now();
    if (index_ == 0x0A && !(value & 0x80)) no_update_ = now;
    if (index_ == 0x0C && (value & 0x10)) no_update_ = now; // the update has ended
    const bool time_of_day = index_ <= 9 && index_ != 1 && index_ != 3 && index_ != 5;
    if (!time_of_day || set_ || (no_update_ && now - *no_update_ <= left)) return;
    report.warn(cpu, LintKind::port_timing, linear,
                "reads the time without a look at UIP (register A, bit 7) within the last 244 us",
                "MC146818A data sheet, Update Cycle");
}

/// IBM PC AT Technical Reference, "Keyboard Controller": write only while bit 1 of the status (input buffer full) is 0.
void Ports::keyboard(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value) {
    if (!write) {
        if (port == 0x64) input_empty_ = (value & 2) == 0;
        return;
    }
    if (!std::exchange(input_empty_, false))
        report.warn(cpu, LintKind::port_timing, linear,
                    "writes to the 8042 without a look whether its input buffer is full (port 64h, bit 1)",
                    "8042: IBM PC AT Technical Reference, Keyboard Controller, Status Register");
}

} // namespace glassbox::lint
