// Memory as rows of a structure: tables that systems and firmware keep, and structures that the user describes.
#pragma once

#include "bus/error.hpp"
#include "debugger/look/memory_text.hpp"

#include <span>
#include <string>
#include <string_view>

namespace glassbox::look {

/// The kinds that `write_structure` knows, with a line on each: for help.
struct StructureKind {
    std::string_view name;
    std::string_view summary;
};
std::span<const StructureKind> structure_kinds();

/// `rows` 0: as many as the structure itself says, or one. `layout` instead of a kind's name: "base:qword len:qword
/// type:dword", fields one behind the other.
Expected<> write_structure(const Cpu& cpu, MemoryPlace at, std::string_view kind, u64 rows, std::string& out);
Expected<> write_layout(const Cpu& cpu, MemoryPlace at, std::string_view layout, u64 rows, std::string& out);

} // namespace glassbox::look
