// Takes a Linux kernel image apart and lays it out in memory.
//
// Linux kernel documentation, Documentation/x86/boot.rst (protocol 2.15): memory layout, real-mode header at 1F1h.
// Deviation: the 32-bit, 64-bit and EFI handover entries and setup_data are not used. The 16-bit entry works for every
// kernel, 64-bit ones too, and it alone asks the BIOS itself for the memory map and the video modes.
#include "bios/direct_boot.hpp"
#include "bios/embedded.hpp"
#include "bios/memory_tables.hpp"

#include <algorithm>
#include <charconv>

namespace glassbox {

namespace {

namespace header { // offsets in the file
constexpr std::size_t setup_sects = 0x1F1, syssize = 0x1F4, vid_mode = 0x1FA, boot_flag = 0x1FE, magic = 0x202,
                      version = 0x206, type_of_loader = 0x210, loadflags = 0x211, ramdisk_image = 0x218,
                      ramdisk_size = 0x21C, heap_end_ptr = 0x224, cmd_line_ptr = 0x228, initrd_addr_max = 0x22C,
                      cmdline_size = 0x238, init_size = 0x260, pref_address = 0x258, old_cmdline_magic = 0x20,
                      old_cmdline_offset = 0x22;
}
constexpr u32 magic_hdrs = 0x5372'6448; // "HdrS"
constexpr u8 loaded_high = 0x01, can_use_heap = 0x80;
constexpr u8 undefined_loader = 0xFF; // "no assigned ID"
constexpr std::size_t largest_setup = 0x8000;
constexpr u64 high_load_address = 0x10'0000;

std::string hex(u64 value) {
    char text[17];
    const auto end = std::to_chars(text, text + sizeof text, value, 16).ptr;
    return std::string(text, end) + "h";
}

/// Where the parts go.
struct Layout {
    u64 setup_address = 0, cmdline_address = 0, kernel_address = 0;
};

struct Kernel {
    const NamedBytes& file;
    u16 version = 0; ///< 0: before the header existed
    bool high = false;
    std::size_t setup_size = 0;
    u64 payload_size = 0;
    u64 cmdline_limit = 255;        ///< without the terminating zero
    u64 initrd_limit = 0x37FF'FFFF; ///< last usable address
    u64 memory_needed = 0;          ///< end address of the kernel while it unpacks itself

