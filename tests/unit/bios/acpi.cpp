// The ACPI tables, linked as SeaBIOS links them and read back field by field.
#include "bios/acpi_tables.hpp"
#include "bios/table_loader.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <unistd.h>

using namespace glassbox;

namespace {

/// Runs the linker script over the files, as SeaBIOS does; each file lies at the address given.
struct Linked {
    std::map<std::string, Bytes> files;
    std::map<std::string, u32> address;

    static std::string name(const Bytes& script, std::size_t at) {
        return std::string(reinterpret_cast<const char*>(&script[at]));
    }

    explicit Linked(const AcpiTables& tables) {
        files["etc/acpi/rsdp"] = tables.rsdp;
        files["etc/acpi/tables"] = tables.tables;
        const auto& script = tables.loader;
        REQUIRE(script.size() % TableLoader::entry_size == 0);
        for (std::size_t at = 0; at < script.size(); at += TableLoader::entry_size) run(script, at);
    }
    void run(const Bytes& script, std::size_t at) {
        const auto file = name(script, at + 4);
        REQUIRE(files.contains(file));
        auto& bytes = files[file];
        switch (get_le<u32>(script, at)) {
        case 1: address[file] = script[at + 64] == 2 ? 0xF5000 : 0x7FE0000; break;
        case 2: {
            const auto target = name(script, at + 60);
            const u32 offset = get_le<u32>(script, at + 116);
            const u8 size = script[at + 120];
            REQUIRE(address.contains(target));
            REQUIRE(offset + size <= bytes.size());
            if (size == 4)
                put_le<u32>(bytes, offset, get_le<u32>(bytes, offset) + address[target]);
            else
                put_le<u64>(bytes, offset, get_le<u64>(bytes, offset) + address[target]);
            break;
        }
        case 3: {
            const u32 offset = get_le<u32>(script, at + 60), start = get_le<u32>(script, at + 64),
                      length = get_le<u32>(script, at + 68);
            REQUIRE(start + length <= bytes.size());
            bytes[offset] = static_cast<u8>(bytes[offset] - byte_sum(std::span(bytes).subspan(start, length)));
            break;
        }
        default: FAIL("unknown loader command");
        }
    }
    /// The table at a guest address, with its checksum proven.
    std::span<const u8> table(u64 at, bool checksummed = true) const {
        const auto& all = files.at("etc/acpi/tables");
        const u64 offset = at - address.at("etc/acpi/tables");
        REQUIRE(offset + 8 <= all.size());
        const u32 length = get_le<u32>(all, offset + 4);
        REQUIRE(offset + length <= all.size());
        const auto bytes = std::span(all).subspan(offset, length);
        if (checksummed) CHECK(byte_sum(bytes) == 0);
        return bytes;
    }
    std::span<const u8> find(std::string_view signature) const {
        const auto rsdt = table(get_le<u32>(files.at("etc/acpi/rsdp"), 16));
        for (std::size_t i = 36; i < rsdt.size(); i += 4) {
            const auto found = table(get_le<u32>(rsdt, i));
            if (std::equal(signature.begin(), signature.end(), found.begin())) return found;
        }
        return {};
    }
};

} // namespace

TEST_CASE("acpi: RSDP and RSDT link every table") {
    const Linked linked(build_acpi_tables({}));
    const auto& rsdp = linked.files.at("etc/acpi/rsdp");
    CHECK(rsdp.size() == 20);
    CHECK(std::string(rsdp.begin(), rsdp.begin() + 8) == "RSD PTR ");
    CHECK(byte_sum(rsdp) == 0);
    CHECK(rsdp[15] == 0);
    CHECK(linked.address.at("etc/acpi/rsdp") == 0xF5000);
    CHECK(linked.table(get_le<u32>(rsdp, 16)).size() == 36 + 3 * 4);
    for (const auto* signature : {"FACP", "APIC", "HPET"}) CHECK(!linked.find(signature).empty());
}

TEST_CASE("acpi: the FADT describes PIIX4's registers") {
    const Linked linked(build_acpi_tables({}));
    const auto fadt = linked.find("FACP");
    REQUIRE(fadt.size() == 244);
    CHECK(fadt[8] == 3);
    CHECK(get_le<u16>(fadt, 46) == 9);
    CHECK(get_le<u32>(fadt, 48) == 0xB2);
    CHECK(fadt[52] == 0xF1);
    CHECK(fadt[53] == 0xF0);
    CHECK(get_le<u32>(fadt, 56) == 0x600);
    CHECK(get_le<u32>(fadt, 64) == 0x604);
    CHECK(get_le<u32>(fadt, 76) == 0x608);
    CHECK(get_le<u32>(fadt, 80) == 0xAFE0);
    CHECK(fadt[88] == 4);
    CHECK(fadt[89] == 2);
    CHECK(fadt[91] == 4);
    CHECK(fadt[92] == 4);
    CHECK(fadt[108] == 0x32);
    CHECK(get_le<u16>(fadt, 109) == 3);
    CHECK((get_le<u32>(fadt, 112) & 0x10) == 0); // a fixed power button
    CHECK((get_le<u32>(fadt, 112) & 0x400) != 0);
    CHECK(fadt[116] == 1);
    CHECK(get_le<u64>(fadt, 120) == 0xCF9);
    CHECK(fadt[128] == 6);
    CHECK(get_le<u64>(fadt, 140) == get_le<u32>(fadt, 40)); // X_DSDT
    CHECK(get_le<u64>(fadt, 152) == 0x600);
    CHECK(get_le<u64>(fadt, 176) == 0x604);
    CHECK(get_le<u64>(fadt, 212) == 0x608);
    CHECK(get_le<u64>(fadt, 224) == 0xAFE0);
    const auto facs = linked.table(get_le<u32>(fadt, 36), false);
    CHECK(facs.size() == 64);
    CHECK(get_le<u32>(fadt, 36) % 64 == 0);
    CHECK(std::string(facs.begin(), facs.begin() + 4) == "FACS");
    const auto dsdt = linked.table(get_le<u32>(fadt, 40));
    CHECK(std::string(dsdt.begin(), dsdt.begin() + 4) == "DSDT");
}

