// Where processors differ and the manuals leave it open, or differ themselves: a table by vendor, each entry with its
// source and as narrow as it can be said.
#pragma once

#include "cpu/decode/insn.hpp"
#include "tests/x86-conformance/host/case.hpp"

#include <span>
#include <vector>

namespace glassbox::conformance::host {

enum class Vendor : u8 { intel, amd, other };
Vendor host_vendor();

/// A case whose results differ. A table entry may bring both sides together where that is what it explains.
struct Situation {
    const Row& row;
    const Input& in;
    const Insn* insn; ///< null: the bytes are no whole instruction
    Output& host;
    Output& ours;
    bool completed = false;                               ///< the instruction was not the one that faulted
    bool x87_ip = true, x87_dp = true, x87_opcode = true; ///< compared
};

struct KnownDifference {
    Vendor vendor; ///< `other`: of every host
    const char* what;
    const char* source;
    void (*settle)(Situation& s);
};
std::vector<KnownDifference> known_differences();
/// Applies the entries of a vendor, and those of every host.
void settle(Vendor vendor, Situation& s);

} // namespace glassbox::conformance::host
