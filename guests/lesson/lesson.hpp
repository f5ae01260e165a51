// What the parts of the lesson kernel share: the screen, the ports, and the bug that it was asked to have.
#pragma once

using u8 = unsigned char;
using u16 = unsigned short;
using u32 = unsigned int;

/// The bugs that this kernel can have: none unless its command line says "bug=NAME". Each is one wrong line.
struct Bugs {
    bool overrun; ///< journal.cpp: one character too many
    bool gate;    ///< interrupts.cpp: gates with the selector of a data segment
    bool tlb;     ///< paging.cpp: a page is mapped elsewhere, and the processor is not told
    bool eoi;     ///< timer.cpp: an interrupt that is never ended
};
extern Bugs bugs;

// screen.cpp
void clear_screen();
void print(const char* text);
void print_number(unsigned number);
[[noreturn]] void panic(const char* why);

// journal.cpp
void note(const char* text);
unsigned notes();
void print_journal();

// interrupts.cpp
void set_up_segments();
void set_up_interrupts();
void end_interrupt();
extern unsigned system_calls;

// paging.cpp
void set_up_paging();
void show_in_window(u32 frame);
u32* window();

// timer.cpp
void start_timer(unsigned hertz);
extern volatile unsigned ticks;

inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
inline void out16(u16 port, u16 value) { asm volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
inline u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
