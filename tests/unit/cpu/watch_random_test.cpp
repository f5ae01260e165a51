// Two guests that do the same at random: accesses of all sizes, changed paging entries, flushes or none, privilege and
// PKRU. One of them is watched, tracked, saved and restored all the while, and holds code here and there. Neither
// accesses nor memory may ever differ.
#include "cpu/block/cache.hpp"
#include "mmu/park.hpp"
#include "paging64_fixture.hpp"
#include "watch_fixture.hpp"

#include <random>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u64 first_linear = 0x4000'0000, pages = 24, first_frame = 0x6'0000, frames = 16;

struct Walker : Paging64 {
    Ear ear;
    DirtyPages tracked{(1 << 20) / page_size};
    Walker() {
        for (u64 page = 0; page < pages; ++page) entry_at(first_linear + page * page_size, 1);
        cpu.cr4 |= cr4::PGE | cr4::PKE;
        cpu.cr0 |= cr0::WP;
        for (u32 i = 0; i < frames * page_size; i += 4) put<u32>(first_frame + i, i * 0x9E37'79B1);
    }
    /// One step; what the guest has seen of it.
    u64 step(u64 random) {
        const auto take = [&](u64 below) {
            const u64 n = random % below;
            random = (random / below) ^ (random << 40);
            return n;
        };
        const u64 page = first_linear + take(pages) * page_size;
        const u64 at = page + (take(4) == 0 ? page_size - take(8) : take(page_size));
        const auto fault = [&]() -> u64 {
            const u64 seen = u64{cpu.fault.error} << 32 | cpu.fault.cr2;
            cpu.fault = {};
            return ~seen;
        };
        switch (take(16)) {
        case 0:
        case 1: { // the entry changes
            const u64 rights = present | (take(3) ? writable : 0) | (take(3) ? user_bit : 0) |
                               (take(4) ? 0 : global_bit) | (take(2) ? accessed | dirty : 0) | take(3) << 59;
            map(page, take(8) == 0 ? 0 : (first_frame + take(frames) * page_size) | rights);
            return 0;
        }
        case 2: cpu.flush_page(at); return 1;
        case 3:
            if (take(8) == 0) cpu.flush_tlb(take(2) != 0);
            return 2;
        case 4: at_level(take(2) ? 3 : 0); return 3;
        case 5: write_pkru(cpu, static_cast<u32>(take(16))); return 4;
        case 6:
        case 7: return write_linear<u8>(cpu, at, static_cast<u8>(random)) ? 5 : fault();
        case 8:
        case 9: return write_linear<u64>(cpu, at, random) ? 6 : fault();
        case 10: return write_linear<u16>(cpu, at, 7, Privilege::supervisor) ? 7 : fault();
        case 11: return probe_write(cpu, at, take(40)) ? 8 : fault();
        case 12: {
            u64 phys = 0;
            return translate(cpu, at, AccessKind::fetch, Privilege::current, phys) ? phys : fault();
        }
        default: {
            u64 value = 0;
            return read_linear<u64>(cpu, at, value) ? value : fault();
        }
        }
    }
    /// What only a debugger and the engine do.
    void meddle(std::mt19937_64& random) {
        const u64 frame = first_frame + random() % frames * page_size;
        switch (random() % 12) {
        case 0:
            cpu.probe = random() % 3 ? &ear : nullptr;
            cpu.probe_questions_changed();
            break;
        case 1:
            ear.pages.clear();
            for (u64 i = 0; i < pages; ++i)
                if (random() % 3 == 0) ear.pages.insert(first_linear + i * page_size);
            cpu.probe_questions_changed();
            break;
        case 2:
            tracked.clear();
            memory.dirty = random() % 4 ? &tracked : nullptr;
            park_write_tags(cpu);
            break;
        case 3: { // as if code were decoded there
            const u64 ip = std::exchange(cpu.ip, frame + random() % 4000);
            const u32 epoch_mode = cpu.mode;
            if (BlockHeader* block = blocks_at(frame)) (void)block;
            cpu.ip = ip;
            CHECK(cpu.mode == epoch_mode);
            break;
        }
        case 4: cpu.forget_blocks(random() % 2 != 0); break;
        case 5: {
            Archive out = Archive::saver();
            persist_tlb(cpu, out);
            Archive in = Archive::loader(out.bytes());
            persist_tlb(cpu, in);
            REQUIRE(in.ok());
            break;
        }
        default: break;
        }
    }

  private:
    /// Marks a frame as code without a fetch that the guest's TLB would remember.
    BlockHeader* blocks_at(u64 frame) {
        FetchTable saved = cpu.fetch_tlbs[0];
        cpu.fetch_tlbs[0].insert(cpu.ip, frame, false);
        const u8 level = std::exchange(cpu.cpl, u8{0});
        BlockHeader* block = cpu.blocks->at_ip(cpu);
        cpu.cpl = level;
        cpu.fault = {};
        cpu.fetch_tlbs[0] = saved;
        return block;
    }
};

} // namespace

TEST_CASE("parked: at random, nobody can tell who watches") {
    for (u64 seed = 1; seed <= 12; ++seed) {
        Walker plain, watched;
        std::mt19937_64 guest(seed), host(seed * 77);
        u64 heard = 0, marked = 0;
        for (unsigned n = 0; n < 8000; ++n) {
            watched.meddle(host);
            const u64 random = guest();
            const u64 one = plain.step(random), other = watched.step(random);
            if (one != other) {
                CAPTURE(seed);
                CAPTURE(n);
                REQUIRE(one == other);
            }
            heard += watched.ear.heard.size();
            watched.ear.heard.clear();
            marked += watched.tracked.list().size();
        }
        CHECK(std::memcmp(plain.memory.ram().data(), watched.memory.ram().data(), 1 << 20) == 0);
        CHECK(heard > 100);
        CHECK(marked > 100);
        watched.cpu.probe = nullptr;
        watched.memory.dirty = nullptr;
        park_write_tags(watched.cpu);
        Archive a = Archive::saver(), b = Archive::saver();
        persist_tlb(plain.cpu, a);
        persist_tlb(watched.cpu, b);
        CHECK(a.bytes() == b.bytes());
    }
}
