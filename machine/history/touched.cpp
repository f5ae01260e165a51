#include "machine/history/touched.hpp"

#include <cstdio>
#include <memory>
#include <numeric>
#include <unistd.h>

namespace glassbox {

std::vector<u32> touched_pages(std::span<const u8> memory) {
    std::vector<u32> pages(memory.size() / page_size);
    std::iota(pages.begin(), pages.end(), 0u);
    if (sysconf(_SC_PAGESIZE) != static_cast<long>(page_size)) return pages;
    const std::unique_ptr<std::FILE, int (*)(std::FILE*)> map(std::fopen("/proc/self/pagemap", "rb"), &std::fclose);
    if (!map) return pages;
    std::vector<u64> entries(pages.size());
    const u64 first = reinterpret_cast<u64>(memory.data()) / page_size;
    if (fseeko(map.get(), static_cast<off_t>(first * 8), SEEK_SET) != 0) return pages;
    if (std::fread(entries.data(), 8, entries.size(), map.get()) != entries.size()) return pages;
    constexpr u64 present_or_swapped = u64{3} << 62;
    std::erase_if(pages, [&](u32 page) { return (entries[page] & present_or_swapped) == 0; });
    return pages;
}

} // namespace glassbox
