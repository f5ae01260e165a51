// The evaluation of one expression's tree in one scope. Recursion is bounded by the depth that the parser allows.
#pragma once

#include "debugger/symbols/expression_scope.hpp"
#include "debugger/symbols/expression_tree.hpp"
#include "debugger/symbols/typed_arithmetic.hpp"
#include "debugger/symbols/typed_value.hpp"

namespace glassbox {

class Evaluation {
  public:
    /// A value, and what it was computed from: the segment that an instruction would add to it.
    struct Value {
        u64 number = 0;
        std::optional<unsigned> segment = {}; ///< of the first general register in it
        unsigned bits = 0;                    ///< of the widest general register in it
        bool absolute = false;                ///< made of symbols or memory: linear whatever else is in it
        unsigned width = 0;                   ///< bits of the register or memory that it is
        std::optional<TypedValue> typed = {}; ///< with a type: `number` does not count
    };

    /// `places`: the expression is to name a place, and *7C00h is 7C00h.
    Evaluation(const Expression::Tree& tree, ExpressionScope& scope, bool places = false)
        : tree_(tree), scope_(scope), places_(places) {}

    /// The value, or the object that it is.
    Expected<Value> value(std::size_t index);
    /// Its number: of an object, what is there (within [ ], its address).
    Expected<Value> number(std::size_t index);
    Expected<TypedValue> typed(std::size_t index);
    /// What a memory operand or segmented address names.
    Expected<Place> named_place(const ExpressionNode& node);
    /// The address that a number is, by what it was computed from.
    Address by_default(const Value& value);
    /// Where an object lies, and its size.
    Expected<Place> place_of(std::size_t index, const TypedValue& object);
    /// As an address: where it lies; of a pointer, where it leads.
    Expected<Address> address_of(std::size_t index, const TypedValue& object);

  private:
    Expected<Value> error(const ExpressionNode& node, const std::string& what) const {
        return tl::unexpected(expression_error(tree_.text, node.column, what));
    }
    // --- names
    Expected<Value> name(const ExpressionNode& node);
    Expected<Value> global(const ExpressionNode& node);
    Expected<Value> reg(const ExpressionNode& node);
    std::optional<Value> reg_called(const std::string& name);
    std::optional<Value> variable_called(const std::string& name);
    static Value of_variable(const TypedVariable& variable);
    Expected<Value> line(const ExpressionNode& node);
    // --- operators
    Expected<Value> unary(const ExpressionNode& node);
    Expected<Value> binary(const ExpressionNode& node);
    Expected<Value> ternary(const ExpressionNode& node);
    static u64 compute(Operator op, u64 a, u64 b);
    // --- C
    Expected<Value> member(const ExpressionNode& node, const TypedValue& whole, const std::string& name);
    Expected<Value> member_of(const ExpressionNode& node);
    Expected<Value> arrow(const ExpressionNode& node);
    Expected<Value> element(const ExpressionNode& node);
    Expected<Value> dereference(const ExpressionNode& node);
    Expected<Value> target_of(const ExpressionNode& node, const Value& pointer);
    Expected<Value> take_address(const ExpressionNode& node);
    Expected<Value> cast(const ExpressionNode& node);
    Expected<Value> size(const ExpressionNode& node);
    Expected<Value> repeat(const ExpressionNode& node);
    Expected<TypePtr> type_named(const ExpressionNode& node);
    /// A number with its type, of an object what is there; arrays, structures and functions: their address.
    Expected<Value> loaded(const ExpressionNode& node, Value value);
    Expected<Value> loaded_outside(const ExpressionNode& node, Value value);
    Expected<Value> in_brackets(std::size_t index);
    Expected<Value> outside_brackets(std::size_t index);
    static TypedOperand operand_of(const Value& value);
    Value value_of(const TypedOperand& operand) const;
    Expected<Value> checked(const ExpressionNode& node, Expected<TypedOperand> result) const;
    MemoryReader reader();

    // --- memory
    /// Outside 64-bit code offsets and linear addresses have 32 bits, and what 16-bit registers make has 16.
    u64 offset_of(const Value& value);
    Address placed(u64 base, u16 selector, u64 offset);
    Address through(unsigned segment, const Value& value);
    Expected<Address> through_selector(const ExpressionNode& node, const Value& value);
    Expected<Value> load(const ExpressionNode& node, const Place& place);

    const Expression::Tree& tree_;
    ExpressionScope& scope_;
    bool places_;
    bool brackets_ = false; ///< within [ ], phys( ) and linear( ): names are addresses, as in assembler
};

} // namespace glassbox
