// The coverage report: what it knows of, and that it counts what a processor executes, fused or not.
#include "tests/x86-conformance/bare_machine.hpp"
#include "tests/x86-conformance/coverage/coverage.hpp"
#include "tests/x86-conformance/coverage/encodings.hpp"
#include "tests/x86-conformance/coverage/universe.hpp"
#include "tests/x86-conformance/decode/space.hpp"

#include "cpu/block/build.hpp"
#include "cpu/decode/decoder.hpp"
#include "cpu/decode/reference.hpp"
#include "debugger/hex.hpp"

#include <doctest/doctest.h>

#include <initializer_list>
#include <set>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

/// A processor in flat 32-bit protected mode without paging, about to execute at 1000h.
struct Flat : Machine {
    Flat() : Machine(1 << 20, "max") {
        cpu.cr0 |= cr0::PE;
        for (Segment& s : cpu.seg) {
            s.base = 0;
            s.limit = 0xFFFF'FFFF;
            s.access = Segment::P | Segment::S | Segment::writable | Segment::accessed | Segment::DB;
        }
        cpu.seg[CS].access |= Segment::code;
        for (Segment& s : cpu.seg) s.update(false);
        cpu.update_mode();
        cpu.ip = 0x1000;
    }
    void run(std::initializer_list<u8> code, u64 instructions) {
        u64 at = 0x1000;
        for (const u8 byte : code) put<u8>(at++, byte);
        cpu.run(instructions);
    }
};

/// As two segment setups have them: everything flat, and nothing.
std::vector<u32> mode_bits_of(DecodeMode decode_mode) {
    constexpr u32 flat = mode::flat_ds | mode::flat_es | mode::flat_ss | mode::big_cs;
    constexpr u32 wide = mode::protected_mode | mode::code32 | mode::stack32;
    switch (decode_mode) {
    case DecodeMode::real16: return {0};
    case DecodeMode::protected16: return {mode::protected_mode, mode::protected_mode | flat};
    case DecodeMode::protected32: return {wide, wide | flat};
    case DecodeMode::long64: break;
    }
    return {wide | flat | mode::long64};
}

bool mentions(const std::string& report, const std::string& line) { return report.find(line) != std::string::npos; }

} // namespace

TEST_CASE("coverage: nothing has run") {
    Coverage coverage;
    const auto totals = coverage.totals();
    CHECK(totals.rows > 900);
    CHECK(totals.variants > 3000);
    CHECK(totals.executed_rows == 0);
    CHECK(totals.executed_variants == 0);
    CHECK(mentions(coverage.report(), "F4  hlt: never executed"));
}

TEST_CASE("coverage: single instructions and fused neighbours count") {
    Flat machine;
    Coverage coverage;
    coverage.watch(machine.cpu);
    machine.run({0x39, 0xD8, 0x75, 0x10, 0xF4}, 2); // cmp eax, ebx; jnz: one handler for both
    const auto totals = coverage.totals();
    CHECK(totals.executed_rows == 2);
    CHECK(totals.executed_variants == 1);
    const std::string report = coverage.report();
    CHECK_FALSE(mentions(report, "39  cmp Ev, Gv: never executed"));
    CHECK_FALSE(mentions(report, "75  jnz Jb: never executed"));
    CHECK(mentions(report, "74  jz Jb: never executed"));
    CHECK_FALSE(mentions(report, "does not know"));
}

TEST_CASE("coverage: without fusing every instruction has its own handler") {
    Flat machine;
    Coverage coverage;
    coverage.watch(machine.cpu);
    EngineOptions options;
    options.fuse = false;
    machine.cpu.set_engine(options);
    machine.run({0x39, 0xD8, 0x75, 0x10, 0xF4}, 2);
    CHECK(coverage.totals().executed_variants == 2);
}

