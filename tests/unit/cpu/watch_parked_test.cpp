// Parked tags: what the TLB remembers, and so what a guest that changes its tables without a flush can see, is the same
// whoever watches. Which pages are written is never missed. A TLB can be saved and loaded.
#include "cpu/block/cache.hpp"
#include "mmu/park.hpp"
#include "paging64_fixture.hpp"
#include "watch_fixture.hpp"

#include <algorithm>
#include <functional>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u64 linear = 0x7'5000, old_frame = 0x6'0000, new_frame = 0x6'2000;

struct Stale : Paging64 {
    Ear ear;
    DirtyPages pages{(1 << 20) / page_size};
    Stale() {
        for (u64 page = 0; page < 0x6'0000; page += 0x1000) map(page, page | present | writable);
        point_to(old_frame);
        for (u32 i = 0; i < 0x2000; ++i) {
            put<u8>(old_frame + i, 0x11);
            put<u8>(new_frame + i, 0x22);
        }
        cpu.gpr[RBX] = linear;
    }
    /// And the page after it.
    void point_to(u64 frame, u64 rights = present | writable) {
        map(linear, frame | rights);
        map(linear + 0x1000, (frame + 0x1000) | rights);
    }
    void code_in(u64 frame) { // as if decoded
        cpu.seg[CS].base = 0;
        map(frame, frame | present | writable);
        const u64 ip = std::exchange(cpu.ip, frame + 0x800);
        put<u8>(static_cast<u32>(frame) + 0x800, 0x90);
        cpu.run(1);
        cpu.ip = ip;
        REQUIRE(cpu.blocks->has_code(frame));
    }
    u8 read(u64 at = linear) {
        u8 value = 0;
        REQUIRE(read_linear<u8>(cpu, at, value));
        return value;
    }
};

struct Circumstance {
    std::string name;
    std::function<void(Stale&)> before, between;
};

const std::vector<Circumstance>& circumstances() {
    const auto nothing = [](Stale&) {};
    const auto watch = [](Stale& m) {
        m.cpu.probe = &m.ear;
        m.ear.pages = {linear, linear + 0x1000};
        m.cpu.probe_questions_changed();
    };
    const auto unwatch = [](Stale& m) {
        m.cpu.probe = nullptr;
        m.cpu.probe_questions_changed();
    };
    const auto track = [](Stale& m) {
        m.memory.dirty = &m.pages;
        park_write_tags(m.cpu);
    };
    const auto checkpoint = [](Stale& m) {
        m.pages.clear();
        m.memory.dirty = &m.pages;
        park_write_tags(m.cpu);
    };
    const auto code = [](Stale& m) { m.code_in(old_frame); };
    const auto drop_code = [](Stale& m) { m.cpu.forget_blocks(); };
    static const std::vector<Circumstance> all = {
        {"nothing", nothing, nothing},
        {"watched from the start", watch, nothing},
        {"watched in between", nothing, watch},
        {"watched no longer", watch, unwatch},
        {"checkpoints from the start", track, nothing},
        {"a checkpoint in between", track, checkpoint},
        {"the first checkpoint in between", nothing, checkpoint},
        {"the page holds code", code, nothing},
        {"the page comes to hold code", nothing, code},
        {"the page holds code no longer", code, drop_code},
    };
    return all;
}

} // namespace

