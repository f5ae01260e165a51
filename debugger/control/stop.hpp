// Why a machine stopped for its debugger.
#pragma once

#include "bus/types.hpp"
#include "machine/history/timeline.hpp"
#include "machine/machine.hpp"

#include <string>
#include <vector>

namespace glassbox {

enum class StopKind : u8 {
    start,        ///< the debugger was entered before the first instruction
    step,         ///< a step, or another command of "Go", is complete
    breakpoint,   ///< before the instruction at a breakpoint
    watchpoint,   ///< after the instruction that made the access
    event,        ///< a port, interrupt, exception, mode change …: `number` is the stop point's
    interrupted,  ///< the user asked: Ctrl-C, a key of the window, gdb's break
    magic,        ///< XCHG BX,BX
    triple_fault, ///< with --on-triple-fault=debug
    ended,        ///< the guest powered off, wrote to the exit port, halted for ever: `machine` says which
    history_end,  ///< going back: there is nothing before; going forwards in a recording: nothing after
};

struct Stop {
    StopKind kind = StopKind::start;
    unsigned number = 0;    ///< of the stop point, from 1; 0: none
    unsigned processor = 0; ///< which one stopped
    StopReason machine = StopReason::breakpoint;
    u64 address = 0; ///< watchpoints: the linear (or physical) address that was touched
    bool write = false;
    u64 before = 0, after = 0;         ///< watchpoints on writes: the values
    std::string text;                  ///< in words: "breakpoint 1", "watchpoint 2: 4 bytes at 1000h were 5, are 6"
    Moment moment;                     ///< when: Debugger::go_to goes there again
    bool given_up = false;             ///< a step that did not come to its end
    bool backwards = false;            ///< reached going back: watchpoints and events are then just before the access
    std::vector<std::string> commands; ///< the stop points' own, to be executed now (a temporary one is gone already)
};

} // namespace glassbox
