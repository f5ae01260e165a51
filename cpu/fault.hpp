// Guest faults are values, never C++ exceptions (SDM 3A, 6.15). A function that may fault returns false and leaves the
// fault in `Cpu::fault`; it has then changed nothing else that the guest can see.
#pragma once

#include "bus/types.hpp"

namespace glassbox {

enum class Exception : u8 {
    DE = 0,
    DB = 1,
    NMI = 2,
    BP = 3,
    OF = 4,
    BR = 5,
    UD = 6,
    NM = 7,
    DF = 8,
    CSO = 9,
    TS = 10,
    NP = 11,
    SS = 12,
    GP = 13,
    PF = 14,
    MF = 16,
    AC = 17,
    MC = 18,
    XM = 19,
};

struct Fault {
    Exception vector{};
    bool has_error = false;
    u32 error = 0;
    u64 cr2 = 0; ///< the linear address, for #PF
    /// What denied it, for people: a literal such as "segment limit exceeded". Never null.
    const char* why = "";
};

/// Page-fault error code (SDM 3A, figure 4-12).
namespace pf_error {
inline constexpr u32 present = 1, write = 2, user = 4, reserved = 8, fetch = 16, key = 32;
}

} // namespace glassbox
