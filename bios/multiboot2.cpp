// Reads a multiboot2 kernel and lays it out with its modules and the boot information.
//
// Multiboot2 specification, version 2.0 (1.6 before it): header 3.1, I386 machine state 3.3, boot information 3.6. What
// only the running machine knows is appended by bios/multiboot2.asm: memory sizes and map, ACPI and SMBIOS pointers,
// the framebuffer, the end tag. EFI tags of the header are understood and do not apply to a BIOS machine; no BIOS boot
// device, APM, EFI or network tag is passed, because there is none. Command lines are the words after the file's name,
// as GRUB has it.
#include "bios/embedded.hpp"
#include "bios/kernel_image.hpp"

#include <algorithm>
#include <tuple>

namespace glassbox {

namespace {

constexpr u32 header_magic = 0xE852'50D6;
constexpr std::size_t header_window = 32768;
constexpr u32 architecture_i386 = 0;

namespace header_tag { // 3.1.3 - 3.1.13
constexpr u16 end = 0, information_request = 1, addresses = 2, entry = 3, console = 4, framebuffer = 5,
              module_align = 6, efi_boot_services = 7, efi_entry_i386 = 8, efi_entry_amd64 = 9, relocatable = 10;
}
namespace info_tag { // 3.6
constexpr u32 command_line = 1, loader_name = 2, module = 3, elf_sections = 9, load_base = 21, last_known = 21;
}

struct Relocation {
    u64 lowest = 0, highest = 0, alignment = 1;
    enum { none = 0, low = 1, high = 2 } preference = none;
};

struct Header {
    u64 offset = 0;
    std::optional<HeaderAddresses> addresses;
    std::optional<u64> entry;
    std::optional<Relocation> relocation;
    VideoRequest video;
};

std::optional<std::size_t> find_header(std::span<const u8> kernel) {
    for (std::size_t at = 0; at + 16 <= std::min(kernel.size(), header_window); at += 8) {
        if (get_le<u32>(kernel, at) != header_magic) continue;
        u32 sum = 0;
        for (std::size_t i = 0; i < 16; i += 4) sum += get_le<u32>(kernel, at + i);
        if (sum == 0) return at;
    }
    return std::nullopt;
}

/// One tag of the header, its size already known to lie in it.
struct Tag {
    const KernelFile& kernel;
    u64 offset;
    u16 type;
    bool optional;
    u64 size;

