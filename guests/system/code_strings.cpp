// String instructions that write over the code around them and over themselves.
//
// A repeated string instruction can be interrupted between its iterations (SDM 2, REP), so one that overwrites itself
// may either go on to its end or be fetched anew; both are taken, as long as registers, memory and what runs agree.
#include "guests/system/code.hpp"

namespace modified {

namespace {

constexpr u8 increment = 0x40, decrement = 0x48; // INC EAX, DEC EAX

struct Instruction {
    const char* name;
    u8 bytes[3];
    u8 size, width;
    bool copies;
};
constexpr Instruction instructions[] = {
    {"REP STOSB", {0xF3, 0xAA}, 2, 1, false},      {"REP STOSW", {0xF3, 0x66, 0xAB}, 3, 2, false},
    {"REP STOSD", {0xF3, 0xAB}, 2, 4, false},      {"REP MOVSB", {0xF3, 0xA4}, 2, 1, true},
    {"REP MOVSW", {0xF3, 0x66, 0xA5}, 3, 2, true}, {"REP MOVSD", {0xF3, 0xA5}, 2, 4, true},
};

/// What remains of the instruction when its first bytes have become NOPs may be a string instruction still, which then
/// runs once: how far it goes. `written`: bytes from `begin`, negative when it goes down.
u32 what_is_left(const Instruction& in, u32 at, u32 written, u32 begin) {
    const bool down = static_cast<i32>(written) < 0;
    const u32 low = down ? begin + written : begin, high = down ? begin : begin + written;
    const auto overwritten = [&](u32 a) { return a >= low && a < high; };
    if (overwritten(at + in.size - 1) || !overwritten(at)) return 0;
    if (in.width == 1) return 1;
    return in.size == 3 && !overwritten(at + 1) ? 2 : 4;
}

} // namespace

// The instruction lies in the middle of what it fills with NOPs; INT 80h follows. Up and down, from several bytes away.
void string_over_itself(Report& report) {
    static u8 nops[256];
    memset(nops, Emitter::nop, sizeof nops);
    for (const Instruction& in : instructions) {
        for (const u32 place : {0x800u, 0xFFEu, 0xFFFu, 0x1000u}) {
            for (u32 lead = 0; lead <= 64; lead += 4) {
                for (u32 down = 0; down < 2; ++down) {
                    if (!report.next()) continue;
                    report.describe("%s at page offset %03x, begins %u bytes away, goes %s", in.name, place & 0xFFF,
                                    lead, down ? "down" : "up");
                    constexpr u32 length = 96;
                    const u32 at = area + place;
                    const u32 low = down ? at + 8 + lead - length : at - lead;
                    Emitter e(low);
                    e.fill(at - low).bytes(in.bytes[0], in.bytes[1]);
                    if (in.size == 3) e.bytes(in.bytes[2]);
                    e.fill(low + length - e.at(), increment).end();
                    Context c = start(3, at);
                    c.eax = 0x9090'9090;
                    c.ecx = length / in.width;
                    c.edi = down ? low + length - in.width : low;
                    c.esi = reinterpret_cast<u32>(nops) + (down ? length - in.width : 0);
                    c.eflags |= down ? 0x400 : 0;
                    const Exit x = run(c);
                    report.expect_exit(x, end_vector, 0);
                    const u32 done = length / in.width - x.ecx;
                    u32 changed = 0;
                    bool own = false;
                    for (u32 i = 0; i < length; ++i) changed += byte_at(low + i) == Emitter::nop;
                    for (u32 i = 0; i < in.size; ++i) own = own || byte_at(at + i) == Emitter::nop;
                    const u32 step = down ? 0 - in.width : in.width;
                    const u32 rest = what_is_left(in, at, done * step, down ? low + length : low);
                    const u32 moved = done * step + (down ? 0 - rest : rest);
                    report.expect("EDI", c.edi + moved, x.edi);
                    if (in.copies) report.expect("ESI", c.esi + moved, x.esi);
                    report.require("it has overwritten itself", own);
                    // Increments that are left between it and the end have run; overwritten ones have not.
                    u32 increments = 0;
                    for (u32 i = at; i < low + length; ++i) increments += byte_at(i) == increment;
                    report.expect("EAX", c.eax + increments, x.eax);
                    if (x.ecx == 0 && !down && lead >= in.width) report.expect("bytes", length, changed);
                }
            }
        }
    }
}

// It fills or copies over what follows: what runs then is what it has written. Warm: the same code, again and again,
// with other contents.
void string_over_code(Report& report) {
    static u8 source[512];
    constexpr u32 length = 128;
    for (const Instruction& in : instructions) {
        for (u32 r = 0; r < static_cast<u32>(Reach::count); ++r) {
            const Reach reach = static_cast<Reach>(r);
            for (const u32 place : {0x400u, 0xF70u, 0xF81u, 0xFC0u, 0xFF9u, 0xFFDu, 0xFFEu, 0xFFFu}) {
                for (const u32 gap : {0u, 1u, 7u, 64u}) {
                    for (u32 down = 0; down < 2; ++down) {
                        if (!report.next()) continue;
                        report.describe("%s at page offset %03x over the code %u bytes ahead, %s, %s", in.name, place,
                                        gap, down ? "down" : "up", name(reach));
                        if (reach == Reach::at_once && !sees_writes_at_once()) {
                            report.skip("without a jump, processors before the Pentium may run what they have fetched");
                            continue;
                        }
                        const u32 at = area + place;
                        Emitter e(at);
                        e.bytes(in.bytes[0], in.bytes[1]);
                        if (in.size == 3) e.bytes(in.bytes[2]);
                        e.bytes(0xB8).word(0); // MOV EAX, 0
                        if (reach == Reach::jump) e.jump(e.at() + 5);
                        e.fill(gap);
                        const u32 target = e.at();
                        e.fill(length).end();
                        for (u32 round = 0; round < 8; ++round) {
                            const u32 ups = in.copies ? 16 * round + 3 : round & 1 ? 0 : length;
                            for (u32 i = 0; i < length; ++i) source[i] = i < ups ? increment : decrement;
                            Context c = start(3, at);
                            c.ecx = length / in.width;
                            c.eax = 0x0101'0101 * (ups == 0 ? decrement : increment);
                            c.edi = target + (down ? length - in.width : 0);
                            c.esi = reinterpret_cast<u32>(source) + (down ? length - in.width : 0);
                            c.eflags |= down ? 0x400 : 0;
                            const Exit x = run(c);
                            report.expect_exit(x, end_vector, 0);
                            report.expect("EAX", 2 * ups - length, x.eax);
                            report.expect("ECX", 0, x.ecx);
                        }
                    }
                }
            }
        }
    }
}

} // namespace modified
