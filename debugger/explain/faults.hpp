// Inside: a recorded fault told, with how well the explanation and the processor agree.
#pragma once

#include "debugger/explain/fault_log.hpp"
#include "debugger/explain/instruction.hpp"

namespace glassbox::explain {

Finding tell_record(Story& story, const FaultRecord& record);

} // namespace glassbox::explain
