// The processor: architectural state in the SDM's names, and what the engine keeps beside it. Handlers and the system
// functions work on this struct; the board sees it through cpu/cpu.hpp.
#pragma once

#include "bus/archive.hpp"
#include "bus/interrupt_port.hpp"
#include "bus/memory_map.hpp"
#include "bus/port_bus.hpp"
#include "bus/scheduler.hpp"
#include "cpu/block/op.hpp"
#include "cpu/engine_options.hpp"
#include "cpu/entropy.hpp"
#include "cpu/fault.hpp"
#include "cpu/features.hpp"
#include "cpu/flags.hpp"
#include "cpu/fpu/state.hpp"
#include "cpu/segment.hpp"
#include "cpu/sse/state.hpp"
#include "mmu/tlb.hpp"

#include <array>
#include <functional>
#include <memory>
#include <string>

namespace glassbox {

class BlockCache;
class Probe;
enum class InterruptKind : u8; // cpu/system/system.hpp

enum Gpr : u8 { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, zero_gpr };

namespace cr0 {
inline constexpr u64 PE = 1, MP = 2, EM = 4, TS = 8, ET = 16, NE = 32, WP = 1 << 16, AM = 1 << 18, NW = 1 << 29,
                     CD = 1 << 30, PG = u64{1} << 31;
}
namespace cr4 {
inline constexpr u64 VME = 1, PVI = 2, TSD = 4, DE = 8, PSE = 16, PAE = 32, MCE = 64, PGE = 128, PCE = 256,
                     OSFXSR = 512, OSXMMEXCPT = 1024, UMIP = 1 << 11, LA57 = 1 << 12, VMXE = 1 << 13,
                     FSGSBASE = 1 << 16, PCIDE = 1 << 17, OSXSAVE = 1 << 18, SMEP = 1 << 20, SMAP = 1 << 21,
                     PKE = 1 << 22;
}
namespace efer {
inline constexpr u64 SCE = 1, LME = 1 << 8, LMA = 1 << 10, NXE = 1 << 11, SVME = 1 << 12, FFXSR = 1 << 14;
}

/// Bits of `Cpu::mode`: all that decides how bytes are decoded and which specialised handlers may run.
namespace mode {
inline constexpr u32 code32 = 1;  ///< CS.D
inline constexpr u32 stack32 = 2; ///< SS.B
inline constexpr u32 flat_ds = 4; ///< base 0, limit 4 GiB, readable and writable
inline constexpr u32 flat_es = 8;
inline constexpr u32 flat_ss = 16;
inline constexpr u32 user = 32;           ///< CPL 3
inline constexpr u32 protected_mode = 64; ///< CR0.PE
inline constexpr u32 v86 = 128;           ///< EFLAGS.VM
inline constexpr u32 big_cs = 512;        ///< CS reaches to 4 GiB: no branch target can be beyond its limit
inline constexpr u32 long64 = 256; ///< 64-bit mode: EFER.LMA and CS.L (SDM 3A 4.1.1); the flat bits and big_cs are set
/// From here up without `big_cs`: CS's limit, which tells where decoded code ends. Zero for FFFFh.
inline constexpr unsigned code_limit_shift = 11;
inline constexpr u64 ip_mask(u32 bits) { return (bits & long64) ? ~u64{0} : 0xFFFF'FFFF; }
} // namespace mode

/// Canonical with 48 bits, and so with 57 too.
inline constexpr bool canonical48(u64 address) {
    return static_cast<u64>(static_cast<i64>(address << 16) >> 16) == address;
}

struct TableRegister {
    u64 base = 0;
    u16 limit = 0xFFFF;
};

/// Model-specific registers that are state (SDM 4, chapter 2). Others are computed or refused.
struct Msrs {
    u64 sysenter_cs = 0, sysenter_esp = 0, sysenter_eip = 0;
    u64 efer = 0;
    u64 pat = 0x0007'0406'0007'0406;
    u64 mtrr_def_type = 0;
    std::array<u64, 16> mtrr_variable{}; ///< 8 base/mask pairs
    std::array<u64, 11> mtrr_fixed{};
    u64 tsc_offset = 0; ///< TSC = time-stamp ticks + offset
    u64 misc_enable = 1;
    u64 star = 0, lstar = 0, cstar = 0, fmask = 0; ///< SYSCALL and SYSRET
    u64 kernel_gs_base = 0;                        ///< FS.base and GS.base are in Cpu::seg
    u64 tsc_aux = 0, tsc_adjust = 0;
    u64 xss = 0;
    std::array<u64, 8> perf{}; ///< event selects and counters: stored, they count nothing
    u64 debug_ctl = 0;
    u64 spec_ctrl = 0;
    std::array<u64, 48> amd{}; ///< C0010000h and up, as cpu/system/msr_amd.cpp places them
    std::array<u64, 24> machine_check{};
    void persist(Archive& archive);
};

/// Why execution left the threaded handlers.
enum class Leave : u8 {
    budget, ///< before `leave_op`, the first of its block: the budget does not cover that block
    fault,  ///< at `leave_op`, which has changed nothing; `fault` says why
    after,  ///< after `leave_op`
    again,  ///< at `leave_op`, part of whose repetitions are done: it continues there
    ended,  ///< `ip` is the next instruction's address, already set
};

struct Cpu final : CpuPins, MemoryWatcher {
    /// `shared`: the decoded blocks of a machine's processors, which are of one model and run one after the other.
    Cpu(MemoryMap& memory, PortBus& ports, Scheduler& scheduler, InterruptPort& interrupts, const CpuModel& model,
        std::shared_ptr<BlockCache> shared = nullptr);
    ~Cpu() override;
    Cpu(const Cpu&) = delete;
    Cpu& operator=(const Cpu&) = delete;