TEST_CASE("parked: a stale translation is followed just the same whoever watches (SDM 3A 4.10.2.3)") {
    for (const Circumstance& c : circumstances()) {
        CAPTURE(c.name);
        Stale m;
        c.before(m);
        CHECK(m.writes(linear + 1));
        CHECK(m.writes(linear + 0x1001));
        m.point_to(new_frame);
        c.between(m);
        CHECK(m.read() == 0x11);
        CHECK(m.writes(linear));
        CHECK(m.get<u8>(old_frame) == 0x5A);
        CHECK(m.get<u8>(new_frame) == 0x22);
        u32 across = 0;
        CHECK(read_linear<u32>(m.cpu, linear + 0xFFE, across)); // an access across pages goes by the TLB, too
        CHECK(across == 0x5A11'1111);
        CHECK(write_linear<u32>(m.cpu, linear + 0xFFE, 0x3333'3333));
        CHECK(m.get<u16>(old_frame + 0xFFE) == 0x3333);
        CHECK(m.get<u16>(old_frame + 0x1000) == 0x3333);
        u64 phys = 0;
        CHECK(translate(m.cpu, linear + 5, AccessKind::read, Privilege::current, phys));
        CHECK(phys == old_frame + 5);
        m.cpu.flush_page(linear);
        CHECK(m.read() == 0x22);
        CHECK(m.read(linear + 0x1000) == 0x33);
        m.cpu.flush_tlb(true);
        CHECK(m.read(linear + 0x1000) == 0x22);
    }
}

TEST_CASE(
    "parked: a right that the translation lacks is asked of the tables, and a parked page has no more than it had") {
    for (const Circumstance& c : circumstances()) {
        CAPTURE(c.name);
        Stale m;
        c.before(m);
        CHECK(m.read() == 0x11); // not dirty: no write tag, parked or not
        m.point_to(new_frame, present);
        m.cpu.cr0 |= cr0::WP;
        c.between(m);
        CHECK(m.read() == 0x11);
        CHECK_FALSE(m.writes(linear));
        m.cpu.fault = {};
        m.point_to(new_frame);
        CHECK(m.writes(linear));
        CHECK(m.get<u8>(new_frame) == 0x5A);
        CHECK(m.read() == 0x5A);
        CHECK((m.get<u64>(m.entry_at(linear, 1)) & dirty) != 0);
    }
}

TEST_CASE("a page fault drops the page's translations of every privilege (SDM 3A 4.10.4.1)") {
    Stale m;
    m.point_to(old_frame, present | user_bit);
    m.cpu.cr0 |= cr0::WP;
    CHECK(m.read() == 0x11); // the supervisor's
    m.at_level(3);
    CHECK(m.read() == 0x11); // the user's
    CHECK(m.read(linear + 0x1000) == 0x11);
    CHECK_FALSE(m.writes(linear));
    m.cpu.fault = {};
    m.point_to(new_frame, present | writable | user_bit);
    CHECK(m.read() == 0x22);
    CHECK(m.read(linear + 0x1000) == 0x11); // another page
    m.at_level(0);
    CHECK(m.read() == 0x22);
}

TEST_CASE("parked: a page with a data breakpoint keeps its translation too") {
    Stale m;
    m.cpu.dr[0] = linear + 8;
    m.cpu.dr[7] = 0x400 | 1 | 3 << 16;
    m.cpu.debug_registers_changed();
    CHECK(m.writes(linear));
    CHECK_FALSE(open_tags(m.cpu, linear));
    m.point_to(new_frame);
    CHECK(m.read() == 0x5A);
    CHECK(m.cpu.pending_debug == 0);
    CHECK(m.read(linear + 8) == 0x11);
    CHECK(m.cpu.pending_debug == 1);
}

TEST_CASE("parked: devices and ROM are reached by the TLB's translation") {
    struct Register final : IoDevice {
        u64 read(u64 offset, unsigned) override { return offset; }
        void write(u64, unsigned, u64) override { ++writes; }
        int writes = 0;
    } device;
    Stale m;
    m.memory.add({.name = "device",
                  .start = 0x10'0000,
                  .size = 0x1000,
                  .access = MemoryMap::Access::read_write,
                  .device = &device});
    m.point_to(0x10'0000);
    CHECK(m.read(linear + 7) == 7);
    CHECK(m.writes(linear));
    m.point_to(old_frame);
    CHECK(m.read(linear + 9) == 9);
    CHECK(m.writes(linear));
    CHECK(device.writes == 2);
    m.cpu.flush_page(linear);
    CHECK(m.read(linear + 9) == 0x11);
}

TEST_CASE("parked: a large page is dropped whole, its watched pieces too") {
    Stale m;
    m.cpu.probe = &m.ear;
    m.ear.pages = {0x20'0000, 0x20'3000};
    m.map(0x20'0000, 0 | present | writable | large, 2);
    CHECK(m.writes(0x26'0000));
    CHECK(m.writes(0x20'3000));
    m.map(0x20'0000, 0, 2);
    CHECK(m.reads(0x20'3000));
    m.cpu.flush_page(0x26'0000);
    CHECK_FALSE(m.reads(0x20'3000));
}

TEST_CASE("dirty pages: every road marks, and a checkpoint starts anew") {
    Stale m;
    m.memory.dirty = &m.pages;
    park_write_tags(m.cpu);
    const auto marked = [&] {
        std::vector<u32> list = m.pages.list();
        std::sort(list.begin(), list.end());
        m.pages.clear();
        park_write_tags(m.cpu);
        return list;
    };
    CHECK(m.writes(linear));
    // the tables' accessed and dirty bits, and the page
    CHECK(marked() == std::vector<u32>{0x20, 0x21, 0x22, 0x23, static_cast<u32>(old_frame >> 12)});
    CHECK(m.read() == 0x5A);
    CHECK(marked().empty());
    CHECK_FALSE(open_tags(m.cpu, linear));
    CHECK(m.writes(linear));
    CHECK(open_tags(m.cpu, linear));
    CHECK(marked() == std::vector<u32>{static_cast<u32>(old_frame >> 12)});
    const std::vector<u8> block(0x1002, 1);
    m.memory.write_block(PhysAddress{0x4'0FFF}, block); // DMA
    CHECK(marked() == std::vector<u32>{0x40, 0x41, 0x42});
    m.memory.write(PhysAddress{0x4'0FFF}, 2, 0);
    CHECK(marked() == std::vector<u32>{0x40, 0x41});
    m.cpu.gpr[RDI] = linear;
    m.cpu.gpr[RCX] = 0x2000;
    run_bytes(m, {0xF3, 0xAA}, 0x2000); // REP STOSB, first on the slow road and then in bulk
    std::vector<u32> list = marked();
    CHECK(std::count(list.begin(), list.end(), old_frame >> 12) == 1);
    CHECK(std::count(list.begin(), list.end(), (old_frame >> 12) + 1) == 1);
    m.memory.dirty = nullptr;
    park_write_tags(m.cpu);
    CHECK(open_tags(m.cpu, linear));
}

TEST_CASE("the TLB in a checkpoint: goes on with the same translations, on another host") {
    Stale m;
    m.cpu.cr4 |= cr4::PGE;
    m.map(0x20'0000, 0 | present | writable | large, 2);
    m.map(0x7'8000, old_frame | present | writable | global_bit);
    CHECK(m.writes(linear));
    CHECK(m.reads(0x7'8000));
    CHECK(m.reads(0x20'1000));
    run_bytes(m, {0x90});
    Archive out = Archive::saver();
    persist_tlb(m.cpu, out);

    Stale n;
    n.cpu.cr4 |= cr4::PGE;
    n.point_to(new_frame);
    Archive in = Archive::loader(out.bytes());
    persist_tlb(n.cpu, in);
    CHECK(in.ok());
    CHECK(in.at_end());
    CHECK(n.read() == 0x11);
    CHECK(open_tags(n.cpu, linear));
    CHECK(n.read(0x7'8000) == 0x11); // its tables do not have it
    CHECK(entry_of(n.cpu, 0x7'8000).write_tag == TlbEntry::no_tag);
    CHECK(n.cpu.fetch_tlbs[0].find(watch_code));
    Archive again = Archive::saver();
    persist_tlb(n.cpu, again);
    CHECK(again.bytes() == out.bytes());
    n.cpu.flush_tlb(true);
    CHECK(n.read() == 0x22);
    CHECK(n.read(0x7'8000) == 0x11); // global
    CHECK(n.reads(0x20'1000) == false);
    m.cpu.flush_page(0x20'0000); // all of the large page
    Archive third = Archive::loader(out.bytes());
    persist_tlb(n.cpu, third);
    n.cpu.flush_page(0x20'0000);
    CHECK(n.reads(0x20'1000) == false);
}

TEST_CASE("the TLB in a checkpoint: what no TLB can hold is refused") {
    Stale m;
    CHECK(m.writes(linear));
    Archive out = Archive::saver();
    persist_tlb(m.cpu, out);
    const std::vector<u8> good = out.bytes();
    unsigned refused = 0;
    for (std::size_t at = 0; at < good.size(); at += at < 64 ? 1 : 97) {
        for (const u8 flip : {u8{0xFF}, u8{0x10}, u8{1}}) {
            std::vector<u8> bad = good;
            bad[at] ^= flip;
            Archive in = Archive::loader(bad);
            Stale n;
            persist_tlb(n.cpu, in);
            refused += !in.ok();
            if (in.ok()) n.reads(linear);
            for (TlbTable& table : n.cpu.tlbs) {
                table.for_each([&](const TlbEntry& e) {
                    CHECK(&table.at(e.page()) == &e);
                    CHECK((e.phys & page_mask) == 0);
                });
            }
        }
    }
    CHECK(refused > 20);
    for (std::size_t size = 0; size < good.size(); size += 7) {
        Archive in = Archive::loader(std::span(good).first(size));
        Stale n;
        persist_tlb(n.cpu, in);
        CHECK_FALSE(in.ok());
    }
}
