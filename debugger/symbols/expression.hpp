// Expressions as the console's commands take them: numbers, registers, memory, symbols, C's operators.
//
//   7c00h  0x7c00  31744  0b1010        numbers: decimal unless marked
//   eax  $eax  cs.base  zf              registers ($ where a symbol has the same name)
//   [esp+4]  byte [ebx]  word ds:[si]   memory, through segments and paging; as wide as the operand size of the code
//   phys(0x1000)  dword phys(0x1000)    physical memory (as an address: the physical address itself)
//   schedule  schedule+0x1c  'main.c':12  symbols and source lines
//   0:7c00  cs:ip  ss:esp+4             a segment and an offset: by the segment registers' bases and the mode
//   + - * / % & | ^ ~ << >> == != < <= > >= && || ! ? : ( )
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <string_view>

namespace glassbox {

class Debugger;

/// Where something lies, as the user said it.
struct Address {
    enum class Space : u8 { linear, physical };
    Space space = Space::linear;
    u64 value = 0;
    bool segmented = false; ///< written as selector:offset
    u16 selector = 0;
    u64 offset = 0;
};

/// The value of an expression; "true" is 1. The error shows the place: "no register or symbol is called 'foo'".
Expected<u64> evaluate(Debugger& debugger, std::string_view text);
/// An expression that names a place: a bare number is a linear address, "sel:off" is translated by the mode (real mode:
/// selector * 16; protected: the segment register that holds the selector, else its descriptor).
Expected<Address> evaluate_address(Debugger& debugger, std::string_view text);

} // namespace glassbox
