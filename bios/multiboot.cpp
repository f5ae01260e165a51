// Reads a multiboot (version 1) kernel and lays it out with its modules and the boot information.
//
// Multiboot specification 0.6.96: header 3.1, machine state 3.2, boot information 3.3. A 64-bit ELF file is taken too,
// as GRUB does: its code at the entry is 32-bit all the same.
#include "bios/embedded.hpp"
#include "bios/kernel_image.hpp"
#include "bios/memory_tables.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr u32 header_magic = 0x1BAD'B002;
constexpr std::size_t header_window = 8192;
constexpr u32 flag_page_align = 1u << 0, flag_memory = 1u << 1, flag_video = 1u << 2, flag_addresses = 1u << 16;

namespace info { // boot information, 3.3
constexpr std::size_t flags = 0, cmdline = 16, mods_count = 20, mods_addr = 24, elf_sections = 28,
                      boot_loader_name = 64, framebuffer = 88;
constexpr u32 has_cmdline = 1u << 2, has_mods = 1u << 3, has_elf_sections = 1u << 5, has_loader_name = 1u << 9,
              has_framebuffer = 1u << 12;
constexpr u64 map_offset = 0x80, map_bytes = 128 * 24;
} // namespace info

/// Offset of the header in the file, if there is one.
std::optional<std::size_t> find_header(std::span<const u8> kernel) {
    for (std::size_t at = 0; at + 12 <= std::min(kernel.size(), header_window); at += 4) {
        if (get_le<u32>(kernel, at) != header_magic) continue;
        const u32 sum = header_magic + get_le<u32>(kernel, at + 4) + get_le<u32>(kernel, at + 8);
        if (sum == 0) return at;
    }
    return std::nullopt;
}

Expected<KernelImage> by_addresses(const KernelFile& kernel, u64 header) {
    if (header + 32 > kernel.size())
        return kernel.error("the file ends inside the header at offset " + boot_hex(header));
    auto image = load_by_addresses(kernel, header,
                                   {kernel.field<u32>(header + 12), kernel.field<u32>(header + 16),
                                    kernel.field<u32>(header + 20), kernel.field<u32>(header + 24)});
    if (!image) return image;
    if (auto good = kernel.check_range(image->address, image->bytes.size(), "it"); !good)
        return tl::unexpected(good.error());
    image->entry = kernel.field<u32>(header + 28);
    if (image->entry < image->address || image->entry >= image->end())
        return kernel.error("entry_addr " + boot_hex(image->entry) +
                            " lies outside the loaded image (header at offset " + boot_hex(header) + ")");
    return image;
}

/// The text mode that the machine is in; the option ROM puts a graphics mode in its place when it could set one.
void put_framebuffer(Bytes& block) {
    constexpr u8 ega_text = 2;
    put_le<u64>(block, info::framebuffer, 0xB8000);
    put_le<u32>(block, info::framebuffer + 8, 160u);
    put_le<u32>(block, info::framebuffer + 12, 80u);
    put_le<u32>(block, info::framebuffer + 16, 25u);
    block[info::framebuffer + 20] = 16;
    block[info::framebuffer + 21] = ega_text;
}

/// Appends to the block and knows where that will lie in memory.
struct Information {
    u64 address;
    Bytes block = Bytes(info::map_offset + info::map_bytes);

    u32 here() const { return static_cast<u32>(address + block.size()); }
    u32 add_text(const std::string& text) {
        const u32 place = here();
        append_text(block, text);
        block.push_back(0);
        return place;
    }
};

void put_modules(Information& out, const std::vector<MultibootModule>& modules,
                 const std::vector<PlacedModule>& placed) {
    put_le<u32>(out.block, info::mods_count, static_cast<u32>(modules.size()));
    put_le<u32>(out.block, info::mods_addr, out.here());
    const std::size_t list = out.block.size();
    out.block.resize(list + 16 * modules.size());
    for (std::size_t i = 0; i < modules.size(); ++i) {
        const u32 text = out.add_text(modules[i].command_line);
        put_le<u32>(out.block, list + 16 * i, static_cast<u32>(placed[i].start));
        put_le<u32>(out.block, list + 16 * i + 4, static_cast<u32>(placed[i].end));
        put_le<u32>(out.block, list + 16 * i + 8, text);
    }
}