TEST_CASE("coverage: the universe is sound") {
    const Universe& universe = Universe::instance();
    std::set<const Row*> rows;
    for (const Variant& v : universe.variants()) {
        CHECK(universe.find(v.row, v.handler) == static_cast<std::size_t>(&v - universe.variants().data()));
        rows.insert(v.row);
        Insn again;
        const FeatureSet& features = find_cpu_model(v.first.model)->features;
        const std::span<const u8> bytes(v.first.bytes.data(), v.first.length);
        INFO(encoding_of(*v.row), " ", std::string(v.row->info->mnemonic), ": ", v.text());
        REQUIRE(decode(bytes, v.first.insn.mode, features, again) == DecodeStatus::ok);
        CHECK(again.row == v.row);
    }
    for (const Row* row : universe.rows()) {
        INFO(encoding_of(*row), " ", std::string(row->info->mnemonic));
        CHECK(rows.count(row) == 1);
        CHECK(universe.find_row(row) != Universe::none);
    }
    for (const Row* row : universe.unreachable_rows())
        FAIL_CHECK(encoding_of(*row) << " " << std::string(row->info->mnemonic) << ": no processor model has it");
    CHECK(rows.size() == all_rows().size());
}

TEST_CASE("coverage: whatever decodes is in the universe") {
    const Universe& universe = Universe::instance();
    constexpr u64 cases = 2000;
    const FeatureSet& features = find_cpu_model("max")->features;
    std::set<std::string> missing;
    unsigned found = 0;
    for (const Space& space : all_spaces()) {
        for (u64 i = 0; i < cases; ++i) {
            const CaseBytes bytes = bytes_of(space, i, Random::of_case(2, space.name, i));
            for (const u32 bits : mode_bits_of(space.mode)) {
                Insn insn;
                if (decode(bytes, bits, features, insn) != DecodeStatus::ok) continue;
                insn.ip = Example::address;
                resolve_absolute(insn);
                Op op{};
                fill_operands(insn, op);
                const Handler handler = insn.row->select(insn, op);
                if (!handler) continue;
                ++found;
                if (universe.find(insn.row, handler) == Universe::none)
                    missing.insert(encoding_of(*insn.row) + " " + insn.row->info->mnemonic + ": " +
                                   hex_bytes({bytes.data(), insn.length}, true) + " in " + space.name);
            }
        }
    }
    for (const std::string& name : missing) MESSAGE(name);
    CHECK(missing.empty());
    CHECK(found > 100'000);
}

TEST_CASE("coverage: 64-bit code and VEX are looked for in every shape") {
    struct Shapes {
        bool rip = false, fs = false, gs = false, narrow = false, extended = false, wide = false;
    } shapes;
    unsigned long64 = 0, vex = 0, ymm = 0, vsib = 0, compatible = 0;
    for (const Variant& v : Universe::instance().variants()) {
        const Insn& insn = v.first.insn;
        long64 += insn.code64();
        vex += insn.encoding == Encoding::vex;
        ymm += insn.encoding == Encoding::vex && insn.vector_bytes == 32;
        vsib += insn.vsib;
        compatible += insn.encoding == Encoding::vex && !insn.code64();
        shapes.rip |= insn.absolute;
        shapes.narrow |= insn.code64() && insn.addrsize == 4;
        shapes.wide |= insn.rex_w();
    }
    CHECK(long64 > 2000);
    CHECK(vex > 1000);
    CHECK(ymm > 400);
    CHECK(vsib >= 16);
    CHECK(compatible > 500);
    CHECK(shapes.rip);
    CHECK(shapes.narrow);
    CHECK(shapes.wide);
    // What a handler's first example does not show: the bytes that are tried.
    for (const Row* row : all_rows()) {
        if (row->attributes & attr::not_in_64) continue;
        const u32 bits = modes_of(*row).back();
        REQUIRE((bits & mode::long64) != 0);
        for (const OpcodeBytes& opcode : opcodes_of(*row, bits, true)) {
            shapes.extended |= opcode.extended;
            shapes.fs |= opcode.bytes[0] == 0x64;
            shapes.gs |= opcode.bytes[0] == 0x65;
        }
    }
    CHECK(shapes.extended);
    CHECK(shapes.fs);
    CHECK(shapes.gs);
}
