#include "devices/fdc/drive.hpp"

#include <algorithm>
#include <array>
#include <string>
#include <utility>

namespace glassbox {

namespace {
constexpr u8 r500 = 1, r300 = 2, r250 = 4, r1000 = 8;
constexpr std::array<FloppyGeometry, 10> formats = {{
    {163'840, 40, 1, 8, r250 | r300, 1, "160K"},
    {184'320, 40, 1, 9, r250 | r300, 1, "180K"},
    {327'680, 40, 2, 8, r250 | r300, 1, "320K"},
    {368'640, 40, 2, 9, r250 | r300, 1, "360K"},
    {737'280, 80, 2, 9, r250 | r300, 3, "720K"},
    {1'228'800, 80, 2, 15, r500, 2, "1.2M"},
    {1'474'560, 80, 2, 18, r500, 4, "1.44M"},
    {1'720'320, 80, 2, 21, r500, 4, "1.68M"},
    {1'763'328, 82, 2, 21, r500, 4, "1.72M"},
    {2'949'120, 80, 2, 36, r1000, 5, "2.88M"},
}};
} // namespace

std::span<const FloppyGeometry> floppy_formats() { return formats; }

namespace {
/// Boot images that were never padded to a disk's size (GRUB's rescue floppy, most hobby systems) are the beginning of
/// a 1.44M disk; the boot sector's signature tells them from files that are no floppy at all, or a torn one.
const FloppyGeometry* format_of(Image& image) {
    const u64 size = image.size();
    for (const FloppyGeometry& f : formats) {
        if (f.size == size) return &f;
    }
    const FloppyGeometry& usual =
        *std::find_if(formats.begin(), formats.end(), [](const FloppyGeometry& f) { return f.size == 1'474'560; });
    std::array<u8, 2> signature{};
    if (size < FloppyDrive::sector_bytes || size > usual.size || !image.read(510, signature)) return nullptr;
    return signature[0] == 0x55 && signature[1] == 0xAA ? &usual : nullptr;
}
} // namespace

Expected<> FloppyDrive::insert(std::unique_ptr<Image> image) {
    const FloppyGeometry* format = format_of(*image);
    if (!format) {
        std::string known;
        for (const FloppyGeometry& f : formats) {
            known += (known.empty() ? "" : ", ") + std::string(f.name) + " (" + std::to_string(f.size) + ")";
        }
        return fail("'" + image->path() + "' is " + std::to_string(image->size()) +
                    " bytes long, which is no floppy format known: " + known +
                    "; a shorter image must begin with a boot sector");
    }
    eject();
    image_ = std::move(image);
    geometry_ = format;
    deleted_.assign(geometry_->size / sector_bytes, 0);
    attached_ = true;
    return {};
}

void FloppyDrive::eject() {
    flush();
    image_.reset();
    geometry_ = nullptr;
    deleted_.clear();
    changed_ = true;
}

void FloppyDrive::step_to(unsigned cylinder) {
    const auto target = static_cast<u8>(std::min<unsigned>(cylinder, last_cylinder));
    if (target == cylinder_) return;
    cylinder_ = target;
    if (image_) changed_ = false;
}

u64 FloppyDrive::block(u8 head, u8 sector) const {
    return (u64{cylinder_} * geometry_->heads + head) * geometry_->sectors + sector - 1;
}

Expected<> FloppyDrive::read(u8 head, u8 sector, std::span<u8> data) {
    const u64 at = block(head, sector) * sector_bytes, size = image_->size();
    const u64 stored = at < size ? std::min<u64>(data.size(), size - at) : 0;
    std::fill(data.begin(), data.end(), u8{0}); // past the end of an unpadded image
    if (stored == 0) return {};
    return image_->read(at, data.first(stored));
}

Expected<> FloppyDrive::write(u8 head, u8 sector, std::span<const u8> data, bool deleted) {
    const u64 index = block(head, sector), at = index * sector_bytes;
    // No write is lost silently: what an unpadded image cannot hold fails in the guest.
    if (at + data.size() > image_->size()) return fail("'" + image_->path() + "' ends before this sector");
    if (auto done = image_->write(at, data); !done) return done;
    deleted_.at(index) = deleted ? 1 : 0;
    dirty_ = true;
    return {};
}

bool FloppyDrive::deleted(u8 head, u8 sector) const { return deleted_.at(block(head, sector)) != 0; }

void FloppyDrive::flush() {
    // The guest has no way to learn of a failure: a floppy's write is over when its command is.
    if (image_ && dirty_) static_cast<void>(image_->flush());
    dirty_ = false;
}

void FloppyDrive::persist(Archive& archive) {
    u64 size = geometry_ ? geometry_->size : 0;
    archive(size);
    archive.require(size == (geometry_ ? geometry_->size : 0),
                    "a floppy drive held another disk when the snapshot was taken");
    archive(attached_, changed_, dirty_, cylinder_);
    archive.require(cylinder_ <= last_cylinder, "a floppy drive's head is past its last cylinder");
    archive(deleted_);
    archive.require(deleted_.size() == size / sector_bytes, "a floppy's deleted marks do not fit its size");
    if (image_ && archive.ok()) image_->persist(archive);
}

} // namespace glassbox
