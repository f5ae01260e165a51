// The IDE controller and ATA disks, driven as drivers do it.
#include "tests/unit/devices/ide_rig.hpp"

using namespace ide_test;

namespace {

constexpr u64 disk_sectors = 4096;

/// An image that remembers flushes and fails where it is told to.
struct TestImage final : Image {
    std::vector<u8> data;
    u64 bad = ~u64{0};
    bool fail_writes = false, fail_flush = false;
    unsigned reads = 0, flushes = 0;
    std::string name = "test.img";

    explicit TestImage(u64 sectors) : data(pattern(sectors * 512)) {}
    u64 size() const override { return data.size(); }
    bool read_only() const override { return false; }
    const std::string& path() const override { return name; }
    Expected<> read(u64 offset, std::span<u8> out) override {
        ++reads;
        if (offset > data.size() || out.size() > data.size() - offset) return fail("out of range");
        if (bad * 512 >= offset && bad * 512 < offset + out.size()) return fail("bad sector");
        std::memcpy(out.data(), data.data() + offset, out.size());
        return {};
    }
    Expected<> write(u64 offset, std::span<const u8> in) override {
        if (offset > data.size() || in.size() > data.size() - offset) return fail("out of range");
        if (fail_writes) return fail("no space");
        std::memcpy(data.data() + offset, in.data(), in.size());
        return {};
    }
    Expected<> flush() override {
        ++flushes;
        return fail_flush ? fail("no disk") : Expected<>{};
    }
    void persist(Archive&) override {}
};

struct Disk : Rig {
    TestImage* image;
    explicit Disk(u64 sectors = disk_sectors) {
        auto owned = std::make_unique<TestImage>(sectors);
        image = owned.get();
        REQUIRE(ide.attach_disk(0, 0, std::move(owned)));
    }
    std::span<const u8> sectors(u64 lba, u64 count) const {
        return std::span(image->data).subspan(lba * 512, count * 512);
    }
    /// Reads by PIO in blocks of `block` sectors.
    std::vector<u8> pio_read(u8 command, u32 count, u32 block = 1, unsigned width = 2) {
        std::vector<u8> got;
        set(7, command);
        while (count) {
            const u32 n = std::min(count, block);
            CHECK(wait_irq() == 0x58);
            pull(got, n * 512, width);
            count -= n;
        }
        settle();
        CHECK(!irq());
        CHECK(alt() == 0x50);
        return got;
    }
    void pio_write(u8 command, std::span<const u8> data, u32 block = 1, unsigned width = 2) {
        set(7, command);
        CHECK(alt() == 0xD0);
        settle();
        CHECK(!irq()); // none before the first block
        for (std::size_t at = 0; at < data.size(); at += block * 512) {
            CHECK(alt() == 0x58);
            push(data.subspan(at, std::min<std::size_t>(block * 512, data.size() - at)), width);
            CHECK((alt() & 0x88) == 0x80);
            wait_irq();
        }
        CHECK(alt() == 0x50);
    }
    u8 simple(u8 command) {
        set(7, command);
        return wait_irq();
    }
};

} // namespace

TEST_CASE("ide: the PCI function is a PIIX3's") {
    Rig rig;
    CHECK(rig.ide.config_read(0, 4) == 0x70108086);
    CHECK(rig.ide.config_read(8, 4) == 0x01018000);
    CHECK(rig.ide.config_read(0x40, 4) == 0);
    rig.ide.config_write(0x40, 2, 0xA307);
    rig.ide.config_write(0x42, 2, 0x8000);
    CHECK(rig.ide.config_read(0x40, 4) == 0x8000A307);
    rig.ide.config_write(0x20, 4, 0xFFFFFFFF);
    CHECK(rig.ide.config_read(0x20, 4) == 0xFFFFFFF1);
}

