// The contract between the user program and the kernel: INT 80h, the number in EAX, the argument in EBX.
#pragma once

enum class SystemCall : unsigned {
    exit = 0,  ///< ends the task
    sleep = 1, ///< argument: ticks
    show = 2,  ///< argument: address of a text for the task's place on the status line
    clock = 3, ///< returns the ticks since the kernel started
};