TEST_CASE("acpi: the MADT lists processors, the I/O APIC and the ISA overrides") {
    const Linked linked(build_acpi_tables({.processors = 3, .io_apic_id = 3}));
    const auto madt = linked.find("APIC");
    CHECK(get_le<u32>(madt, 36) == 0xFEE0'0000);
    CHECK(get_le<u32>(madt, 40) == 1);
    unsigned processors = 0, overrides = 0, nmis = 0;
    std::size_t at = 44;
    while (at < madt.size()) {
        const auto entry = madt.subspan(at);
        if (entry[0] == 0) CHECK(entry[3] == processors++);
        if (entry[0] == 1) {
            CHECK(entry[2] == 3);
            CHECK(get_le<u32>(entry, 4) == 0xFEC0'0000);
        }
        if (entry[0] == 2) {
            ++overrides;
            CHECK(get_le<u32>(entry, 4) == (entry[3] == 0 ? 2u : entry[3]));
            CHECK(get_le<u16>(entry, 8) == (entry[3] == 0 ? 0 : 0x0D));
        }
        if (entry[0] == 4) {
            ++nmis;
            CHECK(entry[5] == 1);
        }
        at += entry[1];
    }
    CHECK(at == madt.size());
    CHECK(processors == 3);
    CHECK(linked.find("SSDT").size() == 36 + 2 + 5 + 2 * 13);
    CHECK(Linked(build_acpi_tables({})).find("SSDT").empty());
    CHECK(overrides == 5);
    CHECK(nmis == 1);
}

TEST_CASE("acpi: tables of absent parts are absent") {
    const Linked linked(build_acpi_tables({.hpet = false, .io_apic = false}));
    CHECK(linked.find("HPET").empty());
    CHECK(linked.find("APIC").empty());
    CHECK(!linked.find("FACP").empty());
    const auto hpet = Linked(build_acpi_tables({})).find("HPET");
    CHECK(hpet.size() == 56);
}

TEST_CASE("acpi: the DSDT's run-time values are patched and its checksum holds") {
    const auto value = [](const Bytes& aml, std::string name, std::size_t after) {
        const auto found = std::search(aml.begin(), aml.end(), name.begin(), name.end());
        return static_cast<std::size_t>(found - aml.begin()) + name.size() + after;
    };
    const auto dsdt = build_dsdt({.low_memory_end = 0x2000'0000, .serial_ports = 2, .parallel_port = false});
    CHECK(byte_sum(dsdt) == 0);
    CHECK(get_le<u32>(dsdt, 4) == dsdt.size());
    CHECK(get_le<u32>(dsdt, value(dsdt, "\x08MLOW", 1)) == 0x2000'0000);
    CHECK(dsdt[value(dsdt, "\x08NCOM", 1)] == 2);
    CHECK(dsdt[value(dsdt, "\x08NLPT", 1)] == 0);
    const auto huge = build_dsdt({.low_memory_end = u64{1} << 40, .serial_ports = 99});
    CHECK(get_le<u32>(huge, value(huge, "\x08MLOW", 1)) < 0xFEC0'0000);
    CHECK(huge[value(huge, "\x08NCOM", 1)] == 4);
}

TEST_CASE("acpi: iasl disassembles every table") {
    if (std::system("command -v iasl >/dev/null 2>&1") != 0) {
        MESSAGE("iasl is not installed: skipped");
        return;
    }
    const auto folder = std::filesystem::temp_directory_path() / ("glassbox-acpi-" + std::to_string(getpid()));
    std::filesystem::create_directories(folder);
    const Linked linked(build_acpi_tables({.processors = 64}));
    const auto dsdt = linked.table(get_le<u32>(linked.find("FACP"), 40));
    const std::map<std::string, std::span<const u8>> tables{{"dsdt", dsdt},
                                                            {"facp", linked.find("FACP")},
                                                            {"apic", linked.find("APIC")},
                                                            {"hpet", linked.find("HPET")},
                                                            {"ssdt", linked.find("SSDT")}};
    for (const auto& [name, bytes] : tables) {
        const auto path = folder / (name + ".aml");
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
        const auto log = (folder / "log").string();
        CHECK(std::system(("iasl -d " + path.string() + " >" + log + " 2>&1").c_str()) == 0);
        std::ifstream text(folder / (name + ".dsl"));
        const std::string listing((std::istreambuf_iterator<char>(text)), {});
        CHECK(!listing.empty());
        CHECK(listing.find("Unknown") == std::string::npos);
        CHECK(listing.find("rror") == std::string::npos);
        if (name == "ssdt") {
            CHECK(listing.find("Processor (C001, 0x01, 0x00000000, 0x00)") != std::string::npos);
            CHECK(listing.find("Processor (C03F, 0x3F, 0x00000000, 0x00)") != std::string::npos);
        }
        if (name == "dsdt")
            for (const auto* device : {"PNP0A03", "PNP0303", "PNP0F13", "PNP0501", "PNP0400", "PNP0700", "PNP0B00",
                                       "PNP0103", "_S5", "LNKD"})
                CHECK(listing.find(device) != std::string::npos);
    }
    std::filesystem::remove_all(folder);
}
