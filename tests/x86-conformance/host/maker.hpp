// The parts of make_case: a case is put together step by step, each step using what the earlier ones have fixed.
#pragma once

#include "tests/x86-conformance/host/encoding.hpp"
#include "tests/x86-conformance/host/make_case.hpp"

#include <concepts>
#include <string_view>

namespace glassbox::conformance::host {

class Maker {
  public:
    Maker(const RowForm& form, u64 index, Random& random, Input& in)
        : row_(*form.row), shape_(form.shape(index)), random_(random), in_(in), r_(in.before),
          name_(row_.info->mnemonic) {}
    void make();

  private:
    // make_case.cpp: registers, segments, addresses, the code's place
    void choose_registers();
    void choose_segments();
    u16 data_selector(bool based);
    u16 stack_selector();
    u16 code_selector();
    void choose_stack();
    void choose_code_place();
    void choose_operand();
    void choose_prefixes();
    void aim32(u32 linear);
    void aim16(u32 linear);
    void encode_and_place();
    u32 choose_linear(unsigned segment, unsigned size, bool aligned);
    u32 base_of(u16 selector) const;
    unsigned address_segment() const;
    /// Where a segment register's accesses of implied operands go: the override, or `usual`.
    unsigned implied_segment(unsigned usual) const;
    /// The linear address of the stack's top.
    u32 stack_linear() const;
    bool wide_stack() const;
    void set_memory(u32 linear, std::span<const u8> bytes) { in_.set_memory(linear - data_start, bytes); }
    template <std::unsigned_integral T> void set_memory(u32 linear, T value) {
        u8 bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        set_memory(linear, std::span<const u8>(bytes));
    }
    u32 register_value(unsigned number, unsigned width) const;
    void set_register(unsigned number, unsigned width, u32 value);
    void keep(unsigned number) { kept_ |= 1u << number; }
    bool kept(unsigned number) const { return (kept_ >> number & 1) != 0; }
    bool is(std::string_view name) const { return name_ == name; }
    bool at_opcode(unsigned map, unsigned first, unsigned last) const {
        return row_.at.map == map && row_.at.opcode >= first && row_.at.opcode <= last;
    }

    // make_operands.cpp: what single families of instructions need to do something interesting
    void before_operand();
    void after_operand();
    unsigned memory_size() const;
    bool wants_alignment() const;
    void fill_operand();
    void fill_special_operand(std::span<u8> value);
    void make_string();
    void make_branch();
    void make_stack_contents();
    void make_environment(std::span<u8> image);
    u16 any_selector();
    bool loads_stack() const;
    /// An address to go to in the segment `selector`, as an offset there.
    u32 code_target(u16 selector);
    void far_pointer(u32& offset, u16& selector);
    void push_value(u32& at, u32 value, unsigned width);

    const Row& row_;
    const Shape& shape_;
    Random& random_;
    Input& in_;
    Image& r_;
    std::string_view name_;
    Encoding e_;
    std::vector<u8> more_prefixes_;
    u32 kept_ = 0;
    u32 linear_ = 0; ///< of the memory operand
    bool implied_memory_ = false;
};

} // namespace glassbox::conformance::host
