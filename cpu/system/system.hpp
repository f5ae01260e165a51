// The system side of the processor, as the run loop and the instruction families call it. Everything here follows the
// rule of cold functions: false means that a fault is in cpu.fault and the guest sees no other change.
#pragma once

#include "cpu/probe.hpp"
#include "cpu/state.hpp"

#include <array>

namespace glassbox {

/// Why control goes through the interrupt table: what is pushed as return address, whether the gate's DPL counts, and
/// the EXT bit of error codes depend on it (SDM 3A 6.12, 6.13).
enum class InterruptKind : u8 { hardware, software, exception, int3, into, icebp };

/// Enters the handler of `vector`. On entry cpu.ip is the address to return to; for the kinds that instructions cause
/// (software, int3, into, icebp) that is cpu.next_ip. Afterwards cpu.ip and cpu.next_ip are the handler's first
/// instruction. False: the fault that the delivery met is in cpu.fault; give it to `deliver_fault`.
bool deliver_interrupt(Cpu& cpu, u8 vector, InterruptKind kind, bool has_error = false, u32 error = 0);
/// Delivers cpu.fault, which the instruction at cpu.ip raised, turning combinations into #DF (SDM 3A table 6-5). False:
/// triple fault; cpu.shutdown is set and cpu.fault_chain tells how it came about.
bool deliver_fault(Cpu& cpu);
/// #DB with these bits added to DR6, returning to cpu.ip.
bool deliver_debug(Cpu& cpu, u64 dr6_bits);

/// Interrupt 0 of an 8086, which returns to cpu.next_ip as INT 0 would (8086 Family User's Manual, 2-25).
bool division_error_8086(Cpu& cpu);

/// Loads ES, SS, DS, FS or GS as MOV does, in every mode.
bool load_segment(Cpu& cpu, unsigned name, u16 selector);
/// Gives FS or GS a base alone, as the base MSRs and SWAPGS do. The caller has found it canonical.
inline void set_segment_base(Cpu& cpu, unsigned name, u64 base) { cpu.seg[name].base = cpu.base64[name] = base; }
/// Whether the port access is allowed: IOPL, else the TSS's bitmap (SDM 1, 19.5).
bool check_io(Cpu& cpu, u16 port, unsigned width);

/// Debug registers (SDM 3B 17.2): the DR6 bits of enabled breakpoints that the access hits, or 0.
u64 code_breakpoint(const Cpu& cpu, u64 linear);
u64 data_breakpoint_hits(const Cpu& cpu, u64 linear, unsigned size, bool write);
u64 io_breakpoint_hits(const Cpu& cpu, u16 port, unsigned size);
/// Whether any enabled breakpoint is of that kind.
bool has_code_breakpoints(const Cpu& cpu);
bool has_data_breakpoints(const Cpu& cpu);

enum class ResetKind : u8 { power_on, init };
/// Registers as after RESET or INIT (SDM 3A table 9-1). Translations and blocks are the engine's.
void reset_state(Cpu& cpu, ResetKind kind = ResetKind::power_on);
/// All registers that software can see, but not the run state (halted, pending pins); derived state is recomputed after
/// loading.
void persist_architecture(Cpu& cpu, Archive& archive);

struct CpuidResult {
    u32 eax = 0, ebx = 0, ecx = 0, edx = 0;
};
/// CPUID of the model, with the bits that depend on state.
CpuidResult cpuid(const Cpu& cpu, u32 leaf, u32 subleaf);

/// Whether a halted processor's MWAIT ends: the monitored line has changed.
bool monitored_line_changed(const Cpu& cpu);

/// What AMD's configuration registers hold after RESET.
void reset_amd_msrs(Cpu& cpu);
/// False with #GP raised: not an MSR of this model, or not a value that it takes.
bool read_msr(Cpu& cpu, u32 index, u64& value);
bool write_msr(Cpu& cpu, u32 index, u64 value);

/// MOV to control registers, privilege checked by the caller. CR0 switches long mode (SDM 3A 9.8.5).
bool write_cr0(Cpu& cpu, u64 value);
bool write_cr3(Cpu& cpu, u64 value);
bool write_cr4(Cpu& cpu, u64 value);
/// The bits of CR4 that a processor with these features has.
u64 cr4_of(const FeatureSet& features);
/// The four page-directory pointers of a PAE CR3; #GP(0) when a reserved bit is set (SDM 3A 4.4.1).
bool read_pdptes(Cpu& cpu, u64 cr3, std::array<u64, 4>& out);

/// To the probe, if there is one (cpu/probe.hpp).
void tell_control(Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value);
void tell_flushed(Cpu& cpu, FlushKind kind, u64 linear = 0);

namespace dr6 {
inline constexpr u64 traps = 0xF, BD = 1 << 13, BS = 1 << 14, BT = 1 << 15;
}

} // namespace glassbox
