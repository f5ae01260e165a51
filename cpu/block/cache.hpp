// The cache of decoded blocks. A block is keyed by physical address, EIP, CS base and mode bits; it never crosses a
// page but for one split instruction. Pages that hold blocks are write-protected in the TLB; a write there comes to
// `written`, which drops the page's blocks if it touches a 128-byte granule that holds code.
//
// The processors of a machine share one: what one of them decodes serves all, and a write by any of them reaches all.
// They run one after the other, so blocks, links and the patched handler of a leaving op (Cpu::request_leave) belong to
// whoever runs. Epochs come from one counter, so that no two processors are ever in the same one: a link that was
// made by one is checked by the next (see `still_there`).
//
// Memory is an arena of ops that is only ever reused as a whole, and only between blocks: handlers that are running
// keep valid ops under their feet whatever they invalidate.
#pragma once

#include "cpu/state.hpp"

#include <array>
#include <deque>
#include <memory>
#include <vector>

namespace glassbox {

struct Insn;

/// Told of every instruction that a block is built of, while it is being built: right before it is entered for the
/// first time. For tools that ask which handlers run (the conformance suites' --coverage).
class BlockObserver {
  public:
    virtual ~BlockObserver() = default;
    /// `handler` runs when the instruction does; null when its predecessor's handler does the work of both.
    virtual void built(const Insn& insn, Handler handler) = 0;
};

class BlockCache {
  public:
    BlockCache();
    ~BlockCache();
    BlockCache(const BlockCache&) = delete;
    BlockCache& operator=(const BlockCache&) = delete;

    void attach(Cpu& cpu);
    void detach(Cpu& cpu);
    /// An epoch that no processor was in before.
    u32 next_epoch();

    /// The block at the processor's ip, decoded if need be. Null with a fault raised when it cannot be fetched.
    BlockHeader* at_ip(Cpu& cpu);
    /// The same code cut after at most `count` instructions, valid until the next call.
    BlockHeader* limited(Cpu& cpu, unsigned count);

    bool has_code(u64 phys_page) const {
        const PageCode* page = find_page(phys_page >> 12);
        return page && page->granules != 0;
    }
    /// Memory was written. True when decoded code was hit: the page's blocks are gone and the epoch has moved on.
    bool written(Cpu& cpu, u64 phys, u64 size);
    /// `marks`: also which memory holds code. When only room is wanted they stay, so that the same writes take the slow
    /// road as without a cache.
    void forget_all(bool marks);

    struct Statistics {
        u64 built = 0, dropped_pages = 0, flushes = 0;
    };
    const Statistics& statistics() const { return statistics_; }
    /// Null: nobody is told.
    void observe(BlockObserver* observer) { observer_ = observer; }

    static constexpr unsigned max_ops = 32;

  private:
    static constexpr unsigned granule_shift = 7;
    static constexpr u64 arena_bytes = 48u << 20;
    static constexpr unsigned bucket_count = 1u << 17;
    static constexpr unsigned chunk_shift = 18, chunk_count = 64; // 1 GiB of pages each; code lies below 64 GiB

    struct PageCode {
        u32 granules = 0;
        BlockHeader* first = nullptr;
    };

    static unsigned bucket_of(u64 phys, u64 ip, u32 mode) {
        const u64 h = (phys ^ (ip << 7) ^ (u64{mode} << 24)) * 0x9E37'79B9'7F4A'7C15;
        return static_cast<unsigned>(h >> 40) & (bucket_count - 1);
    }
    using Chunk = std::array<PageCode*, 1u << chunk_shift>;

    PageCode* find_page(u64 number) const {
        const u64 chunk = number >> chunk_shift;
        if (chunk >= chunk_count || !chunks_[chunk]) return nullptr;
        return (*chunks_[chunk])[number & ((1u << chunk_shift) - 1)];
    }
    PageCode* page_for(u64 number);
    BlockHeader* find(Cpu& cpu, u64 phys, u64 ip, u32 mode);
    BlockHeader* build(Cpu& cpu, u64 phys, unsigned limit, bool scratch);
    void add(BlockHeader* block);
    /// Writes to the block's bytes will come to `written`.
    void mark_code(const BlockHeader& block);
    void mark_granules(u64 page_number, u64 first, u64 last);
    void drop_page(PageCode& page);
    void unlink_from_bucket(BlockHeader* block);
    BlockHeader* allocate(Cpu& cpu, unsigned ops, bool scratch);

    u8* arena_ = nullptr;
    u64 used_ = 0;
    std::vector<BlockHeader*> buckets_;
    bool empty_ = true;
    std::array<std::unique_ptr<Chunk>, chunk_count> chunks_;
    std::deque<PageCode> page_store_;
    std::vector<Cpu*> processors_;
    u32 newest_epoch_ = 0;
    std::unique_ptr<u8[]> scratch_;
    Statistics statistics_;
    BlockObserver* observer_ = nullptr;
};

} // namespace glassbox
