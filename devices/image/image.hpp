// A disk, CD or floppy image as its drive sees it: a span of bytes that can be read, written and flushed.
#pragma once

#include "bus/archive.hpp"
#include "bus/error.hpp"
#include "bus/types.hpp"

#include <memory>
#include <span>
#include <string>

namespace glassbox {

class Image {
  public:
    virtual ~Image() = default;
    virtual u64 size() const = 0; ///< bytes
    virtual bool read_only() const = 0;
    virtual const std::string& path() const = 0;
    /// [offset, offset + data.size()) must lie within the image: anything else is an error, and nothing is changed.
    virtual Expected<> read(u64 offset, std::span<u8> data) = 0;
    virtual Expected<> write(u64 offset, std::span<const u8> data) = 0;
    /// Returns when everything written is on the host's disk.
    virtual Expected<> flush() = 0;
    /// Writes to the file what `keep_writes` has kept from it. Nothing else has anything to say here.
    virtual Expected<> commit() { return {}; }
    /// What a snapshot must hold besides the file: written sectors that live in memory, and the file's size and
    /// identity.
    virtual void persist(Archive& archive) = 0;
};

struct ImageOptions {
    bool read_only = false;
    bool discard_writes = false; ///< writes stay in memory and end with the machine
    bool keep_writes = false;    ///< writes stay in memory until `commit`; the file is locked as for writing
};

/// Opens and locks a raw or qcow2 image (told apart by content). The error names the file and what is wrong with it.
Expected<std::unique_ptr<Image>> open_image(const std::string& path, ImageOptions options);
/// The same image in another owner's hands, and one whose writes stay in memory, over an image that is shared.
std::unique_ptr<Image> shared_image(std::shared_ptr<Image> image);
std::unique_ptr<Image> overlay_image(std::shared_ptr<Image> base);
/// An image in memory, for tests and the built-in guest.
std::unique_ptr<Image> memory_image(std::vector<u8> data, bool read_only = false);

} // namespace glassbox
