// Bytes to blocks: decodes up to 32 instructions, finds out which flags anybody can see, and lets every row pick its
// handler.
#include "cpu/block/build.hpp"

#include "cpu/block/cache.hpp"
#include "cpu/decode/decoder.hpp"
#include "cpu/exec.hpp"
#include "cpu/ops/fused.hpp"
#include "cpu/ops/pairs.hpp"
#include "cpu/probe.hpp"
#include "mmu/access.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox {

bool can_fault(const Insn& insn) { return insn.mem || (insn.row->attributes & (attr::may_fault | attr::string)); }

void resolve_absolute(Insn& insn) {
    if (!insn.rip_relative) return;
    const u64 address = insn.ip + insn.length + static_cast<u64>(i64{insn.disp});
    if (insn.addrsize == 4) { // 32 bits fit into the displacement
        insn.rip_relative = false;
        insn.disp = static_cast<i32>(address);
        return;
    }
    insn.absolute = true;
    insn.address = address;
}

void fill_operands(const Insn& insn, Op& op) {
    op.imm = insn.imm;
    op.disp = insn.disp;
    op.base = insn.base;
    op.index = insn.index;
    op.imm2 = insn.encoding == Encoding::vex ? insn.vvvv : insn.imm2;
    op.length = insn.length;
    op.seg = insn.segment;
    op.scale = insn.scale;
    op.extra = insn.code64() ? (insn.addrsize == 4 ? 32 : 0) : (insn.addrsize == 2 ? 16 : 0);
    op.reg = 0;
    if (insn.absolute) {
        op.base = absolute_base;
        op.imm = insn.address;
        op.disp = static_cast<i32>(insn.imm);
    }
}

