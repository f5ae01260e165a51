// Interrupts and exceptions: who called, and who answers.
#pragma once

#include "types.hpp"

/// What lies on the kernel's stack when a handler runs: pushed by interrupts.asm below, by the processor above.
struct Frame {
    u32 gs, fs, es, ds;
    u32 edi, esi, ebp, unused_esp, ebx, edx, ecx, eax;
    u32 vector, error;
    u32 eip, cs, eflags;
    u32 user_esp, user_ss; ///< only there when ring 3 was interrupted

    bool from_user() const { return (cs & 3) == 3; }
};

constexpr u32 vector_general_protection = 13, vector_page_fault = 14, first_irq_vector = 0x20,
              vector_system_call = 0x80;
constexpr u32 irq_timer = 0, irq_keyboard = 1, irq_com1 = 4;

void interrupts_start();
const char* exception_name(u32 vector);
