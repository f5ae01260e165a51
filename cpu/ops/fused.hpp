// Two instructions in one handler: a comparison, or another instruction that sets flags, and the conditional jump after
// it. The pair keeps its two ops; the first one's handler does the work of both and takes its links from the second.
// Whatever cannot be done on the fast road is done by the separate handlers.
#pragma once

#include "cpu/decode/insn.hpp"

namespace glassbox {

/// The handler for `first` that also does `jump`, or null. `first_handler` is the one that was picked for it alone.
Handler fuse_with_jump(const Insn& first, const Insn& jump);

} // namespace glassbox
