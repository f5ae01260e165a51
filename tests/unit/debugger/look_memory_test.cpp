// Memory as text: dumps, gdb's formats, numbers, structures, searches; and what is written by hand.
#include "debugger/look/memory_text.hpp"
#include "debugger/look/structure_text.hpp"
#include "debugger/view.hpp"
#include "tests/unit/debugger/look_fixture.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::look;
using test::LookMachine;

namespace {
bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }
std::string examine(LookMachine& m, u64 at, std::string_view format) {
    std::string out;
    const auto parsed = parse_examine_format(format, {});
    REQUIRE(parsed);
    write_examine(m.cpu, nullptr, {at, false}, *parsed, out);
    return out;
}
std::vector<u64> find(LookMachine& m, std::vector<u8> pattern, u64 from, u64 length) {
    SearchRequest request;
    request.mask.assign(pattern.size(), 0xFF);
    request.pattern = std::move(pattern);
    request.from = {from, true};
    request.length = length;
    return search_memory(m.cpu, request, {}).hits;
}
} // namespace

TEST_CASE("a dump in each unit; holes are question marks; devices are not read") {
    LookMachine m;
    for (unsigned i = 0; i < 16; ++i) m.put<u8>(0x500 + i, static_cast<u8>('A' + i));
    std::string out;
    write_dump(m.cpu, {0x500, false}, 16, 1, out);
    CHECK(out == "00000500  41 42 43 44 45 46 47 48  49 4A 4B 4C 4D 4E 4F 50  ABCDEFGHIJKLMNOP\n");
    out.clear();
    write_dump(m.cpu, {0x500, false}, 16, 2, out);
    CHECK(out == "00000500  4241 4443 4645 4847  4A49 4C4B 4E4D 504F  ABCDEFGHIJKLMNOP\n");
    out.clear();
    write_dump(m.cpu, {0x500, true}, 12, 4, out);
    CHECK(out == "p00000500  44434241 48474645  4C4B4A49           ABCDEFGHIJKL\n");
    out.clear();
    write_dump(m.cpu, {LookMachine::device_at - 4, true}, 8, 1, out);
    CHECK(contains(out, "?? ?? ?? ?? ?? ?? ?? ??"));
    CHECK(m.device.reads == 0);
    out.clear();
    write_dump(m.cpu, {LookMachine::ram_size - 2, true}, 4, 1, out);
    CHECK(contains(out, "00 00 ?? ??"));
}

