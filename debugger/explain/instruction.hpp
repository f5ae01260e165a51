// Why an instruction faults: every rule that concerns it is tried, and the one that comes to what the processor said is
// told.
#pragma once

#include "debugger/explain/decoded.hpp"

namespace glassbox::explain {

enum class Match : u8 {
    none,   ///< nothing was found that explains it
    reason, ///< no rule works it out, but the processor's reason is one of those that a sentence tells
    agrees, ///< exception, error code and address are the processor's
    exact,  ///< and so is the reason, word by word
};
struct Finding {
    Match match = Match::none;
    Verdict verdict;
};

/// The story of the instruction at `m`, up to the conclusion. `fault`: what the processor raised; null: what would
/// happen now, which may be nothing.
Finding tell_instruction(Story& story, const Moment& m, const Decoded& d, const Fault* fault);
/// For a fault that no rule explains: what the processor itself says, with the walk for page faults.
Match tell_reason(Story& story, const Moment& m, const Fault& fault);

} // namespace glassbox::explain