    // --- hot: what handlers touch -------------------------------------------------------------------------------
    alignas(64) std::array<u64, 18> gpr{}; ///< RAX..R15; [16] is always zero: the absent base or index; [17] scratch
    i64 budget = 0;                        ///< instructions that may still run before the slice ends
    TlbTable* tlb = nullptr;               ///< for first tries: `class_tlb`, or one that never matches (EngineOptions)
    TlbTable* class_tlb = nullptr;         ///< the table of the current privilege class
    u32 mode = 0;                          ///< mode and epoch are compared as one
    u32 epoch = 1;                         ///< bumped when a linear address may have come to mean other code
    u32 eflags = 2;                        ///< all but the six arithmetic flags, which are in `flags`
    std::array<u64, 6> base64{};           ///< segment bases as 64-bit code uses them: zero but for FS and GS
    u64 jump_base = 0;                     ///< CS.base << 32, zero in 64-bit mode
    std::array<Segment, 6> seg;

    struct JumpEntry {
        u64 key = ~u64{0}; ///< ip | jump_base
        u64 mode_and_epoch = 0;
        const Op* op = nullptr;
    };
    static constexpr unsigned jump_cache_size = 4096;
    std::array<JumpEntry, jump_cache_size> jump_cache;

    // --- architectural ------------------------------------------------------------------------------------------
    Flags flags;     ///< valid outside the threaded handlers and in cold functions
    u64 ip = 0;      ///< the current instruction, valid outside the threaded handlers and in cold functions
    u64 next_ip = 0; ///< cold functions: the following instruction; block-ending ones set it to the target
    u8 cpl = 0;
    u64 cr0 = 0, cr2 = 0, cr3 = 0, cr4 = 0;
    std::array<u64, 4> pdpte{}; ///< PAE: loaded by MOV CR3 (SDM 3A 4.4.1)
    std::array<u64, 8> dr{};
    TableRegister gdtr, idtr;
    Segment ldtr, tr;
    Msrs msrs;
    FpuState fpu;
    SseState sse;
    u64 xcr0 = 1; ///< components that XSAVE manages and AVX needs
    u32 pkru = 0;
    EntropySource entropy; ///< of RDRAND and RDSEED

    bool halted = false;
    /// MONITOR: the line and what was in it; MWAIT: whether `halted` ends when that has changed
    /// (cpu/system/monitor.cpp).
    struct Monitor {
        static constexpr u64 line_size = 64;
        bool armed = false, waiting = false;
        u64 line = 0; ///< physical
        std::array<u8, line_size> seen{};
        void persist(Archive& archive) { archive(armed, waiting, line, seen); }
    } monitor;
    bool shutdown = false; ///< after a triple fault, until RESET
    bool wait_for_sipi = false;
    /// Interrupt shadow: `shadow_sti` holds off INTR, `shadow_ss` also NMI, debug traps and breakpoints, for one
    /// instruction.
    static constexpr u8 shadow_sti = 1, shadow_ss = 2;
    /// No shadow, but also over with the next instruction: some repetitions of the string instruction at ip are done.
    /// What is pushed now has RF set, and a breakpoint on the instruction was met before (SDM 3B 17.3.1.1).
    static constexpr u8 mid_repetition = 4;
    u8 shadow = 0;
    bool intr = false; ///< level of the INTR pin
    bool nmi_pending = false;
    bool nmi_blocked = false; ///< between an NMI and its IRET
    bool init_pending = false;
    bool reset_pending = false;
    bool step_suppressed = false; ///< the instruction went through an interrupt gate: no single-step trap after it
    u64 pending_debug = 0;        ///< DR6 bits of data and I/O breakpoints that the current instruction has hit

