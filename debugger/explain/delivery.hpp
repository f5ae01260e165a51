// The delivery of an interrupt or exception in words: vector or gate, handler, stack, and what is pushed (SDM 3A
// chapter 6; 20.1.4 in real mode, 20.2-20.3 in virtual-8086 mode).
#pragma once

#include "cpu/system/system.hpp"
#include "debugger/explain/memory.hpp"

namespace glassbox::explain {

struct Event {
    u8 vector = 0;
    InterruptKind kind = InterruptKind::hardware;
    bool has_error = false;
    u32 error = 0;

    bool by_instruction() const {
        return kind == InterruptKind::software || kind == InterruptKind::int3 || kind == InterruptKind::into;
    }
    u32 ext() const { return by_instruction() ? 0 : 1; }
    u32 idt_error() const { return vector * 8u + 2 + ext(); }
};

Verdict tell_delivery(Story& story, const Moment& m, const Event& event);

} // namespace glassbox::explain
