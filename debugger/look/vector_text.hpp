// The x87, MMX, SSE and AVX registers as typed values.
#pragma once

#include "bus/error.hpp"
#include "debugger/look/memory_text.hpp"
#include "debugger/look/register_text.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace glassbox::look {

void write_fpu(const Cpu& cpu, const RegisterSnapshot& before, std::string& out);
/// One register ("mm3", "xmm0", "ymm15") or all of a kind ("mm", "xmm", "ymm"), in elements of a type; without one, as
/// quadwords.
Expected<> write_vectors(const Cpu& cpu, const RegisterSnapshot& before, std::string_view name,
                         std::optional<ValueType> type, std::string& out);

} // namespace glassbox::look
