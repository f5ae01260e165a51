// Opening images: tells the format by content and refuses the formats of other emulators by name.
#include "devices/image/formats.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <string_view>
#include <utility>
#include <zlib.h>

namespace glassbox {

namespace {

/// The name of a container format that would make no sense as a raw disk, or null.
const char* foreign_format(std::span<const u8> head) {
    const auto at = [&](std::size_t offset, std::string_view magic) {
        return offset + magic.size() <= head.size() &&
               std::memcmp(head.data() + offset, magic.data(), magic.size()) == 0;
    };
    using namespace std::string_view_literals;
    if (at(0, "KDMV"sv) || at(0, "# Disk DescriptorFile"sv)) return "VMDK";
    if (at(0, "vhdxfile"sv)) return "VHDX";
    if (at(0, "conectix"sv)) return "VHD";
    if (at(0x40, "\x7F\x10\xDA\xBE"sv)) return "VDI";
    if (at(0, "QED\0"sv)) return "QED";
    if (at(0, "WithoutFreeSpace"sv) || at(0, "WithouFreSpacExt"sv)) return "Parallels";
    if (at(0, "\x1F\x8B\x08"sv)) return "gzip";
    if (at(0, "\xFD"
              "7zXZ\0"sv))
        return "xz";
    if (at(0, "PK\x03\x04"sv)) return "zip";
    return nullptr;
}

} // namespace

Expected<> check_range(const Image& image, u64 offset, std::size_t length) {
    if (offset <= image.size() && length <= image.size() - offset) return {};
    return fail("'" + image.path() + "': an access at byte " + std::to_string(offset) + " of " +
                std::to_string(length) + " bytes goes past the end (" + std::to_string(image.size()) + ")");
}

void persist_identity(Archive& archive, Image& image) {
    constexpr u64 head = 65536, tail = 4096;
    std::vector<u8> data(static_cast<std::size_t>(std::min(image.size(), head)));
    u32 check = 0;
    if (image.read(0, data)) check = static_cast<u32>(crc32(0, data.data(), static_cast<uInt>(data.size())));
    data.resize(static_cast<std::size_t>(std::min(image.size(), tail)));
    if (image.read(image.size() - data.size(), data)) {
        check = static_cast<u32>(crc32(check, data.data(), static_cast<uInt>(data.size())));
    }
    archive.chunk("image", 1, [&](u32) {
        u64 size = image.size();
        u32 found = check;
        archive(size, found);
        archive.require(size == image.size(), "the image '" + image.path() + "' has another size than the snapshot's");
        archive.require(found == check, "the image '" + image.path() + "' has changed since the snapshot was made");
    });
}

Expected<std::unique_ptr<Image>> open_format(const std::string& path, bool writable, const std::string& format,
                                             unsigned depth) {
    auto file = HostFile::open(path, writable);
    if (!file) return tl::unexpected(file.error());
    std::array<u8, 512> head{};
    if (auto r = file->read(0, head); !r) return tl::unexpected(r.error());
    const bool qcow = std::memcmp(head.data(), "QFI\xFB", 4) == 0;
    if (format == "qcow2" || (format.empty() && qcow)) return open_qcow2(std::move(*file), depth);
    if (format.empty()) {
        if (const char* name = foreign_format(head)) {
            return fail("'" + path + "' is in " + name + " format; convert it to raw or qcow2 first" +
                        (name[0] >= 'A' && name[0] <= 'Z' ? " (qemu-img convert -O qcow2)" : ""));
        }
    } else if (format != "raw") {
        return fail("'" + path + "': the format '" + format + "' is not supported, only raw and qcow2");
    }
    return open_raw(std::move(*file));
}

Expected<std::unique_ptr<Image>> open_image(const std::string& path, ImageOptions options) {
    auto image = open_format(path, !options.read_only && !options.discard_writes, "", 0);
    if (image && (options.discard_writes || options.keep_writes) && !options.read_only)
        return overlay_image(std::move(*image));
    return image;
}

} // namespace glassbox
