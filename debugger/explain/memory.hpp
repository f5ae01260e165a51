// A memory access in words: segment, canonical address, alignment, pages.
#pragma once

#include "debugger/explain/paging.hpp"

namespace glassbox::explain {

/// An access through a segment register.
struct Operand {
    unsigned segment = DS;
    u64 offset = 0;
    u64 size = 1;
    Access access = Access::read;
    std::string origin = {}; ///< how the offset comes about: "EBX (C0000000h) + 4h"
    bool aligned = false;    ///< SSE's and XSAVE's operands that must be: #GP(0)
    unsigned alignment = 0;  ///< to how many bytes
};

/// Where it lies: the segment's part. `linear` is set when it is allowed.
Verdict tell_segment(Story& story, const Moment& m, const Operand& operand, u64& linear);
/// All of an access at the current privilege level.
Verdict tell_operand(Story& story, const Moment& m, const Operand& operand);

/// A stack, which need not be the current one.
struct StackPlace {
    Segment segment;
    u64 sp = 0;
    bool inner = false; ///< of a more privileged level
    u32 error = 0;      ///< error code of its #SS
    bool long64 = false;
    std::string name; ///< "SS:ESP"
    static StackPlace current(const Moment& m);
    u64 mask() const { return long64 ? ~u64{0} : segment.big() ? 0xFFFF'FFFF : 0xFFFF; }
};
/// Whether `count` values of `width` bytes can be pushed; speaks only when they cannot.
Verdict tell_push(Story& story, const Moment& m, const StackPlace& stack, unsigned width, unsigned count);
/// The value `displacement` bytes above the stack pointer; speaks only when it cannot be read.
Verdict tell_peek(Story& story, const Moment& m, const StackPlace& stack, unsigned width, u64 displacement, u64& value);

/// The processor's own read or write of a table at a linear address; speaks only when it is denied.
Verdict tell_system(Story& story, const Moment& m, u64 linear, u64 size, Access access);

/// What a selector names, and what a bad one raises.
struct Blamed {
    Exception exception = Exception::GP;
    u32 ext = 0;
    u32 error(u16 selector) const { return (selector & 0xFFFCu) | ext; }
};
/// Where a selector's descriptor lies: nothing when that is outside its table.
std::optional<u64> descriptor_place(const Moment& m, u16 selector);
/// Quietly; nothing where there is none or it cannot be read.
std::optional<Descriptor> find_descriptor(const Moment& m, u16 selector);
/// Reads the descriptor, in words.
Verdict tell_descriptor(Story& story, const Moment& m, u16 selector, Blamed blamed, Descriptor& out);

} // namespace glassbox::explain
