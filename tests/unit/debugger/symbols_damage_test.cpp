// Symbol files that lie: cut off, with wild numbers in headers, tables and debug information. Whatever they say, they
// are refused with a reason or read; the run ends, and sanitizers see nothing.
#include "debugger/symbols/dwarf.hpp"
#include "debugger/symbols/symbol_file.hpp"
#include "debugger/symbols/typed_value.hpp"
#include "tests/typed_printing.hpp"
#include "tests/unit/debugger/symbol_samples.hpp"

#include <cstring>
#include <doctest/doctest.h>
#include <elf.h>
#include <iterator>
#include <random>

using namespace glassbox;
using namespace glassbox::symbol_samples;

namespace {

std::vector<char> bytes_of(const std::string& path) {
    std::ifstream stream(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// Everything that is printed of a variable.
void show(const TypedVariable& variable) {
    for (const std::string& text : print_everything(variable)) CHECK(text.size() < 2'000'000);
}

/// Reads it, and asks everything that may be asked.
bool try_file(std::vector<char> bytes) {
    const auto file = read_symbol_file(std::move(bytes));
    if (!file) {
        CHECK_FALSE(file.error().message.empty());
        return false;
    }
    for (const LineRow& row : file->rows) REQUIRE((row.end || row.file < file->sources.size()));
    if (!file->debug) return true;
    for (const char* name : {"table[3].limit", "table[1].access.dpl", "matrix[1][2]", "leaf::calls", "hidden"}) {
        file->debug->variable(name);
        if (const auto variable = file->debug->typed_variable(name)) show(*variable);
    }
    FrameRegisters frame;
    for (auto& value : frame.values) value = 0x1000;
    for (u64 pc = 0x10'0000; pc < 0x10'0100; pc += 16) {
        frame.pc = pc;
        const auto read = [](u64 at, unsigned, u64& value) {
            value = at;
            return true;
        };
        file->debug->unwind(frame, 0, read);
        if (const auto scope = file->debug->scope(frame, 0, read)) {
            for (const TypedVariable& variable : scope->variables) show(variable);
        }
    }
    return true;
}

void damage(std::vector<char>& bytes, std::mt19937& random) {
    constexpr std::array<u32, 8> wild{0, 1, 0x7F, 0x80, 0xFFFF, 0x7FFF'FFFF, 0x8000'0000, 0xFFFF'FFFF};
    for (unsigned n = 1 + random() % 4; n > 0; --n) {
        const bool header = random() % 4 == 0;
        const std::size_t at = random() % (header ? std::min<std::size_t>(bytes.size(), 64) : bytes.size());
        if (random() % 2) {
            bytes[at] = static_cast<char>(random());
        } else {
            const u32 value = wild[random() % wild.size()];
            std::memcpy(bytes.data() + at, &value, std::min<std::size_t>(4, bytes.size() - at));
        }
    }
}

void damage_program(unsigned bits, const std::string& options) {
    const Folder folder;
    const std::string program = compile(folder, bits, options, "damaged");
    if (program.empty()) return;
    const std::vector<char> good = bytes_of(program);
    REQUIRE(try_file(good));
    std::mt19937 random(bits);
    for (int i = 0; i < 300; ++i) {
        CAPTURE(i);
        std::vector<char> bytes = good;
        damage(bytes, random);
        try_file(std::move(bytes));
    }
    for (int i = 0; i < 40; ++i) { // cut off, at an even distance and near the beginning
        std::vector<char> bytes = good;
        bytes.resize(i < 20 ? good.size() * static_cast<std::size_t>(i) / 20 : static_cast<std::size_t>(i - 20) * 5);
        try_file(std::move(bytes));
    }
}

} // namespace

TEST_CASE("symbols: damaged ELF files are refused or read, whatever they say") {
    if (!have("gcc")) return;
    damage_program(64, "-g -O1");
    damage_program(32, "-gdwarf-4 -O0 -fno-asynchronous-unwind-tables");
    damage_program(64, "-g -gz -O1"); // compressed sections
}

TEST_CASE("symbols: what a damaged header says is told") {
    if (!have("gcc")) return;
    const Folder folder;
    const std::vector<char> good = bytes_of(compile(folder, 64, "-g -O1", "header"));
    if (good.empty()) return;
    const auto with = [&](std::size_t at, u16 value) {
        std::vector<char> bytes = good;
        std::memcpy(bytes.data() + at, &value, sizeof value);
        const auto file = read_symbol_file(std::move(bytes));
        return file ? std::string("no error") : file.error().message;
    };
    CHECK(with(offsetof(Elf64_Ehdr, e_machine), EM_ARM).find("another processor (ELF machine 40)") !=
          std::string::npos);
    CHECK(with(offsetof(Elf64_Ehdr, e_type), ET_CORE).find("no program (ELF type 4)") != std::string::npos);
    CHECK(with(offsetof(Elf64_Ehdr, e_type), ET_REL).find("link it first") != std::string::npos);
    std::vector<char> cut = good;
    cut.resize(cut.size() / 2);
    CHECK_FALSE(read_symbol_file(std::move(cut)).has_value());
    CHECK_FALSE(read_symbol_file(std::vector<char>{'\x7f', 'E', 'L', 'F'}).has_value());
    CHECK_FALSE(read_symbol_file({}).has_value());
}

TEST_CASE("symbols: a compressed section that claims to expand to more than it can is refused") {
    if (!have("gcc")) return;
    const Folder folder;
    std::vector<char> bytes = bytes_of(compile(folder, 64, "-g -gz -O1", "bomb"));
    if (bytes.empty()) return;
    Elf64_Ehdr header{};
    std::memcpy(&header, bytes.data(), sizeof header);
    bool found = false;
    for (unsigned i = 0; i < header.e_shnum; ++i) {
        Elf64_Shdr section{};
        std::memcpy(&section, bytes.data() + header.e_shoff + i * sizeof section, sizeof section);
        if (!(section.sh_flags & SHF_COMPRESSED)) continue;
        const u64 size = u64{1} << 40;
        std::memcpy(bytes.data() + section.sh_offset + offsetof(Elf64_Chdr, ch_size), &size, sizeof size);
        found = true;
    }
    if (!found) return;
    const auto file = read_symbol_file(std::move(bytes));
    REQUIRE_FALSE(file.has_value());
    CHECK(file.error().message.find("lies about its size") != std::string::npos);
}

TEST_CASE("symbols: damaged maps are refused or read") {
    const std::vector<std::string> good{
        "- NASM Map file ---\n\n-- Symbols ---\n\n---- No Section ---\n\nValue     Name\n00001000  konst\n\n"
        "---- Section .text ---\n\nReal              Virtual           Name\n            7C00              7C00  "
        "start\n",
        "Open Watcom Linker Version 2.0\n\nAddress        Symbol\n=======        ======\n\nModule: a.o(a.c)\n"
        "0000:0010*     main_\n0001:00000020+ other_\n+--+\n",
        "ffffffff81000000 T _text\nffffffff81000040 t local [module]\n00007c00 00000010 T sized\n         U no\n",
        "7c00 start\n0x7c10 second\n07c0:0030 third\n"};
    std::mt19937 random(3);
    for (const std::string& text : good) {
        REQUIRE(read_symbol_text(text).has_value());
        for (int i = 0; i < 500; ++i) {
            std::string bytes = text;
            for (unsigned n = 1 + random() % 4; n > 0; --n) {
                const std::size_t at = random() % bytes.size();
                switch (random() % 4) {
                case 0: bytes[at] = static_cast<char>(random()); break;
                case 1: bytes.erase(at, random() % 20); break;
                case 2: bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40)); break;
                default: bytes[at] = "0:+*-| \n"[random() % 8]; break;
                }
                if (bytes.empty()) bytes = "0";
            }
            const auto file = read_symbol_text(bytes);
            if (!file) {
                CHECK_FALSE(file.error().message.empty());
                continue;
            }
            CHECK_FALSE(file->symbols.empty());
            for (const FileSymbol& symbol : file->symbols) CHECK_FALSE(symbol.name.empty());
        }
    }
}
