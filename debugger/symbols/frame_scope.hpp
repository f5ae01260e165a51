// The frame whose variables expressions are about: the function that executes, until another is chosen.
#pragma once

#include "cpu/state.hpp"
#include "debugger/symbols/symbols.hpp"

#include <optional>
#include <string_view>

namespace glassbox {

/// The registers of the processor by DWARF's numbers; those of the frame that was chosen, while the machine stands.
FrameRegisters chosen_registers(const Cpu& cpu, const Symbols& symbols);
FrameRegisters present_registers(const Cpu& cpu);
unsigned chosen_bits(const Cpu& cpu, const Symbols& symbols);
/// 0: the function that executes.
unsigned chosen_frame(const Cpu& cpu, const Symbols& symbols);
/// Its function with the variables called `only`, or with all; nothing where there is no debug information.
std::optional<FunctionScope> frame_scope(const Cpu& cpu, const Symbols& symbols, std::string_view only = {});
Symbols::ReadMemory memory_of(const Cpu& cpu);

} // namespace glassbox
