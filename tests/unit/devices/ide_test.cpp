// The IDE controller and ATA disks by registers and PIO, driven as drivers do it.
#include "tests/unit/devices/ide_rig.hpp"

using namespace ide_test;

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

TEST_CASE("ide: written data does not stay in the drive's cache for ever") {
    Disk disk;
    disk.lba28(1, 1);
    disk.set(7, 0x30);
    for (unsigned i = 0; i < 3 && disk.alt() != 0x58; ++i) {
        disk.scheduler.skip_to(disk.scheduler.next_event());
        disk.scheduler.fire_due();
    }
    disk.push(pattern(512, 2));
    disk.scheduler.skip_to(disk.scheduler.next_event());
    disk.scheduler.fire_due();
    CHECK(disk.alt() == 0x50);
    CHECK(disk.image->flushes == 0);
    CHECK(disk.scheduler.next_event() - disk.scheduler.now() == 2 * second);
    disk.scheduler.skip_to(disk.scheduler.next_event());
    disk.scheduler.fire_due();
    CHECK(disk.image->flushes == 1);
    CHECK(disk.ide.flush());
    CHECK(disk.image->flushes == 2);
    disk.image->fail_flush = true;
    CHECK(!disk.ide.flush());
}
