#include "devices/vga/video_memory.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <sys/mman.h>

namespace glassbox {

VideoMemory::VideoMemory(u64 size) : size_(size) {
    void* memory = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) throw std::bad_alloc();
    data_ = static_cast<u8*>(memory);
}

VideoMemory::~VideoMemory() { munmap(data_, size_); }

void VideoMemory::persist(Archive& archive) {
    const auto page = [&](u64 i) { return span().subspan(i * page_size, page_size); };
    const auto holds_something = [&](u64 i) { return !all_zero(page(i)); };
    const auto total = static_cast<u32>(size_ / page_size);
    std::vector<u32> used;
    for (u32 i = 0; i < total; ++i) {
        if (holds_something(i)) used.push_back(i);
    }
    if (archive.loading()) {
        for (const u32 i : used) std::fill(page(i).begin(), page(i).end(), u8{0});
    }
    archive.bounded(used, total);
    for (const u32 i : used) {
        archive.require(i < total, "a page lies outside the video memory");
        if (!archive.ok()) return;
        if (!archive.by_reference()) {
            archive.raw(page(i));
            continue;
        }
        shared_.resize(total);
        if (!archive.loading() && !PagePool::same(shared_[i], page(i))) shared_[i] = archive.pool().copy(page(i));
        archive.page(shared_[i]);
        if (archive.loading() && shared_[i]) std::copy(shared_[i]->begin(), shared_[i]->end(), page(i).begin());
    }
}

} // namespace glassbox
