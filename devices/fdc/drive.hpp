// A floppy drive with the disk in it: geometry, head position, the disk change line. The image is a plain sequence of
// 512-byte sectors, so every track holds sectors 1 to n in order with matching IDs; which of them carry a deleted data
// mark is remembered until the disk leaves the drive.
#pragma once

#include "bus/archive.hpp"
#include "bus/error.hpp"
#include "bus/types.hpp"
#include "devices/image/image.hpp"

#include <memory>
#include <span>
#include <vector>

namespace glassbox {

struct FloppyGeometry {
    u64 size;
    u8 cylinders, heads, sectors;
    u8 rates;     ///< bit n: readable at data rate select n (0: 500, 1: 300, 2: 250 kbit/s, 3: 1 Mbit/s)
    u8 cmos_type; ///< drive type as in CMOS 10h (1: 360K, 2: 1.2M, 3: 720K, 4: 1.44M, 5: 2.88M)
    const char* name;
};

/// The formats known, by size.
std::span<const FloppyGeometry> floppy_formats();

class FloppyDrive {
  public:
    static constexpr u8 last_cylinder = 84; ///< where the head stops mechanically
    static constexpr unsigned sector_bytes = 512;

    Expected<> insert(std::unique_ptr<Image> image);
    void eject();

    bool attached() const { return attached_; }
    void attach() { attached_ = true; }
    const FloppyGeometry* geometry() const { return geometry_; }
    Image* image() const { return image_.get(); }
    bool write_protected() const { return image_ && image_->read_only(); }
    bool disk_changed() const { return attached_ && changed_; }
    u8 cylinder() const { return cylinder_; }
    u8 cmos_type() const { return !attached_ ? 0 : geometry_ ? geometry_->cmos_type : default_type; }

    /// Moves the head; a step with a disk in the drive resets the disk change line.
    void step_to(unsigned cylinder);

    /// `sector` is 1 to geometry()->sectors, `head` below geometry()->heads.
    Expected<> read(u8 head, u8 sector, std::span<u8> data);
    Expected<> write(u8 head, u8 sector, std::span<const u8> data, bool deleted);
    bool deleted(u8 head, u8 sector) const;
    /// Brings what was written to the host's disk.
    void flush();

    void persist(Archive& archive);

  private:
    static constexpr u8 default_type = 4;
    u64 block(u8 head, u8 sector) const;

    std::unique_ptr<Image> image_;
    const FloppyGeometry* geometry_ = nullptr;
    bool attached_ = false, changed_ = true, dirty_ = false;
    u8 cylinder_ = 0;
    std::vector<u8> deleted_; ///< one per sector
};

} // namespace glassbox
