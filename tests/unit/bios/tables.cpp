// e820, CMOS, boot order, SMBIOS and the firmware files.
#include "bios/firmware.hpp"
#include "bios/memory_tables.hpp"
#include "bios/smbios.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <unistd.h>

using namespace glassbox;

namespace {

std::map<u8, u8> cmos_map(const BoardFacts& facts) {
    std::map<u8, u8> map;
    for (const auto& byte : cmos_bytes(facts)) map[byte.index] = byte.value;
    return map;
}
unsigned word(std::map<u8, u8>& map, u8 index) { return map.at(index) | map.at(static_cast<u8>(index + 1)) << 8; }
std::string text(const Bytes& bytes) { return std::string(bytes.begin(), bytes.end()); }

struct TemporaryFile {
    std::filesystem::path path;
    explicit TemporaryFile(const Bytes& bytes)
        : path(std::filesystem::temp_directory_path() / ("glassbox-rom-" + std::to_string(getpid()))) {
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    ~TemporaryFile() { std::filesystem::remove(path); }
};

} // namespace

TEST_CASE("memory: the layout splits around the PCI hole") {
    CHECK(memory_layout(64u << 20).low_end == 64u << 20);
    CHECK(memory_layout(0xE000'0000).low_end == 0xE000'0000);
    CHECK(memory_layout(0xE000'0000).high_bytes == 0);
    CHECK(memory_layout(four_gib).low_end == 0xC000'0000);
    CHECK(memory_layout(four_gib).high_bytes == 0x4000'0000);
}

TEST_CASE("memory: e820 entries are 20 bytes") {
    const auto small = e820_table(128u << 20);
    REQUIRE(small.size() == 20);
    CHECK(get_le<u64>(small, 0) == 0);
    CHECK(get_le<u64>(small, 8) == 128u << 20);
    CHECK(get_le<u32>(small, 16) == 1);
    const auto large = e820_table(5 * (u64{1} << 30));
    REQUIRE(large.size() == 40);
    CHECK(get_le<u64>(large, 20) == four_gib);
    CHECK(get_le<u64>(large, 28) == u64{2} << 30);
}

TEST_CASE("cmos: memory sizes as SeaBIOS reads them") {
    auto map = cmos_map({.memory_bytes = 128u << 20, .processors = 2});
    CHECK(word(map, 0x15) == 640);
    CHECK(word(map, 0x17) == 0xFFFF);
    CHECK(word(map, 0x30) == 0xFFFF);
    CHECK(word(map, 0x34) == (112u << 20) / 65536);
    CHECK(word(map, 0x5B) == 0);
    CHECK(map.at(0x5F) == 1);
    map = cmos_map({.memory_bytes = 8u << 20});
    CHECK(word(map, 0x30) == 7 * 1024);
    CHECK(word(map, 0x34) == 0);
    map = cmos_map({.memory_bytes = 5 * (u64{1} << 30)});
    CHECK(word(map, 0x5B) == ((u64{2} << 30) / 65536 & 0xFFFF));
    map = cmos_map({.memory_bytes = 512u << 10});
    CHECK(word(map, 0x30) == 0);
}

TEST_CASE("cmos: drives, boot order and checksum") {
    BoardFacts facts;
    facts.floppies = {FloppyType::mb1_44, FloppyType::kb720};
    facts.ide[0] = IdeUnit{.sectors = 4'194'304, .cylinders = 4161};
    facts.ide[1] = IdeUnit{.sectors = 100'800, .cylinders = 100};
    facts.ide[2] = IdeUnit{.cdrom = true};
    facts.boot = {BootDevice::cdrom, BootDevice::floppy, BootDevice::disk};
    auto map = cmos_map(facts);
    CHECK(map.at(0x10) == 0x43);
    CHECK(map.at(0x14) == 0x47);
    CHECK(map.at(0x12) == 0xFF);
    CHECK(map.at(0x19) == 47);
    CHECK(word(map, 0x1B) == 4161);
    CHECK(map.at(0x1D) == 16);
    CHECK(map.at(0x23) == 63);
    CHECK(word(map, 0x24) == 100);
    CHECK(map.at(0x39) == 0x01); // the large disk needs LBA translation, the small one none
    CHECK(map.at(0x3D) == 0x13);
    CHECK(map.at(0x38) == 0x20);
    unsigned sum = 0;
    for (u8 i = 0x10; i <= 0x2D; ++i) sum += map.contains(i) ? map.at(i) : 0;
    CHECK(map.at(0x2E) == sum >> 8);
    CHECK(map.at(0x2F) == (sum & 0xFF));
    CHECK(cmos_map({}).at(0x14) == 0x06);
}

TEST_CASE("boot order: OpenFirmware paths in the order asked for") {
    BoardFacts facts;
    facts.floppies = {FloppyType::mb1_44, FloppyType::none};
    facts.ide[0] = IdeUnit{};
    facts.ide[2] = IdeUnit{.cdrom = true};
    facts.boot = {BootDevice::cdrom, BootDevice::floppy, BootDevice::disk};
    facts.first_boot_path = "/rom@genroms/linuxboot.bin";
    const std::string expected = "/rom@genroms/linuxboot.bin\n/pci@i0cf8/ide@1,1/drive@1/disk@0\n"
                                 "/pci@i0cf8/isa@1/fdc@03f0/floppy@0\n/pci@i0cf8/ide@1,1/drive@0/disk@0";
    CHECK(text(boot_order(facts)) == expected + '\0');
}

TEST_CASE("board: fw_cfg's basic entries") {
    BoardFacts facts{.memory_bytes = 64u << 20, .processors = 2};
    facts.uuid[15] = 7;
    const auto items = board_fw_cfg(facts);
    CHECK(find_key(items, fw_cfg_key::ram_size)->data == Bytes{0, 0, 0, 4, 0, 0, 0, 0});
    CHECK(find_key(items, fw_cfg_key::cpu_count)->data == Bytes{2, 0});
    CHECK(find_key(items, fw_cfg_key::uuid)->data.back() == 7);
    CHECK(find_file(items, "etc/e820")->data.size() == 20);
    CHECK(find_file(items, "bootorder") == nullptr); // nothing to boot from
}

TEST_CASE("smbios: the anchor and structures agree") {
    const auto built =
        build_smbios({.memory_bytes = 5 * (u64{1} << 30), .processors = 2, .processor_name = "Test CPU"});
    const auto& anchor = built.anchor;
    REQUIRE(anchor.size() == 31);
    CHECK(byte_sum(anchor) == 0);
    CHECK(byte_sum(std::span(anchor).subspan(16)) == 0);
    CHECK(get_le<u16>(anchor, 0x16) == built.tables.size());
    CHECK(get_le<u16>(anchor, 0x1C) == built.count);
    CHECK(anchor[6] == 2);
    CHECK(anchor[7] == 8);
    const std::map<u8, u8> lengths{{0, 24},  {1, 27},  {3, 22},  {4, 42}, {16, 23},
                                   {17, 40}, {19, 31}, {32, 11}, {127, 4}};
    std::map<u8, unsigned> seen;
    std::size_t at = 0, longest = 0, count = 0;
    while (at < built.tables.size()) {
        const std::size_t start = at;
        const u8 type = built.tables[at];
        REQUIRE(lengths.contains(type));
        CHECK(built.tables[at + 1] == lengths.at(type));
        ++seen[type];
        at += built.tables[at + 1];
        while (built.tables[at] != 0 || built.tables[at + 1] != 0) ++at;
        at += 2;
        longest = std::max(longest, at - start);
        ++count;
    }
    CHECK(at == built.tables.size());
    CHECK(seen.size() == lengths.size());
    CHECK(seen[4] == 2);
    CHECK(seen[19] == 2);
    CHECK(count == built.count);
    CHECK(longest == get_le<u16>(anchor, 8));
    CHECK(text(built.tables).find("Test CPU") != std::string::npos);
    CHECK(smbios_fw_cfg({}).size() == 2);
}

TEST_CASE("firmware: missing and malformed files are clear errors") {
    const auto missing = load_system_bios("/nonexistent/bios.bin");
    REQUIRE(!missing);
    CHECK(missing.error().message.find("/nonexistent/bios.bin") != std::string::npos);
    CHECK(!load_system_bios("/tmp"));
    Bytes bytes(100'000, 0x90);
    CHECK(check_system_bios(bytes, "x").error().message.find("seabios") != std::string::npos);
    CHECK(!check_system_bios({}, "x"));
    bytes.resize(65536);
    CHECK(!check_system_bios(Bytes(65536, 0xFF), "x"));
    bytes[65530] = 0xEA;
    CHECK(check_system_bios(bytes, "x"));
    CHECK(!check_system_bios(Bytes(8u << 20, 0x90), "x"));
    CHECK(!load_system_bios(TemporaryFile(Bytes(8u << 20)).path));
    CHECK(!load_vga_bios(TemporaryFile(Bytes{0x55, 0xAA, 1}).path));
}

TEST_CASE("firmware: option ROMs are cut to their declared length") {
    Bytes rom(2048);
    CHECK(!option_rom_length(rom, "x"));
    rom[0] = 0x55, rom[1] = 0xAA;
    CHECK(!option_rom_length(rom, "x"));
    rom[2] = 3;
    CHECK(option_rom_length(rom, "x").value() == 1536);
    rom[2] = 5;
    CHECK(option_rom_length(rom, "x").error().message.find("truncated") != std::string::npos);
}

TEST_CASE("firmware: Debian's seabios is accepted where it is installed") {
    if (!std::filesystem::exists("/usr/share/seabios/bios-256k.bin")) return;
    CHECK(load_system_bios().value().bytes.size() == 256u << 10);
    const auto vga = load_vga_bios();
    REQUIRE(vga);
    CHECK(vga->bytes.size() == vga->bytes[2] * 512u);
}