namespace {

bool raise_invalid_opcode(Cpu& cpu, const Op&) { return cpu.ud("not an instruction of this processor model"); }
bool raise_too_long(Cpu& cpu, const Op&) { return cpu.gp(0, "the instruction is longer than 15 bytes"); }
bool raise_beyond_limit(Cpu& cpu, const Op&) {
    return cpu.gp(0, "the instruction extends beyond the code segment's limit");
}

/// A decoded instruction, or what is wrong with its bytes.
struct Item {
    Insn insn;
    Handler trap = nullptr; ///< executing it raises this fault
};

struct Window {
    const u8* bytes = nullptr; ///< of the page, from the block's first byte
    unsigned size = 0;         ///< up to the page's end
    u64 limit_room = 0;        ///< bytes up to the segment limit
};

/// Backwards: a flag write is dead when all its flags are overwritten before anything reads them or may fault.
void find_dead_flags(std::array<Item, BlockCache::max_ops>& items, unsigned count) {
    u32 live = eflags::OSZAPC;
    for (unsigned i = count; i-- > 0;) {
        Item& item = items[i];
        if (item.trap) {
            live = eflags::OSZAPC;
            continue;
        }
        const OpInfo& info = *item.insn.row->info;
        const u32 touched = info.writes | info.undefined;
        item.insn.flags_dead = touched != 0 && (live & touched) == 0;
        if (!(item.insn.row->attributes & attr::flags_conditional)) live &= ~touched;
        live |= info.reads;
        if (can_fault(item.insn)) live = eflags::OSZAPC;
    }
}

void work_out_branch(Insn& insn, u64 block_phys, u64 block_ip) {
    const u64 next = insn.ip + insn.length;
    insn.target = next + insn.imm;
    insn.target &= insn.opsize == 2 ? 0xFFFF : mode::ip_mask(insn.mode);
    const auto inside = [&](u64 ip) {
        const i64 at = static_cast<i64>(block_phys & page_mask) + static_cast<i64>(ip - block_ip);
        return at >= 0 && at < static_cast<i64>(page_size);
    };
    insn.in_page = inside(insn.target) && inside(next);
}

bool is_conditional_jump(const Insn& insn) {
    return insn.row->at.map == 0 ? (insn.opcode & 0xF0) == 0x70 : insn.row->at.map == 1 && (insn.opcode & 0xF0) == 0x80;
}

/// Handlers that do the work of two neighbours.
void fuse(const std::array<Item, BlockCache::max_ops>& items, Op* ops, unsigned count) {
    if (count >= 2 && !items[count - 1].trap && is_conditional_jump(items[count - 1].insn)) {
        if (const Handler both = fuse_with_jump(items[count - 2].insn, items[count - 1].insn))
            ops[count - 2].handler = both;
    }
    for (unsigned i = 0; i + 1 < count; ++i) {
        const Handler both = pair_of(ops[i].handler, ops[i + 1].handler);
        if (!both) continue;
        ops[i].handler = both;
        ++i;
    }
}

void tell(BlockObserver& observer, const std::array<Item, BlockCache::max_ops>& items, const Op* ops, unsigned count) {
    bool absorbed = false;
    for (unsigned i = 0; i < count && !items[i].trap; ++i) {
        const Insn& insn = items[i].insn;
        Op alone = ops[i];
        const Handler selected = insn.row->select(insn, alone);
        if (!selected) return; // #UD
        observer.built(insn, absorbed ? nullptr : ops[i].handler);
        absorbed = !absorbed && ops[i].handler != selected;
    }
}

/// One instruction at `offset`; false when a page fault was raised by the second page of a split one.
DecodeStatus decode_at(Cpu& cpu, const Window& w, unsigned offset, Insn& insn) {
    const unsigned room =
        static_cast<unsigned>(std::min<u64>(w.size - offset, w.limit_room - std::min<u64>(w.limit_room, offset)));
    return decode({w.bytes + offset, room}, cpu.mode, cpu.model->features, insn);
}

constexpr unsigned longest_instruction = std::max(max_instruction_length, max_instruction_length_8086);

/// The bytes at an 8086's IP one by one: they go on in the next page, at offset 0 of the segment, or at address 0.
bool gather_wrapped(Cpu& cpu, std::span<u8> bytes) {
    u64 phys = 0;
    for (unsigned i = 0; i < bytes.size(); ++i) {
        const u64 linear = cpu.seg[CS].base + ((cpu.ip + i) & 0xFFFF);
        if (!translate_fetch(cpu, linear, phys)) return false;
        bytes[i] = static_cast<u8>(cpu.memory.read(PhysAddress{phys}, 1));
    }
    return true;
}

} // namespace

