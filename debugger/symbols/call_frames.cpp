// Unwinding by call-frame information (DWARF 5, section 6.4): .debug_frame and .eh_frame, by libdw's rows, whose
// expressions are computed on the guest's registers and memory.
#include "debugger/symbols/location_machine.hpp"

#include <cstdlib>
#include <memory>

namespace glassbox {

namespace {

struct FrameDeleter {
    void operator()(Dwarf_Frame* frame) const { std::free(frame); }
};

/// Registers that a function keeps for its caller, by the ABI (System V: AMD64 3.2.1, 386 3-11). Tables seldom say so.
bool kept_by_callee(int number, unsigned bits) {
    if (bits == 64) return number == 3 || number == 6 || (number >= 12 && number <= 15);
    return number == 3 || (number >= 5 && number <= 7);
}

/// The caller's value of one register.
std::optional<u64> restored(Dwarf_Frame* frame, int number, LocationMachine& machine) {
    Dwarf_Op memory[3];
    Dwarf_Op* operations = nullptr;
    std::size_t count = 0;
    if (dwarf_frame_register(frame, number, memory, &operations, &count) != 0) return {};
    if (count == 0) {
        if (operations != memory || kept_by_callee(number, machine.bits()))
            return machine.value_of(static_cast<u64>(number));
        return number == (machine.bits() == 64 ? 7 : 4) ? machine.cfa : std::nullopt;
    }
    const Dwarf_Op& first = operations[0];
    if (const auto reg = LocationMachine::register_of(first)) return machine.value_of(*reg);
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

std::optional<u64> DebugInformation::cfa(const FrameRegisters& frame, u64 offset, const Symbols::ReadMemory& read) {
    for (Dwarf_CFI* const frames : {debug_frames_, eh_frames_}) {
        Dwarf_Frame* found = nullptr;
        if (!frames || dwarf_cfi_addrframe(frames, file_address(frame, offset), &found) != 0) continue;
        const std::unique_ptr<Dwarf_Frame, FrameDeleter> owner(found);
        Dwarf_Op* operations = nullptr;
        std::size_t count = 0;
        LocationMachine machine(frame, read, bits_);
        if (dwarf_frame_cfa(found, &operations, &count) == 0 && count != 0)
            if (const auto value = machine.compute(operations, count)) return value;
    }
    return {};
}

u64 DebugInformation::file_address(const FrameRegisters& frame, u64 offset) const {
    const u64 at = frame.pc - offset - (frame.exact ? 0 : 1);
    return bits_ == 32 ? at & 0xFFFF'FFFF : at;
}

std::optional<FrameRegisters> DebugInformation::unwind(const FrameRegisters& frame, u64 offset,
                                                       const Symbols::ReadMemory& read) {
    const u64 at = file_address(frame, offset);
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
