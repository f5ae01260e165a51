// The same bytes as other code: at other offsets, as 16- and 32-bit code, through other code segments, at other rings,
// in virtual-8086 mode. In turn, many times, and while they change.
#include "guests/system/code.hpp"

namespace modified {

namespace {

constexpr u16 code32 = first_free, code16 = first_free + 8;

void segments(u32 base, u32 limit = 0xFFFF) {
    gdt[code32 / 8] = descriptor(base, limit, 0x1B, 0, true, true, false);
    gdt[code16 / 8] = descriptor(base, limit, 0x1B, 0, true, false, false);
}

Exit run_in(u16 selector, u32 offset, u32 eax = 0) {
    Context c = ring(0, nullptr);
    c.cs = selector;
    c.eip = offset;
    c.eax = eax;
    return run(c);
}

} // namespace

// MOV EAX, imm32; INT 80h at each offset of a page and over its edge; and many pieces of code at one place, one after
// the other.
void copies(Report& report) {
    for (u32 offset = 0xC00; offset < 0x1010; ++offset) {
        if (!report.next()) continue;
        report.describe("at page offset %03x", offset & 0xFFF);
        Emitter(area + offset).bytes(0xB8).word(0x1000 + offset).end();
        const Exit x = run(start(3, area + offset));
        report.expect_exit(x, end_vector, 0);
        report.expect("EAX", 0x1000 + offset, x.eax);
    }
    for (const u32 offset : {0u, 0x700u, 0xFFBu, 0xFFDu, 0xFFFu, 0x1000u}) {
        if (!report.next()) continue;
        report.describe("300 pieces of code, each in its predecessor's place, page offset %03x", offset & 0xFFF);
        const u32 at = area + offset;
        for (u32 i = 0; i < 300; ++i) {
            Emitter e(at);
            const u32 lead = i % 7;
            e.fill(lead, 0x40); // INC EAX
            if (i % 3 == 0)
                e.bytes(0x05).word(i); // ADD EAX, imm32
            else if (i % 3 == 1)
                e.bytes(0x66, 0x05, static_cast<u8>(i), static_cast<u8>(i >> 8)); // ADD AX, imm16
            else
                e.bytes(0x04, static_cast<u8>(i)); // ADD AL, imm8
            e.end();
            const Exit x = run(start(3, at));
            report.expect_exit(x, end_vector, 0);
            report.expect("EAX", lead + (i % 3 == 2 ? ((lead + i) & 0xFF) - lead : i), x.eax);
        }
    }
}

// B8 34 12 CD 80 CD 80: MOV AX, 1234h and INT 80h in a 16-bit segment, MOV EAX, 80CD1234h and INT 80h in a 32-bit one.
void widths(Report& report) {
    for (u32 offset = 0xFF0; offset <= 0x1004; ++offset) {
        for (u32 changing = 0; changing < 2; ++changing) {
            if (!report.next()) continue;
            report.describe("D 0 and 1 in turn, page offset %03x%s", offset & 0xFFF, changing ? ", code changes" : "");
            segments(area);
            Emitter(area + offset).bytes(0xB8, 0x34, 0x12, 0xCD, 0x80, 0xCD, 0x80);
            for (u32 i = 0; i < 120; ++i) {
                if (changing) byte_at(area + offset + 1) = static_cast<u8>(i);
                const u32 low = changing ? i : 0x34;
                const bool big = i % 3 != 0;
                const Exit x = run_in(big ? code32 : code16, offset, 0x7777'7777);
                report.expect_exit(x, end_vector, 0);
                report.expect("EAX", (big ? 0x80CD'1200 : 0x7777'1200) | low, x.eax);
                report.expect("EIP", offset + (big ? 7 : 5), x.eip);
            }
        }
    }
    for (u32 changing = 0; changing < 2; ++changing) {
        if (!report.next()) continue;
        report.describe("the descriptor's D bit changes, the selector stays");
        Emitter(area).bytes(0xB8, 0x34, 0x12, 0xCD, 0x80, 0xCD, 0x80);
        for (u32 i = 0; i < 120; ++i) {
            const bool big = (i & 1) != 0;
            gdt[code32 / 8] = descriptor(area, 0xFFFF, 0x1B, 0, true, big, false);
            const Exit x = run_in(code32, 0, 0x7777'7777);
            report.expect_exit(x, end_vector, 0);
            report.expect("EAX", big ? 0x80CD'1234 : 0x7777'1234, x.eax);
        }
    }
}

// CALL the next instruction; POP EAX; INT 80h: EAX is the offset, which depends on the base, not on the linear address.
void bases(Report& report) {
    for (const u32 place : {0x800u, 0xFFBu, 0xFFCu, 0xFFEu, 0xFFFu}) {
        if (!report.next()) continue;
        report.describe("the same linear address through many bases, page offset %03x", place);
        const u32 at = area + place;
        Emitter(at).bytes(0xE8).word(0).bytes(0x58).end();
        for (u32 i = 0; i < 200; ++i) {
            const u32 offset = (i * 37) & 0x7FF;
            segments(at - offset);
            const Exit x = run_in(code32, offset);
            report.expect_exit(x, end_vector, 0);
            report.expect("EAX", offset + 5, x.eax);
            report.expect("EIP", offset + 8, x.eip);
        }
    }
    for (u32 cut = 0; cut < 8; ++cut) {
        if (!report.next()) continue;
        report.describe("warm code meets a limit that cuts it after %u bytes", cut);
        const u32 at = area + 0x400;
        Emitter(at).bytes(0x40, 0xB8).word(5).end(); // INC EAX; MOV EAX, 5; INT 80h
        for (u32 i = 0; i < 4; ++i) {
            segments(at);
            report.expect_exit(run_in(code32, 0), end_vector, 0);
            if (cut == 0) continue;
            segments(at, cut - 1);
            const Exit x = run_in(code32, 0);
            report.expect_exit(x, cut < 8 ? 13 : end_vector, 0);
            report.expect("EIP", cut < 1 ? 0 : cut < 6 ? 1 : 6, x.eip);
        }
    }
}

// MOV EAX, CS; INT 80h at every ring in turn; then PUSHF; CLI, which only the kernel may.
void rings(Report& report) {
    if (report.next()) {
        report.describe("MOV EAX, CS at each ring in turn");
        const void* at = code({0x8C, 0xC8, 0xCD, 0x80});
        for (u32 i = 0; i < 200; ++i) {
            const unsigned cpl = (i * 7 + i / 4) & 3;
            const Exit x = run(ring(cpl, at));
            report.expect_exit(x, end_vector, 0);
            report.expect("CS", flat_code(cpl), x.eax & 0xFFFF);
        }
    }
    if (report.next()) {
        report.describe("CLI at each ring in turn, IOPL 0 and 3");
        const void* at = code({0x40, 0xFA, 0x40, 0xCD, 0x80});
        for (u32 i = 0; i < 200; ++i) {
            const unsigned cpl = (i * 7 + i / 4) & 3, iopl = i & 16 ? 3 : 0;
            Context c = ring(cpl, at);
            c.eflags |= iopl << 12;
            const Exit x = run(c);
            report.expect_exit(x, cpl <= iopl ? end_vector : 13, 0);
            report.expect("EAX", cpl <= iopl ? 2 : 1, x.eax);
        }
    }
}

// Bytes below 1 MiB run as flat 32-bit code, as a 16-bit segment's, and in virtual-8086 mode through several segments.
void virtual_mode(Report& report) {
    constexpr u32 at = 0x5'0800, stack = 0x6'0000;
    for (u32 changing = 0; changing < 2; ++changing) {
        if (!report.next()) continue;
        report.describe("the same bytes in virtual-8086 mode and in 32-bit code in turn%s",
                        changing ? ", code changes" : "");
        Emitter(at).bytes(0xB8, 0x34, 0x12, 0xCD, 0x80, 0xCD, 0x80);
        for (u32 i = 0; i < 150; ++i) {
            if (changing) byte_at(at + 2) = static_cast<u8>(i);
            const u32 high = changing ? i << 8 : 0x1200;
            Context c = i % 3 == 0 ? start(3, at) : virtual_8086(at, stack);
            if (i % 3 == 2) { // the same place through another segment
                c.cs -= 0x40;
                c.eip += 0x400;
            }
            c.eax = 0x6666'6666;
            const Exit x = run(c);
            report.expect_exit(x, end_vector, 0);
            report.expect("EAX", high | (i % 3 == 0 ? 0x80CD'0034 : 0x6666'0034), x.eax);
            report.expect("EIP", c.eip + (i % 3 == 0 ? 7 : 5), x.eip);
        }
    }
}

} // namespace modified
