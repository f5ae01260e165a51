// RDMSR, WRMSR and the other instructions that read the processor's counters and description: RDTSC, RDTSCP, RDPMC,
// CPUID (SDM 2). The registers are in msr_*.cpp by kind. Unknown registers, reserved bits and invalid values are
// #GP(0).
#include "cpu/system/msr.hpp"

#include "cpu/system/control.hpp"

namespace glassbox {

namespace {

bool settle(Cpu& cpu, msr::Answer answer) {
    if (answer == msr::Answer::done) return true;
    return cpu.gp(0, answer == msr::Answer::unknown ? "no such MSR" : "MSR does not take this value or access");
}

} // namespace

bool read_msr(Cpu& cpu, u32 index, u64& value) {
    for (const auto read : {msr::read_architectural, msr::read_memory_type, msr::read_intel, msr::read_amd}) {
        const msr::Answer answer = read(cpu, index, value);
        if (answer != msr::Answer::unknown) return settle(cpu, answer);
    }
    return settle(cpu, msr::Answer::unknown);
}

bool write_msr(Cpu& cpu, u32 index, u64 value) {
    for (const auto write : {msr::write_architectural, msr::write_memory_type, msr::write_intel, msr::write_amd}) {
        const msr::Answer answer = write(cpu, index, value);
        if (answer != msr::Answer::unknown) return settle(cpu, answer);
    }
    return settle(cpu, msr::Answer::unknown);
}

namespace control {

namespace {
void set_edx_eax(Cpu& cpu, u64 value) {
    cpu.set_r32(RAX, static_cast<u32>(value));
    cpu.set_r32(RDX, static_cast<u32>(value >> 32));
}
} // namespace

bool rdmsr(Cpu& cpu, const Op&) {
    u64 value = 0;
    if (cpu.cpl != 0) return cpu.gp(0, "RDMSR outside level 0");
    if (!read_msr(cpu, cpu.r32(RCX), value)) return false;
    set_edx_eax(cpu, value);
    return true;
}

namespace {
/// For the probe: zero where there is nothing to read, or reading may be heard by the local APIC.
u64 quiet_read(Cpu& cpu, u32 index) {
    constexpr u32 x2apic_first = 0x800, x2apic_last = 0x8FF;
    if (index >= x2apic_first && index <= x2apic_last) return 0;
    const Fault kept = cpu.fault;
    u64 value = 0;
    if (!read_msr(cpu, index, value)) value = 0;
    cpu.fault = kept;
    return value;
}
} // namespace

bool wrmsr(Cpu& cpu, const Op&) {
    if (cpu.cpl != 0) return cpu.gp(0, "WRMSR outside level 0");
    const u32 index = cpu.r32(RCX);
    const u64 value = u64{cpu.r32(RDX)} << 32 | cpu.r32(RAX);
    const u64 before = cpu.probe ? quiet_read(cpu, index) : 0;
    if (!write_msr(cpu, index, value)) return false;
    tell_control(cpu, ControlKind::msr, index, before, value);
    return true;
}

bool rdtsc(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::TSD) != 0 && cpu.cpl != 0) return cpu.gp(0, "RDTSC with CR4.TSD");
    set_edx_eax(cpu, cpu.tsc());
    return true;
}

bool rdpmc(Cpu& cpu, const Op&) {
    if ((cpu.cr4 & cr4::PCE) == 0 && cpu.cpl != 0) return cpu.gp(0, "RDPMC without CR4.PCE");
    const bool p4 = msr::is_p4(cpu), amd = cpu.model->amd();
    const u32 counters = p4 ? 18 : amd ? 4 : 2;
    const u32 index = p4 ? cpu.r32(RCX) & 0x7FFF'FFFF : cpu.r32(RCX); // bit 31: fast read
    if (index >= counters) return cpu.gp(0, "no such performance counter");
    constexpr u64 forty_bits = (u64{1} << 40) - 1;
    const unsigned first = amd ? 4 : msr::is_p6(cpu) ? 0 : 5; // where the MSRs of the counters are kept
    const u64 value = p4 ? 0 : cpu.msrs.perf[first + index];
    set_edx_eax(cpu, value & forty_bits);
    return true;
}

bool cpuid(Cpu& cpu, const Op&) {
    const CpuidResult r = glassbox::cpuid(cpu, cpu.r32(RAX), cpu.r32(RCX));
    cpu.set_r32(RAX, r.eax);
    cpu.set_r32(RBX, r.ebx);
    cpu.set_r32(RCX, r.ecx);
    cpu.set_r32(RDX, r.edx);
    return true;
}

} // namespace control
} // namespace glassbox
