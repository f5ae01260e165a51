// The processors that MOO files were captured from, and what their captures have in common.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <string>
#include <string_view>

namespace glassbox::conformance::moo {

struct Chip {
    std::string_view id;    ///< in the header of a file
    std::string_view model; ///< of ours
    /// A HLT ends every case, and the final IP is that after it; else a case is one instruction (the 8086 tells by its
    /// queue status where the next one begins).
    bool halts;
    u64 memory;        ///< all of it RAM
    u32 initial_flags; ///< those that a case can start with
    u32 flags;         ///< those that there are, or that always read the same
    /// All memory that a case wrote is in its final state. For the 8086 what was random and stayed as it was is left
    /// out, even where the initial state does not name it.
    bool names_writes;
    u8 bus_write; ///< CYCL: the bus status of a write to memory
    u8 bhe;       ///< ... BHE#'s bit, low for a transfer that takes the odd byte; 0: the bus has eight bits
    u8 bhe_field; ///< ... and the pin field that it is in
};

/// An error says that there is no model of this processor, or that nobody has heard of it.
Expected<const Chip*> chip_of(std::string_view id);

} // namespace glassbox::conformance::moo
