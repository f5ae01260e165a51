// Immutable pages that several owners share: what a history keeps of memory that seldom changes. The pool counts what
// it has handed out, so that somebody can hold to a budget.
#pragma once

#include "bus/types.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <span>

namespace glassbox {

using Page = std::array<u8, page_size>;
/// Null: a page of zeroes.
using SharedPage = std::shared_ptr<const Page>;

inline bool all_zero(std::span<const u8> bytes) {
    constexpr std::size_t step = 128; // long enough for vectors, short enough to leave early
    std::size_t at = 0;
    for (; at + step <= bytes.size(); at += step) {
        std::array<u64, step / 8> words;
        std::memcpy(words.data(), bytes.data() + at, step);
        u64 any = 0;
        for (const u64 word : words) any |= word;
        if (any != 0) return false;
    }
    for (; at < bytes.size(); ++at) {
        if (bytes[at] != 0) return false;
    }
    return true;
}

class PagePool {
  public:
    /// At most a page; what is missing of it counts as zeroes.
    SharedPage copy(std::span<const u8> data) const {
        const std::size_t size = std::min<std::size_t>(data.size(), page_size);
        if (all_zero(data.first(size))) return nullptr;
        auto page = std::allocate_shared_for_overwrite<Page>(Counted<Page>(count_));
        std::memcpy(page->data(), data.data(), size);
        if (size < page_size) std::memset(page->data() + size, 0, page_size - size);
        return page;
    }
    u64 pages() const { return *count_; }
    u64 bytes() const { return pages() * (page_size + overhead); }

    static bool same(const SharedPage& page, std::span<const u8> data) {
        return page ? std::memcmp(page->data(), data.data(), data.size()) == 0 : all_zero(data);
    }

  private:
    static constexpr u64 overhead = 64; ///< of a page on the heap, with what refers to it
    /// Pages may outlive the pool, so they own a share of the count.
    template <class T> struct Counted {
        using value_type = T;
        std::shared_ptr<u64> count;
        explicit Counted(std::shared_ptr<u64> count_) : count(std::move(count_)) {}
        template <class U> Counted(const Counted<U>& other) : count(other.count) {}
        T* allocate(std::size_t n) {
            ++*count;
            return std::allocator<T>().allocate(n);
        }
        void deallocate(T* at, std::size_t n) {
            --*count;
            std::allocator<T>().deallocate(at, n);
        }
        template <class U> bool operator==(const Counted<U>& other) const { return count == other.count; }
    };
    std::shared_ptr<u64> count_ = std::make_shared<u64>(0);
};

} // namespace glassbox
