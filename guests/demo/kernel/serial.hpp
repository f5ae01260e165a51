// The first serial port, a 16550 UART at 3F8h.
#pragma once

#include "types.hpp"

void serial_start();
void serial_write(u8 byte);
/// Called by interrupt 4: fetches what has arrived.
void serial_interrupt();
