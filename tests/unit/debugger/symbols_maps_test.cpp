// Symbol files that are text, several files at once, and what describes an address.
#include "debugger/symbols/symbol_file.hpp"
#include "debugger/symbols/symbols.hpp"
#include "tests/unit/debugger/symbol_samples.hpp"

#include <doctest/doctest.h>

using namespace glassbox;
using namespace glassbox::symbol_samples;

namespace {

constexpr const char* system_map = R"(0000000000000000 A irq_stack_backing
ffffffff81000000 T _text
ffffffff81000000 T startup_64
ffffffff81000030 t local_part
ffffffff81000040 T __pfx_schedule
ffffffff81000050 T schedule
ffffffff82000000 D init_task
                 U undefined_one
ffffffff81000100 t from_a_module	[loop]
)";

/// As the Watcom linker of the manual's version 2.0 writes it for a DOS program.
constexpr const char* watcom_map = R"(Open Watcom Linker Version 2.0 beta
Copyright (c) 1985-2002 Sybase, Inc. All Rights Reserved.
Created on:       23/11/01 12:00:00
Executable Image: game.exe
creating a DOS executable

                        +------------+
                        |   Groups   |
                        +------------+

Group                           Address              Size
=====                           =======              ====

DGROUP                          0123:0000            00000a10

                        +--------------+
                        |   Segments   |
                        +--------------+

Segment                Class          Group          Address         Size
=======                =====          =====          =======         ====

_TEXT                  CODE           AUTO           0000:0000       00001234

                        +----------------+
                        |   Memory Map   |
                        +----------------+

* = unreferenced symbol
+ = symbol only referenced locally

Address        Symbol
=======        ======

Module: game.obj(C:\src\game.c)
0000:0010      main_
0123:0004*     _unused
0123:0008+     _private
Module: C:\WATCOM\lib286\dos\clibs.lib(printf)
0001:0100      printf_

                        +--------------------+
                        |   Libraries Used   |
                        +--------------------+

C:\WATCOM\lib286\dos\clibs.lib

Stack size:             0800 (2048.)
Memory size:            3640 (13888.)
Entry point address: 0000:0020
)";

std::string refusal(const std::string& text) {
    const auto file = read_symbol_text(text);
    return file ? "no error" : file.error().message;
}

} // namespace

