// The commands of "Symbols" as they are typed, and expressions on a machine at its reset vector and in protected mode.
#include "debugger/command.hpp"
#include "debugger/debugger.hpp"
#include "debugger/symbols/expression_scope.hpp"
#include "debugger/symbols/number_text.hpp"
#include "machine/machine.hpp"
#include "tests/unit/debugger/symbol_samples.hpp"

#include "debug_session.hpp"
#include <cstring>

#include <doctest/doctest.h>
#include <memory>

using namespace glassbox;
using namespace glassbox::symbol_samples;

namespace {

using Session = test::DebugSession;

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

} // namespace

TEST_CASE("print shows a number in every notation") {
    CHECK(marked_hex(0) == "0h");
    CHECK(marked_hex(0x7C00) == "7C00h");
    CHECK(marked_hex(0xFF) == "0FFh");
    CHECK(binary_text(0) == "0b");
    CHECK(binary_text(0xA5) == "1010_0101b");
    CHECK(binary_text(0x10) == "1_0000b");
    CHECK(signed_text(0x7F).empty());
    CHECK(signed_text(0xFF) == "-1 (8 bits)");
    CHECK(signed_text(0xFFFE) == "-2 (16 bits)");
    CHECK(signed_text(0x8000'0000) == "-2147483648 (32 bits)");
    CHECK(signed_text(~u64{0}) == "-1 (64 bits)");
    Session session;
    CHECK(session("print 0xA5") == "  hex        0A5h\n  decimal    165\n  signed     -91 (8 bits)\n"
                                   "  binary     1010_0101b\n");
    CHECK(session("p 'A'") == "  hex        41h\n  decimal    65\n  binary     100_0001b\n  character  'A'\n");
    CHECK(session("p/x 255") == "0FFh\n");
    CHECK(session("p/d 255") == "-1\n");
    CHECK(session("p/u -1") == "18446744073709551615\n");
    CHECK(session("print /t 5") == "101b\n");
    CHECK(session("p/o 8") == "10o\n");
    CHECK(session("p/c 10") == "'\\n'\n");
    CHECK(has(session("p/z 1"), "no format 'z'"));
    CHECK(has(session("print"), "error: print EXPRESSION"));
    CHECK(has(session("print 1 +"), "error: here a number"));
    CHECK(has(session("print nobody"), "no register or symbol is called 'nobody'"));
}

TEST_CASE("expressions on a machine: reset vector, memory, segments of protected mode") {
    Session session;
    // SDM 3A 9.1.4: CS F000h with base FFFF0000h, IP FFF0h.
    CHECK(session("p/x cs:ip") == "0FFFFFFF0h\n");
    CHECK(session("p/x cs.base") == "0FFFF0000h\n");
    CHECK(session("p/x f000:fff0") == "0FFFF0h\n"); // a selector written as a number: times 16
    CHECK(evaluate_address(*session.debugger, "eip")->value == 0xFFFF'FFF0);
    CHECK(session("p/x byte [cs:ip]") == session("p/x byte [0FFFFFFF0h]"));
    CHECK(session("p/x byte phys(0FFFFFFF0h)") == session("p/x byte [0FFFF0h]"));
    CHECK(has(session("p byte [0E0000000h]"), "no 1 readable bytes at linear 0E0000000h"));

    Cpu& cpu = session.debugger->cpu();
    const auto put = [&](u64 at, std::initializer_list<u8> bytes) {
        const std::vector<u8> all(bytes);
        REQUIRE(write_physical_by_hand(cpu, at, all).has_value());
    };
    // A GDT at 1000h: null, a data segment based at 12345678h (SDM 3A 3.4.5), a system descriptor.
    put(0x1008, {0xFF, 0xFF, 0x78, 0x56, 0x34, 0x92, 0xCF, 0x12});
    put(0x1010, {0x67, 0x00, 0x00, 0x20, 0x00, 0x89, 0x00, 0x00});
    cpu.gdtr = {0x1000, 0x17};
    cpu.cr0 |= cr0::PE;
    cpu.update_mode();
    CHECK(session("p/x 8:10") == "12345688h\n");
    CHECK(has(session("p 10:0"), "gate or system segment"));
    CHECK(has(session("p 18:0"), "beyond the limit of the GDT"));
    CHECK(has(session("p 1:0"), "null selector"));
    cpu.ldtr.limit = 0;
    CHECK(has(session("p 0c:0"), "beyond the limit of the LDT"));
    CHECK(session("p/x f000:10") == "0FFFF0010h\n"); // CS still holds it: its hidden base
}

TEST_CASE("symbols are loaded, listed, searched and taken away") {
    const Folder folder;
    const std::string path = folder.write("boot.sym", "7c00 start\n7c10 print_text\n8000 buffer\n");
    Session session;
    CHECK(has(session("symbols"), "No symbol file is loaded"));
    CHECK(session("symbols load " + path) == path + ": address-name list, 3 symbols\n");
    CHECK(session("symbols list") == path + ": address-name list (3 symbols)\n");
    CHECK(session("p/a start + 2") == "7C02h <start+2h>\n");
    CHECK(has(session("print print_text"), "  symbol     print_text\n"));
    CHECK(session("symbols find t") ==
          "             7C00h            start\n             7C10h            print_text\n");
    CHECK(has(session("symbols find zzz"), "no symbol's name contains 'zzz'"));
    CHECK(session("line 7c11h") == "7C11h is print_text+1h\n");
    CHECK(has(session("line 10h"), "neither a symbol nor a line"));
    CHECK(has(session("line phys(7c00h)"), "linear addresses"));
    CHECK(session("whereis buffer") == "buffer is at 8000h: label\n");
    CHECK(has(session("whereis start2"), "no symbol is called 'start2'"));
    CHECK(has(session("list"), "no source line is known for 0FFFFFFF0h"));
    CHECK(session("symbols load " + path + " at 1000h") ==
          path + ": address-name list, 3 symbols, at offset 1000h (in place of what was loaded before)\n");
    CHECK(session("p/x start") == "8C00h\n");
    folder.write("boot.sym", "7c00 other\n");
    CHECK(has(session("symbols reload"), "1 symbol, at offset 1000h"));
    CHECK(session("p/x other") == "8C00h\n");
    CHECK(has(session("symbols load"), "which file?"));
    CHECK(has(session("symbols load a b"), "at OFFSET"));
    CHECK(has(session("symbols load " + path + " at"), "at OFFSET"));
    CHECK(has(session("symbols load /no/such/file"), "/no/such/file: it cannot be found"));
    CHECK(has(session("symbols frob"), "not 'frob'"));
    CHECK(has(session("symbols unload nothing"), "no symbol file 'nothing'"));
    CHECK(session("symbols unload boot.sym").empty());
    CHECK(has(session("symbols reload"), "No symbol file"));
    CHECK(session("symbols path /a /b").empty());
    CHECK(session("symbols path") == "/a -> /b\n");
    CHECK(has(session("symbols path /a"), "FROM TO"));
}

TEST_CASE("source lines and variables of a kernel") {
    if (!have("gcc")) return;
    const Folder folder;
    const std::string program = compile(folder, 32, "-g -O0", "kernel");
    if (program.empty()) return;
    Session session;
    REQUIRE(has(session("symbols load " + program), "ELF32 with DWARF"));
    const std::string list = session("list sample.c:25");
    CHECK(has(list, "sample.c\n"));
    CHECK(has(list, "       20      calls += n;\n") == false);
    CHECK(has(list, " *     20      calls += n;\n"));
    CHECK(has(list, "       26      volatile int local[8];\n") == false);
    CHECK(has(session("list leaf"), "static int leaf"));
    CHECK(has(session("list sample.c:999"), "no line 999"));
    CHECK(has(session("list other.c:1"), "other.c is not here"));
    CHECK(has(session("line middle"), "is middle, "));
    CHECK(has(session("line middle"), "sample.c:24"));
    CHECK(has(session("whereis middle"), ": function, "));
    CHECK(has(session("whereis table[3].limit"), ": variable, 2 bytes\n"));
    CHECK(has(session("print 'sample.c':20"), "sample.c:20)"));

    CHECK(has(session("print sample.c:2"),
              "no instruction is known to come from line 2 of 'sample.c'; line 18 is the next"));

    // At the entry of middle(5, 7): SysV ABI for the 386, a at [esp+4], b at [esp+8].
    Cpu& cpu = session.debugger->cpu();
    test::enter_flat_mode(cpu);
    cpu.ip = *session.debugger->symbols().address_of("middle");
    cpu.gpr[RSP] = 0x8000;
    const std::array<u8, 12> stack{0, 0, 0, 0, 5, 0, 0, 0, 0xFD, 0xFF, 0xFF, 0xFF};
    REQUIRE(write_linear_by_hand(cpu, 0x8000, stack).has_value());
    const std::string locals = session("locals");
    CHECK(has(locals, "middle:\n"));
    CHECK(has(locals, "  parameter  a      int              5  "));
    CHECK(has(locals, "  parameter  b      int              -3  "));
    CHECK(has(locals, "             local  volatile int[8]  {"));
    CHECK(session("print b") == "b = -3 (int, at 8008h)\n");
    CHECK(has(session("locals 1"), "error: there is no frame 1"));
    CHECK(has(session("line"), "is middle, "));
    CHECK(has(session("list"), "=>     24  __attribute__((noinline)) int middle"));

    const auto counter = session.debugger->symbols().address_of("counter");
    REQUIRE(counter.has_value());
    const std::array<u8, 4> bytes{0xFE, 0xFF, 0xFF, 0xFF};
    REQUIRE(write_linear_by_hand(session.debugger->cpu(), *counter, bytes).has_value());
    CHECK(has(session("print counter"), "counter = -2 (int, at "));
}

TEST_CASE("the help of symbol commands has an example of each") {
    for (const Command& command : symbol_commands()) {
        CAPTURE(command.name);
        CHECK(command.help.find(command.name) != std::string_view::npos);
        CHECK(command.group == "Symbols");
    }
}
