// A file or block device of the host, opened for one machine: locked, and read and written at offsets.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <span>
#include <string>

namespace glassbox {

class HostFile {
  public:
    /// Takes an exclusive lock when `writable`, else a shared one; whoever comes second gets an error.
    static Expected<HostFile> open(const std::string& path, bool writable);
    HostFile(HostFile&& other) noexcept;
    HostFile& operator=(HostFile&&) = delete;
    ~HostFile();

    const std::string& path() const { return path_; }
    bool writable() const { return writable_; }
    /// Bytes, including what has been written past the end since.
    u64 size() const { return size_; }

    /// Bytes past the end read as zero.
    Expected<> read(u64 offset, std::span<u8> data) const;
    /// Writing past the end makes the file longer.
    Expected<> write(u64 offset, std::span<const u8> data);
    /// Makes the file at least `size` bytes long; the new bytes are zero.
    Expected<> extend(u64 size);
    /// Returns when everything written is on the host's disk.
    Expected<> sync();

    /// "FILE: at offset 0x…: reason", for errors in the file's content.
    tl::unexpected<Error> bad(u64 offset, const std::string& reason) const;

  private:
    HostFile(std::string path, int fd, bool writable, u64 size);
    tl::unexpected<Error> failed(const char* what, u64 offset) const;

    std::string path_;
    int fd_ = -1;
    bool writable_ = false;
    u64 size_ = 0;
};

} // namespace glassbox
