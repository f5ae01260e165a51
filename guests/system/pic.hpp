// The chips of a PC as the forms reach them: the 8259A pair in a known state, and interrupt lines that can be driven at
// will: IRQ 0 by counter 0 of the 8254, 1 and 12 by the keyboard controller, 4 by the UART, 8 by the clock.
#pragma once

#include "guests/system/system.hpp"

namespace chips {

constexpr u8 master_base = 0x20, slave_base = 0x28;
constexpr u16 commands[] = {0x20, 0xA0}, masks[] = {0x21, 0xA1}, elcr[] = {0x4D0, 0x4D1};

/// Initialises both: edges, bases above, cascade on IR2, 8086 mode with `icw4`'s other bits; all lines low, all inputs
/// masked but the cascade; the local APIC, if there is one, passes the pair's INTR.
void start_pics(u8 master_icw4 = 1, u8 slave_icw4 = 1);
/// All lines low, all inputs masked.
void stop_pics();
void unmask(unsigned irq);
u8 irr(unsigned chip);
u8 isr(unsigned chip);
/// OCW3 poll command, and the byte it gives: 80h + level, or 0.
u8 poll(unsigned chip);

/// Drives a line: 0, 1, 4, 8 or 12. A rise ends when the line is high.
void raise(unsigned irq);
void lower(unsigned irq);
/// IRQ of a poll's byte, or none.
constexpr u32 none = 0xFF;

/// What interrupt, if any, comes when interrupts are on for a few instructions: its vector, or end_vector.
Exit accept();

/// The local APIC's registers and the I/O APIC's.
inline volatile u32& local(u32 offset) { return *reinterpret_cast<volatile u32*>(0xFEE0'0000 + offset); }
u32 io_apic(u32 index);
void io_apic(u32 index, u32 value);
/// Software-enabled, LINT0 for the 8259s, LINT1 NMI, everything else masked, nothing pending or in service.
void start_apic();

/// Pulses of the 8254's clock go by: measured with counter 2, whose gate and speaker stay as they are.
void wait_pulses(u32 pulses);

} // namespace chips

namespace pic {
void vectors(Report& report);
void initialisation(Report& report);
void masking(Report& report);
void priorities(Report& report);
void nesting(Report& report);
void ends(Report& report);
void automatic_end(Report& report);
void special_mask(Report& report);
void cascade(Report& report);
void triggers(Report& report);
void trigger_registers(Report& report);
void polling(Report& report);
} // namespace pic
