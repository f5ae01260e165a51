// Free pages form a list through their own first words. The kernel maps all memory that it manages at its own address,
// so physical addresses are pointers; only user programs see other addresses.
#include "memory.hpp"

#include "boot_info.hpp"
#include "console.hpp"
#include "ports.hpp"
#include "text.hpp"

extern "C" u8 kernel_begin[], kernel_end[], writable_begin[];

namespace {

constexpr u32 most_managed = 64u << 20; // more is not needed here
u32 free_list, free_count, managed, directory;

u32* table_of(u32 page_directory, u32 address, bool create, u32 bits) {
    u32& entry = pointer_to<u32>(page_directory)[address >> 22];
    if ((entry & page_present) == 0) {
        if (!create) return nullptr;
        entry = take_page() | page_present | page_writable | (bits & page_user);
    }
    return pointer_to<u32>(entry & ~(page_bytes - 1));
}

/// The end of the usable range that holds the kernel.
u32 usable_end() {
    const auto& info = boot_info();
    for (u32 i = 0; i < info.range_count; ++i) {
        const auto& range = info.ranges[i];
        const u64 end = range.start + range.length;
        if (range.type == 1 && range.start <= 0x100000 && end > address_of(kernel_end))
            return end < most_managed ? static_cast<u32>(end) & ~(page_bytes - 1) : most_managed;
    }
    return 0;
}

/// CR0.WP makes read-only pages read-only for ring 0 as well. The 386 lacks it; its EFLAGS.AC cannot be set either.
bool has_write_protect() {
    constexpr u32 alignment_check = 1u << 18;
    const u32 before = eflags();
    set_eflags(before ^ alignment_check);
    const bool changed = ((eflags() ^ before) & alignment_check) != 0;
    set_eflags(before);
    return changed;
}

} // namespace

void memory_start() {
    managed = usable_end();
    if (managed == 0) {
        print("There is no usable memory around the kernel.\n");
        for (;;) halt();
    }
    for (u32 page = address_of(kernel_end); page < managed; page += page_bytes) give_page(page);

    directory = take_page();
    for (u32 page = page_bytes; page < managed; page += page_bytes) { // page 0 stays out: it catches null pointers
        const bool constant = page >= address_of(kernel_begin) && page < address_of(writable_begin);
        map_page(directory, page, page, constant ? page_present : page_present | page_writable);
    }
    write_cr3(directory);
    constexpr u32 paging = 1u << 31, write_protect = 1u << 16;
    write_cr0(read_cr0() | paging | (has_write_protect() ? write_protect : 0));
}

u32 take_page() {
    const NoInterrupts guard;
    if (free_list == 0) {
        print("\nThe kernel has run out of memory.\n");
        for (;;) halt();
    }
    const u32 page = free_list;
    free_list = *pointer_to<u32>(page);
    --free_count;
    memset(pointer_to<u8>(page), 0, page_bytes);
    return page;
}

void give_page(u32 address) {
    const NoInterrupts guard;
    *pointer_to<u32>(address) = free_list;
    free_list = address;
    ++free_count;
}

u32 free_pages() { return free_count; }
u32 managed_end() { return managed; }
u32 kernel_directory() { return directory; }

u32 new_address_space() {
    const u32 fresh = take_page();
    // The kernel's tables are shared, not copied: it is the same in every address space.
    memcpy(pointer_to<u32>(fresh), pointer_to<u32>(directory), page_bytes);
    return fresh;
}

void free_address_space(u32 page_directory) {
    u32* const entries = pointer_to<u32>(page_directory);
    for (u32 i = user_base >> 22; i <= (user_end - 1) >> 22; ++i) {
        if ((entries[i] & page_present) == 0) continue;
        u32* const table = pointer_to<u32>(entries[i] & ~(page_bytes - 1));
        for (u32 j = 0; j < 1024; ++j)
            if ((table[j] & page_present) != 0) give_page(table[j] & ~(page_bytes - 1));
        give_page(address_of(table));
    }
    give_page(page_directory);
}

void map_page(u32 page_directory, u32 address, u32 page, u32 bits) {
    table_of(page_directory, address, true, bits)[address >> 12 & 1023] = page | bits;
}

u32 page_entry(u32 page_directory, u32 address) {
    const u32* const table = table_of(page_directory, address, false, 0);
    return table == nullptr ? 0 : table[address >> 12 & 1023];
}

void map_device(u32 address, u32 bytes) {
    constexpr u32 uncached = 1u << 4; // device memory must not be cached
    const u32 first = address & ~(page_bytes - 1);
    for (u32 offset = 0; offset < bytes + (address - first); offset += page_bytes)
        map_page(directory, first + offset, first + offset, page_present | page_writable | uncached);
    write_cr3(read_cr3()); // forget old translations
}
