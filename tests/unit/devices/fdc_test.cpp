#include "devices/fdc/fdc.hpp"

#include <doctest/doctest.h>

#include <algorithm>

using namespace glassbox;

namespace {

class TestImage : public Image {
  public:
    TestImage(u64 size, bool read_only) : data(size), read_only_(read_only) {}
    u64 size() const override { return data.size(); }
    bool read_only() const override { return read_only_; }
    const std::string& path() const override { return path_; }
    Expected<> read(u64 offset, std::span<u8> out) override {
        REQUIRE(offset + out.size() <= data.size());
        std::copy_n(data.begin() + static_cast<std::ptrdiff_t>(offset), out.size(), out.begin());
        return {};
    }
    Expected<> write(u64 offset, std::span<const u8> in) override {
        REQUIRE(offset + in.size() <= data.size());
        REQUIRE_FALSE(read_only_);
        std::copy(in.begin(), in.end(), data.begin() + static_cast<std::ptrdiff_t>(offset));
        return {};
    }
    Expected<> flush() override {
        ++flushes;
        return {};
    }
    void persist(Archive&) override {}
    std::vector<u8> data;
    unsigned flushes = 0;

  private:
    bool read_only_;
    std::string path_ = "disk.img";
};

/// Channel 2 with a count, as an 8237 has it.
struct TestDma : DmaPort {
    std::vector<u8> memory;
    std::size_t left = 0;
    bool masked = false;
    bool ready(unsigned) const override { return !masked; }
    DmaResult move(std::size_t wanted, const auto& transfer) {
        if (masked || left == 0) return {};
        const std::size_t n = std::min(wanted, left);
        transfer(n);
        left -= n;
        return {n, left == 0};
    }
    DmaResult to_memory(unsigned channel, std::span<const u8> data) override {
        CHECK(channel == 2);
        return move(data.size(), [&](std::size_t n) {
            memory.insert(memory.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(n));
        });
    }
    DmaResult from_memory(unsigned channel, std::span<u8> data) override {
        CHECK(channel == 2);
        return move(data.size(), [&](std::size_t n) {
            std::copy_n(memory.begin(), n, data.begin());
            memory.erase(memory.begin(), memory.begin() + static_cast<std::ptrdiff_t>(n));
        });
    }
};

struct Line : IrqSink {
    bool level = false;
    unsigned edges = 0;
    void set_irq(unsigned, bool l) override {
        edges += l && !level;
        level = l;
    }
};

using Bytes = std::vector<u8>;

struct Bench {
    Scheduler scheduler;
    PortBus ports;
    Line line;
    TestDma dma;
    Fdc fdc{scheduler, ports, IrqLine{line, 6}, dma};
    TestImage* disk = nullptr;

    explicit Bench(u64 size = 1'474'560, bool read_only = false) {
        if (size != 0) put(0, size, read_only);
        wake();
    }
    void put(unsigned unit, u64 size, bool read_only = false) {
        auto image = std::make_unique<TestImage>(size, read_only);
        disk = image.get();
        for (u64 i = 0; i < size; ++i) disk->data[i] = static_cast<u8>(i * 7 + i / 512);
        REQUIRE(fdc.insert(unit, std::move(image)));
    }
    u8 in(u16 port) { return static_cast<u8>(ports.read(Port{port}, 1)); }
    void out(u16 port, u32 v) { ports.write(Port{port}, 1, v & 0xFF); }
    void pass(Time t) {
        for (const Time end = scheduler.now() + t; scheduler.next_event() <= end;) {
            scheduler.skip_to(scheduler.next_event());
            scheduler.fire_due();
        }
    }
    bool until_irq(Time limit = 10 * second) {
        const Time end = scheduler.now() + limit;
        while (!line.level && scheduler.next_event() <= end) {
            scheduler.skip_to(scheduler.next_event());
            scheduler.fire_due();
        }
        return line.level;
    }
    void send(const Bytes& bytes) {
        for (const u8 b : bytes) {
            REQUIRE((in(0x3F4) & 0xC0) == 0x80);
            out(0x3F5, b);
        }
    }
    Bytes result() {
        Bytes r;
        while ((in(0x3F4) & 0xD0) == 0xD0) r.push_back(in(0x3F5));
        return r;
    }
    Bytes ask(const Bytes& command) {
        send(command);
        return result();
    }
    /// Reset, the four sense interrupts, SPECIFY with DMA, motors on, 500 kbit/s.
    void wake() {
        out(0x3F2, 0x00);
        out(0x3F2, 0x3C);
        REQUIRE(until_irq());
        for (u8 i = 0; i < 4; ++i) CHECK(ask({0x08}) == Bytes{static_cast<u8>(0xC0 | i), 0});
        out(0x3F7, 0);
        send({0x03, 0xDF, 0x02});
    }
    Bytes run(const Bytes& command) {
        send(command);
        REQUIRE(until_irq());
        const Bytes r = result();
        CHECK_FALSE(line.level);
        CHECK(in(0x3F4) == 0x80);
        return r;
    }
    void seek(u8 unit, u8 cylinder) {
        send({0x0F, unit, cylinder});
        REQUIRE(until_irq());
        CHECK(ask({0x08}) == Bytes{static_cast<u8>(0x20 | unit), cylinder});
    }
    Bytes sectors(u64 first, u64 count) const {
        const auto at = disk->data.begin() + static_cast<std::ptrdiff_t>(first * 512);
        return {at, at + static_cast<std::ptrdiff_t>(count * 512)};
    }
};

} // namespace

