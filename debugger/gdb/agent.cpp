#include "debugger/gdb/agent.hpp"

#include "cpu/state.hpp"
#include "debugger/hex.hpp"
#include "debugger/view.hpp"

#include <array>
#include <utility>

namespace glassbox::gdb {

namespace {

/// Appendix F, "Bytecode Descriptions".
enum Op : u8 {
    op_add = 0x02,
    op_sub,
    op_mul,
    op_div_signed,
    op_div_unsigned,
    op_rem_signed,
    op_rem_unsigned,
    op_lsh,
    op_rsh_signed,
    op_rsh_unsigned,
    op_log_not = 0x0E,
    op_bit_and,
    op_bit_or,
    op_bit_xor,
    op_bit_not,
    op_equal,
    op_less_signed,
    op_less_unsigned,
    op_ext,
    op_ref8,
    op_ref16,
    op_ref32,
    op_ref64,
    op_if_goto = 0x20,
    op_goto,
    op_const8,
    op_const16,
    op_const32,
    op_const64,
    op_reg,
    op_end,
    op_dup,
    op_pop,
    op_zero_ext,
    op_swap,
    op_pick = 0x32,
    op_rot,
};

struct Shape {
    bool known = false;
    u8 operand = 0; ///< bytes that follow
    u8 takes = 0;   ///< values that have to be on the stack
};

constexpr std::array<Shape, 0x34> make_shapes() {
    std::array<Shape, 0x34> shapes{};
    for (unsigned op = op_add; op <= op_rsh_unsigned; ++op) shapes[op] = {true, 0, 2};
    for (const u8 op : {op_bit_and, op_bit_or, op_bit_xor, op_equal, op_less_signed, op_less_unsigned, op_swap})
        shapes[op] = {true, 0, 2};
    for (const u8 op : {op_log_not, op_bit_not, op_ref8, op_ref16, op_ref32, op_ref64, op_dup, op_pop})
        shapes[op] = {true, 0, 1};
    shapes[op_ext] = shapes[op_zero_ext] = {true, 1, 1};
    shapes[op_if_goto] = {true, 2, 1};
    shapes[op_goto] = {true, 2, 0};
    shapes[op_const8] = {true, 1, 0};
    shapes[op_const16] = {true, 2, 0};
    shapes[op_const32] = {true, 4, 0};
    shapes[op_const64] = {true, 8, 0};
    shapes[op_reg] = {true, 2, 0};
    shapes[op_end] = {true, 0, 1};
    shapes[op_pick] = {true, 1, 0};
    shapes[op_rot] = {true, 0, 3};
    return shapes;
}
constexpr std::array<Shape, 0x34> shapes = make_shapes();

Shape shape_of(u8 op) { return op < shapes.size() ? shapes[op] : Shape{}; }

u64 shifted_left(u64 a, u64 by) { return by < 64 ? a << by : 0; }
u64 shifted_right(u64 a, u64 by) { return by < 64 ? a >> by : 0; }
u64 shifted_right_signed(u64 a, u64 by) { return static_cast<u64>(static_cast<i64>(a) >> (by < 64 ? by : 63)); }

Expected<u64> divided(u8 op, u64 a, u64 b) {
    if (b == 0) return fail("a division by zero");
    const bool overflow = a == u64{1} << 63 && b == ~u64{0}; // the quotient does not fit
    switch (op) {
    case op_div_unsigned: return a / b;
    case op_rem_unsigned: return a % b;
    case op_div_signed: return overflow ? a : static_cast<u64>(static_cast<i64>(a) / static_cast<i64>(b));
    default: return overflow ? 0 : static_cast<u64>(static_cast<i64>(a) % static_cast<i64>(b));
    }
}

Expected<u64> of_two(u8 op, u64 a, u64 b) {
    switch (op) {
    case op_add: return a + b;
    case op_sub: return a - b;
    case op_mul: return a * b;
    case op_lsh: return shifted_left(a, b);
    case op_rsh_signed: return shifted_right_signed(a, b);
    case op_rsh_unsigned: return shifted_right(a, b);
    case op_bit_and: return a & b;
    case op_bit_or: return a | b;
    case op_bit_xor: return a ^ b;
    case op_equal: return u64{a == b};
    case op_less_signed: return u64{static_cast<i64>(a) < static_cast<i64>(b)};
    case op_less_unsigned: return u64{a < b};
    default: return divided(op, a, b);
    }
}

Expected<u64> memory_at(const Cpu& cpu, u64 address, unsigned size) {
    std::array<u8, 8> bytes{};
    if (read_linear_quietly(cpu, address, std::span(bytes).first(size)) != size)
        return fail("memory at 0x" + hex(address, 1) + " cannot be read");
    u64 value = 0;
    for (unsigned i = 0; i < size; ++i) value |= u64{bytes[i]} << (8 * i);
    return value;
}

Expected<u64> register_value(const Cpu& cpu, const std::vector<Register>& registers, u64 number) {
    if (number >= registers.size()) return fail("there is no register " + std::to_string(number));
    const std::string bytes = read(cpu, registers[number]);
    u64 value = 0;
    for (std::size_t i = 0; i < bytes.size() && i < 8; ++i) value |= u64{static_cast<u8>(bytes[i])} << (8 * i);
    return value;
}

u64 extended(u64 value, u64 bits, bool with_sign) {
    if (bits == 0 || bits >= 64) return value;
    const u64 high = ~u64{0} << bits;
    return with_sign && (value >> (bits - 1) & 1) ? value | high : value & ~high;
}

} // namespace

/// Execution: a stack and a place.
struct AgentExpression::Machine {
    const Cpu& cpu;
    const std::vector<Register>& registers;
    std::vector<u64> stack{};
    std::size_t at = 0;