TEST_CASE("gdb's formats") {
    LookMachine m;
    m.put<u32>(0x600, 0xFFFF'FFFE);
    m.put<u32>(0x604, 0x3FC0'0000);
    CHECK(examine(m, 0x600, "2xw") == "00000600  FFFFFFFE 3FC00000\n");
    CHECK(examine(m, 0x600, "dw") == "00000600  -2\n");
    CHECK(examine(m, 0x600, "uw") == "00000600  4294967294\n");
    CHECK(examine(m, 0x600, "tb") == "00000600  11111110\n");
    CHECK(examine(m, 0x604, "f") == "00000604  1.5\n");
    CHECK(examine(m, 0x600, "4xb") == "00000600  FE FF FF FF\n");
    CHECK(examine(m, 0x600, "gx") == "00000600  3FC00000FFFFFFFE\n");
    m.put_bytes(0x700, {'h', 'i', '\n', 0, 'x', 0});
    CHECK(examine(m, 0x700, "2s") == "00000700  \"hi\\n\"\n00000704  \"x\"\n");
    CHECK_FALSE(parse_examine_format("8zz", {}));
    CHECK_FALSE(parse_examine_format("99999999999999999999999x", {}));
}

TEST_CASE("extended precision in decimal, to the last digit") {
    // Values and digits from IEEE 754 arithmetic with 64 bits, as FLDPI, FLD1 … load them (SDM 2A, FLD1).
    CHECK(f80_text(0x8000'0000'0000'0000, 0x3FFF) == "1");
    CHECK(f80_text(0xC90F'DAA2'2168'C235, 0x4000) == "3.14159265358979323851");  // FLDPI
    CHECK(f80_text(0xB172'17F7'D1CF'79AC, 0x3FFE) == "0.693147180559945309429"); // FLDLN2
    CHECK(f80_text(0xA000'0000'0000'0000, 0xC002) == "-10");
    CHECK(f80_text(0xCCCC'CCCC'CCCC'CCCD, 0x3FFB, 17) == "0.1");
    CHECK(f80_text(0, 0) == "+0");
    CHECK(f80_text(0, 0x8000) == "-0");
    CHECK(f80_text(0x8000'0000'0000'0000, 0x7FFF) == "+inf");
    CHECK(f80_text(0xC000'0000'0000'0000, 0xFFFF) == "-QNaN");
    CHECK(f80_text(0xA000'0000'0000'0000, 0x7FFF) == "+SNaN");
    CHECK(f80_text(0x4000'0000'0000'0000, 0x3FFF) == "unsupported"); // an unnormal
    CHECK(f80_text(~u64{0}, 0x7FFE) == "1.18973149535723176502e+4932");
    CHECK(f80_text(1, 0) == "3.64519953188247460253e-4951");
    CHECK(f80_text(0xF423'F000'0000'0000, 0x4012, 5) == "1e+6");
}

TEST_CASE("a search finds what lies across pages, masks bytes, and ends at its range") {
    LookMachine m;
    m.put<u32>(0x1FFE, 0xDEAD'BEEF);
    m.put<u32>(0x5000, 0xDEAD'BEEF);
    const std::vector<u8> pattern = {0xEF, 0xBE, 0xAD, 0xDE};
    CHECK(find(m, pattern, 0, ~u64{0}) == std::vector<u64>{0x1FFE, 0x5000});
    CHECK(find(m, pattern, 0x1FFE, 4) == std::vector<u64>{0x1FFE});
    CHECK(find(m, pattern, 0x1FFE, 3).empty());
    CHECK(find(m, pattern, 0x1FFF, 0x4000) == std::vector<u64>{0x5000});
    CHECK(find(m, {0xAA, 0xAA}, 0, 0x100).empty());
    m.put_bytes(0x3000, {0xAA, 0xAA, 0xAA});
    CHECK(find(m, {0xAA, 0xAA}, 0, 0x10000) == std::vector<u64>{0x3000, 0x3001});
    m.rom[0x10] = 0x77;
    m.rom[0x11] = 0x78;
    CHECK(find(m, {0x77, 0x78}, 0, ~u64{0}) == std::vector<u64>{LookMachine::rom_at + 0x10});
    SearchRequest wild{{0xEF, 0, 0xAD}, {0xFF, 0, 0xFF}, {0, true}, 0x10000, 1};
    const SearchResult result = search_memory(m.cpu, wild, {});
    CHECK(result.hits == std::vector<u64>{0x1FFE});
    CHECK(result.more);
    const SearchResult stopped =
        search_memory(m.cpu, {{9}, {0xFF}, {0, true}, ~u64{0}, 9}, [](double) { return false; });
    CHECK(stopped.stopped);
    CHECK(m.device.reads == 0);
}

TEST_CASE("structures: a boot sector's partitions, an E820 map, fields of one's own") {
    LookMachine m;
    m.put_bytes(0x7C00 + 446, {0x80, 1, 1, 0, 0x0C, 254, 63, 63, 0x3F, 0, 0, 0, 0x00, 0x10, 0, 0});
    m.put<u16>(0x7C00 + 510, 0xAA55);
    std::string out;
    REQUIRE(write_structure(m.cpu, {0x7C00, false}, "mbr", 0, out));
    CHECK(contains(out, "1  80      0C    FAT32         63     4096"));
    CHECK(contains(out, "signature AA55\n"));
    m.put<u64>(0x8000, 0);
    m.put<u64>(0x8008, 0x9FC00);
    m.put<u32>(0x8010, 1);
    out.clear();
    REQUIRE(write_structure(m.cpu, {0x8000, false}, "e820", 0, out));
    CHECK(contains(out, "0000000000000000  000000000009FBFF  639 KiB  1 RAM"));
    m.put_bytes(0x9000, {1, 2, 0, 'a', 'b', 'c', 0xFF});
    out.clear();
    REQUIRE(write_layout(m.cpu, {0x9000, false}, "x:byte y:u16 z:char[3] w:i8", 1, out));
    CHECK(contains(out, "00009000  01  2  \"abc\"  -1"));
    CHECK_FALSE(write_structure(m.cpu, {0, false}, "nothing", 0, out));
    CHECK_FALSE(write_structure(m.cpu, {0x9000, false}, "elf", 0, out));
    CHECK_FALSE(write_layout(m.cpu, {0, false}, "x", 1, out));
    CHECK_FALSE(write_layout(m.cpu, {0, false}, "x:u8[0]", 1, out));
    for (const StructureKind& kind : structure_kinds()) { // nothing is there
        out.clear();
        (void)write_structure(m.cpu, {LookMachine::device_at, true}, kind.name, 10, out);
    }
    CHECK(m.device.reads == 0);
}

TEST_CASE("writes by hand: all or nothing; ROM and holes are refused with their names") {
    LookMachine m;
    const std::array<u8, 4> bytes = {1, 2, 3, 4};
    REQUIRE(write_linear_by_hand(m.cpu, 0x1FFE, bytes));
    CHECK(m.get<u32>(0x1FFE) == 0x0403'0201);
    const auto message = [&](u64 at) {
        const auto done = write_physical_by_hand(m.cpu, at, bytes);
        return done ? std::string() : done.error().message;
    };
    CHECK(message(LookMachine::rom_at) == "physical address FFFF0000h is ROM (rom)");
    CHECK(message(0xF000'0000) == "physical address F0000000h has no memory");
    CHECK(message(~u64{0} - 1) == "the range goes beyond the end of the address space");
    CHECK_FALSE(write_physical_by_hand(m.cpu, LookMachine::ram_size - 2, bytes));
    CHECK(m.get<u16>(LookMachine::ram_size - 2) == 0);                                 // nothing was written
    CHECK_FALSE(write_physical_by_hand(m.cpu, LookMachine::device_at + 0xFFE, bytes)); // only half of it is there
    CHECK(m.device.writes == 0);
    CHECK(message(LookMachine::device_at).empty());
    CHECK(m.device.writes == 1);
    CHECK(m.device.reads == 0);
}

TEST_CASE("code that was executed is decoded anew when it is changed by hand") {
    LookMachine m;
    m.put_bytes(0x7C00, {0xB0, 0x11, 0xEB, 0xFC}); // mov al, 11h; jmp $-2
    REQUIRE(write_register(m.cpu, "cs", 0));
    REQUIRE(write_register(m.cpu, "ip", 0x7C00));
    m.cpu.run(100);
    CHECK(m.cpu.reg<u8>(0) == 0x11);
    const std::array<u8, 1> changed = {0x22};
    REQUIRE(write_linear_by_hand(m.cpu, 0x7C01, changed));
    m.cpu.run(100);
    CHECK(m.cpu.reg<u8>(0) == 0x22);
}
