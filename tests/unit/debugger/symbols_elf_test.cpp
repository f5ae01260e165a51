// ELF and DWARF against what binutils says of the same file: nm's addresses and sizes, addr2line's lines, readelf's
// rows of the call-frame tables.
#include "debugger/symbols/symbols.hpp"
#include "tests/unit/debugger/symbol_samples.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <map>
#include <sstream>

using namespace glassbox;
using namespace glassbox::symbol_samples;

namespace {

bool tools() { return have("gcc") && have("nm") && have("addr2line") && have("readelf"); }

struct NmSymbol {
    u64 address = 0, size = 0;
    char type = '?';
};

std::map<std::string, NmSymbol> nm(const std::string& program) {
    std::map<std::string, NmSymbol> symbols;
    for (const std::string& line : output("nm -S " + program)) {
        std::istringstream words(line);
        std::vector<std::string> parts;
        for (std::string part; words >> part;) parts.push_back(part);
        if (parts.size() < 3) continue;
        NmSymbol symbol;
        symbol.address = std::stoull(parts[0], nullptr, 16);
        if (parts.size() == 4) symbol.size = std::stoull(parts[1], nullptr, 16);
        symbol.type = parts[parts.size() - 2][0];
        symbols[parts.back()] = symbol;
    }
    return symbols;
}

void check_symbols(const Symbols& symbols, const std::string& program, u64 offset) {
    const auto expected = nm(program);
    REQUIRE(expected.size() > 8);
    for (const auto& [name, symbol] : expected) {
        CAPTURE(name);
        const auto address = symbols.address_of(name);
        REQUIRE(address.has_value());
        CHECK(*address == symbol.address + offset);
        if (!symbol.size) continue;
        const auto at = symbols.at(*address + symbol.size - 1);
        REQUIRE(at.has_value());
        CHECK(at->name == name);
        CHECK(at->size == symbol.size);
        CHECK(at->function == (symbol.type == 't' || symbol.type == 'T'));
        CHECK(symbols.describe(*address) == name);
    }
}

void check_lines(const Symbols& symbols, const std::string& program, u64 offset) {
    const auto functions = nm(program);
    std::vector<u64> addresses;
    std::string command = "addr2line -e " + program;
    for (const char* name : {"leaf", "middle", "_start"}) {
        const NmSymbol& function = functions.at(name);
        for (u64 at = function.address; at < function.address + function.size; ++at) {
            addresses.push_back(at);
            std::ostringstream text;
            text << " 0x" << std::hex << at;
            command += text.str();
        }
    }
    const auto lines = output(command);
    REQUIRE(lines.size() == addresses.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
        CAPTURE(lines[i]);
        const auto line = symbols.line_at(addresses[i] + offset);
        REQUIRE(line.has_value());
        const std::string expected = lines[i].substr(0, lines[i].find(" ("));
        CHECK(line->file + ":" + std::to_string(line->line) == expected);
        CHECK(line->address <= addresses[i] + offset);
        const auto first = symbols.line_at(line->address);
        REQUIRE(first.has_value());
        CHECK(first->line == line->line);
        const auto back = symbols.address_of_line("sample.c", line->line);
        REQUIRE(back.has_value());
        const auto there = symbols.line_at(*back);
        CHECK(there->line == line->line);
        CHECK(*back <= line->address);
    }
}

/// Every byte of memory differs from its neighbours, so that a value tells where it was read.
u64 memory_at(u64 address, unsigned size) {
    u64 value = 0;
    for (unsigned i = 0; i < size; ++i) value |= ((address + i) * 167 % 251) << (8 * i);
    return value;
}

struct FrameRow {
    u64 pc = 0;
    std::map<std::string, std::string> rules; ///< "CFA" -> "rsp+16", "rbx" -> "c-16"
};

/// The rows of `readelf --debug-dump=frames-interp`.
std::vector<FrameRow> frame_rows(const std::string& program) {
    std::vector<FrameRow> rows;
    std::vector<std::string> columns;
    for (const std::string& line : output("readelf --debug-dump=frames-interp " + program)) {
        std::istringstream words(line);
        std::vector<std::string> parts;
        for (std::string part; words >> part;) parts.push_back(part);
        if (parts.empty()) continue;
        if (parts[0] == "LOC") {
            columns.assign(parts.begin() + 1, parts.end());
        } else if (parts.size() == columns.size() + 1 && parts[0].size() >= 8 &&
                   parts[0].find_first_not_of("0123456789abcdef") == std::string::npos) {
            FrameRow row;
            row.pc = std::stoull(parts[0], nullptr, 16);
            for (std::size_t i = 0; i < columns.size(); ++i) row.rules[columns[i]] = parts[i + 1];
            if (row.pc && row.rules["CFA"].find('+') != std::string::npos) rows.push_back(row);
        }
    }
    return rows;
}

void check_unwinding(const Symbols& symbols, const std::string& program, unsigned bits, u64 offset) {
    const std::vector<std::string> names =
        bits == 64 ? std::vector<std::string>{"rax", "rdx", "rcx", "rbx", "rsi", "rdi", "rbp", "rsp",
                                              "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"}
                   : std::vector<std::string>{"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
    const unsigned size = bits / 8;
    const auto rows = frame_rows(program);
    REQUIRE(rows.size() >= 4);
    for (const FrameRow& row : rows) {
        CAPTURE(row.pc);
        FrameRegisters frame;
        frame.pc = row.pc + offset;
        for (std::size_t i = 0; i < names.size(); ++i) frame.values[i] = 0x7000'0000 + 0x1000 * i;
        const auto value_of = [&](const std::string& rule) -> u64 {
            const std::size_t sign = rule.find_first_of("+-");
            const auto reg = std::find(names.begin(), names.end(), rule.substr(0, sign));
            REQUIRE(reg != names.end());
            return *frame.values[static_cast<std::size_t>(reg - names.begin())] +
                   static_cast<u64>(std::stoll(rule.substr(sign)));
        };
        const u64 cfa = value_of(row.rules.at("CFA"));
        const auto saved = [&](const std::string& rule) {
            return memory_at(cfa + static_cast<u64>(std::stoll(rule.substr(1))), size);
        };
        const auto caller = symbols.unwind(frame, bits, [](u64 at, unsigned bytes, u64& value) {
            value = memory_at(at, bytes);
            return true;
        });
        REQUIRE(caller.has_value());
        CHECK(caller->pc == saved(row.rules.at("ra")));
        CHECK_FALSE(caller->exact);
        CHECK(caller->values[bits == 64 ? 7 : 4] == cfa);
        for (const auto& [column, rule] : row.rules) {
            const auto reg = std::find(names.begin(), names.end(), column);
            if (reg == names.end() || rule[0] != 'c') continue;
            CHECK(caller->values[static_cast<std::size_t>(reg - names.begin())] == saved(rule));
        }
        // What the ABI has a function keep, and this row does not say was saved, is what it was.
        for (const char* name : {"rbx", "r12", "r15", "ebx", "esi", "edi"}) {
            const auto reg = std::find(names.begin(), names.end(), name);
            const auto rule = row.rules.find(name);
            if (reg == names.end() || (rule != row.rules.end() && rule->second[0] == 'c')) continue;
            const auto number = static_cast<std::size_t>(reg - names.begin());
            CHECK(caller->values[number] == frame.values[number]);
        }
        const auto unreadable = [](u64, unsigned, u64&) { return false; };
        CHECK_FALSE(symbols.unwind(frame, bits, unreadable).has_value());
        CHECK_FALSE(symbols.unwind(frame, bits == 64 ? 32 : 64, unreadable).has_value());
    }
    FrameRegisters elsewhere;
    elsewhere.pc = 0x5000;
    CHECK_FALSE(symbols.unwind(elsewhere, bits, [](u64, unsigned, u64&) { return true; }).has_value());
}

void check_variables(const Symbols& symbols, const std::string& program, u64 offset) {
    const auto expected = nm(program);
    const u64 table = expected.at("table").address + offset, matrix = expected.at("matrix").address + offset;
    const auto check = [&](const char* name, u64 address, u64 size) {
        CAPTURE(name);
        const auto variable = symbols.variable(name);
        REQUIRE(variable.has_value());
        CHECK(variable->address == address);
        CHECK(variable->size == size);
        CHECK(symbols.address_of(name) == address);
    };
    check("table", table, 60);
    check("table[3]", table + 36, 12);
    check("table[3].limit", table + 40, 2);
    check("table[4].access.dpl", table + 48 + 7, 1);
    check("table[1].bytes[3]", table + 12 + 11, 1);
    check("matrix[2]", matrix + 32, 16);
    check("matrix[1][2]", matrix + 24, 4);
    check("fixed.access", expected.at("fixed").address + offset + 6, 2);
    check("hidden", expected.at("hidden").address + offset, 4);
    check("leaf::calls", symbols.at(symbols.variable("leaf::calls")->address)->address, 4);
    for (const char* wrong : {"table[5]", "table.limit", "table[1].nothing", "table[1]..limit", "matrix[3][0]",
                              "matrix[1].x", "hidden[0]", "hidden.x", "table[", "table[x]", "table[1", "nothing.x"}) {
        CAPTURE(wrong);
        CHECK_FALSE(symbols.variable(wrong).has_value());
    }
}

void check_program(const Folder& folder, unsigned bits, const std::string& options) {
    CAPTURE(bits);
    CAPTURE(options);
    const std::string program = compile(folder, bits, options, "sample" + std::to_string(bits));
    if (program.empty()) return;
    for (const u64 offset : {u64{0}, u64{0x20'0000}}) {
        Symbols symbols;
        const auto loaded = symbols.load(program, offset);
        REQUIRE_MESSAGE(loaded.has_value(), loaded.error().message);
        CHECK(loaded->find("ELF" + std::to_string(bits) + " with DWARF") != std::string::npos);
        check_symbols(symbols, program, offset);
        check_lines(symbols, program, offset);
        check_variables(symbols, program, offset);
        check_unwinding(symbols, program, bits, offset);
    }
}

} // namespace

TEST_CASE("symbols: a 64-bit ELF file, as binutils see it") {
    if (!tools()) return;
    const Folder folder;
    check_program(folder, 64, "-g -O2");
}

TEST_CASE("symbols: a 32-bit ELF file with frame pointers and DWARF 4, as binutils see it") {
    if (!tools()) return;
    const Folder folder;
    check_program(folder, 32, "-gdwarf-4 -O0 -fno-asynchronous-unwind-tables");
}

TEST_CASE("symbols: an ELF file without DWARF, stripped files, object files") {
    if (!tools() || !have("strip")) return;
    const Folder folder;
    const std::string plain = compile(folder, 64, "-O1", "plain");
    Symbols symbols;
    REQUIRE(symbols.load(plain).has_value());
    check_symbols(symbols, plain, 0);
    CHECK_FALSE(symbols.line_at(*symbols.address_of("middle")).has_value());
    CHECK(symbols.variable("counter")->size == 4);
    check_unwinding(symbols, plain, 64, 0); // .eh_frame alone

    REQUIRE(succeeds("strip -R .eh_frame -R .eh_frame_hdr " + plain));
    const auto stripped = symbols.load(plain);
    REQUIRE_FALSE(stripped.has_value());
    CHECK(stripped.error().message.find(plain) != std::string::npos);
    CHECK(stripped.error().message.find("stripped") != std::string::npos);
    CHECK(symbols.address_of("middle").has_value()); // what was loaded stays

    REQUIRE(succeeds("cd " + folder.path.string() + " && gcc -c -g sample.c -o sample.o"));
    const auto object = symbols.load(folder / "sample.o");
    REQUIRE_FALSE(object.has_value());
    CHECK(object.error().message.find("link it first") != std::string::npos);
}

TEST_CASE("symbols: NASM's ELF with its DWARF, and C++ names") {
    if (!tools() || !have("nasm") || !have("ld") || !have("g++")) return;
    const Folder folder;
    folder.write("boot.asm", "bits 32\nsection .text\nglobal _start\n_start: mov eax, 1\n.loop:\n inc eax\n jmp .loop\n"
                             "section .data\nvalue: dd 5\n");
    REQUIRE(
        succeeds("cd " + folder.path.string() +
                 " && nasm -f elf32 -g -F dwarf boot.asm -o boot.o && ld -m elf_i386 -Ttext 0x7c00 boot.o -o boot"));
    Symbols symbols;
    REQUIRE(symbols.load(folder / "boot").has_value());
    CHECK(symbols.address_of("_start") == 0x7C00);
    CHECK(symbols.address_of("_start.loop") == 0x7C05);
    CHECK(symbols.describe(0x7C06) == "_start.loop+1h");
    CHECK(symbols.line_at(0x7C05)->line == 6);
    CHECK(symbols.address_of_line("boot.asm", 7) == 0x7C06);

    folder.write(
        "names.cpp",
        "namespace kernel { struct Console { Console(); void put(char); static int used; }; int Console::used = 3;"
        "Console::Console() { used = 5; } void Console::put(char c) { used += c; } }\n"
        "extern \"C\" void _start() { kernel::Console().put('x'); }\n");
    REQUIRE(succeeds("cd " + folder.path.string() +
                     " && g++ -g -ffreestanding -nostdlib -static -no-pie -fno-exceptions names.cpp -o names"));
    Symbols names;
    REQUIRE(names.load(folder / "names").has_value());
    CHECK(names.address_of("kernel::Console::put") == names.address_of("_ZN6kernel7Console3putEc"));
    CHECK(names.address_of("kernel::Console::Console").has_value());
    CHECK(names.describe(*names.address_of("kernel::Console::put") + 2) == "kernel::Console::put+2h");
    CHECK(names.address_of("kernel::Console::used").has_value());
}

TEST_CASE("symbols: source text is found where it is said to be") {
    if (!tools()) return;
    const Folder folder;
    const std::string program = compile(folder, 64, "-g -O1", "source");
    Symbols symbols;
    REQUIRE(symbols.load(program).has_value());
    const auto text = symbols.source_text("sample.c");
    REQUIRE(text.has_value());
    CHECK(text->at(17) == "__attribute__((noinline)) static int leaf(int n) {");
    const auto code = symbols.lines_with_code("sample.c", 18, 22);
    CHECK(std::find(code.begin(), code.end(), 20u) != code.end());
    CHECK(std::find(code.begin(), code.end(), 20u) != code.end());
    CHECK(std::find(code.begin(), code.end(), 18u) != code.end());
    CHECK(symbols.lines_with_code("sample.c", 1, 17).empty());

    std::filesystem::create_directories(folder.path / "moved");
    std::filesystem::rename(folder.path / "sample.c", folder.path / "moved" / "sample.c");
    CHECK_FALSE(symbols.source_text("sample.c").has_value());
    symbols.substitute_path(folder.path.string() + "/", (folder.path / "moved").string() + "/");
    CHECK(symbols.source_text("sample.c").has_value());
}

namespace {

const Local* local_called(const std::optional<Locals>& locals, const std::string& name) {
    if (!locals) return nullptr;
    for (const Local& local : locals->variables) {
        if (local.name == name) return &local;
    }
    return nullptr;
}

bool read_pattern(u64 at, unsigned bytes, u64& value) {
    value = memory_at(at, bytes);
    return true;
}

} // namespace

TEST_CASE("symbols: parameters are where the calling conventions put them at a function's entry") {
    if (!tools()) return;
    const Folder folder;
    FrameRegisters frame;
    for (std::size_t i = 0; i < 16; ++i) frame.values[i] = 0x7000'0000 + 0x1000 * i;

    const std::string fast = compile(folder, 64, "-g -O2", "fast");
    if (!fast.empty()) { // System V ABI for AMD64, 3.2.3: RDI, RSI
        Symbols symbols;
        REQUIRE(symbols.load(fast).has_value());
        frame.pc = *symbols.address_of("middle");
        const auto locals = symbols.locals(frame, 64, read_pattern);
        REQUIRE(locals.has_value());
        CHECK(locals->function == "middle");
        REQUIRE(local_called(locals, "a"));
        CHECK(local_called(locals, "a")->where == "RDI");
        CHECK(local_called(locals, "a")->type == "int");
        CHECK(local_called(locals, "a")->parameter);
        CHECK(local_called(locals, "a")->value == std::to_string(0x7000'5000));
        REQUIRE(local_called(locals, "b"));
        CHECK(local_called(locals, "b")->where == "RSI");
        CHECK_FALSE(symbols.locals(frame, 32, read_pattern).has_value());
        frame.pc = 0x10;
        CHECK_FALSE(symbols.locals(frame, 64, read_pattern).has_value());
    }
    const std::string slow = compile(folder, 32, "-g -O0", "slow");
    if (slow.empty()) return; // System V ABI for the 386, 3-10: above the return address
    Symbols symbols;
    REQUIRE(symbols.load(slow, 0x1000).has_value());
    frame.pc = *symbols.address_of("middle");
    const auto locals = symbols.locals(frame, 32, read_pattern);
    REQUIRE(local_called(locals, "a"));
    CHECK(local_called(locals, "a")->where == "70004004h");
    CHECK(local_called(locals, "b")->where == "70004008h");
    CHECK(local_called(locals, "b")->value ==
          std::to_string(static_cast<i32>(static_cast<u32>(memory_at(0x7000'4008, 4)))));
    REQUIRE(local_called(locals, "local"));
    CHECK(local_called(locals, "local")->type == "volatile int[8]");
    CHECK(local_called(locals, "local")->value.substr(0, 14) == "{-1307877453, ");
}
