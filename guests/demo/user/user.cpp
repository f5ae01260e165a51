// The program that runs in ring 3. It can compute, use its own memory, and ask the kernel; nothing else. Every task
// runs a copy of its own: `counter` below has the same address in all of them, and still each has its own value.
#include "jobs.hpp"
#include "system_call_numbers.hpp"

namespace {

unsigned counter;

unsigned ask_kernel(SystemCall call, unsigned argument = 0) {
    unsigned result;
    asm volatile("int $0x80" : "=a"(result) : "a"(static_cast<unsigned>(call)), "b"(argument) : "memory");
    return result;
}

/// A line of text that numbers can be added to.
struct Line {
    char text[24];
    unsigned used;

    explicit Line(const char* start) : used(0) {
        while (*start != 0) add(*start++);
    }
    void add(char c) {
        if (used + 1 < sizeof(text)) text[used++] = c;
        text[used] = 0;
    }
    void add(unsigned number) {
        if (number >= 10) add(number / 10);
        add(static_cast<char>('0' + number % 10));
    }
    void show() const { ask_kernel(SystemCall::show, reinterpret_cast<unsigned>(text)); }
};

[[noreturn]] void spin() {
    constexpr char wheel[] = "|/-\\";
    for (;;) {
        Line line(" spinner    ");
        line.add(wheel[counter++ % 4]);
        line.show();
        ask_kernel(SystemCall::sleep, 10);
    }
}

[[noreturn]] void count() {
    for (;;) {
        Line line(" counter ");
        line.add(++counter);
        line.show();
        ask_kernel(SystemCall::sleep, 2);
    }
}

bool is_prime(unsigned n) {
    for (unsigned divisor = 3; divisor <= n / divisor; divisor += 2)
        if (n % divisor == 0) return false;
    return true;
}

/// Computes for three ticks on end: the timer has to take the processor away from it.
[[noreturn]] void find_primes() {
    unsigned n = 100'001;
    for (;;) {
        const unsigned start = ask_kernel(SystemCall::clock);
        while (ask_kernel(SystemCall::clock) - start < 3) {
            for (unsigned i = 0; i < 200; ++i, n += 2)
                if (is_prime(n)) ++counter;
        }
        Line line(" primes ");
        line.add(counter);
        line.show();
        ask_kernel(SystemCall::sleep, 12);
    }
}

void write_nowhere() { *reinterpret_cast<volatile unsigned*>(0xDEAD0000) = 1; }
void read_kernel() { (void)*reinterpret_cast<volatile unsigned*>(0x00100000); }
void stop_interrupts() { asm volatile("cli"); }

} // namespace

extern "C" __attribute__((section(".text.entry"))) void user_entry(unsigned job) {
    switch (job) {
    case job_spinner: spin();
    case job_counter: count();
    case job_primes: find_primes();
    case job_write_nowhere: write_nowhere(); break;
    case job_read_kernel: read_kernel(); break;
    case job_stop_interrupts: stop_interrupts(); break;
    default: break;
    }
    ask_kernel(SystemCall::exit);
    for (;;) {
    }
}
