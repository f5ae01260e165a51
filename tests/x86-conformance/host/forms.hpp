// The forms of the suite: every row of the opcode table that a program of level 3 can run, in every shape; and the rows
// that are left out, each with its reason.
#pragma once

#include "cpu/decode/row.hpp"

#include <string>
#include <vector>

namespace glassbox::conformance::host {

/// One way to encode and place an instruction.
struct Shape {
    bool memory = false;      ///< ModRM with a memory operand
    bool op_prefix = false;   ///< 66h
    bool addr_prefix = false; ///< 67h
    bool code32 = true;       ///< else a 16-bit code segment
    bool operator==(const Shape&) const = default;
    unsigned opsize() const { return code32 != op_prefix ? 4 : 2; }
    unsigned addrsize() const { return code32 != addr_prefix ? 4 : 2; }
};

struct RowForm {
    const Row* row = nullptr;
    std::string name; ///< mnemonic.operands@encoding
    std::vector<Shape> shapes;
    /// Case N has shape N modulo their number.
    const Shape& shape(u64 index) const { return shapes[index % shapes.size()]; }
};

/// Mnemonic, operands and encoding: "add.Eb,Gb@00".
std::string form_name(const Row& row);
/// Why the row has no form, or null.
const char* reason_left_out(const Row& row);
/// One for each row that is not left out, in the order of the table.
std::vector<RowForm> all_forms();
/// What the host's CPUID lacks for the row, or null.
const char* host_lacks(const Row& row);

} // namespace glassbox::conformance::host
