// What chips ask of whoever programs them: time between accesses (8259A and 8254 A.C. characteristics; IBM PC AT
// Technical Reference, "I/O delays"), and a look before (8042, MC146818A).
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"

#include <algorithm>

namespace glassbox::lint {

namespace {

/// Whether what the IN has put into AL is written over before anybody looks at it: firmware reads port 71h so, to end
/// what a write to port 70h has begun.
bool discarded(const Cpu& cpu, u64 linear) {
    constexpr unsigned far = 4;
    u64 at = linear;
    for (unsigned i = 0; i <= far; ++i) {
        const auto insn = instruction_at(cpu, at);
        if (!insn) return false;
        at += insn->length;
        if (i == 0) continue; // the IN itself
        const bool address = insn->mem && (insn->base == 8 * RAX || (!insn->vsib && insn->index == 8 * RAX));
        const auto is_rax = [](const Operand& o) { return o.kind == OperandKind::reg && o.number / 8u == RAX; };
        bool reads = address;
        for (std::size_t k = 1; k < insn->operand.size(); ++k) reads |= is_rax(insn->operand[k]);
        const bool loads = is_named(*insn, "mov") || is_named(*insn, "movzx") || is_named(*insn, "in");
        if (reads || !loads) return false;
        if (is_rax(insn->operand[0])) return true;
    }
    return false;
}

} // namespace

Ports::Chip Ports::chip_of(u16 port) {
    if (port < 0x10 || (port >= 0xC0 && port < 0xE0)) return Chip::dma;
    if ((port & ~u16{0x81}) == 0x20) return Chip::pic; // 20h, 21h, A0h, A1h
    if ((port & ~u16{3}) == 0x40) return Chip::pit;
    if (port == 0x60 || port == 0x64) return Chip::keyboard;
    if (port == 0x70 || port == 0x71) return Chip::rtc;
    if ((port & ~u16{0x87}) == 0x170 || (port & ~u16{0x80}) == 0x376) return Chip::ide; // 1F0h-1F7h, 3F6h …
    return Chip::none;
}

void Ports::accessed(Report& report, Cpu& cpu, u16 port, unsigned width, bool write, u32 wide) {
    if (width != 1) return; // data of the IDE; the other chips have bytes
    const u8 value = static_cast<u8>(wide);
    const u64 linear = cpu.code_linear(cpu.ip);
    const Chip chip = chip_of(port);
    recovery(report, cpu, linear, chip);
    if (chip == Chip::pit) timer(report, cpu, linear, port, write, value);
    if (chip == Chip::rtc) clock(report, cpu, linear, port, write, value);
    if (chip == Chip::keyboard) keyboard(report, cpu, linear, port, write, value);
    if (chip == Chip::ide) disk(report, cpu, linear, port, write, value);
    if (chip == Chip::dma && write) transfer(report, cpu, linear, port, value);
}

/// Two accesses to one chip with nothing between them that takes time. From the Pentium on the chips are part of a
/// south bridge that waits by itself.
void Ports::recovery(Report& report, Cpu& cpu, u64 linear, Chip chip) {
    const u64 count = board_.scheduler.instructions();
    const Chip last = std::exchange(last_chip_, chip);
    const u64 last_ip = std::exchange(last_ip_, linear), between = count - std::exchange(last_count_, count);
    if (cpu.has(Feature::i586) || chip == Chip::none || chip == Chip::ide || chip != last || linear <= last_ip ||
        between > 2)
        return;
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
                {"accesses the chip right after " + text_at(cpu, last_ip) + ": the data sheet asks for time between",
                 why[static_cast<unsigned>(chip)], "put a JMP $+2 or a write to port 80h between the two"});
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
                {"reads counter " + std::to_string(n) + " without a latch: its two bytes may be of different counts",
                 "8254 data sheet, Counter Latch Command",
                 "write " + capital_hex(n << 6, 2) + "h to port 43h before the two reads"});
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
    if (!time_of_day || set_ || (no_update_ && now - *no_update_ <= left) || discarded(cpu, linear)) return;
    report.warn(cpu, LintKind::port_timing, linear,
                {"reads the time without a look at UIP (register A, bit 7) within the last 244 us",
                 "MC146818A data sheet, Update Cycle",
                 "read register 0Ah until bit 7 is 0, then the time within 244 us"});
}

