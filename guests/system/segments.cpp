// Loading segment registers: every descriptor type, privilege and presence, as MOV and POP check them (SDM 2, MOV;
// SDM 3A, 5.4-5.7).
#include "guests/system/system.hpp"

namespace {

constexpr u8 mov_ds_ax[] = {0x8E, 0xD8, 0xCD, 0x80};

void load_ds(Report& report) {
    const void* load = code(mov_ds_ax);
    for (u32 type = 0; type < 32; ++type) {
        for (u32 dpl = 0; dpl < 4; ++dpl) {
            for (u32 rpl = 0; rpl < 4; ++rpl) {
                for (u32 cpl = 0; cpl < 4; ++cpl) {
                    if (!report.next()) continue;
                    report.describe("MOV DS, type %02x DPL %u RPL %u CPL %u", type, dpl, rpl, cpl);
                    gdt[first_free / 8] = descriptor(0, 0xFFFFF, type, dpl);
                    Context c = ring(cpl, load);
                    c.eax = first_free | rpl;
                    const bool data = (type & 0x18) == 0x10, readable_code = (type & 0x1A) == 0x1A;
                    const bool conforming = readable_code && (type & 4);
                    const bool ok = (data || readable_code) && (conforming || (dpl >= rpl && dpl >= cpl));
                    const Exit e = run(c);
                    report.expect_exit(e, ok ? end_vector : 13, ok ? 0 : first_free);
                    if (ok) report.expect("DS", first_free | rpl, e.ds);
                }
            }
        }
    }
}

constexpr Form forms[] = {{"segments/mov-ds", "SDM 2 MOV", load_ds}};

} // namespace

Group segment_forms() { return group(forms); }
