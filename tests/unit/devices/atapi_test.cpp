// The ATAPI CD-ROM drive, driven as drivers do it: packets by PIO and DMA, discs that come and go.
#include "devices/ide/cd_sector.hpp"
#include "tests/unit/devices/ide_rig.hpp"

#include <initializer_list>

using namespace ide_test;

namespace {

constexpr u32 disc_sectors = 300;

struct Cd : Rig {
    std::vector<u8> disc = pattern(disc_sectors * 2048, 5);
    explicit Cd(bool loaded = true) {
        base = 0x170;
        control = 0x376;
        REQUIRE(ide.attach_cdrom(1, 0, loaded ? memory_image(disc, true) : nullptr));
    }
    std::span<const u8> sectors(u32 lba, u32 count) const { return std::span(disc).subspan(lba * 2048, count * 2048); }

    /// Sends a packet; leaves the drive at its first interrupt.
    void packet(std::initializer_list<int> bytes, u32 limit = 0xFFFE, bool dma = false) {
        set(6, 0xA0);
        set(1, dma ? 1 : 0);
        set(4, static_cast<u8>(limit));
        set(5, static_cast<u8>(limit >> 8));
        set(7, 0xA0);
        CHECK((alt() & 0x80) == 0x80);
        settle();
        CHECK(!irq()); // the kind of drive that asks for packets without an interrupt
        CHECK((alt() & 0x88) == 0x08);
        CHECK(reg(2) == 1);
        std::vector<u8> data;
        for (int byte : bytes) data.push_back(static_cast<u8>(byte));
        data.resize(12);
        push(data);
        settle();
    }
    /// A packet that returns data by PIO; `status` is the last one.
    std::vector<u8> transfer(std::initializer_list<int> bytes, u32 limit = 0xFFFE) {
        std::vector<u8> got;
        packet(bytes, limit);
        while (true) {
            CHECK(irq());
            const u8 status = reg(7);
            if ((status & 0x08) == 0) break;
            CHECK(reg(2) == 2);
            const u32 n = reg(4) | reg(5) << 8;
            CHECK(n > 0);
            CHECK(n <= std::max(2u, limit));
            pull(got, n);
            settle();
        }
        CHECK(reg(2) == 3);
        return got;
    }
    /// A packet without data; 0 or the sense key << 16 | code << 8 | qualifier.
    u32 command(std::initializer_list<int> bytes) {
        transfer(bytes);
        return error();
    }
    u32 error() {
        if ((alt() & 1) == 0) return 0;
        const u8 key = reg(1) >> 4;
        const auto sense = transfer({0x03, 0, 0, 0, 18});
        REQUIRE(sense.size() == 18);
        CHECK(sense[0] == 0x70);
        CHECK(sense[2] == key);
        return static_cast<u32>(sense[2] << 16 | sense[12] << 8 | sense[13]);
    }
};

u32 be32(const std::vector<u8>& d, std::size_t at) {
    return static_cast<u32>(d.at(at) << 24 | d.at(at + 1) << 16 | d.at(at + 2) << 8 | d.at(at + 3));
}

std::unique_ptr<Image> some_disc(u64 seed = 6) { return memory_image(pattern(100 * 2048, seed), true); }

} // namespace

TEST_CASE("atapi: signature, IDENTIFY and the refusals that tell it from a disk") {
    Cd cd;
    CHECK(cd.reg(4) == 0x14);
    CHECK(cd.reg(5) == 0xEB);
    CHECK(cd.alt() == 0);
    for (const int command : {0xEC, 0x20}) {
        cd.set(4, 0);
        cd.set(7, static_cast<u8>(command));
        CHECK(cd.wait_irq() == 0x51);
        CHECK(cd.reg(1) == 4);
        CHECK(cd.reg(4) == 0x14);
        CHECK(cd.reg(5) == 0xEB);
    }
    const auto w = cd.identify(0xA1);
    CHECK(w[0] == 0x85C0);
    CHECK(Rig::text(w, 27, 20) == "GLASSBOX CD-ROM");
    CHECK((w[49] & 0x300) == 0x300);
    CHECK((w[82] & 0x10) != 0);
    cd.set(4, 0);
    cd.set(7, 0x08); // DEVICE RESET
    cd.settle();
    CHECK(!cd.irq());
    CHECK(cd.alt() == 0);
    CHECK(cd.reg(4) == 0x14);
    cd.set(1, 3);
    cd.set(2, 0x22);
    cd.set(7, 0xEF);
    CHECK(cd.wait_irq() == 0x50);
    CHECK(cd.identify(0xA1)[63] == 0x0407);
}

