// The image kinds behind open_image, and what they share. Private to devices/image.
#pragma once

#include "devices/image/host_file.hpp"
#include "devices/image/image.hpp"

namespace glassbox {

/// Images that name one another as backing file, at most.
inline constexpr unsigned image_chain_limit = 8;

/// Sizes are rounded up to whole sectors as QEMU does; the padding reads as zero.
constexpr u64 whole_sectors(u64 bytes) { return (bytes + 511) & ~u64{511}; }

/// An error unless [offset, offset + length) lies within the image.
Expected<> check_range(const Image& image, u64 offset, std::size_t length);
/// Saves the size and a check value of the first 64 KiB and the last 4 KiB; refuses to load when the image differs.
void persist_identity(Archive& archive, Image& image);

Expected<std::unique_ptr<Image>> open_raw(HostFile file);
/// `depth`: how many images of the chain are open above this one.
Expected<std::unique_ptr<Image>> open_qcow2(HostFile file, unsigned depth);
/// Opens `path` without overlay. `format` is "raw", "qcow2" or empty (told by content).
Expected<std::unique_ptr<Image>> open_format(const std::string& path, bool writable, const std::string& format,
                                             unsigned depth);

} // namespace glassbox
