// What the firmware must be told about memory, drives and boot order: e820, CMOS bytes, fw_cfg's basic entries.
//
// CMOS indexes: MC146818 data sheet for 00h-0Eh; IBM PC/AT Technical Reference (CMOS RAM) for 10h-33h; 34h and up as
// SeaBIOS reads them on an emulated board (SeaBIOS src/hw/rtc.h).
#pragma once

#include "bios/fw_cfg_item.hpp"

#include <array>
#include <optional>

namespace glassbox {

inline constexpr u64 four_gib = u64{1} << 32;

/// How RAM is spread around the PCI hole below 4 GiB.
struct MemoryLayout {
    u64 low_end = 0;    ///< RAM is [0, low_end) …
    u64 high_bytes = 0; ///< … and [4 GiB, 4 GiB + high_bytes)
};
/// Up to 3.5 GiB lie below the hole; a larger memory gives 3 GiB below it and the rest above 4 GiB.
MemoryLayout memory_layout(u64 memory_bytes);

enum class FloppyType : u8 { none = 0, kb360 = 1, mb1_2 = 2, kb720 = 3, mb1_44 = 4, mb2_88 = 5 };

/// What sits at one of the four IDE positions: primary master, primary slave, secondary master, secondary slave.
struct IdeUnit {
    bool cdrom = false;
    u64 sectors = 0; ///< of a hard disk: 512 bytes each
    u32 cylinders = 0;
    u8 heads = 16, sectors_per_track = 63;
};
using IdeUnits = std::array<std::optional<IdeUnit>, 4>;
using FloppyDrives = std::array<FloppyType, 2>;

enum class BootDevice : u8 { floppy = 1, disk = 2, cdrom = 3, network = 4 }; ///< the codes of CMOS 3Dh and 38h

struct BoardFacts {
    u64 memory_bytes = 128u << 20;
    unsigned processors = 1;
    std::vector<BootDevice> boot = {BootDevice::disk, BootDevice::cdrom, BootDevice::floppy};
    FloppyDrives floppies{};
    IdeUnits ide{};
    std::string first_boot_path{}; ///< of a direct boot: tried before everything else
    bool boot_menu = false;
    std::array<u8, 16> uuid{};
};

struct CmosByte {
    u8 index;
    u8 value;
};

/// Every CMOS byte that the board sets at power-on, with the checksum over 10h-2Dh in 2Eh-2Fh. The clock's own
/// registers and the century (32h) belong to the RTC.
std::vector<CmosByte> cmos_bytes(const BoardFacts& facts);

/// The file `etc/e820`: 20 bytes an entry, {u64 address, u64 length, u32 type}.
Bytes e820_table(u64 memory_bytes);

/// The file `bootorder`: OpenFirmware-like device paths, one a line, zero-terminated.
Bytes boot_order(const BoardFacts& facts);

/// The basic entries: memory and processor counts, UUID, `etc/e820`, `bootorder`, boot menu.
FwCfgItems board_fw_cfg(const BoardFacts& facts);

} // namespace glassbox
