// DWARF expressions (DWARF 5, section 2.5). Length and stack are limited: the expressions come from files.
#include "debugger/symbols/location_machine.hpp"

namespace glassbox {

namespace {
constexpr std::size_t deepest_stack = 64, longest_expression = 256;
}

std::optional<u64> LocationMachine::register_of(const Dwarf_Op& op) {
    if (op.atom >= DW_OP_reg0 && op.atom <= DW_OP_reg31) return u64{op.atom} - DW_OP_reg0;
    return op.atom == DW_OP_regx ? std::optional(op.number) : std::nullopt;
}

std::optional<u64> LocationMachine::compute(const Dwarf_Op* operations, std::size_t count) {
    if (count > longest_expression) return {};
    stack_.clear();
    for (std::size_t i = 0; i < count; ++i) {
        if (stack_.size() >= deepest_stack || !execute(operations[i])) return {};
    }
    return pop();
}

std::optional<u64> LocationMachine::pop() {
    if (stack_.empty()) return {};
    const u64 value = stack_.back();
    stack_.pop_back();
    return value;
}

bool LocationMachine::push(std::optional<u64> value) {
    if (value) stack_.push_back(masked(*value));
    return value.has_value();
}

bool LocationMachine::push_register(u64 number, u64 displacement) {
    const auto value = value_of(number);
    return value && push(*value + displacement);
}

bool LocationMachine::execute(const Dwarf_Op& op) {
    if (op.atom >= DW_OP_lit0 && op.atom <= DW_OP_lit31) return push(u64{op.atom} - DW_OP_lit0);
    if (op.atom >= DW_OP_breg0 && op.atom <= DW_OP_breg31) return push_register(op.atom - DW_OP_breg0, op.number);
    switch (op.atom) {
    case DW_OP_bregx: return push_register(op.number, op.number2);
    case DW_OP_call_frame_cfa: return push(cfa);
    case DW_OP_addr: return push(op.number + offset);
    case DW_OP_fbreg: return frame_base && push(*frame_base + op.number);
    case DW_OP_const1u:
    case DW_OP_const1s:
    case DW_OP_const2u:
    case DW_OP_const2s:
    case DW_OP_const4u:
    case DW_OP_const4s:
    case DW_OP_const8u:
    case DW_OP_const8s:
    case DW_OP_constu:
    case DW_OP_consts: return push(op.number);
    case DW_OP_dup: return !stack_.empty() && push(stack_.back());
    case DW_OP_drop: return pop().has_value();
    case DW_OP_deref: return dereference(bits_ / 8);
    case DW_OP_deref_size: return op.number >= 1 && op.number <= 8 && dereference(static_cast<unsigned>(op.number));
    case DW_OP_plus_uconst: return stack_.empty() ? false : push(*pop() + op.number);
    case DW_OP_neg: return stack_.empty() ? false : push(u64{0} - *pop());
    case DW_OP_not: return stack_.empty() ? false : push(~*pop());
    case DW_OP_nop:
    case DW_OP_stack_value: return true;
    default: return arithmetic(op.atom);
    }
}

bool LocationMachine::dereference(unsigned size) {
    const auto address = pop();
    return address && push(load(*address, size));
}

bool LocationMachine::arithmetic(unsigned atom) {
    const auto right = pop(), left = pop();
    if (!left || !right) return false;
    const u64 a = *left, b = *right;
    switch (atom) {
    case DW_OP_plus: return push(a + b);
    case DW_OP_minus: return push(a - b);
    case DW_OP_mul: return push(a * b);
    case DW_OP_and: return push(a & b);
    case DW_OP_or: return push(a | b);
    case DW_OP_xor: return push(a ^ b);
    case DW_OP_shl: return push(b < 64 ? a << b : 0);
    case DW_OP_shr: return push(b < 64 ? a >> b : 0);
    case DW_OP_eq: return push(a == b);
    case DW_OP_ne: return push(a != b);
    case DW_OP_ge: return push(signed_of(a) >= signed_of(b));
    case DW_OP_gt: return push(signed_of(a) > signed_of(b));
    case DW_OP_le: return push(signed_of(a) <= signed_of(b));
    case DW_OP_lt: return push(signed_of(a) < signed_of(b));
    default: return false;
    }
}

} // namespace glassbox
