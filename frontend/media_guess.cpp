// Which drive a dropped file belongs to: ISO images are discs, images of a floppy's size are floppies.
#include "frontend/media_guess.hpp"

#include <algorithm>
#include <array>
#include <filesystem>

namespace glassbox {

bool is_floppy_size(u64 bytes) {
    constexpr std::array<u64, 9> kilobytes = {160, 180, 320, 360, 720, 1200, 1440, 1680, 2880};
    return std::ranges::any_of(kilobytes, [&](u64 k) { return bytes == k * 1024; });
}

Expected<MediaInput> guess_medium(const std::string& path) {
    std::error_code error;
    const std::filesystem::path file(path);
    const u64 size = std::filesystem::file_size(file, error);
    if (error) return fail("cannot read " + path + ": " + error.message());
    std::string extension = file.extension().string();
    std::ranges::transform(extension, extension.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (extension == ".iso" || extension == ".cdr") {
        return MediaInput{.drive = MediaInput::Drive::cdrom, .path = path, .read_only = true};
    }
    if (is_floppy_size(size)) {
        return MediaInput{.drive = MediaInput::Drive::floppy0, .path = path, .read_only = false};
    }
    return fail(file.filename().string() + " is neither an .iso file nor of a floppy's size (160K to 2.88M)");
}

} // namespace glassbox
