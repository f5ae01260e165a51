// IRET to the same and to outer levels (SDM 2A, IRET: "protected-mode return").
#include "guests/system/iret.hpp"
#include "guests/system/returns.hpp"

namespace iret {

namespace {
constexpr returns::Instruction instruction{"IRET", 3, [](bool wide, u32) { return iret_code(wide); }};
} // namespace

void code_segments(Report& report) { returns::code_segments(report, instruction, true); }
void code_segments16(Report& report) { returns::code_segments(report, instruction, false); }
void stack_segments(Report& report) { returns::stack_segments(report, instruction); }
void selectors(Report& report) { returns::selectors(report, instruction); }
void data_segments(Report& report) { returns::data_segments(report, instruction); }
void limits(Report& report) { returns::limits(report, instruction); }

} // namespace iret
