#include "machine/autopsy.hpp"

#include "machine/board.hpp"

#include <cstdio>

namespace glassbox {

namespace {

std::string number(u64 value, unsigned digits) {
    char text[20];
    std::snprintf(text, sizeof text, "%0*llX", static_cast<int>(digits), static_cast<unsigned long long>(value));
    return text;
}

std::string fault_line(unsigned n, const Fault& f) {
    static constexpr const char* names[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "#9",
                                            "#TS", "#NP", "#SS", "#GP", "#PF", "#15", "#MF", "#AC", "#MC", "#XM"};
    std::string text = std::to_string(n) + ". " + names[static_cast<u8>(f.vector) % 20];
    if (f.has_error) text += " (error code " + number(f.error, 4) + ")";
    if (f.vector == Exception::PF) text += " at linear address " + number(f.cr2, f.cr2 >> 32 ? 16 : 8);
    if (f.why && *f.why) text += std::string(": ") + f.why;
    return text + '\n';
}

std::string general_registers(const Cpu& cpu) {
    static constexpr const char* narrow[] = {"EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"};
    static constexpr const char* wide[] = {"RAX", "RCX", "RDX", "RBX", "RSP", "RBP", "RSI", "RDI",
                                           "R8 ", "R9 ", "R10", "R11", "R12", "R13", "R14", "R15"};
    const bool long_mode = cpu.long_mode();
    std::string text;
    for (unsigned i = 0; i < (long_mode ? 16u : 8u); ++i) {
        text += std::string(long_mode ? wide[i] : narrow[i]) + '=' +
                number(long_mode ? cpu.gpr[i] : static_cast<u32>(cpu.gpr[i]), long_mode ? 16 : 8);
        text += i % 4 == 3 ? '\n' : ' ';
    }
    return text;
}

} // namespace

std::string register_dump(const Cpu& cpu) {
    const bool long_mode = cpu.long_mode();
    const unsigned digits = long_mode ? 16 : 8;
    std::string text = general_registers(cpu);
    text += std::string(long_mode ? "RIP=" : "EIP=") + number(cpu.ip, digits) +
            " EFLAGS=" + number(cpu.full_eflags(), 8) + " CPL=" + std::to_string(cpu.cpl) + '\n';
    text += "CR0=" + number(cpu.cr0, 8) + " CR2=" + number(cpu.cr2, digits) + " CR3=" + number(cpu.cr3, digits) +
            " CR4=" + number(cpu.cr4, 8);
    if (cpu.msrs.efer != 0) text += " EFER=" + number(cpu.msrs.efer, 8);
    text += '\n';
    static constexpr const char* segments[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
    for (unsigned i = 0; i < 6; ++i) {
        const Segment& s = cpu.seg[i];
        text += std::string(segments[i]) + '=' + number(s.selector, 4) + " base=" + number(s.base, digits) +
                " limit=" + number(s.limit, 8) + " rights=" + number(s.access, 5) + '\n';
    }
    return text + "GDT=" + number(cpu.gdtr.base, digits) + ':' + number(cpu.gdtr.limit, 4) +
           " IDT=" + number(cpu.idtr.base, digits) + ':' + number(cpu.idtr.limit, 4) +
           " TR=" + number(cpu.tr.selector, 4) + " LDT=" + number(cpu.ldtr.selector, 4) + '\n';
}

std::string describe_stop(const Board& board) {
    const Cpu* shut = board.processors.shut_down();
    const Cpu& cpu = shut ? *shut : board.processors.current();
    std::string text;
    if (board.processors.count() > 1) text = "processor " + std::to_string(cpu.apic_id) + ":\n";
    for (unsigned i = 0; i < cpu.fault_chain_length; ++i) text += fault_line(i + 1, cpu.fault_chain[i]);
    return text + register_dump(cpu);
}

} // namespace glassbox