TEST_CASE("ide: an empty channel floats, a missing second drive reads as zero") {
    Disk disk;
    disk.base = 0x170;
    disk.control = 0x376;
    for (unsigned n = 1; n < 8; ++n) CHECK(disk.reg(n) == 0xFF);
    CHECK(disk.alt() == 0xFF);
    disk.set(7, 0xEC);
    disk.settle();
    CHECK(!disk.irq());
    disk.base = 0x1F0;
    disk.control = 0x3F6;
    disk.set(6, 0xF0);
    CHECK(disk.reg(7) == 0);
    disk.set(7, 0xEC);
    disk.settle();
    CHECK(disk.alt() == 0);
    CHECK(!disk.irq());
    disk.set(6, 0xE0);
    CHECK(disk.reg(7) == 0x50);
}

TEST_CASE("ide: attaching is checked") {
    Rig rig;
    CHECK(!rig.ide.attach_disk(2, 0, memory_image(pattern(512))));
    CHECK(!rig.ide.attach_disk(0, 2, memory_image(pattern(512))));
    CHECK(!rig.ide.attach_disk(0, 0, nullptr));
    CHECK(rig.ide.attach_disk(0, 0, memory_image(pattern(512))));
    CHECK(!rig.ide.attach_disk(0, 0, memory_image(pattern(512))));
    CHECK(!rig.ide.attach_cdrom(0, 0, nullptr));
    CHECK(!rig.ide.attach_cdrom(1, 0, memory_image(pattern(512))));
    CHECK(!rig.ide.change_cd(nullptr));
    CHECK(rig.ide.attach_cdrom(1, 0, nullptr));
    CHECK(rig.ide.change_cd(nullptr));
}

TEST_CASE("ide: registers hold what is written, the previous bytes are behind HOB") {
    Disk disk;
    for (unsigned n = 2; n < 6; ++n) disk.set(n, static_cast<u8>(0x10 + n));
    for (unsigned n = 2; n < 6; ++n) disk.set(n, static_cast<u8>(0x20 + n));
    for (unsigned n = 2; n < 6; ++n) CHECK(disk.reg(n) == 0x20 + n);
    disk.out(disk.control, 0x80);
    for (unsigned n = 2; n < 6; ++n) CHECK(disk.reg(n) == 0x10 + n);
    disk.set(2, 1); // a write of the command block clears HOB
    CHECK(disk.reg(3) == 0x23);
    CHECK(disk.ports.read(Port{0x1F2}, 2) == 0x2301);
    disk.set(6, 0x0F);
    CHECK(disk.reg(6) == 0xAF);
}

TEST_CASE("ide: a software reset leaves the signature, and no interrupt") {
    Disk disk;
    REQUIRE(disk.ide.attach_cdrom(0, 1, nullptr));
    disk.set(6, 0xF0);
    disk.out(disk.control, 4);
    CHECK(disk.alt() == 0x80);
    disk.settle();
    CHECK(disk.alt() == 0x80); // as long as the bit is set
    disk.set(7, 0xEC);         // ignored
    disk.out(disk.control, 0);
    CHECK(disk.alt() == 0x80);
    disk.settle();
    CHECK(!disk.irq());
    CHECK(disk.alt() == 0x50);
    CHECK(disk.reg(1) == 1);
    const u8 ata[] = {1, 1, 0, 0}, atapi[] = {1, 1, 0x14, 0xEB};
    for (unsigned i = 0; i < 4; ++i) CHECK(disk.reg(2 + i) == ata[i]);
    disk.set(6, 0x10);
    for (unsigned i = 0; i < 4; ++i) CHECK(disk.reg(2 + i) == atapi[i]);
    CHECK(disk.alt() == 0); // a packet device is not ready after a reset
    disk.set(7, 0x90);      // the diagnostic is for both, and selects drive 0
    CHECK(disk.wait_irq() == 0x50);
    CHECK(disk.reg(1) == 1);
    CHECK((disk.reg(6) & 0x10) == 0);
}

