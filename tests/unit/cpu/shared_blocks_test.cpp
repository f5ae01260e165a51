// Two processors with one cache of decoded blocks, one on each side of a change: code written by the other, code above
// 4 GiB, links across pages, and an arena that runs full.
#include "cpu/block/cache.hpp"
#include "system_fixture.hpp"

#include <initializer_list>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 code_at = 0xC000, directory = 0x20000, high_window = 0x400000;
constexpr u64 four_gib_page = u64{1} << 32;

/// The fixture's processor and a second one in the same memory; both at level 0 in flat segments.
struct Pair : Machine {
    FakeInterrupts other_interrupts;
    Cpu other;

    Pair() : other(memory, ports, scheduler, other_interrupts, *cpu.model, cpu.blocks) {
        other.cr0 = cpu.cr0;
        other.seg = cpu.seg;
        other.update_mode();
    }
    void place(u32 at, std::initializer_list<u8> bytes) {
        for (u8 b : bytes) put<u8>(at++, b);
    }
    u32 run(Cpu& which, u64 ip) {
        which.ip = ip;
        which.halted = false;
        for (unsigned guard = 0; guard < 1000 && !which.halted; ++guard) which.run(100);
        REQUIRE(which.halted);
        return which.r32(RAX);
    }
};

} // namespace

TEST_CASE("shared blocks: what one processor decodes serves the other") {
    Pair m;
    m.place(code_at, {0xB8, 1, 0, 0, 0, 0xF4}); // mov eax, 1; hlt
    CHECK(m.cpu.epoch != m.other.epoch);
    CHECK(m.run(m.cpu, code_at) == 1);
    const u64 built = m.cpu.blocks->statistics().built;
    CHECK(m.run(m.other, code_at) == 1);
    CHECK(m.other.blocks->statistics().built == built);
}

TEST_CASE("shared blocks: code that one processor writes is executed by both") {
    Pair m;
    m.place(code_at, {0xB8, 1, 0, 0, 0, 0xF4});
    // mov byte [code_at + 1], 2; hlt: with a write tag in its TLB from before there was code
    m.place(0xE000, {0xC6, 0x05, 0x00, 0xC1, 0x00, 0x00, 0x00, 0xF4, 0xC6, 0x05, 0x01, 0xC0, 0x00, 0x00, 0x02, 0xF4});
    m.run(m.other, 0xE000);
    CHECK(m.run(m.cpu, code_at) == 1);
    m.run(m.other, 0xE008);
    CHECK(m.run(m.cpu, code_at) == 2);
    CHECK(m.run(m.other, code_at) == 2);
    const u8 dma[] = {7};
    m.memory.write_block(PhysAddress{code_at + 1}, dma);
    CHECK(m.run(m.cpu, code_at) == 7);
    CHECK(m.run(m.other, code_at) == 7);
}

TEST_CASE("shared blocks: a link across pages leads each processor where its own paging says") {
    Pair m;
    // Two address spaces: linear D000h is D000h for one and E000h for the other.
    constexpr u32 table = 0x22000;
    for (u32 space = 0; space < 2; ++space) {
        m.put<u32>(directory + 0x1000 * space, (table + 0x1000 * space) | 3);
        for (u32 page = 0; page < 256; ++page) m.put<u32>(table + 0x1000 * space + 4 * page, page << 12 | 3);
    }
    m.put<u32>(table + 0x1000 + 4 * 0xD, 0xE000 | 3);
    m.place(code_at, {0xE9, 0xFB, 0x0F, 0, 0}); // jmp D000h
    m.place(0xD000, {0xB8, 1, 0, 0, 0, 0xF4});
    m.place(0xE000, {0xB8, 2, 0, 0, 0, 0xF4});
    m.cpu.cr3 = directory, m.other.cr3 = directory + 0x1000;
    for (Cpu* cpu : {&m.cpu, &m.other}) {
        cpu->cr0 |= cr0::PG;
        cpu->flush_tlb(false);
        cpu->update_mode();
    }
    for (unsigned i = 0; i < 4; ++i) {
        CHECK(m.run(m.cpu, code_at) == 1);
        CHECK(m.run(m.other, code_at) == 2);
    }
}

TEST_CASE("shared blocks: code above 4 GiB is seen when it changes") {
    Pair m;
    m.memory.add({.name = "high",
                  .start = four_gib_page,
                  .size = page_size,
                  .access = MemoryMap::Access::read_write,
                  .host = m.memory.ram().data() + 0xF000});
    m.put<u32>(directory, 0x83);                // 4 MiB at 0
    m.put<u32>(directory + 4, 1u << 13 | 0x83); // PSE-36: 4 GiB at 400000h
    m.place(0xF000, {0xB8, 1, 0, 0, 0, 0xF4});
    for (Cpu* cpu : {&m.cpu, &m.other}) {
        cpu->cr3 = directory;
        cpu->cr4 |= cr4::PSE;
        cpu->cr0 |= cr0::PG;
        cpu->flush_tlb(false);
        cpu->update_mode();
    }
    CHECK(m.run(m.cpu, high_window) == 1);
    CHECK(m.cpu.blocks->has_code(four_gib_page));
    CHECK_FALSE(m.cpu.blocks->has_code(0));
    // mov byte [400001h], 5; hlt
    m.place(0xA000, {0xC6, 0x05, 0x01, 0x00, 0x40, 0x00, 0x05, 0xF4});
    m.run(m.other, 0xA000);
    CHECK(m.run(m.cpu, high_window) == 5);
    const u8 dma[] = {9};
    m.memory.write_block(PhysAddress{four_gib_page + 1}, dma);
    CHECK(m.run(m.cpu, high_window) == 9);
}

TEST_CASE("shared blocks: nobody keeps a block when the cache forgets them") {
    Pair m;
    m.place(code_at, {0xB8, 1, 0, 0, 0, 0xEB, 0x00, 0xF4}); // mov eax, 1; jmp next; hlt
    m.run(m.cpu, code_at), m.run(m.other, code_at);
    m.cpu.forget_blocks();
    for (const Cpu* cpu : {&m.cpu, &m.other}) {
        for (const Cpu::JumpEntry& entry : cpu->jump_cache) CHECK(entry.op == nullptr);
    }
    m.put<u8>(code_at + 1, 3); // past the cache's knowledge: nothing is marked as code any more
    CHECK(m.run(m.other, code_at) == 3);
}
