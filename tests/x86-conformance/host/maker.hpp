// The parts of make_case: a case is put together step by step, each step using what the earlier ones have fixed.
#pragma once

#include "tests/x86-conformance/host/encoding.hpp"
#include "tests/x86-conformance/host/make_case.hpp"

#include <concepts>
#include <string_view>
#include <utility>

namespace glassbox::conformance::host {

template <std::size_t N, class T> T weighted(Random& random, const std::pair<u32, T> (&choices)[N]) {
    u32 sum = 0;
    for (const auto& [weight, value] : choices) sum += weight;
    u32 at = random.below(sum);
    for (const auto& [weight, value] : choices) {
        if (at < weight) return value;
        at -= weight;
    }
    return choices[0].second;
}

class Maker {
  public:
    Maker(const RowForm& form, u64 index, Random& random, Input& in)
        : row_(*form.row), shape_(form.shape(index)), random_(random), in_(in), r_(in.before), long_(form.code64),
          name_(row_.info->mnemonic) {}
    void make();

  private:
    // make_case.cpp: registers, prefixes, encoding
    void choose_registers();
    void choose_units();
    void choose_prefixes();
    void choose_rex_and_vex();
    void choose_meaningless_prefixes();
    void encode_and_place();
    std::vector<u8> assemble() const;

    // make_place.cpp: segments, the stack's and the code's place, linear addresses
    void choose_segments();
    void choose_bases();
    u16 data_selector(bool based);
    u16 stack_selector();
    u16 code_selector();
    void choose_stack();
    void choose_code_place();
    u64 choose_linear(unsigned segment, unsigned size, bool aligned);
    u64 wild_linear(unsigned size);
    u64 base_of(unsigned segment) const;
    /// Of a selector: the segment's base.
    u32 selector_base(u16 selector) const;
    /// Where a segment register's accesses of implied operands go: the override, or `usual`.
    unsigned implied_segment(unsigned usual) const;
    /// The linear address of the stack's top.
    u64 stack_linear() const;
    bool wide_stack() const;

    // make_address.cpp: ModRM, SIB and displacement
    void choose_operand();
    void choose_operand64(unsigned size, bool aligned, bool locked);
    void choose_vsib(unsigned size);
    unsigned address_segment() const;
    void aim32(u64 linear);
    void aim16(u64 linear);
    bool aim64(u64 linear);
    bool rip_relative() const { return long_ && e_.mod == 0 && e_.rm == 5; }

    // what all use
    void set_memory(u64 linear, std::span<const u8> bytes) {
        if (const u32 at = data_offset(linear); at != nowhere) in_.set_memory(at, bytes);
    }
    template <std::unsigned_integral T> void set_memory(u64 linear, T value) {
        u8 bytes[sizeof value];
        std::memcpy(bytes, &value, sizeof value);
        set_memory(linear, std::span<const u8>(bytes));
    }
    u64 data_start_here() const { return windows[data_window_].data; }
    u64 any_register_value() { return long_ ? biased64(random_) : biased(random_); }
    unsigned opsize() const { return operand_size(row_, e_, shape_.code()); }
    /// With the extension bits of REX or VEX.
    unsigned reg_number() const { return e_.reg | (e_.rex & 4u) << 1; }
    unsigned rm_number() const { return e_.rm | (e_.rex & 1u) << 3; }
    /// A general register as a byte operand: AH to BH without REX.
    bool is_high_byte(unsigned number) const { return number >= 4 && number < 8 && e_.rex == 0; }
    u64 register_value(unsigned number, unsigned width) const;
    void set_register(unsigned number, unsigned width, u64 value);
    /// An address of `addrsize` bytes: what is above does not count.
    void set_address(unsigned number, u64 value);
    void keep(unsigned number) { kept_ |= 1u << number; }
    bool kept(unsigned number) const { return (kept_ >> number & 1) != 0; }
    bool is(std::string_view name) const { return name_ == name; }
    bool begins(std::string_view name) const { return name_.starts_with(name); }
    bool at_opcode(unsigned map, unsigned first, unsigned last) const {
        return !is_vex(row_) && row_.at.map == map && row_.at.opcode >= first && row_.at.opcode <= last;
    }

    // make_operands.cpp: what single families of instructions need to do something interesting
    void before_operand();
    void before_branch();
    void after_operand();
    u64 implied_operand(unsigned size, bool aligned);
    unsigned memory_size() const;
    bool wants_alignment() const;
    void fill_operand();
    void fill_special_operand(std::span<u8> value);
    bool loads_stack() const;

    // make_contents.cpp: strings, targets, stack contents, images
    void make_string();
    void make_branch();
    void make_stack_contents();
    void make_environment(std::span<u8> image);
    void make_xsave_image(std::span<u8> image);
    u16 any_selector();
    /// An address to go to in the segment `selector`, as an offset there.
    u64 code_target(u16 selector);
    void far_pointer(u64& offset, u16& selector);
    void push_value(u64& at, u64 value, unsigned width);

    const Row& row_;
    const Shape& shape_;
    Random& random_;
    Input& in_;
    Image& r_;
    bool long_; ///< 64-bit code
    std::string_view name_;
    Encoding e_;
    std::vector<u8> more_prefixes_;
    u8 idle_rex_ = 0;
    u32 idle_rex_at_ = 0;
    u32 kept_ = 0;
    unsigned data_window_ = 0;
    u64 linear_ = 0; ///< of the memory operand
    bool implied_memory_ = false;
};

/// Vector registers, and memory operands of vector instructions.
inline bool is_vector(Arg a) {
    return (a >= Arg::Vx && a <= Arg::Ux) || (a >= Arg::Hx && a <= Arg::We) || a == Arg::Mvd || a == Arg::Mvq;
}
inline bool is_vector(const Row& row) {
    for (const Arg a : row.args) {
        if (is_vector(a)) return true;
    }
    return false;
}
inline bool is_vsib(const Row& row) {
    for (const Arg a : row.args) {
        if (a == Arg::Mvd || a == Arg::Mvq) return true;
    }
    return false;
}
inline bool is_mmx(const Row& row) {
    for (const Arg a : row.args) {
        if (a >= Arg::Pq && a <= Arg::Nq) return true;
    }
    return false;
}

} // namespace glassbox::conformance::host
