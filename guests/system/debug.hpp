// Debug registers for the forms about debug exceptions (SDM 3B chapter 17).
#pragma once

#include "guests/system/system.hpp"

namespace debug {

constexpr u32 tf = 0x100, interrupts = 0x200, rf = 0x1'0000, nt = 0x4000;
constexpr u32 bd = 0x2000, bs = 0x4000, bt = 0x8000; // DR6, beside B0-B3
constexpr u32 dr6_fixed = 0xFFFF'0FF0, ge = 0x200, le = 0x100, gd = 0x2000;
constexpr u32 cr4_de = 8;
enum class On : u32 { execute, write, port, access };
constexpr u16 spare = first_free;

inline u32 address(const void* p) { return reinterpret_cast<u32>(p); }
/// DR7's bits for breakpoint n: length 1, 2 or 4; enabled by L, G or both.
constexpr u32 breakpoint(unsigned n, On on, unsigned length, bool local = true, bool global = false) {
    return (local ? 1u << 2 * n : 0) | (global ? 2u << 2 * n : 0) | static_cast<u32>(on) << (16 + 4 * n) |
           (length - 1) << (18 + 4 * n);
}
void set_address(unsigned n, u32 address);
/// What the debug registers said when the context had ended; they are off again.
struct Debugged : Exit {
    u32 dr6 = 0, dr7 = 0;
    u32 hits() const { return dr6 & (15 | bd | bs | bt); }
};
/// Runs with DR7 as given and DR6 clear.
Debugged run_with(const Context& context, u32 dr7);
/// A #DB with these bits of DR6 and this EIP.
void expect_debug(Report& report, const Debugged& e, u32 hits, u32 eip);

void data(Report& report);
void data_instructions(Report& report);
void data_page_edge(Report& report);
void code_breakpoints(Report& report);
void resume_flag(Report& report);
void ports(Report& report);
void registers(Report& report);
void general_detect(Report& report);
void enables(Report& report);
void single_step(Report& report);
void step_gates(Report& report);
void shadows(Report& report);
void interrupt_shadows(Report& report);
void halts(Report& report);
void combined(Report& report);
void priorities(Report& report);
void task_trap(Report& report);
void virtual_8086_mode(Report& report);
void linear_addresses(Report& report);
void in_flight(Report& report);
void string_elements(Report& report);

} // namespace debug