    template <std::unsigned_integral T> T field(std::size_t offset) const { return get_le<T>(file.bytes, offset); }
    tl::unexpected<Error> error(const std::string& text) const { return fail("kernel '" + file.name + "': " + text); }
};

std::string what_it_is(std::span<const u8> bytes) {
    const auto starts = [&](std::initializer_list<u8> magic) {
        return bytes.size() >= magic.size() && std::equal(magic.begin(), magic.end(), bytes.begin());
    };
    if (starts({0x7F, 'E', 'L', 'F'}))
        return "it is an ELF file without a multiboot header or a PVH entry; for Linux give arch/x86/boot/bzImage, or "
               "a "
               "vmlinux that was configured with CONFIG_PVH";
    if (starts({0x1F, 0x8B})) return "it is gzip-compressed; unpack it first";
    if (starts({0x28, 0xB5, 0x2F, 0xFD})) return "it is zstd-compressed; unpack it first";
    return "it is neither a Linux bzImage nor a multiboot kernel";
}

Expected<Kernel> parse(const NamedBytes& file) {
    Kernel kernel{.file = file};
    const u64 size = file.bytes.size();
    if (size < 0x200 || kernel.field<u16>(header::boot_flag) != 0xAA55)
        return kernel.error("no boot flag AA55h at offset 1FEh: " + what_it_is(file.bytes));
    if (kernel.field<u32>(header::magic) == magic_hdrs) {
        kernel.version = kernel.field<u16>(header::version);
        if (kernel.version < 0x200 || kernel.version >= 0x300)
            return kernel.error("unknown boot protocol version " + hex(kernel.version) + " at offset 206h");
        kernel.high = (kernel.field<u8>(header::loadflags) & loaded_high) != 0;
    } else if (size < 0x400 || kernel.field<u8>(header::setup_sects) > 64) {
        return kernel.error("no \"HdrS\" at offset 202h: " + what_it_is(file.bytes));
    }
    const u8 sectors = kernel.field<u8>(header::setup_sects);
    kernel.setup_size = (std::size_t{sectors == 0 ? u8{4} : sectors} + 1) * 512;
    if (kernel.setup_size > largest_setup)
        return kernel.error("setup_sects at offset 1F1h is " + std::to_string(sectors) + "; the most is 63");
    if (size <= kernel.setup_size)
        return kernel.error("the file has " + std::to_string(size) +
                            " bytes and ends inside its setup code, which takes " + std::to_string(kernel.setup_size));
    kernel.payload_size = size - kernel.setup_size;
    if (kernel.version >= 0x204) {
        const u64 declared = u64{kernel.field<u32>(header::syssize)} * 16;
        if (declared > kernel.payload_size + 15)
            return kernel.error("the file is truncated: syssize at offset 1F4h promises " + std::to_string(declared) +
                                " bytes after the setup code, but there are " + std::to_string(kernel.payload_size));
    }
    if (kernel.version >= 0x206) kernel.cmdline_limit = kernel.field<u32>(header::cmdline_size);
    if (kernel.version >= 0x203) kernel.initrd_limit = kernel.field<u32>(header::initrd_addr_max);
    return kernel;
}

/// Old kernels live below 640 KiB; from 2.02 on the command line may lie anywhere and the setup code at 10000h.
Layout choose_layout(const Kernel& kernel, std::size_t cmdline_bytes) {
    if (kernel.version >= 0x202 && kernel.high) return {0x1'0000, 0x2'0000, high_load_address};
    return {0x9'0000, (0x9'A000 - cmdline_bytes) & ~u64{15}, kernel.high ? high_load_address : 0x1'0000};
}

Expected<> check_fit(Kernel& kernel, const Layout& layout, std::size_t cmdline_bytes, u64 memory_bytes) {
    if (cmdline_bytes - 1 > kernel.cmdline_limit)
        return kernel.error("the command line has " + std::to_string(cmdline_bytes - 1) +
                            " characters; this kernel takes " + std::to_string(kernel.cmdline_limit) +
                            " (header offset 238h)");
    // The command line lies between the setup code's heap and the BIOS's data area.
    const u64 room = layout.cmdline_address == 0x2'0000 ? 0x6'0000 : 0x1000;
    if (cmdline_bytes > room)
        return kernel.error("the command line has " + std::to_string(cmdline_bytes - 1) + " characters; at most " +
                            std::to_string(room - 1) + " fit in memory");
    const u64 end = layout.kernel_address + kernel.payload_size;
    if (!kernel.high) {
        if (end > layout.setup_address)
            return kernel.error("a zImage of " + std::to_string(kernel.payload_size) +
                                " bytes does not fit below 90000h");
        return {};
    }
    kernel.memory_needed = end;
    if (kernel.version >= 0x20A) {
        const u64 start = std::max(kernel.field<u64>(header::pref_address), layout.kernel_address);
        if (start >= four_gib)
            return kernel.error("preferred load address " + hex(start) + " at offset 258h lies above 4 GiB");
        kernel.memory_needed = std::max(end, start + kernel.field<u32>(header::init_size));
    }
    if (kernel.memory_needed > loadable_memory_end(memory_bytes))
        return kernel.error("it needs memory up to " + std::to_string((kernel.memory_needed >> 20) + 1) +
                            " MiB; this machine has " + std::to_string(memory_bytes >> 20) + " MiB (--memory)");
    return {};
}

Expected<u64> place_initrd(const Kernel& kernel, const NamedBytes& initrd, u64 memory_bytes) {
    if (kernel.version < 0x200) return kernel.error("a kernel without a setup header cannot take an initrd");
    const u64 size = initrd.bytes.size();
    const u64 end = std::min(loadable_memory_end(memory_bytes), kernel.initrd_limit + 1);
    const u64 start = size <= end ? (end - size) & ~page_mask : 0;
    const u64 lowest = std::max(kernel.memory_needed, high_load_address);
    if (start < lowest)
        return fail("initrd '" + initrd.name + "' of " + std::to_string(size) +
                    " bytes does not fit between the kernel's end at " + hex(lowest) + " and " + hex(end) +
                    ": give the machine more memory (--memory)");
    return start;
}

/// `vga=` is a boot loader's option: it sets the header's video mode (boot.rst, "Special Command Line Options").
u16 video_mode(const std::string& append, u16 otherwise) {
    std::size_t at = append.rfind("vga=");
    if (at == std::string::npos || (at != 0 && append[at - 1] != ' ')) return otherwise;
    const std::string_view value = std::string_view(append).substr(at + 4, append.find(' ', at) - (at + 4));
    if (value == "normal") return 0xFFFF;
    if (value == "ext") return 0xFFFE;
    if (value == "ask") return 0xFFFD;
    const bool base16 = value.starts_with("0x") || value.starts_with("0X");
    const auto digits = value.substr(base16 ? 2 : 0);
    u16 mode = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), mode, base16 ? 16 : 10);
    return error == std::errc{} && end == digits.data() + digits.size() && !digits.empty() ? mode : otherwise;
}

