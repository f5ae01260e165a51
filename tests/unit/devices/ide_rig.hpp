// A board of an IDE controller, RAM and wires, driven through ports as a driver does it.
#pragma once

#include "devices/ide/ide_controller.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <vector>

namespace ide_test {

using namespace glassbox;

struct Wires : IrqSink {
    bool level[16] = {};
    unsigned rises[16] = {};
    void set_irq(unsigned input, bool on) override {
        if (on && !level[input]) ++rises[input];
        level[input] = on;
    }
};

inline std::vector<u8> pattern(std::size_t size, u64 seed = 1) {
    std::vector<u8> data(size);
    for (u8& byte : data) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        byte = static_cast<u8>(seed >> 56);
    }
    return data;
}

struct Rig {
    static constexpr u16 bm = 0xC000;
    Scheduler scheduler;
    PortBus ports;
    MemoryMap memory{1 << 20};
    Wires wires;
    IdeController ide{ports, memory, scheduler, IrqLine{wires, 14}, IrqLine{wires, 15}};
    u16 base = 0x1F0, control = 0x3F6;

    Rig() {
        MemoryMap::Region ram;
        ram.name = "RAM";
        ram.size = 1 << 20;
        ram.access = MemoryMap::Access::read_write;
        ram.host = memory.ram().data();
        memory.add(ram);
        ide.reset();
        ide.config_write(0x20, 4, bm);
        ide.config_write(0x04, 2, 5);
    }

    u8 in(u16 port) { return static_cast<u8>(ports.read(Port{port}, 1)); }
    void out(u16 port, u8 value) { ports.write(Port{port}, 1, value); }
    u8 reg(unsigned n) { return in(static_cast<u16>(base + n)); }
    void set(unsigned n, u8 value) { out(static_cast<u16>(base + n), value); }
    u8 alt() { return in(control); }
    bool irq() const { return wires.level[base == 0x1F0 ? 14 : 15]; }

    /// Lets all events of the next second happen.
    void settle() {
        const Time end = scheduler.now() + second;
        while (scheduler.next_event() <= end) {
            scheduler.skip_to(scheduler.next_event());
            scheduler.fire_due();
        }
    }
    /// Waits for the interrupt and acknowledges it; returns the status.
    u8 wait_irq() {
        settle();
        CHECK(irq());
        const u8 status = reg(7);
        CHECK(!irq());
        return status;
    }
    void lba28(u32 lba, u8 count, u8 unit = 0) {
        set(6, static_cast<u8>(0xE0 | unit << 4 | (lba >> 24 & 15)));
        set(2, count);
        set(3, static_cast<u8>(lba));
        set(4, static_cast<u8>(lba >> 8));
        set(5, static_cast<u8>(lba >> 16));
    }
    void lba48(u64 lba, u16 count) {
        set(6, 0x40);
        set(2, static_cast<u8>(count >> 8));
        for (unsigned i = 0; i < 3; ++i) set(3 + i, static_cast<u8>(lba >> (24 + 8 * i)));
        set(2, static_cast<u8>(count));
        for (unsigned i = 0; i < 3; ++i) set(3 + i, static_cast<u8>(lba >> (8 * i)));
    }
    void pull(std::vector<u8>& data, std::size_t bytes, unsigned width = 2) {
        for (std::size_t i = 0; i < bytes; i += width) {
            const u32 value = ports.read(Port{base}, width);
            for (unsigned k = 0; k < width && i + k < bytes; ++k) data.push_back(static_cast<u8>(value >> (8 * k)));
        }
    }
    void push(std::span<const u8> data, unsigned width = 2) {
        for (std::size_t i = 0; i < data.size(); i += width) {
            u32 value = 0;
            for (unsigned k = 0; k < width && i + k < data.size(); ++k) value |= u32{data[i + k]} << (8 * k);
            ports.write(Port{base}, width, value);
        }
    }
    std::vector<u16> identify(u8 command) {
        set(7, command);
        CHECK(wait_irq() == 0x58);
        std::vector<u8> data;
        pull(data, 512);
        std::vector<u16> words;
        for (unsigned i = 0; i < 256; ++i) words.push_back(static_cast<u16>(data[2 * i] | data[2 * i + 1] << 8));
        return words;
    }
    static std::string text(const std::vector<u16>& words, unsigned at, unsigned count) {
        std::string s;
        for (unsigned i = 0; i < count; ++i) {
            s += static_cast<char>(words[at + i] >> 8);
            s += static_cast<char>(words[at + i] & 0xFF);
        }
        return s.substr(0, s.find_last_not_of(' ') + 1);
    }

    struct Prd {
        u32 address, count;
    };
    void prds(const std::vector<Prd>& list, u32 at = 0x1000) {
        for (std::size_t i = 0; i < list.size(); ++i) {
            memory.write(PhysAddress{at + 8 * i}, 4, list[i].address);
            memory.write(PhysAddress{at + 8 * i + 4}, 4, list[i].count);
        }
        ports.write(Port{static_cast<u16>(channel_bm() + 4)}, 4, at);
    }
    u16 channel_bm() const { return base == 0x1F0 ? bm : bm + 8; }
    void start_bm(bool to_memory) {
        out(static_cast<u16>(channel_bm() + 2), 0x66);
        out(channel_bm(), to_memory ? 8 : 0);
        out(channel_bm(), to_memory ? 9 : 1);
    }
    u8 bm_status() { return in(static_cast<u16>(channel_bm() + 2)); }
    void stop_bm() { out(channel_bm(), 0); }
    std::span<u8> ram(std::size_t at, std::size_t size) { return memory.ram().subspan(at, size); }
};

inline bool same(std::span<const u8> a, std::span<const u8> b) {
    return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size()) == 0;
}

inline constexpr u64 disk_sectors = 4096;

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

} // namespace ide_test
