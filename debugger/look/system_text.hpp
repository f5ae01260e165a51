// The processors and what surrounds them: states, MSRs, CPUID, the physical memory map.
#pragma once

#include "bus/error.hpp"
#include "cpu/state.hpp"

#include <optional>
#include <string>

namespace glassbox {
class Machine;
class Symbols;
} // namespace glassbox

namespace glassbox::look {

void write_processors(Machine& machine, unsigned selected, const Symbols* symbols, std::string& out);
void write_msrs(const Cpu& cpu, std::string& out);
Expected<> write_msr_value(const Cpu& cpu, u32 number, std::string& out);
/// All leaves, or one.
void write_cpuid(const Cpu& cpu, std::optional<u32> leaf, std::optional<u32> subleaf, std::string& out);
void write_memory_map(const Cpu& cpu, std::string& out);

} // namespace glassbox::look
