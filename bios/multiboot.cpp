// Reads a multiboot kernel and lays it out with its modules and the boot information.
//
// Multiboot specification 0.6.96: header 3.1, boot information 3.3. ELF: TIS specification 1.2.
// Deviations: no symbol-table entry in the information (its flag bits 4 and 5 are clear); a kernel that asks for a
// video mode gets the text mode it is told about in the framebuffer fields.
#include "bios/direct_boot.hpp"
#include "bios/embedded.hpp"
#include "bios/memory_tables.hpp"

#include <algorithm>
#include <charconv>

namespace glassbox {

namespace {

constexpr u32 header_magic = 0x1BAD'B002;
constexpr std::size_t header_window = 8192;
constexpr u32 flag_page_align = 1u << 0, flag_memory = 1u << 1, flag_video = 1u << 2, flag_addresses = 1u << 16;
constexpr u64 lowest_load = 0x10'0000; // the BIOS, its stack and the boot information live below

namespace info { // boot information, 3.3
constexpr std::size_t flags = 0, cmdline = 16, mods_count = 20, mods_addr = 24, boot_loader_name = 64, framebuffer = 88;
constexpr u32 has_cmdline = 1u << 2, has_mods = 1u << 3, has_loader_name = 1u << 9, has_framebuffer = 1u << 12;
constexpr u64 address = 0x9000, map_offset = 0x80, map_bytes = 128 * 24, limit = 0x7'0000;
} // namespace info

std::string hex(u64 value) {
    char text[17];
    const auto end = std::to_chars(text, text + sizeof text, value, 16).ptr;
    return std::string(text, end) + "h";
}

/// Offset of the header in the file, if there is one.
std::optional<std::size_t> find_header(std::span<const u8> kernel) {
    for (std::size_t at = 0; at + 12 <= std::min(kernel.size(), header_window); at += 4) {
        if (get_le<u32>(kernel, at) != header_magic) continue;
        const u32 sum = header_magic + get_le<u32>(kernel, at + 4) + get_le<u32>(kernel, at + 8);
        if (sum == 0) return at;
    }
    return std::nullopt;
}

/// The kernel as it lies in memory, from its lowest to its highest address.
struct Image {
    u64 address = 0;
    u64 entry = 0;
    Bytes bytes;
};

struct Loader {
    const NamedBytes& file;
    u64 memory_end;

    template <std::unsigned_integral T> T field(u64 offset) const {
        return get_le<T>(file.bytes, static_cast<std::size_t>(offset));
    }
    tl::unexpected<Error> error(const std::string& text) const {
        return fail("multiboot kernel '" + file.name + "': " + text);
    }

