// Memory and registers as a debugger looks at them: without any effect on the guest. No faults, no accessed bits;
// devices say what they would answer, and are not read.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"
#include "cpu/state.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class Machine;

/// Bytes read at `linear`, through the processor's translation as it is now; fewer than asked for where a page is not
/// mapped, or where a device does not say. A local APIC's page is the processor's own.
std::size_t read_linear_quietly(const Cpu& cpu, u64 linear, std::span<u8> bytes);
std::size_t read_physical_quietly(const Cpu& cpu, u64 phys, std::span<u8> bytes);
/// All or nothing; a write to ROM is refused. Decoded code and watchers hear of it. What a device has is written in
/// cycles of at most `width` bytes (1, 2, 4, 8), naturally aligned, and the device does what it would for the
/// processor. The caller tells the timeline (Debugger::changed).
Expected<> write_linear_by_hand(Cpu& cpu, u64 linear, std::span<const u8> bytes, unsigned width);
Expected<> write_physical_by_hand(Cpu& cpu, u64 phys, std::span<const u8> bytes, unsigned width);
/// As wide as may be.
Expected<> write_linear_by_hand(Cpu& cpu, u64 linear, std::span<const u8> bytes);
Expected<> write_physical_by_hand(Cpu& cpu, u64 phys, std::span<const u8> bytes);

/// While it lives, the buses are a person's who sits at this processor: its own local APIC answers, and nobody hears
/// of accesses as of the guest's.
class BusByHand {
  public:
    explicit BusByHand(const Cpu& cpu);
    ~BusByHand();
    BusByHand(const BusByHand&) = delete;
    BusByHand& operator=(const BusByHand&) = delete;

  private:
    const Cpu& cpu_;
    InterruptPort* before_;
    BusProbe* memory_probe_;
    BusProbe* port_probe_;
};

/// The region that answers at `phys` in one direction (read or write), or null.
const MemoryMap::Region* region_at(const MemoryMap& memory, u64 phys, MemoryMap::Access direction);

/// 16, 32 or 64: how the code at CS:IP is decoded.
unsigned code_bits(const Cpu& cpu);

/// A register by the SDM's name, whatever its size: rax eax ax al ah r8d … rip eip ip, eflags and its flags (cf zf …),
/// cs … gs, cs.base cs.limit cs.access, cr0 cr2 cr3 cr4 cr8 xcr0, dr0-dr7, gdtr.base gdtr.limit idtr.base idtr.limit
/// tr ldtr (with .base .limit .access), st0-st7 (significand), mm0-mm7, xmm0-xmm15 (low 64 bits; xmm0h the high ones),
/// mxcsr fcw fsw ftw, cpl, efer, fs_base gs_base kernel_gs_base, tsc. Case does not count.
struct RegisterValue {
    u64 value = 0;
    unsigned bits = 64;
};
std::optional<RegisterValue> read_register(const Cpu& cpu, std::string_view name);
/// With what the processor needs recomputed. The error says why the value is impossible ("CR0.PG needs CR0.PE").
Expected<> write_register(Cpu& cpu, std::string_view name, u64 value);
/// A segment register (0-5: ES CS SS DS FS GS), LDTR (6) or TR (7), with its hidden part: `write_register` with "cs" …
Expected<> write_selector(Cpu& cpu, unsigned which, u16 selector);
/// As RDMSR, without its rights and its fault: nothing where the model has no such register.
std::optional<u64> read_msr_quietly(const Cpu& cpu, u32 number);
/// For completion and help.
std::vector<std::string> register_names(const Cpu& cpu);

} // namespace glassbox
