// Exceptions: what the processor reports when a program does what it must not.
#pragma once

#include "interrupts.hpp"
#include "tasks.hpp"

/// Ends the task if it was in ring 3; stops the machine if the kernel itself is at fault.
void handle_exception(Frame& frame);
/// Prints a report in words: what, where, and the error code bit by bit.
void explain(const FaultReport& report);
