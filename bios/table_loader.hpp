// The linker script with which SeaBIOS places firmware tables in guest memory: the file `etc/table-loader`.
//
// Format (SeaBIOS src/fw/romfile_loader.h, QEMU's documentation of bios-linker-loader): 128-byte commands,
// little-endian: u32 command, then its fields; file names are 56 bytes, zero-terminated.
#pragma once

#include "bios/bytes.hpp"

#include <string_view>

namespace glassbox {

class TableLoader {
  public:
    enum class Zone : u8 { high = 1, f_segment = 2 };

    /// Load `file` at a multiple of `alignment`; must come before any command on it.
    void allocate(std::string_view file, u32 alignment, Zone zone);
    /// The `size`-byte number at `offset` of `file` is an offset in `target`: add the address of `target` to it.
    void add_pointer(std::string_view file, u32 offset, u8 size, std::string_view target);
    /// Make the `length` bytes from `start` of `file` sum to zero by the byte at `offset`.
    void add_checksum(std::string_view file, u32 offset, u32 start, u32 length);

    const Bytes& bytes() const { return bytes_; }

    static constexpr std::size_t entry_size = 128, name_size = 56;

  private:
    void finish_entry();
    Bytes bytes_;
};

} // namespace glassbox