    Fault fault;                  ///< the reason, after a function returned false
    bool pause_yields = false;    ///< PAUSE ends the slice: other processors are waiting for their turn
    bool gave_way = false;        ///< it has
    bool leave_requested = false; ///< a device wants the slice to end after the current instruction

    // --- surroundings -------------------------------------------------------------------------------------------
    MemoryMap& memory;
    PortBus& ports;
    Scheduler& scheduler;
    InterruptPort& interrupts;
    const CpuModel* model;
    bool bootstrap = true;              ///< false: after RESET and INIT it waits for a SIPI (SDM 3A 9.4.3)
    u32 apic_id = 0;                    ///< for CPUID
    unsigned processors = 1;            ///< in the machine, for CPUID
    std::function<void()> signalled;    ///< a pin has changed, which may end a sleep; null with one processor
    std::function<void(bool)> ferr;     ///< FERR#: the board turns it into IRQ 13
    std::function<void(Cpu&)> observer; ///< called before every instruction when set
    Probe* probe = nullptr;             ///< a debugger's ear; null: none (cpu/probe.hpp)
    bool probe_every = false;           ///< it hears of every instruction

    // --- registers ----------------------------------------------------------------------------------------------
    template <Word T> T reg(unsigned offset) const {
        return *reinterpret_cast<const T*>(reinterpret_cast<const u8*>(gpr.data()) + offset);
    }
    /// 32-bit writes clear the upper half, as in 64-bit mode; nothing sees it elsewhere.
    template <Word T> void set_reg(unsigned offset, T value) {
        u8* at = reinterpret_cast<u8*>(gpr.data()) + offset;
        if constexpr (sizeof(T) == 4) {
            *reinterpret_cast<u64*>(at) = value;
        } else {
            *reinterpret_cast<T*>(at) = value;
        }
    }
    u32 r32(Gpr n) const { return static_cast<u32>(gpr[n]); }
    u16 r16(Gpr n) const { return static_cast<u16>(gpr[n]); }
    void set_r32(Gpr n, u32 v) { gpr[n] = v; }
    void set_r16(Gpr n, u16 v) { gpr[n] = (gpr[n] & ~u64{0xFFFF}) | v; }

    u32 full_eflags() const { return eflags | flags.value(); }
    /// Sets all flags as given; bit 1 reads as one, undefined bits as zero. Privilege is the caller's business.
    void set_full_eflags(u32 value);

    bool has(Feature f) const { return model->features.has(f); }
    bool real_mode() const { return (cr0 & cr0::PE) == 0; }
    bool v86() const { return (eflags & eflags::VM) != 0; }
    bool protected_mode() const { return !real_mode() && !v86(); }
    unsigned iopl() const { return (eflags >> 12) & 3; }
    u64 mode_and_epoch() const { return mode | (u64{epoch} << 32); }
    u64 jump_key(u64 address) const { return address | jump_base; }
    bool long_mode() const { return (msrs.efer & efer::LMA) != 0; }
    bool code64() const { return (mode & mode::long64) != 0; }
    /// Width of linear addresses in 64-bit mode (SDM 3A 4.1.1, SDM 1 3.3.7.1).
    unsigned linear_bits() const { return (cr4 & cr4::LA57) ? 57 : 48; }
    bool canonical(u64 address) const {
        const unsigned shift = 64 - linear_bits();
        return static_cast<u64>(static_cast<i64>(address << shift) >> shift) == address;
    }
    /// Where the code at `ip` of the current code segment lies.
    u64 code_linear(u64 at) const { return code64() ? at : static_cast<u32>(seg[SegmentName::CS].base + at); }
    /// Instruction pointers are 64 bits wide in 64-bit mode, else 32.
    u64 ip_mask() const { return mode::ip_mask(mode); }
    bool paging() const { return (cr0 & cr0::PG) != 0; }

