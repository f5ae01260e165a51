// The IDE bus master, both channels together, hostile programming, and snapshots in the middle of transfers.
#include "tests/unit/devices/ide_rig.hpp"

using namespace ide_test;

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
