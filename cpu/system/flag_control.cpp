// Who may change IF and touch ports: CLI, STI, PUSHF, POPF with IOPL, VME and PVI (SDM 3A 20.3, 20.4; SDM 2), and the
// I/O permission bitmap (SDM 1, 19.5.2).
#include "cpu/system/control.hpp"
#include "cpu/system/stack.hpp"

namespace glassbox {

bool check_io(Cpu& cpu, u16 port, unsigned width) {
    if (cpu.real_mode() || (!cpu.v86() && cpu.cpl <= cpu.iopl())) return true;
    const char* why = "port not allowed by the I/O permission bitmap";
    if (!cpu.tr.usable() || (cpu.tr.type() & 8) == 0 || cpu.tr.limit < 0x67) return cpu.gp(0, why);
    const u64 base = cpu.tr.base;
    u16 map = 0;
    if (!read_system<u16>(cpu, base + 0x66, map)) return false;
    const u32 at = u32{map} + port / 8u;
    if (at + 1 > cpu.tr.limit) return cpu.gp(0, why);
    u16 bits = 0;
    if (!read_system<u16>(cpu, base + at, bits)) return false;
    return (bits >> (port & 7) & ((1u << width) - 1)) == 0 || cpu.gp(0, why);
}

namespace control {

namespace {

/// Which flag CLI and STI act on.
enum class Target : u8 { interrupt_flag, virtual_flag, none };

Target target_of(const Cpu& cpu) {
    if (cpu.real_mode()) return Target::interrupt_flag;
    if (cpu.v86()) {
        if (cpu.iopl() == 3) return Target::interrupt_flag;
        return (cpu.cr4 & cr4::VME) != 0 ? Target::virtual_flag : Target::none;
    }
    if (cpu.cpl <= cpu.iopl()) return Target::interrupt_flag;
    return cpu.cpl == 3 && (cpu.cr4 & cr4::PVI) != 0 ? Target::virtual_flag : Target::none;
}

constexpr u32 always = eflags::arithmetic | eflags::TF | eflags::DF | eflags::NT;

} // namespace

bool cli(Cpu& cpu, const Op&) {
    switch (target_of(cpu)) {
    case Target::interrupt_flag: cpu.eflags &= ~eflags::IF; return true;
    case Target::virtual_flag: cpu.eflags &= ~eflags::VIF; return true;
    default: return cpu.gp(0, "CLI without I/O privilege");
    }
}

bool sti(Cpu& cpu, const Op&) {
    switch (target_of(cpu)) {
    case Target::interrupt_flag:
        if ((cpu.eflags & eflags::IF) == 0) cpu.shadow |= Cpu::shadow_sti;
        cpu.eflags |= eflags::IF;
        return true;
    case Target::virtual_flag:
        if ((cpu.eflags & eflags::VIP) != 0) return cpu.gp(0, "STI with a virtual interrupt pending");
        cpu.eflags |= eflags::VIF;
        return true;
    default: return cpu.gp(0, "STI without I/O privilege");
    }
}

template <unsigned width> bool pushf(Cpu& cpu, const Op&) {
    u32 image = cpu.full_eflags() & ~(eflags::VM | eflags::RF);
    if (cpu.v86() && cpu.iopl() < 3) {
        if (width == 4 || (cpu.cr4 & cr4::VME) == 0) return cpu.gp(0, "PUSHF in virtual-8086 mode with IOPL < 3");
        image = (image & ~eflags::IF) | eflags::IOPL | ((image & eflags::VIF) != 0 ? eflags::IF : 0);
    }
    return push_value(cpu, width, image);
}
template bool pushf<2>(Cpu&, const Op&);
template bool pushf<4>(Cpu&, const Op&);
template bool pushf<8>(Cpu&, const Op&);

namespace {

/// POPF in virtual-8086 mode without IOPL: IF goes to VIF.
bool popf_virtual(Cpu& cpu, unsigned width, u32 image, u32& result) {
    if (width == 4 || (cpu.cr4 & cr4::VME) == 0) return cpu.gp(0, "POPF in virtual-8086 mode with IOPL < 3");
    const bool enables = (image & eflags::IF) != 0;
    if ((image & eflags::TF) != 0 || (enables && (cpu.eflags & eflags::VIP) != 0))
        return cpu.gp(0, "POPF would trap or enable a pending virtual interrupt");
    result = (cpu.full_eflags() & ~(always | eflags::VIF)) | (image & always) | (enables ? eflags::VIF : 0);
    return true;
}

} // namespace

template <unsigned width> bool popf(Cpu& cpu, const Op&) {
    Stack stack = Stack::current(cpu);
    u64 value = 0;
    u32 result = 0;
    if (!stack.peek(cpu, width, 0, value)) return false;
    const u32 image = static_cast<u32>(value);
    if (cpu.v86() && cpu.iopl() < 3) {
        if (!popf_virtual(cpu, width, image, result)) return false;
    } else {
        u32 mask = always;
        if (width >= 4) mask |= eflags::AC | eflags::ID;
        if (cpu.v86() || cpu.cpl <= cpu.iopl()) mask |= eflags::IF;
        if (cpu.cpl == 0) mask |= eflags::IOPL;
        result = (cpu.full_eflags() & ~mask) | (image & mask);
        if (width >= 4) result &= ~eflags::RF;
    }
    stack.pop(width);
    stack.commit_pointer(cpu);
    cpu.set_full_eflags(result);
    cpu.update_mode();
    return true;
}
template bool popf<2>(Cpu&, const Op&);
template bool popf<4>(Cpu&, const Op&);
template bool popf<8>(Cpu&, const Op&);

} // namespace control
} // namespace glassbox
