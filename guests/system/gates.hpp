// What the forms of group `gates` share: where transfers lead to, and how they are made.
#pragma once

#include "guests/system/privilege.hpp"

namespace gates {

// Free entries of the GDT: the code segment to reach, the gate to it, the stack of the inner or outer level.
constexpr u16 target_selector = first_free, gate_selector = first_free + 8, stack_selector = first_free + 0x10;
constexpr u32 target_base = arena_begin + 0x10000, target_offset = 0x10, target_limit = 0x2FFFF;
constexpr u32 pointer_at = arena_begin; // of far transfers through memory
constexpr u32 vector_in_use = 0x90;     // of INT n

/// What must come of a transfer: `end_vector` when it must succeed.
struct Fault {
    u32 vector, error;
};
constexpr Fault none{end_vector, 0};

/// What a selector may lead to. The caller puts the descriptor into the last entry of the GDT and the first of the LDT.
struct Place {
    const char* what;
    u32 selector;
    bool found;
};
constexpr Place places[] = {
    {"null", 0, false},           {"last GDT entry", gdt_size - 8, true}, {"beyond the GDT", gdt_size, false},
    {"first LDT entry", 4, true}, {"beyond the LDT", 0x104, false},       {"top selector", 0xFFF8, false}};
inline void put_in_places(u64 d) { gdt[gdt_size / 8 - 1] = ldt[0] = d; }

/// INT 80h at the target's offset, and 64 KiB above, where a gate of 32 bits leads.
inline void put_target() {
    word(target_base + target_offset) = 0x80CD;
    word(target_base + 0x10000 + target_offset) = 0x80CD;
}
inline u64 target_descriptor(u32 type, u32 dpl, bool present = true) {
    return descriptor(target_base, target_limit, type, dpl, present, true);
}
/// A gate's offset: one of 16 bits ignores the upper half.
constexpr u32 gate_offset = 0x1'0000 | target_offset;
constexpr u32 reached(u32 gate_type) { return (gate_type & 8 ? gate_offset : target_offset) + 2; }

enum Way : u32 { jump, call, jump16, call16 };
constexpr const char* way_names[] = {"JMP", "CALL", "16-bit JMP", "16-bit CALL"};
/// JMP or CALL [EBX], as a far pointer.
inline const void* far_code(Way way) {
    const u8 bytes[] = {0x66, 0xFF, static_cast<u8>(way & 1 ? 0x1B : 0x2B), 0x0F, 0x0B};
    return way & 2 ? code(bytes, 5) : code(bytes + 1, 4);
}
inline void put_pointer(Way way, u32 selector, u32 offset) {
    dword(pointer_at) = offset;
    word(pointer_at + (way & 2 ? 2 : 4)) = static_cast<u16>(selector);
}
/// How long far_code's first instruction is.
constexpr u32 far_length(Way way) { return way & 2 ? 3 : 2; }

/// One slot of a stack frame of 16 or 32 bits.
inline u32 slot(u32 esp, u32 index, bool wide) { return wide ? dword(esp + 4 * index) : word(esp + 2 * index); }
inline void put_slot(u32 esp, u32 index, bool wide, u32 value) {
    if (wide)
        dword(esp + 4 * index) = value;
    else
        word(esp + 2 * index) = static_cast<u16>(value);
}
inline void expect_slot(Report& report, const char* what, u32 expected, u32 esp, u32 index, bool wide,
                        bool half = false) {
    const u32 mask = wide && !half ? ~0u : 0xFFFF;
    report.expect(what, expected & mask, slot(esp, index, wide) & mask);
}

/// The TSS's stack of a level.
inline u32 inner_esp(u32 level) { return level == 0 ? tss.esp0 : level == 1 ? tss.esp1 : tss.esp2; }
inline void set_inner_stack(u32 level, u16 ss, u32 esp) {
    (level == 0 ? tss.ss0 : level == 1 ? tss.ss1 : tss.ss2) = ss;
    (level == 0 ? tss.esp0 : level == 1 ? tss.esp1 : tss.esp2) = esp;
}
// gates_direct.cpp
void jump_direct(Report& report);
void call_direct(Report& report);
void jump16_direct(Report& report);
void call16_direct(Report& report);
void direct_selectors(Report& report);
void direct_limits(Report& report);
void immediate(Report& report);

// gates_call.cpp
void call_gates(Report& report);
void call_gates16(Report& report);
void call_gate_targets(Report& report);
void call_gate_selectors(Report& report);
void parameters(Report& report);

// gates_stack.cpp
void inner_stack_call(Report& report);
void inner_stack_int(Report& report);
void inner_stack_exception(Report& report);
void inner_stack_selectors(Report& report);
void inner_stack_room(Report& report);
void short_tss(Report& report);

// gates_return.cpp
void far_return(Report& report);
void far_return16(Report& report);
void far_return_stack(Report& report);
void far_return_selectors(Report& report);
void far_return_release(Report& report);
void far_return_segments(Report& report);
void far_return_limits(Report& report);

// gates_int.cpp
void int_n(Report& report);
void int3(Report& report);
void into(Report& report);
void int1(Report& report);
void exception(Report& report);
void int_targets(Report& report);
void exception_targets(Report& report);
void idt_limit(Report& report);
void int_flags(Report& report);

// gates_virtual.cpp
void virtual_int(Report& report);
void virtual_int3(Report& report);
void virtual_exception(Report& report);
void virtual_vme(Report& report);

// gates_modes.cpp
void virtual_far(Report& report);
void small_stacks(Report& report);

// gates_paged.cpp
void paged(Report& report);

// gates_sysenter.cpp
void sysenter(Report& report);
void sysexit(Report& report);

} // namespace gates