void put_sections(Information& out, const SectionTable& sections) {
    align_to(out.block, 8);
    put_le<u32>(out.block, info::elf_sections, sections.count);
    put_le<u32>(out.block, info::elf_sections + 4, sections.entry_size);
    put_le<u32>(out.block, info::elf_sections + 8, out.here());
    put_le<u32>(out.block, info::elf_sections + 12, sections.names);
    append(out.block, sections.headers);
}

/// The information, the memory map's place (the option ROM fills it), the module list, the texts, the section headers.
Bytes build_information(const std::vector<MultibootModule>& modules, const std::vector<PlacedModule>& placed,
                        const SectionTable& sections, const std::string& command_line, bool video, u64 address) {
    Information out{address};
    u32 flags = info::has_cmdline | info::has_loader_name | info::has_mods;
    put_modules(out, modules, placed);
    const u32 cmdline = out.add_text(command_line), name = out.add_text("GlassBox");
    put_le<u32>(out.block, info::cmdline, cmdline);
    put_le<u32>(out.block, info::boot_loader_name, name);
    if (sections.count != 0) {
        put_sections(out, sections);
        flags |= info::has_elf_sections;
    }
    if (video) {
        put_framebuffer(out.block);
        flags |= info::has_framebuffer;
    }
    put_le<u32>(out.block, info::flags, flags);
    return out.block;
}

VideoRequest video_request(const KernelFile& kernel, u64 header) {
    const bool text = kernel.field<u32>(header + 32) != 0;
    return {!text, kernel.field<u32>(header + 36), kernel.field<u32>(header + 40), kernel.field<u32>(header + 44)};
}

} // namespace

bool is_multiboot(std::span<const u8> kernel) { return find_header(kernel).has_value(); }

Expected<DirectBoot> prepare_multiboot(const NamedBytes& file, const std::vector<MultibootModule>& modules,
                                       const std::string& append, u64 memory_bytes) {
    const KernelFile kernel{file, loadable_memory_end(memory_bytes), true};
    const auto header = find_header(file.bytes);
    if (!header) return kernel.error("no multiboot header in its first 8192 bytes");
    const u32 flags = kernel.field<u32>(*header + 4);
    constexpr u32 understood = flag_page_align | flag_memory | flag_video;
    if ((flags & 0xFFFF & ~understood) != 0)
        return kernel.error("its header at offset " + boot_hex(*header) + " requires unknown features (flags " +
                            boot_hex(flags) + ")");
    const bool video = (flags & flag_video) != 0;
    if (video && *header + 48 > kernel.size())
        return kernel.error("the file ends inside the header at offset " + boot_hex(*header));
    auto image = (flags & flag_addresses) != 0 ? by_addresses(kernel, *header) : load_elf(kernel);
    if (!image) return tl::unexpected(image.error());
    const auto sections = load_sections(kernel, *image);
    if (!sections) return tl::unexpected(sections.error());
    const auto placed = place_modules(kernel, *image, modules);
    if (!placed) return tl::unexpected(placed.error());
    const std::string command_line = append.empty() ? file.name : file.name + " " + append;
    using namespace multiboot_memory;
    const bool low = image->address < lowest_load;
    if (low && image->end() > low_end)
        return kernel.error("below 1 MiB it and its modules reach to " + boot_hex(image->end()) + "; " +
                            boot_hex(low_end) + " is the end of what is free there");
    const u64 info_at = low ? (image->end() + 15) & ~u64{15} : info_address;
    Bytes block = build_information(modules, *placed, *sections, command_line, video, info_at);
    if (block.size() > info_address + info_limit - info_at)
        return kernel.error("command lines and section headers take " + std::to_string(block.size()) +
                            " bytes; at most " + std::to_string(info_address + info_limit - info_at) + " fit");
    return multiboot_items("multiboot.bin", embedded_multiboot_rom(), std::move(*image), info_at, std::move(block),
                           video ? video_request(kernel, *header) : VideoRequest{});
}

} // namespace glassbox
