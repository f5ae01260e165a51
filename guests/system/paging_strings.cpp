// String instructions that run into a page that faults: the iterations before are done, the registers say how far it
// came, and EIP is at the instruction so that it goes on after the fault (SDM 1 7.3.9.3; SDM 2, REP).
#include "guests/system/paging.hpp"

namespace paging {

namespace {

struct Instruction {
    const char* name;
    u8 bytes[8];
    u32 width;
    bool reads_esi, reads_edi, writes;
};
constexpr Instruction instructions[] = {
    {"REP MOVSB", {0xF3, 0xA4, 0xCD, 0x80}, 1, true, false, true},
    {"REP MOVSW", {0xF3, 0x66, 0xA5, 0xCD, 0x80}, 2, true, false, true},
    {"REP MOVSD", {0xF3, 0xA5, 0xCD, 0x80}, 4, true, false, true},
    {"REP STOSB", {0xF3, 0xAA, 0xCD, 0x80}, 1, false, false, true},
    {"REP STOSW", {0xF3, 0x66, 0xAB, 0xCD, 0x80}, 2, false, false, true},
    {"REP STOSD", {0xF3, 0xAB, 0xCD, 0x80}, 4, false, false, true},
    {"REP LODSB", {0xF3, 0xAC, 0xCD, 0x80}, 1, true, false, false},
    {"REP LODSD", {0xF3, 0xAD, 0xCD, 0x80}, 4, true, false, false},
    {"REPE SCASB", {0xF3, 0xAE, 0xCD, 0x80}, 1, false, true, false},
    {"REPE SCASD", {0xF3, 0xAF, 0xCD, 0x80}, 4, false, true, false},
    {"REPE CMPSB", {0xF3, 0xA6, 0xCD, 0x80}, 1, true, true, false},
    {"REPE CMPSD", {0xF3, 0xA7, 0xCD, 0x80}, 4, true, true, false},
};

constexpr u32 elements = 12;
/// Two pages that both operands could use are at the edge; the other operand lies in the frame of its own.
constexpr u32 edge = window + 2 * page, other = window + 8 * page + 0x800;
constexpr u8 same = 0x77;

struct Point {
    bool source_at_edge; ///< else the destination
    bool backward;
    u32 offset;     ///< from the edge to the first element, against the direction
    bool read_only; ///< the far page forbids writes instead of being absent
    unsigned cpl;
};

void attempt(Report& report, Space& s, const Instruction& in, const void* at, const Point& p) {
    for (u32 i = 0; i < 3 * page; ++i) byte_at(frame(0) + i) = same;
    const u64 far = p.read_only ? present | user : 0;
    s.map(edge - page, frame(0), p.backward ? far : open);
    s.map(edge, frame(1), p.backward ? open : far);
    s.map(other & ~(page - 1), frame(2));
    if (features().cpuid) write_cr0(read_cr0() | cr0_wp);
    flush();

    // The first element begins `offset` bytes before the edge, or ends `offset` bytes after it when going down.
    const u32 start = p.backward ? edge + p.offset - in.width : edge - p.offset;
    Context c = ring(p.cpl, at);
    c.eflags |= p.backward ? 0x400 : 0;
    c.esi = p.source_at_edge ? start : other;
    c.edi = p.source_at_edge ? other : start;
    c.ecx = elements;
    c.eax = 0x0101'0101 * same;
    const u32 value = in.writes && !in.reads_esi ? 0xEEEE'EEEE : c.eax;
    c.eax = value;
    const Exit e = run(c);

    const u32 done = p.offset / in.width; // whole elements on the near side
    const bool write = !p.source_at_edge && in.writes;
    const bool denied = !p.read_only || (write && (p.cpl == 3 || features().cpuid)); // the 386 has no CR0.WP
    if (!denied || done >= elements) {
        report.expect_exit(e, end_vector, 0);
        report.expect("ECX", 0, e.ecx);
        return;
    }
    const u32 step = p.backward ? 0 - in.width : in.width;
    const u32 error = (p.read_only ? error_present : 0) | (write ? error_write : 0) | (p.cpl == 3 ? error_user : 0);
    report.expect_exit(e, page_fault, error);
    const u32 element = start + done * step;
    const u32 cr2 = !p.backward && element < edge ? edge : element;
    report.expect("CR2", cr2, e.cr2);
    report.expect("EIP", c.eip, e.eip);
    report.expect("ECX", elements - done, e.ecx);
    const bool uses_esi = in.reads_esi, uses_edi = in.reads_edi || in.writes;
    report.expect("ESI", uses_esi ? c.esi + done * step : c.esi, e.esi);
    report.expect("EDI", uses_edi ? c.edi + done * step : c.edi, e.edi);
    if (!write || in.reads_esi) return;
    // STOS: exactly the elements before the fault are there.
    u32 written = 0;
    for (u32 i = 0; i < 2 * page; ++i) written += byte_at(frame(0) + i) == 0xEE;
    report.expect("bytes written", done * in.width, written);
}

} // namespace

void strings(Report& report) {
    constexpr Format small[] = {Format::legacy, Format::pae};
    constexpr u32 offsets[] = {0, 1, 2, 3, 4, 5, 8, 11, 12, 23, 47, 48};
    for (const Format format : small) {
        if (const char* reason = lacks(format)) {
            if (report.next()) report.skip(reason);
            continue;
        }
        Space s(format);
        s.enter();
        for (const Instruction& in : instructions) {
            const void* at = code(in.bytes);
            for (u32 n = 0; n < 16; ++n) {
                const bool source = (n & 1) != 0;
                if (source ? !in.reads_esi : !in.reads_edi && !in.writes) continue;
                for (const u32 offset : offsets) {
                    const Point p{source, (n & 2) != 0, offset, (n & 4) != 0, n & 8 ? 3u : 0u};
                    if (!report.next()) continue;
                    report.describe("%s, %s, %s of the edge, going %s, %u bytes before it, far page %s, CPL %u",
                                    name(format), in.name, source ? "source" : "destination",
                                    p.backward ? "down" : "up", offset, p.read_only ? "read-only" : "absent", p.cpl);
                    attempt(report, s, in, at, p);
                }
            }
        }
    }
}

} // namespace paging
