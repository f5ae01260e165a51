// Which pages of RAM a whole machine writes: firmware, DMA and a guest with paging, from power-on. None is missed, and
// asking leaves no trace.
#include "machine/board.hpp"
#include "machine/machine.hpp"
#include "mmu/park.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <memory>
#include <vector>

using namespace glassbox;

namespace {

std::unique_ptr<Machine> demo() {
    MachineConfig config;
    config.memory_bytes = 16 << 20;
    config.demo = true;
    auto machine = Machine::create(config, {});
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    return std::move(*machine);
}

constexpr u64 step = 100'000, length = 12'000'000;

} // namespace

TEST_CASE("dirty pages: whatever has changed in RAM is listed, and the guest is none the wiser") {
    const auto machine = demo(), free = demo();
    Board& board = machine->board();
    const auto ram = board.memory.ram();
    DirtyPages pages(ram.size() / page_size);
    board.memory.dirty = &pages;
    park_write_tags(machine->cpu());
    std::vector<u8> before(ram.begin(), ram.end());
    u64 listed = 0, changed = 0, missed = 0;
    for (u64 until = step; until <= length; until += step) {
        machine->run(never, until);
        for (u64 page = 0; page < ram.size() / page_size; ++page) {
            u8* now = ram.data() + page * page_size;
            u8* then = before.data() + page * page_size;
            if (std::memcmp(now, then, page_size) == 0) continue;
            std::memcpy(then, now, page_size);
            ++changed;
            missed += !pages.marked(page);
        }
        listed += pages.list().size();
        pages.clear();
        park_write_tags(machine->cpu());
    }
    CHECK(missed == 0);
    CHECK(changed > 300);
    CHECK(listed < 8 * changed); // a list of everything would be right, too, but of no use
    for (u64 until = step; until <= length; until += step) free->run(never, until);
    CHECK(machine->instructions() == free->instructions());
    CHECK(machine->state_hash() == free->state_hash());
}

TEST_CASE("watched pages: a machine that is heard at every access runs as one that is not") {
    struct All final : Probe {
        u64 heard = 0, wrong = 0;
        bool watches(Cpu&, u64, u64 phys_page) override { return (phys_page >> 12 & 3) != 0; }
        void accessed(Cpu&, const MemoryAccess& access) override {
            ++heard;
            wrong += (access.phys >> 12 & 3) == 0 || access.size == 0 || access.size > 8 ||
                     (access.linear & page_mask) + access.size > page_size;
        }
    } all;
    const auto machine = demo(), free = demo();
    machine->attach(all);
    for (u64 until = step; until <= length; until += step) {
        machine->run(never, until);
        free->run(never, until);
        if (until == length / 2) machine->detach(all);
        if (until == length * 3 / 4) machine->attach(all);
    }
    CHECK(all.heard > 100'000);
    CHECK(all.wrong == 0);
    CHECK(machine->state_hash() == free->state_hash());
}
