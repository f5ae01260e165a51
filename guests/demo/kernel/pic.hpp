// The two 8259 interrupt controllers of a PC.
#pragma once

#include "types.hpp"

void pic_start();
void allow_irq(u32 irq);
/// False for a spurious interrupt: a line that went away before the processor asked for its number.
bool begin_irq(u32 irq);
void end_irq(u32 irq);