    u64 pop() {
        const u64 value = stack.back();
        stack.pop_back();
        return value;
    }
    void push(u64 value) { stack.push_back(value); }
    Expected<> push(const Expected<u64>& value) {
        if (!value) return tl::unexpected(value.error());
        stack.push_back(*value);
        return {};
    }

    Expected<> execute(u8 op, u64 operand);
};

/// What the operation takes is on the stack.
Expected<> AgentExpression::Machine::execute(u8 op, u64 operand) {
    switch (op) {
    case op_log_not: return push(Expected<u64>(u64{pop() == 0}));
    case op_bit_not: return push(Expected<u64>(~pop()));
    case op_ext:
    case op_zero_ext: return push(Expected<u64>(extended(pop(), operand, op == op_ext)));
    case op_ref8:
    case op_ref16:
    case op_ref32:
    case op_ref64: return push(memory_at(cpu, pop(), 1u << (op - op_ref8)));
    case op_if_goto:
        if (pop() == 0) return {};
        [[fallthrough]];
    case op_goto: at = static_cast<std::size_t>(operand); return {};
    case op_const8:
    case op_const16:
    case op_const32:
    case op_const64: push(operand); return {};
    case op_reg: return push(register_value(cpu, registers, operand));
    case op_dup: push(u64{stack.back()}); return {};
    case op_pop: stack.pop_back(); return {};
    case op_swap: std::swap(stack[stack.size() - 1], stack[stack.size() - 2]); return {};
    case op_pick:
        if (operand >= stack.size()) return fail("the stack has no item " + std::to_string(operand));
        push(u64{stack[stack.size() - 1 - operand]});
        return {};
    case op_rot: { // a b c: c a b
        const u64 top = pop();
        stack.insert(stack.end() - 2, top);
        return {};
    }
    default: {
        const u64 b = pop(), a = pop();
        return push(of_two(op, a, b));
    }
    }
}

Expected<AgentExpression> AgentExpression::parse(std::string_view bytes) {
    for (std::size_t at = 0; at < bytes.size();) {
        const u8 op = static_cast<u8>(bytes[at]);
        const Shape shape = shape_of(op);
        if (!shape.known) return fail("operation " + hex(op, 2) + " of agent expressions is not there");
        at += 1u + shape.operand;
        if (at > bytes.size()) return fail("the agent expression is cut off");
    }
    if (bytes.empty()) return fail("the agent expression is empty");
    AgentExpression made;
    made.code_ = bytes;
    return made;
}

Expected<u64> AgentExpression::evaluate(const Cpu& cpu, const std::vector<Register>& registers) const {
    Machine machine{cpu, registers};
    machine.stack.reserve(16);
    for (std::size_t steps = 0; steps < most_steps; ++steps) {
        if (machine.at >= code_.size()) return fail("the condition has no end");
        const u8 op = static_cast<u8>(code_[machine.at]);
        const Shape shape = shape_of(op); // a jump may lead between operations
        if (!shape.known || machine.at + 1 + shape.operand > code_.size()) return fail("the condition jumps astray");
        u64 operand = 0;
        for (unsigned i = 1; i <= shape.operand; ++i) operand = operand << 8 | static_cast<u8>(code_[machine.at + i]);
        machine.at += 1u + shape.operand;
        if (machine.stack.size() < shape.takes) return fail("the condition's stack is empty");
        if (op == op_end) return machine.stack.back();
        if (const auto done = machine.execute(op, operand); !done) return tl::unexpected(done.error());
        if (machine.stack.size() > most_stack) return fail("the condition's stack is full");
    }
    return fail("the condition takes more than " + std::to_string(most_steps) + " steps");
}

} // namespace glassbox::gdb
