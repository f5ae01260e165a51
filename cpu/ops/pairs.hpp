// The commonest neighbours in one handler: two moves, a move and an addition, two pushes. The ops stay two; only the
// first one's handler knows. Saves a dispatch; a fault or a slow access falls back to the separate handlers.
#pragma once

#include "cpu/thread.hpp"

namespace glassbox {

/// The handler that does both, or null.
Handler pair_of(Handler first, Handler next);

} // namespace glassbox
