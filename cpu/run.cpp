// The main loop: finds blocks, enters them, settles accounts when they leave, and between instructions attends to what
// the SDM lists by priority (3A, table 6-2): reset, debug traps, NMI, INTR, faults of the fetch.
#include "cpu/block/cache.hpp"
#include "cpu/block/link.hpp"
#include "cpu/probe.hpp"
#include "cpu/system/system.hpp"
#include "mmu/access.hpp"

#include <algorithm>

namespace glassbox {

Cpu::Cpu(MemoryMap& memory_, PortBus& ports_, Scheduler& scheduler_, InterruptPort& interrupts_, const CpuModel& model_,
         std::shared_ptr<BlockCache> shared)
    : memory(memory_), ports(ports_), scheduler(scheduler_), interrupts(interrupts_), model(&model_),
      blocks(shared ? std::move(shared) : std::make_shared<BlockCache>()) {
    blocks->attach(*this);
    tlb = class_tlb = &tlbs[0];
    memory.add_watcher(*this);
    reset_state(*this);
}

Cpu::~Cpu() { blocks->detach(*this); }

namespace {
void signal(Cpu& cpu) {
    cpu.leave_requested = true;
    if (cpu.signalled) cpu.signalled();
}

void take_reset(Cpu& cpu) {
    cpu.reset_pending = cpu.init_pending = false;
    reset_state(cpu);
    cpu.wait_for_sipi = !cpu.bootstrap;
    cpu.flush_tlb(false);
}

void take_init(Cpu& cpu) {
    cpu.init_pending = false;
    reset_state(cpu, ResetKind::init);
    cpu.wait_for_sipi = !cpu.bootstrap;
    cpu.flush_tlb(false);
}
} // namespace

void Cpu::set_intr(bool level) {
    intr = level;
    if (level) signal(*this);
}
void Cpu::nmi() {
    nmi_pending = true;
    signal(*this);
}
void Cpu::init() {
    init_pending = true;
    signal(*this);
}
void Cpu::reset() {
    reset_pending = true;
    signal(*this);
}
void Cpu::reset_now() { take_reset(*this); }
void Cpu::startup(u8 vector) {
    if (init_pending && !bootstrap) take_init(*this); // it has had no turn since
    if (!wait_for_sipi) return;
    wait_for_sipi = false;
    seg[CS].load_real(static_cast<u16>(vector << 8));
    ip = 0;
    update_mode();
    signal(*this);
}

bool Cpu::runnable() const {
    if (reset_pending || init_pending) return true;
    return !shutdown && !wait_for_sipi && (!halted || wake_pending());
}

bool Cpu::wake_pending() const {
    if (reset_pending || init_pending) return true;
    if (shutdown || wait_for_sipi) return false;
    return pending_debug != 0 || (nmi_pending && !nmi_blocked) || (intr && (eflags & eflags::IF) != 0) ||
           (halted && monitored_line_changed(*this));
}

u64 Cpu::tsc() const { return scheduler.now() / scheduler.instruction_time() + msrs.tsc_offset; }

namespace {

u64 ip_of(const Op* op) {
    const BlockHeader& h = header_of(op);
    u64 ip = h.ip;
    for (const Op* o = h.ops(); o != op; ++o) ip += o->length;
    return ip;
}

/// Runs from `entry`, whose block has been paid for, until something leaves; then ip, flags and budget are exact again.
void execute(Cpu& cpu, const Op* entry) {
    cpu.thread_flags = cpu.flags;
    cpu.executing = true;
#if defined(GLASSBOX_TRAMPOLINE)
    cpu.running = entry;
    while (const Op* op = cpu.running) op->handler(cpu, op, cpu.thread_flags.result, cpu.thread_flags.carries);
#else
    entry->handler(cpu, entry, cpu.thread_flags.result, cpu.thread_flags.carries);
#endif
    cpu.flags = cpu.thread_flags;
    cpu.executing = false;
    if (cpu.patched) {
        const_cast<Op*>(cpu.patched)->handler = cpu.patched_handler;
        cpu.patched = nullptr;
    }
    cpu.budget += cpu.budget_debt;
    cpu.budget_debt = 0;

    const Op* op = cpu.leave_op;
    const BlockHeader& h = header_of(op);
    const int rest = h.count - op->pos;
    switch (cpu.leave_reason) {
    case Leave::budget:
        cpu.budget += h.count;
        cpu.ip = h.ip;
        break;
    case Leave::again: cpu.shadow |= Cpu::mid_repetition; [[fallthrough]];
    case Leave::fault:
        cpu.budget += rest;
        cpu.ip = ip_of(op) & mode::ip_mask(h.mode);
        break;
    case Leave::after:
        cpu.budget += rest - 1;
        cpu.ip = (ip_of(op) + op->length) & mode::ip_mask(h.mode);
        break;
    case Leave::ended: cpu.budget += rest - 1; break;
    }
}

bool code_breakpoints_on(const Cpu& cpu) { return (cpu.dr[7] & 0xFF) != 0; }

void sync(Cpu& cpu) { cpu.scheduler.set_instructions(cpu.slice_start + static_cast<u64>(cpu.slice - cpu.budget)); }

/// A delivered fault costs an instruction, so that no chain of them stops time. False: the probe holds it back, and
/// nothing has happened.
bool take_fault(Cpu& cpu) {
    if (cpu.probe) [[unlikely]] {
        sync(cpu);
        if (cpu.probe->faulting(cpu, cpu.fault)) {
            cpu.failed_delivery = {}; // what executes next may be something else
            cpu.stopped_by_probe = true;
            return false;
        }
    }
    cpu.budget -= 1;
    deliver_fault(cpu);
    return true;
}

/// Tells the probe of the instruction at ip. False: it is not to be executed.
bool permitted(Cpu& cpu) {
    if (!cpu.probe_every && (cpu.shadow & Cpu::mid_repetition)) return true; // the instruction has been reported
    sync(cpu);
    cpu.stopped_by_probe = cpu.probe->before_instruction(cpu);
    return !cpu.stopped_by_probe;
}

/// Whether the probe wants to hear of the instruction at ip. No, if it cannot be fetched: that fault is met again.
bool wanted(Cpu& cpu) {
    if (cpu.probe_every) return true;
    const BlockHeader* block = cpu.blocks->at_ip(cpu);
    return block && (block->flags & BlockHeader::probed);
}

/// What happens between two instructions. False: the processor cannot go on by itself.
bool attend(Cpu& cpu) {
    sync(cpu);
    if (cpu.reset_pending) take_reset(cpu);
    if (cpu.init_pending) take_init(cpu);
    if (cpu.shutdown || cpu.wait_for_sipi) return false;
    if (cpu.pending_debug && !(cpu.shadow & Cpu::shadow_ss)) {
        const u64 hits = std::exchange(cpu.pending_debug, 0);
        cpu.budget -= 1;
        if (!deliver_debug(cpu, hits)) deliver_fault(cpu);
        return !cpu.shutdown;
    }
    if (cpu.nmi_pending && !cpu.nmi_blocked && !(cpu.shadow & Cpu::shadow_ss)) {
        cpu.nmi_pending = false;
        cpu.nmi_blocked = true;
        cpu.halted = false;
        cpu.budget -= 1;
        if (!deliver_interrupt(cpu, 2, InterruptKind::hardware)) deliver_fault(cpu);
        return !cpu.shutdown;
    }
    if (cpu.intr && (cpu.eflags & eflags::IF) && !(cpu.shadow & (Cpu::shadow_sti | Cpu::shadow_ss))) {
        const u8 vector = cpu.interrupts.acknowledge();
        cpu.halted = false;
        cpu.budget -= 1;
        if (!deliver_interrupt(cpu, vector, InterruptKind::hardware)) deliver_fault(cpu);
        return !cpu.shutdown;
    }
    if (cpu.halted && monitored_line_changed(cpu)) cpu.halted = false;
    return !cpu.halted;
}

bool needs_attention(const Cpu& cpu) {
    return (cpu.intr && (cpu.eflags & eflags::IF)) || cpu.nmi_pending || cpu.pending_debug || cpu.halted ||
           cpu.shutdown || cpu.wait_for_sipi || cpu.init_pending || cpu.reset_pending;
}

/// One instruction with all that debugging asks for: breakpoints on it, RF, the trap flag, the observer, the probe.
/// False: the probe does not let it go on, and nothing has changed.
bool step(Cpu& cpu, bool ask = true) {
    if (code_breakpoints_on(cpu) && !(cpu.eflags & eflags::RF) &&
        !(cpu.shadow & (Cpu::shadow_ss | Cpu::mid_repetition))) {
        if (const u64 hits = code_breakpoint(cpu, cpu.code_linear(cpu.ip))) {
            cpu.fault = Fault{Exception::DB, false, 0, hits, "debug exception"};
            return take_fault(cpu);
        }
    }
    if (cpu.observer) {
        sync(cpu);
        cpu.observer(cpu);
    }
    if (ask && cpu.probe && wanted(cpu) && !permitted(cpu)) return false;
    // To stop after this instruction is not to stop before it: a repetition would take it so.
    const bool leave = std::exchange(cpu.leave_requested, false);
    const u8 shadow = cpu.shadow;
    const u32 resume = cpu.eflags & eflags::RF;
    const auto held_back = [&] {
        cpu.shadow = shadow;
        cpu.eflags |= resume;
        return false;
    };
    const bool trap = (cpu.eflags & eflags::TF) != 0;
    const u64 held = cpu.pending_debug;
    cpu.eflags &= ~eflags::RF;
    BlockHeader* block = cpu.blocks->limited(cpu, 1);
    if (!block) {
        cpu.leave_requested |= leave;
        return take_fault(cpu) || held_back();
    }
    cpu.shadow = 0;
    cpu.step_suppressed = false;
    // The rest of the slice is put aside, so that the next block is not entered.
    const i64 rest = cpu.budget - 1;
    cpu.budget = 0;
    cpu.slice -= rest;
    execute(cpu, block->ops());
    cpu.link_from = nullptr;
    cpu.budget += rest;
    cpu.slice += rest;
    cpu.leave_requested |= leave;
    if (cpu.leave_reason == Leave::fault) {
        cpu.pending_debug = held; // what a faulting instruction has hit, it hits again when it is restarted
        return take_fault(cpu) || held_back();
    }
    // MOV SS and POP SS hold off the trap of their own step for good (SDM 3A 6.8.3).
    if (trap && !cpu.step_suppressed && !(cpu.shadow & Cpu::shadow_ss)) cpu.pending_debug |= dr6::BS;
    return true;
}

/// Finds the block at ip and links the branch that led here to it. Null with a fault raised.
const Op* find_block(Cpu& cpu) {
    const Op* from = std::exchange(cpu.link_from, nullptr);
    if (const Op* found = find_jump(cpu, cpu.ip)) return found;
    if (!from) { // a branch without a link has looked already
        if (const Op* found = find_jump_again(cpu, cpu.ip)) return found;
    }
    const u32 epoch_before = cpu.epoch;
    BlockHeader* block = cpu.blocks->at_ip(cpu);
    if (!block) return nullptr;
    const Op* entry = block->ops();
    if ((block->flags & BlockHeader::scratch) || !cpu.engine.chain) return entry;
    cpu.jump_cache[jump_slot(cpu.ip)] = {cpu.jump_key(cpu.ip), cpu.mode_and_epoch(), entry};
    if (!from || epoch_before != cpu.epoch) return entry;
    Op* branch = const_cast<Op*>(from);
    const bool in_page = branch->index == branch_in_page;
    if (in_page && ((block->flags & BlockHeader::split) || block->phys >> 12 != header_of(branch).phys >> 12))
        return entry;
    if (!in_page && branch->epoch != cpu.epoch) {
        branch->epoch = cpu.epoch;
        branch->link = nullptr;
        if (branch->handler != &block_end) branch->fall = nullptr;
    }
    (cpu.link_taken ? branch->link : branch->fall) = entry;
    return entry;
}

} // namespace

void Cpu::run(u64 count) {
    slice_start = scheduler.instructions();
    slice = budget = static_cast<i64>(std::min<u64>(count, u64{1} << 60));
    leave_requested = stopped_by_probe = false;
    while (budget > 0) {
        if (needs_attention(*this)) [[unlikely]] {
            link_from = nullptr;
            if (!attend(*this)) break;
            if (budget <= 0 || leave_requested) break;
        }
        const bool pending = shadow && (nmi_pending || intr || pending_debug);
        if ((eflags & (eflags::TF | eflags::RF)) || pending || code_breakpoints_on(*this) || observer || probe_every)
            [[unlikely]] {
            link_from = nullptr;
            if (!step(*this) || leave_requested) break;
            continue;
        }
        const Op* entry = find_block(*this);
        if (entry && instructions_in(entry) > budget) {
            BlockHeader* block = blocks->limited(*this, static_cast<unsigned>(budget));
            entry = block ? block->ops() : nullptr;
        }
        if (!entry) {
            if (!take_fault(*this) || leave_requested) break;
            continue;
        }
        if (header_of(entry).flags & BlockHeader::probed) [[unlikely]] {
            link_from = nullptr;
            if (!permitted(*this)) break;
            if (leave_requested) { // after this one
                step(*this, false);
                break;
            }
            if (header_of(entry).ip != ip) continue; // the probe has moved it
        }
        const u8 shadow_before = std::exchange(shadow, 0);
        const i64 budget_before = budget;
        budget -= instructions_in(entry);
        execute(*this, entry);
        if (leave_reason == Leave::fault) {
            pending_debug = 0;
            if (!take_fault(*this)) {
                if (budget == budget_before) shadow = shadow_before; // it was the first one
                break;
            }
        }
        if (leave_requested) break;
    }
    link_from = nullptr;
    sync(*this);
}

void Cpu::persist(Archive& archive) {
    Probe* const ear = std::exchange(probe, nullptr); // what a snapshot brings is not the guest's doing
    archive.chunk(apic_id == 0 ? "cpu" : "cpu" + std::to_string(apic_id), 2, [&](u32 version) {
        archive.require(version == 2, "the snapshot is of a processor without 64-bit registers");
        persist_architecture(*this, archive);
        archive(halted, shutdown, wait_for_sipi, shadow, intr, nmi_pending, nmi_blocked, init_pending, reset_pending,
                pending_debug, monitor);
        if (!archive.loading()) return;
        update_mode();
        forget_blocks();
        flush_tlb(false);
    });
    told_cpl = cpl;
    probe = ear;
}

} // namespace glassbox
