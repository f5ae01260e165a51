// What a debugger hears from a processor and may ask of it. A processor without a probe pays one test of a null pointer
// in places that are cold already; with one, only the blocks and pages that the probe names take the slow roads
// (docs/debugger-engine.md).
#pragma once

#include "bus/types.hpp"
#include "cpu/fault.hpp"

namespace glassbox {

struct Cpu;
struct Insn;
enum class InterruptKind : u8;

/// A data access of an instruction, or of the processor itself (descriptor tables, TSS, stacks of a delivery).
struct MemoryAccess {
    u64 linear = 0;
    u64 phys = 0; ///< of the first byte
    u32 size = 0; ///< bytes; never crosses a page (an access that does is reported in two parts)
    bool write = false;
    bool system = false; ///< with the supervisor's rights whatever the CPL: descriptor tables, TSS
    u64 value = 0;       ///< what was read or written, as far as it fits 8 bytes (size > 8: the low ones)
    u64 before = 0;      ///< writes: what was there (as far as it can be told; else as `value`); reads: as `value`
    bool device = false; ///< not plain memory
};

enum class ControlKind : u8 { cr, dr, msr, xcr };
enum class FlushKind : u8 { all, all_but_global, page, pcid };

class Probe {
  public:
    virtual ~Probe() = default;

    // --- code -----------------------------------------------------------------------------------------------------
    /// Asked for every instruction of a block that is being decoded. True: the instruction executes alone and
    /// `before_instruction` is called each time; its block is never kept, so the question comes again.
    virtual bool wants(Cpu& cpu, u64 linear, u64 phys, const Insn& insn) {
        return (void)cpu, (void)linear, (void)phys, (void)insn, false;
    }
    /// Before an instruction that `wants` named, or before every one while `Cpu::probe_every` is set; the scheduler's
    /// count and cpu.ip are exact. True: it is not executed, and `Cpu::run` returns.
    virtual bool before_instruction(Cpu& cpu) { return (void)cpu, false; }

    // --- data -----------------------------------------------------------------------------------------------------
    /// Asked when a page comes into the TLB: true keeps its data accesses on the slow road, where `accessed` is told.
    /// Both addresses are those of the page.
    virtual bool watches(Cpu& cpu, u64 linear_page, u64 phys_page) {
        return (void)cpu, (void)linear_page, (void)phys_page, false;
    }
    /// After the access. To end the run after this instruction: Machine::request_stop().
    virtual void accessed(Cpu& cpu, const MemoryAccess& access) { (void)cpu, (void)access; }

    // --- events ---------------------------------------------------------------------------------------------------
    /// A fault is about to be delivered; cpu.ip is the faulting instruction's, which has changed nothing. True: it is
    /// not delivered, and `Cpu::run` returns; the instruction is started again when the processor runs again.
    virtual bool faulting(Cpu& cpu, const Fault& fault) { return (void)cpu, (void)fault, false; }
    /// An interrupt or exception was delivered: cpu.ip is the handler's first instruction. `from_ip` is where it came
    /// from: the address that was pushed.
    virtual void delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) {
        (void)cpu, (void)vector, (void)kind, (void)from_ip;
    }
    /// After MOV CR/DR, LMSW, CLTS, WRMSR, XSETBV and the like.
    virtual void control_written(Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value) {
        (void)cpu, (void)kind, (void)number, (void)before, (void)value;
    }
    virtual void task_switched(Cpu& cpu, u16 from, u16 to) { (void)cpu, (void)from, (void)to; }
    /// The bits of cpu/state.hpp's namespace mode, or the CPL, have changed. Asked often: cheap.
    virtual void mode_changed(Cpu& cpu, u32 mode_before, u8 cpl_before) {
        (void)cpu, (void)mode_before, (void)cpl_before;
    }
    /// Translations were dropped by the guest: INVLPG, MOV CR3 …
    virtual void flushed(Cpu& cpu, FlushKind kind, u64 linear) { (void)cpu, (void)kind, (void)linear; }
    /// After a triple fault; Cpu::fault_chain says why.
    virtual void shut_down(Cpu& cpu) { (void)cpu; }
};

} // namespace glassbox
