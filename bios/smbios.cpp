// Builds the SMBIOS structures and their entry point.
#include "bios/smbios.hpp"

#include "bios/memory_tables.hpp"

#include <algorithm>
#include <initializer_list>

namespace glassbox {

namespace {

constexpr std::string_view maker = "GlassBox";

/// One structure: a formatted area, then its strings, each zero-terminated, then one more zero.
class Structures {
  public:
    Bytes& begin(u8 type, u16 handle) {
        start_ = all.size();
        all.insert(all.end(), {type, 0});
        append_le<u16>(all, handle);
        return all;
    }
    void finish(std::initializer_list<std::string_view> strings) {
        all[start_ + 1] = static_cast<u8>(all.size() - start_);
        for (const auto text : strings) {
            append_text(all, text);
            all.push_back(0);
        }
        if (strings.size() == 0) all.push_back(0);
        all.push_back(0);
        longest = std::max(longest, all.size() - start_);
        ++count;
    }
    Bytes all;
    std::size_t longest = 0;
    u16 count = 0;

  private:
    std::size_t start_ = 0;
};

void add_bios(Structures& s) {
    auto& b = s.begin(0, 0x0000);
    b.insert(b.end(), {1, 2});
    append_le<u16>(b, 0xE800);                         // starting segment
    b.insert(b.end(), {3, 3});                         // date, ROM size (n + 1) * 64 KiB
    append_le<u64>(b, 0x0000'0000'0001'9890);          // ISA, PCI, upgradeable, shadowed, boots CDs, selectable boot
    b.insert(b.end(), {0x01, 0x04, 0, 0, 0xFF, 0xFF}); // ACPI; targeted content; versions
    s.finish({"SeaBIOS", "GlassBox", "01/01/2026"});
}

void add_system(Structures& s, const SmbiosConfig& config) {
    auto& b = s.begin(1, 0x0100);
    b.insert(b.end(), {1, 2, 3, 0});
    append(b, config.uuid);
    b.insert(b.end(), {6, 0, 4}); // woken by the power switch; no SKU; family
    s.finish({maker, "PC (i440FX + PIIX3)", "1", "Virtual machine"});
}

void add_chassis(Structures& s) {
    auto& b = s.begin(3, 0x0300);
    b.insert(b.end(),
             {1, 1, 2, 0, 0, 3, 3, 3, 2}); // type "other"; boot-up, supply and thermal state safe; security unknown
    append_le<u32>(b, 0);
    b.insert(b.end(), {0, 0, 0, 0, 0}); // height, power cords, contained elements (count, length), SKU
    s.finish({maker, "1"});
}

void add_processor(Structures& s, const SmbiosConfig& config, unsigned index) {
    auto& b = s.begin(4, static_cast<u16>(0x0400 + index));
    b.insert(b.end(), {1, 3, 1, 2}); // socket, central processor, family "other", maker
    append_le<u32>(b, config.cpuid_signature);
    append_le<u32>(b, config.cpuid_features);
    b.insert(b.end(), {3, 0}); // version; voltage unknown
    append_le<u16>(b, 0);      // external clock unknown
    append_le<u16>(b, config.megahertz);
    append_le<u16>(b, config.megahertz);
    b.insert(b.end(), {0x41, 1}); // populated and enabled; upgrade "other"
    for (int cache = 0; cache < 3; ++cache) append_le<u16>(b, 0xFFFF);
    b.insert(b.end(), {0, 0, 0, 1, 1, 1}); // serial, tag, part; one core, enabled, one thread
    append_le<u16>(b, 0);                  // characteristics
    append_le<u16>(b, 1);                  // family 2
    s.finish({"CPU " + std::to_string(index), maker, config.processor_name});
}

void add_memory(Structures& s, const SmbiosConfig& config) {
    const u64 kib = config.memory_bytes / 1024, mib = kib / 1024;
    auto& array = s.begin(16, 0x1000);
    array.insert(array.end(), {1, 3, 3}); // "other" place, system memory, no error correction
    const bool array_fits = kib < 0x8000'0000;
    append_le<u32>(array, array_fits ? static_cast<u32>(kib) : 0x8000'0000);
    append_le<u16>(array, 0xFFFE); // no error handle
    append_le<u16>(array, 1);      // one device
    append_le<u64>(array, array_fits ? 0 : config.memory_bytes);
    s.finish({});

    auto& device = s.begin(17, 0x1100);
    append_le<u16>(device, 0x1000);
    append_le<u16>(device, 0xFFFE);
    append_le<u16>(device, 0xFFFF); // widths unknown
    append_le<u16>(device, 0xFFFF);
    const bool fits_in_mib = mib < 0x7FFF;
    append_le<u16>(device, fits_in_mib ? static_cast<u16>(mib) : 0x7FFF);
    device.insert(device.end(), {9, 0, 1, 0, 7}); // DIMM, no set, locator, no bank, RAM
    append_le<u16>(device, 2);                    // "other"
    append_le<u16>(device, 0);                    // speed unknown
    device.insert(device.end(), {2, 0, 0, 0, 0}); // maker, serial, tag, part, attributes
    append_le<u32>(device, fits_in_mib ? 0 : static_cast<u32>(mib));
    append_le<u16>(device, 0); // configured clock
    for (int voltage = 0; voltage < 3; ++voltage) append_le<u16>(device, 0);
    s.finish({"DIMM 0", maker});
}

void add_mapped_range(Structures& s, u16 handle, u64 start, u64 length) {
    auto& b = s.begin(19, handle);
    const u64 last_kib = (start + length) / 1024 - 1;
    const bool fits = last_kib < 0xFFFF'FFFF;
    append_le<u32>(b, fits ? static_cast<u32>(start / 1024) : 0xFFFF'FFFF);
    append_le<u32>(b, fits ? static_cast<u32>(last_kib) : 0xFFFF'FFFF);
    append_le<u16>(b, 0x1000);
    b.push_back(1); // partition width
    append_le<u64>(b, fits ? 0 : start);
    append_le<u64>(b, fits ? 0 : start + length - 1);
    s.finish({});
}

} // namespace

SmbiosTables build_smbios(const SmbiosConfig& config) {
    Structures s;
    add_bios(s);
    add_system(s, config);
    add_chassis(s);
    for (unsigned i = 0; i < std::clamp(config.processors, 1u, 255u); ++i) add_processor(s, config, i);
    add_memory(s, config);
    const auto layout = memory_layout(config.memory_bytes);
    add_mapped_range(s, 0x1300, 0, layout.low_end);
    if (layout.high_bytes != 0) add_mapped_range(s, 0x1301, four_gib, layout.high_bytes);
    auto& boot = s.begin(32, 0x2000);
    boot.resize(boot.size() + 7); // reserved, then "no errors detected"
    s.finish({});
    s.begin(127, 0x7F00);
    s.finish({});

    SmbiosTables result;
    result.count = s.count;
    auto& a = result.anchor;
    append_text(a, "_SM_");
    a.insert(a.end(), {0, 31, 2, 8}); // checksum, length, version 2.8
    append_le<u16>(a, static_cast<u16>(s.longest));
    a.resize(a.size() + 6); // entry-point revision, formatted area
    append_text(a, "_DMI_");
    a.push_back(0); // intermediate checksum
    append_le<u16>(a, static_cast<u16>(s.all.size()));
    append_le<u32>(a, 0); // address, set by SeaBIOS
    append_le<u16>(a, s.count);
    a.push_back(0x28);
    a[0x15] = static_cast<u8>(-byte_sum(std::span(a).subspan(0x10, 15)));
    a[4] = static_cast<u8>(-byte_sum(a));
    result.tables = std::move(s.all);
    return result;
}

FwCfgItems smbios_fw_cfg(const SmbiosConfig& config) {
    auto built = build_smbios(config);
    FwCfgItems items;
    items.push_back(fw_cfg_file("etc/smbios/smbios-anchor", std::move(built.anchor)));
    items.push_back(fw_cfg_file("etc/smbios/smbios-tables", std::move(built.tables)));
    return items;
}

} // namespace glassbox
