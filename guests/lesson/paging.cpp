// 32-bit paging (SDM 3A 4.3): the first 4 MiB are mapped as they are, but for the last page, which is a window that can
// show any frame.
#include "guests/lesson/lesson.hpp"

namespace {

constexpr u32 present = 1, writable = 2;
constexpr u32 window_address = 0x3FF000;

alignas(4096) u32 page_directory[1024];
alignas(4096) u32 page_table[1024];

} // namespace

u32* window() { return reinterpret_cast<u32*>(window_address); }

void set_up_paging() {
    for (u32 page = 0; page < 1024; ++page) page_table[page] = page * 4096 | present | writable;
    page_directory[0] = reinterpret_cast<u32>(page_table) | present | writable;
    asm volatile("mov %0, %%cr3" : : "r"(page_directory) : "memory");
    asm volatile("mov %%cr0, %%eax\n"
                 "or $0x80000000, %%eax\n"
                 "mov %%eax, %%cr0"
                 :
                 :
                 : "eax", "memory");
}

/// The processor may keep the old translation for ever unless INVLPG says that it has changed (SDM 3A 4.10.4.1).
void show_in_window(u32 frame) {
    page_table[window_address / 4096] = frame | present | writable;
    if (!bugs.tlb) asm volatile("invlpg (%0)" : : "r"(window_address) : "memory");
    asm volatile("" : : : "memory"); // for the compiler, memory is another from here on
}