    u32 field(u64 at) const { return kernel.field<u32>(offset + at); }
    std::string name() const { return "the header tag " + std::to_string(type) + " at offset " + boot_hex(offset); }
    tl::unexpected<Error> error(const std::string& text) const { return kernel.error(name() + " " + text); }
};

Expected<> read_information_request(const Tag& tag) {
    if (tag.optional) return {};
    for (u64 at = 8; at + 4 <= tag.size; at += 4)
        if (tag.field(at) > info_tag::last_known)
            return tag.error("requires boot information " + std::to_string(tag.field(at)) + " (offset " +
                             boot_hex(tag.offset + at) + "), which is not known");
    return {};
}

Expected<> read_relocation(Header& header, const Tag& tag) {
    Relocation r{tag.field(8), tag.field(12), tag.field(16), Relocation::none};
    const u32 preference = tag.field(20);
    if (r.alignment == 0 || (r.alignment & (r.alignment - 1)) != 0)
        return tag.error("has an alignment of " + boot_hex(r.alignment) + ", which is no power of two");
    if (r.lowest > r.highest)
        return tag.error("allows addresses from " + boot_hex(r.lowest) + " to " + boot_hex(r.highest));
    if (preference == Relocation::low) r.preference = Relocation::low;
    if (preference == Relocation::high) r.preference = Relocation::high;
    header.relocation = r;
    return {};
}

/// GRUB's reading of the framebuffer tag: 80 x 25 without depth is the text mode, zeros are any graphics mode.
VideoRequest read_framebuffer(const Tag& tag) {
    const u32 width = tag.field(8), height = tag.field(12), depth = tag.field(16);
    const bool text = depth == 0 && width == 80 && height == 25;
    return {!text, width, height, depth};
}

Expected<> read_tag(Header& header, const Tag& tag) {
    const auto needs = [&](u64 size) -> Expected<> {
        if (tag.size >= size) return {};
        return tag.error("has " + std::to_string(tag.size) + " bytes; it takes " + std::to_string(size));
    };
    switch (tag.type) {
    case header_tag::information_request: return read_information_request(tag);
    case header_tag::addresses:
        if (auto good = needs(24); !good) return good;
        header.addresses = HeaderAddresses{tag.field(8), tag.field(12), tag.field(16), tag.field(20)};
        return {};
    case header_tag::entry:
        if (auto good = needs(12); !good) return good;
        header.entry = tag.field(8);
        return {};
    case header_tag::framebuffer:
        if (auto good = needs(20); !good) return good;
        header.video = read_framebuffer(tag);
        return {};
    case header_tag::relocatable:
        if (auto good = needs(24); !good) return good;
        return read_relocation(header, tag);
    case header_tag::console:      // screen and serial port are both there
    case header_tag::module_align: // modules always begin on a page
    case header_tag::efi_boot_services:
    case header_tag::efi_entry_i386:
    case header_tag::efi_entry_amd64: return {};
    default: break;
    }
    if (tag.optional) return {};
    return tag.error("is required but not known");
}

Expected<Header> read_header(const KernelFile& kernel, u64 offset) {
    Header header{.offset = offset, .addresses = {}, .entry = {}, .relocation = {}, .video = {}};
    const u64 length = kernel.field<u32>(offset + 8);
    if (const u32 architecture = kernel.field<u32>(offset + 4); architecture != architecture_i386)
        return kernel.error("its header at offset " + boot_hex(offset) + " is for architecture " +
                            std::to_string(architecture) + "; this machine's is 0 (i386)");
    if (length < 16 || length > kernel.size() - offset)
        return kernel.error("its header at offset " + boot_hex(offset) + " gives its length as " +
                            std::to_string(length) + ", past the file's end or too little");
    const u64 end = offset + length;
    u64 at = offset + 16;
    while (at + 8 <= end) {
        const u16 type = kernel.field<u16>(at);
        const Tag tag{kernel, at, type, (kernel.field<u16>(at + 2) & 1) != 0, kernel.field<u32>(at + 4)};
        if (type == header_tag::end) return header;
        if (tag.size < 8 || tag.size > end - at)
            return tag.error("has a size of " + std::to_string(tag.size) + ", which does not fit into the header");
        if (auto good = read_tag(header, tag); !good) return tl::unexpected(good.error());
        at += (tag.size + 7) & ~u64{7};
    }
    return kernel.error("the header from offset " + boot_hex(offset) + " to " + boot_hex(end) + " has no end tag");
}

/// The first place for `bytes` in what the header and the machine allow, from below or from above.
std::optional<u64> find_place(const KernelFile& kernel, const Relocation& r, u64 bytes) {
    const u64 mask = r.alignment - 1;
    const u64 lowest = (std::max(r.lowest, multiboot_memory::lowest_load) + mask) & ~mask;
    const u64 end = std::min(kernel.memory_end, r.highest == 0xFFFF'FFFF ? kernel.memory_end : r.highest + 1);
    if (bytes > end || lowest > end - bytes) return std::nullopt;
    if (r.preference != Relocation::high) return lowest;
    const u64 highest = (end - bytes) & ~mask;
    return highest >= lowest ? std::optional(highest) : std::nullopt;
}

/// Moves the whole image: segments keep their distances, and the entry goes with them. `room` is what follows it.
Expected<> relocate(const KernelFile& kernel, const Relocation& r, KernelImage& image, u64 room) {
    const u64 size = image.bytes.size();
    const bool fits = image.address >= std::max(r.lowest, multiboot_memory::lowest_load) && size <= kernel.memory_end &&
                      image.address <= kernel.memory_end - size && image.address + size - 1 <= r.highest &&
                      (image.address & (r.alignment - 1)) == 0;
    u64 place = image.address;
    if (r.preference != Relocation::none || !fits) {
        auto found = find_place({kernel.file, kernel.memory_end > room ? kernel.memory_end - room : 0}, r, size);
        if (!found)
            return kernel.error("no place for its " + boot_hex(size) + " bytes between " + boot_hex(r.lowest) +
                                " and " + boot_hex(r.highest) +
                                ", the addresses its relocatable tag allows, in this machine's memory (--memory)");
        place = *found;
    }
    image.entry = image.entry - image.address + place;
    image.address = place;
    return {};
}

Expected<KernelImage> load_image(const KernelFile& kernel, const Header& header, u64 room) {
    Expected<KernelImage> image;
    if (header.addresses) {
        HeaderAddresses a = *header.addresses;
        // A load address of -1: the file's first byte lies as far before the header as in the file.
        if (a.load == 0xFFFF'FFFF) a.load = a.header >= header.offset ? a.header - header.offset : a.header;
        if (!header.entry)
            return kernel.error("its header at offset " + boot_hex(header.offset) +
                                " has load addresses but no entry address tag");
        image = load_by_addresses(kernel, header.offset, a);
    } else {
        image = load_elf(kernel, {.movable = header.relocation.has_value()});
    }
    if (!image) return image;
    if (header.entry) image->entry = *header.entry;
    if (image->entry < image->address || image->entry >= image->end())
        return kernel.error("the entry address " + boot_hex(image->entry) +
                            " lies outside the loaded image (header at offset " + boot_hex(header.offset) + ")");
    if (header.relocation)
        if (auto good = relocate(kernel, *header.relocation, *image, room); !good) return tl::unexpected(good.error());
    if (auto good = kernel.check_range(image->address, image->bytes.size(), "it"); !good)
        return tl::unexpected(good.error());
    return image;
}

/// The tags of the boot information, each on a multiple of 8 bytes.
struct Information {
    Bytes block = Bytes(8); ///< total size, reserved

    std::size_t begin(u32 type) {
        const std::size_t at = block.size();
        append_le<u32>(block, type);
        append_le<u32>(block, u32{0});
        return at;
    }
    void finish(std::size_t at) {
        put_le<u32>(block, at + 4, static_cast<u32>(block.size() - at));
        align_to(block, 8);
        put_le<u32>(block, 0, static_cast<u32>(block.size()));
    }
    void text(u32 type, const std::string& value, std::initializer_list<u32> before = {}) {
        const std::size_t at = begin(type);
        for (const u32 number : before) append_le<u32>(block, number);
        append_text(block, value);
        block.push_back(0);
        finish(at);
    }
};

/// What follows the file's name.
std::string arguments_of(const std::string& command_line) {
    const auto space = command_line.find(' ');
    return space == std::string::npos ? std::string{} : command_line.substr(space + 1);
}

Bytes build_information(const std::vector<MultibootModule>& modules, const std::vector<PlacedModule>& placed,
                        const SectionTable& sections, const std::string& command_line, std::optional<u64> load_base) {
    Information out;
    out.text(info_tag::command_line, command_line);
    out.text(info_tag::loader_name, "GlassBox");
    for (std::size_t i = 0; i < modules.size(); ++i)
        out.text(info_tag::module, arguments_of(modules[i].command_line),
                 {static_cast<u32>(placed[i].start), static_cast<u32>(placed[i].end)});
    if (sections.count != 0) {
        const auto at = out.begin(info_tag::elf_sections);
        for (const u32 number : {sections.count, sections.entry_size, sections.names})
            append_le<u32>(out.block, number);
        append(out.block, sections.headers);
        out.finish(at);
    }
    if (load_base) {
        const auto at = out.begin(info_tag::load_base);
        append_le<u32>(out.block, static_cast<u32>(*load_base));
        out.finish(at);
    }
    return out.block;
}

} // namespace

bool is_multiboot2(std::span<const u8> kernel) { return find_header(kernel).has_value(); }

Expected<DirectBoot> prepare_multiboot2(const NamedBytes& file, const std::vector<MultibootModule>& modules,
                                        const std::string& append, u64 memory_bytes) {
    const KernelFile kernel{file, loadable_memory_end(memory_bytes)};
    const auto offset = find_header(file.bytes);
    if (!offset) return kernel.error("no multiboot2 header in its first 32768 bytes");
    const auto header = read_header(kernel, *offset);
    if (!header) return tl::unexpected(header.error());
    u64 room = file.bytes.size(); // for sections behind a kernel that wants to lie as high as it can
    for (const auto& module : modules) room += ((module.bytes.size() + page_mask) & ~page_mask) + page_size;
    auto image = load_image(kernel, *header, room);
    if (!image) return tl::unexpected(image.error());
    const u64 base = image->address;
    const auto sections = load_sections(kernel, *image);
    if (!sections) return tl::unexpected(sections.error());
    const auto placed = place_modules(kernel, *image, modules);
    if (!placed) return tl::unexpected(placed.error());
    Bytes block =
        build_information(modules, *placed, *sections, append, header->relocation ? std::optional(base) : std::nullopt);
    constexpr u64 rom_tags = 0x2000; // what the option ROM appends at most
    if (block.size() > multiboot_memory::info_limit - rom_tags)
        return kernel.error("command lines and section headers take " + std::to_string(block.size()) +
                            " bytes; at most " + std::to_string(multiboot_memory::info_limit - rom_tags) + " fit");
    return multiboot_items("multiboot2.bin", embedded_multiboot2_rom(), std::move(*image),
                           multiboot_memory::info_address, std::move(block), header->video);
}

} // namespace glassbox
