// What the forms of group `iret` share: frames, and which flags the processor has.
#pragma once

#include "guests/system/gates.hpp"

namespace iret {

using gates::put_slot;

/// IRETD, or IRET of 16 bits; then what no return should reach.
inline const void* iret_code(bool wide) {
    const u8 bytes[] = {0x66, 0xCF, 0x0F, 0x0B};
    return wide ? code(bytes + 1, 3) : code(bytes, 4);
}

/// Bits of EFLAGS that this processor has: AC and ID come with the 486, VIF and VIP with VME.
inline u32 existing_flags() {
    const bool vme = features().edx & 2;
    return ~((features().cpuid ? 0 : flag_ac | flag_id) | (vme ? 0 : flag_vif | flag_vip));
}
constexpr u32 cr4_vme = 1, cr4_pvi = 2;
inline bool has_vme() { return features().edx & 2; }

/// Flags that POPF and IRET may change whatever the level.
constexpr u32 always_loaded = 0xD5 | flag_of | flag_df | flag_tf | flag_nt;

constexpr u32 virtual_code = 0x7000, virtual_stack = 0x8000, virtual_sp = 0x100;
/// Virtual-8086 mode at the bytes given; UD2 behind them ends it whatever IOPL is.
inline Context virtual_context(const u8* bytes, u32 size, u32 eflags) {
    memcpy(reinterpret_cast<void*>(virtual_code), bytes, size);
    word(virtual_code + size) = 0x0B0F;
    Context c = virtual_8086(virtual_code, virtual_stack);
    c.esp = virtual_sp;
    c.eflags = eflags | flag_vm | 2;
    return c;
}

// iret_protected.cpp
void code_segments(Report& report);
void code_segments16(Report& report);
void stack_segments(Report& report);
void selectors(Report& report);
void data_segments(Report& report);
void limits(Report& report);

// iret_flags.cpp
void flags(Report& report);
void to_virtual(Report& report);
void to_virtual_limits(Report& report);
void from_virtual(Report& report);

// iret_popf.cpp
void popf(Report& report);
void popf_virtual(Report& report);
void pushf(Report& report);
void cli_sti(Report& report);

} // namespace iret
