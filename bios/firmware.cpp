// Finds, reads and checks the firmware images.
#include "bios/firmware.hpp"

#include "bios/host_file.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <filesystem>

namespace glassbox {

namespace {

constexpr std::size_t smallest_bios = 64u << 10, largest_bios = 4u << 20;
constexpr std::size_t largest_vga_bios = 64u << 10; // C0000h-CFFFFh
constexpr std::array search_folders{"/usr/share/seabios/", "/usr/share/qemu/", "/usr/local/share/qemu/"};

Expected<Bytes> find_image(const std::string& given, const std::string& file, const std::string& option,
                           const std::string& what, std::size_t limit, std::string& found) {
    if (!given.empty()) {
        found = given;
        return read_host_file(given, limit, what);
    }
    for (const auto* folder : search_folders) {
        std::error_code ignored;
        if (!std::filesystem::exists(folder + file, ignored)) continue;
        found = folder + file;
        return read_host_file(found, limit, what);
    }
    return fail(what + " '" + file +
                "' was not found in /usr/share/seabios or /usr/share/qemu: install Debian's package " +
                "seabios (apt-get install seabios), or name the file with " + option);
}

} // namespace

Expected<> check_system_bios(std::span<const u8> bytes, const std::string& name) {
    const auto size = bytes.size();
    if (size < smallest_bios || size > largest_bios || !std::has_single_bit(size))
        return fail("BIOS '" + name + "' has " + std::to_string(size) +
                    " bytes; a system ROM is a power of two from 64 KiB to 4 MiB. Debian's package seabios has a good "
                    "one (apt-get install seabios)");
    // The processor starts 16 bytes below the end: a ROM without code there cannot run.
    const auto vector = bytes.last(16);
    const auto same = [&](u8 value) {
        return std::all_of(vector.begin(), vector.end(), [&](u8 b) { return b == value; });
    };
    if (same(0x00) || same(0xFF))
        return fail("BIOS '" + name + "' has no code at its reset vector, 16 bytes before its end (offset " +
                    std::to_string(size - 16) + "): the file is truncated or not a system ROM");
    return {};
}

Expected<std::size_t> option_rom_length(std::span<const u8> bytes, const std::string& name) {
    if (bytes.size() < 512 || bytes[0] != 0x55 || bytes[1] != 0xAA)
        return fail("option ROM '" + name + "' does not start with 55h AAh and 512 bytes: it is not an option ROM");
    const std::size_t length = std::size_t{bytes[2]} * 512;
    if (length == 0 || length > bytes.size())
        return fail("option ROM '" + name + "' declares " + std::to_string(length) + " bytes at offset 2 but has " +
                    std::to_string(bytes.size()) + ": the file is truncated");
    return length;
}

Expected<FirmwareImage> load_system_bios(const std::string& path) {
    FirmwareImage image;
    auto bytes = find_image(path, "bios-256k.bin", "--bios", "BIOS", largest_bios, image.path);
    if (!bytes) return tl::unexpected(bytes.error());
    if (auto good = check_system_bios(*bytes, image.path); !good) return tl::unexpected(good.error());
    image.bytes = std::move(*bytes);
    return image;
}

Expected<FirmwareImage> load_vga_bios(const std::string& path) {
    FirmwareImage image;
    auto bytes = find_image(path, "vgabios-stdvga.bin", "--vgabios", "VGA BIOS", largest_vga_bios, image.path);
    if (!bytes) return tl::unexpected(bytes.error());
    const auto length = option_rom_length(*bytes, image.path);
    if (!length) return tl::unexpected(length.error());
    bytes->resize(*length);
    image.bytes = std::move(*bytes);
    return image;
}

} // namespace glassbox
