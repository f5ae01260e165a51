// The ways out of the threaded handlers, and the cold side of links. What a leave means is in cpu/state.hpp.
#include "cpu/block/link.hpp"

#include "cpu/block/cache.hpp"
#include "mmu/park.hpp"

namespace glassbox {

namespace {
void leave(Cpu& cpu, Leave reason, const Op* op, u64 result, u64 carries) {
    cpu.leave_reason = reason;
    cpu.leave_op = op;
    cpu.thread_flags = {result, carries};
    cpu.running = nullptr;
}
} // namespace

GLASSBOX_HANDLER void leave_fault(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    leave(cpu, Leave::fault, op, result, carries);
}
GLASSBOX_HANDLER void leave_after(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    leave(cpu, Leave::after, op, result, carries);
}
GLASSBOX_HANDLER void leave_again(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    leave(cpu, Leave::again, op, result, carries);
}
GLASSBOX_HANDLER void leave_budget(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    leave(cpu, Leave::budget, op, result, carries);
}
GLASSBOX_HANDLER void leave_ended(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    leave(cpu, Leave::ended, op, result, carries);
}
GLASSBOX_HANDLER void leave_before(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    leave(cpu, Leave::after, op - 1, result, carries);
}

namespace {

/// A new epoch does not mean that this page has moved: while the TLB still translates the fetch to where the block
/// lies, the block may be entered as before.
bool still_there(Cpu& cpu, const Op* entry, u64 ip) {
    const BlockHeader& h = header_of(entry);
    if (!h.live || (h.flags & BlockHeader::split)) return false;
    const u64 linear = cpu.code_linear(ip);
    const FetchTable::Entry* e = cpu.fetch_tlbs[cpu.cpl == 3].find(linear);
    return e && e->phys == (h.phys & ~page_mask);
}

} // namespace

const Op* find_jump_again(Cpu& cpu, u64 ip) {
    Cpu::JumpEntry& e = cpu.jump_cache[jump_slot(ip)];
    if (e.key != cpu.jump_key(ip) || static_cast<u32>(e.mode_and_epoch) != cpu.mode || !still_there(cpu, e.op, ip))
        return nullptr;
    e.mode_and_epoch = cpu.mode_and_epoch();
    return e.op;
}

GLASSBOX_HANDLER void leave_lookup(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if (const Op* found = find_jump_again(cpu, cpu.ip)) GLASSBOX_ENTER(cpu, found, f);
    GLASSBOX_LEAVE(leave_ended, cpu, op, f);
}

GLASSBOX_HANDLER void block_end(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    if (op->link && op->epoch == cpu.epoch) GLASSBOX_ENTER(cpu, op->link, f);
    const u64 next = block_end_ip(op);
    Op* self = const_cast<Op*>(op);
    const Op* found = op->link && still_there(cpu, op->link, next) ? op->link : find_jump(cpu, next);
    if (!found) found = find_jump_again(cpu, next);
    if (found) {
        self->link = found;
        self->epoch = cpu.epoch;
        GLASSBOX_ENTER(cpu, found, f);
    }
    cpu.ip = next;
    cpu.link_from = op;
    cpu.link_taken = true;
    GLASSBOX_LEAVE(leave_ended, cpu, op - 1, f);
}

namespace {
/// A link without an epoch must lead to the same physical page, and not to an instruction that another page is part of.
bool may_link(const Op* op, const Op* target) {
    if (op->index != branch_in_page) return true;
    const BlockHeader& to = header_of(target);
    return !(to.flags & BlockHeader::split) && to.phys >> 12 == header_of(op).phys >> 12;
}
/// Brings the links of a branch that leaves its page into the present epoch: what may have moved is dropped.
Op* fresh(Cpu& cpu, const Op* op) {
    Op* self = const_cast<Op*>(op);
    if (op->index != branch_in_page && self->epoch != cpu.epoch) {
        self->epoch = cpu.epoch;
        if (self->link && !still_there(cpu, self->link, (op + 1)->imm)) self->link = nullptr;
        if (self->fall && !still_there(cpu, self->fall, block_end_ip(op))) self->fall = nullptr;
    }
    return self;
}
const Op* find_cached(Cpu& cpu, u64 ip) {
    const Op* found = find_jump(cpu, ip);
    return found ? found : find_jump_again(cpu, ip);
}
} // namespace

GLASSBOX_HANDLER void follow_taken(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    const u64 target = (op + 1)->imm;
    Op* self = fresh(cpu, op);
    if (self->link) GLASSBOX_ENTER(cpu, self->link, f);
    if (const Op* found = find_cached(cpu, target)) {
        if (may_link(op, found)) self->link = found;
        GLASSBOX_ENTER(cpu, found, f);
    }
    cpu.ip = target;
    cpu.link_from = op;
    cpu.link_taken = true;
    GLASSBOX_LEAVE(leave_ended, cpu, op, f);
}

GLASSBOX_HANDLER void follow_fall(Cpu& cpu, const Op* op, u64 result, u64 carries) {
    Flags f{result, carries};
    const u64 next = block_end_ip(op);
    Op* self = fresh(cpu, op);
    if (self->fall) GLASSBOX_ENTER(cpu, self->fall, f);
    if (const Op* found = find_cached(cpu, next)) {
        if (may_link(op, found)) self->fall = found;
        GLASSBOX_ENTER(cpu, found, f);
    }
    cpu.ip = next;
    cpu.link_from = op;
    cpu.link_taken = false;
    GLASSBOX_LEAVE(leave_ended, cpu, op, f);
}

void enter_cold(Cpu& cpu, const Op* op, const Flags& f) {
    const BlockHeader& h = header_of(op);
    u64 ip = h.ip;
    for (const Op* o = h.ops(); o != op; ++o) ip += o->length;
    const u64 mask = mode::ip_mask(h.mode);
    cpu.ip = ip & mask;
    cpu.next_ip = (ip + op->length) & mask;
    cpu.flags = f;
    cpu.sync_time(op);
}

void Cpu::sync_time(const Op* op) {
    const i64 ahead = header_of(op).count - op->pos; // charged, but not executed yet
    scheduler.set_instructions(slice_start + static_cast<u64>(slice - (budget + budget_debt) - ahead));
}

void Cpu::bump_epoch() { epoch = blocks->next_epoch(); }

void Cpu::set_engine(const EngineOptions& options) {
    engine = options;
    forget_blocks();
    update_mode(); // picks the tables of first tries
}

void Cpu::probe_questions_changed() {
    ask_watches_again(*this);
    told_cpl = cpl;
    forget_blocks(false);
    bump_epoch(); // links that a branch is about to be given, too
    link_from = nullptr;
    if (!executing) return;
    leave_requested = true; // links within a page are followed without a look at the epoch
    leave_at_next_block();
}

void Cpu::leave_at_next_block() {
    if (budget_debt != 0) return;
    budget_debt = i64{1} << 62;
    budget -= budget_debt;
}

void Cpu::forget_blocks(bool marks) { blocks->forget_all(marks); }

void Cpu::request_leave(const Op* op) {
    const BlockHeader& h = header_of(op);
    if (op->pos + 1 < h.count) {
        Op* next = const_cast<Op*>(op + 1);
        if (patched) return; // the same op asked twice
        patched = next;
        patched_handler = next->handler;
        next->handler = &leave_before;
    } else {
        leave_at_next_block(); // the block is over after this op: whatever comes next is not paid for
    }
}

} // namespace glassbox
