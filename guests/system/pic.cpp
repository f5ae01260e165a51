// The 8259A pair as an operating system's driver sees it (Intel 8259A data sheet; 82371SB data sheet 2.5, 3.7).
#include "guests/system/pic.hpp"

namespace {

constexpr Form forms[] = {
    {"pic/vectors", "8259A, ICW2", pic::vectors},
    {"pic/initialisation", "8259A, Initialization Command Words", pic::initialisation},
    {"pic/masking", "8259A, OCW1", pic::masking},
    {"pic/priorities", "8259A, Specific Rotation", pic::priorities},
    {"pic/nesting", "8259A, Fully Nested Mode", pic::nesting},
    {"pic/ends", "8259A, End of Interrupt; OCW2", pic::ends},
    {"pic/automatic-end", "8259A, Automatic End of Interrupt Mode", pic::automatic_end},
    {"pic/special-mask", "8259A, Special Mask Mode", pic::special_mask},
    {"pic/cascade", "8259A, Cascade Mode; Special Fully Nested Mode", pic::cascade},
    {"pic/triggers", "8259A, Edge and Level Triggered Modes", pic::triggers},
    {"pic/trigger-registers", "82371SB 2.5.9", pic::trigger_registers},
    {"pic/polling", "8259A, Poll Command; Reading the 8259A Status", pic::polling},
};

} // namespace

Group pic_forms() { return group(forms); }