/// IBM PC AT Technical Reference, "Keyboard Controller": write only while bit 1 of the status (input buffer full) is 0.
void Ports::keyboard(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value) {
    if (!write) {
        if (port == 0x64) input_empty_ = (value & 2) == 0;
        return;
    }
    if (!std::exchange(input_empty_, false))
        report.warn(cpu, LintKind::port_timing, linear,
                    {"writes to the 8042 without a look whether its input buffer is full (port 64h, bit 1)",
                     "8042: IBM PC AT Technical Reference, Keyboard Controller, Status Register",
                     "read port 64h until bit 1 is 0 before each write"});
}

/// ATA/ATAPI-6 7.4 (Command register): written only while BSY and DRQ are 0, but for DEVICE RESET; and 9.2: after a
/// software reset BSY must be looked at.
void Ports::disk(Report& report, Cpu& cpu, u64 linear, u16 port, bool write, u8 value) {
    const unsigned channel = (port & 0x80) != 0 ? 0 : 1;
    const bool status = (port & 7) == 7 || (port & 0x7F) == 0x76;
    if (!write) {
        constexpr u8 busy_or_data = 0x88;
        if (status && (value & busy_or_data) == 0) disk_idle_[channel] = true;
        return;
    }
    if ((port & 0x7F) == 0x76 && port >= 0x300) { // device control
        if (value & 4) disk_idle_[channel] = false;
        return;
    }
    if ((port & 7) != 7) return;
    const bool idle = std::exchange(disk_idle_[channel], false);
    constexpr u8 device_reset = 0x08;
    if (idle || value == device_reset) return;
    report.warn(cpu, LintKind::port_timing, linear,
                {"gives the disk command " + capital_hex(value, 2) + "h without having seen BSY and DRQ clear (port " +
                     capital_hex(port & ~0x08u, 3) + "h, bits 7 and 3) since the one before",
                 "ATA/ATAPI-6 7.4", "read the status until bits 7 and 3 are 0, then write the command"});
}

/// A channel that is unmasked is about to work with what is in its registers.
void Ports::transfer(Report& report, Cpu& cpu, u64 linear, u16 port, u8 value) {
    const bool words = port >= 0xC0;
    const unsigned index = words ? (port - 0xC0u) / 2 : port;
    u8 unmasked = 0;
    if (index == 10 && (value & 4) == 0) unmasked = static_cast<u8>(1u << (value & 3)); // a single mask bit
    if (index == 14) unmasked = 0x0F;                                                   // clear mask register
    if (index == 15) unmasked = static_cast<u8>(~value & 0x0F);
    for (unsigned n = 0; n < 4; ++n) {
        const DmaControllers::Channel& c = board_.dma.controller(words ? 1 : 0).channels[n];
        const bool moves =
            c.transfer() == DmaControllers::Transfer::write || c.transfer() == DmaControllers::Transfer::read;
        if (!(unmasked >> n & 1) || !moves || c.service() == 3) continue; // 3: a cascade
        const u32 first = c.current_address, count = u32{c.current_count} + 1;
        const bool leaves = c.decrement() ? count > first + 1 : first + count > 0x10000;
        if (!leaves) continue;
        report.warn(cpu, LintKind::dma_boundary, linear,
                    {"starts a transfer of " + capital_hex(count) + "h " + (words ? "words" : "bytes") +
                         " from physical " + capital_hex(board_.dma.current_address(words ? 4 + n : n), 6) +
                         " on channel " + std::to_string(words ? 4 + n : n) +
                         ": behind the boundary it goes on at the beginning of the same " + (words ? "128" : "64") +
                         " KiB",
                     {},
                     {}});
    }
}

} // namespace glassbox::lint