TEST_CASE("atapi: READ by PIO in blocks of the byte count limit") {
    Cd cd;
    for (u32 limit : {0xFFFEu, 0xFFFFu, 0u, 2048u, 5000u, 513u, 1u}) {
        CAPTURE(limit);
        std::vector<u8> got;
        if (limit == 0 || limit == 0xFFFF) { // both mean as much as can be
            cd.packet({0x28, 0, 0, 0, 0, 20, 0, 0, 18}, limit);
            CHECK(cd.irq());
            CHECK((cd.reg(4) | cd.reg(5) << 8) == 16 * 2048);
            cd.set(7, 0x08);
            cd.settle();
            continue;
        }
        got = cd.transfer({0x28, 0, 0, 0, 0, 20, 0, 0, limit < 100 ? 1 : 18}, limit);
        CHECK(cd.error() == 0);
        CHECK(same(got, cd.sectors(20, limit < 100 ? 1 : 18)));
    }
    CHECK(same(cd.transfer({0xA8, 0, 0, 0, 0, 100, 0, 0, 0, 50}), cd.sectors(100, 50)));
    CHECK(cd.command({0x28, 0, 0, 0, 0, 20, 0, 0, 0}) == 0); // nothing to read
    CHECK(cd.command({0x28, 0, 0, 0, 1, 0x2B, 0, 0, 2}) == 0x052100);
    CHECK(cd.command({0x28, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 1}) == 0x052100);
    CHECK(cd.command({0xA8, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF}) == 0x052100);
    CHECK(cd.command({0xFE}) == 0x052000);
}

TEST_CASE("atapi: READ by DMA") {
    Cd cd;
    cd.prds({{0x20000, 10000}, {0x40000, 0x80000000 | (30 * 2048 - 10000)}});
    cd.packet({0x28, 0, 0, 0, 0, 7, 0, 0, 30}, 0, true);
    CHECK(!cd.irq());
    cd.start_bm(true);
    cd.settle();
    CHECK(cd.irq());
    CHECK(cd.bm_status() == 0x64);
    CHECK(cd.reg(7) == 0x50);
    CHECK(cd.reg(2) == 3);
    CHECK(same(cd.ram(0x20000, 10000), cd.sectors(7, 30).first(10000)));
    CHECK(same(cd.ram(0x40000, 30 * 2048 - 10000), cd.sectors(7, 30).subspan(10000)));
    cd.prds({{0x20000, 0x80000000 | 96}}); // a short answer in a long region
    cd.packet({0x12, 0, 0, 0, 96}, 0, true);
    cd.start_bm(true);
    cd.settle();
    CHECK(cd.irq());
    CHECK(cd.bm_status() == 0x65);
    CHECK(same(cd.ram(0x20008, 8), std::vector<u8>{'G', 'L', 'A', 'S', 'S', 'B', 'O', 'X'}));
    cd.reg(7);
    cd.packet({0x28, 0, 0, 0, 0xFF, 0, 0, 0, 1}, 0, true); // an error needs no DMA
    CHECK(cd.irq());
    CHECK(cd.reg(7) == 0x51);
}

