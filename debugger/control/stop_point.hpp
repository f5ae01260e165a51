// What stops the machine for its debugger: breakpoints, watchpoints and the other stop points, as the console and gdb
// set them.
#pragma once

#include "bus/types.hpp"
#include "debugger/symbols/expression.hpp"

#include <optional>
#include <string>
#include <vector>

namespace glassbox {

enum class StopPointKind : u8 {
    execute,   ///< before the instruction at `where`, or at any of `length` bytes
    read,      ///< after an instruction that read any of the bytes
    write,     ///< … wrote …
    access,    ///< … read or wrote …
    change,    ///< … wrote another value
    port,      ///< I/O ports first-last
    mmio,      ///< physical addresses of devices, `where` and `length`
    interrupt, ///< a delivered vector first-last, of whatever kind
    exception, ///< before the delivery of exception first-last
    irq,       ///< an ISA wire first-last was raised
    task,      ///< a task switch
    cpl,       ///< the privilege level changed
    mode,      ///< real, virtual-8086, protected 16/32, compatibility, 64-bit: a change
    control,   ///< a write to control register `first`
    msr,       ///< a write to the MSRs first-last
    device,    ///< an access to a register of the device `name`, by port or memory
    mnemonic,  ///< before an instruction called `name` (SDM's mnemonic)
    new_code,  ///< before an instruction at an address that was not executed since the stop point was set
    shutdown,  ///< a triple fault
};

struct StopPoint {
    unsigned number = 0; ///< given by StopPoints::add
    StopPointKind kind = StopPointKind::execute;
    Address where = {};
    u64 length = 1;
    u64 first = 0, last = 0;
    bool on_read = true, on_write = true; ///< port, mmio and device
    std::string name = {};
    std::optional<unsigned> processor = {}; ///< only when this one executes
    bool enabled = true;
    bool temporary = false; ///< removed when it has stopped the machine
    bool hidden = false;    ///< gdb's own: not listed
    u64 ignore = 0;         ///< how many more hits are passed over
    u64 hits = 0;
    std::string condition = {};             ///< an expression; empty: always
    std::vector<std::string> commands = {}; ///< executed when it has stopped the machine
    std::string text = {};                  ///< as the user wrote it, for lists
};

} // namespace glassbox