TEST_CASE("ide: IDENTIFY DEVICE tells geometry, sizes and features") {
    Disk disk(20'000'000 / 512 * 1); // image sizes are not the point
    auto w = disk.identify(0xEC);
    const u64 total = 20'000'000 / 512;
    CHECK(w[0] == 0x0040);
    CHECK(w[1] == total / 1008);
    CHECK(w[3] == 16);
    CHECK(w[6] == 63);
    CHECK(Rig::text(w, 27, 20) == "GLASSBOX HARDDISK");
    CHECK((w[47] & 0xFF) == 16);
    CHECK((w[49] & 0x300) == 0x300);
    CHECK((w[60] | w[61] << 16) == total);
    CHECK((w[100] | w[101] << 16) == total);
    CHECK((w[83] & 0x7400) == 0x7400);
    CHECK(w[128] == 9);
    u8 sum = 0;
    for (u16 word : w) sum = static_cast<u8>(sum + word + (word >> 8));
    CHECK(sum == 0);
    // SET FEATURES and SET MULTIPLE show
    disk.set(1, 3);
    disk.set(2, 0x22); // multiword DMA 2
    CHECK(disk.simple(0xEF) == 0x50);
    disk.set(1, 0x82);
    disk.simple(0xEF);
    disk.set(1, 0x55);
    disk.simple(0xEF);
    disk.set(2, 8);
    CHECK(disk.simple(0xC6) == 0x50);
    w = disk.identify(0xEC);
    CHECK(w[63] == 0x0407);
    CHECK(w[88] == 0x003F);
    CHECK((w[85] & 0x60) == 0);
    CHECK(w[59] == 0x108);
    disk.set(2, 3);
    CHECK(disk.simple(0xC6) == 0x51);
    CHECK(disk.reg(1) == 4);
    disk.set(1, 3);
    disk.set(2, 0x4F);
    CHECK(disk.simple(0xEF) == 0x51);
    disk.set(1, 0x99);
    CHECK(disk.simple(0xEF) == 0x51);
}

TEST_CASE("ide: PIO reads by CHS, LBA28 and LBA48, of all widths") {
    Disk disk;
    disk.lba28(100, 3);
    CHECK(same(disk.pio_read(0x20, 3), disk.sectors(100, 3)));
    CHECK(disk.reg(2) == 0);
    CHECK(disk.reg(3) == 102);
    disk.lba28(7, 1);
    CHECK(same(disk.pio_read(0x21, 1, 1, 4), disk.sectors(7, 1)));
    disk.lba48(4000, 5);
    CHECK(same(disk.pio_read(0x24, 5, 1, 4), disk.sectors(4000, 5)));
    disk.lba28(500, 0); // 256
    const unsigned before = disk.image->reads;
    CHECK(same(disk.pio_read(0xC4, 256, 16), disk.sectors(500, 256)));
    CHECK(disk.image->reads - before == 2); // whole runs
    disk.lba48(10, 37);
    CHECK(same(disk.pio_read(0x29, 37, 16), disk.sectors(10, 37)));
    // CHS 1/2/3 with 16 heads and 63 sectors
    disk.set(6, 0xA2);
    disk.set(2, 2);
    disk.set(3, 3);
    disk.set(4, 1);
    disk.set(5, 0);
    CHECK(same(disk.pio_read(0x20, 2), disk.sectors((1 * 16 + 2) * 63 + 2, 2)));
    CHECK(disk.reg(3) == 4);
    // Another translation: 4 heads, 10 sectors
    disk.set(6, 0xA3);
    disk.set(2, 10);
    CHECK(disk.simple(0x91) == 0x50);
    disk.set(6, 0xA3);
    disk.set(2, 1);
    disk.set(3, 10);
    disk.set(4, 5);
    CHECK(same(disk.pio_read(0x20, 1), disk.sectors((5 * 4 + 3) * 10 + 9, 1)));
    const auto w = disk.identify(0xEC);
    CHECK(w[54] == disk_sectors / 40);
    CHECK(w[55] == 4);
    CHECK(w[56] == 10);
}