TEST_CASE("atapi: odd lengths") {
    Cd cd;
    const auto all = cd.transfer({0x12, 0, 0, 0, 36});
    REQUIRE(all.size() == 36);
    CHECK(all[0] == 5);
    CHECK(all[1] == 0x80);
    for (int n : {1, 5, 7, 35}) {
        const auto part = cd.transfer({0x12, 0, 0, 0, n});
        CHECK(same(part, std::span(all).first(static_cast<std::size_t>(n))));
    }
    CHECK(cd.transfer({0x12, 0, 0, 0, 255}) == all);
    CHECK(cd.transfer({0x12, 0, 0, 0, 0}).empty());
    CHECK(cd.transfer({0x12, 0, 0, 0, 36}, 10) == all);
    CHECK(cd.command({0x12, 1, 0, 0, 36}) == 0x052400);
}

TEST_CASE("atapi: capacity, TOC, sub-channel, disc and track information") {
    Cd cd;
    const auto capacity = cd.transfer({0x25});
    CHECK(be32(capacity, 0) == disc_sectors - 1);
    CHECK(be32(capacity, 4) == 2048);
    CHECK(cd.transfer({0x43, 0, 0, 0, 0, 0, 0, 0, 100}) ==
          std::vector<u8>{0, 18, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0, 0, 0x14, 0xAA, 0, 0, 0, 1, 0x2C});
    CHECK(cd.transfer({0x43, 2, 0, 0, 0, 0, 0xAA, 0, 12}) ==
          std::vector<u8>{0, 10, 1, 1, 0, 0x14, 0xAA, 0, 0, 0, 6, 0});
    CHECK(cd.transfer({0x43, 0, 1, 0, 0, 0, 0, 0, 12}) == std::vector<u8>{0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0});
    CHECK(cd.transfer({0x43, 0, 0, 0, 0, 0, 0, 0, 12, 0x40}) ==
          std::vector<u8>{0, 10, 1, 1, 0, 0x14, 1, 0, 0, 0, 0, 0});
    const auto full = cd.transfer({0x43, 2, 2, 0, 0, 0, 0, 0, 200});
    REQUIRE(full.size() == 4 + 4 * 11);
    CHECK(full[1] == full.size() - 2);
    CHECK(full[4 + 22 + 3] == 0xA2);
    CHECK(full[4 + 22 + 9] == 6); // 0:06:00
    CHECK(cd.transfer({0x43, 0, 0, 0, 0, 0, 0, 0, 4}).size() == 4);
    CHECK(cd.command({0x43, 0, 0, 0, 0, 0, 2, 0, 100}) == 0x052400);
    CHECK(cd.command({0x43, 0, 5, 0, 0, 0, 0, 0, 100}) == 0x052400);
    CHECK(cd.transfer({0x42, 0, 0, 0, 0, 0, 0, 0, 4}) == std::vector<u8>{0, 0x15, 0, 0});
    const auto position = cd.transfer({0x42, 2, 0x40, 1, 0, 0, 0, 0, 16});
    REQUIRE(position.size() == 16);
    CHECK(position[3] == 12);
    CHECK(position[6] == 1);
    CHECK(cd.transfer({0x42, 2, 0x40, 2, 0, 0, 0, 0, 24}).size() == 24);
    CHECK(cd.command({0x42, 2, 0x40, 9, 0, 0, 0, 0, 24}) == 0x052400);
    CHECK(cd.transfer({0x44, 2, 0, 0, 0, 75, 0, 0, 8}) == std::vector<u8>{1, 0, 0, 0, 0, 0, 3, 0});
    const auto info = cd.transfer({0x51, 0, 0, 0, 0, 0, 0, 0, 34});
    REQUIRE(info.size() == 34);
    CHECK(info[2] == 0x0E);
    const auto track = cd.transfer({0x52, 1, 0, 0, 0, 1, 0, 0, 36});
    REQUIRE(track.size() == 36);
    CHECK(be32(track, 24) == disc_sectors);
    CHECK(cd.command({0x52, 1, 0, 0, 0, 9, 0, 0, 36}) == 0x052400);
}

