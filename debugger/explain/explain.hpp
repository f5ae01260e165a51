// Told why: the way from an instruction, an address or a vector to the bit that denies it, in sentences that name the
// manual's section (docs/explain.md).
#pragma once

#include "bus/types.hpp"
#include "cpu/fault.hpp"
#include "debugger/explain/fault_log.hpp"
#include "debugger/explain/words.hpp"

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

class Debugger;
class Machine;
struct Cpu;
struct Address;

/// What linear addresses are called; may be empty.
using AddressNames = std::function<std::string(u64 linear)>;

/// What an explanation rests on, for whoever can ask the machine's past.
struct Evidence {
    std::vector<explain::Cited> places;            ///< memory
    bool gdt_missing = false, idt_missing = false; ///< LGDT, LIDT seem not to have been executed
    u64 instructions = 0;                          ///< the moment that is explained
};

/// Why the machine has shut down, fault by fault, or why it sleeps for ever; then the registers. For any run, with a
/// debugger or without.
std::string explain_triple_fault(Machine& machine, const AddressNames& names = {});
std::string explain_triple_fault(Machine& machine, const AddressNames& names, Evidence& evidence);
/// Its first paragraph alone: the bit that decided, and why nothing could be done about it.
std::string summarize_triple_fault(Machine& machine, const AddressNames& names = {});
/// What a halted processor waits for, and what keeps it waiting.
std::string explain_sleep(Machine& machine, const Cpu& cpu, const AddressNames& names = {});
/// The same of one processor, without the registers.
std::string explain_shutdown(const Cpu& cpu, const AddressNames& names = {});

/// A fault that was seen.
std::string explain_fault(const FaultRecord& record, const AddressNames& names = {});
std::string explain_fault(const FaultRecord& record, const AddressNames& names, Evidence& evidence);
/// A fault of the instruction at which the processor stands.
std::string explain_fault(const Cpu& cpu, const Fault& fault, const AddressNames& names = {});
/// Whether the instruction at which the processor stands would fault, and why.
std::string explain_next(const Cpu& cpu, const AddressNames& names = {});

/// From seg:off to linear, every paging level, physical address, what is there, and what would be allowed now.
std::string explain_address(const Cpu& cpu, const Address& address, const AddressNames& names = {});
/// What would happen if the vector arrived now: from outside (or as an exception), and by INT n.
std::string explain_interrupt(const Cpu& cpu, u8 vector, const AddressNames& names = {});
std::string explain_selector(const Cpu& cpu, u16 selector);
/// The error code that a vector pushes, in words; without a vector, as selector and as page fault.
std::string explain_error(u32 error, std::optional<unsigned> vector = {});
/// cr0 cr3 cr4 efer eflags mxcsr xcr0 dr6 dr7 fcw fsw pkru, bit by bit. Empty: not one of them.
std::string explain_register(const Cpu& cpu, std::string_view name);

/// The names of a debugger's symbols.
AddressNames names_of(Debugger& debugger);

} // namespace glassbox
