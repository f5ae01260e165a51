// DWARF expressions (DWARF 5, section 2.5) on a guest's registers and memory.
#pragma once

#include "debugger/symbols/dwarf.hpp"

#include <dwarf.h>

namespace glassbox {

class LocationMachine {
  public:
    LocationMachine(const FrameRegisters& registers, const Symbols::ReadMemory& read, unsigned bits)
        : registers_(registers), read_(read), bits_(bits) {}

    std::optional<u64> cfa;        ///< for DW_OP_call_frame_cfa
    std::optional<u64> frame_base; ///< for DW_OP_fbreg
    u64 offset = 0;                ///< of the symbol file, for DW_OP_addr

    /// The value on top at the end; nothing where an operation is unknown, or memory cannot be read.
    std::optional<u64> compute(const Dwarf_Op* operations, std::size_t count);
    std::optional<u64> value_of(u64 number) const {
        return number < registers_.values.size() ? registers_.values[number] : std::nullopt;
    }
    std::optional<u64> load(u64 address, unsigned size) const {
        u64 value = 0;
        return read_(masked(address), size, value) ? std::optional(value) : std::nullopt;
    }
    u64 masked(u64 value) const { return bits_ == 64 ? value : value & 0xFFFF'FFFF; }
    unsigned bits() const { return bits_; }

    /// The register that an expression is, alone: DW_OP_reg3.
    static std::optional<u64> register_of(const Dwarf_Op& op);

  private:
    std::optional<u64> pop();
    bool push(std::optional<u64> value);
    bool push_register(u64 number, u64 displacement);
    bool execute(const Dwarf_Op& op);
    bool dereference(unsigned size);
    bool arithmetic(unsigned atom);
    i64 signed_of(u64 value) const {
        return bits_ == 64 ? static_cast<i64>(value) : static_cast<i32>(static_cast<u32>(value));
    }

    const FrameRegisters& registers_;
    const Symbols::ReadMemory& read_;
    unsigned bits_;
    std::vector<u64> stack_;
};

} // namespace glassbox
