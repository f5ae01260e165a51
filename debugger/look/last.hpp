// The instructions that were executed last, with the branches and interrupts between them: the machine goes back and
// executes them again.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <string>

namespace glassbox {
class Debugger;
}

namespace glassbox::look {

/// `branches`: only where control went elsewhere. Afterwards the machine is where it was.
Expected<> write_last(Debugger& debugger, u64 count, bool branches, std::string& out);

} // namespace glassbox::look
