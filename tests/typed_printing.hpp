// All that can be printed of a variable, for those who feed damaged symbol files.
#pragma once

#include "debugger/symbols/symbols.hpp"
#include "debugger/symbols/typed_value.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

inline std::array<std::string, 3> print_everything(const TypedVariable& variable) {
    const MemoryReader read = [](const Address& at, std::span<u8> bytes) {
        std::fill(bytes.begin(), bytes.end(), static_cast<u8>(at.value));
        return true;
    };
    TypedValue value{.type = variable.type};
    if (variable.address) value.place = Address{.value = *variable.address};
    if (variable.bytes) value.kept = std::make_shared<const std::vector<u8>>(*variable.bytes);
    (void)load_scalar(value, read);
    (void)find_member(variable.type, "nobody");
    return {type_name(variable.type, "x"), type_definition(variable.type), typed_text(value, read, {})};
}

} // namespace glassbox
