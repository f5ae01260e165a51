// What the names, segments and memory of an expression stand for: those of a processor and its symbols, or a test's.
#pragma once

#include "debugger/symbols/expression.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace glassbox {

class ExpressionScope {
  public:
    virtual ~ExpressionScope() = default;
    virtual std::optional<RegisterValue> read_register(std::string_view name) = 0;
    virtual std::optional<u64> symbol(std::string_view name) = 0;
    virtual std::optional<u64> line(std::string_view file, unsigned line) = 0;
    /// A variable of the function that executes, or of the chosen frame.
    virtual std::optional<TypedVariable> local(std::string_view) { return {}; }
    /// Of the program.
    virtual std::optional<TypedVariable> variable(std::string_view) { return {}; }
    virtual std::optional<Symbols::Constant> constant(std::string_view) { return {}; }
    virtual TypePtr type(std::string_view) { return {}; }
    /// What follows "no instruction comes from that line": "; line 12 is the next that has one".
    virtual std::string line_hint(std::string_view, unsigned) { return {}; }
    /// All or nothing.
    virtual bool read(Address::Space space, u64 address, std::span<u8> bytes) = 0;
    /// 16, 32 or 64.
    virtual unsigned code_bits() = 0;
    /// Of the segment register with the index of cpu/segment.hpp's SegmentName.
    virtual u64 segment_base(unsigned segment) = 0;
    virtual u16 segment_selector(unsigned segment) = 0;
    /// Of a selector written as a number.
    virtual Expected<u64> selector_base(u16 selector) = 0;
};

/// A processor as it is now. Reads have no effect on the guest.
class CpuScope final : public ExpressionScope {
  public:
    CpuScope(const Cpu& cpu, const Symbols* symbols) : cpu_(cpu), symbols_(symbols) {}
    std::optional<RegisterValue> read_register(std::string_view name) override;
    std::optional<u64> symbol(std::string_view name) override;
    std::optional<u64> line(std::string_view file, unsigned line) override;
    std::optional<TypedVariable> local(std::string_view name) override;
    std::optional<TypedVariable> variable(std::string_view name) override;
    std::optional<Symbols::Constant> constant(std::string_view name) override;
    TypePtr type(std::string_view name) override;
    std::string line_hint(std::string_view file, unsigned line) override;
    bool read(Address::Space space, u64 address, std::span<u8> bytes) override;
    unsigned code_bits() override;
    u64 segment_base(unsigned segment) override;
    u16 segment_selector(unsigned segment) override;
    Expected<u64> selector_base(u16 selector) override;

  private:
    const Cpu& cpu_;
    const Symbols* symbols_;
};

} // namespace glassbox
