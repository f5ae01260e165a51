// What a boot loader tells its kernel, in one form for both multiboot versions.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;
using u64 = unsigned long;

struct Module {
    u32 start, end;
    const char* text;
};

struct Facts {
    unsigned version = 0;
    const char* command_line = nullptr;
    const char* loader = nullptr;
    u32 lower_kib = 0, upper_kib = 0;
    unsigned module_count = 0;
    Module modules[8]{};
    u64 ram_below = 0, ram_above = 0; ///< usable bytes below and above 4 GiB
    u64 highest = 0;                  ///< end of the highest usable range
    bool framebuffer = false;
    u64 pixels = 0;
    u32 pitch = 0, width = 0, height = 0, depth = 0, kind = 0;
    u32 section_count = 0, section_size = 0, section_names = 0;
    const u8* sections = nullptr;
    const u8* rsdp = nullptr;
    const u8* smbios = nullptr;
};

void read_version_1(Facts& facts, const u8* information);
void read_version_2(Facts& facts, const u8* information);

inline u32 word(const u8* at) { return *reinterpret_cast<const u32*>(at); }
inline u64 quad(const u8* at) { return *reinterpret_cast<const u64*>(at); }
inline const u8* memory(u64 physical) { return reinterpret_cast<const u8*>(physical); }
inline const char* text(u64 physical) { return reinterpret_cast<const char*>(physical); }

inline void add_memory(Facts& facts, u64 start, u64 length, u32 type) {
    if (type != 1) return;
    (start < u64{1} << 32 ? facts.ram_below : facts.ram_above) += length;
    if (start + length > facts.highest) facts.highest = start + length;
}
