// The contents of RAM at every checkpoint: for each page the versions it has had, and from which checkpoint on.
#pragma once

#include "machine/history/checkpoint.hpp"

#include <span>
#include <vector>

namespace glassbox {

class RamHistory {
  public:
    RamHistory(std::span<u8> ram, const PagePool& pool) : ram_(ram), pool_(pool), versions_(ram.size() / page_size) {}

    /// The page as it was at `at`.
    SharedPage content(u32 page, const Checkpoint& at) const;
    /// Notes the present content of those of `pages` that differ from `before` (null: from zeroes) as belonging to
    /// `now`, whose successor, if there is one, keeps its own.
    void add(Checkpoint& now, const Checkpoint* before, Checkpoint* after, std::span<const u32> pages);
    /// `gone` is forgotten; what it brought belongs to `after` now, or to nobody.
    void remove(Checkpoint& gone, Checkpoint* after);
    /// Makes RAM what it was at `at`, where only `pages` can differ.
    void restore(const Checkpoint& at, std::span<const u32> pages);
    u64 pages() const { return versions_.size(); }

  private:
    struct Version {
        const Checkpoint* since;
        SharedPage page;
    };
    using Versions = std::vector<Version>; // by position
    std::span<u8> bytes(u32 page) const { return ram_.subspan(u64{page} * page_size, page_size); }
    static Versions::iterator place(Versions& versions, const Checkpoint& at);

    std::span<u8> ram_;
    const PagePool& pool_;
    std::vector<Versions> versions_;
};

} // namespace glassbox
