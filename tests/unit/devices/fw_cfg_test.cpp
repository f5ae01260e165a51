#include "devices/fw_cfg/fw_cfg.hpp"
#include "tests/unit/devices/board_fakes.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace glassbox;
using namespace glassbox::test;

namespace {

struct Rig {
    MemoryMap memory{1u << 20};
    PortBus ports;
    FwCfg fw{memory};
    u64 written_at = 0, written_size = 0;

    Rig() {
        memory.add({.name = "RAM",
                    .start = 0,
                    .size = 1u << 20,
                    .access = MemoryMap::Access::read_write,
                    .host = memory.ram().data()});
        fw.map(ports);
        fw.add_u16(0x05, 1);
        fw.add_u64(0x03, 0x0123'4567'89AB'CDEF);
        fw.add_bytes(0x8002, {0x77});
        fw.add_file("etc/zebra", {1, 2, 3, 4, 5});
        fw.add_file("bootorder", {'a', 'b'});
        fw.add_writable_file("etc/state", std::vector<u8>(8, 0),
                             [this](std::span<const u8>, u64 at, u64 n) { written_at = at, written_size = n; });
    }
    void select(u16 key) { ports.write(Port{0x510}, 2, key); }
    u8 next() { return static_cast<u8>(ports.read(Port{0x511}, 1)); }
    std::string text(unsigned n) {
        std::string s;
        while (n--) s.push_back(static_cast<char>(next()));
        return s;
    }
    void be(u64 at, u64 value, unsigned n) {
        while (n--) memory.write(PhysAddress{at++}, 1, value >> (8 * n) & 0xFF);
    }
    static u32 swap(u64 v) { return __builtin_bswap32(static_cast<u32>(v)); }
    /// Runs a DMA; the control word afterwards.
    u32 dma(u32 control, u32 length, u64 address, u64 descriptor = 0x1000) {
        be(descriptor, control, 4), be(descriptor + 4, length, 4), be(descriptor + 8, address, 8);
        ports.write(Port{0x514}, 4, swap(descriptor >> 32));
        ports.write(Port{0x518}, 4, swap(descriptor));
        return swap(memory.read(PhysAddress{descriptor}, 4));
    }
    u8 at(u64 address) { return memory.ram()[address]; }
};

} // namespace

TEST_CASE("fw_cfg identifies itself") {
    Rig r;
    CHECK(r.text(4) == "QEMU"); // key 0 after reset
    CHECK(r.next() == 0);       // past the end
    r.select(1);
    CHECK(r.text(4) == std::string("\3\0\0\0", 4));
    CHECK(r.ports.read(Port{0x514}, 4) == 0x554D'4551); // "QEMU", then " CFG"
    CHECK(r.ports.read(Port{0x518}, 4) == 0x4746'4320);
    r.select(0x4000);
    CHECK(r.text(4) == "QEMU"); // the write-channel bit is ignored
    r.select(0x1234);
    CHECK(r.next() == 0);
}

TEST_CASE("entries are little-endian and read a byte at a time") {
    Rig r;
    r.select(3);
    CHECK(r.text(9) == std::string("\xEF\xCD\xAB\x89\x67\x45\x23\x01\x00", 9));
    r.select(5);
    CHECK(r.text(2) == std::string("\1\0", 2));
    r.select(0x8002);
    CHECK(r.next() == 0x77);
    r.fw.reset();
    CHECK(r.next() == 'Q');
}

TEST_CASE("the directory lists the files by name, with selectors from 20h") {
    Rig r;
    r.select(0x19);
    CHECK(r.text(4) == std::string("\0\0\0\3", 4));
    const char* names[] = {"bootorder", "etc/state", "etc/zebra"};
    const u8 sizes[] = {2, 8, 5};
    for (unsigned i = 0; i < 3; ++i) {
        const std::string entry = r.text(64);
        CHECK(entry.substr(0, 4) == std::string("\0\0\0", 3) + static_cast<char>(sizes[i]));
        CHECK(entry.substr(4, 4) == std::string("\0", 1) + static_cast<char>(0x20 + i) + std::string("\0\0", 2));
        CHECK(entry.substr(8) == std::string(names[i]) + std::string(56 - std::string(names[i]).size(), '\0'));
    }
    r.select(0x22);
    CHECK(r.text(6) == std::string("\1\2\3\4\5\0", 6));
    CHECK_THROWS(r.fw.add_file(std::string(56, 'x'), {}));
    CHECK_THROWS(r.fw.add_file("", {}));
}

TEST_CASE("DMA selects, reads, skips and fills with zeros") {
    Rig r;
    std::fill_n(r.memory.ram().data() + 0x2000, 16, u8{0xCC});
    CHECK(r.dma(0x0022'0008 | 2, 3, 0x2000) == 0);
    CHECK(r.at(0x2000) == 1);
    CHECK(r.at(0x2002) == 3);
    CHECK(r.at(0x2003) == 0xCC);
    CHECK(r.dma(2, 4, 0x2003) == 0); // goes on, and past the end
    CHECK(r.at(0x2003) == 4);
    CHECK(r.at(0x2004) == 5);
    CHECK(r.at(0x2005) == 0);
    CHECK(r.at(0x2006) == 0);
    CHECK(r.at(0x2007) == 0xCC);
    CHECK(r.dma(0x0022'0008 | 4, 2, 0) == 0);
    CHECK(r.next() == 3);
    CHECK(r.dma(0x0022'0008, 99, 0) == 0); // select alone
    CHECK(r.next() == 1);
    CHECK(r.dma(4, 0xFFFF'FFFF, 0) == 0);
    CHECK(r.next() == 0);
    CHECK(r.dma(0x0FFF'0008 | 2, 2, 0x2000) == 0); // nothing there: zeros
    CHECK(r.at(0x2000) == 0);
    CHECK(r.dma(0x0022'0008 | 2, 0x3000, 0x4003) == 0);
    CHECK(r.at(0x4003) == 1);
}

TEST_CASE("DMA writes reach writable files only, and never past their end") {
    Rig r;
    r.memory.write(PhysAddress{0x3000}, 4, 0x44332211);
    CHECK(r.dma(0x0021'0008 | 4, 2, 0) == 0);
    CHECK(r.dma(16, 4, 0x3000) == 0);
    CHECK(r.written_at == 2);
    CHECK(r.written_size == 4);
    r.select(0x21);
    CHECK(r.text(8) == std::string("\0\0\x11\x22\x33\x44\0\0", 8));
    CHECK(r.dma(0x0021'0008 | 16, 9, 0x3000) == 1);
    CHECK(r.dma(0x0022'0008 | 16, 1, 0x3000) == 1);
    CHECK(r.dma(0x0000'0008 | 16, 1, 0x3000) == 1);
    CHECK(r.dma(0x0FFF'0008 | 16, 1, 0x3000) == 1);
    r.select(0x22);
    CHECK(r.next() == 1);
}

TEST_CASE("DMA outside of memory is an error, at once and without harm") {
    Rig r;
    CHECK(r.dma(0x0022'0008 | 2, 0xFFFF'FFFF, 0) == 1);
    CHECK(r.dma(0x0022'0008 | 2, 5, 0xFFFFE) == 1);
    CHECK(r.dma(0x0022'0008 | 2, 5, 0xFFFF'FFFF'FFFF'FFFE) == 1);
    CHECK(r.dma(0x0022'0008 | 2, 5, 0xFFFF'FFFF'FFFF'FFFB) == 1);
    CHECK(r.dma(0x0021'0008 | 16, 4, 0x8000'0000) == 1);
    r.ports.write(Port{0x514}, 4, 0xFFFF'FFFF);
    r.ports.write(Port{0x518}, 4, 0xFFFF'FFFF);
    r.ports.write(Port{0x518}, 4, Rig::swap(0xFFFFC));
    r.ports.write(Port{0x518}, 1, 0);
    r.ports.write(Port{0x51A}, 2, 0);
    CHECK(r.dma(0x0022'0008 | 2, 5, 0x2000) == 0);
}

TEST_CASE("fw_cfg's position and writable files survive a snapshot") {
    Rig a, b;
    a.memory.write(PhysAddress{0x3000}, 4, 0x44332211);
    a.dma(0x0021'0008 | 16, 4, 0x3000);
    a.select(0x22);
    (void)a.next();
    const std::vector<u8> state = saved(a.fw);
    REQUIRE(loaded(b.fw, state) == "");
    CHECK(saved(b.fw) == state);
    CHECK(b.next() == 2);
    b.select(0x21);
    CHECK(b.next() == 0x11);
    for (std::size_t i = 0; i < state.size(); ++i) {
        std::vector<u8> bad = state;
        bad[i] ^= 0xFF;
        (void)loaded(b.fw, bad);
        (void)b.next();
        b.dma(2, 16, 0x2000);
        b.select(0x21);
        b.text(9);
    }
}