TEST_CASE("ide: PIO writes reach the image, in order and announced as on hardware") {
    Disk disk;
    const auto data = pattern(5 * 512, 9);
    disk.lba28(200, 5);
    disk.pio_write(0x30, data);
    CHECK(same(disk.sectors(200, 5), data));
    disk.lba48(300, 5);
    disk.pio_write(0x34, data, 1, 4);
    CHECK(same(disk.sectors(300, 5), data));
    const auto more = pattern(35 * 512, 10);
    disk.lba28(400, 35);
    disk.pio_write(0xC5, more, 16);
    CHECK(same(disk.sectors(400, 35), more));
    disk.lba48(500, 35);
    disk.pio_write(0x39, more, 16);
    CHECK(same(disk.sectors(500, 35), more));
    CHECK(disk.image->flushes == 0);
    CHECK(disk.simple(0xE7) == 0x50);
    CHECK(disk.simple(0xEA) == 0x50);
    CHECK(disk.image->flushes == 2);
    disk.set(1, 0x82); // without write cache each command is on the disk when it ends
    disk.simple(0xEF);
    disk.lba28(200, 1);
    disk.pio_write(0x30, std::span(more).first(512));
    CHECK(disk.image->flushes == 4);
}

TEST_CASE("ide: errors name the place") {
    Disk disk;
    const auto fails = [&](u8 command, u8 error) {
        CHECK(disk.simple(command) == 0x51);
        CHECK(disk.reg(1) == error);
    };
    disk.lba28(disk_sectors, 1);
    fails(0x20, 0x10);
    disk.lba28(disk_sectors - 1, 2);
    fails(0x30, 0x10);
    disk.lba48(u64{1} << 40, 1);
    fails(0x25, 0x10);
    disk.lba48(0, 0); // 65536 sectors
    fails(0x24, 0x10);
    disk.set(6, 0xA0);
    disk.set(2, 1);
    disk.set(3, 0); // there is no sector 0
    disk.set(4, 0);
    disk.set(5, 0);
    fails(0x20, 0x10);
    disk.set(3, 64);
    fails(0x20, 0x10);
    for (const int command : {0x00, 0x08, 0x22, 0x32, 0x50, 0x87, 0xA0, 0xA1, 0xB1, 0xC0, 0xF1, 0xF6, 0xF9, 0xFF}) {
        fails(static_cast<u8>(command), 4);
    }
    disk.set(2, 0);
    disk.simple(0xC6); // multiple-sector commands are off
    disk.lba28(0, 1);
    fails(0xC4, 4);
    fails(0xC5, 4);

    disk.image->bad = 102;
    disk.lba28(100, 5);
    disk.set(7, 0x20);
    std::vector<u8> got;
    for (unsigned i = 0; i < 2; ++i) {
        CHECK(disk.wait_irq() == 0x58);
        disk.pull(got, 512);
    }
    CHECK(disk.wait_irq() == 0x51);
    CHECK(disk.reg(1) == 0x40);
    CHECK(disk.reg(3) == 102);
    CHECK(disk.reg(2) == 3);
    CHECK(same(got, disk.sectors(100, 2)));
    CHECK(disk.ide.drive(0, 0)->host_error() == "bad sector");
    disk.lba28(100, 5);
    fails(0x40, 0x40); // READ VERIFY
    disk.lba28(103, 5);
    CHECK(disk.simple(0x40) == 0x50);

    disk.image->fail_writes = true;
    disk.lba28(0, 1);
    disk.set(7, 0x30);
    disk.settle();
    disk.push(pattern(512));
    CHECK(disk.wait_irq() == 0x71); // device fault
    disk.image->fail_flush = true;
    CHECK(disk.simple(0xE7) == 0x71);
}

TEST_CASE("ide: a disk that cannot be written refuses writes") {
    Rig rig;
    REQUIRE(rig.ide.attach_disk(0, 0, memory_image(pattern(512 * 10), true)));
    rig.lba28(1, 1);
    rig.set(7, 0x30);
    rig.settle();
    rig.push(pattern(512, 3));
    CHECK(rig.wait_irq() == 0x51);
    CHECK(rig.reg(1) == 4);
}