BlockHeader* BlockCache::build(Cpu& cpu, u64 phys, unsigned limit, bool scratch) {
    std::array<Item, max_ops> items;
    const u64 ip = cpu.ip;
    const Segment& cs = cpu.seg[CS];
    const u64 linear = cpu.code_linear(ip);

    std::array<u8, page_size> copy;
    Window w;
    w.size = static_cast<unsigned>(page_size - (phys & page_mask));
    w.limit_room = cpu.code64() ? 2 * page_size : u64{cs.limit} - ip + 1; // no limits in 64-bit mode
    const u8* page = cpu.memory.page_for_read(PhysAddress{phys});
    if (page) {
        w.bytes = page + (phys & page_mask);
    } else { // executing from a device's memory: one instruction at a time
        w.size = std::min(w.size, longest_instruction + 1);
        for (unsigned i = 0; i < w.size; ++i) copy[i] = static_cast<u8>(cpu.memory.read(PhysAddress{phys + i}, 1));
        w.bytes = copy.data();
        limit = 1;
        scratch = true;
    }

    unsigned count = 0, offset = 0;
    bool split = false, probed = false;
    u64 phys2 = ~u64{0};
    std::array<u8, longest_instruction + max_instruction_length + 1> joined{};
    while (count < limit && offset < w.size) {
        Item& item = items[count];
        item.trap = nullptr;
        DecodeStatus status = decode_at(cpu, w, offset, item.insn);
        if (status == DecodeStatus::need_more) {
            const bool limit_ends = w.limit_room <= w.size;
            if (count > 0) break;
            if (cpu.has(Feature::only_8086)) {
                if (!gather_wrapped(cpu, joined)) return nullptr;
                w = {joined.data(), joined.size(), joined.size()};
                split = scratch = true;
                status = decode_at(cpu, w, 0, item.insn);
            } else if (limit_ends) {
                item.trap = &cold_end<raise_beyond_limit>;
            } else {
                const u64 next_page = ((linear & ~page_mask) + page_size) & cpu.ip_mask();
                if (!translate_fetch(cpu, next_page, phys2)) return nullptr;
                std::memcpy(joined.data(), w.bytes, w.size);
                std::array<u8, max_instruction_length + 1> tail;
                cpu.memory.read_block(PhysAddress{phys2}, tail);
                std::memcpy(joined.data() + w.size, tail.data(), tail.size());
                w.size += static_cast<unsigned>(tail.size());
                w.bytes = joined.data();
                split = true;
                status = decode_at(cpu, w, 0, item.insn);
                if (status == DecodeStatus::need_more) item.trap = &cold_end<raise_beyond_limit>;
            }
        }
        if (status == DecodeStatus::invalid) item.trap = &cold_end<raise_invalid_opcode>;
        if (status == DecodeStatus::too_long) item.trap = &cold_end<raise_too_long>;
        item.insn.ip = ip + offset;
        if (item.trap) item.insn.row = nullptr;
        resolve_absolute(item.insn);
        if (cpu.probe && cpu.probe->wants(cpu, cpu.code_linear(item.insn.ip), phys + offset, item.insn)) [[unlikely]] {
            if (count > 0) break; // a block of its own: this one ends before it
            probed = true;
        }
        ++count;
        offset += item.insn.length;
        if (item.trap) break;
        if (item.insn.row->attributes & attr::branch) work_out_branch(item.insn, phys, ip);
        if (split || probed || (item.insn.row->attributes & attr::ends_block)) break;
    }
    if (cpu.engine.fuse) find_dead_flags(items, count);

    const bool forgotten = scratch || probed || !cpu.engine.cache;
    BlockHeader* block = allocate(cpu, count + 1, forgotten);
    *block = BlockHeader{};
    block->phys = phys;
    block->ip = ip;
    block->mode = cpu.mode;
    block->bytes = static_cast<u16>(offset);
    block->count = static_cast<u8>(count);
    block->flags = static_cast<u8>((split ? BlockHeader::split : 0) | (forgotten ? BlockHeader::scratch : 0) |
                                   (probed ? BlockHeader::probed : 0));
    block->phys2 = phys2;
    block->cs_base = static_cast<u32>(cpu.jump_base >> 32);
    block->live = true;
    Op* ops = block->ops();
    for (unsigned i = 0; i < count; ++i) {
        Item& item = items[i];
        Op& op = ops[i];
        fill_operands(item.insn, op);
        if (split && item.insn.row) item.insn.in_page = false;
        op.handler = item.trap ? item.trap : item.insn.row->select(item.insn, op);
        if (!op.handler) op.handler = &cold_end<raise_invalid_opcode>;
        op.pos = static_cast<u8>(i);
    }
    if (cpu.engine.fuse) fuse(items, ops, count);
    if (observer_) [[unlikely]]
        tell(*observer_, items, ops, count);
    Op& end = ops[count];
    end = Op{};
    end.handler = &block_end;
    end.pos = static_cast<u8>(count);
    end.imm = 0;
    if (count && !items[count - 1].trap && (items[count - 1].insn.row->attributes & attr::branch))
        end.imm = items[count - 1].insn.target;
    if (scratch) return block;
    ++statistics_.built;
    if (cpu.engine.cache && !probed)
        add(block);
    else
        mark_code(*block);
    return block;
}

} // namespace glassbox
