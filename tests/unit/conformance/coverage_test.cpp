// The coverage report: what it knows of, and that it counts what a processor executes, fused or not.
#include "tests/x86-conformance/bare_machine.hpp"
#include "tests/x86-conformance/coverage/coverage.hpp"
#include "tests/x86-conformance/coverage/universe.hpp"

#include "cpu/decode/reference.hpp"

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
    }
    for (const Row* row : universe.rows()) {
        INFO(encoding_of(*row));
        CHECK(rows.count(row) == 1);
        CHECK(universe.find_row(row) != Universe::none);
    }
    // Rows that no model has: features that wait for one.
    for (const Row* row : universe.unreachable_rows()) {
        INFO(encoding_of(*row));
        CHECK((row->feature == Feature::prefetchw || row->feature == Feature::syscall));
    }
}
