#include "bus/memory_map.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace glassbox;

namespace {
using Access = MemoryMap::Access;

struct Mmio : IoDevice {
    struct Entry {
        char way;
        u64 offset;
        unsigned width;
        u64 value;
        bool operator==(const Entry&) const = default;
    };
    std::vector<Entry> log;
    u64 read(u64 offset, unsigned width) override {
        log.push_back({'r', offset, width, 0});
        u64 value = 0;
        for (unsigned i = 0; i < width; ++i) value |= ((0x80 + offset + i) & 0xFF) << (8 * i);
        return value;
    }
    void write(u64 offset, unsigned width, u64 value) override { log.push_back({'w', offset, width, value}); }
};

struct Watcher : MemoryWatcher {
    std::vector<std::pair<u64, u64>> writes;
    int changes = 0;
    void memory_written(PhysAddress start, u64 size) override { writes.emplace_back(start.value, size); }
    void map_changed() override { ++changes; }
};

struct Map {
    MemoryMap memory{0x10000};
    std::vector<u8> rom = std::vector<u8>(0x2000, 0xEE);
    MemoryMap::RegionId ram = memory.add(
        {.name = "RAM", .start = 0, .size = 0x10000, .access = Access::read_write, .host = memory.ram().data()});
};
} // namespace