TEST_CASE("atapi: READ CD sends the parts that are asked for, with valid EDC and ECC") {
    Cd cd;
    CHECK(same(cd.transfer({0xBE, 0, 0, 0, 0, 10, 0, 0, 3, 0x10}), cd.sectors(10, 3)));
    CHECK(same(cd.transfer({0xB9, 0, 0, 0, 2, 10, 0, 2, 13, 0x10}), cd.sectors(10, 3)));
    CHECK(cd.transfer({0xBE, 0, 0, 0, 0, 10, 0, 0, 3, 0}).empty());
    const auto raw = cd.transfer({0xBE, 0, 0, 0, 0, 75, 0, 0, 2, 0xF8});
    REQUIRE(raw.size() == 2 * 2352);
    CHECK(raw[0] == 0);
    CHECK(raw[1] == 0xFF);
    CHECK(raw[12] == 0x00);
    CHECK(raw[13] == 0x03); // 0:03:00
    CHECK(raw[14] == 0x00);
    CHECK(raw[2352 + 14] == 0x01);
    CHECK(raw[15] == 1);
    CHECK(same(std::span(raw).subspan(16, 2048), cd.sectors(75, 1)));
    // The sum of each P and Q code word is zero, and so is the sum weighted with powers of alpha (ECMA-130 annex A).
    const auto alpha = [](u8 a) { return static_cast<u8>(a << 1 ^ (a & 0x80 ? 0x1D : 0)); };
    const u8* d = raw.data() + 12;
    for (unsigned column = 0; column < 86; ++column) {
        u8 sum = 0, weighted = 0;
        for (unsigned i = 0; i < 26; ++i) {
            sum ^= d[column + 86 * i];
            weighted = alpha(weighted) ^ d[column + 86 * i];
        }
        CHECK((sum | weighted) == 0);
    }
    for (unsigned diagonal = 0; diagonal < 52; ++diagonal) {
        u8 sum = 0, weighted = 0;
        for (unsigned i = 0; i < 45; ++i) {
            const unsigned at =
                i < 43 ? ((diagonal / 2 * 43 + i * 44) % 1118) * 2 + diagonal % 2 : 2236 + (i - 43) * 52 + diagonal;
            sum ^= d[at];
            weighted = alpha(weighted) ^ d[at];
        }
        CHECK((sum | weighted) == 0);
    }
    CHECK(cd.transfer({0xBE, 0, 0, 0, 0, 75, 0, 0, 1, 0x20}).size() == 4);
    CHECK(cd.transfer({0xBE, 0, 0, 0, 0, 75, 0, 0, 1, 0xFA}).size() == 2352 + 294);
    CHECK(cd.command({0xBE, 4, 0, 0, 0, 10, 0, 0, 1, 0x10}) == 0x056400); // audio
    CHECK(cd.command({0xBE, 0, 0, 0, 0, 10, 0, 0, 1, 0x10, 1}) == 0x052400);
    CHECK(cd.command({0xBE, 0, 0, 0, 1, 0x2C, 0, 0, 1, 0x10}) == 0x052100);
    CHECK(cd.command({0xB9, 0, 0, 0, 1, 0, 0, 2, 0, 0x10}) == 0x052400);
}

