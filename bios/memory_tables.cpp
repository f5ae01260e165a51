// e820, CMOS bytes, boot order and fw_cfg's basic entries.
#include "bios/memory_tables.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr u64 kib = 1024, mib = 1024 * kib;
constexpr u32 e820_ram = 1;

void append_e820(Bytes& table, u64 address, u64 length, u32 type) {
    append_le<u64>(table, address);
    append_le<u64>(table, length);
    append_le<u32>(table, type);
}

struct Cmos {
    std::array<u8, 128> bytes{};
    std::array<bool, 128> set{};

    void put(u8 index, u64 value) {
        bytes[index] = static_cast<u8>(value);
        set[index] = true;
    }
    void put16(u8 index, u64 value) {
        put(index, value & 0xFF);
        put(static_cast<u8>(index + 1), value >> 8 & 0xFF);
    }
};

void put_memory(Cmos& cmos, u64 memory_bytes) {
    const auto layout = memory_layout(memory_bytes);
    const u64 extended_kib = layout.low_end > mib ? std::min<u64>((layout.low_end - mib) / kib, 0xFFFF) : 0;
    const u64 above_16m =
        layout.low_end > 16 * mib ? std::min<u64>((layout.low_end - 16 * mib) / (64 * kib), 0xFFFF) : 0;
    cmos.put16(0x15, 640);
    cmos.put16(0x17, extended_kib);
    cmos.put16(0x30, extended_kib);
    cmos.put16(0x34, above_16m);
    const u64 high = layout.high_bytes / (64 * kib);
    cmos.put16(0x5B, high & 0xFFFF);
    cmos.put(0x5D, high >> 16 & 0xFF);
}

/// Types of the hard disks 0 and 1: 47 ("user-defined") with cylinders, heads, write precompensation, control, landing
/// zone and sectors in 1Bh-23h and 24h-2Ch; and a translation code for each of the four units in 39h.
void put_disks(Cmos& cmos, const IdeUnits& units) {
    cmos.put(0x12, 0);
    unsigned translation = 0;
    for (unsigned i = 0; i < 4; ++i) {
        const auto& unit = units[i];
        if (!unit || unit->cdrom) continue;
        const bool fits_int13 = unit->cylinders <= 1024 && unit->heads <= 16 && unit->sectors_per_track <= 63;
        translation |= (fits_int13 ? 0u : 1u) << (2 * i); // 0 none, 1 LBA-assisted
        if (i >= 2) continue;
        cmos.put(0x12, cmos.bytes[0x12] | (i == 0 ? 0xF0u : 0x0Fu));
        cmos.put(static_cast<u8>(0x19 + i), 47);
        const u8 base = i == 0 ? 0x1B : 0x24;
        cmos.put16(base, std::min(unit->cylinders, 0xFFFFu));
        cmos.put(static_cast<u8>(base + 2), unit->heads);
        cmos.put16(static_cast<u8>(base + 3), 0xFFFF);
        cmos.put(static_cast<u8>(base + 5), 0xC0 | (unit->heads > 8 ? 8 : 0));
        cmos.put16(static_cast<u8>(base + 6), std::min(unit->cylinders, 0xFFFFu));
        cmos.put(static_cast<u8>(base + 8), unit->sectors_per_track);
    }
    cmos.put(0x39, translation);
    cmos.put(0x3A, 0);
}

void put_floppies(Cmos& cmos, const FloppyDrives& drives) {
    cmos.put(0x10, static_cast<unsigned>(drives[0]) << 4 | static_cast<unsigned>(drives[1]));
    const auto count = std::count_if(drives.begin(), drives.end(), [](FloppyType t) { return t != FloppyType::none; });
    // Equipment: floppy drives (bit 0, count - 1 in bits 7-6), coprocessor (bit 1), pointing device (bit 2).
    const unsigned floppies = count == 0 ? 0 : 1u | static_cast<unsigned>(count - 1) << 6;
    cmos.put(0x14, 0x06 | floppies);
}

void put_boot_order(Cmos& cmos, const std::vector<BootDevice>& boot) {
    unsigned order = 0, shift = 0;
    for (const auto device : boot) {
        if (shift >= 12) break;
        order |= static_cast<unsigned>(device) << shift;
        shift += 4;
    }
    cmos.put(0x3D, order & 0xFF);
    cmos.put(0x38, order >> 8 << 4); // bit 0 clear: a floppy's boot signature is checked
}