TEST_CASE("memory map: RAM of every width, at every alignment, and across its end") {
    Map m;
    for (unsigned width : {1u, 2u, 4u, 8u}) {
        for (u64 at = 0x0FF8; at < 0x1008; ++at) {
            const u64 value = 0x1122'3344'5566'7788 >> (64 - 8 * width);
            m.memory.write(PhysAddress{at}, width, value);
            CHECK(m.memory.read(PhysAddress{at}, width) == value);
        }
    }
    m.memory.write(PhysAddress{0xFFFE}, 4, 0x4433'2211);
    CHECK(m.memory.read(PhysAddress{0xFFFE}, 4) == 0xFFFF'2211);
    CHECK(m.memory.read(PhysAddress{0x8000'0000}, 8) == ~u64{0});
    const u64 wrapped = m.memory.read(PhysAddress{~u64{0}}, 8) >> 8; // harmless
    CHECK(wrapped == (m.memory.read(PhysAddress{0}, 8) & ~u64{0} >> 8));
}

TEST_CASE("memory map: the highest priority wins, by direction") {
    Map m;
    const auto rom = m.memory.add(
        {.name = "ROM", .start = 0x4000, .size = 0x2000, .access = Access::read, .host = m.rom.data(), .priority = 1});
    CHECK(m.memory.read(PhysAddress{0x4000}, 1) == 0xEE);
    m.memory.write(PhysAddress{0x4000}, 1, 0x12); // goes to the RAM below
    CHECK(m.memory.read(PhysAddress{0x4000}, 1) == 0xEE);
    CHECK(m.memory.ram()[0x4000] == 0x12);
    CHECK(m.rom[0] == 0xEE);
    m.memory.set_access(rom, Access::write);
    CHECK(m.memory.read(PhysAddress{0x4000}, 1) == 0x12);
    m.memory.write(PhysAddress{0x4001}, 1, 0x34);
    CHECK(m.rom[1] == 0x34);
    m.memory.set_access(rom, Access::none);
    m.memory.write(PhysAddress{0x4001}, 1, 0x56);
    CHECK(m.memory.read(PhysAddress{0x4001}, 1) == 0x56);
    m.memory.change(rom, 0x8000, 0x1000, Access::read);
    CHECK(m.memory.read(PhysAddress{0x8000}, 1) == 0xEE);
    CHECK(m.memory.read(PhysAddress{0x9000}, 1) == 0x00);
    CHECK(m.memory.read(PhysAddress{0x8FFF}, 2) == 0x00EE); // straddles
}

TEST_CASE("memory map: dropped writes do not reach what lies below") {
    Map m;
    m.memory.add({.name = "ROM",
                  .start = 0x4000,
                  .size = 0x1000,
                  .access = Access::read_write,
                  .host = m.rom.data(),
                  .priority = 1,
                  .writes_dropped = true});
    m.memory.write(PhysAddress{0x4000}, 4, 0);
    CHECK(m.memory.read(PhysAddress{0x4000}, 1) == 0xEE);
    CHECK(m.memory.ram()[0x4000] == 0);
    CHECK(m.memory.page_for_read(PhysAddress{0x4123}) == m.rom.data());
    CHECK(m.memory.page_for_write(PhysAddress{0x4123}) == nullptr);
}

TEST_CASE("memory map: devices see offsets and at most their width") {
    Map m;
    Mmio d;
    m.memory.add({.name = "device",
                  .start = 0x8000,
                  .size = 0x10,
                  .access = Access::read_write,
                  .device = &d,
                  .max_width = 2,
                  .priority = 1});
    CHECK(m.memory.read(PhysAddress{0x8002}, 4) == 0x8584'8382);
    CHECK(d.log == std::vector<Mmio::Entry>{{'r', 2, 2, 0}, {'r', 4, 2, 0}});
    d.log.clear();
    m.memory.write(PhysAddress{0x800F}, 2, 0x2211); // leaves the device
    CHECK(d.log == std::vector<Mmio::Entry>{{'w', 15, 1, 0x11}});
    CHECK(m.memory.ram()[0x8010] == 0x22);
    d.log.clear();
    m.memory.write(PhysAddress{0x7FFF}, 2, 0x2211);
    CHECK(d.log == std::vector<Mmio::Entry>{{'w', 0, 1, 0x22}});
    CHECK(m.memory.page_for_read(PhysAddress{0x8000}) == nullptr);
    CHECK(m.memory.page_for_read(PhysAddress{0x7000}) == m.memory.ram().data() + 0x7000);
    CHECK(m.memory.page_for_read(PhysAddress{0x10000}) == nullptr);
}

TEST_CASE("memory map: blocks cross regions and are reported") {
    Map m;
    Mmio d;
    Watcher w;
    m.memory.add_watcher(w);
    m.memory.add({.name = "ROM",
                  .start = 0x4000,
                  .size = 0x1000,
                  .access = Access::read_write,
                  .host = m.rom.data(),
                  .priority = 1,
                  .writes_dropped = true});
    m.memory.add(
        {.name = "device", .start = 0x5000, .size = 4, .access = Access::read_write, .device = &d, .priority = 1});
    CHECK(w.changes == 2);
    std::vector<u8> data(0x1010, 0x77), back(0x1010);
    m.memory.write_block(PhysAddress{0x3FF8}, data);
    CHECK(w.writes == std::vector<std::pair<u64, u64>>{{0x3FF8, 0x1010}});
    CHECK(d.log.size() == 4);
    m.memory.read_block(PhysAddress{0x3FF8}, back);
    CHECK(back[7] == 0x77);
    CHECK(back[8] == 0xEE);
    CHECK(back[0x1007] == 0xEE);
    CHECK(back[0x1008] == 0x80);
    CHECK(back[0x100C] == 0x77);
    m.memory.write_block(PhysAddress{0xFFFE}, std::span(data).first(16)); // past the end of RAM
    m.memory.read_block(PhysAddress{0xFFFE}, std::span(back).first(4));
    CHECK(back[1] == 0x77);
    CHECK(back[2] == 0xFF);
    m.memory.read_block(PhysAddress{0}, {});
}

TEST_CASE("memory map: A20 masks, tells the watchers once, and persists") {
    Map m, other;
    Watcher w;
    m.memory.add_watcher(w);
    CHECK(m.memory.a20_mask() == ~u64{0});
    m.memory.set_a20(false);
    m.memory.set_a20(false);
    CHECK(w.changes == 1);
    CHECK(m.memory.a20_mask() == ~u64{0x100000});
    Archive out = Archive::saver();
    m.memory.persist(out);
    Archive in = Archive::loader(out.bytes());
    other.memory.persist(in);
    CHECK(in.ok());
    CHECK(!other.memory.a20());
}

TEST_CASE("memory map: no change, no flush") {
    Map m;
    Watcher w;
    m.memory.add_watcher(w);
    m.memory.change(m.ram, 0, 0x10000, Access::read_write);
    CHECK(w.changes == 0);
    m.memory.change(m.ram, 0, 0x8000, Access::read_write);
    CHECK(w.changes == 1);
    CHECK(m.memory.read(PhysAddress{0x8000}, 1) == 0xFF);
}
