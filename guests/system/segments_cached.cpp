// What segment registers hold beside the selector: the descriptor as it was when it was loaded (SDM 3A, 3.4.3); and the
// CPL of code that runs in a conforming segment, which is not the segment's DPL (5.8.1.2).
#include "guests/system/privilege.hpp"
#include "guests/system/segments.hpp"

namespace segments {

namespace {

constexpr u32 base = arena_begin + 0x20'0000, offset = 0x34;

/// MOV Sreg, AX; the entry of the GDT is cleared; MOV CL, Sreg:[EBX]; MOV Sreg, AX again, which finds nothing.
const void* reloading_code(u32 reg) {
    const u8 other = static_cast<u8>(reg == 0 ? 0x3E : 0x26); // DS or ES: flat
    u8 bytes[40];
    u32 n = 0;
    bytes[n++] = 0x8E;
    bytes[n++] = static_cast<u8>(0xC0 | reg << 3);
    for (u32 half = 0; half < 2; ++half) {
        bytes[n++] = other;
        bytes[n++] = 0xC7;
        bytes[n++] = 0x05;
        const u32 entry = address(gdt) + first_free + 4 * half;
        memcpy(bytes + n, &entry, 4);
        n += 4;
        memset(bytes + n, 0, 4);
        n += 4;
    }
    bytes[n++] = override_prefixes[reg];
    bytes[n++] = 0x8A;
    bytes[n++] = 0x0B;
    bytes[n++] = 0x8E;
    bytes[n++] = static_cast<u8>(0xC0 | reg << 3);
    return code(bytes, n);
}

} // namespace

void cached(Report& report) {
    for (const u32 reg : {0u, 3u, 4u, 5u}) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            if (!report.next()) continue;
            report.describe("segment register %u after its descriptor is gone, CPL %u", reg, cpl);
            gdt[first_free / 8] = descriptor(base, offset, data_type, 3);
            byte(base + offset) = 0x9C;
            byte(offset) = 0;
            Context c = ring(cpl, reloading_code(reg));
            c.eax = first_free;
            c.ebx = offset;
            const Exit e = run(c);
            report.expect_exit(e, gp_vector, first_free);
            report.expect("CL", 0x9C, e.ecx);
            report.expect("EIP", c.eip + 2 + 2 * 11 + 3, e.eip);
        }
    }
    reset_tables();
}

/// Loads of DS and SS, CLI and a far JMP from conforming code of level 0 at every CPL.
void conforming_level(Report& report) {
    constexpr u16 conforming = first_free + 8;
    constexpr u32 pointer_at = arena_begin;
    const struct {
        const char* name;
        u8 bytes[2];
        u32 length;
    } instructions[] = {{"MOV DS", {0x8E, 0xD8}, 2},  {"MOV SS", {0x8E, 0xD0}, 2},   {"CLI", {0xFA}, 1},
                        {"far JMP", {0xFF, 0x2B}, 2}, {"far CALL", {0xFF, 0x1B}, 2}, {"HLT", {0xF4}, 1}};
    for (const auto& instruction : instructions) {
        u8 bytes[4];
        memcpy(bytes, instruction.bytes, 2);
        bytes[instruction.length] = 0xCD;
        bytes[instruction.length + 1] = end_vector;
        const void* at = code(bytes, instruction.length + 2);
        for (u32 i = 0; i < 3 * 4 * 4; ++i) {
            if (!report.next()) continue;
            const u32 cpl = 1 + i % 3, dpl = i / 3 & 3, rpl = i / 12; // RPL is IOPL for CLI
            report.describe("%s at CPL %u in conforming code of level 0, DPL %u, RPL or IOPL %u", instruction.name, cpl,
                            dpl, rpl);
            const u8 op = instruction.bytes[0];
            const bool far = op == 0xFF, stack = instruction.bytes[1] == 0xD0;
            gdt[conforming / 8] = whole(conforming_type, 0);
            gdt[first_free / 8] = whole(far ? code_type : data_type, dpl);
            const u8 end[] = {0xCD, end_vector};
            dword(pointer_at) = address(code(end));
            word(pointer_at + 4) = static_cast<u16>(first_free | rpl);
            Context c = ring(cpl, at);
            c.cs = conforming | cpl;
            c.eax = first_free | rpl;
            c.ebx = pointer_at;
            c.eflags |= op == 0xFA ? rpl << 12 : 0;
            bool ok = dpl >= cpl && dpl >= rpl;
            u32 error = first_free;
            if (stack) ok = dpl == cpl && rpl == cpl;
            if (far) ok = dpl == cpl && rpl <= cpl;
            if (op == 0xFA) ok = cpl <= rpl, error = 0;
            if (op == 0xF4) ok = false, error = 0;
            const Exit e = run(c);
            report.expect_exit(e, ok ? end_vector : gp_vector, ok ? 0 : error);
            report.expect("CS", ok && far ? first_free | cpl : c.cs, e.cs);
        }
    }
    reset_tables();
}

} // namespace segments
