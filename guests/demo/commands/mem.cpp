// Memory as three parties see it: the BIOS's map, the kernel's pages, and the address spaces.
#include "../kernel/boot_info.hpp"
#include "../kernel/console.hpp"
#include "../kernel/memory.hpp"
#include "../kernel/tasks.hpp"
#include "shell.hpp"

extern "C" u8 kernel_begin[], kernel_end[], writable_begin[];

namespace {

const char* type_name(u32 type) {
    switch (type) {
    case 1: return "usable";
    case 2: return "reserved";
    case 3: return "ACPI tables";
    case 4: return "ACPI storage";
    default: return "unusable";
    }
}

void print_u64(u64 value) {
    if (value >> 32 != 0) print_hex(static_cast<u32>(value >> 32));
    print_hex(static_cast<u32>(value));
}

struct Count {
    u32 tables, pages, user_pages;
};

Count count_pages(u32 directory) {
    Count count{};
    const u32* const entries = pointer_to<const u32>(directory);
    for (u32 i = 0; i < 1024; ++i) {
        if ((entries[i] & page_present) == 0) continue;
        ++count.tables;
        const u32* const table = pointer_to<const u32>(entries[i] & ~(page_bytes - 1));
        for (u32 j = 0; j < 1024; ++j) {
            if ((table[j] & page_present) == 0) continue;
            ++count.pages;
            if ((table[j] & entries[i] & page_user) != 0) ++count.user_pages;
        }
    }
    return count;
}

void print_tables() {
    for (u32 number = 0; number < most_tasks; ++number) {
        const Task& t = task(number);
        if (t.state == TaskState::empty) continue;
        const Count count = count_pages(t.directory);
        print("    ");
        print_padded(t.name, 9);
        print("CR3 ");
        print_hex(t.directory);
        print("  ");
        print_number(count.tables);
        print(" tables map ");
        print_number(count.pages);
        print(" pages, ");
        print_number(count.user_pages);
        print(" of them for ring 3\n");
    }
}

} // namespace

void command_mem() {
    const auto& info = boot_info();
    print("  Memory map from the BIOS (INT 15h, E820h):\n");
    for (u32 i = 0; i < info.range_count; ++i) {
        const auto& range = info.ranges[i];
        print("    ");
        print_u64(range.start);
        print(" - ");
        print_u64(range.start + range.length - 1);
        print("  ");
        print(type_name(range.type));
        print("\n");
    }
    print("  Kernel: ");
    print_hex(address_of(kernel_begin));
    print(" - ");
    print_hex(address_of(kernel_end) - 1);
    print(", read-only up to ");
    print_hex(address_of(writable_begin) - 1);
    print("\n  Free: ");
    print_number(free_pages());
    print(" pages of 4 KiB, of the memory below ");
    print_number(managed_end() >> 20);
    print(" MiB that the kernel uses\n  Page tables:\n");
    print_tables();
}
