// What the machine's history adds to an explanation: who wrote the memory that decided, and where LGDT and LIDT were
// executed last.
#pragma once

#include "debugger/explain/explain.hpp"

namespace glassbox::explain {

/// In sentences; nothing without a history. Afterwards the machine is where it was.
std::string tell_past(Debugger& debugger, const Evidence& evidence);

} // namespace glassbox::explain