std::string ide_path(unsigned unit) {
    return "/pci@i0cf8/ide@1,1/drive@" + std::to_string(unit / 2) + "/disk@" + std::to_string(unit % 2);
}

} // namespace

MemoryLayout memory_layout(u64 memory_bytes) {
    constexpr u64 most_below = 0xE000'0000, split = 0xC000'0000;
    if (memory_bytes <= most_below) return {memory_bytes, 0};
    return {split, memory_bytes - split};
}

Bytes e820_table(u64 memory_bytes) {
    // SeaBIOS itself carves out the video hole, its own area and the top of memory that its tables take.
    const auto layout = memory_layout(memory_bytes);
    Bytes table;
    append_e820(table, 0, layout.low_end, e820_ram);
    if (layout.high_bytes != 0) append_e820(table, four_gib, layout.high_bytes, e820_ram);
    return table;
}

std::vector<CmosByte> cmos_bytes(const BoardFacts& facts) {
    Cmos cmos;
    cmos.put(0x0F, 0); // shutdown status: a normal reset
    put_floppies(cmos, facts.floppies);
    put_disks(cmos, facts.ide);
    put_memory(cmos, facts.memory_bytes);
    put_boot_order(cmos, facts.boot);
    cmos.put(0x5F, std::min(std::max(facts.processors, 1u) - 1, 255u));
    unsigned sum = 0;
    for (unsigned i = 0x10; i <= 0x2D; ++i) sum += cmos.bytes[i];
    cmos.put(0x2E, sum >> 8 & 0xFF); // high byte first
    cmos.put(0x2F, sum & 0xFF);
    std::vector<CmosByte> result;
    for (u8 i = 0; i < 128; ++i)
        if (cmos.set[i]) result.push_back({i, cmos.bytes[i]});
    return result;
}

Bytes boot_order(const BoardFacts& facts) {
    std::string lines;
    const auto add = [&](const std::string& path) { lines += (lines.empty() ? "" : "\n") + path; };
    if (!facts.first_boot_path.empty()) add(facts.first_boot_path);
    for (const auto device : facts.boot) {
        if (device == BootDevice::floppy)
            for (unsigned i = 0; i < 2; ++i)
                if (facts.floppies[i] != FloppyType::none) add("/pci@i0cf8/isa@1/fdc@03f0/floppy@" + std::to_string(i));
        if (device == BootDevice::disk || device == BootDevice::cdrom)
            for (unsigned i = 0; i < 4; ++i)
                if (facts.ide[i] && facts.ide[i]->cdrom == (device == BootDevice::cdrom)) add(ide_path(i));
    }
    Bytes bytes = to_bytes(lines);
    bytes.push_back(0);
    return bytes;
}

FwCfgItems board_fw_cfg(const BoardFacts& facts) {
    const auto processors = static_cast<u16>(std::clamp(facts.processors, 1u, 255u));
    FwCfgItems items;
    items.push_back(fw_cfg_bytes(fw_cfg_key::uuid, Bytes(facts.uuid.begin(), facts.uuid.end())));
    items.push_back(fw_cfg_number<u64>(fw_cfg_key::ram_size, memory_layout(facts.memory_bytes).low_end));
    items.push_back(fw_cfg_number<u16>(fw_cfg_key::no_graphic, 0));
    items.push_back(fw_cfg_number<u16>(fw_cfg_key::cpu_count, processors));
    items.push_back(fw_cfg_number<u16>(fw_cfg_key::max_cpus, processors));
    items.push_back(fw_cfg_number<u16>(fw_cfg_key::boot_menu, facts.boot_menu ? 1 : 0));
    items.push_back(fw_cfg_number<u32>(fw_cfg_key::irq0_override, 1)); // IRQ 0 arrives at I/O APIC input 2
    items.push_back(fw_cfg_file("etc/e820", e820_table(facts.memory_bytes)));
    if (Bytes order = boot_order(facts); order.size() > 1) items.push_back(fw_cfg_file("bootorder", std::move(order)));
    return items;
}

} // namespace glassbox