TEST_CASE("atapi: mode pages") {
    Cd cd;
    const auto capabilities = cd.transfer({0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 128});
    REQUIRE(capabilities.size() == 8 + 22);
    CHECK(capabilities[1] == capabilities.size() - 2);
    CHECK(capabilities[2] == 0x01);
    CHECK(capabilities[8] == 0x2A);
    CHECK((capabilities[8 + 6] & 0x29) == 0x29);
    const auto six = cd.transfer({0x1A, 0, 0x3F, 0, 255});
    REQUIRE(six.size() > 4);
    CHECK(six[0] == six.size() - 1);
    CHECK(cd.command({0x5A, 0, 0xEA, 0, 0, 0, 0, 0, 128}) == 0x053900); // saved values
    CHECK(cd.command({0x5A, 0, 0x05, 0, 0, 0, 0, 0, 128}) == 0x052400);
    // MODE SELECT of the error recovery page is seen by MODE SENSE
    const auto select = [&](std::vector<u8> data) {
        cd.packet({0x55, 0x10, 0, 0, 0, 0, 0, 0, static_cast<int>(data.size())});
        CHECK(cd.irq());
        CHECK((cd.reg(7) & 0x08) != 0);
        CHECK(cd.reg(2) == 0);
        CHECK(cd.reg(4) == data.size());
        cd.push(data);
        cd.settle();
        CHECK(cd.irq());
        cd.reg(7);
        return cd.error();
    };
    CHECK(select({0, 0, 0, 0, 0, 0, 0, 0, 1, 6, 0x20, 5, 0, 0, 0, 0}) == 0);
    const auto page = cd.transfer({0x5A, 0, 1, 0, 0, 0, 0, 0, 128});
    CHECK(page.at(10) == 0x20);
    CHECK(page.at(11) == 5);
    CHECK(cd.transfer({0x5A, 0, 0x81, 0, 0, 0, 0, 0, 128}).at(10) == 0); // default
    CHECK(select({0, 0, 0, 0, 0, 0, 0, 0, 0x33, 0}) == 0x052600);
    CHECK(select({0, 0, 0, 0, 0, 0, 0, 0, 1, 60, 0, 0}) == 0x051A00);
    CHECK(select({0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 1, 6}) == 0x051A00);
    CHECK(select({0, 0, 0, 0}) == 0x051A00);
    CHECK(cd.command({0x55, 0x10, 0, 0, 0, 0, 0, 0xFF, 0xFF}) == 0x051A00);
    CHECK(cd.command({0x55, 0x10, 0, 0, 0, 0, 0, 0, 0}) == 0);
}

TEST_CASE("atapi: configuration, events, mechanism and refusals") {
    Cd cd;
    const auto config = cd.transfer({0x46, 0, 0, 0, 0, 0, 0, 1, 0});
    REQUIRE(config.size() > 8);
    CHECK(be32(config, 0) == config.size() - 4);
    CHECK(config[7] == 8);
    CHECK(cd.transfer({0x46, 2, 0, 3, 0, 0, 0, 1, 0}).size() == 16);
    CHECK(cd.transfer({0x46, 0, 0, 0, 0, 0, 0, 0, 8}).size() == 8);
    CHECK(cd.transfer({0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8}) == std::vector<u8>{0, 6, 4, 0x10, 0, 2, 0, 0});
    CHECK(cd.transfer({0x4A, 1, 0, 0, 0x40, 0, 0, 0, 8}) == std::vector<u8>{0, 2, 0x80, 0x10});
    CHECK(cd.command({0x4A, 0, 0, 0, 0x10, 0, 0, 0, 8}) == 0x052400);
    CHECK(cd.transfer({0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8}).size() == 8);
    CHECK(cd.command({0xAD, 0, 0, 0, 0, 0, 0, 0, 0, 8}) == 0x053002);
    for (int audio : {0x45, 0x47, 0x48, 0xA5, 0xBA}) CHECK(cd.command({audio, 0, 0, 0, 0, 0, 0, 0, 1}) == 0x056400);
    CHECK(cd.command({0x4B}) == 0x052C00);
    CHECK(cd.command({0x4E}) == 0);
    CHECK(cd.command({0xBB, 0, 0xFF, 0xFF}) == 0);
    CHECK(cd.command({0x2B, 0, 0, 0, 0, 200}) == 0);
    CHECK(cd.command({0x2B, 0, 0, 0, 5, 200}) == 0x052100);
    CHECK(cd.command({0x00}) == 0);
}

