// Interrupt controllers. End of interrupt (Intel 8259A data sheet, "End of Interrupt (EOI)", "Cascade Mode"; SDM 3A
// 11.8.5): an interrupt stays in service until its controllers are told, and holds off all of its priority and below.
// Vectors (SDM 3A 6.2): the first 32 are exceptions'. Spurious requests (8259A data sheet, "Interrupt Sequence").
#include "cpu/system/system.hpp"
#include "debugger/lint/impl.hpp"
#include "debugger/view.hpp"
#include "machine/board.hpp"

#include <algorithm>

namespace glassbox::lint {

namespace {
/// Services that end later by design are not that late.
constexpr Time too_long = 100 * millisecond;

const LocalApic* apic_of(Board& board, const Cpu& cpu) {
    for (unsigned i = 0; i < board.processors.count(); ++i)
        if (&board.processors[i] == &cpu) return cpu.has(Feature::apic) ? &board.processors.apic(i) : nullptr;
    return nullptr;
}

bool in_apic(Board& board, const Cpu& cpu, u8 vector) {
    const LocalApic* apic = apic_of(board, cpu);
    return apic && (apic->registers().isr[vector / 32] >> (vector % 32) & 1) != 0;
}

const Pic8259* pic_of(Board& board, u8 vector) {
    for (const Pic8259* pic : {&board.pic.master(), &board.pic.slave()})
        if ((vector & 0xF8) == pic->registers().vector_base) return pic;
    return nullptr;
}

unsigned irq_of(Board& board, u8 vector) {
    return (pic_of(board, vector) == &board.pic.slave() ? 8u : 0u) + (vector & 7u);
}

bool is(const Insn& insn, u8 opcode) {
    return insn.map == 0 && insn.encoding == Encoding::legacy && insn.opcode == opcode;
}
} // namespace

Interrupts::Holder Interrupts::holder(Cpu& cpu, u8 vector) const {
    if (in_apic(board_, cpu, vector)) return Holder::apic;
    const Pic8259* pic = pic_of(board_, vector);
    if (!pic) return Holder::none;
    if (pic->isr() >> (vector & 7) & 1) return Holder::pic;
    // The slave has been told. Its master's input is still in service, and no other of the slave's is.
    const Pic8259& master = board_.pic.master();
    const bool cascade = pic == &board_.pic.slave() && pic->isr() == 0 && (master.isr() & 4) != 0;
    return cascade ? Holder::master : Holder::none;
}

void Interrupts::delivered(Report& report, Cpu& cpu, u8 vector, u64 from_ip) {
    constexpr std::size_t deepest = 64; // what never returns is not waited for
    if (services_.size() >= deepest) services_.erase(services_.begin());
    Service service{.cpu = &cpu, .vector = vector, .from_ip = from_ip};
    const Pic8259* pic = pic_of(board_, vector);
    const bool from_pic = pic && !in_apic(board_, cpu, vector);
    service.spurious = from_pic && (vector & 7) == 7 && !pic->registers().automatic_eoi && (pic->isr() >> 7 & 1) == 0;
    services_.push_back(service);
    std::erase_if(overdue_, [&](const Service& s) { return s.cpu == &cpu && s.vector == vector; }); // it came again
    if (vector < 32 && cpu.protected_mode() && from_pic)
        report.warn(cpu, LintKind::interrupt_setup, cpu.code_linear(cpu.ip),
                    {"is entered for IRQ " + std::to_string(irq_of(board_, vector)) + " at vector " +
                         capital_hex(vector, 2) +
                         "h, which in protected mode is an exception's: the 8259A still has the BIOS's vectors, and "
                         "the handler cannot tell the two apart",
                     "SDM 3A 6.2, 6.3.1; 8259A data sheet, Initialization Command Words",
                     "initialise both 8259As (ICW1 to ICW4) with vectors from 20h on before STI"});
}

void Interrupts::before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) {
    in_service_ = {board_.pic.master().isr(), board_.pic.slave().isr()};
    if (is(insn, 0xF4)) return look(report, (cpu.eflags & eflags::IF) != 0);
    if (!is(insn, 0xCF) || services_.empty()) return;
    const unsigned bytes = insn.opsize;
    u64 offset = cpu.gpr[RSP];
    if (!cpu.code64()) offset = (cpu.mode & mode::stack32) ? static_cast<u32>(offset) : static_cast<u16>(offset);
    const u64 stack = cpu.code64() ? offset : static_cast<u32>(cpu.seg[SS].base + offset);
    u64 to = 0;
    std::array<u8, 8> raw{};
    if (read_linear_quietly(cpu, stack, {raw.data(), bytes}) != bytes) return;
    for (unsigned i = 0; i < bytes; ++i) to |= u64{raw[i]} << (8 * i);
    for (std::size_t i = services_.size(); i-- > 0;) {
        Service service = services_[i];
        if (service.cpu != &cpu || service.from_ip != to) continue;
        services_.erase(services_.begin() + static_cast<std::ptrdiff_t>(i));
        if (service.spurious || holder(cpu, service.vector) == Holder::none) return;
        service.iret = linear;
        service.since = board_.scheduler.now();
        overdue_.push_back(service);
        return;
    }
}

