// Accesses of the x87, MMX and SSE units and other wide ones that meet a page they cannot use: the fault leaves the
// units' registers as they were (SDM 3A 6.5: faults restart; so FNSAVE has not initialised, FRSTOR has loaded nothing,
// FISTP has not popped).
#include "guests/system/paging.hpp"

namespace paging {

namespace {

enum class Needs : u8 { x87, cx8, mmx, fxsr, sse, sse2 };
struct Instruction {
    const char* name;
    u8 bytes[8];
    u32 size;
    bool write;
    Needs needs;
    u32 alignment = 1;
};
// EBX points to the operand. EDX:EAX and ECX:EBX are values.
constexpr Instruction instructions[] = {
    {"FLD DWORD", {0xD9, 0x03}, 4, false, Needs::x87},
    {"FADD QWORD", {0xDC, 0x03}, 8, false, Needs::x87},
    {"FILD QWORD", {0xDF, 0x2B}, 8, false, Needs::x87},
    {"FBLD", {0xDF, 0x23}, 10, false, Needs::x87},
    {"FCOMP QWORD", {0xDC, 0x1B}, 8, false, Needs::x87},
    {"FISTP WORD", {0xDF, 0x1B}, 2, true, Needs::x87},
    {"FISTP QWORD", {0xDF, 0x3B}, 8, true, Needs::x87},
    {"FSTP DWORD", {0xD9, 0x1B}, 4, true, Needs::x87},
    {"FSTP TBYTE", {0xDB, 0x3B}, 10, true, Needs::x87},
    {"FBSTP", {0xDF, 0x33}, 10, true, Needs::x87},
    {"FNSTCW", {0xD9, 0x3B}, 2, true, Needs::x87},
    {"FLDCW", {0xD9, 0x2B}, 2, false, Needs::x87},
    {"FNSTENV", {0xD9, 0x33}, 28, true, Needs::x87},
    {"FLDENV", {0xD9, 0x23}, 28, false, Needs::x87},
    {"FNSTENV, 16 bits", {0x66, 0xD9, 0x33}, 14, true, Needs::x87},
    {"FLDENV, 16 bits", {0x66, 0xD9, 0x23}, 14, false, Needs::x87},
    {"FNSAVE", {0xDD, 0x33}, 108, true, Needs::x87},
    {"FRSTOR", {0xDD, 0x23}, 108, false, Needs::x87},
    {"FNSAVE, 16 bits", {0x66, 0xDD, 0x33}, 94, true, Needs::x87},
    {"FRSTOR, 16 bits", {0x66, 0xDD, 0x23}, 94, false, Needs::x87},
    {"CMPXCHG8B", {0x0F, 0xC7, 0x0B}, 8, true, Needs::cx8},
    {"LOCK CMPXCHG8B", {0xF0, 0x0F, 0xC7, 0x0B}, 8, true, Needs::cx8},
    {"MOVQ MM0, m", {0x0F, 0x6F, 0x03}, 8, false, Needs::mmx},
    {"MOVQ m, MM0", {0x0F, 0x7F, 0x03}, 8, true, Needs::mmx},
    {"PADDB MM1, m", {0x0F, 0xFC, 0x0B}, 8, false, Needs::mmx},
    {"FXSAVE", {0x0F, 0xAE, 0x03}, 512, true, Needs::fxsr, 16},
    {"FXRSTOR", {0x0F, 0xAE, 0x0B}, 512, false, Needs::fxsr, 16},
    {"MOVUPS XMM0, m", {0x0F, 0x10, 0x03}, 16, false, Needs::sse},
    {"MOVUPS m, XMM0", {0x0F, 0x11, 0x03}, 16, true, Needs::sse},
    {"MOVHPS XMM0, m", {0x0F, 0x16, 0x03}, 8, false, Needs::sse},
    {"MOVLPS m, XMM0", {0x0F, 0x13, 0x03}, 8, true, Needs::sse},
    {"ADDSS XMM0, m", {0xF3, 0x0F, 0x58, 0x03}, 4, false, Needs::sse},
    {"CVTPI2PS XMM0, m", {0x0F, 0x2A, 0x03}, 8, false, Needs::sse},
    {"STMXCSR", {0x0F, 0xAE, 0x1B}, 4, true, Needs::sse},
    {"LDMXCSR", {0x0F, 0xAE, 0x13}, 4, false, Needs::sse},
    {"MOVDQU XMM0, m", {0xF3, 0x0F, 0x6F, 0x03}, 16, false, Needs::sse2},
    {"MOVDQU m, XMM0", {0xF3, 0x0F, 0x7F, 0x03}, 16, true, Needs::sse2},
    {"ADDSD XMM0, m", {0xF2, 0x0F, 0x58, 0x03}, 8, false, Needs::sse2},
};

const char* lacks(Needs needs) {
    const u32 edx = features().edx;
    switch (needs) {
    case Needs::x87: return nullptr;
    case Needs::cx8: return edx >> 8 & 1 ? nullptr : "no CMPXCHG8B";
    case Needs::mmx: return edx >> 23 & 1 ? nullptr : "no MMX";
    case Needs::fxsr: return edx >> 24 & 1 ? nullptr : "no FXSAVE";
    case Needs::sse: return edx >> 25 & 1 ? nullptr : "no SSE";
    case Needs::sse2: return edx >> 26 & 1 ? nullptr : "no SSE2";
    }
    return nullptr;
}

constexpr u32 edge = window + page;
constexpr u8 background = 0x3C;

/// The registers of the units; what FNSAVE and FXSAVE say.
struct Image {
    u8 x87[108];
    u8 rest[20]; ///< so that what follows is aligned
    u8 extended[512];
} __attribute__((aligned(16)));

bool has_fxsr() { return (features().edx >> 24 & 1) != 0; }

void save(Image& image) {
    memset(&image, 0, sizeof image);
    asm volatile("fnsave %0\n\tfrstor %0" : "=m"(image.x87));
    if (has_fxsr()) asm volatile("fxsave %0" : "=m"(image.extended));
}

/// Two numbers on the stack, an own control word, XMM0 with something in it.
void set_registers(const u8* ones) {
    static const u16 control_word = 0x027F;
    asm volatile("fninit\n\tfldcw %0\n\tfld1\n\tfldpi" ::"m"(control_word));
    if (features().edx >> 25 & 1) asm volatile("movups (%0), %%xmm0\n\tmovups (%0), %%xmm1" ::"r"(ones));
}

enum class Missing : u8 { second, first, count };

void attempt(Report& report, Space& s, const Instruction& in, const void* at, u32 before, Missing missing,
             bool read_only, unsigned cpl) {
    static Image expected, got;
    static const u8 ones[16] = {0, 0, 0x80, 0x3F, 0, 0, 0x80, 0x3F, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F};
    for (u32 i = 0; i < 512; ++i) {
        byte_at(frame(0) + page - 512 + i) = background;
        byte_at(frame(1) + i) = background;
    }
    constexpr u32 mxcsr_offset = 24, mxcsr = 0x1F80; // a valid one, so that FXRSTOR has no other reason to fault
    if (in.size == 512) word_at(frame(1) - before + mxcsr_offset) = mxcsr;
    s.map(window, frame(0));
    s.map(edge, frame(1));
    const u64 rights = read_only ? present | user : 0;
    s.set_table(missing == Missing::second ? edge : window, frame(missing == Missing::second) | rights);
    flush();
    set_registers(ones);
    save(expected);
    Context c = ring(cpl, at);
    c.ebx = edge - before;
    c.eax = c.edx = 0x0101'0101 * background;
    c.ecx = 0x1234'5678;
    const Exit e = run(c);
    save(got);
    const u32 error = (read_only ? error_present : 0) | (in.write ? error_write : 0) | (cpl == 3 ? error_user : 0);
    report.expect_exit(e, page_fault, error);
    const u32 low = missing == Missing::second ? edge : c.ebx;
    const u32 high = missing == Missing::second ? c.ebx + in.size : edge;
    report.require("CR2 in the part that faults", e.cr2 >= low && e.cr2 < high);
    if (in.size <= 16) report.expect("CR2", low, e.cr2);
    report.expect("EIP", c.eip, e.eip);
    report.expect("EAX", c.eax, e.eax);
    report.expect("EDX", c.edx, e.edx);
    u32 x87 = 0, extended = 0, memory = 0;
    for (u32 i = 0; i < sizeof expected.x87; ++i) x87 += expected.x87[i] != got.x87[i];
    for (u32 i = 0; i < sizeof expected.extended; ++i) extended += expected.extended[i] != got.extended[i];
    report.expect("bytes of the x87 state that changed", 0, x87);
    report.expect("bytes of the extended state that changed", 0, extended);
    if (in.size > 16) return; // images may have been written in part
    for (u32 i = 0; i < 32; ++i)
        memory += (byte_at(frame(0) + page - 32 + i) != background) + (byte_at(frame(1) + i) != background);
    report.expect("bytes written", 0, memory);
}

} // namespace

void wide_crossing(Report& report) {
    constexpr u32 cr0_mp = 2, cr0_em_ts = 0xC, cr4_osfxsr = 1 << 9;
    Space s(Format::legacy);
    s.enter();
    write_cr0((read_cr0() & ~cr0_em_ts) | cr0_mp);
    if (features().cpuid) write_cr0(read_cr0() | cr0_wp);
    if (has_fxsr()) write_cr4(read_cr4() | cr4_osfxsr);
    for (const Instruction& in : instructions) {
        const void* at = code(in.bytes);
        for (u32 m = 0; m < static_cast<u32>(Missing::count); ++m) {
            for (u32 n = 0; n < 4; ++n) {
                const bool read_only = (n & 1) != 0;
                const unsigned cpl = n & 2 ? 3 : 1;
                if (read_only && (!in.write || (cpl != 3 && !features().cpuid))) continue;
                for (u32 before = in.alignment; before < in.size; before += in.alignment) {
                    // The image's last part is reserved: the manual does not say that it is touched.
                    constexpr u32 last_register = 288;
                    if (in.size == 512 && before >= last_register && m == static_cast<u32>(Missing::second)) break;
                    if (in.size > 64 && before > 8 && before < in.size - 8 && before % 16 != 0) continue;
                    if (!report.next()) continue;
                    report.describe("%s, %u bytes before the edge, the %s page %s, CPL %u", in.name, before,
                                    m ? "first" : "second", read_only ? "read-only" : "absent", cpl);
                    if (const char* reason = lacks(in.needs))
                        report.skip(reason);
                    else
                        attempt(report, s, in, at, before, static_cast<Missing>(m), read_only, cpl);
                }
            }
        }
    }
}

} // namespace paging
