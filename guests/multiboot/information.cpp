// Reads the boot information of both versions.
//
// Multiboot specification 0.6.96, 3.3; Multiboot2 specification 2.0, 3.6.
#include "facts.hpp"

namespace {
constexpr unsigned most_modules = 8;

void read_framebuffer(Facts& facts, const u8* at) {
    facts.framebuffer = true;
    facts.pixels = quad(at);
    facts.pitch = word(at + 8);
    facts.width = word(at + 12);
    facts.height = word(at + 16);
    facts.depth = at[20];
    facts.kind = at[21];
}

void read_tag(Facts& facts, const u8* tag) {
    const u32 size = word(tag + 4);
    switch (word(tag)) {
    case 1: facts.command_line = reinterpret_cast<const char*>(tag + 8); break;
    case 2: facts.loader = reinterpret_cast<const char*>(tag + 8); break;
    case 3:
        if (facts.module_count < most_modules)
            facts.modules[facts.module_count++] = {word(tag + 8), word(tag + 12),
                                                   reinterpret_cast<const char*>(tag + 16)};
        break;
    case 4:
        facts.lower_kib = word(tag + 8);
        facts.upper_kib = word(tag + 12);
        break;
    case 6:
        for (const u8* entry = tag + 16; entry < tag + size; entry += word(tag + 8))
            add_memory(facts, quad(entry), quad(entry + 8), word(entry + 16));
        break;
    case 8: read_framebuffer(facts, tag + 8); break;
    case 9:
        facts.section_count = word(tag + 8);
        facts.section_size = word(tag + 12);
        facts.section_names = word(tag + 16);
        facts.sections = tag + 20;
        break;
    case 13: facts.smbios = tag + 16; break;
    case 14: facts.rsdp = tag + 8; break;
    default: break;
    }
}
} // namespace

void read_version_1(Facts& facts, const u8* info) {
    const u32 flags = word(info);
    if ((flags & 1) != 0) {
        facts.lower_kib = word(info + 4);
        facts.upper_kib = word(info + 8);
    }
    if ((flags & 1 << 2) != 0) facts.command_line = text(word(info + 16));
    if ((flags & 1 << 3) != 0)
        for (; facts.module_count < word(info + 20) && facts.module_count < most_modules; ++facts.module_count) {
            const u8* module = memory(word(info + 24) + 16 * facts.module_count);
            facts.modules[facts.module_count] = {word(module), word(module + 4), text(word(module + 8))};
        }
    if ((flags & 1 << 5) != 0) {
        facts.section_count = word(info + 28);
        facts.section_size = word(info + 32);
        facts.sections = memory(word(info + 36));
        facts.section_names = word(info + 40);
    }
    if ((flags & 1 << 6) != 0) {
        const u8* entry = memory(word(info + 48));
        for (const u8* end = entry + word(info + 44); entry < end; entry += word(entry) + 4)
            add_memory(facts, quad(entry + 4), quad(entry + 12), word(entry + 20));
    }
    if ((flags & 1 << 9) != 0) facts.loader = text(word(info + 64));
    if ((flags & 1 << 12) != 0) read_framebuffer(facts, info + 88);
}

void read_version_2(Facts& facts, const u8* info) {
    const u8* end = info + word(info);
    for (const u8* tag = info + 8; tag < end && word(tag) != 0; tag += (word(tag + 4) + 7) & ~7u) read_tag(facts, tag);
}
