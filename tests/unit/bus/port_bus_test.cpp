#include "bus/port_bus.hpp"

#include <doctest/doctest.h>

using namespace glassbox;

namespace {
struct Access {
    char way;
    u64 offset;
    unsigned width;
    u64 value;
    bool operator==(const Access&) const = default;
};
struct Recorder : IoDevice {
    std::vector<Access> log;
    u64 base;
    explicit Recorder(u64 first = 0) : base(first) {}
    u64 read(u64 offset, unsigned width) override {
        log.push_back({'r', offset, width, 0});
        u64 value = 0;
        for (unsigned i = 0; i < width; ++i) value |= ((base + offset + i) & 0xFF) << (8 * i);
        return value | ~u64{0} << (8 * width); // a device may leave high bits dirty
    }
    void write(u64 offset, unsigned width, u64 value) override { log.push_back({'w', offset, width, value}); }
};
using Log = std::vector<Access>;
} // namespace

TEST_CASE("port bus: unclaimed ports read as ones and swallow writes") {
    PortBus bus;
    CHECK(bus.read(Port{0x1234}, 1) == 0xFF);
    CHECK(bus.read(Port{0x1234}, 2) == 0xFFFF);
    CHECK(bus.read(Port{0xFFFF}, 4) == 0xFFFF'FFFF);
    bus.write(Port{0xFFFE}, 4, 0);
    CHECK(!bus.claimed({Port{0}, 65535}));
}

TEST_CASE("port bus: a device sees offsets, its base and its own width") {
    PortBus bus;
    Recorder d;
    bus.map("d", {Port{0x100}, 8}, d, 2, 0x40);
    CHECK(bus.read(Port{0x103}, 1) == 0x43);
    CHECK(bus.read(Port{0x102}, 4) == 0x4544'4342);
    CHECK(d.log == Log{{'r', 0x43, 1, 0}, {'r', 0x42, 2, 0}, {'r', 0x44, 2, 0}});
    d.log.clear();
    bus.write(Port{0x101}, 4, 0x4433'2211);
    CHECK(d.log == Log{{'w', 0x41, 2, 0x2211}, {'w', 0x43, 2, 0x4433}});
    CHECK(bus.claimed({Port{0x107}, 4}));
    CHECK(!bus.claimed({Port{0x108}, 4}));
}

TEST_CASE("port bus: an access across an end is split, never beyond it") {
    PortBus bus;
    Recorder d, e(0x80);
    bus.map("d", {Port{0x100}, 3}, d, 4);
    bus.map("e", {Port{0x103}, 1}, e, 4);
    CHECK(bus.read(Port{0x100}, 4) == 0x8002'0100);
    CHECK(d.log == Log{{'r', 0, 2, 0}, {'r', 2, 1, 0}});
    CHECK(e.log == Log{{'r', 0, 1, 0}});
    CHECK(bus.read(Port{0x103}, 2) == 0xFF80);
    CHECK(bus.read(Port{0xFF}, 2) == 0x00FF);
    Recorder top;
    bus.map("top", {Port{0xFFFE}, 2}, top, 4);
    CHECK(bus.read(Port{0xFFFE}, 4) == 0xFFFF'0100);
    bus.write(Port{0xFFFF}, 4, 0x4433'2211); // wraps to port 0
    CHECK(top.log.back() == Access{'w', 1, 1, 0x11});
}

TEST_CASE("port bus: the first to map keeps a port, and gives it back") {
    PortBus bus;
    Recorder a(0x10), b(0x20);
    const auto ida = bus.map("a", {Port{0x300}, 4}, a, 1);
    const auto idb = bus.map("b", {Port{0x302}, 4}, b, 1);
    CHECK(bus.read(Port{0x302}, 1) == 0x12);
    CHECK(bus.read(Port{0x304}, 1) == 0x22);
    bus.unmap(ida);
    CHECK(bus.read(Port{0x302}, 1) == 0x20);
    CHECK(bus.read(Port{0x301}, 1) == 0xFF);
    bus.unmap(idb);
    CHECK(bus.read(Port{0x302}, 1) == 0xFF);
    CHECK(bus.map("c", {Port{0x300}, 1}, a, 1) == ida); // slots are used again
    Recorder over;
    bus.map("over", {Port{0xFFF0}, 0x20}, over, 1); // cut at the end of the space
    CHECK(bus.read(Port{0xFFFF}, 1) == 0x0F);
    CHECK(bus.read(Port{0x0000}, 1) == 0xFF);
}
