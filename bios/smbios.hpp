// SMBIOS 2.8 tables that describe the board, handed to SeaBIOS through fw_cfg.
//
// DMTF DSP0134 2.8: entry point 5.2.1, structures 7.1 (BIOS), 7.2 (system), 7.4 (chassis), 7.5 (processor),
// 7.17 (memory array), 7.18 (memory device), 7.20 (mapped address), 7.33 (boot status), 7.45 (end).
#pragma once

#include "bios/fw_cfg_item.hpp"

#include <array>

namespace glassbox {

struct SmbiosConfig {
    u64 memory_bytes = 128u << 20;
    unsigned processors = 1;
    std::string processor_name = "GlassBox";
    u32 cpuid_signature = 0; ///< CPUID.1:EAX
    u32 cpuid_features = 0;  ///< CPUID.1:EDX
    u16 megahertz = 1000;
    std::array<u8, 16> uuid{};
};

struct SmbiosTables {
    Bytes anchor; ///< the 31-byte entry point; SeaBIOS sets its address and checksums
    Bytes tables;
    u16 count = 0;
};

SmbiosTables build_smbios(const SmbiosConfig& config);
/// The files `etc/smbios/smbios-anchor` and `etc/smbios/smbios-tables`.
FwCfgItems smbios_fw_cfg(const SmbiosConfig& config);

} // namespace glassbox
