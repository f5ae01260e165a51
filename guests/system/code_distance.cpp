// A byte written ahead of the running instruction or behind it, at every distance; instructions that lie in two pages;
// every byte of an instruction. Each piece of code runs several times with other values, so that it has been decoded
// and executed before it changes.
#include "guests/system/code.hpp"

namespace modified {

namespace {

constexpr u32 rounds = 3;

/// Where the byte that changes lies in its page: in the middle, and on both sides of an edge.
constexpr u32 places[] = {0x800, 0xFFE, 0xFFF, 0x1000, 0x1001, 0x1080};

bool left_out(Report& report, Reach reach) {
    if (reach != Reach::at_once || sees_writes_at_once()) return false;
    report.skip("without a jump, processors before the Pentium may run what they have fetched");
    return true;
}

} // namespace

// MOV [target], CL; distance - 1 bytes of NOP; MOV AL, imm8, whose immediate is the target; INT 80h.
void ahead(Report& report) {
    for (u32 r = 0; r < static_cast<u32>(Reach::count); ++r) {
        const Reach reach = static_cast<Reach>(r);
        for (const u32 place : places) {
            for (u32 distance = 1; distance <= 200; ++distance) {
                if (reach == Reach::jump && distance < 6) continue; // the jump itself takes five
                if (!report.next()) continue;
                report.describe("%u bytes ahead, target at page offset %03x, %s", distance, place & 0xFFF, name(reach));
                if (left_out(report, reach)) continue;
                const u32 target = area + place;
                Emitter e(target - distance - 6);
                const u32 begin = e.at();
                e.store_cl(target);
                if (reach == Reach::jump) e.jump(target - 1);
                e.fill(target - 1 - e.at()).bytes(0xB0, 0).end();
                for (u32 i = 1; i <= rounds; ++i) {
                    Context c = start(3, begin);
                    c.ecx = 0x10 * i + 1;
                    const Exit x = run(c);
                    report.expect_exit(x, end_vector, 0);
                    report.expect("AL", c.ecx, x.eax & 0xFF);
                }
            }
        }
    }
}

// A loop: MOV AL, imm8; ADD EBX, EAX; filler; INC ECX; MOV [the immediate], CL; DEC EDI; JNZ.
void behind(Report& report) {
    constexpr u32 iterations = 120;
    for (const u32 place : places) {
        for (u32 distance = 6; distance <= 200; ++distance) {
            if (!report.next()) continue;
            report.describe("%u bytes behind, target at page offset %03x, %u times", distance, place & 0xFFF,
                            iterations);
            const u32 target = area + place;
            Emitter e(target - 1);
            const u32 begin = e.at();
            e.bytes(0xB0, 0, 0x01, 0xC3, 0x41).fill(distance - 4); // the store begins `distance` after the target
            e.store_cl(target).bytes(0x4F).jump_if_not_zero(begin).end();
            Context c = start(3, begin);
            c.edi = iterations;
            const Exit x = run(c);
            report.expect_exit(x, end_vector, 0);
            report.expect("sum", iterations * (iterations - 1) / 2, x.ebx);
        }
    }
}

// MOV EAX, imm32 with its first bytes on one page and the rest on the next: each of its bytes changes, by a store
// before it and by a loop's store after it.
void straddling(Report& report) {
    constexpr u32 edge = area + page;
    for (u32 before = 1; before <= 5; ++before) {
        for (u32 changed = 1; changed < 5; ++changed) {
            for (u32 r = 0; r < static_cast<u32>(Reach::count); ++r) {
                const Reach reach = static_cast<Reach>(r);
                for (const u32 gap : {0u, 16u, 100u}) {
                    if (!report.next()) continue;
                    report.describe("MOV EAX, imm32 with %u bytes before the edge, byte %u changes, %u bytes away, %s",
                                    before, changed, gap, name(reach));
                    if (left_out(report, reach)) continue;
                    const u32 at = edge - before;
                    Emitter e(at - gap - 6 - (reach == Reach::jump ? 5 : 0));
                    const u32 begin = e.at();
                    e.store_cl(at + changed);
                    if (reach == Reach::jump) e.jump(at);
                    e.fill(at - e.at()).bytes(0xB8, 0, 0, 0, 0).end();
                    for (u32 i = 1; i <= rounds; ++i) {
                        Context c = start(3, begin);
                        c.ecx = 0x31 * i;
                        const Exit x = run(c);
                        report.expect_exit(x, end_vector, 0);
                        report.expect("EAX", c.ecx << (8 * (changed - 1)), x.eax);
                    }
                }
            }
            if (!report.next()) continue;
            report.describe("MOV EAX, imm32 with %u bytes before the edge in a loop that changes byte %u", before,
                            changed);
            const u32 at = edge - before;
            Emitter e(at);
            e.bytes(0xB8, 0, 0, 0, 0, 0x01, 0xC3, 0x41).store_cl(at + changed).bytes(0x4F);
            e.jump_if_not_zero(at).end();
            Context c = start(3, at);
            c.edi = 150;
            const Exit x = run(c);
            report.expect_exit(x, end_vector, 0);
            report.expect("sum", (150u * 149 / 2) << (8 * (changed - 1)), x.ebx);
        }
    }
}

namespace {

/// One instruction, one of its bytes, and what each value of the byte makes of it.
struct Variant {
    const char* name;
    u8 bytes[10];
    u8 size, changed;
    u8 values[4];
    u32 eax[4]; ///< afterwards
};
// EAX is 0x11223344, EBX points to the words below, ECX to the byte that changes (CL is the value), EDX is 2.
constexpr u32 words[] = {0x0000'0101, 0x0000'0202, 0x0000'0303, 0x0000'0404};
constexpr u32 before = 0x1122'3344;
constexpr Variant variants[] = {
    {"a prefix",
     {0x90, 0xB8, 0x78, 0x56, 0x40, 0x40},
     6,
     0,
     {0x90, 0x66, 0x2E, 0x3E},
     {0x4040'5678, 0x1122'567A, 0x4040'5678, 0x4040'5678}},
    {"an opcode", {0x01, 0xD0}, 2, 0, {0x01, 0x29, 0x31, 0x89}, {before + 2, before - 2, before ^ 2, 2}},
    {"the second opcode byte", {0x0F, 0xB6, 0xC2}, 3, 1, {0xB6, 0xB7, 0xAF, 0xBC}, {2, 2, before * 2, 1}},
    {"a register", {0x01, 0xD0}, 2, 1, {0xD0, 0xC0, 0xD8, 0xD0}, {before + 2, before * 2, 0, before + 2}},
    {"memory or register", {0x8B, 0x03, 0x90}, 3, 1, {0x03, 0xC2, 0x03, 0xC2}, {words[0], 2, words[0], 2}},
    {"an index",
     {0x8B, 0x04, 0x93},
     3,
     2,
     {0x93, 0x53, 0x13, 0x23},
     {words[2], words[1], words[0] >> 16 | words[1] << 16, words[0]}},
    {"a displacement", {0x8B, 0x43, 0x00}, 3, 2, {0, 4, 8, 12}, {words[0], words[1], words[2], words[3]}},
    {"a long displacement", {0x8B, 0x83, 0, 0, 0, 0}, 6, 2, {12, 8, 4, 0}, {words[3], words[2], words[1], words[0]}},
    {"the group's operation",
     {0x83, 0xC0, 0x04},
     3,
     1,
     {0xC0, 0xE8, 0xE0, 0xC8},
     {before + 4, before - 4, before & 4, before | 4}},
    {"a shift count", {0xC1, 0xE0, 0x00}, 3, 2, {0, 1, 4, 31}, {before, before << 1, before << 4, before << 31}},
    {"the condition", {0x75, 0x01, 0x40}, 3, 0, {0x75, 0x74, 0x72, 0x73}, {before, before + 1, before + 1, before}},
    {"the length: imm8 or imm32",
     {0x83, 0xC0, 0x01, 0x90, 0x90, 0x90},
     6,
     0,
     {0x83, 0x81, 0x83, 0x81},
     {before + 1, before + 0x9090'9001, before + 1, before + 0x9090'9001}},
};

} // namespace

void every_byte(Report& report) {
    static u32 data[4];
    for (u32 i = 0; i < 4; ++i) data[i] = words[i];
    for (const Variant& v : variants) {
        for (u32 r = 0; r < static_cast<u32>(Reach::count); ++r) {
            const Reach reach = static_cast<Reach>(r);
            for (u32 offset = 0xFF0; offset <= 0x1001; ++offset) {
                if (!report.next()) continue;
                report.describe("%s of an instruction at page offset %03x, %s, 100 times", v.name, offset & 0xFFF,
                                name(reach));
                if (left_out(report, reach)) continue;
                const u32 at = area + offset;
                Emitter e(at - 6 - 4 - (reach == Reach::jump ? 5 : 0));
                const u32 begin = e.at();
                // TEST EDX, EDX; the byte is the value; nothing touches the flags until the instruction.
                e.bytes(0x85, 0xD2).store_cl(at + v.changed);
                if (reach == Reach::jump) e.jump(at);
                e.fill(at - e.at());
                for (u32 i = 0; i < v.size; ++i) e.bytes(v.bytes[i]);
                e.end();
                for (u32 i = 0; i < 100; ++i) {
                    Context c = start(3, begin);
                    c.eax = before;
                    c.ebx = v.changed == 1 && v.values[2] == 0xD8 ? 0 - before : reinterpret_cast<u32>(data);
                    c.ecx = v.values[i & 3];
                    c.edx = 2;
                    const Exit x = run(c);
                    report.expect_exit(x, end_vector, 0);
                    report.expect("EAX", v.eax[i & 3], x.eax);
                }
            }
        }
    }
}

} // namespace modified
