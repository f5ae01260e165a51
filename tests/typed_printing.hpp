// All that can be printed of a variable, for those who feed damaged symbol files.
#pragma once

#include "debugger/symbols/symbols.hpp"
#include "debugger/symbols/typed_value.hpp"

#include <algorithm>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace glassbox {

/// The length of the longest text.
inline std::size_t print_everything(const TypedVariable& variable) {
    const MemoryReader read = [](const Address& at, std::span<u8> bytes) {
        std::fill(bytes.begin(), bytes.end(), static_cast<u8>(at.value));
        return true;
    };
    TypedValue value{.type = variable.type};
    if (variable.address) value.place = Address{.value = *variable.address};
    if (variable.bytes) value.kept = std::make_shared<const std::vector<u8>>(*variable.bytes);
    (void)load_scalar(value, read);
    (void)find_member(variable.type, "nobody");
    return std::max({type_name(variable.type, "x").size(), type_definition(variable.type).size(),
                     typed_text(value, read, {}).size()});
}

} // namespace glassbox
