// Booting a kernel file without a disk: `--kernel`, `--initrd`, `--append`.
//
// The kernel's parts become fw_cfg entries, with an option ROM of ours that SeaBIOS boots first and that copies them
// into memory and jumps. The entries' numbers and meaning are QEMU's (its `-kernel` option), so either side can be
// replaced.
#pragma once

#include "bios/fw_cfg_item.hpp"
#include "bus/error.hpp"

#include <optional>
#include <string>

namespace glassbox {

struct DirectBootConfig {
    std::string kernel{};
    std::optional<std::string> initrd{}; ///< multiboot: modules, "FILE ARGUMENTS,FILE ARGUMENTS …"
    std::string append{};
    u64 memory_bytes = 128u << 20;
};

struct DirectBoot {
    FwCfgItems items;
    std::string boot_path; ///< goes first into the boot order (`BoardFacts::first_boot_path`)
};

/// Reads the files, tells a multiboot kernel from a Linux one, and lays everything out.
Expected<DirectBoot> prepare_direct_boot(const DirectBootConfig& config);

/// A file's bytes with the name that messages give it.
struct NamedBytes {
    std::string name;
    Bytes bytes;
};

/// A Linux bzImage or zImage, boot protocol 2.00 and later, and the headerless one before it.
Expected<DirectBoot> prepare_linux_boot(const NamedBytes& kernel, const std::optional<NamedBytes>& initrd,
                                        const std::string& append, u64 memory_bytes);

/// Whether the first 8 KiB hold a multiboot (version 1) header.
bool is_multiboot(std::span<const u8> kernel);

struct MultibootModule {
    std::string command_line; ///< file name and arguments
    Bytes bytes;
};
/// An ELF kernel or one with the header's own addresses ("a.out kludge"), entered in 32-bit protected mode.
Expected<DirectBoot> prepare_multiboot(const NamedBytes& kernel, const std::vector<MultibootModule>& modules,
                                       const std::string& append, u64 memory_bytes);

/// Whether the first 32 KiB hold a multiboot2 header. A kernel that has both is started by this one.
bool is_multiboot2(std::span<const u8> kernel);
Expected<DirectBoot> prepare_multiboot2(const NamedBytes& kernel, const std::vector<MultibootModule>& modules,
                                        const std::string& append, u64 memory_bytes);

/// Whether an ELF file has a PVH entry (Xen's direct boot), as Linux's vmlinux.
bool is_pvh(const NamedBytes& kernel);
Expected<DirectBoot> prepare_pvh(const NamedBytes& kernel, const std::optional<NamedBytes>& initrd,
                                 const std::string& append, u64 memory_bytes);

/// An option ROM padded to 512-byte units, with its length and checksums right.
Bytes finish_option_rom(std::span<const u8> assembled);

/// The end of the RAM that a boot loader may use: SeaBIOS keeps its tables above it.
u64 loadable_memory_end(u64 memory_bytes);

} // namespace glassbox
