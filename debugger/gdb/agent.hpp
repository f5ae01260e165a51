// Agent expressions: the bytecode in which gdb sends the conditions of breakpoints (gdb manual, appendix F, "The GDB
// Agent Expression Mechanism"), so that one that does not hold costs no packet. Without effect on the guest.
//
// Not there: floating point and trace operations, trace state variables, printf: they are refused when they are given.
#pragma once

#include "bus/error.hpp"
#include "debugger/gdb/registers.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace glassbox::gdb {

class AgentExpression {
  public:
    /// The error says what there is that is not understood: an operation, or one that is cut off.
    static Expected<AgentExpression> parse(std::string_view bytes);
    /// The value on top of its stack at `end`. `registers` as gdb numbers them. The error says what went wrong: memory
    /// that cannot be read, a division by zero, the stack, a loop without an end.
    Expected<u64> evaluate(const Cpu& cpu, const std::vector<Register>& registers) const;

    static constexpr std::size_t most_stack = 128, most_steps = 10'000;

  private:
    struct Machine;
    std::string code_;
};

} // namespace glassbox::gdb