Bytes patched_setup(const Kernel& kernel, const Layout& layout, const std::string& append, u64 initrd_address,
                    u64 initrd_size) {
    const auto& file = kernel.file.bytes;
    Bytes setup(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(kernel.setup_size));
    put_le<u16>(setup, header::vid_mode, video_mode(append, kernel.field<u16>(header::vid_mode)));
    if (kernel.version >= 0x200) setup[header::type_of_loader] = undefined_loader;
    if (kernel.version >= 0x201) {
        setup[header::loadflags] |= can_use_heap;
        put_le<u16>(setup, header::heap_end_ptr,
                    static_cast<u16>(layout.cmdline_address - layout.setup_address - 0x200));
    }
    if (kernel.version >= 0x202) {
        put_le<u32>(setup, header::cmd_line_ptr, static_cast<u32>(layout.cmdline_address));
    } else {
        put_le<u16>(setup, header::old_cmdline_magic, u16{0xA33F});
        put_le<u16>(setup, header::old_cmdline_offset, static_cast<u16>(layout.cmdline_address - layout.setup_address));
    }
    if (initrd_size != 0) {
        put_le<u32>(setup, header::ramdisk_image, static_cast<u32>(initrd_address));
        put_le<u32>(setup, header::ramdisk_size, static_cast<u32>(initrd_size));
    }
    return setup;
}

} // namespace

Expected<DirectBoot> prepare_linux_boot(const NamedBytes& file, const std::optional<NamedBytes>& initrd,
                                        const std::string& append, u64 memory_bytes) {
    auto kernel = parse(file);
    if (!kernel) return tl::unexpected(kernel.error());
    Bytes cmdline = to_bytes(append);
    cmdline.push_back(0);
    const Layout layout = choose_layout(*kernel, cmdline.size());
    if (auto fits = check_fit(*kernel, layout, cmdline.size(), memory_bytes); !fits)
        return tl::unexpected(fits.error());
    u64 initrd_address = 0, initrd_size = 0;
    if (initrd && !initrd->bytes.empty()) {
        const auto place = place_initrd(*kernel, *initrd, memory_bytes);
        if (!place) return tl::unexpected(place.error());
        initrd_address = *place;
        initrd_size = initrd->bytes.size();
    }

    DirectBoot boot;
    boot.boot_path = "/rom@genroms/linuxboot.bin";
    const auto number = [&](u16 key, u64 value) { boot.items.push_back(fw_cfg_number(key, static_cast<u32>(value))); };
    const auto data = [&](u16 key, Bytes bytes) { boot.items.push_back(fw_cfg_bytes(key, std::move(bytes))); };
    number(fw_cfg_key::setup_address, layout.setup_address);
    number(fw_cfg_key::setup_size, kernel->setup_size);
    data(fw_cfg_key::setup_data, patched_setup(*kernel, layout, append, initrd_address, initrd_size));
    number(fw_cfg_key::cmdline_address, layout.cmdline_address);
    number(fw_cfg_key::cmdline_size, cmdline.size());
    data(fw_cfg_key::cmdline_data, std::move(cmdline));
    number(fw_cfg_key::kernel_address, layout.kernel_address);
    number(fw_cfg_key::kernel_size, kernel->payload_size);
    data(fw_cfg_key::kernel_data,
         Bytes(file.bytes.begin() + static_cast<std::ptrdiff_t>(kernel->setup_size), file.bytes.end()));
    number(fw_cfg_key::initrd_address, initrd_address);
    number(fw_cfg_key::initrd_size, initrd_size);
    data(fw_cfg_key::initrd_data, initrd ? initrd->bytes : Bytes{});
    boot.items.push_back(fw_cfg_file("genroms/linuxboot.bin", finish_option_rom(embedded_linuxboot_rom())));
    return boot;
}

} // namespace glassbox
