#include "cpu/block/cache.hpp"

#include "mmu/access.hpp"

#include <algorithm>
#include <new>
#include <sys/mman.h>

namespace glassbox {

BlockCache::BlockCache() : buckets_(bucket_count) {
    void* memory =
        mmap(nullptr, arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    arena_ = static_cast<u8*>(memory);
    scratch_ = std::make_unique<u8[]>(sizeof(BlockHeader) + (max_ops + 2) * sizeof(Op) + 64);
}

BlockCache::~BlockCache() { munmap(arena_, arena_bytes); }

void BlockCache::attach(Cpu& cpu) {
    processors_.push_back(&cpu);
    cpu.epoch = next_epoch();
}

void BlockCache::detach(Cpu& cpu) { std::erase(processors_, &cpu); }

u32 BlockCache::next_epoch() {
    if (newest_epoch_ == ~u32{0}) { // once in 2^32: no stale entry may come to life again
        forget_all(false);
        newest_epoch_ = 0;
        for (Cpu* cpu : processors_) cpu->epoch = ++newest_epoch_;
    }
    return ++newest_epoch_;
}

BlockCache::PageCode* BlockCache::page_for(u64 number) {
    const u64 chunk = number >> chunk_shift;
    if (chunk >= chunk_count) return nullptr;
    if (!chunks_[chunk]) chunks_[chunk] = std::make_unique<Chunk>();
    PageCode*& page = (*chunks_[chunk])[number & ((1u << chunk_shift) - 1)];
    if (!page) page = &page_store_.emplace_back();
    return page;
}

BlockHeader* BlockCache::allocate(Cpu& cpu, unsigned ops, bool scratch) {
    const u64 bytes = sizeof(BlockHeader) + ops * sizeof(Op);
    if (scratch) {
        const auto at = (reinterpret_cast<u64>(scratch_.get()) + 31) & ~u64{31};
        return reinterpret_cast<BlockHeader*>(at);
    }
    if (used_ + bytes > arena_bytes) {
        cpu.forget_blocks(false);
        cpu.bump_epoch();
    }
    auto* block = reinterpret_cast<BlockHeader*>(arena_ + used_);
    used_ += bytes;
    return block;
}

void BlockCache::forget_all(bool marks) {
    for (PageCode& page : page_store_) page = PageCode{marks ? 0 : page.granules, nullptr};
    ++statistics_.flushes;
    if (empty_) return;
    std::fill(buckets_.begin(), buckets_.end(), nullptr);
    for (Cpu* cpu : processors_) cpu->jump_cache.fill(Cpu::JumpEntry{});
    used_ = 0;
    empty_ = true;
}

BlockHeader* BlockCache::find(Cpu& cpu, u64 phys, u64 ip, u32 mode) {
    for (BlockHeader* b = buckets_[bucket_of(phys, ip, mode)]; b; b = b->next_in_bucket) {
        if (b->phys != phys || b->ip != ip || b->mode != mode || b->cs_base != static_cast<u32>(cpu.jump_base >> 32))
            continue;
        if (b->flags & BlockHeader::split) {
            u64 other = 0;
            const u64 linear = ((cpu.code_linear(ip) & ~page_mask) + page_size) & cpu.ip_mask();
            if (!translate_fetch(cpu, linear, other)) return nullptr;
            if (other != b->phys2) continue;
        }
        return b;
    }
    return nullptr;
}

namespace {
bool fetch_address(Cpu& cpu, u64& phys) {
    const Segment& cs = cpu.seg[CS];
    if (cpu.code64()) return translate_fetch(cpu, cpu.ip, phys);
    if (cpu.ip > cs.limit) {
        if (!cpu.has(Feature::only_8086))
            return cpu.gp(0, "the instruction pointer is beyond the code segment's limit");
        cpu.ip &= 0xFFFF; // IP wraps
    }
    const u64 linear = static_cast<u32>(cs.base + cpu.ip);
    return translate_fetch(cpu, linear, phys);
}
} // namespace

BlockHeader* BlockCache::at_ip(Cpu& cpu) {
    u64 phys = 0;
    if (!fetch_address(cpu, phys)) return nullptr;
    cpu.fault.why = nullptr;
    if (BlockHeader* found = find(cpu, phys, cpu.ip, cpu.mode)) return found; // none is ever added with the cache off
    if (cpu.fault.why) return nullptr;                                        // a split instruction's second page
    return build(cpu, phys, max_ops, false);
}

BlockHeader* BlockCache::limited(Cpu& cpu, unsigned count) {
    BlockHeader* whole = at_ip(cpu); // registers the page as code, so that self-modification is seen
    if (!whole) return nullptr;
    return build(cpu, whole->phys, std::max(count, 1u), true);
}

void BlockCache::mark_granules(u64 number, u64 first, u64 last) {
    PageCode* page = page_for(number);
    if (!page) return;
    const bool was_code = page->granules != 0;
    for (u64 g = first >> granule_shift; g <= last >> granule_shift; ++g) page->granules |= u32{1} << g;
    if (was_code) return;
    for (Cpu* cpu : processors_) {
        for (TlbTable& table : cpu->tlbs) {
            for (TlbEntry& e : table.entries) {
                if (e.phys == number << 12) e.write_tag |= parked::code; // no tag stays none
            }
        }
    }
}

void BlockCache::mark_code(const BlockHeader& block) {
    const u64 start = block.phys & page_mask;
    const u64 end = std::min<u64>(start + std::max<u64>(block.bytes, 1) - 1, page_size - 1);
    mark_granules(block.phys >> 12, start, end);
    if (block.flags & BlockHeader::split) mark_granules(block.phys2 >> 12, 0, 15);
}

void BlockCache::add(BlockHeader* block) {
    mark_code(*block);
    empty_ = false;
    BlockHeader*& bucket = buckets_[bucket_of(block->phys, block->ip, block->mode)];
    block->next_in_bucket = bucket;
    bucket = block;
    PageCode* page = page_for(block->phys >> 12);
    if (!page) return;
    block->next_in_page = page->first;
    page->first = block;
    // The instruction may run from a frame's end into its own beginning: two linear pages, one list.
    if (!(block->flags & BlockHeader::split) || find_page(block->phys2 >> 12) == page) return;
    if (PageCode* other = page_for(block->phys2 >> 12)) {
        block->next_in_page2 = other->first;
        other->first = block;
    }
}

void BlockCache::unlink_from_bucket(BlockHeader* block) {
    BlockHeader** at = &buckets_[bucket_of(block->phys, block->ip, block->mode)];
    while (*at && *at != block) at = &(*at)->next_in_bucket;
    if (*at) *at = block->next_in_bucket;
}

void BlockCache::drop_page(PageCode& page) {
    ++statistics_.dropped_pages;
    for (BlockHeader* b = page.first; b;) {
        // A split block is in two lists; in the other one it stays behind, dead, until that page is dropped too.
        const bool as_second = (b->flags & BlockHeader::split) && find_page(b->phys >> 12) != &page;
        BlockHeader* next = as_second ? b->next_in_page2 : b->next_in_page;
        if (b->live) unlink_from_bucket(b);
        b->live = false;
        b = next;
    }
    page = PageCode{};
}

bool BlockCache::written(Cpu& cpu, u64 phys, u64 size) {
    if (size == 0) return false;
    bool hit = false;
    const u64 last = phys + size - 1;
    for (u64 number = phys >> 12; number <= last >> 12; ++number) {
        PageCode* page = find_page(number);
        if (!page || page->granules == 0) continue;
        const u64 from = number == phys >> 12 ? (phys & page_mask) >> granule_shift : 0;
        const u64 to = number == last >> 12 ? (last & page_mask) >> granule_shift : 31;
        const u32 touched = static_cast<u32>(((u64{2} << to) - 1) & ~((u64{1} << from) - 1));
        if (!(page->granules & touched)) continue;
        drop_page(*page);
        hit = true;
    }
    if (!hit) return false;
    for (Cpu* other : processors_) {
        other->bump_epoch();
        if (other != &cpu) other->leave_requested = true; // whoever runs: it is not always the one that is told of DMA
    }
    return true;
}

} // namespace glassbox