TEST_CASE("ide: commands without data") {
    Disk disk;
    for (const int command : {0x10, 0x1F, 0xE0, 0xE1, 0xE2, 0xE3, 0x94, 0x97, 0xF5}) {
        CHECK(disk.simple(static_cast<u8>(command)) == 0x50);
    }
    disk.simple(0xE0);
    CHECK(disk.simple(0xE5) == 0x50);
    CHECK(disk.reg(2) == 0);
    disk.simple(0xE1);
    disk.simple(0xE5);
    CHECK(disk.reg(2) == 0xFF);
    disk.lba28(55, 1);
    CHECK(disk.simple(0x70) == 0x50);
    disk.lba28(disk_sectors, 1);
    CHECK(disk.simple(0x70) == 0x51);
    disk.set(6, 0xE0);
    CHECK(disk.simple(0xF8) == 0x50);
    CHECK((disk.reg(3) | disk.reg(4) << 8 | disk.reg(5) << 16) == disk_sectors - 1);
    CHECK(disk.simple(0x27) == 0x50);
    CHECK(disk.reg(4) == (disk_sectors - 1) >> 8);
    // the sector buffer
    const auto data = pattern(512, 77);
    disk.set(7, 0xE8);
    disk.settle();
    disk.push(data);
    CHECK(disk.wait_irq() == 0x50);
    disk.set(7, 0xE4);
    disk.wait_irq();
    std::vector<u8> got;
    disk.pull(got, 512);
    CHECK(same(got, data));
    // SLEEP ends with a reset
    disk.simple(0xE6);
    disk.set(7, 0xEC);
    disk.settle();
    CHECK(!disk.irq());
    disk.out(disk.control, 4);
    disk.out(disk.control, 0);
    disk.settle();
    disk.identify(0xEC);
}

TEST_CASE("ide: SMART as drivers look at it") {
    Disk disk;
    const auto smart = [&](u8 function, u8 log = 0) {
        disk.set(1, function);
        disk.set(2, 1);
        disk.set(3, log);
        disk.set(4, 0x4F);
        disk.set(5, 0xC2);
        return disk.simple(0xB0);
    };
    CHECK(smart(0xDA) == 0x50);
    CHECK(disk.reg(4) == 0x4F);
    CHECK(disk.reg(5) == 0xC2);
    for (const int function : {0xD0, 0xD1}) {
        CHECK(smart(static_cast<u8>(function)) == 0x58);
        std::vector<u8> data;
        disk.pull(data, 512);
        u8 sum = 0;
        for (u8 byte : data) sum = static_cast<u8>(sum + byte);
        CHECK(sum == 0);
        CHECK(data[0] == 16);
        CHECK(data[2] == 1);
        CHECK(disk.alt() == 0x50);
    }
    disk.set(1, 0xD6);
    disk.set(2, 1);
    disk.set(3, 0x80);
    disk.set(7, 0xB0);
    disk.settle();
    CHECK(disk.alt() == 0x58);
    const auto log = pattern(512, 5);
    disk.push(log);
    CHECK(disk.wait_irq() == 0x50);
    CHECK(smart(0xD5, 0x80) == 0x58);
    std::vector<u8> got;
    disk.pull(got, 512);
    CHECK(same(got, log));
    CHECK(smart(0xD5, 0x55) == 0x51);
    CHECK(smart(0xD9) == 0x50);
    CHECK(smart(0xDA) == 0x51); // disabled
    CHECK(smart(0xD8) == 0x50);
    disk.set(4, 0);
    disk.set(1, 0xDA);
    CHECK(disk.simple(0xB0) == 0x51); // without the signature
}

TEST_CASE("ide: nIEN keeps the interrupt from the wire, selection routes it") {
    Disk disk;
    REQUIRE(disk.ide.attach_disk(0, 1, memory_image(pattern(512 * 64, 3))));
    disk.out(disk.control, 2);
    disk.lba28(0, 1);
    disk.set(7, 0x20);
    disk.settle();
    CHECK(!disk.irq());
    CHECK(disk.alt() == 0x58);
    disk.out(disk.control, 0);
    CHECK(disk.irq()); // still pending
    disk.set(6, 0xF0);
    CHECK(!disk.irq()); // the other drive has none
    disk.set(6, 0xE0);
    CHECK(disk.irq());
    CHECK(disk.alt() == 0x58);
    CHECK(disk.irq()); // the alternate status does not acknowledge
    disk.reg(7);
    CHECK(!disk.irq());
    disk.lba28(3, 1, 1);
    disk.set(7, 0x20);
    CHECK(disk.wait_irq() == 0x58);
    std::vector<u8> got;
    disk.pull(got, 512);
    const auto other = pattern(512 * 64, 3);
    CHECK(same(got, std::span(other).subspan(3 * 512, 512)));
}

