// What a fault often comes from, beyond what the manual decides: guesses, from traces that mistakes leave in registers
// and tables. Each is told as a guess, and only where its trace is there.
#pragma once

#include "debugger/explain/decoded.hpp"

#include <vector>

namespace glassbox::explain {

/// A fault, what was being delivered when it arose, and why in the engine's words.
struct Symptom {
    const Fault& fault;
    const Cpu::Delivering& during;
    std::string_view why() const { return fault.why ? fault.why : ""; }
};

/// Sentences without full stop, the likeliest first.
std::vector<std::string> guesses(const Story& names, const Moment& m, const Decoded& d, const Symptom& symptom);

/// Protected mode, and IDTR holds what RESET or the firmware has left: "IDTR has base 0 …". Empty: an IDT was loaded.
std::string missing_idt(const Moment& m);

} // namespace glassbox::explain
