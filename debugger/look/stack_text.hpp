// The stack as words, and the chain of calls that led here.
#pragma once

#include "cpu/state.hpp"
#include "debugger/symbols/symbols.hpp"

#include <optional>
#include <string>
#include <vector>

namespace glassbox::look {

/// Bytes of a stack word: 2, 4 or 8, as the code at CS:IP pushes.
unsigned stack_word(const Cpu& cpu);
/// The linear address of SS:offset.
u64 stack_linear(const Cpu& cpu, u64 offset);
/// SP, ESP or RSP, as wide as the stack is.
u64 stack_pointer(const Cpu& cpu);

void write_stack(const Cpu& cpu, const Symbols* symbols, u64 count, std::string& out);

enum class FrameSource : u8 {
    current, ///< where the processor is
    cfi,     ///< found by DWARF call-frame information
    chain,   ///< by the chain of frame pointers
    entry,   ///< the function had not made a frame yet, or had undone it
    interrupt,
    guess, ///< the first word on the stack that lies behind a CALL of this function, or behind any
};
struct CallFrame {
    u64 pc = 0; ///< linear
    u16 cs = 0;
    u64 offset = 0; ///< in CS
    u64 sp = 0;     ///< linear: what the frame's function has on the stack begins above
    FrameSource source = FrameSource::current;
    bool exact = true;       ///< false: `pc` is a return address
    unsigned bits = 32;      ///< of its code
    std::string vector = {}; ///< of an interrupt that was delivered to the frame below: "20h"; "" where it is not known
    FrameRegisters registers; ///< those that are known there
};
/// Innermost first; at most `most`. `why` says where the chain ends.
std::vector<CallFrame> call_frames(const Cpu& cpu, const Symbols* symbols, std::size_t most, std::string& why);
void write_frame(const Cpu& cpu, const Symbols* symbols, const CallFrame& frame, unsigned number, std::string& out);
void write_backtrace(const Cpu& cpu, const Symbols* symbols, std::size_t most, std::string& out);
/// Whether the bytes before an address are a CALL, near or far.
enum class CallKind : u8 { none, near, far };
CallKind call_before(const Cpu& cpu, u64 linear, unsigned bits);

} // namespace glassbox::look
