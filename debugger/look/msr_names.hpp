// Names of model-specific registers (SDM 4, chapter 2; AMD's by the APM 2, appendix A).
#pragma once

#include "bus/types.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace glassbox::look {

struct MsrName {
    u32 number;
    std::string_view name;       ///< "IA32_LSTAR"
    std::string_view short_name; ///< as a register of expressions: "lstar"; empty: none
    std::string_view summary;
};
std::span<const MsrName> msr_names();
/// Its name, or "" where there is none.
std::string_view msr_name(u32 number);
/// By its name, with or without IA32_, or its short name.
std::optional<u32> find_msr(std::string_view text);

} // namespace glassbox::look
