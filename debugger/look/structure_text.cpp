// Layouts: MBR and FAT boot sectors (Microsoft FAT specification 1.03, section 3.1), ELF (System V ABI, chapter 4 and
// 5), E820 (ACPI 6.4, 15.1), Multiboot 0.6.96 (3.3), BIOS data area (IBM PC AT Technical Reference, section 5),
// ACPI 6.4 (5.2.5, 5.2.6), MultiProcessor Specification 1.4 (4.1), Linux boot protocol (Documentation/x86/boot.rst).
#include "debugger/look/structure_text.hpp"

#include "debugger/look/descriptor_text.hpp"
#include "debugger/look/paging_text.hpp"
#include "debugger/look/text.hpp"

#include <algorithm>
#include <array>
#include <charconv>

namespace glassbox::look {

namespace {

constexpr u64 most_rows = 512;

/// One field: a number (x hexadecimal, u decimal) or characters.
struct Field {
    std::string_view name;
    unsigned offset, size;
    char kind = 'x';
};

std::string field_text(const Cpu& cpu, MemoryPlace at, const Field& f) {
    if (f.kind == 'c') {
        std::string text(f.size, '\0');
        const std::size_t got =
            read_quietly(cpu, after(at, f.offset), {reinterpret_cast<u8*>(text.data()), text.size()});
        if (got < f.size) return "(not readable)";
        for (char& c : text) {
            if (c < 0x20 || c == 0x7F) c = '.';
        }
        return "\"" + text + "\"";
    }
    const auto value = read_value(cpu, after(at, f.offset), f.size);
    if (!value) return "(not readable)";
    return f.kind == 'u' ? std::to_string(*value) : digits(*value, f.size * 2);
}

void write_fields(const Cpu& cpu, MemoryPlace at, std::span<const Field> fields, std::string& out) {
    Table table({"offset", "field", "value"});
    for (const Field& f : fields) table.add({digits(f.offset, 3), std::string(f.name), field_text(cpu, at, f)});
    table.write(out);
}

void write_rows(const Cpu& cpu, MemoryPlace at, std::span<const Field> fields, u64 stride, u64 rows, std::string& out) {
    std::vector<std::string> heading = {"address"};
    for (const Field& f : fields) heading.emplace_back(f.name);
    Table table(heading);
    for (u64 n = 0; n < std::min(rows, most_rows); ++n, at = after(at, stride)) {
        std::vector<std::string> row = {address_text(cpu, at)};
        for (const Field& f : fields) row.push_back(field_text(cpu, at, f));
        table.add(std::move(row));
    }
    table.write(out);
}

constexpr Field bpb_fields[] = {{"jump", 0, 3},
                                {"OEM name", 3, 8, 'c'},
                                {"bytes per sector", 11, 2, 'u'},
                                {"sectors per cluster", 13, 1, 'u'},
                                {"reserved sectors", 14, 2, 'u'},
                                {"FATs", 16, 1, 'u'},
                                {"root entries", 17, 2, 'u'},
                                {"sectors (16 bits)", 19, 2, 'u'},
                                {"media", 21, 1},
                                {"sectors per FAT", 22, 2, 'u'},
                                {"sectors per track", 24, 2, 'u'},
                                {"heads", 26, 2, 'u'},
                                {"hidden sectors", 28, 4, 'u'},
                                {"sectors (32 bits)", 32, 4, 'u'},
                                {"drive", 36, 1},
                                {"extended signature", 38, 1},
                                {"volume ID", 39, 4},
                                {"volume label", 43, 11, 'c'},
                                {"file system", 54, 8, 'c'},
                                {"boot signature", 510, 2}};
constexpr Field partition_fields[] = {{"active", 0, 1},   {"first CHS", 1, 3},      {"type", 4, 1},
                                      {"last CHS", 5, 3}, {"first LBA", 8, 4, 'u'}, {"sectors", 12, 4, 'u'}};
constexpr Field multiboot_fields[] = {{"flags", 0, 4},
                                      {"mem_lower (KiB)", 4, 4, 'u'},
                                      {"mem_upper (KiB)", 8, 4, 'u'},
                                      {"boot_device", 12, 4},
                                      {"cmdline", 16, 4},
                                      {"mods_count", 20, 4, 'u'},
                                      {"mods_addr", 24, 4},
                                      {"syms[0]", 28, 4},
                                      {"syms[1]", 32, 4},
                                      {"syms[2]", 36, 4},
                                      {"syms[3]", 40, 4},
                                      {"mmap_length", 44, 4, 'u'},
                                      {"mmap_addr", 48, 4},
                                      {"drives_length", 52, 4, 'u'},
                                      {"drives_addr", 56, 4},
                                      {"config_table", 60, 4},
                                      {"boot_loader_name", 64, 4},
                                      {"apm_table", 68, 4}};
constexpr Field bda_fields[] = {
    {"COM1 port", 0x00, 2},         {"COM2 port", 0x02, 2},      {"COM3 port", 0x04, 2},
    {"COM4 port", 0x06, 2},         {"LPT1 port", 0x08, 2},      {"LPT2 port", 0x0A, 2},
    {"LPT3 port", 0x0C, 2},         {"EBDA segment", 0x0E, 2},   {"equipment", 0x10, 2},
    {"memory (KiB)", 0x13, 2, 'u'}, {"keyboard flags", 0x17, 2}, {"keyboard head", 0x1A, 2},
    {"keyboard tail", 0x1C, 2},     {"video mode", 0x49, 1},     {"columns", 0x4A, 2, 'u'},
    {"page size", 0x4C, 2},         {"page start", 0x4E, 2},     {"cursor, page 0", 0x50, 2},
    {"cursor shape", 0x60, 2},      {"active page", 0x62, 1},    {"CRTC port", 0x63, 2},
    {"timer ticks", 0x6C, 4, 'u'},  {"midnight", 0x70, 1},       {"reset flag", 0x72, 2},
    {"disks", 0x75, 1, 'u'},        {"buffer start", 0x80, 2},   {"buffer end", 0x82, 2},
    {"rows - 1", 0x84, 1, 'u'}};
constexpr Field rsdp_fields[] = {{"signature", 0, 8, 'c'}, {"checksum", 8, 1}, {"OEM", 9, 6, 'c'},
                                 {"revision", 15, 1, 'u'}, {"RSDT", 16, 4},    {"length", 20, 4, 'u'},
                                 {"XSDT", 24, 8}};
constexpr Field acpi_fields[] = {{"signature", 0, 4, 'c'}, {"length", 4, 4, 'u'},   {"revision", 8, 1, 'u'},
                                 {"checksum", 9, 1},       {"OEM", 10, 6, 'c'},     {"OEM table", 16, 8, 'c'},
                                 {"OEM revision", 24, 4},  {"creator", 28, 4, 'c'}, {"creator revision", 32, 4}};
constexpr Field mp_fields[] = {{"signature", 0, 4, 'c'}, {"table", 4, 4},     {"length / 16", 8, 1, 'u'},
                               {"revision", 9, 1, 'u'},  {"checksum", 10, 1}, {"configuration", 11, 1},
                               {"IMCR", 12, 1}};
constexpr Field linux_fields[] = {
    {"setup_sects", 0x1F1, 1, 'u'}, {"root_flags", 0x1F2, 2},         {"syssize", 0x1F4, 4},
    {"vid_mode", 0x1FA, 2},         {"boot_flag", 0x1FE, 2},          {"header", 0x202, 4, 'c'},
    {"version", 0x206, 2},          {"type_of_loader", 0x210, 1},     {"loadflags", 0x211, 1},
    {"code32_start", 0x214, 4},     {"ramdisk_image", 0x218, 4},      {"ramdisk_size", 0x21C, 4},
    {"heap_end_ptr", 0x224, 2},     {"cmd_line_ptr", 0x228, 4},       {"initrd_addr_max", 0x22C, 4},
    {"kernel_alignment", 0x230, 4}, {"relocatable_kernel", 0x234, 1}, {"cmdline_size", 0x238, 4},
    {"e820 entries", 0x1E8, 1, 'u'}};
constexpr Field elf32_fields[] = {{"class", 4, 1},       {"data", 5, 1},       {"type", 16, 2},  {"machine", 18, 2},
                                  {"entry", 24, 4},      {"phoff", 28, 4},     {"shoff", 32, 4}, {"flags", 36, 4},
                                  {"phnum", 44, 2, 'u'}, {"shnum", 48, 2, 'u'}};
constexpr Field elf64_fields[] = {{"class", 4, 1},       {"data", 5, 1},       {"type", 16, 2},  {"machine", 18, 2},
                                  {"entry", 24, 8},      {"phoff", 32, 8},     {"shoff", 40, 8}, {"flags", 48, 4},
                                  {"phnum", 56, 2, 'u'}, {"shnum", 60, 2, 'u'}};
constexpr Field phdr32_fields[] = {{"type", 0, 4},    {"offset", 4, 4}, {"vaddr", 8, 4}, {"paddr", 12, 4},
                                   {"filesz", 16, 4}, {"memsz", 20, 4}, {"flags", 24, 4}};
constexpr Field phdr64_fields[] = {{"type", 0, 4},   {"flags", 4, 4},   {"offset", 8, 8},
                                   {"vaddr", 16, 8}, {"filesz", 32, 8}, {"memsz", 40, 8}};

std::string_view e820_type(u64 type) {
    static constexpr std::array<std::string_view, 6> names = {"?",        "RAM", "reserved", "ACPI reclaimable",
                                                              "ACPI NVS", "bad"};
    return type < names.size() ? names[type] : "?";
}

std::string_view partition_type(u64 type) {
    switch (type) {
    case 0x00: return "empty";
    case 0x01: return "FAT12";
    case 0x04:
    case 0x06:
    case 0x0E: return "FAT16";
    case 0x05:
    case 0x0F: return "extended";
    case 0x07: return "NTFS, exFAT, HPFS";
    case 0x0B:
    case 0x0C: return "FAT32";
    case 0x82: return "Linux swap";
    case 0x83: return "Linux";
    case 0xA5: return "FreeBSD";
    case 0xEE: return "GPT protective";
    case 0xEF: return "EFI system";
    default: return "";
    }
}

void write_mbr(const Cpu& cpu, MemoryPlace at, std::string& out) {
    Table table({"n", "active", "type", "", "first LBA", "sectors"}, {4, 5});
    for (unsigned n = 0; n < 4; ++n) {
        const MemoryPlace entry = after(at, 446 + 16 * n);
        const u64 type = read_value(cpu, after(entry, 4), 1).value_or(0);
        table.add({std::to_string(n + 1), field_text(cpu, entry, partition_fields[0]),
                   field_text(cpu, entry, partition_fields[2]), std::string(partition_type(type)),
                   field_text(cpu, entry, partition_fields[4]), field_text(cpu, entry, partition_fields[5])});
    }
    table.write(out);
    const auto signature = read_value(cpu, after(at, 510), 2);
    out += "  signature " + (signature ? digits(*signature, 4) : std::string("(not readable)")) +
           (signature == 0xAA55 ? "\n" : ": not AA55, firmware does not boot this\n");
}

void write_e820(const Cpu& cpu, MemoryPlace at, u64 rows, std::string& out) {
    Table table({"base", "last", "length", "type"}, {2});
    for (u64 n = 0; n < std::min(rows ? rows : 16, most_rows); ++n, at = after(at, 20)) {
        const auto base = read_value(cpu, at, 8), length = read_value(cpu, after(at, 8), 8),
                   type = read_value(cpu, after(at, 16), 4);
        if (!base || !length || !type || (rows == 0 && *length == 0)) break;
        table.add({digits(*base, 16), digits(*base + *length - 1, 16), size_text(*length),
                   std::to_string(*type) + " " + std::string(e820_type(*type))});
    }
    table.write(out);
}

Expected<> write_elf(const Cpu& cpu, MemoryPlace at, u64 rows, std::string& out) {
    if (read_value(cpu, at, 4) != 0x464C'457F)
        return fail("there is no ELF file at " + prose(at.address) + " (7F 'E' 'L' 'F')");
    const bool wide = read_value(cpu, after(at, 4), 1) == 2;
    write_fields(cpu, at, wide ? std::span<const Field>(elf64_fields) : std::span<const Field>(elf32_fields), out);
    const u64 headers = read_value(cpu, after(at, wide ? 32 : 28), wide ? 8 : 4).value_or(0);
    const u64 count = read_value(cpu, after(at, wide ? 56 : 44), 2).value_or(0);
    out += "  program headers\n";
    write_rows(cpu, after(at, headers),
               wide ? std::span<const Field>(phdr64_fields) : std::span<const Field>(phdr32_fields), wide ? 56 : 32,
               std::min<u64>(rows ? rows : count, 64), out);
    return {};
}

void write_entries(const Cpu& cpu, MemoryPlace at, unsigned level, u64 rows, std::string& out) {
    const PagingShape shape = paging_shape(cpu);
    const unsigned bytes = shape.mode == PagingMode::none ? 4 : shape.entry_bytes;
    Table table({"n", "address", "entry", "target", ""}, {0});
    for (u64 n = 0; n < std::min<u64>(rows ? rows : 16, 1024); ++n) {
        const MemoryPlace place = after(at, n * bytes);
        const auto entry = read_value(cpu, place, bytes);
        if (!entry) break;
        table.add({std::to_string(n), address_text(cpu, place), digits(*entry, bytes * 2),
                   *entry & 1 ? digits(entry_target(cpu, level, *entry), 8) : "",
                   entry_words(cpu, level, *entry, bytes)});
    }
    table.write(out);
}

void write_descriptors(const Cpu& cpu, MemoryPlace at, bool gates, u64 rows, std::string& out) {
    Table table({"n", "raw", "type", gates ? "selector" : "base", gates ? "offset" : "limit", "DPL", "P"}, {0});
    for (u64 n = 0; n < std::min(rows ? rows : 16, most_rows); ++n) {
        const auto raw = read_value(cpu, after(at, 8 * n), 8);
        if (!raw) break;
        Descriptor d{*raw, 0};
        const u64 number = n;
        if ((gates && cpu.long_mode()) || is_wide(cpu, d)) d.high = read_value(cpu, after(at, 8 * ++n), 8).value_or(0);
        const bool gate = gates || (d.is_system() && (d.type() & 7) >= 4);
        table.add({std::to_string(number), digits(d.raw, 16), descriptor_type(d.type(), d.is_system(), cpu.long_mode()),
                   gate ? digits(d.gate_selector(), 4) : digits(d.base(), 8),
                   gate ? digits(d.gate_offset(), 8) : digits(d.limit(), 8), std::to_string(d.dpl()),
                   d.present() ? "1" : "0"});
    }
    table.write(out);
}

struct Simple {
    std::string_view kind;
    std::span<const Field> fields;
};

constexpr StructureKind kinds[] = {{"gdt", "segment descriptors"},
                                   {"idt", "gates"},
                                   {"pte", "entries of a page table"},
                                   {"pde", "entries of a page directory"},
                                   {"mbr", "partition table of a boot sector"},
                                   {"bpb", "FAT boot sector"},
                                   {"elf", "ELF header and program headers"},
                                   {"e820", "memory map in rows of 20 bytes"},
                                   {"multiboot", "information of a Multiboot loader"},
                                   {"linux", "boot parameters of a Linux kernel (zero page)"},
                                   {"bda", "BIOS data area (at 400h)"},
                                   {"rsdp", "ACPI root pointer"},
                                   {"acpi", "header of an ACPI table"},
                                   {"mp", "floating pointer of the MP specification"}};

} // namespace

std::span<const StructureKind> structure_kinds() { return kinds; }

Expected<> write_structure(const Cpu& cpu, MemoryPlace at, std::string_view kind, u64 rows, std::string& out) {
    static constexpr Simple simple[] = {{"bpb", bpb_fields},    {"multiboot", multiboot_fields}, {"bda", bda_fields},
                                        {"rsdp", rsdp_fields},  {"acpi", acpi_fields},           {"mp", mp_fields},
                                        {"linux", linux_fields}};
    for (const Simple& s : simple) {
        if (s.kind != kind) continue;
        write_fields(cpu, at, s.fields, out);
        return {};
    }
    if (kind == "mbr")
        write_mbr(cpu, at, out);
    else if (kind == "e820")
        write_e820(cpu, at, rows, out);
    else if (kind == "elf")
        return write_elf(cpu, at, rows, out);
    else if (kind == "pte")
        write_entries(cpu, at, 1, rows, out);
    else if (kind == "pde")
        write_entries(cpu, at, 2, rows, out);
    else if (kind == "gdt" || kind == "idt")
        write_descriptors(cpu, at, kind == "idt", rows, out);
    else {
        std::string names;
        for (const StructureKind& k : kinds) names += " " + std::string(k.name);
        return fail("'" + std::string(kind) + "' is no kind of table:" + names +
                    ", or fields: \"base:qword length:qword\"");
    }
    return {};
}

Expected<> write_layout(const Cpu& cpu, MemoryPlace at, std::string_view layout, u64 rows, std::string& out) {
    struct Part {
        std::string name;
        unsigned offset;
        ValueType type;
        unsigned count; ///< of characters
    };
    std::vector<Part> parts;
    unsigned size = 0;
    while (!layout.empty()) {
        const std::size_t end = std::min(layout.find(' '), layout.size());
        const std::string_view word = layout.substr(0, end);
        layout.remove_prefix(std::min(end + 1, layout.size()));
        if (word.empty()) continue;
        const std::size_t colon = word.find(':');
        if (colon == std::string_view::npos) return fail("'" + std::string(word) + "' is no field: NAME:TYPE");
        std::string_view type = word.substr(colon + 1);
        unsigned count = 1;
        if (const std::size_t bracket = type.find('['); bracket != std::string_view::npos) {
            const auto result = std::from_chars(type.data() + bracket + 1, type.data() + type.size(), count);
            if (result.ec != std::errc{} || count == 0 || count > 256) return fail("a field has 1 to 256 elements");
            type = type.substr(0, bracket);
        }
        const auto known = parse_value_type(type);
        if (!known)
            return fail("'" + std::string(type) + "' is no type: byte word dword qword u8 … i64 x8 … f32 f64 char[N]");
        parts.push_back({std::string(word.substr(0, colon)), size, *known, count});
        size += known->size * count;
    }
    if (parts.empty()) return fail("no field was given: NAME:TYPE …");
    std::vector<std::string> heading = {"address"};
    for (const Part& p : parts) heading.push_back(p.name);
    Table table(heading);
    for (u64 n = 0; n < std::min(rows ? rows : 1, most_rows); ++n, at = after(at, size)) {
        std::vector<std::string> row = {address_text(cpu, at)};
        for (const Part& p : parts) {
            std::string text =
                p.type.kind == 'c' ? field_text(cpu, at, {p.name, p.offset, p.count, 'c'}) : std::string();
            for (unsigned i = 0; text.empty() || (p.type.kind != 'c' && i < p.count); ++i) {
                std::array<u8, 16> bytes{};
                const auto place = after(at, p.offset + i * p.type.size);
                const bool there = read_quietly(cpu, place, std::span(bytes).first(p.type.size)) == p.type.size;
                text += (i ? " " : "") + (there ? value_text(std::span(bytes).first(p.type.size), p.type) : "??");
            }
            row.push_back(std::move(text));
        }
        table.add(std::move(row));
    }
    table.write(out);
    return {};
}

} // namespace glassbox::look
