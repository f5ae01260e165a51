// Changing the guest by hand: values in memory, descriptors field by field, vector registers by element.
#pragma once

#include "bus/error.hpp"
#include "cpu/system/descriptor.hpp"
#include "debugger/look/memory_text.hpp"

#include <span>
#include <string>
#include <string_view>

namespace glassbox::look {

/// `width`: of the cycles with which a device is written.
Expected<> write_by_hand(Cpu& cpu, MemoryPlace at, std::span<const u8> bytes, unsigned width = 8);

/// One field of a descriptor: type s dpl p base limit (in bytes) g d l avl; selector offset ist count of gates; raw.
/// The error says why it cannot have the value.
Expected<> set_descriptor_field(Descriptor& d, bool wide, std::string_view field, u64 value);

/// The bytes of a number as it is typed, of a type: "1.5", "-3", "0x7f". Anything else is for expressions: nothing.
bool parse_floating(std::string_view text, ValueType type, std::span<u8> bytes);

} // namespace glassbox::look
