// The forms of group `segments` that are not in segments.cpp.
#pragma once

#include "guests/system/system.hpp"

namespace segments {

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
