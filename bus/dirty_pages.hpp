// Which pages of RAM were written since somebody last asked: for checkpoints that copy what has changed and no more.
// Whoever hands out a way to write RAM marks the page first: MemoryMap's own writes do, and the TLB gives a page its
// write tag only when it is marked.
#pragma once

#include "bus/types.hpp"

#include <vector>

namespace glassbox {

class DirtyPages {
  public:
    explicit DirtyPages(u64 pages) : marked_(pages) {}

    bool marked(u64 page) const { return marked_[page] != 0; }
    void mark(u64 page) {
        if (marked_[page]) return;
        marked_[page] = 1;
        list_.push_back(static_cast<u32>(page));
    }
    void mark_all() {
        for (u64 page = 0; page < marked_.size(); ++page) mark(page);
    }
    /// Numbers of pages (offset in RAM / 4096), each once, in the order of their first writes.
    const std::vector<u32>& list() const { return list_; }
    /// Begins anew. The caller also parks the write tags of all TLBs (mmu/tlb.hpp).
    void clear() {
        for (const u32 page : list_) marked_[page] = 0;
        list_.clear();
    }

  private:
    std::vector<u8> marked_;
    std::vector<u32> list_;
};

} // namespace glassbox
