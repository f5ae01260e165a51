// What the board puts into the firmware-configuration device: numbered entries and named files.
//
// The numbers are those of QEMU's interface (QEMU documentation, specs/fw_cfg), which SeaBIOS reads.
#pragma once

#include "bios/bytes.hpp"

#include <string>
#include <utility>

namespace glassbox {

/// Either a numbered entry (`file` is empty) or a named file (`key` is not used; the device numbers files itself).
struct FwCfgItem {
    u16 key = 0;
    std::string file;
    Bytes data;
};

using FwCfgItems = std::vector<FwCfgItem>;

namespace fw_cfg_key {
inline constexpr u16 signature = 0x00, id = 0x01, uuid = 0x02, ram_size = 0x03, no_graphic = 0x04, cpu_count = 0x05,
                     machine_id = 0x06, kernel_address = 0x07, kernel_size = 0x08, initrd_address = 0x0A,
                     initrd_size = 0x0B, boot_device = 0x0C, numa = 0x0D, boot_menu = 0x0E, max_cpus = 0x0F,
                     kernel_entry = 0x10, kernel_data = 0x11, initrd_data = 0x12, cmdline_address = 0x13,
                     cmdline_size = 0x14, cmdline_data = 0x15, setup_address = 0x16, setup_size = 0x17,
                     setup_data = 0x18, irq0_override = 0x8002;
}

inline FwCfgItem fw_cfg_file(std::string name, Bytes data) { return {0, std::move(name), std::move(data)}; }
inline FwCfgItem fw_cfg_bytes(u16 key, Bytes data) { return {key, {}, std::move(data)}; }
template <std::unsigned_integral T> FwCfgItem fw_cfg_number(u16 key, T value) {
    FwCfgItem item{key, {}, {}};
    append_le<T>(item.data, value);
    return item;
}

/// Finds an item by file name or key, for the board's own questions and for tests.
inline const FwCfgItem* find_file(const FwCfgItems& items, std::string_view name) {
    for (const auto& item : items)
        if (item.file == name && !name.empty()) return &item;
    return nullptr;
}
inline const FwCfgItem* find_key(const FwCfgItems& items, u16 key) {
    for (const auto& item : items)
        if (item.file.empty() && item.key == key) return &item;
    return nullptr;
}

} // namespace glassbox
