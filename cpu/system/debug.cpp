// Debug registers (SDM 3B 17.2): MOV DRn, DR4/DR5 aliases, general detect, and matching of breakpoints. The length
// encoding 10b, undefined before x86-64, is taken as eight bytes.
#include "cpu/system/control.hpp"

#include <utility>

namespace glassbox {

namespace {

enum class BreakOn : u8 { execute = 0, write = 1, port = 2, access = 3 };

struct Breakpoint {
    bool enabled;
    BreakOn on;
    unsigned length;
    u64 address; ///< aligned to its length
};

Breakpoint breakpoint(const Cpu& cpu, unsigned n) {
    constexpr unsigned lengths[4] = {1, 2, 8, 4};
    const u64 dr7 = cpu.dr[7];
    const unsigned length = lengths[dr7 >> (18 + 4 * n) & 3];
    return {(dr7 >> (2 * n) & 3) != 0, static_cast<BreakOn>(dr7 >> (16 + 4 * n) & 3), length,
            cpu.dr[n] & ~u64{length - 1}};
}

template <class Wanted> u64 hits(const Cpu& cpu, u64 address, unsigned size, Wanted&& wanted) {
    u64 bits = 0;
    if ((cpu.dr[7] & 0xFF) == 0) return 0;
    for (unsigned n = 0; n < 4; ++n) {
        const Breakpoint b = breakpoint(cpu, n);
        if (b.enabled && wanted(b.on) && address < b.address + b.length && b.address < address + size)
            bits |= u64{1} << n;
    }
    return bits;
}

template <class Wanted> bool any(const Cpu& cpu, Wanted&& wanted) {
    for (unsigned n = 0; n < 4; ++n) {
        const Breakpoint b = breakpoint(cpu, n);
        if (b.enabled && wanted(b.on)) return true;
    }
    return false;
}

} // namespace

u64 code_breakpoint(const Cpu& cpu, u64 linear) {
    if ((cpu.eflags & eflags::RF) != 0) return 0;
    return hits(cpu, linear, 1, [](BreakOn on) { return on == BreakOn::execute; });
}

u64 data_breakpoint_hits(const Cpu& cpu, u64 linear, unsigned size, bool write) {
    return hits(cpu, linear, size,
                [&](BreakOn on) { return on == BreakOn::access || (write && on == BreakOn::write); });
}

u64 io_breakpoint_hits(const Cpu& cpu, u16 port, unsigned size) {
    if ((cpu.cr4 & cr4::DE) == 0) return 0;
    return hits(cpu, port, size, [](BreakOn on) { return on == BreakOn::port; });
}

bool has_code_breakpoints(const Cpu& cpu) {
    return any(cpu, [](BreakOn on) { return on == BreakOn::execute; });
}
bool has_data_breakpoints(const Cpu& cpu) {
    return any(cpu, [](BreakOn on) { return on == BreakOn::write || on == BreakOn::access; });
}

namespace control {

namespace {
/// Checks common to both directions; `n` becomes the register that is meant.
bool reach_dr(Cpu& cpu, unsigned& n) {
    if (n > 7) return cpu.ud("no such debug register");
    if (n == 4 || n == 5) {
        if ((cpu.cr4 & cr4::DE) != 0) return cpu.ud("DR4 and DR5 with CR4.DE");
        n += 2;
    }
    if (cpu.cpl != 0) return cpu.gp(0, "debug registers outside level 0");
    if ((cpu.dr[7] & 0x2000) != 0) {
        cpu.fault = Fault{Exception::DB, false, 0, dr6::BD, "debug register access with DR7.GD"};
        return false;
    }
    return true;
}
} // namespace

bool mov_from_dr(Cpu& cpu, const Op& op) {
    unsigned n = op.reg;
    if (!reach_dr(cpu, n)) return false;
    if (cpu.code64())
        cpu.set_reg<u64>(op.base, cpu.dr[n]);
    else
        cpu.set_reg<u32>(op.base, static_cast<u32>(cpu.dr[n]));
    return true;
}

bool mov_to_dr(Cpu& cpu, const Op& op) {
    unsigned n = op.reg;
    if (!reach_dr(cpu, n)) return false;
    u64 value = cpu.code64() ? cpu.reg<u64>(op.base) : cpu.reg<u32>(op.base);
    if (n >= 6 && (value >> 32) != 0) return cpu.gp(0, "reserved bit of DR6 or DR7");
    if (n == 6) value = (value & 0x0000'E00F) | 0xFFFF'0FF0;
    if (n == 7) value = (value & 0xFFFF'23FF) | 0x400;
    const u64 before = std::exchange(cpu.dr[n], value);
    cpu.debug_registers_changed();
    tell_control(cpu, ControlKind::dr, n, before, value);
    return true;
}

} // namespace control
} // namespace glassbox
