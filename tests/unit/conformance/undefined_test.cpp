// The rule of what an instruction leaves undefined, against SDM 2's pages of the instructions.
#include "cpu/decode/undefined.hpp"

#include "cpu/decode/decoder.hpp"
#include "cpu/system/system.hpp"

#include <doctest/doctest.h>
#include <initializer_list>
#include <vector>

using namespace glassbox;
using namespace glassbox::eflags;

namespace {

Insn decoded(std::initializer_list<u8> bytes, const char* model) {
    Insn insn;
    const std::vector<u8> code(bytes);
    REQUIRE(decode(code, 0, find_cpu_model(model)->features, insn) == DecodeStatus::ok);
    return insn;
}
Undefined after(std::initializer_list<u8> bytes, u8 cl = 0, const char* model = "max") {
    return undefined_after(decoded(bytes, model), cl, find_cpu_model(model)->features);
}

} // namespace

TEST_CASE("undefined: flags of the table") {
    CHECK(after({0x01, 0xD8}).flags == 0);                         // add
    CHECK(after({0x21, 0xD8}).flags == AF);                        // and
    CHECK(after({0xF7, 0xE3}).flags == (SF | ZF | AF | PF));       // mul
    CHECK(after({0xF7, 0xF3}).flags == arithmetic);                // div
    CHECK(after({0x0F, 0xBC, 0xC3}).flags == (arithmetic & ~ZF));  // bsf
    CHECK(after({0x0F, 0xA3, 0xD8}).flags == (OF | SF | AF | PF)); // bt
    CHECK(after({0x37}).flags == (OF | SF | ZF | PF));             // aaa
}

TEST_CASE("undefined: shifts by their count") {
    CHECK(after({0xD1, 0xE0}).flags == AF);                // shl ax, 1
    CHECK(after({0xC1, 0xE0, 2}).flags == (AF | OF));      // shl ax, 2
    CHECK(after({0xC1, 0xE0, 0}).flags == 0);              // nothing happens
    CHECK(after({0xC1, 0xE0, 32}).flags == 0);             // nor here
    CHECK(after({0xC0, 0xE0, 8}).flags == (AF | OF | CF)); // shl al, 8
    CHECK(after({0xC0, 0xE8, 9}).flags == (AF | OF | CF)); // shr al, 9
    CHECK(after({0xC0, 0xF8, 9}).flags == (AF | OF));      // sar al, 9: the sign goes on
    CHECK(after({0xC1, 0xE0, 16}).flags == (AF | OF | CF));
    CHECK(after({0x66, 0xC1, 0xE0, 16}).flags == (AF | OF)); // of 32 bits
    CHECK(after({0xD1, 0xC0}).flags == 0);                   // rol ax, 1
    CHECK(after({0xC1, 0xC0, 2}).flags == OF);
    CHECK(after({0xD3, 0xE0}, 1).flags == AF); // by CL
    CHECK(after({0xD3, 0xE0}, 0).flags == 0);
    CHECK(after({0xD3, 0xE0}, 0x23).flags == (AF | OF));
    CHECK(after({0xD3, 0xE0}, 0x20).flags == 0);
}

TEST_CASE("undefined: the 8086 shifts by all of CL") {
    CHECK(after({0xD3, 0xE0}, 0x20, "8086").flags == (AF | OF | CF));
    CHECK(after({0xD3, 0xC0}, 0x20, "8086").flags == OF);
    CHECK(after({0xD3, 0xE0}, 0, "8086").flags == 0);
    CHECK((after({0xD1, 0xF0}, 0, "8086").flags & (CF | ZF | SF)) == 0); // setmo is no shift
}

TEST_CASE("undefined: results") {
    CHECK(!after({0x0F, 0xA4, 0xD8, 16}).result); // shld ax, bx, 16
    CHECK(after({0x0F, 0xA4, 0xD8, 17}).result);
    CHECK(after({0x0F, 0xA4, 0xD8, 17}).flags == arithmetic);
    CHECK(after({0x0F, 0xAD, 0xD8}, 31).result); // shrd ax, bx, cl
    CHECK(!after({0x66, 0x0F, 0xAD, 0xD8}, 31).result);
    CHECK(after({0x0F, 0xA4, 0xD8, 1}).flags == AF);
    CHECK(after({0x0F, 0xA4, 0xD8, 2}).flags == (AF | OF));
    CHECK(after({0x0F, 0xA4, 0xD8, 32}).flags == 0);
    CHECK(after({0x0F, 0xC8}).result); // bswap ax
    CHECK(!after({0x66, 0x0F, 0xC8}).result);
}

TEST_CASE("undefined: an exception leaves the flags alone, but that of a division") {
    CHECK(undefined_after_fault(decoded({0xF7, 0xF3}, "max"), 0) == arithmetic);
    CHECK(undefined_after_fault(decoded({0xF7, 0x37}, "max"), 13) == 0); // its operand was out of reach
    CHECK(undefined_after_fault(decoded({0xD4, 0x00}, "max"), 0) == (OF | AF | CF));
    CHECK(undefined_after_fault(decoded({0xC1, 0x20, 2}, "max"), 13) == 0);
}
