// The instructions that C++ has no words for: port I/O and control of the processor.
#pragma once

#include "types.hpp"

inline void out8(u16 port, u8 value) { asm volatile("outb %0, %1" : : "a"(value), "Nd"(port)); }
inline void out16(u16 port, u16 value) { asm volatile("outw %0, %1" : : "a"(value), "Nd"(port)); }
inline void out32(u16 port, u32 value) { asm volatile("outl %0, %1" : : "a"(value), "Nd"(port)); }
inline u8 in8(u16 port) {
    u8 value;
    asm volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u16 in16(u16 port) {
    u16 value;
    asm volatile("inw %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
inline u32 in32(u16 port) {
    u32 value;
    asm volatile("inl %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

inline void interrupts_off() { asm volatile("cli" : : : "memory"); }
inline void interrupts_on() { asm volatile("sti" : : : "memory"); }
inline void halt() { asm volatile("hlt" : : : "memory"); }

inline u32 eflags() {
    u32 value;
    asm volatile("pushfl; popl %0" : "=r"(value));
    return value;
}
inline void set_eflags(u32 value) { asm volatile("pushl %0; popfl" : : "r"(value) : "memory", "cc"); }
inline u32 read_cr2() {
    u32 value;
    asm volatile("movl %%cr2, %0" : "=r"(value));
    return value;
}
inline u32 read_cr3() {
    u32 value;
    asm volatile("movl %%cr3, %0" : "=r"(value));
    return value;
}
inline void write_cr3(u32 value) { asm volatile("movl %0, %%cr3" : : "r"(value) : "memory"); }
inline u32 read_cr0() {
    u32 value;
    asm volatile("movl %%cr0, %0" : "=r"(value));
    return value;
}
inline void write_cr0(u32 value) { asm volatile("movl %0, %%cr0" : : "r"(value) : "memory"); }

/// Interrupts are off while one of these lives, and as before afterwards.
class NoInterrupts {
  public:
    NoInterrupts() : before_(eflags()) { interrupts_off(); }
    ~NoInterrupts() {
        if (before_ & 0x200) interrupts_on();
    }
    NoInterrupts(const NoInterrupts&) = delete;
    NoInterrupts& operator=(const NoInterrupts&) = delete;

  private:
    u32 before_;
};
