// Every combination of the engine's switches gives the same results, where it is hardest: what the TLB remembers of
// code pages, split instructions over remapped pages, code that changes under a link (docs/engine-proof.md).
#include "system_fixture.hpp"

#include <functional>
#include <initializer_list>
#include <string>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u32 code_at = 0xC000, directory = 0x20000, table_0 = 0x21000, table_1 = 0x22000, results = 0x6000;
constexpr u32 pte_of(u32 linear) { return (linear < 0x40'0000 ? table_0 : table_1) + (linear >> 12 & 0x3FF) * 4; }

/// Paging on, the first MiB at its place; what stands at 4 MiB is for the test.
struct Paged : Machine {
    u32 at = code_at;
    explicit Paged(const EngineOptions& engine) {
        cpu.set_engine(engine);
        for (u32 page = 0; page < 256; ++page) put<u32>(table_0 + 4 * page, page << 12 | 7);
        put<u32>(directory, table_0 | 7);
        put<u32>(directory + 4, table_1 | 7);
        put<u64>(idt + 8 * 14, gate(code0, 0x7000, access(14, 0)));
        put<u8>(0x7000, 0xF4);
        level(0);
        cpu.cr0 |= cr0::PG | cr0::WP;
        cpu.cr3 = directory;
        cpu.update_mode();
        cpu.map_changed();
        cpu.set_r32(RSP, stack0);
        cpu.ip = code_at;
    }
    void bytes(std::initializer_list<u8> code) {
        for (u8 b : code) put<u8>(at++, b);
    }
    void word(u32 value) {
        put<u32>(at, value);
        at += 4;
    }
    /// JMP or CALL.
    void jump(u8 opcode, u32 target) {
        bytes({opcode});
        word(target - (at + 4));
    }
};

void with_every_engine(const std::function<void(Paged&)>& program, const std::function<void(Paged&)>& check) {
    std::vector<u8> first;
    for (unsigned n = 0; n < 8; ++n) {
        const EngineOptions engine{.cache = (n & 1) == 0, .chain = (n & 2) == 0, .fuse = (n & 4) == 0};
        INFO("engine without ", name_of(engine));
        Paged m(engine);
        program(m);
        for (unsigned guard = 0; guard < 10'000 && !m.cpu.halted; ++guard) m.cpu.run(1000);
        REQUIRE(m.cpu.halted);
        check(m);
        Archive archive = Archive::saver();
        m.cpu.persist(archive);
        const auto ram = m.memory.ram();
        archive.bytes().insert(archive.bytes().end(), ram.begin(), ram.begin() + 0x30000);
        if (first.empty()) first = archive.bytes();
        CHECK(archive.bytes() == first);
    }
}

} // namespace

TEST_CASE("lists of switches") {
    CHECK(*parse_engine_options("") == EngineOptions{});
    const auto all = parse_engine_options("no-fuse,no-cache,no-chain");
    REQUIRE(all);
    CHECK(!all->cache);
    CHECK(!all->chain);
    CHECK(!all->fuse);
    CHECK(name_of(*all) == "no-cache,no-chain,no-fuse");
    CHECK(name_of(EngineOptions{}).empty());
    for (const char* bad : {"cache", "no-cache,", ",no-cache", "no-cache no-chain", "NO-CACHE"})
        CHECK_FALSE(parse_engine_options(bad).has_value());
}

TEST_CASE("a code page's accessed bit comes back when its translation was displaced, and only then") {
    with_every_engine(
        [](Paged& m) {
            m.put<u32>(pte_of(0x40'C000), 0xD000 | 7); // the same slot of the fetch table as the loop's page
            m.bytes({0xB9}), m.word(48);               // mov ecx, 48
            const u32 loop = m.at;
            m.bytes({0xA1}), m.word(pte_of(code_at));                         // mov eax, [PTE]
            m.bytes({0xC1, 0xE8, 0x05, 0x83, 0xE0, 0x01});                    // shr eax, 5 ; and eax, 1
            m.bytes({0x01, 0xC2});                                            // add edx, eax
            m.bytes({0x81, 0x25}), m.word(pte_of(code_at)), m.word(~u32{32}); // and dword [PTE], ~A
            m.bytes({0xF6, 0xC1, 0x03, 0x75, 0x05});                          // test cl, 3 ; jnz over the call
            m.jump(0xE8, 0x40'C000);
            m.bytes({0x49, 0x0F, 0x85}), m.word(loop - (m.at + 4)); // dec ecx ; jnz loop
            m.bytes({0xF4});
            m.put<u8>(0xD000, 0xC3);
            m.cpu.gpr[RDX] = 0;
        },
        [](Paged& m) { CHECK(m.cpu.r32(RDX) == 1 + 12); }); // the first fetch, and after each call but the last
}

TEST_CASE("INVLPG of the page that an instruction goes on in") {
    for (const bool flush : {true, false}) {
        with_every_engine(
            [&](Paged& m) {
                const u32 again = m.at;
                m.jump(0xE9, 0xCFFD);
                m.at = 0xC100;
                m.bytes({0x43, 0x89, 0x04, 0x9D}), m.word(results); // inc ebx ; mov [results + 4 * ebx], eax
                m.bytes({0x83, 0xFB, 0x01, 0x0F, 0x85});            // cmp ebx, 1 ; jne end
                const u32 end = m.at + 4 + 10 + (flush ? 7 : 0) + 5;
                m.word(end - (m.at + 4));
                m.bytes({0xC7, 0x05}), m.word(pte_of(0xD000)), m.word(0xE000 | 7);
                if (flush) m.bytes({0x0F, 0x01, 0x3D}), m.word(0xD000); // invlpg [0xD000]
                m.jump(0xE9, again);
                REQUIRE(m.at == end);
                m.bytes({0xF4});
                for (u32 frame : {0xD000u, 0xE000u}) { // mov eax, imm32 over the edge ; jmp back
                    m.at = 0xCFFD;
                    m.bytes({0xB8, 0x11, 0x22});
                    m.at = frame;
                    frame == 0xD000 ? m.bytes({0x33, 0x44}) : m.bytes({0x77, 0x88});
                    m.bytes({0xE9}), m.word(0xC100 - 0xD007);
                }
                m.cpu.gpr[RBX] = 0;
            },
            [&](Paged& m) {
                CHECK(m.get<u32>(results + 4) == 0x4433'2211);
                // Without INVLPG the old translation may be used (SDM 3A 4.10.2.3); here it is, by every engine.
                CHECK(m.get<u32>(results + 8) == (flush ? 0x8877'2211 : 0x4433'2211));
            });
    }
}

TEST_CASE("a linked block that was overwritten from another page, and one whose page was remapped") {
    with_every_engine(
        [](Paged& m) {
            m.put<u32>(pte_of(0x40'0000), 0xE000 | 7);
            m.bytes({0xB9}), m.word(20); // mov ecx, 20
            const u32 loop = m.at;
            m.jump(0xE8, 0xD000);                  // a routine in another page: mov al, imm ; add edx, eax ; ret
            m.jump(0xE8, 0x400000);                // the same, by another page
            m.bytes({0xFE, 0x05}), m.word(0xD001); // inc byte [imm]
            m.bytes({0x83, 0x35}), m.word(pte_of(0x40'0000)), m.bytes({0});   // xor dword [PTE], 0: a write only
            m.bytes({0x81, 0x35}), m.word(pte_of(0x40'0000)), m.word(0x3000); // E000h <-> D000h
            m.bytes({0x0F, 0x01, 0x3D}), m.word(0x40'0000);                   // invlpg
            m.bytes({0x49, 0x0F, 0x85}), m.word(loop - (m.at + 4));
            m.bytes({0xF4});
            for (u32 frame : {0xD000u, 0xE000u}) {
                m.at = frame;
                m.bytes({0xB0, static_cast<u8>(frame == 0xD000 ? 1 : 100), 0x01, 0xC2, 0xC3});
            }
            m.cpu.gpr[RAX] = m.cpu.gpr[RDX] = 0;
        },
        [](Paged& m) {
            u32 want = 0;
            for (u32 i = 0; i < 20; ++i) want += (i + 1) + (i % 2 == 0 ? 100 : i + 1);
            CHECK(m.cpu.r32(RDX) == want);
        });
}