TEST_CASE("ide: bus master reads and writes by PRD tables") {
    Disk disk;
    SUBCASE("one region, drive first") {
        disk.prds({{0x20000, 0x80000000 | 8 * 512}});
        disk.lba28(50, 8);
        disk.set(7, 0xC8);
        disk.settle();
        CHECK(disk.alt() == 0x58);
        CHECK(!disk.irq());
        disk.start_bm(true);
        CHECK(disk.bm_status() == 0x61);
        disk.settle();
        CHECK(disk.irq());
        CHECK(disk.bm_status() == 0x64);
        CHECK(disk.reg(7) == 0x50);
        CHECK(same(disk.ram(0x20000, 8 * 512), disk.sectors(50, 8)));
        disk.out(Rig::bm + 2, 4);
        CHECK(disk.bm_status() == 0);
    }
    SUBCASE("engine first, scattered regions, 48 bits") {
        disk.prds({{0x20002, 1000}, {0x30000, 3096}, {0x50000, 0}, {0x40000, 0x80000000 | 2048}});
        disk.start_bm(true);
        disk.lba48(1000, 136); // 69632 = 1000 + 3096 + 65536 + 0 of the last
        const unsigned before = disk.image->reads;
        disk.set(7, 0x25);
        disk.settle();
        CHECK(disk.irq());
        CHECK(disk.bm_status() == 0x65); // the table is longer than the transfer
        CHECK(disk.image->reads - before == 2);
        const auto all = disk.sectors(1000, 136);
        CHECK(same(disk.ram(0x20002, 1000), all.subspan(0, 1000)));
        CHECK(same(disk.ram(0x30000, 3096), all.subspan(1000, 3096)));
        CHECK(same(disk.ram(0x50000, 65536), all.subspan(4096, 65536)));
        disk.stop_bm();
        CHECK(disk.bm_status() == 0x64);
    }
    SUBCASE("writes") {
        const auto data = pattern(300 * 512, 4);
        std::memcpy(disk.memory.ram().data() + 0x20000, data.data(), data.size());
        disk.prds({{0x20000, 0}, {0x30000, 0}, {0x40000, 0x80000000 | (300 * 512 - 0x20000)}});
        disk.lba48(600, 300);
        disk.set(7, 0x35);
        disk.start_bm(false);
        disk.settle();
        CHECK(disk.irq());
        CHECK(disk.bm_status() == 0x64);
        CHECK(same(disk.sectors(600, 300), data));
    }
    SUBCASE("a table that is too short leaves the drive waiting") {
        disk.prds({{0x20000, 0x80000000 | 512}});
        disk.lba28(0, 2);
        disk.set(7, 0xC8);
        disk.start_bm(true);
        disk.settle();
        CHECK(!disk.irq());
        CHECK(disk.bm_status() == 0x60);
        CHECK(disk.alt() == 0x58);
        disk.stop_bm();
        disk.out(disk.control, 4); // the driver's way out
        disk.out(disk.control, 0);
        disk.settle();
        CHECK(disk.alt() == 0x50);
        disk.lba28(9, 1);
        CHECK(same(disk.pio_read(0x20, 1), disk.sectors(9, 1)));
    }
    SUBCASE("the wrong direction, a closed bus, a stopped engine move nothing") {
        disk.prds({{0x20000, 0x80000000 | 512}});
        disk.lba28(0, 1);
        disk.set(7, 0xC8);
        disk.start_bm(false);
        disk.settle();
        CHECK(!disk.irq());
        disk.stop_bm();
        disk.ide.config_write(4, 2, 1);
        disk.start_bm(true);
        disk.settle();
        CHECK(!disk.irq());
        disk.ide.config_write(4, 2, 5);
        disk.stop_bm(); // before the engine got to it
        disk.settle();
        CHECK(!disk.irq());
        disk.start_bm(true);
        disk.settle();
        CHECK(disk.irq());
    }
    SUBCASE("errors end the transfer with an interrupt") {
        disk.image->bad = 1;
        disk.prds({{0x20000, 0x80000000 | 1024}});
        disk.lba28(0, 2);
        disk.set(7, 0xC8);
        disk.start_bm(true);
        disk.settle();
        CHECK(disk.irq());
        CHECK(disk.bm_status() == 0x65);
        CHECK(disk.reg(7) == 0x51);
        CHECK(disk.reg(1) == 0x40);
        CHECK(disk.reg(3) == 1);
        CHECK(same(disk.ram(0x20000, 512), disk.sectors(0, 1)));
    }
}

