// Runs instructions on the host's own processor in 32-bit mode. A 64-bit Linux process may use a 32-bit code segment;
// entering and leaving it goes through signals, whose context holds every register: an UD2 in 64-bit code enters, and
// whatever exception ends the 32-bit code (a fault, or the UD2 after it) leaves.
#pragma once

#include "bus/types.hpp"

#include <array>
#include <span>

namespace glassbox::conformance {

/// What both processors start from and end with.
struct Registers {
    std::array<u32, 8> gpr{};
    u32 eflags = 0, eip = 0;
    int vector = -1; ///< of the exception that ended it
    u32 error = 0, cr2 = 0;
};

// Linear addresses of the memory, the same on both sides. Nothing is mapped around the regions.
inline constexpr u32 code_start = 0x1000'0000, code_size = 0x1'0000;
inline constexpr u32 data_start = 0x2000'0000, data_size = 0x1'0000;

class Native {
  public:
    Native();
    /// False where the host cannot: not x86-64 Linux, or without 32-bit segments.
    bool available() const { return available_; }
    std::span<u8> code() { return {reinterpret_cast<u8*>(u64{code_start}), code_size}; }
    std::span<u8> data() { return {reinterpret_cast<u8*>(u64{data_start}), data_size}; }
    /// GS always has the base `data_start` and the limit FFFFh, ES when `based`; else ES is flat as are CS, SS and DS.
    Registers run(const Registers& before, bool based);

  private:
    bool available_ = false;
};

} // namespace glassbox::conformance
