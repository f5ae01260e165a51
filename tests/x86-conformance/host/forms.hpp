// The forms of the suite: every row of the opcode table that a program of level 3 can run, in every shape; and the rows
// that are left out, each with its reason.
#pragma once

#include "tests/x86-conformance/host/encoding.hpp"

#include <string>
#include <vector>

namespace glassbox::conformance::host {

/// One way to encode and place an instruction.
struct Shape {
    bool memory = false;      ///< ModRM with a memory operand
    bool op_prefix = false;   ///< 66h
    bool addr_prefix = false; ///< 67h
    bool code32 = true;       ///< else a 16-bit code segment
    bool code64 = false;      ///< 64-bit code, whatever code32 says
    bool w = false;           ///< REX.W or VEX.W
    bool wide_vector = false; ///< VEX.L
    bool operator==(const Shape&) const = default;
    CodeSize code() const { return code64 ? CodeSize::bits64 : code32 ? CodeSize::bits32 : CodeSize::bits16; }
    unsigned addrsize() const { return code64 ? addr_prefix ? 4 : 8 : code32 != addr_prefix ? 4 : 2; }
    /// For a row that does not fix it.
    unsigned opsize() const { return code64 ? w ? 8 : op_prefix ? 2 : 4 : code32 != op_prefix ? 4 : 2; }
};

struct RowForm {
    const Row* row = nullptr;
    std::string name; ///< mnemonic.operands@encoding, after "64/" for 64-bit code
    bool code64 = false;
    std::vector<Shape> shapes;
    /// Case N has shape N modulo their number.
    const Shape& shape(u64 index) const { return shapes[index % shapes.size()]; }
};

/// Mnemonic, operands and encoding: "add.Eb,Gb@00".
std::string form_name(const Row& row);
/// Why the row has no form for 16-bit and 32-bit code, or for 64-bit code; or null.
const char* reason_left_out(const Row& row, bool code64 = false);
/// All that are not left out, in the order of the table: those of 16-bit and 32-bit code, then those of 64-bit code.
std::vector<RowForm> all_forms();
/// What the host's CPUID lacks for the row, or null.
const char* host_lacks(const Row& row);

} // namespace glassbox::conformance::host
