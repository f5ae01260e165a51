// What the forms of group `tasks` share: TSSs of both sizes, the two tasks of a switch, and task gates for the faults
// that may come of it (SDM 3A, chapter 7).
#pragma once

#include "guests/system/gates.hpp"

namespace tasks {

using gates::Fault;
using gates::none;
using gates::pointer_at;
using gates::stack_selector;
using gates::target_base;
using gates::target_offset;
using gates::target_selector;
using gates::vector_in_use;

constexpr u16 a_selector = first_free + 0x18, b_selector = first_free + 0x20, c_selector = first_free + 0x28,
              task_gate_selector = first_free + 0x30, own_ldt = first_free + 0x38, data_selector = first_free + 0x40,
              handler_selector = first_free + 0x48; ///< the first of one for each vector with a handler task
constexpr u32 a_at = arena_begin + 0x3000, b_at = arena_begin + 0x3200, c_at = arena_begin + 0x3400,
              handler_at = arena_begin + 0x3800, stack_base = arena_begin + 0x6000, first_sp = 0xF00;

/// Fields of a TSS (SDM 3A, figures 7-2 and 7-10).
enum Field : u32 { link, eip, eflags, eax, ecx, edx, ebx, esp, ebp, esi, edi, es, cs, ss, ds, fs, gs, ldt_field };
struct View {
    u32 at;
    bool wide;
    u32 offset(Field f) const {
        if (f == link) return 0;
        if (wide) return 0x20 + 4 * (f - eip);
        return f == ldt_field ? 0x2A : 0x0E + 2 * (f - eip);
    }
    bool has(Field f) const { return wide || (f != fs && f != gs); }
    u32 get(Field f) const { return wide && f != link ? dword(at + offset(f)) : word(at + offset(f)); }
    void set(Field f, u32 value) const {
        if (!has(f)) return;
        if (wide)
            dword(at + offset(f)) = value;
        else
            word(at + offset(f)) = static_cast<u16>(value);
    }
    u32 mask() const { return wide ? ~0u : 0xFFFF; }
    u32 type() const { return wide ? tss32_type : tss16_type; }
    u32 limit() const { return wide ? 0x67 : 0x2B; }
};

// tasks_common.cpp
/// A TSS for a task of this level that starts at INT 80h, with segments of its own in the GDT.
void build(const View& v, u32 cpl);
/// The current task's TSS: all that is read of it is level 0's stack.
void build_current(const View& v);
void put_descriptor(u16 selector, const View& v, u32 dpl = 3, bool is_busy = false);
/// After a case, whatever happened: TR, LDTR, CR0.TS and the IDT as they were.
void restore();
u32 descriptor_type(u16 selector);
u16 local_table();
/// Handler tasks for #TS, #NP, #SS, #GP; Exit then has vector and error code, and `raised_in` whose fault it was.
void catch_faults();
u16 raised_in(u32 vector);

/// What starts a switch from task A to task B.
enum Source : u32 { jump_tss, call_tss, jump_gate, call_gate, int_gate, by_ud, by_gp, by_iret };
constexpr u32 source_count = 8;
extern const char* const source_names[source_count];
constexpr bool nests(Source s) { return s != jump_tss && s != jump_gate && s != by_iret; }
constexpr u32 ext_of(Source s) { return s == by_ud || s == by_gp ? 1 : 0; }
constexpr u32 gp_error = 0xFFF8; ///< what `by_gp` pushes on the new task's stack
/// How far the saved EIP is behind the instruction.
u32 length_of(Source s);
/// Gates, link and code for the source; the context that starts the switch at `cpl`.
Context prepare(Source s, u32 cpl, const View& a);

// tasks_switch.cpp
void switches(Report& report);
void nested(Report& report);
void trap_bit(Report& report);
void page_directory(Report& report);

// tasks_virtual.cpp
void virtual_task(Report& report);
void from_virtual(Report& report);

// tasks_io.cpp
void io_map(Report& report);
void io_map_limit(Report& report);
void debug_enables(Report& report);

// tasks_checks.cpp
void tss_descriptors(Report& report);
void task_gates(Report& report);
void interrupt_task_gates(Report& report);
void gate_selectors(Report& report);
void return_links(Report& report);
void short_tss(Report& report);
void double_fault(Report& report);

// tasks_damage.cpp
void bad_code(Report& report);
void bad_stack(Report& report);
void bad_data(Report& report);
void bad_ldt(Report& report);
void bad_selectors(Report& report);
void bad_eip(Report& report);
void plain_handlers(Report& report);

} // namespace tasks
