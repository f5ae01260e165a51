// Peeks through the two buses: split as reads are, over memory, ROM and devices, and up to whoever does not tell.
#include "bus/memory_map.hpp"
#include "bus/port_bus.hpp"

#include <doctest/doctest.h>

using namespace glassbox;

namespace {

/// Byte n of it is n, and reading is heard.
struct Teller : IoDevice {
    unsigned reads = 0;
    bool tells = true;
    static u64 value(u64 offset, unsigned width) {
        u64 value = ~u64{0}; // a device may leave high bits dirty
        for (unsigned i = width; i-- > 0;) value = value << 8 | ((offset + i) & 0xFF);
        return value;
    }
    u64 read(u64 offset, unsigned width) override { return ++reads, value(offset, width); }
    void write(u64, unsigned, u64) override {}
    std::optional<u64> peek(u64 offset, unsigned width) const override {
        if (!tells) return std::nullopt;
        CHECK(offset % width == 0);
        return value(offset, width);
    }
};

} // namespace

TEST_CASE("peek: ports are split as reads are, and nobody's are ones") {
    PortBus bus;
    Teller bytes, words;
    bus.map("bytes", {Port{0x10}, 4}, bytes, 1, 0x20);
    bus.map("words", {Port{0x14}, 4}, words, 2);
    for (const unsigned width : {1u, 2u, 4u}) {
        for (unsigned port = 0x0E; port < 0x1C; port += width)
            CHECK(bus.peek(Port{static_cast<u16>(port)}, width) == bus.read(Port{static_cast<u16>(port)}, width));
    }
    CHECK(bus.peek(Port{0x10}, 4) == 0x23222120u);
    CHECK(bus.peek(Port{0x16}, 4) == 0xFFFF0302u);
    CHECK(bus.peek(Port{0x14}, 2) == 0x0100u);
    const unsigned reads = bytes.reads + words.reads;
    words.tells = false;
    CHECK_FALSE(bus.peek(Port{0x14}, 2).has_value());
    CHECK_FALSE(bus.peek(Port{0x12}, 4).has_value()); // half of it
    CHECK(bytes.reads + words.reads == reads);
    CHECK(bus.owner(Port{0x15}) == "words");
    CHECK(bus.owner(Port{0x18}).empty());
}

TEST_CASE("peek: memory and devices one behind the other, up to who does not tell") {
    MemoryMap map{0x10000};
    Teller device, quiet;
    quiet.tells = false;
    using Access = MemoryMap::Access;
    map.add({.name = "ram", .size = 0x1000, .access = Access::read_write, .host = map.ram().data()});
    map.add({.name = "device", .start = 0x1000, .size = 0x100, .access = Access::read_write, .device = &device});
    map.add({.name = "quiet", .start = 0x1100, .size = 0x100, .access = Access::read_write, .device = &quiet});
    map.ram()[0xFFF] = 0x77;
    std::array<u8, 8> bytes{};
    CHECK(map.peek_block(PhysAddress{0xFFF}, bytes) == 8);
    CHECK(bytes == std::array<u8, 8>{0x77, 0, 1, 2, 3, 4, 5, 6});
    CHECK(map.peek_block(PhysAddress{0x1003}, bytes) == 8); // not aligned
    CHECK(bytes == std::array<u8, 8>{3, 4, 5, 6, 7, 8, 9, 10});
    CHECK(map.peek_block(PhysAddress{0x10FC}, bytes) == 4);
    CHECK(map.peek_block(PhysAddress{0x1100}, bytes) == 0);
    CHECK(map.peek_block(PhysAddress{0x2000}, bytes) == 0);
    CHECK(device.reads + quiet.reads == 0);
}

TEST_CASE("peek: what lies beneath a region") {
    MemoryMap map{0x1000};
    Teller device, top;
    using Access = MemoryMap::Access;
    map.add({.name = "ram", .size = 0x1000, .access = Access::read_write, .host = map.ram().data()});
    map.add({.name = "device",
             .start = 0x800,
             .size = 0x800,
             .access = Access::read_write,
             .device = &device,
             .priority = 1});
    const auto above =
        map.add({.name = "top", .size = 0x2000, .access = Access::read_write, .device = &top, .priority = 2});
    map.ram()[0x7FE] = 0x12, map.ram()[0x7FF] = 0x34;
    CHECK(map.peek_beneath(above, PhysAddress{0x7FE}, 4) == 0x01003412u);
    CHECK(map.peek_beneath(above, PhysAddress{0x7FE}, 4) == map.read_beneath(above, PhysAddress{0x7FE}, 4));
    CHECK(map.peek_beneath(above, PhysAddress{0x1800}, 2) == 0xFFFFu);
    device.tells = false;
    CHECK_FALSE(map.peek_beneath(above, PhysAddress{0x7FE}, 4).has_value());
    CHECK(top.reads == 0);
}
