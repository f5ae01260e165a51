// Unwinding by call-frame information (DWARF 5, section 6.4): .debug_frame and .eh_frame, by libdw's rows; the
// expressions in them (section 2.5) are computed here, on the guest's registers and memory.
#include "debugger/symbols/dwarf.hpp"

#include <dwarf.h>

#include <cstdlib>
#include <memory>

namespace glassbox {

namespace {

constexpr std::size_t deepest_stack = 64, longest_expression = 256;

struct FrameDeleter {
    void operator()(Dwarf_Frame* frame) const { std::free(frame); }
};

class LocationMachine {
  public:
    LocationMachine(const FrameRegisters& registers, const Symbols::ReadMemory& read, unsigned bits)
        : registers_(registers), read_(read), bits_(bits) {}

    std::optional<u64> cfa;

    /// The value on top at the end; nothing where an operation is unknown, or memory cannot be read.
    std::optional<u64> compute(const Dwarf_Op* operations, std::size_t count) {
        if (count > longest_expression) return {};
        stack_.clear();
        for (std::size_t i = 0; i < count; ++i) {
            if (stack_.size() >= deepest_stack || !execute(operations[i])) return {};
        }
        return pop();
    }

    std::optional<u64> value_of(u64 number) const {
        return number < registers_.values.size() ? registers_.values[number] : std::nullopt;
    }
    std::optional<u64> load(u64 address, unsigned size) const {
        u64 value = 0;
        return read_(masked(address), size, value) ? std::optional(value) : std::nullopt;
    }
    u64 masked(u64 value) const { return bits_ == 64 ? value : value & 0xFFFF'FFFF; }

  private:
    std::optional<u64> pop() {
        if (stack_.empty()) return {};
        const u64 value = stack_.back();
        stack_.pop_back();
        return value;
    }
    bool push(std::optional<u64> value) {
        if (value) stack_.push_back(masked(*value));
        return value.has_value();
    }
    bool push_register(u64 number, u64 offset) {
        const auto value = value_of(number);
        return value && push(*value + offset);
    }

    bool execute(const Dwarf_Op& op) {
        if (op.atom >= DW_OP_lit0 && op.atom <= DW_OP_lit31) return push(u64{op.atom} - DW_OP_lit0);
        if (op.atom >= DW_OP_breg0 && op.atom <= DW_OP_breg31) return push_register(op.atom - DW_OP_breg0, op.number);
        switch (op.atom) {
        case DW_OP_bregx: return push_register(op.number, op.number2);
        case DW_OP_call_frame_cfa: return push(cfa);
        case DW_OP_addr:
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

    bool dereference(unsigned size) {
        const auto address = pop();
        return address && push(load(*address, size));
    }

    bool arithmetic(unsigned atom) {
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
    i64 signed_of(u64 value) const {
        return bits_ == 64 ? static_cast<i64>(value) : static_cast<i32>(static_cast<u32>(value));
    }

    const FrameRegisters& registers_;
    const Symbols::ReadMemory& read_;
    unsigned bits_;
    std::vector<u64> stack_;
};

/// The caller's value of one register.
std::optional<u64> restored(Dwarf_Frame* frame, int number, LocationMachine& machine) {
    Dwarf_Op memory[3];
    Dwarf_Op* operations = nullptr;
    std::size_t count = 0;
    if (dwarf_frame_register(frame, number, memory, &operations, &count) != 0) return {};
    if (count == 0) return operations == memory ? std::nullopt : machine.value_of(static_cast<u64>(number));
    const Dwarf_Op& first = operations[0];
    if (first.atom >= DW_OP_reg0 && first.atom <= DW_OP_reg31) return machine.value_of(first.atom - DW_OP_reg0);
    if (first.atom == DW_OP_regx) return machine.value_of(first.number);
    const auto value = machine.compute(operations, count);
    if (!value || operations[count - 1].atom == DW_OP_stack_value) return value;
    const unsigned size = machine.masked(~u64{0}) > 0xFFFF'FFFF ? 8 : 4;
    return machine.load(*value, size);
}

} // namespace

std::optional<FrameRegisters> DebugInformation::unwind(Dwarf_Frame* frame, const FrameRegisters& from,
                                                       const Symbols::ReadMemory& read) const {
    LocationMachine machine(from, read, bits_);
    Dwarf_Op* operations = nullptr;
    std::size_t count = 0;
    if (dwarf_frame_cfa(frame, &operations, &count) != 0 || count == 0) return {};
    machine.cfa = machine.compute(operations, count);
    bool signal = false;
    const int return_address = dwarf_frame_info(frame, nullptr, nullptr, &signal);
    if (!machine.cfa || return_address < 0) return {};

    FrameRegisters caller;
    const unsigned registers = bits_ == 64 ? 16 : 8;
    for (unsigned i = 0; i < registers; ++i) caller.values[i] = restored(frame, static_cast<int>(i), machine);
    const auto pc = restored(frame, return_address, machine);
    if (!pc || *pc == 0) return {};
    caller.pc = *pc;
    caller.exact = signal;
    return caller;
}

std::optional<FrameRegisters> DebugInformation::unwind(const FrameRegisters& frame, u64 offset,
                                                       const Symbols::ReadMemory& read) {
    u64 at = frame.pc - offset - (frame.exact ? 0 : 1);
    if (bits_ == 32) at &= 0xFFFF'FFFF;
    if (!in_code(at)) return {};
    for (Dwarf_CFI* const frames : {debug_frames_, eh_frames_}) {
        Dwarf_Frame* found = nullptr;
        if (!frames || dwarf_cfi_addrframe(frames, at, &found) != 0) continue;
        const std::unique_ptr<Dwarf_Frame, FrameDeleter> owner(found);
        if (auto caller = unwind(found, frame, read)) return caller;
    }
    return {};
}

} // namespace glassbox