TEST_CASE("ide: hostile descriptors") {
    Disk disk;
    // Regions past the end of memory and of the address space, tables there, regions over the table itself.
    const std::vector<Rig::Prd> lists[] = {{{0xFFFFFFF0, 0x80000000}},
                                           {{0x000FFF00, 0x80000000 | 4096}},
                                           {{0x1000, 4096}, {0x1000, 4096}, {0x1000, 4096}},
                                           {{0x80000001, 0xFFFFFFFF}}};
    for (const auto& list : lists) {
        for (const u8 command : {u8{0xC8}, u8{0xCA}}) {
            disk.prds(list);
            disk.lba28(0, 64);
            disk.set(7, command);
            disk.start_bm(command == 0xC8);
            disk.settle();
            disk.stop_bm();
            disk.out(disk.control, 4);
            disk.out(disk.control, 0);
            disk.settle();
            CHECK(disk.alt() == 0x50);
        }
    }
    disk.ports.write(Port{Rig::bm + 4}, 4, 0xFFFFFFFF); // the table where there is nothing
    CHECK(disk.ports.read(Port{Rig::bm + 4}, 4) == 0xFFFFFFFC);
    disk.lba28(0, 64);
    disk.set(7, 0xC8);
    disk.start_bm(true);
    disk.settle();
    CHECK(disk.bm_status() == 0x65); // 64 KiB of nothing
}

TEST_CASE("ide: any sequence of port writes is survived") {
    Disk disk;
    REQUIRE(disk.ide.attach_cdrom(0, 1, memory_image(pattern(2048 * 40))));
    const auto noise = pattern(60000, 42);
    for (std::size_t i = 0; i + 3 < noise.size(); i += 3) {
        const u8 kind = noise[i], value = noise[i + 2];
        const u16 port = kind < 200   ? static_cast<u16>(0x1F0 + noise[i + 1] % 8)
                         : kind < 210 ? u16{0x3F6}
                                      : static_cast<u16>(Rig::bm + noise[i + 1] % 8);
        const unsigned width = port == 0x1F0 ? 1u << kind % 3 : 1;
        if (kind % 4 == 3) {
            disk.ports.read(Port{port}, width);
        } else if (port != 0x3F6 || value % 8 < 2) {
            disk.ports.write(Port{port}, width, value * 0x01010101u);
        } else {
            disk.out(port, 0);
        }
        if (kind % 3 == 0) disk.settle();
    }
    disk.out(disk.control, 4);
    disk.out(disk.control, 0);
    disk.settle();
    CHECK(disk.alt() == 0x50);
}

TEST_CASE("ide: 32-bit and 16-bit data ports carry the same bytes, and no more than a block") {
    Disk disk;
    disk.lba28(3, 1);
    disk.set(7, 0x20);
    disk.wait_irq();
    std::vector<u8> got;
    disk.pull(got, 510);
    const u32 last = disk.ports.read(Port{0x1F0}, 4); // two bytes are left
    CHECK(last == static_cast<u32>(disk.sectors(3, 1)[510] | disk.sectors(3, 1)[511] << 8));
    CHECK(disk.ports.read(Port{0x1F0}, 2) == 0xFFFF);
    CHECK(disk.alt() == 0x50);
}

