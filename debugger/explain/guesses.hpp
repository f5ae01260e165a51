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

/// Code that is nothing but zeroes, in any mode.
bool executes_zeroes(const Decoded& d);
inline constexpr const char* zeroes_guess =
    "what is executed are zeroes (00 00 is ADD): memory that nobody has filled, or a wrong address";

/// Protected mode, and GDTR or IDTR have what RESET or the firmware has left there.
bool missing_gdt(const Moment& m);
/// Protected mode, and IDTR holds what RESET or the firmware has left: "IDTR has base 0 …". Empty: an IDT was loaded.
std::string missing_idt(const Moment& m);

} // namespace glassbox::explain
