// Reads the files of a direct boot and chooses the kernel's kind.
#include "bios/direct_boot.hpp"

#include "bios/host_file.hpp"
#include "bios/memory_tables.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr u64 largest_file = u64{2} << 30;

/// Splits "FILE ARGUMENTS,FILE ARGUMENTS"; a doubled comma stands for one.
std::vector<std::string> split_modules(const std::string& list) {
    std::vector<std::string> parts(1);
    for (std::size_t i = 0; i < list.size(); ++i) {
        if (list[i] != ',')
            parts.back() += list[i];
        else if (i + 1 < list.size() && list[i + 1] == ',')
            parts.back() += list[i++];
        else
            parts.emplace_back();
    }
    return parts;
}

Expected<std::vector<MultibootModule>> read_modules(const std::optional<std::string>& list) {
    std::vector<MultibootModule> modules;
    if (!list || list->empty()) return modules;
    for (const auto& part : split_modules(*list)) {
        const auto path = part.substr(0, part.find(' '));
        if (path.empty())
            return fail("--initrd '" + *list + "': module " + std::to_string(modules.size() + 1) + " has no file name");
        auto bytes = read_host_file(path, largest_file, "multiboot module");
        if (!bytes) return tl::unexpected(bytes.error());
        modules.push_back({part, std::move(*bytes)});
    }
    return modules;
}

} // namespace

u64 loadable_memory_end(u64 memory_bytes) {
    constexpr u64 mib = 1u << 20;
    const u64 low = memory_layout(memory_bytes).low_end;
    const u64 kept = low >= 16 * mib ? mib : mib / 4;
    return low > kept ? low - kept : 0;
}

Bytes finish_option_rom(std::span<const u8> assembled) {
    constexpr std::size_t pnp_header = 0x20, pnp_length = 0x20, pnp_checksum = pnp_header + 9;
    Bytes rom(assembled.begin(), assembled.end());
    rom.push_back(0); // room for the checksum
    rom.resize(std::max<std::size_t>(rom.size(), pnp_header + pnp_length));
    align_to(rom, 512);
    rom[2] = static_cast<u8>(rom.size() / 512);
    rom[pnp_checksum] = 0;
    rom[pnp_checksum] = static_cast<u8>(-byte_sum(std::span(rom).subspan(pnp_header, pnp_length)));
    rom.back() = static_cast<u8>(-byte_sum(rom));
    return rom;
}

Expected<DirectBoot> prepare_direct_boot(const DirectBootConfig& config) {
    auto kernel = read_host_file(config.kernel, largest_file, "kernel");
    if (!kernel) return tl::unexpected(kernel.error());
    const NamedBytes image{config.kernel, std::move(*kernel)};
    const bool version_2 = is_multiboot2(image.bytes);
    if (version_2 || is_multiboot(image.bytes)) {
        auto modules = read_modules(config.initrd);
        if (!modules) return tl::unexpected(modules.error());
        return (version_2 ? prepare_multiboot2 : prepare_multiboot)(image, *modules, config.append,
                                                                    config.memory_bytes);
    }
    std::optional<NamedBytes> initrd;
    if (config.initrd && !config.initrd->empty()) {
        auto bytes = read_host_file(*config.initrd, largest_file, "initrd");
        if (!bytes) return tl::unexpected(bytes.error());
        initrd = NamedBytes{*config.initrd, std::move(*bytes)};
    }
    return (is_pvh(image) ? prepare_pvh : prepare_linux_boot)(image, initrd, config.append, config.memory_bytes);
}

} // namespace glassbox
