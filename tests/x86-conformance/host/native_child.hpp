// The two processes of Native: what they share, and the child's side.
#pragma once

#include "tests/x86-conformance/host/native.hpp"

#include <atomic>

namespace glassbox::conformance::host {

inline constexpr u32 turn_parent = 0, turn_child = 1;

struct NativeShared {
    std::atomic<u32> turn = turn_parent; ///< a futex: whose turn it is
    std::atomic<u32> progress = 0;       ///< cases that are done
    u32 count = 0;
    const char* setup = nullptr; ///< a literal that names the step that failed
    alignas(64) Input in[Native::most_cases];
    alignas(64) Output out[Native::most_cases];
};

/// Maps the memory, fills the LDT, catches the signals. Null, or a literal that names what this host refuses.
const char* prepare_child(NativeShared& shared);
/// Runs the cases from `progress` on.
void run_batch();

} // namespace glassbox::conformance::host
