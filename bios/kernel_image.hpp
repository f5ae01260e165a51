// A kernel file as it will lie in memory: by the addresses of its multiboot header, or by its ELF program headers.
//
// Shared by both multiboot versions. Nothing past the file's end is ever read, whatever the headers say; an error names
// the file, the offset and the reason.
#pragma once

#include "bios/direct_boot.hpp"

namespace glassbox {

/// From the kernel's lowest to its highest address; what is behind it (symbols, modules) grows at the end.
struct KernelImage {
    u64 address = 0;
    u64 entry = 0;
    Bytes bytes;
    u64 end() const { return address + bytes.size(); }
};

/// The file with what every step needs of it.
struct KernelFile {
    const NamedBytes& file;
    u64 memory_end;   ///< the end of what may be loaded
    bool low = false; ///< whether the boot information gets out of the way of a small kernel below 1 MiB

    template <std::unsigned_integral T> T field(u64 offset) const {
        return get_le<T>(file.bytes, static_cast<std::size_t>(offset));
    }
    u64 size() const { return file.bytes.size(); }
    tl::unexpected<Error> error(const std::string& text) const;
    /// Whether [start, start + bytes) may be loaded: from 1 MiB to the end of memory, or what the BIOS leaves free
    /// below that.
    Expected<> check_range(u64 start, u64 bytes, const std::string& what) const;
};

/// The header fields of the "a.out kludge". A load_end or bss_end of 0 means the file's end and no BSS.
struct HeaderAddresses {
    u64 header = 0, load = 0, load_end = 0, bss_end = 0;
};
/// `header` is the header's offset in the file. The entry is left to the caller; the range is not checked yet.
Expected<KernelImage> load_by_addresses(const KernelFile& kernel, u64 header, const HeaderAddresses& addresses);

struct ElfOptions {
    bool movable = false;   ///< moved as a whole later: where the segments want to lie is not checked
    bool own_entry = false; ///< the caller knows the entry: the file's own need not lie in a segment
};
/// ELF32 of the i386 or ELF64 of x86-64: an entry in a segment's virtual addresses becomes the physical one.
Expected<KernelImage> load_elf(const KernelFile& kernel, const ElfOptions& options = {});

/// The physical address of an ELF file's PVH entry, if a note names one.
std::optional<u64> find_pvh_entry(const NamedBytes& file);

/// The section headers, for the boot information: those not in a segment (symbols, strings, debugging) are appended to
/// the image and their sh_addr set.
struct SectionTable {
    u32 count = 0, entry_size = 0, names = 0;
    Bytes headers;
};
/// A table of no sections when the file has none or is no ELF file.
Expected<SectionTable> load_sections(const KernelFile& kernel, KernelImage& image);

struct PlacedModule {
    u64 start, end;
};
/// Modules follow the kernel's end, each on a page of its own, and travel in the same fw_cfg entry.
Expected<std::vector<PlacedModule>> place_modules(const KernelFile& kernel, KernelImage& image,
                                                  const std::vector<MultibootModule>& modules);

/// Which display the kernel asks for; a width, height or depth of 0 is any.
struct VideoRequest {
    bool graphics = false;
    u32 width = 0, height = 0, depth = 0;
};
/// The entries that the option ROMs of both versions read. Video keys: width and height packed into the setup address's
/// number, depth and 100h into the setup size's; zero leaves the text mode.
DirectBoot multiboot_items(const std::string& rom_name, std::span<const u8> rom, KernelImage image, u64 info_address,
                           Bytes info, const VideoRequest& video);

/// "12ABh"
std::string boot_hex(u64 value);

namespace multiboot_memory {
inline constexpr u64 lowest_load = 0x10'0000; ///< the BIOS, its stack and the boot information live below
/// Small kernels may also lie here, between the BIOS's stack and the ROM's scratch area: tests of real mode do.
inline constexpr u64 low_start = 0x7C00, low_end = 0x7'0000;
inline constexpr u64 info_address = 0x9000, info_limit = 0x6'E000; ///< the ROM's scratch area lies at 7A000h
} // namespace multiboot_memory

} // namespace glassbox