/// A non-specific EOI in the service of an interrupt that never was ends another one. The slave's still needs one for
/// the master, which saw a real request.
void Interrupts::port_written(Report& report, Cpu& cpu, u16 port, u8 value) {
    if ((port != 0x20 && port != 0xA0) || (value & 0xF8) != 0x20 || services_.empty()) return;
    const Service& last = services_.back();
    const bool slave = port == 0xA0;
    if (!last.spurious || last.cpu != &cpu || slave != (irq_of(board_, last.vector) >= 8)) return;
    const u8 others = in_service_[slave ? 1 : 0];
    if (others == 0) return; // there is nothing to end
    report.warn(
        cpu, LintKind::interrupt_setup, cpu.code_linear(cpu.ip),
        {"ends interrupts in the service of a spurious IRQ " + std::to_string(irq_of(board_, last.vector)) +
             ": nothing is in service for it, and the EOI ends another one (ISR " + capital_hex(others, 2) + "h)",
         "8259A data sheet, Interrupt Sequence: default IR7",
         "read the ISR (OCW3 0Bh) in the handlers of IRQ 7 and 15, and send no EOI to a chip whose bit 7 is 0"});
}

Finding Interrupts::finding(Cpu& cpu, const Service& s, bool waits) const {
    const Holder who = holder(cpu, s.vector);
    const std::string irq = "IRQ " + std::to_string(irq_of(board_, s.vector)), vector = capital_hex(s.vector, 2) + "h";
    const std::string guest = waits ? "the guest waits for interrupts" : "the guest goes on for 100 ms";
    if (who == Holder::apic)
        return {"returns from vector " + vector + " (local APIC) without an EOI, and " + guest +
                    ": it and all below it cannot come again",
                "SDM 3A 11.8.5", "write 0 to the local APIC's register B0h (x2APIC: MSR 80Bh) before IRET"};
    if (who == Holder::master)
        return {"returns from vector " + vector + " (8259A, " + irq +
                    ") with an EOI to the slave only; input 2 of the master is still in service, and " + guest +
                    ": IRQ 3 to 15 cannot come again",
                "8259A data sheet, Cascade Mode: an EOI command must be issued twice",
                "behind the 20h to port A0h write 20h to port 20h"};
    return {"returns from vector " + vector + " (8259A, " + irq + ") without an EOI, and " + guest +
                ": it and all below it cannot come again",
            "8259A data sheet, End of Interrupt",
            irq_of(board_, s.vector) >= 8 ? "write 20h to port A0h, then 20h to port 20h, before IRET"
                                          : "write 20h to port 20h before IRET"};
}

void Interrupts::look(Report& report, bool waits) {
    if (overdue_.empty()) return;
    const Time now = board_.scheduler.now();
    if (!waits && now < next_look_) return;
    next_look_ = now + millisecond;
    std::erase_if(overdue_, [&](const Service& s) {
        if (holder(*s.cpu, s.vector) == Holder::none) return true;
        if (!waits && now - s.since < too_long) return false;
        report.warn(*s.cpu, LintKind::missing_eoi, s.iret, finding(*s.cpu, s, waits));
        return true;
    });
}

} // namespace glassbox::lint
