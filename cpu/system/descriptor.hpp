// Descriptors as they lie in memory (SDM 3A 3.4.5, 3.5, 5.8.3) and the way from a selector to one of them. Every check
// that fails raises the exception that the caller names, with the selector as its error code.
#pragma once

#include "cpu/state.hpp"

namespace glassbox {

/// The exception that a bad selector raises, and the EXT bit of its error code (SDM 3A 6.13).
struct Blame {
    Exception exception = Exception::GP;
    u32 ext = 0;
    u32 error(u16 selector) const { return (selector & 0xFFFCu) | ext; }
    bool raise(Cpu& cpu, u16 selector, const char* why) const { return cpu.raise(exception, error(selector), why); }
    bool raise(Cpu& cpu, Exception e, u16 selector, const char* why) const {
        return cpu.raise(e, error(selector), why);
    }
};

/// Types of system descriptors (SDM 3A, table 3-2). In long mode only `ldt` and the 32-bit types exist but for the task
/// gate, and mean their 64-bit forms, 16 bytes long.
enum class SystemType : u8 {
    tss16 = 1,
    ldt = 2,
    tss16_busy = 3,
    call_gate16 = 4,
    task_gate = 5,
    interrupt_gate16 = 6,
    trap_gate16 = 7,
    tss32 = 9,
    tss32_busy = 11,
    call_gate32 = 12,
    interrupt_gate32 = 14,
    trap_gate32 = 15,
};

struct Descriptor {
    u64 raw = 0;
    u64 high = 0; ///< the upper half of a 16-byte one (SDM 3A, figures 3-24, 5-9, 6-8, 7-4), else 0

    unsigned type() const { return static_cast<unsigned>(raw >> 40) & 0xF; }
    SystemType system_type() const { return static_cast<SystemType>(type()); }
    bool is_system() const { return (raw >> 44 & 1) == 0; }
    bool is_system(SystemType t) const { return is_system() && system_type() == t; }
    unsigned dpl() const { return static_cast<unsigned>(raw >> 45) & 3; }
    bool present() const { return (raw >> 47 & 1) != 0; }
    bool is_code() const { return !is_system() && (type() & Segment::code) != 0; }
    bool is_data() const { return !is_system() && (type() & Segment::code) == 0; }
    bool conforming() const { return (type() & Segment::conforming) != 0; }
    bool writable_data() const { return is_data() && (type() & Segment::writable) != 0; }
    bool readable() const { return is_data() || (is_code() && (type() & Segment::readable) != 0); }
    bool accessed() const { return (raw >> 40 & 1) != 0; }
    bool is_available_tss() const { return is_system(SystemType::tss16) || is_system(SystemType::tss32); }
    bool is_busy_tss() const { return is_system(SystemType::tss16_busy) || is_system(SystemType::tss32_busy); }

    bool is_long_code() const { return is_code() && (raw >> 53 & 1) != 0; } ///< L: counts in long mode only
    bool default_32() const { return (raw >> 54 & 1) != 0; }

    u64 base() const { return (raw >> 16 & 0xFF'FFFF) | (raw >> 56 << 24) | (high << 32); }
    u32 limit() const {
        const u32 l = static_cast<u32>((raw & 0xFFFF) | (raw >> 32 & 0xF'0000));
        return (raw >> 55 & 1) ? (l << 12) | 0xFFF : l;
    }
    u32 access() const { return static_cast<u32>(raw >> 40) & 0xF0FF; }
    /// Bits 8-23 of the second doubleword as LAR returns them.
    u32 rights() const { return static_cast<u32>(raw >> 32) & 0x00FF'FF00; }

    // gates
    u16 gate_selector() const { return static_cast<u16>(raw >> 16); }
    unsigned gate_parameters() const { return static_cast<unsigned>(raw >> 32) & 0x1F; }
    bool gate_is_32() const { return (type() & 8) != 0; }
    u64 gate_offset() const {
        const u64 low = raw & 0xFFFF;
        return gate_is_32() ? low | (raw >> 48 << 16) | (high << 32) : low;
    }
    unsigned gate_ist() const { return static_cast<unsigned>(raw >> 32) & 7; }

    /// A segment register's contents, ranges computed for protected mode.
    Segment segment(u16 selector) const;
};

inline bool is_null(u16 selector) { return (selector & 0xFFFC) == 0; }

/// The linear address of a selector's descriptor; false when it lies outside its table (nothing raised).
bool descriptor_address(const Cpu& cpu, u16 selector, u64& linear);
/// Reads the descriptor at `linear` as this processor sees it.
bool read_descriptor(Cpu& cpu, u64 linear, Descriptor& out);
/// Reads a descriptor; outside the table is `blame`'s exception. Null selectors are the caller's business.
bool fetch_descriptor(Cpu& cpu, u16 selector, Blame blame, Descriptor& out);
/// Long mode: reads the upper half of a 16-byte system descriptor, whose type bits must be zero.
bool fetch_upper_half(Cpu& cpu, u16 selector, Blame blame, Descriptor& d);
/// What long mode asks of a code segment besides: not both L and D (SDM 3A 3.4.5).
inline bool valid_code_size(const Cpu& cpu, const Descriptor& d) {
    return !cpu.long_mode() || !d.is_long_code() || !d.default_32();
}
/// Sets the accessed bit in memory and in `d` when it is not set yet (SDM 3A 3.4.5.1).
bool set_accessed(Cpu& cpu, u16 selector, Descriptor& d);

} // namespace glassbox
