// The forms of group `segments` that are not in segments.cpp.
#pragma once

#include "guests/system/system.hpp"

namespace segments {

enum Register : u32 { ES, CS, SS, DS, FS, GS };
constexpr const char* register_names[] = {"ES", "CS", "SS", "DS", "FS", "GS"};
constexpr u8 override_prefixes[] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65};
template <class C> auto& register_of(C& context, u32 reg) {
    switch (reg) {
    case ES: return context.es;
    case CS: return context.cs;
    case SS: return context.ss;
    case DS: return context.ds;
    case FS: return context.fs;
    default: return context.gs;
    }
}

struct Limit {
    u32 raw;
    bool granular;
    u32 bytes() const { return granular ? raw << 12 | 0xFFF : raw; }
};

// segments_system.cpp
void lldt(Report& report);
void ltr(Report& report);
void table_selectors(Report& report);
void lar(Report& report);
void lar16(Report& report);
void lsl(Report& report);
void lsl16(Report& report);
void verr(Report& report);
void verw(Report& report);
void arpl(Report& report);
void only_protected(Report& report);

// segments_limits.cpp
void limits_ds(Report& report);
void limits_es(Report& report);
void limits_fs(Report& report);
void limits_gs(Report& report);
void limits_ss(Report& report);
void limits_cs(Report& report);
void null_access(Report& report);
void stack_limits(Report& report);
void fetch_limit(Report& report);
void jump_limit(Report& report);

// segments_cached.cpp
void cached(Report& report);
void conforming_level(Report& report);

// segments_sizes.cpp
void operand_sizes(Report& report);

} // namespace segments
