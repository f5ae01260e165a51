// End of interrupt (Intel 8259A data sheet, "End of Interrupt (EOI)"; SDM 3A 11.8.5): an interrupt stays in service
// until its controller is told, and holds off all of its priority and below.
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

const Pic8259* pic_of(Board& board, u8 vector) {
    for (const Pic8259* pic : {&board.pic.master(), &board.pic.slave()})
        if ((vector & 0xF8) == pic->registers().vector_base) return pic;
    return nullptr;
}
} // namespace

bool Interrupts::in_service(Cpu& cpu, u8 vector) const {
    if (const LocalApic* apic = apic_of(board_, cpu); apic && (apic->registers().isr[vector / 32] >> (vector % 32) & 1))
        return true;
    const Pic8259* pic = pic_of(board_, vector);
    return pic && (pic->isr() >> (vector & 7) & 1);
}

std::string Interrupts::name(Cpu& cpu, u8 vector) const {
    const std::string text = "vector " + hex(vector, 2) + "h";
    if (const LocalApic* apic = apic_of(board_, cpu); apic && (apic->registers().isr[vector / 32] >> (vector % 32) & 1))
        return text + " (local APIC)";
    const bool slave = pic_of(board_, vector) == &board_.pic.slave();
    return text + " (8259A, IRQ " + std::to_string((slave ? 8 : 0) + (vector & 7)) + ")";
}

void Interrupts::delivered(Cpu& cpu, u8 vector, u64 from_ip) {
    constexpr std::size_t deepest = 64; // what never returns is not waited for
    if (services_.size() >= deepest) services_.erase(services_.begin());
    services_.push_back({&cpu, vector, from_ip, 0, 0});
    std::erase_if(overdue_, [&](const Service& s) { return s.cpu == &cpu && s.vector == vector; }); // it came again
}

void Interrupts::before(Report& report, Cpu& cpu, u64 linear, const Insn& insn) {
    if (insn.map == 0 && insn.encoding == Encoding::legacy && insn.opcode == 0xF4)
        return look(report, (cpu.eflags & eflags::IF) != 0);
    if (insn.map != 0 || insn.encoding != Encoding::legacy || insn.opcode != 0xCF || services_.empty()) return;
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
        if (!in_service(cpu, service.vector)) return;
        service.iret = linear;
        service.since = board_.scheduler.now();
        overdue_.push_back(service);
        return;
    }
}

void Interrupts::look(Report& report, bool waits) {
    if (overdue_.empty()) return;
    const Time now = board_.scheduler.now();
    if (!waits && now < next_look_) return;
    next_look_ = now + millisecond;
    std::erase_if(overdue_, [&](const Service& s) {
        if (!in_service(*s.cpu, s.vector)) return true;
        if (!waits && now - s.since < too_long) return false;
        report.warn(*s.cpu, LintKind::missing_eoi, s.iret,
                    "returns from " + name(*s.cpu, s.vector) + " without an EOI, and the guest " +
                        (waits ? "waits for interrupts" : "goes on for 100 ms") +
                        ": it and all below it cannot come again",
                    "8259A data sheet, End of Interrupt; SDM 3A 11.8.5");
        return true;
    });
}

} // namespace glassbox::lint
