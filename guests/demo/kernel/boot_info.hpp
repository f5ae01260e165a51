// What the loader (boot/loader.asm) learned from the BIOS and left at 5000h.
#pragma once

#include "types.hpp"

struct MemoryRange {
    u64 start;
    u64 length;
    u32 type; ///< 1 usable RAM, 2 reserved, 3 ACPI tables, 4 ACPI non-volatile
} __attribute__((packed));

struct BootInfo {
    u32 magic; ///< 42534C47h
    u32 boot_drive;
    u32 range_count;
    MemoryRange ranges[32];
} __attribute__((packed));

inline const BootInfo& boot_info() { return *pointer_to<const BootInfo>(0x5000); }
