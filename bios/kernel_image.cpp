// Lays a kernel file out in memory.
//
// ELF: TIS specification 1.2; System V ABI, "ELF-64 object file format" for the 64-bit headers.
// Deviation: files with 65280 sections or more (extended numbering) are loaded without their section table.
#include "bios/kernel_image.hpp"

#include <algorithm>
#include <charconv>

namespace glassbox {

namespace {

constexpr u32 elf_magic = 0x464C'457F;
constexpr u32 segment_load = 1;

/// Where a header keeps its fields in the two classes.
struct ElfClass {
    bool wide;
    u64 entry, segments, sections, segment_size, segment_count, section_size, section_count, section_names;
    u64 least_segment, least_section;
};
constexpr ElfClass elf32{false, 24, 28, 32, 42, 44, 46, 48, 50, 32, 40};
constexpr ElfClass elf64{true, 24, 32, 40, 54, 56, 58, 60, 62, 56, 64};

struct ElfFile {
    const KernelFile& kernel;
    const ElfClass& of;

    /// An address or offset: 4 bytes at `narrow` or 8 at `wide`.
    u64 word(u64 at) const { return of.wide ? kernel.field<u64>(at) : kernel.field<u32>(at); }
    u64 word(u64 base, u64 narrow, u64 wide) const { return word(base + (of.wide ? wide : narrow)); }
};

struct Segment {
    u64 offset, virtual_address, address, file_size, memory_size;
};

std::string bytes_at(u64 bytes, u64 offset) { return std::to_string(bytes) + " bytes from offset " + boot_hex(offset); }

/// Whether `count` entries of `size` bytes lie in the file from `offset` on. No product here can overflow: both are
/// 16-bit fields.
bool table_fits(const KernelFile& kernel, u64 offset, u64 count, u64 size) {
    return offset <= kernel.size() && count * size <= kernel.size() - offset;
}

Expected<Segment> read_segment(const ElfFile& elf, u64 at, const std::string& name, const ElfOptions& options) {
    const KernelFile& kernel = elf.kernel;
    const Segment s{elf.word(at, 4, 8), elf.word(at, 8, 16), elf.word(at, 12, 24), elf.word(at, 16, 32),
                    elf.word(at, 20, 40)};
    if (s.file_size > s.memory_size)
        return kernel.error(name + " takes " + bytes_at(s.file_size, s.offset) + ", more than its own size of " +
                            boot_hex(s.memory_size));
    if (s.offset > kernel.size() || s.file_size > kernel.size() - s.offset)
        return kernel.error(name + " takes " + bytes_at(s.file_size, s.offset) + ", past the file's end");
    if (s.memory_size > kernel.memory_end || s.address > ~s.memory_size)
        return kernel.error(name + " of " + boot_hex(s.memory_size) + " bytes at " + boot_hex(s.address) +
                            " is larger than this machine's memory (--memory)");
    if (!options.movable)
        if (auto good = kernel.check_range(s.address, s.memory_size, name); !good) return tl::unexpected(good.error());
    return s;
}

Expected<std::vector<Segment>> read_segments(const ElfFile& elf, const ElfOptions& options) {
    const KernelFile& kernel = elf.kernel;
    const u64 table = elf.word(elf.of.segments), size = kernel.field<u16>(elf.of.segment_size),
              count = kernel.field<u16>(elf.of.segment_count);
    if (count == 0 || size < elf.of.least_segment || !table_fits(kernel, table, count, size))
        return kernel.error("the ELF program headers (offset " + boot_hex(table) + ", " + std::to_string(count) +
                            " of " + std::to_string(size) + " bytes) lie past the file's end or are too small");
    std::vector<Segment> segments;
    for (u64 i = 0; i < count; ++i) {
        const u64 at = table + i * size;
        if (kernel.field<u32>(at) != segment_load || elf.word(at, 20, 40) == 0) continue;
        const auto name = "segment " + std::to_string(i) + " (program header at offset " + boot_hex(at) + ")";
        auto segment = read_segment(elf, at, name, options);
        if (!segment) return tl::unexpected(segment.error());
        segments.push_back(*segment);
    }
    if (segments.empty()) return kernel.error("the ELF file has nothing to load");
    return segments;
}

bool is_elf(const KernelFile& kernel) { return kernel.field<u32>(0) == elf_magic; }

Expected<const ElfClass*> elf_class(const KernelFile& kernel) {
    if (!is_elf(kernel)) return kernel.error("it is no ELF file, and its header gives no load addresses");
    const unsigned bits = kernel.field<u8>(4), order = kernel.field<u8>(5), machine = kernel.field<u16>(18);
    constexpr unsigned i386 = 3, x86_64 = 62;
    if (bits != 1 && bits != 2) return kernel.error("unknown ELF class " + std::to_string(bits) + " at offset 4h");
    if (order != 1 || machine != (bits == 1 ? i386 : x86_64))
        return kernel.error("the ELF file is not for the " + std::string(bits == 1 ? "i386" : "x86-64") +
                            " (e_machine at offset 12h is " + std::to_string(machine) + ")");
    return bits == 1 ? &elf32 : &elf64;
}

/// One section that no segment holds: its bytes go behind the image.
Expected<> append_section(const ElfFile& elf, KernelImage& image, Bytes& header, const std::string& name) {
    const KernelFile& kernel = elf.kernel;
    const auto word = [&](std::size_t narrow, std::size_t wide) {
        return elf.of.wide ? get_le<u64>(header, wide) : get_le<u32>(header, narrow);
    };
    constexpr u32 nothing = 0, no_bits = 8, allocated = 2;
    const u32 type = get_le<u32>(header, 4);
    const u64 offset = word(16, 24), size = word(20, 32);
    if (type == nothing || type == no_bits || size == 0 || (word(8, 8) & allocated) != 0 || word(12, 16) != 0)
        return {};
    if (offset > kernel.size() || size > kernel.size() - offset)
        return kernel.error(name + " takes " + bytes_at(size, offset) + ", past the file's end");
    const u64 alignment = std::clamp<u64>(word(32, 48), 8, 4096);
    const u64 start = (image.end() + alignment - 1) / alignment * alignment;
    if (start > kernel.memory_end || size > kernel.memory_end - start)
        return kernel.error(name + " of " + std::to_string(size) + " bytes does not fit in memory behind the kernel: " +
                            "give the machine more (--memory), or strip the file");
    image.bytes.resize(static_cast<std::size_t>(start - image.address));
    append(image.bytes,
           std::span(kernel.file.bytes).subspan(static_cast<std::size_t>(offset), static_cast<std::size_t>(size)));
    if (elf.of.wide)
        put_le<u64>(header, 16, start);
    else
        put_le<u32>(header, 12, static_cast<u32>(start));
    return {};
}

} // namespace

std::string boot_hex(u64 value) {
    char text[17];
    const auto end = std::to_chars(text, text + sizeof text, value, 16).ptr;
    return std::string(text, end) + "h";
}

tl::unexpected<Error> KernelFile::error(const std::string& text) const {
    return fail("kernel '" + file.name + "': " + text);
}

Expected<> KernelFile::check_range(u64 start, u64 bytes, const std::string& what) const {
    using namespace multiboot_memory;
    if (low && start >= low_start && start < low_end && bytes <= low_end - start) return {};
    if (start < lowest_load)
        return error(what + " loads at " + boot_hex(start) +
                     ", below 1 MiB, where the BIOS and the boot information are");
    if (start > memory_end || bytes > memory_end - start)
        return error(what + " reaches to " + boot_hex(start + bytes) + "; this machine's memory is usable to " +
                     boot_hex(memory_end) + " (--memory)");
    return {};
}

Expected<KernelImage> load_by_addresses(const KernelFile& kernel, u64 header, const HeaderAddresses& a) {
    const auto where = " (header at offset " + boot_hex(header) + ")";
    if (a.header < a.load || a.header - a.load > header)
        return kernel.error("header_addr " + boot_hex(a.header) + " does not match load_addr " + boot_hex(a.load) +
                            where);
    const u64 file_start = header - (a.header - a.load);
    const u64 available = kernel.size() - file_start;
    if (a.load_end != 0 && (a.load_end < a.load || a.load_end - a.load > available))
        return kernel.error("load_end_addr " + boot_hex(a.load_end) + " lies past the file's end" + where);
    const u64 loaded = a.load_end == 0 ? available : a.load_end - a.load;
    const u64 size = std::max(a.load + loaded, a.bss_end) - a.load;
    if (size > kernel.memory_end)
        return kernel.error("it reaches to " + boot_hex(a.load + size) + where +
                            ", beyond this machine's memory (--memory)");
    KernelImage image{a.load, 0, Bytes(static_cast<std::size_t>(size))};
    std::copy_n(kernel.file.bytes.begin() + static_cast<std::ptrdiff_t>(file_start), loaded, image.bytes.begin());
    return image;
}

Expected<KernelImage> load_elf(const KernelFile& kernel, const ElfOptions& options) {
    const auto of = elf_class(kernel);
    if (!of) return tl::unexpected(of.error());
    const ElfFile elf{kernel, **of};
    const auto segments = read_segments(elf, options);
    if (!segments) return tl::unexpected(segments.error());
    u64 start = ~u64{0}, end = 0;
    for (const auto& s : *segments) {
        start = std::min(start, s.address);
        end = std::max(end, s.address + s.memory_size);
    }
    if (end - start > kernel.memory_end)
        return kernel.error("its segments spread from " + boot_hex(start) + " to " + boot_hex(end) +
                            ", more than this machine's memory (--memory)");
    const u64 entry = elf.word(elf.of.entry);
    KernelImage image{start, ~u64{0}, Bytes(static_cast<std::size_t>(end - start))};
    for (const auto& s : *segments) {
        std::copy_n(kernel.file.bytes.begin() + static_cast<std::ptrdiff_t>(s.offset), s.file_size,
                    image.bytes.begin() + static_cast<std::ptrdiff_t>(s.address - start));
        // Kernels linked high name a virtual entry; the processor starts without paging. A physical one wins.
        if (entry >= s.address && entry - s.address < s.memory_size)
            image.entry = entry;
        else if (image.entry == ~u64{0} && entry >= s.virtual_address && entry - s.virtual_address < s.memory_size)
            image.entry = entry - s.virtual_address + s.address;
    }
    if (image.entry == ~u64{0} && !options.own_entry)
        return kernel.error("the entry point " + boot_hex(entry) + " lies in no segment");
    return image;
}

namespace {

/// A note segment: {name size, description size, type, name, description}, each part on a multiple of 4 bytes.
std::optional<u64> entry_note(const KernelFile& kernel, u64 at, u64 end) {
    constexpr u32 phys32_entry = 18, xen = 0x006E'6558; // "Xen" and its zero
    while (at + 12 <= end) {
        const u64 name_size = kernel.field<u32>(at), size = kernel.field<u32>(at + 4);
        const u64 description = at + 12 + ((name_size + 3) & ~u64{3});
        if (description + size > end) return std::nullopt;
        if (kernel.field<u32>(at + 8) == phys32_entry && name_size == 4 && kernel.field<u32>(at + 12) == xen &&
            size >= 4)
            return kernel.field<u32>(description);
        at = description + ((size + 3) & ~u64{3});
    }
    return std::nullopt;
}

} // namespace

std::optional<u64> find_pvh_entry(const NamedBytes& file) {
    const KernelFile kernel{file, 0};
    const auto of = elf_class(kernel);
    if (!of) return std::nullopt;
    const ElfFile elf{kernel, **of};
    const u64 table = elf.word(elf.of.segments), size = kernel.field<u16>(elf.of.segment_size),
              count = kernel.field<u16>(elf.of.segment_count);
    if (size < elf.of.least_segment || !table_fits(kernel, table, count, size)) return std::nullopt;
    for (u64 i = 0; i < count; ++i) {
        const u64 at = table + i * size, offset = elf.word(at, 4, 8), bytes = elf.word(at, 16, 32);
        constexpr u32 note = 4;
        if (kernel.field<u32>(at) != note || offset > kernel.size() || bytes > kernel.size() - offset) continue;
        if (const auto entry = entry_note(kernel, offset, offset + bytes)) return entry;
    }
    return std::nullopt;
}

Expected<SectionTable> load_sections(const KernelFile& kernel, KernelImage& image) {
    if (!is_elf(kernel)) return SectionTable{};
    const auto of = elf_class(kernel);
    if (!of) return SectionTable{}; // a kernel loaded by its header's addresses may be wrapped in anything
    const ElfFile elf{kernel, **of};
    const u64 table = elf.word(elf.of.sections), size = kernel.field<u16>(elf.of.section_size),
              count = kernel.field<u16>(elf.of.section_count);
    if (table == 0 || count == 0) return SectionTable{};
    if (size < elf.of.least_section || !table_fits(kernel, table, count, size))
        return kernel.error("the ELF section headers (offset " + boot_hex(table) + ", " + std::to_string(count) +
                            " of " + std::to_string(size) + " bytes) lie past the file's end or are too small");
    SectionTable sections{static_cast<u32>(count), static_cast<u32>(size), kernel.field<u16>(elf.of.section_names), {}};
    for (u64 i = 0; i < count; ++i) {
        const u64 at = table + i * size;
        const auto from = kernel.file.bytes.begin() + static_cast<std::ptrdiff_t>(at);
        Bytes header(from, from + static_cast<std::ptrdiff_t>(size));
        const auto name = "section " + std::to_string(i) + " (section header at offset " + boot_hex(at) + ")";
        if (auto good = append_section(elf, image, header, name); !good) return tl::unexpected(good.error());
        append(sections.headers, header);
    }
    return sections;
}

Expected<std::vector<PlacedModule>> place_modules(const KernelFile& kernel, KernelImage& image,
                                                  const std::vector<MultibootModule>& modules) {
    std::vector<PlacedModule> placed;
    for (const auto& module : modules) {
        const u64 start = (image.end() + page_mask) & ~page_mask;
        const u64 end = start + module.bytes.size();
        if (end > kernel.memory_end)
            return fail("multiboot module '" + module.command_line + "' of " + std::to_string(module.bytes.size()) +
                        " bytes does not fit below " + boot_hex(kernel.memory_end) +
                        ": give the machine more memory (--memory)");
        image.bytes.resize(static_cast<std::size_t>(start - image.address));
        append(image.bytes, module.bytes);
        placed.push_back({start, end});
    }
    return placed;
}

DirectBoot multiboot_items(const std::string& rom_name, std::span<const u8> rom, KernelImage image, u64 info_address,
                           Bytes info, const VideoRequest& video) {
    DirectBoot boot;
    boot.boot_path = "/rom@genroms/" + rom_name;
    const auto number = [&](u16 key, u64 value) { boot.items.push_back(fw_cfg_number(key, static_cast<u32>(value))); };
    number(fw_cfg_key::kernel_entry, image.entry);
    number(fw_cfg_key::kernel_address, image.address);
    number(fw_cfg_key::kernel_size, image.bytes.size());
    boot.items.push_back(fw_cfg_bytes(fw_cfg_key::kernel_data, std::move(image.bytes)));
    number(fw_cfg_key::initrd_address, info_address);
    number(fw_cfg_key::initrd_size, info.size());
    boot.items.push_back(fw_cfg_bytes(fw_cfg_key::initrd_data, std::move(info)));
    constexpr u32 wants_graphics = 0x100;
    number(fw_cfg_key::setup_address, video.graphics ? (video.width & 0xFFFF) | (video.height & 0xFFFF) << 16 : 0);
    number(fw_cfg_key::setup_size, video.graphics ? wants_graphics | std::min(video.depth, 0xFFu) : 0);
    boot.items.push_back(fw_cfg_file("genroms/" + rom_name, finish_option_rom(rom)));
    return boot;
}

} // namespace glassbox