    // --- faults: `return cpu.raise(...)` --------------------------------------------------------------------------
    bool raise(Exception e, const char* why);
    bool raise(Exception e, u32 error, const char* why);
    bool gp(u32 error, const char* why) { return raise(Exception::GP, error, why); }
    bool ud(const char* why) { return raise(Exception::UD, why); }

    // --- after changes ------------------------------------------------------------------------------------------
    /// Recomputes `mode` and the TLB class; call after any change of CS, SS, DS, ES, CPL, CR0, EFLAGS.VM or EFLAGS.AC.
    void update_mode();
    /// The TLB class alone: after a change of EFLAGS.AC.
    void update_tlb_class();
    /// Forgets translations: all, all but global ones, or those of one page.
    void flush_tlb(bool keep_global);
    void flush_page(u64 linear);
    /// Debug registers changed: pages with data breakpoints lose their tags.
    void debug_registers_changed();

    /// The time-stamp counter now, as RDTSC returns it.
    u64 tsc() const;

    /// Brings the scheduler's count up to the instruction `op` (not counting it), before devices look at the time.
    void sync_time(const Op* op);

    // --- CpuPins, MemoryWatcher -----------------------------------------------------------------------------------
    void set_intr(bool level) override;
    void nmi() override;
    void init() override;
    void startup(u8 vector) override;
    void reset() override;
    void memory_written(PhysAddress start, u64 size) override;
    void map_changed() override;

    // --- running (cpu/run.cpp) --------------------------------------------------------------------------------------
    /// Executes until `count` instructions have run, an event is due, the processor halts with nothing to do, or it
    /// shuts down. Returns with the scheduler's count up to date; the caller fires events.
    void run(u64 count);
    /// Whether an interrupt, NMI, INIT or RESET would be taken now: a halted processor has something to do.
    bool wake_pending() const;
    /// As `reset`, at once: between two calls of `run`.
    void reset_now();
    /// Whether `run` would execute anything.
    bool runnable() const;
    void persist(Archive& archive);

    // --- engine -----------------------------------------------------------------------------------------------------
    Leave leave_reason = Leave::ended;
    const Op* leave_op = nullptr;
    Flags thread_flags;            ///< the flags on leaving
    const Op* running = nullptr;   ///< trampoline builds: the next op
    const Op* link_from = nullptr; ///< a branch that left for want of a link: filled in when its target is found
    bool link_taken = false;
    bool executing = false;        ///< handlers are running: callbacks from them may not drop what they stand on
    bool stopped_by_probe = false; ///< `run` returned because the probe did not let it go on
    u8 told_cpl = 0;               ///< the CPL that the probe heard of last
    i64 budget_debt = 0;           ///< taken off the budget to make the next block entry leave
    i64 slice = 0;                 ///< budget at the start of the slice
    u64 slice_start = 0;           ///< instruction count at the start of the slice
    std::array<TlbTable, 4> tlbs;
    std::array<FetchTable, 2> fetch_tlbs;  ///< supervisor, user
    std::array<LargePages, 2> large_pages; ///< pieces of which are in the TLB: those that CR3 loads forget, global ones
    std::shared_ptr<BlockCache> blocks;    ///< one for all processors of a machine
    const Op* patched = nullptr;           ///< op whose handler is replaced so that execution leaves there
    Handler patched_handler = nullptr;

    EngineOptions engine;
    /// Forgets all blocks; for use between two calls of `run`.
    void set_engine(const EngineOptions& options);

    void bump_epoch();
    /// Drops every decoded block and every reference to one; with `marks` also the knowledge which memory held them.
    void forget_blocks(bool marks = true);
    void request_leave(const Op* op);
    /// From within handlers: whatever block is entered next is not paid for.
    void leave_at_next_block();
    /// What the probe answers may be different now: decoded blocks are dropped, pages watched anew. The guest sees
    /// nothing of it, so translations stay.
    void probe_questions_changed();

    /// The faults that led to a shutdown, oldest first, for the autopsy.
    std::array<Fault, 3> fault_chain{};
    unsigned fault_chain_length = 0;
    /// What was being delivered when a fault arose; vector -1: nothing, an instruction executed.
    struct Delivering {
        i16 vector = -1;
        InterruptKind kind{};
        bool has_error = false;
        u32 error = 0;
    };
    std::array<Delivering, 3> fault_chain_during{}; ///< of each in `fault_chain`
    Delivering failed_delivery;                     ///< the one whose fault `deliver_fault` is about to be given
};

} // namespace glassbox
