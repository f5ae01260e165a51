// RET far: to the same and to outer levels (SDM 2B, RET).
#include "guests/system/returns.hpp"

namespace gates {

namespace {

const void* return_code(bool wide, u32 release) {
    const u8 bytes[] = {0x66, 0xCA, static_cast<u8>(release), static_cast<u8>(release >> 8)};
    const u8 plain[] = {0x66, 0xCB};
    if (release) return wide ? code(bytes + 1, 3) : code(bytes, 4);
    return wide ? code(plain + 1, 1) : code(plain, 2);
}

constexpr returns::Instruction far_ret{"RETF", 2, return_code};

} // namespace

void far_return(Report& report) { returns::code_segments(report, far_ret, true); }
void far_return16(Report& report) { returns::code_segments(report, far_ret, false); }
void far_return_stack(Report& report) { returns::stack_segments(report, far_ret); }
void far_return_selectors(Report& report) { returns::selectors(report, far_ret); }
void far_return_segments(Report& report) { returns::data_segments(report, far_ret); }
void far_return_limits(Report& report) { returns::limits(report, far_ret); }

/// RETF n releases bytes on both stacks.
void far_return_release(Report& report) {
    put_target();
    for (const bool wide : {false, true}) {
        for (const u32 release : {1u, 2u, 4u, 8u, 0x20u, 0x7Cu, 0x3F0u}) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                for (u32 rpl = cpl; rpl < 4; ++rpl) {
                    if (!report.next()) continue;
                    report.describe("RETF %u of %u bits from %u to %u", release, wide ? 32u : 16u, cpl, rpl);
                    gdt[target_selector / 8] = target_descriptor(code_type, rpl);
                    returns::check(report, {far_ret, wide, cpl, target_selector | rpl, flat_data(rpl), release}, none);
                }
            }
        }
    }
}

} // namespace gates