TEST_CASE("atapi: an empty drive and a change of discs") {
    Cd cd(false);
    CHECK(cd.command({0x00}) == 0x023A00);
    CHECK(cd.command({0x25}) == 0x023A00);
    CHECK(cd.command({0x28, 0, 0, 0, 0, 0, 0, 0, 1}) == 0x023A00);
    CHECK(cd.command({0x12, 0, 0, 0, 36}) == 0);
    CHECK(cd.transfer({0x5A, 0, 0x2A, 0, 0, 0, 0, 0, 128}).at(2) == 0x70);
    REQUIRE(cd.ide.change_cd(some_disc()));
    CHECK(cd.transfer({0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8}) == std::vector<u8>{0, 6, 4, 0x10, 2, 2, 0, 0});
    CHECK(cd.command({0x00}) == 0x062800);
    CHECK(cd.command({0x00}) == 0);
    REQUIRE(cd.ide.change_cd(some_disc(7))); // one for another: gone, new, ready
    CHECK(cd.command({0x12, 0, 0, 0, 36}) == 0);
    CHECK(cd.command({0x00}) == 0x023A00);
    CHECK(cd.command({0x28, 0, 0, 0, 0, 0, 0, 0, 1}) == 0x062800);
    const auto seven = pattern(2048 * 100, 7);
    CHECK(same(cd.transfer({0x28, 0, 0, 0, 0, 0, 0, 0, 1}), std::span(seven).first(2048)));
    REQUIRE(cd.ide.change_cd(nullptr));
    CHECK(cd.command({0x00}) == 0x023A00);
    CHECK(cd.transfer({0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8}) == std::vector<u8>{0, 6, 4, 0x10, 3, 0, 0, 0});
    CHECK(!cd.ide.change_cd(memory_image(pattern(512))));
}

TEST_CASE("atapi: a disc that goes away during a read ends the read with an error") {
    Cd cd;
    cd.packet({0x28, 0, 0, 0, 0, 250, 0, 0, 40});
    std::vector<u8> got;
    cd.reg(7);
    REQUIRE(cd.ide.change_cd(some_disc())); // shorter than where the read is
    Archive saver = Archive::saver();
    cd.scheduler.persist(saver);
    cd.ide.persist(saver);
    Cd copy;
    REQUIRE(copy.ide.change_cd(some_disc()));
    Archive loader = Archive::loader(saver.bytes());
    copy.scheduler.persist(loader);
    copy.ide.persist(loader);
    CHECK(loader.ok());
    copy.pull(got, 16 * 2048);
    CHECK(same(got, cd.sectors(250, 16)));
    copy.settle();
    CHECK(copy.error() == 0x031100);
    CHECK(copy.command({0x00}) == 0x023A00);
    CHECK(copy.command({0x00}) == 0x062800);
    CHECK(copy.command({0x00}) == 0);
}

TEST_CASE("atapi: the tray is opened, closed and locked") {
    Cd cd;
    CHECK(cd.command({0x1E, 0, 0, 0, 1}) == 0);
    CHECK(cd.ide.cdrom()->locked());
    CHECK(cd.command({0x1B, 0, 0, 0, 2}) == 0x055302);
    const auto refused = cd.ide.change_cd(some_disc());
    REQUIRE(!refused);
    CHECK(refused.error().message.find("locked") != std::string::npos);
    CHECK(cd.transfer({0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8}).at(4) == 1); // eject request
    CHECK(cd.command({0x00}) == 0);
    CHECK(cd.command({0x1E}) == 0);
    CHECK(cd.command({0x1B, 0, 0, 0, 2}) == 0);
    CHECK(cd.ide.cdrom()->tray_open());
    CHECK(cd.command({0x00}) == 0x023A02);
    CHECK(cd.transfer({0x4A, 1, 0, 0, 0x10, 0, 0, 0, 8}) == std::vector<u8>{0, 6, 4, 0x10, 3, 1, 0, 0});
    CHECK(cd.transfer({0xBD, 0, 0, 0, 0, 0, 0, 0, 0, 8}).at(1) == 0x10);
    CHECK(cd.command({0x1B, 0, 0, 0, 3}) == 0);
    CHECK(cd.command({0x00}) == 0x062800);
    CHECK(cd.command({0x00}) == 0);
    CHECK(cd.command({0x1B, 0, 0, 0, 2}) == 0);
    REQUIRE(cd.ide.change_cd(some_disc())); // into the open tray, which closes
    CHECK(!cd.ide.cdrom()->tray_open());
}

