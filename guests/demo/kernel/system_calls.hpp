// What a program in ring 3 can ask the kernel for: INT 80h with the call's number in EAX and an argument in EBX.
#pragma once

#include "interrupts.hpp"

void system_call(Frame& frame);