TEST_CASE("symbols: System.map") {
    const Folder folder;
    Symbols symbols;
    const auto loaded = symbols.load(folder.write("System.map", system_map));
    REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
    CHECK(loaded->find("System.map, 8 symbols") != std::string::npos);
    CHECK(symbols.address_of("schedule") == 0xFFFF'FFFF'8100'0050);
    CHECK(symbols.address_of("irq_stack_backing") == 0);
    CHECK_FALSE(symbols.address_of("undefined_one").has_value());
    CHECK(symbols.address_of("from_a_module") == 0xFFFF'FFFF'8100'0100);
    CHECK(symbols.describe(0xFFFF'FFFF'8100'0050) == "schedule");
    CHECK(symbols.describe(0xFFFF'FFFF'8100'005C) == "schedule+0ch");
    CHECK(symbols.describe(0xFFFF'FFFF'8100'0035) == "local_part+5h");
    CHECK(symbols.at(0xFFFF'FFFF'8100'0050)->function);
    CHECK_FALSE(symbols.at(0xFFFF'FFFF'8200'0000)->function);
    CHECK(symbols.describe(0x10).empty()); // a constant's value is no place
    CHECK(symbols.describe(0xFFFF'FFFF'8110'0100) == "from_a_module+100000h");
    CHECK(symbols.describe(0xFFFF'FFFF'8110'0101).empty()); // too far
    CHECK(symbols.describe(0xFFFF'FFFF'80FF'FFFF).empty());
    CHECK(symbols.beginning_with("s", 10) == std::vector<std::string>{"schedule", "startup_64"});
    CHECK(symbols.beginning_with("s", 1) == std::vector<std::string>{"schedule"});
    REQUIRE(symbols.containing("schedule", 10).size() == 2);
    CHECK(symbols.containing("schedule", 10)[0].name == "__pfx_schedule");
    CHECK(symbols.containing("", 3).size() == 3);
}

TEST_CASE("symbols: addresses and names, in every notation of an address") {
    const auto file = read_symbol_text("# comment\n7c00 start\r\n0x7c10 second\n7C20h third\n07c0:0030 fourth\n\n"
                                       "; and\n7c40 t\n00007c50 00000010 T sized\n7c60 T\n");
    REQUIRE_MESSAGE(file.has_value(), file.error().message);
    REQUIRE(file->symbols.size() == 7);
    for (std::size_t i = 0; i < 7; ++i) CHECK(file->symbols[i].address == 0x7C00 + 0x10 * i);
    CHECK(file->symbols[3].name == "fourth");
    CHECK(file->symbols[4].name == "t");
    CHECK(file->symbols[5].name == "sized");
    CHECK(file->symbols[5].size == 0x10);
    CHECK(file->symbols[6].name == "T");
}

TEST_CASE("symbols: what is no symbol file is refused with the line and the reason") {
    CHECK(refusal("").find("no symbols") != std::string::npos);
    CHECK(refusal("\n\n# nothing\n").find("no symbols") != std::string::npos);
    CHECK(refusal("7c00 start\nhello world\n").find("line 2 is no symbol: 'hello world'") != std::string::npos);
    CHECK(refusal("7c00\n").find("line 1") != std::string::npos);
    CHECK(refusal("11112222333344445 big\n").find("line 1") != std::string::npos);
    CHECK(refusal("12345:0 a\n").find("line 1") != std::string::npos);
    CHECK(refusal(std::string("MZ\0\0", 4)).find("neither ELF nor text") != std::string::npos);
    CHECK(refusal("- NASM Map file ----\n").find("lists no symbols") != std::string::npos);
    CHECK(refusal("Open Watcom Linker Version 1.9\n").find("no \"Address  Symbol\" table") != std::string::npos);
    CHECK(refusal("ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n")
              .find("placeholder") != std::string::npos);
    std::string hidden;
    for (int i = 0; i < 200; ++i) hidden += "0000000000000000 T symbol\n";
    CHECK(refusal(hidden).find("to root alone") != std::string::npos);
    Symbols symbols;
    CHECK(symbols.load("/nonexistent/file").error().message.find("/nonexistent/file: it cannot be found") !=
          std::string::npos);
    CHECK(symbols.load("/tmp").error().message.find("no file") != std::string::npos);
    CHECK(symbols.load("/dev/zero").error().message.find("no file") != std::string::npos);
    CHECK(symbols.empty());
}

TEST_CASE("symbols: the map of a NASM boot sector") {
    const Folder folder;
    if (!have("nasm")) return;
    for (const char* what : {"symbols", "all"}) {
        folder.write("boot.asm", std::string("[map ") + what + " boot.map]\n" +
                                     "org 7c00h\nlimit equ 1234h\nstart: mov ax, 1\n.again: jmp .again\n"
                                     "section .data\nmessage: db 'x'\n"
                                     "section high vstart=0x10000\nfar_code: nop\nnop\nlast:\n");
        REQUIRE(succeeds("cd " + folder.path.string() + " && nasm -f bin boot.asm -o boot.bin"));
        Symbols symbols;
        const auto loaded = symbols.load(folder / "boot.map");
        REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
        CHECK(loaded->find("NASM map, 6 symbols") != std::string::npos);
        CHECK(symbols.address_of("start") == 0x7C00);
        CHECK(symbols.address_of("start.again") == 0x7C03);
        CHECK(symbols.address_of("limit") == 0x1234);
        CHECK(symbols.address_of("far_code") == 0x1'0000);
        CHECK(symbols.address_of("last") == 0x1'0002);
        CHECK(symbols.describe(0x7C01) == "start+1h");
        CHECK(symbols.describe(0x7C04) == "start.again+1h");
        CHECK(symbols.describe(0x1234).empty());
    }
}

TEST_CASE("symbols: Watcom maps, of 16-bit and 32-bit programs") {
    const Folder folder;
    const std::string path = folder.write("game.map", watcom_map);
    Symbols symbols;
    const auto loaded = symbols.load(path, 0x10100); // loaded at segment 1010h
    REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
    CHECK(loaded->find("Watcom map, 4 symbols, at offset 10100h") != std::string::npos);
    CHECK(symbols.address_of("main_") == 0x1'0110);
    CHECK(symbols.address_of("_unused") == 0x1'1334);
    CHECK(symbols.address_of("_private") == 0x1'1338);
    CHECK(symbols.address_of("printf_") == 0x1'0210);
    const auto flat =
        read_symbol_text("Open Watcom Linker Version 1.9\nAddress        Symbol\n=======        ======\n\n"
                         "0001:00401000+ start_\n0002:0000002c  data_\n");
    REQUIRE(flat.has_value());
    CHECK(flat->symbols[0].address == 0x40'1000);
    CHECK(flat->symbols[1].address == 0x2C);
    CHECK(refusal("Open Watcom Linker Version 1.9\nAddress        Symbol\n0001:zzzz  x\n").find("line 3") !=
          std::string::npos);
}

TEST_CASE("symbols: several files at once, loaded again, moved and unloaded") {
    const Folder folder;
    const std::string one = folder.write("one.sym", "1000 first\n2000 shared\n");
    const std::string two = folder.write("two.sym", "1000 other\n3000 shared\n");
    Symbols symbols;
    REQUIRE(symbols.load(one).has_value());
    REQUIRE(symbols.load(two, 0x10'0000).has_value());
    CHECK(symbols.address_of("first") == 0x1000);
    CHECK(symbols.address_of("other") == 0x10'1000);
    CHECK(symbols.address_of("shared") == 0x2000);
    CHECK(symbols.describe(0x10'1004) == "other+4h");
    CHECK(symbols.list() ==
          one + ": address-name list (2 symbols)\n" + two + ": address-name list (2 symbols) at offset 100000h\n");
    folder.write("one.sym", "1800 moved\n");
    const auto again = symbols.load(one, 0x100);
    REQUIRE(again.has_value());
    CHECK(again->find("in place of") != std::string::npos);
    CHECK_FALSE(symbols.address_of("first").has_value());
    CHECK(symbols.address_of("moved") == 0x1900);
    REQUIRE(symbols.unload("two.sym").has_value());
    CHECK_FALSE(symbols.address_of("other").has_value());
    CHECK_FALSE(symbols.unload("two.sym").has_value());
    REQUIRE(symbols.unload(one).has_value());
    CHECK(symbols.empty());
    CHECK(symbols.describe(0x1900).empty());
}

TEST_CASE("symbols: C++ names, only as far as they are plain") {
    CHECK(plain_name("main") == "main");
    CHECK(plain_name("_Z3foov") == "foo");
    CHECK(plain_name("_ZN3foo3barEi") == "foo::bar");
    CHECK(plain_name("_ZNK6kernel7Console4sizeEv") == "kernel::Console::size");
    CHECK(plain_name("_ZN7ConsoleC2Ev") == "Console::Console");
    CHECK(plain_name("_ZN7ConsoleD1Ev") == "Console::~Console");
    CHECK(plain_name("_ZN12_GLOBAL__N_14helpEv") == "help");
    CHECK(plain_name("_ZL6hidden") == "hidden");
    CHECK(plain_name("_Z3maxIiET_S0_S0_") == "_Z3maxIiET_S0_S0_");
    for (const char* odd : {"_Z", "_ZN", "_ZN9", "_ZN99999foo", "_Z0", "_ZNC1", "_ZN3foo", "_ZNKE", "_ZZ"})
        CHECK_FALSE(plain_name(odd).empty());
}