TEST_SUITE("fdc") {

    TEST_CASE("formats are told by size; others are an error that lists the sizes") {
        const std::vector<std::pair<u64, u8>> known = {{163840, 1},  {184320, 1},  {327680, 1},  {368640, 1},
                                                       {737280, 3},  {1228800, 2}, {1474560, 4}, {1720320, 4},
                                                       {1763328, 4}, {2949120, 5}};
        Bench b(0);
        CHECK(b.fdc.cmos_type(0) == 4);
        CHECK(b.fdc.cmos_type(1) == 0);
        CHECK(b.fdc.cmos_type(2) == 0);
        for (const auto& [size, type] : known) {
            b.put(1, size);
            CHECK(b.fdc.cmos_type(1) == type);
        }
        const auto error = b.fdc.insert(0, std::make_unique<TestImage>(1000, false));
        REQUIRE_FALSE(error);
        CHECK(error.error().message.find("1474560") != std::string::npos);
        CHECK(error.error().message.find("disk.img") != std::string::npos);
        CHECK_FALSE(b.fdc.insert(2, std::make_unique<TestImage>(1474560, false)));
    }

    TEST_CASE("an unpadded boot image is the beginning of a 1.44M disk") {
        Bench b(0);
        auto image = std::make_unique<TestImage>(700, false);
        b.disk = image.get();
        std::fill(image->data.begin(), image->data.end(), u8{0x42});
        CHECK_FALSE(b.fdc.insert(0, std::make_unique<TestImage>(700, false))); // no boot sector
        image->data[510] = 0x55, image->data[511] = 0xAA;
        REQUIRE(b.fdc.insert(0, std::move(image)));
        CHECK(b.fdc.cmos_type(0) == 4);
        b.dma.left = 3 * 512;
        CHECK(b.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255})[0] == 0);
        Bytes expected(3 * 512);
        std::copy(b.disk->data.begin(), b.disk->data.end(), expected.begin());
        CHECK(b.dma.memory == expected);
        b.dma.memory.assign(1024, 1);
        b.dma.left = 512;
        CHECK(b.run({0x45, 0, 0, 0, 1, 2, 18, 27, 255})[0] == 0);
        b.dma.left = 512;
        CHECK(b.run({0x45, 0, 0, 0, 2, 2, 18, 27, 255}) == Bytes{0x40, 0x20, 0, 0, 0, 2, 2}); // it would be cut
        auto torn = std::make_unique<TestImage>(1'474'561, false);
        torn->data[510] = 0x55, torn->data[511] = 0xAA;
        CHECK_FALSE(b.fdc.insert(0, std::move(torn)));
    }

    TEST_CASE("registers, reset and the sense-interrupt handshake") {
        Bench b;
        CHECK(b.in(0x3F2) == 0x3C);
        b.out(0x3F3, 0xFF);
        CHECK(b.in(0x3F3) == 3);
        CHECK(b.in(0x3F0) == 0xFF);
        CHECK(b.ask({0x08}) == Bytes{0x80}); // nothing pending: invalid
        b.out(0x3F2, 0x38);
        CHECK(b.in(0x3F4) == 0);
        b.out(0x3F2, 0x34); // interrupts and DMA gated off
        CHECK_FALSE(b.until_irq());
        b.out(0x3F2, 0x3C);
        CHECK(b.line.level);
        for (u8 i = 0; i < 4; ++i) b.ask({0x08});
        CHECK_FALSE(b.line.level);
        b.out(0x3F4, 0x82); // data rate select register: software reset
        CHECK(b.in(0x3F4) == 0);
        CHECK(b.until_irq());
        CHECK(b.in(0x3F4) == 0x80);
    }

    TEST_CASE("commands without execution: version, lock, configure, perpendicular, dump, sense drive, invalid") {
        Bench b;
        CHECK(b.ask({0x10}) == Bytes{0x90});
        for (const u8 code : Bytes{0x00, 0x01, 0x0B, 0x15, 0x17, 0x18, 0x1A, 0x1F, 0x30, 0x47, 0xFF, 0xE5})
            CHECK(b.ask({code}) == Bytes{0x80});
        b.send({0x13, 0x00, 0x57, 0x21});
        b.send({0x12, 0x80 | 0x14 | 3});
        CHECK(b.ask({0x94}) == Bytes{0x10});
        b.seek(0, 5);
        CHECK(b.ask({0x0E}) == Bytes{5, 0, 0, 0, 0xDF, 0x02, 0x00, 0x80 | 0x14 | 3, 0x57, 0x21});
        b.send({0x12, 0x00}); // without OW the drive bits stay
        b.out(0x3F4, 0x80);
        b.until_irq();
        for (u8 i = 0; i < 4; ++i) b.ask({0x08});
        CHECK(b.ask({0x0E}) ==
              Bytes{5, 0, 0, 0, 0xDF, 0x02, 0x00, 0x80 | 0x14, 0x07 | 0x00, 0x21}); // EIS and POLL are not locked
        CHECK(b.ask({0x14}) == Bytes{0x00});
        b.out(0x3F4, 0x80);
        b.until_irq();
        for (u8 i = 0; i < 4; ++i) b.ask({0x08});
        CHECK(b.ask({0x0E}) == Bytes{5, 0, 0, 0, 0xDF, 0x02, 0x00, 0x14, 0x20, 0x00});
        CHECK(b.ask({0x04, 0x04}) == Bytes{0x2C}); // head 1, not at track 0
        b.seek(0, 0);
        CHECK(b.ask({0x04, 0x00}) == Bytes{0x38});
        CHECK(b.ask({0x04, 0x02}) == Bytes{0x2A}); // no such drive
        Bench p(1'474'560, true);
        CHECK(p.ask({0x04, 0x00}) == Bytes{0x78});
    }

    TEST_CASE("seek, relative seek, recalibrate, busy bits, overlapped seeks") {
        Bench b;
        b.put(1, 737280);
        b.send({0x0F, 0x00, 20});
        CHECK(b.in(0x3F4) == 0x81);
        b.send({0x0F, 0x05, 10});
        CHECK(b.in(0x3F4) == 0x83);
        b.pass(second);
        CHECK(b.in(0x3F4) == 0x80);
        CHECK(b.line.level);
        CHECK(b.ask({0x08}) == Bytes{0x20, 20});
        CHECK(b.line.level);
        CHECK(b.ask({0x08}) == Bytes{0x25, 10});
        CHECK_FALSE(b.line.level);
        b.send({0xCF, 0x00, 7});
        REQUIRE(b.until_irq());
        CHECK(b.ask({0x08}) == Bytes{0x20, 27});
        b.send({0x8F, 0x00, 2});
        REQUIRE(b.until_irq());
        CHECK(b.ask({0x08}) == Bytes{0x20, 25});
        b.send({0x07, 0x00});
        REQUIRE(b.until_irq());
        CHECK(b.ask({0x08}) == Bytes{0x20, 0});
        CHECK(b.ask({0x04, 0x00}) == Bytes{0x38});
        b.seek(0, 82); // more than 79 steps away: track 0 is not found at first
        b.send({0x07, 0x00});
        REQUIRE(b.until_irq());
        CHECK(b.ask({0x08}) == Bytes{0x70, 0});
        b.send({0x07, 0x00});
        REQUIRE(b.until_irq());
        CHECK(b.ask({0x08}) == Bytes{0x20, 0});
        b.send({0x07, 0x03}); // no such drive
        REQUIRE(b.until_irq());
        CHECK(b.ask({0x08}) == Bytes{0x73, 0});
        b.seek(0, 255);
    }

    TEST_CASE("step and rotation times are a tenth of the data sheet's") {
        Bench b;
        b.send({0x03, 0xD0, 0x02}); // SRT = 13: 3 ms at 500 kbit/s
        const Time start = b.scheduler.now();
        b.seek(0, 40);
        CHECK(b.scheduler.now() - start >= 12 * millisecond);
        CHECK(b.scheduler.now() - start <= 13 * millisecond);
        b.dma.left = 18 * 512;
        b.seek(0, 0);
        const Time read = b.scheduler.now();
        b.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255});
        CHECK(b.scheduler.now() - read >= 20 * millisecond); // a rotation for the track
        CHECK(b.scheduler.now() - read <= 41 * millisecond);
    }

    TEST_CASE("result CHRN after terminal count (data sheet, table of result values)") {
        struct Row {
            u8 mt, head, first, count;
            Bytes chrn;
        };
        const std::vector<Row> rows = {
            {0x00, 0, 3, 2, {0, 0, 5, 2}},  {0x00, 0, 17, 2, {1, 0, 1, 2}}, {0x00, 1, 3, 2, {0, 1, 5, 2}},
            {0x00, 1, 17, 2, {1, 1, 1, 2}}, {0x80, 0, 3, 2, {0, 0, 5, 2}},  {0x80, 0, 17, 2, {0, 1, 1, 2}},
            {0x80, 1, 3, 2, {0, 1, 5, 2}},  {0x80, 1, 17, 2, {1, 0, 1, 2}}, {0x80, 0, 18, 2, {0, 1, 2, 2}},
        };
        for (const Row& row : rows) {
            Bench b;
            b.dma.left = row.count * 512u;
            const u8 unit = static_cast<u8>(row.head << 2);
            const Bytes r = b.run({static_cast<u8>(0x46 | row.mt), unit, 0, row.head, row.first, 2, 18, 27, 255});
            REQUIRE(r.size() == 7);
            const u8 head = row.first == 18 ? 1 : row.head;
            CHECK(r[0] == head << 2);
            CHECK(r[1] == 0);
            CHECK(r[2] == 0);
            CHECK(Bytes(r.begin() + 3, r.end()) == row.chrn);
            CHECK(b.dma.memory == b.sectors(row.head * 18u + row.first - 1, row.count));
        }
    }

    TEST_CASE("end of track without terminal count, partial sectors, overrun") {
        Bench b;
        b.dma.left = 100'000;
        CHECK(b.run({0x46, 0, 0, 0, 17, 2, 18, 27, 255}) == Bytes{0x40, 0x80, 0, 1, 0, 1, 2});
        CHECK(b.dma.memory == b.sectors(16, 2));
        b.dma.memory.clear();
        b.dma.left = 700;
        CHECK(b.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0, 0, 0, 0, 0, 3, 2});
        CHECK(b.dma.memory.size() == 700);
        b.dma.masked = true;
        CHECK(b.run({0x46, 0, 0, 0, 4, 2, 18, 27, 255}) == Bytes{0x40, 0x10, 0, 0, 0, 4, 2});
    }

    TEST_CASE("all formats read their last sector at their data rate") {
        for (const FloppyGeometry& g : floppy_formats()) {
            Bench b(g.size);
            u8 rate = 0;
            while ((g.rates >> rate & 1) == 0) ++rate;
            b.out(0x3F7, rate);
            b.seek(0, static_cast<u8>(g.cylinders - 1));
            b.dma.left = 512;
            const u8 head = static_cast<u8>(g.heads - 1);
            const Bytes read = {
                0x46, static_cast<u8>(head << 2), static_cast<u8>(g.cylinders - 1), head, g.sectors, 2, g.sectors, 27,
                255};
            CHECK(b.run(read)[0] == head << 2);
            CHECK(b.dma.memory == b.sectors(g.size / 512 - 1, 1));
            b.out(0x3F7, g.rates == 8 ? 0 : 3);
            const Bytes wrong = b.run(read);
            CHECK((wrong[0] & 0xC0) == 0x40);
            CHECK(wrong[1] == 0x01);
        }
    }

    TEST_CASE("what is not there: sectors, cylinders, sides, sizes, disks, motors") {
        Bench b;
        b.dma.left = 512;
        CHECK(b.run({0x46, 0, 0, 0, 19, 2, 18, 27, 255}) == Bytes{0x40, 0x04, 0, 0, 0, 19, 2});
        CHECK(b.run({0x46, 0, 0, 0, 0, 2, 18, 27, 255}) == Bytes{0x40, 0x04, 0, 0, 0, 0, 2});
        CHECK(b.run({0x46, 0, 7, 0, 1, 2, 18, 27, 255}) == Bytes{0x40, 0x04, 0x10, 7, 0, 1, 2});
        CHECK(b.run({0x46, 0, 0, 1, 1, 2, 18, 27, 255}) == Bytes{0x40, 0x04, 0, 0, 1, 1, 2}); // H is not the head
        CHECK(b.run({0x46, 0, 0, 0, 1, 3, 18, 27, 255}) == Bytes{0x40, 0x04, 0, 0, 0, 1, 3});
        CHECK(b.run({0x46, 0, 0, 0, 1, 0xFF, 18, 27, 255})[1] == 0x04);
        CHECK(b.run({0x06, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0x40, 0x01, 0, 0, 0, 1, 2}); // FM
        CHECK(b.run({0x46, 2, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0x42, 0x01, 0, 0, 0, 1, 2});
        b.seek(0, 83);
        CHECK(b.run({0x46, 0, 83, 0, 1, 2, 18, 27, 255}) == Bytes{0x40, 0x01, 0, 83, 0, 1, 2});
        b.seek(0, 0);
        b.out(0x3F2, 0x0C); // motor off
        CHECK(b.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255})[1] == 0x01);
        b.out(0x3F2, 0x1C);
        b.fdc.eject(0);
        CHECK(b.run({0x4A, 0})[1] == 0x01);
        CHECK(b.dma.memory.empty());
    }

    TEST_CASE("read ID finds the sector that comes by") {
        Bench b;
        b.seek(0, 3);
        u32 seen = 0;
        for (unsigned i = 0; i < 30; ++i) {
            const Bytes r = b.run({0x4A, 0x04});
            CHECK(Bytes(r.begin(), r.begin() + 5) == Bytes{0x04, 0, 0, 3, 1});
            CHECK(r[5] >= 1);
            CHECK(r[5] <= 18);
            CHECK(r[6] == 2);
            seen |= 1u << r[5];
        }
        CHECK(seen == 0x7FFFE);
    }

    TEST_CASE("write data by DMA; what terminal count cuts off is zero; the motor's stop flushes") {
        Bench b;
        Bytes data(1024);
        for (unsigned i = 0; i < 1024; ++i) data[i] = static_cast<u8>(i * 3 + 1);
        b.dma.memory = data;
        b.dma.left = 1000;
        CHECK(b.run({0xC5, 0x00, 0, 0, 18, 2, 18, 27, 255}) == Bytes{0x04, 0, 0, 0, 1, 2, 2});
        std::fill(data.begin() + 1000, data.end(), u8{0});
        CHECK(b.sectors(17, 2) == data);
        CHECK(b.disk->flushes == 0);
        b.out(0x3F2, 0x0C);
        CHECK(b.disk->flushes == 1);

        Bench p(1'474'560, true);
        p.dma.memory = data;
        p.dma.left = 512;
        CHECK(p.run({0x45, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0x40, 0x02, 0, 0, 0, 1, 2});
        CHECK(p.dma.left == 512);
    }

    TEST_CASE("without DMA every byte asks for service; the end is by EOT; slow hosts overrun") {
        Bench b;
        b.send({0x03, 0xDF, 0x03});
        b.send({0x46, 0, 0, 0, 18, 2, 18, 27, 255});
        CHECK(b.in(0x3F4) == 0x30);
        CHECK(b.in(0x3F5) == 0); // nothing there yet
        REQUIRE(b.until_irq());
        CHECK(b.in(0x3F4) == 0xF0);
        Bytes got;
        const unsigned edges = b.line.edges;
        while (b.in(0x3F4) == 0xF0) got.push_back(b.in(0x3F5));
        CHECK(got == b.sectors(17, 1));
        CHECK(b.line.edges == edges + 512);
        CHECK(b.result() == Bytes{0x40, 0x80, 0, 1, 0, 1, 2});

        b.send({0x45, 0, 0, 0, 18, 2, 18, 27, 255});
        CHECK(b.in(0x3F4) == 0xB0);
        for (unsigned i = 0; i < 512; ++i) {
            REQUIRE(b.in(0x3F4) == 0xB0);
            b.out(0x3F5, i * 5);
        }
        REQUIRE(b.until_irq());
        CHECK(b.result() == Bytes{0x40, 0x80, 0, 1, 0, 1, 2});
        for (unsigned i = 0; i < 512; ++i) REQUIRE(b.disk->data[17 * 512 + i] == static_cast<u8>(i * 5));

        b.send({0x46, 0, 0, 0, 1, 2, 18, 27, 255});
        REQUIRE(b.until_irq());
        b.in(0x3F5);
        b.pass(second);
        CHECK(b.result() == Bytes{0x40, 0x10, 0, 0, 0, 1, 2});
    }

    TEST_CASE("format a track") {
        Bench b;
        b.seek(0, 2);
        for (u8 r = 1; r <= 18; ++r) b.dma.memory.insert(b.dma.memory.end(), {2, 1, r, 2});
        b.dma.left = 72;
        const Bytes r = b.run({0x4D, 0x04, 2, 18, 0x54, 0xE5});
        CHECK(Bytes(r.begin(), r.begin() + 3) == Bytes{0x04, 0, 0});
        const u64 first = (2 * 2 + 1) * 18;
        CHECK(b.sectors(first, 18) == Bytes(18 * 512, 0xE5));
        CHECK(b.sectors(first - 1, 1) != Bytes(512, 0xE5));
        CHECK(b.sectors(first + 18, 1) != Bytes(512, 0xE5));
        b.dma.memory = {2, 1, 19, 2}; // more than the image holds
        b.dma.left = 4;
        CHECK(b.run({0x4D, 0x04, 2, 1, 0x54, 0xE5})[1] == 0x04);
        b.send({0x03, 0xDF, 0x03}); // and without DMA
        b.send({0x4D, 0x00, 2, 1, 0x54, 0xAA});
        for (const u8 v : Bytes{2, 0, 5, 2}) b.out(0x3F5, v);
        REQUIRE(b.until_irq());
        CHECK(b.result()[0] == 0);
        CHECK(b.sectors(2 * 2 * 18 + 4, 1) == Bytes(512, 0xAA));
        Bench p(1'474'560, true);
        CHECK(p.run({0x4D, 0x04, 2, 18, 0x54, 0xE5})[1] == 0x02);
    }

    TEST_CASE("deleted data marks, with and without skipping") {
        Bench b;
        b.dma.memory.assign(512, 0x77);
        b.dma.left = 512;
        CHECK(b.run({0x49, 0, 0, 0, 2, 2, 18, 27, 255}) == Bytes{0, 0, 0, 0, 0, 3, 2});
        b.dma.memory.clear(), b.dma.left = 4096;
        // READ DATA over sectors 1, 2 (deleted): ends after 2 with the control mark.
        CHECK(b.run({0x46, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0, 0, 0x40, 0, 0, 3, 2});
        CHECK(b.dma.memory.size() == 1024);
        // With SK it is passed over.
        b.dma.memory.clear(), b.dma.left = 1024;
        CHECK(b.run({0x66, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0, 0, 0x40, 0, 0, 4, 2});
        CHECK(std::equal(b.dma.memory.begin() + 512, b.dma.memory.end(), b.sectors(2, 1).begin()));
        // READ DELETED DATA.
        b.dma.memory.clear(), b.dma.left = 512;
        CHECK(b.run({0x4C, 0, 0, 0, 2, 2, 18, 27, 255}) == Bytes{0, 0, 0, 0, 0, 3, 2});
        CHECK(b.dma.memory == Bytes(512, 0x77));
        b.dma.left = 4096;
        CHECK(b.run({0x4C, 0, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0, 0, 0x40, 0, 0, 1, 2});
    }

    TEST_CASE("read track, verify, scan") {
        Bench b;
        b.dma.left = 3 * 512;
        CHECK(b.run({0x42, 0, 0, 0, 1, 2, 3, 27, 255}) == Bytes{0, 0, 0, 1, 0, 1, 2});
        CHECK(b.dma.memory == b.sectors(0, 3)); // from the index on
        b.dma.left = 100'000;
        b.dma.memory.clear();
        CHECK(b.run({0x42, 0, 0, 0, 9, 2, 2, 27, 255})[1] == 0x80); // IDs 9, 10 exist
        CHECK(b.dma.memory == b.sectors(0, 2));
        CHECK((b.run({0x42, 0, 5, 0, 1, 2, 2, 27, 255})[1] & 0x04) == 0x04);
        CHECK(b.run({0x42, 0, 0, 0, 1, 2, 19, 27, 255})[1] == (0x01 | 0x04));

        CHECK(b.run({0xD6, 0x00, 0, 0, 1, 2, 18, 27, 255}) == Bytes{0x04, 0, 0, 1, 0, 1, 2});
        CHECK(b.run({0x56, 0x80, 0, 0, 1, 2, 18, 27, 4}) == Bytes{0, 0, 0, 0, 0, 5, 2}); // EC: four sectors
        CHECK(b.run({0x56, 0x80, 0, 0, 1, 2, 18, 27, 19}) == Bytes{0x40, 0x80, 0, 1, 0, 1, 2});

        const auto scan = [&](u8 code, const Bytes& data) {
            b.dma.memory = data;
            b.dma.left = data.size();
            return b.run({code, 0, 0, 0, 1, 2, 18, 27, 1});
        };
        std::fill_n(b.disk->data.begin(), 512, u8{0x50});
        std::fill_n(b.disk->data.begin() + 512, 512, u8{0x60});
        Bytes both(1024, 0x60);
        CHECK(scan(0x51, both) == Bytes{0, 0, 0x08, 0, 0, 3, 2});             // equal in the second
        CHECK(scan(0x51, Bytes(512, 0x61)) == Bytes{0, 0, 0x04, 0, 0, 2, 2}); // terminal count first
        CHECK(scan(0x59, Bytes(512, 0x51)) == Bytes{0, 0, 0x00, 0, 0, 2, 2}); // lower
        CHECK(scan(0x59, Bytes(512, 0x4F)) == Bytes{0, 0, 0x04, 0, 0, 2, 2});
        CHECK(scan(0x5D, Bytes(512, 0x4F)) == Bytes{0, 0, 0x00, 0, 0, 2, 2}); // higher
        CHECK(scan(0x5D, Bytes(512, 0x51)) == Bytes{0, 0, 0x04, 0, 0, 2, 2});
        CHECK(scan(0x51, Bytes(512, 0xFF)) == Bytes{0, 0, 0x08, 0, 0, 2, 2}); // FFh meets everything
    }

    TEST_CASE("implied seek") {
        Bench b;
        b.send({0x13, 0, 0x40, 0});
        b.dma.left = 512;
        CHECK(b.run({0x46, 0x00, 30, 0, 5, 2, 18, 27, 255}) == Bytes{0x20, 0, 0, 30, 0, 6, 2});
        CHECK(b.dma.memory == b.sectors(30 * 36 + 4, 1));
        CHECK(b.ask({0x0E})[0] == 30);
    }

    TEST_CASE("disk change line: set by a change, cleared by a step with a disk in") {
        Bench b;
        CHECK(b.in(0x3F7) == 0x80);
        b.seek(0, 1);
        CHECK(b.in(0x3F7) == 0x00);
        b.fdc.eject(0);
        CHECK(b.in(0x3F7) == 0x80);
        b.seek(0, 0);
        CHECK(b.in(0x3F7) == 0x80);
        b.put(0, 737280);
        CHECK(b.in(0x3F7) == 0x80);
        b.seek(0, 1);
        CHECK(b.in(0x3F7) == 0x00);
        b.out(0x3F2, 0x3D); // drive 1 is not there
        CHECK(b.in(0x3F7) == 0x00);
    }

    TEST_CASE("a disk taken out in the middle fails the command; a reset ends it") {
        Bench b;
        b.dma.left = 18 * 512;
        b.send({0x46, 0, 0, 0, 1, 2, 18, 27, 255});
        b.pass(10 * millisecond);
        b.fdc.eject(0);
        REQUIRE(b.until_irq());
        CHECK(b.result()[1] == 0x01);
        b.put(0, 163840);
        b.send({0x46, 0, 0, 0, 1, 2, 18, 27, 255});
        b.out(0x3F2, 0x38);
        b.out(0x3F2, 0x3C);
        REQUIRE(b.until_irq());
        CHECK(b.ask({0x08})[0] == 0xC0);
    }

    TEST_CASE("a snapshot in the middle of a transfer continues to the same end") {
        Bench a;
        a.dma.left = 18 * 512;
        a.seek(0, 1);
        a.send({0x46, 0, 1, 0, 1, 2, 18, 27, 255});
        a.pass(15 * millisecond);
        Archive saver = Archive::saver();
        a.scheduler.persist(saver);
        a.fdc.persist(saver);

        Bench c;
        Archive loader = Archive::loader(saver.bytes());
        c.scheduler.persist(loader);
        c.fdc.persist(loader);
        REQUIRE_MESSAGE(loader.ok(), loader.reason());
        CHECK(loader.at_end());
        c.dma.memory = a.dma.memory;
        c.dma.left = a.dma.left;
        REQUIRE(a.until_irq());
        REQUIRE(c.until_irq());
        CHECK(a.scheduler.now() == c.scheduler.now());
        CHECK(a.dma.memory == c.dma.memory);
        CHECK(c.dma.memory == c.sectors(36, 18));
        CHECK(a.result() == c.result());

        Bench other(737280);
        Archive refused = Archive::loader(saver.bytes());
        other.scheduler.persist(refused);
        other.fdc.persist(refused);
        CHECK(refused.reason().find("another disk") != std::string::npos);
    }

    TEST_CASE("hostile programming and snapshots") {
        u32 seed = 4711;
        const auto random = [&seed] { return (seed = seed * 1664525 + 1013904223) >> 11; };
        Bench b;
        for (unsigned round = 0; round < 20'000; ++round) {
            const u32 what = random() % 64;
            if (what == 0)
                b.out(0x3F2, random());
            else if (what == 1)
                b.out(0x3F2, 0x3C);
            else if (what == 2)
                b.out(0x3F7, random());
            else if (what == 3)
                b.pass(random() % 30 * millisecond);
            else if (what == 4)
                b.dma.left = random() % 2000;
            else if (what == 5)
                b.dma.memory.resize(2000);
            else if (what == 6)
                b.dma.masked = random() & 1;
            else if (what == 7 && random() % 8 == 0)
                b.put(random() & 1, floppy_formats()[random() % 10].size, random() & 1);
            else if (what == 8 && random() % 8 == 0)
                b.fdc.eject(random() % 3);
            else if (what < 16)
                b.in(static_cast<u16>(0x3F0 + random() % 8));
            else
                b.out(0x3F5, random() % 3 ? random() % 20 : random());
            if (b.dma.memory.size() < 2000) b.dma.memory.resize(2000);
            if (round % 50 != 0) continue;
            Archive saver = Archive::saver();
            b.fdc.persist(saver);
            for (unsigned i = 0; i < 3; ++i)
                saver.bytes()[15 + random() % std::min<u64>(120, saver.bytes().size() - 15)] =
                    static_cast<u8>(random());
            Bench c(0);
            for (unsigned unit = 0; unit < 2; ++unit) {
                if (const Image* image = b.fdc.image(unit)) c.put(unit, image->size());
            }
            Archive loader = Archive::loader(saver.bytes());
            c.fdc.persist(loader);
            if (!loader.ok()) continue;
            c.dma.memory.resize(4000);
            c.dma.left = 600;
            for (unsigned i = 0; i < 20; ++i) {
                c.out(0x3F5, random());
                c.in(0x3F5);
                c.pass(100 * millisecond);
            }
        }
        CHECK(b.in(0x3F2) == b.in(0x3F2));
    }

} // TEST_SUITE
