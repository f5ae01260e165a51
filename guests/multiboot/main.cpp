// A 64-bit kernel that checks what its boot loader told it, reports on COM1 and switches the machine off: for tests of
// `--kernel` with both multiboot versions.
//
// 16550 data sheet (line status); 82371AB 7.2.3 (PMCNTRL at 604h, where SeaBIOS places it); ACPI 5.2.5; ELF-64.
#include "facts.hpp"

namespace {

void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

constexpr u16 com1 = 0x3F8;

void put(char c) {
    while ((in8(com1 + 5) & 0x20) == 0) {
    }
    out8(com1, static_cast<u8>(c));
}
void put(const char* text) {
    while (*text != 0) put(*text++);
}
void put(u64 value, unsigned base = 10) {
    char digits[20];
    unsigned count = 0;
    do {
        digits[count++] = "0123456789ABCDEF"[value % base];
        value /= base;
    } while (value != 0);
    while (count != 0) put(digits[--count]);
}
template <class... T> void line(T... parts) {
    (put(parts), ...);
    put("\r\n");
}
void verdict(const char* what, bool good) { line(what, good ? " good" : " BAD"); }

u32 sum_of(const u8* bytes, u64 size) {
    u32 sum = 0;
    for (u64 i = 0; i < size; ++i) sum = sum * 31 + bytes[i];
    return sum;
}

bool same(const char* a, const char* b) {
    while (*a != 0 && *a == *b) ++a, ++b;
    return *a == *b;
}

/// A symbol's value, through the section headers (ELF-64: 64 bytes each; symbols 24).
u64 find_symbol(const Facts& facts, const char* name) {
    constexpr u32 symbol_table = 2;
    for (u32 i = 0; i < facts.section_count; ++i) {
        const u8* header = facts.sections + u64{i} * facts.section_size;
        if (word(header + 4) != symbol_table) continue;
        const u8* strings_header = facts.sections + u64{word(header + 40)} * facts.section_size;
        const u8* symbols = memory(quad(header + 16));
        const char* strings = text(quad(strings_header + 16));
        for (u64 at = 0; at < quad(header + 32); at += 24)
            if (same(strings + word(symbols + at), name)) return quad(symbols + at + 8);
    }
    return 0;
}

/// The last page of memory, above 4 GiB when there is that much: what is written through one address is there again
/// after the TLB forgot it.
bool try_highest_memory(const Facts& facts) {
    if (facts.highest < 4096) return false;
    auto* page = reinterpret_cast<volatile u64*>((facts.highest - 4096) & ~u64{4095});
    for (unsigned i = 0; i < 512; ++i) page[i] = 0x0123'4567'89AB'CDEFul * (i + 1);
    u64 root;
    asm volatile("movq %%cr3, %0; movq %0, %%cr3" : "=r"(root) : : "memory");
    for (unsigned i = 0; i < 512; ++i)
        if (page[i] != 0x0123'4567'89AB'CDEFul * (i + 1)) return false;
    return true;
}

/// Colours on the whole picture; the test takes a screenshot.
void draw(const Facts& facts) {
    for (u32 y = 0; y < facts.height; ++y) {
        auto* row = reinterpret_cast<volatile u32*>(facts.pixels + u64{y} * facts.pitch);
        for (u32 x = 0; x < facts.width; ++x)
            row[x] = (x * 255 / facts.width) << 16 | (y * 255 / facts.height) << 8 | 0x40;
    }
}

void power_off() {
    while ((in8(com1 + 5) & 0x40) == 0) {
    }
    asm volatile("outw %0, %1" : : "a"(u16{0x2000}), "Nd"(u16{0x604}));
}

void report(const Facts& facts) {
    line("multiboot ", u64{facts.version}, " in long mode");
    line("cmdline ", facts.command_line);
    line("loader ", facts.loader);
    line("lower ", u64{facts.lower_kib}, " upper ", u64{facts.upper_kib}, " KiB");
    for (unsigned i = 0; i < facts.module_count; ++i) {
        const Module& m = facts.modules[i];
        line("module ", u64{m.end - m.start}, " bytes '", m.text, "' sum ",
             u64{sum_of(memory(m.start), m.end - m.start)}, (m.start & 4095) == 0 ? " aligned" : " BAD alignment");
    }
    line("memory ", facts.ram_below >> 20, " MiB below 4 GiB, ", facts.ram_above >> 20, " MiB above");
    verdict("highest memory", try_highest_memory(facts));
    if (facts.framebuffer)
        line("framebuffer ", u64{facts.width}, "x", u64{facts.height}, "x", u64{facts.depth}, " kind ",
             u64{facts.kind});
    if (facts.rsdp) verdict("rsdp", quad(facts.rsdp) == 0x2052'5450'2044'5352ul);
    if (facts.smbios) verdict("smbios", word(facts.smbios) == 0x5F4D'535Fu);
}

} // namespace

extern "C" void kernel_main(u32 magic, u32 information) {
    Facts facts;
    if (magic == 0x2BAD'B002) facts.version = 1;
    if (magic == 0x36D7'6289) facts.version = 2;
    if (facts.version == 1) read_version_1(facts, memory(information));
    if (facts.version == 2) read_version_2(facts, memory(information));
    report(facts);
    verdict("symbols", find_symbol(facts, "kernel_main") == reinterpret_cast<u64>(&kernel_main));
    if (facts.kind == 1 && facts.depth == 32) draw(facts);
    line("multiboot kernel done");
    const bool waits = facts.command_line && sum_of(reinterpret_cast<const u8*>(facts.command_line), 4) ==
                                                 sum_of(reinterpret_cast<const u8*>("wait"), 4);
    while (waits) asm volatile("pause");
    power_off();
}