TEST_CASE("atapi: an image that is no whole number of sectors ends with zeros") {
    Rig rig;
    REQUIRE(rig.ide.attach_cdrom(0, 0, memory_image(pattern(2048 * 3 + 700), true)));
    rig.prds({{0x20000, 0x80000000 | 4096}});
    rig.set(6, 0xA0);
    rig.set(1, 1);
    rig.set(7, 0xA0);
    rig.settle();
    rig.push(std::vector<u8>{0x28, 0, 0, 0, 0, 2, 0, 0, 2, 0, 0, 0});
    rig.start_bm(true);
    rig.settle();
    CHECK(rig.irq());
    CHECK(rig.reg(7) == 0x50);
    const auto all = pattern(2048 * 3 + 700);
    CHECK(same(rig.ram(0x20000, 2748), std::span(all).subspan(4096, 2748)));
    CHECK(rig.memory.ram()[0x20000 + 2748] == 0);
    CHECK(rig.memory.ram()[0x20000 + 4095] == 0);
}

TEST_CASE("atapi: a snapshot in the middle of a read goes on where it was") {
    Cd first;
    first.packet({0x28, 0, 0, 0, 0, 5, 0, 0, 40}, 3000);
    std::vector<u8> got;
    first.pull(got, 1000);
    Archive saver = Archive::saver();
    first.scheduler.persist(saver);
    first.ide.persist(saver);
    Cd copy;
    Archive loader = Archive::loader(saver.bytes());
    copy.scheduler.persist(loader);
    copy.ide.persist(loader);
    if (!loader.ok()) FAIL(loader.reason());
    CHECK(loader.at_end());
    std::memcpy(copy.wires.level, first.wires.level, sizeof copy.wires.level);
    u32 left = 2000;
    copy.reg(7);
    while (left) {
        copy.pull(got, left);
        copy.settle();
        CHECK(copy.irq());
        left = copy.reg(7) & 8 ? copy.reg(4) | copy.reg(5) << 8 : 0;
    }
    CHECK(same(got, copy.sectors(5, 40)));
    Cd empty(false);
    Archive other = Archive::loader(saver.bytes());
    empty.scheduler.persist(other);
    empty.ide.persist(other);
    CHECK(other.reason().find("disc") != std::string::npos);

    Archive plain = Archive::saver();
    first.ide.persist(plain);
    Cd victim;
    for (std::size_t at = 0; at < std::min<std::size_t>(plain.bytes().size(), 1200); at += 3) {
        auto bytes = plain.bytes();
        bytes[at] = static_cast<u8>(bytes[at] ^ (at % 2 ? 0xFF : 1 + at % 7));
        Archive damaged = Archive::loader(bytes);
        victim.ide.persist(damaged);
        victim.settle();
        for (unsigned i = 0; i < 3000; ++i) victim.ports.read(Port{0x170}, 4);
        victim.push(std::vector<u8>(100));
        victim.settle();
    }
}

TEST_CASE("atapi: any packet is survived") {
    Cd cd;
    const auto noise = pattern(12 * 2000, 3);
    for (std::size_t i = 0; i < noise.size(); i += 12) {
        auto bytes = std::vector<u8>(noise.begin() + static_cast<std::ptrdiff_t>(i),
                                     noise.begin() + static_cast<std::ptrdiff_t>(i) + 12);
        if (i % 24) bytes[2] = bytes[3] = bytes[6] = 0; // addresses that exist, now and then
        cd.set(6, 0xA0);
        cd.set(1, bytes[11] & 1);
        cd.set(4, bytes[5]);
        cd.set(5, bytes[4]);
        cd.set(7, 0xA0);
        cd.settle();
        cd.push(bytes);
        cd.settle();
        for (unsigned k = 0; k < 50 && (cd.alt() & 8); ++k) {
            cd.push(std::vector<u8>(64));
            for (unsigned n = 0; n < 64; ++n) cd.ports.read(Port{0x170}, 4);
            cd.settle();
        }
        cd.set(7, 0x08);
        cd.settle();
        CHECK(cd.alt() == 0);
    }
    cd.transfer({0x1E});
    cd.transfer({0x1B, 0, 0, 0, 3});
    cd.command({0x00});
    CHECK(same(cd.transfer({0x28, 0, 0, 0, 0, 20, 0, 0, 2}), cd.sectors(20, 2)));
}
