// What the user program can do; the kernel passes one of these numbers to each task.
#pragma once

enum Job : unsigned {
    job_spinner,         ///< turns a wheel on the status line
    job_counter,         ///< counts in a variable that has the same address in every task
    job_primes,          ///< looks for primes, in bursts that are longer than a turn
    job_write_nowhere,   ///< writes where no page is: a page fault
    job_read_kernel,     ///< reads the kernel's memory: a page fault of the other kind
    job_stop_interrupts, ///< uses an instruction of ring 0: a general-protection fault
};