    Expected<> check_range(u64 start, u64 end, const std::string& what) const {
        if (start < lowest_load)
            return error(what + " loads at " + hex(start) +
                         ", below 1 MiB, where the BIOS and the boot information are");
        if (end > memory_end)
            return error(what + " reaches to " + hex(end) + "; this machine's memory is usable to " + hex(memory_end) +
                         " (--memory)");
        return {};
    }
    Expected<Image> by_addresses(std::size_t header) const;
    Expected<Image> by_elf() const;
};

Expected<Image> Loader::by_addresses(std::size_t header) const {
    if (header + 32 > file.bytes.size()) return error("the file ends inside the header at offset " + hex(header));
    const u64 header_addr = field<u32>(header + 12), load_addr = field<u32>(header + 16);
    const u64 load_end = field<u32>(header + 20), bss_end = field<u32>(header + 24), entry = field<u32>(header + 28);
    const auto where = " (header at offset " + hex(header) + ")";
    if (header_addr < load_addr || header_addr - load_addr > header)
        return error("header_addr " + hex(header_addr) + " does not match load_addr " + hex(load_addr) + where);
    const u64 file_start = header - (header_addr - load_addr);
    const u64 available = file.bytes.size() - file_start;
    if (load_end != 0 && (load_end < load_addr || load_end - load_addr > available))
        return error("load_end_addr " + hex(load_end) + " lies past the file's end" + where);
    const u64 loaded = load_end == 0 ? available : load_end - load_addr;
    const u64 end = std::max(load_addr + loaded, bss_end);
    if (auto good = check_range(load_addr, end, "it"); !good) return tl::unexpected(good.error());
    if (entry < load_addr || entry >= end)
        return error("entry_addr " + hex(entry) + " lies outside the loaded image" + where);
    Image image{load_addr, entry, Bytes(static_cast<std::size_t>(end - load_addr))};
    std::copy_n(file.bytes.begin() + static_cast<std::ptrdiff_t>(file_start), loaded, image.bytes.begin());
    return image;
}

struct Segment {
    u64 offset, virtual_address, address, file_size, memory_size;
};

Expected<std::vector<Segment>> elf_segments(const Loader& loader) {
    constexpr u32 load_type = 1;
    const u64 size = loader.file.bytes.size();
    const u64 table = loader.field<u32>(28), entry_size = loader.field<u16>(42), count = loader.field<u16>(44);
    if (count == 0 || entry_size < 32 || table > size || count * entry_size > size - table)
        return loader.error("the ELF program headers (offset " + hex(table) + ", " + std::to_string(count) + " of " +
                            std::to_string(entry_size) + " bytes) lie past the file's end");
    std::vector<Segment> segments;
    for (u64 i = 0; i < count; ++i) {
        const u64 at = table + i * entry_size;
        if (loader.field<u32>(at) != load_type) continue;
        const Segment s{loader.field<u32>(at + 4), loader.field<u32>(at + 8), loader.field<u32>(at + 12),
                        loader.field<u32>(at + 16), loader.field<u32>(at + 20)};
        if (s.memory_size == 0) continue;
        const auto name = "segment " + std::to_string(i) + " (program header at offset " + hex(at) + ")";
        if (s.file_size > s.memory_size || s.offset > size || s.file_size > size - s.offset)
            return loader.error(name + " takes " + std::to_string(s.file_size) + " bytes from offset " + hex(s.offset) +
                                ", past the file's end or its own size");
        if (auto good = loader.check_range(s.address, s.address + s.memory_size, name); !good)
            return tl::unexpected(good.error());
        segments.push_back(s);
    }
    if (segments.empty()) return loader.error("the ELF file has nothing to load");
    return segments;
}

Expected<Image> Loader::by_elf() const {
    if (field<u32>(0) != 0x464C'457F)
        return error("it is no ELF file, and its header gives no load addresses (flag bit 16)");
    if (field<u8>(4) != 1)
        return error("it is a 64-bit ELF file; multiboot (version 1) starts 32-bit code: link it as elf32-i386 "
                     "(objcopy -O elf32-i386)");
    if (field<u8>(5) != 1 || field<u16>(18) != 3)
        return error("the ELF file is not for the i386 (e_machine at offset 12h)");
    const auto segments = elf_segments(*this);
    if (!segments) return tl::unexpected(segments.error());
    u64 start = ~u64{0}, end = 0;
    for (const auto& s : *segments) {
        start = std::min(start, s.address);
        end = std::max(end, s.address + s.memory_size);
    }
    const u64 entry = field<u32>(24);
    Image image{start, ~u64{0}, Bytes(static_cast<std::size_t>(end - start))};
    for (const auto& s : *segments) {
        std::copy_n(file.bytes.begin() + static_cast<std::ptrdiff_t>(s.offset), s.file_size,
                    image.bytes.begin() + static_cast<std::ptrdiff_t>(s.address - start));
        // Kernels linked high name a virtual entry; the processor starts without paging. A physical one wins.
        if (entry >= s.address && entry - s.address < s.memory_size)
            image.entry = entry;
        else if (image.entry == ~u64{0} && entry >= s.virtual_address && entry - s.virtual_address < s.memory_size)
            image.entry = entry - s.virtual_address + s.address;
    }
    if (image.entry == ~u64{0}) return error("the entry point " + hex(entry) + " lies in no segment");
    return image;
}

struct PlacedModule {
    u64 start, end;
};

/// Modules follow the kernel's end, each on a page of its own, and travel in the same fw_cfg entry.
Expected<std::vector<PlacedModule>> place_modules(const Loader& loader, Image& image,
                                                  const std::vector<MultibootModule>& modules) {
    std::vector<PlacedModule> placed;
    for (const auto& module : modules) {
        const u64 start = (image.address + image.bytes.size() + page_mask) & ~page_mask;
        const u64 end = start + module.bytes.size();
        if (end > loader.memory_end)
            return fail("multiboot module '" + module.command_line + "' of " + std::to_string(module.bytes.size()) +
                        " bytes does not fit below " + hex(loader.memory_end) +
                        ": give the machine more memory (--memory)");
        image.bytes.resize(static_cast<std::size_t>(start - image.address));
        append(image.bytes, module.bytes);
        placed.push_back({start, end});
    }
    return placed;
}

void put_framebuffer(Bytes& block) {
    constexpr u8 ega_text = 2;
    put_le<u64>(block, info::framebuffer, 0xB8000);
    put_le<u32>(block, info::framebuffer + 8, 160u);
    put_le<u32>(block, info::framebuffer + 12, 80u);
    put_le<u32>(block, info::framebuffer + 16, 25u);
    block[info::framebuffer + 20] = 16;
    block[info::framebuffer + 21] = ega_text;
}

/// The information, the memory map's place (the option ROM fills it), the module list, then the texts.
Bytes build_information(const std::vector<MultibootModule>& modules, const std::vector<PlacedModule>& placed,
                        const std::string& command_line, bool video) {
    Bytes block(info::map_offset + info::map_bytes);
    const auto here = [&] { return static_cast<u32>(info::address + block.size()); };
    u32 flags = info::has_cmdline | info::has_loader_name | info::has_mods;
    put_le<u32>(block, info::mods_count, static_cast<u32>(modules.size()));
    put_le<u32>(block, info::mods_addr, here());
    const std::size_t list = block.size();
    block.resize(list + 16 * modules.size());
    const auto add_text = [&](const std::string& text) {
        const u32 address = here();
        append_text(block, text);
        block.push_back(0);
        return address;
    };
    for (std::size_t i = 0; i < modules.size(); ++i) {
        const u32 text = add_text(modules[i].command_line);
        put_le<u32>(block, list + 16 * i, static_cast<u32>(placed[i].start));
        put_le<u32>(block, list + 16 * i + 4, static_cast<u32>(placed[i].end));
        put_le<u32>(block, list + 16 * i + 8, text);
    }
    const u32 cmdline = add_text(command_line), name = add_text("GlassBox");
    put_le<u32>(block, info::cmdline, cmdline);
    put_le<u32>(block, info::boot_loader_name, name);
    if (video) {
        put_framebuffer(block);
        flags |= info::has_framebuffer;
    }
    put_le<u32>(block, info::flags, flags);
    return block;
}

} // namespace

bool is_multiboot(std::span<const u8> kernel) { return find_header(kernel).has_value(); }

Expected<DirectBoot> prepare_multiboot(const NamedBytes& kernel, const std::vector<MultibootModule>& modules,
                                       const std::string& append, u64 memory_bytes) {
    const Loader loader{kernel, loadable_memory_end(memory_bytes)};
    const auto header = find_header(kernel.bytes);
    if (!header) return loader.error("no multiboot header in its first 8192 bytes");
    const u32 flags = loader.field<u32>(*header + 4);
    constexpr u32 understood = flag_page_align | flag_memory | flag_video;
    if ((flags & 0xFFFF & ~understood) != 0)
        return loader.error("its header at offset " + hex(*header) + " requires unknown features (flags " + hex(flags) +
                            ")");
    auto image = (flags & flag_addresses) != 0 ? loader.by_addresses(*header) : loader.by_elf();
    if (!image) return tl::unexpected(image.error());
    const auto placed = place_modules(loader, *image, modules);
    if (!placed) return tl::unexpected(placed.error());
    const std::string command_line = append.empty() ? kernel.name : kernel.name + " " + append;
    Bytes block = build_information(modules, *placed, command_line, (flags & flag_video) != 0);
    if (block.size() > info::limit)
        return loader.error("the command lines take " + std::to_string(block.size()) + " bytes; at most " +
                            std::to_string(info::limit) + " fit");

    DirectBoot boot;
    boot.boot_path = "/rom@genroms/multiboot.bin";
    const auto number = [&](u16 key, u64 value) { boot.items.push_back(fw_cfg_number(key, static_cast<u32>(value))); };
    number(fw_cfg_key::kernel_entry, image->entry);
    number(fw_cfg_key::kernel_address, image->address);
    number(fw_cfg_key::kernel_size, image->bytes.size());
    boot.items.push_back(fw_cfg_bytes(fw_cfg_key::kernel_data, std::move(image->bytes)));
    number(fw_cfg_key::initrd_address, info::address);
    number(fw_cfg_key::initrd_size, block.size());
    boot.items.push_back(fw_cfg_bytes(fw_cfg_key::initrd_data, std::move(block)));
    boot.items.push_back(fw_cfg_file("genroms/multiboot.bin", finish_option_rom(embedded_multiboot_rom())));
    return boot;
}

} // namespace glassbox