TEST_CASE("ide: the second channel has its own ports, interrupt and bus master") {
    Rig rig;
    rig.base = 0x170;
    rig.control = 0x376;
    const auto content = pattern(512 * 64, 8);
    REQUIRE(rig.ide.attach_disk(1, 1, memory_image(content)));
    rig.prds({{0x20000, 0x80000000 | 1024}});
    rig.lba28(5, 2, 1);
    rig.set(7, 0xC8);
    rig.start_bm(true);
    rig.settle();
    CHECK(rig.wires.level[15]);
    CHECK(rig.wires.rises[14] == 0);
    CHECK(rig.bm_status() == 0x64);
    CHECK(rig.in(Rig::bm + 2) == 0);
    CHECK(same(rig.ram(0x20000, 1024), std::span(content).subspan(5 * 512, 1024)));
    CHECK(rig.ide.activity() == 1);
}

TEST_CASE("ide: a snapshot in the middle of transfers goes on where it was") {
    const auto prepare = [](Disk& disk, unsigned kind) {
        if (kind == 0) { // in a PIO block
            disk.lba28(100, 40);
            disk.set(7, 0xC4);
            disk.settle();
            std::vector<u8> got;
            disk.pull(got, 1000);
        } else if (kind == 1) { // in a write
            disk.lba28(100, 4);
            disk.set(7, 0x30);
            disk.settle();
            disk.push(pattern(700, 5));
        } else if (kind == 2) { // in the command's delay
            disk.lba28(100, 4);
            disk.set(7, 0xC8);
        } else { // between two regions: the drive waits
            disk.prds({{0x20000, 0x80000000 | 700}});
            disk.lba28(100, 4);
            disk.set(7, 0xC8);
            disk.start_bm(true);
            disk.settle();
        }
    };
    const auto finish = [](Disk& disk, unsigned kind) {
        std::vector<u8> got;
        if (kind == 0) {
            disk.pull(got, 16 * 512 - 1000);
            disk.wait_irq();
            disk.pull(got, 16 * 512);
            disk.wait_irq();
            disk.pull(got, 8 * 512);
            return got;
        }
        if (kind == 1) {
            disk.push(pattern(1500, 6));
            disk.settle();
        }
        disk.prds({{0x28000, 0x80000000 | 2048}});
        disk.start_bm(true);
        disk.settle();
        got.assign(disk.image->data.begin(), disk.image->data.end());
        got.insert(got.end(), disk.ram(0x20000, 0x9000).begin(), disk.ram(0x20000, 0x9000).end());
        got.push_back(disk.alt());
        got.push_back(disk.bm_status());
        got.push_back(disk.irq());
        return got;
    };
    for (unsigned kind = 0; kind < 4; ++kind) {
        CAPTURE(kind);
        Disk first;
        prepare(first, kind);
        Archive saver = Archive::saver();
        first.scheduler.persist(saver);
        first.ide.persist(saver);

        Disk copy;
        Archive loader = Archive::loader(saver.bytes());
        copy.scheduler.persist(loader);
        copy.ide.persist(loader);
        if (!loader.ok()) FAIL(loader.reason());
        CHECK(loader.at_end());
        std::memcpy(copy.memory.ram().data(), first.memory.ram().data(), first.memory.ram().size());
        std::memcpy(copy.wires.level, first.wires.level, sizeof first.wires.level);
        Archive again = Archive::saver();
        copy.scheduler.persist(again);
        copy.ide.persist(again);
        CHECK(again.bytes() == saver.bytes());
        const auto a = finish(first, kind), b = finish(copy, kind);
        CHECK(same(a, b));

        Disk victim;
        Archive plain = Archive::saver();
        first.ide.persist(plain);
        const std::size_t most = std::min<std::size_t>(plain.bytes().size(), 2000);
        for (std::size_t at = 0; at < most; at += 3) { // damaged snapshots: refused or harmless
            auto bytes = plain.bytes();
            bytes[at] = static_cast<u8>(bytes[at] ^ (at % 2 ? 0xFF : 1 + at % 7));
            Archive damaged = Archive::loader(bytes);
            victim.ide.persist(damaged);
            victim.settle();
            for (unsigned i = 0; i < 40; ++i) victim.ports.read(Port{0x1F0}, 4);
            victim.push(pattern(600));
            victim.start_bm(true);
            victim.settle();
        }
    }
}
