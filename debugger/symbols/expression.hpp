// Expressions as the console's commands take them: numbers, registers, memory, symbols, C's operators.
//
//   7c00h  0x7c00  31744  0b1010  1_000   numbers: decimal unless marked; 'A' is a character's code
//   eax  $eax  cs.base  zf              registers ($ where a symbol has the same name)
//   $instructions  $nanoseconds         how many have been executed, and the machine's time
//   [esp+4]  byte [ebx]  word ds:[si]   memory, through segments and paging; as wide as the operand size of the code
//   phys(0x1000)  dword phys(0x1000)    physical memory (as an address: the physical address itself)
//   schedule  schedule+0x1c  'main.c':12  symbols and source lines
//   journal.count  task->next->pid  table[i].flags  *pointer  &variable  (char)x  sizeof x  first@3
//                                       variables with their types, by DWARF; so do locals of the chosen frame
//   ::count  'count'                    a variable or symbol of the program where a local has the same name
//   0:7c00  cs:ip  ss:esp+4             a segment and an offset: by the segment registers' bases and the mode
//   + - * / % & | ^ ~ << >> == != < <= > >= && || ! ? : ( )
//
// Numbers, registers and memory are 64 bits without a sign, and so are comparisons, division and >>: -1 < 0 is false.
// With a variable C's conversions count: x < 0 is true for an int of -1. The number right before and right after the
// colon of "0:7c00" is hexadecimal. In the middle of ? : a segment and offset needs parentheses.
//
// A variable is its value, and within [ ] its address, as in assembler; a function, array or structure is its address.
// What has no type (labels, symbols without DWARF) is its address. A variable goes before a register of the same name,
// $cf is the register. Where a place is wanted (dump, break, watch) a variable is where it lies, and for dump and break
// a pointer is where it leads.
//
// A place that is computed from general registers is one as an instruction would have it: [bp-2] lies in SS, [bx+si]
// in DS, and as an address IP means CS:IP; what is computed from 16-bit registers alone wraps at 64 KiB. Numbers,
// symbols and everything computed from memory are linear addresses, and so is linear(ebx).
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <memory>
#include <string_view>

namespace glassbox {

class Debugger;
class ExpressionScope;
struct TypedValue;

/// Where something lies, as the user said it.
struct Address {
    enum class Space : u8 { linear, physical };
    Space space = Space::linear;
    u64 value = 0;
    bool segmented = false; ///< written as selector:offset
    u16 selector = 0;
    u64 offset = 0;
};

/// A memory operand or a variable: what it names, not what is there.
struct Place {
    Address address;
    unsigned size = 0; ///< bytes: 1, 2, 4, 8, of a variable any number; 0: the expression does not say
};

/// The value of an expression; "true" is 1. The error shows the place: "no register or symbol is called 'foo'".
Expected<u64> evaluate(Debugger& debugger, std::string_view text);
/// An expression that names a place: a bare number is a linear address, "sel:off" is translated by the mode (real mode:
/// selector * 16; protected: the segment register that holds the selector, else its descriptor).
Expected<Address> evaluate_address(Debugger& debugger, std::string_view text);
/// As evaluate_address, but "dword [esp+4]" is the four bytes at SS:ESP+4 and not what they point to.
Expected<Place> evaluate_place(Debugger& debugger, std::string_view text);

/// A parsed expression, for what is evaluated often. Names get their meaning at each evaluation.
class Expression {
  public:
    static Expected<Expression> parse(std::string_view text);

    Expected<u64> evaluate(ExpressionScope& scope) const;
    /// With its type, where it has one; an object is not read yet.
    Expected<TypedValue> typed(ExpressionScope& scope) const;
    Expected<Address> address(ExpressionScope& scope) const;
    Expected<Place> place(ExpressionScope& scope) const;
    Expected<u64> evaluate(Debugger& debugger) const;
    Expected<TypedValue> typed(Debugger& debugger) const;
    Expected<Address> address(Debugger& debugger) const;
    Expected<Place> place(Debugger& debugger) const;

    struct Tree;

  private:
    explicit Expression(std::shared_ptr<const Tree> tree) : tree_(std::move(tree)) {}
    std::shared_ptr<const Tree> tree_;
};

} // namespace glassbox
