// Instructions of every kind that can write memory, writing over code: afterwards what runs is what memory holds.
#include "guests/system/code.hpp"

namespace modified {

namespace {

enum class Needs : u8 { i386, i486, cx8, mmx, sse, sse2 };
struct Writer {
    const char* name;
    u8 bytes[10];
    u8 size;
    i32 stack;  ///< the stack pointer's distance from the first byte written, for those that push; 0: an ordinary stack
    bool calls; ///< continues where it goes, which is the target
    Needs needs = Needs::i386;
};
// EDI: the first byte to change. ESI: 16 bytes of new code. EAX, EDX: values; ECX 1.
constexpr Writer table[] = {
    {"MOV [EDI], DL", {0x88, 0x17}, 2, 0, false},
    {"MOV [EDI], DX", {0x66, 0x89, 0x17}, 3, 0, false},
    {"MOV [EDI], EDX", {0x89, 0x17}, 2, 0, false},
    {"MOV BYTE [EDI], imm8", {0xC6, 0x07, 0x77}, 3, 0, false},
    {"MOV DWORD [EDI], imm32", {0xC7, 0x07, 1, 2, 3, 4}, 6, 0, false},
    {"MOV [EDI], DS", {0x8C, 0x1F}, 2, 0, false},
    {"XCHG [EDI], DL", {0x86, 0x17}, 2, 0, false},
    {"XCHG [EDI], EDX", {0x87, 0x17}, 2, 0, false},
    {"ADD [EDI], DL", {0x00, 0x17}, 2, 0, false},
    {"ADD [EDI], EDX", {0x01, 0x17}, 2, 0, false},
    {"OR [EDI], EDX", {0x09, 0x17}, 2, 0, false},
    {"ADC [EDI], DX", {0x66, 0x11, 0x17}, 3, 0, false},
    {"XOR [EDI], EDX", {0x31, 0x17}, 2, 0, false},
    {"SUB DWORD [EDI], imm8", {0x83, 0x2F, 0x11}, 3, 0, false},
    {"LOCK SUB [EDI], EDX", {0xF0, 0x29, 0x17}, 3, 0, false},
    {"INC BYTE [EDI]", {0xFE, 0x07}, 2, 0, false},
    {"DEC DWORD [EDI]", {0xFF, 0x0F}, 2, 0, false},
    {"NOT DWORD [EDI]", {0xF7, 0x17}, 2, 0, false},
    {"NEG WORD [EDI]", {0x66, 0xF7, 0x1F}, 3, 0, false},
    {"ROL DWORD [EDI], 1", {0xD1, 0x07}, 2, 0, false},
    {"ROR BYTE [EDI], imm8", {0xC0, 0x0F, 0x03}, 3, 0, false},
    {"SHL DWORD [EDI], CL", {0xD3, 0x27}, 2, 0, false},
    {"SHLD [EDI], EDX, imm8", {0x0F, 0xA4, 0x17, 0x05}, 4, 0, false},
    {"BTC DWORD [EDI], imm8", {0x0F, 0xBA, 0x3F, 0x0D}, 4, 0, false},
    {"BTS DWORD [EDI], imm8", {0x0F, 0xBA, 0x2F, 0x09}, 4, 0, false},
    {"SETNC [EDI]", {0x0F, 0x93, 0x07}, 3, 0, false},
    {"STOSB", {0xAA}, 1, 0, false},
    {"STOSW", {0x66, 0xAB}, 2, 0, false},
    {"STOSD", {0xAB}, 1, 0, false},
    {"REP STOSD", {0xF3, 0xAB}, 2, 0, false},
    {"MOVSB", {0xA4}, 1, 0, false},
    {"MOVSD", {0xA5}, 1, 0, false},
    {"REP MOVSD", {0xF3, 0xA5}, 2, 0, false},
    {"PUSH EDX", {0x52}, 1, 4, false},
    {"PUSH DX", {0x66, 0x52}, 2, 2, false},
    {"PUSH imm32", {0x68, 0x12, 0x34, 0x56, 0x78}, 5, 4, false},
    {"PUSH [ESI]", {0xFF, 0x36}, 2, 4, false},
    {"PUSHF", {0x9C}, 1, 4, false},
    {"ENTER 0, 0", {0xC8, 0, 0, 0}, 4, 4, false},
    {"CALL rel32", {0xE8, 0, 0, 0, 0}, 5, 4, true},
    {"POP [EDI]", {0x8F, 0x07}, 2, 0, false},
    {"INSB", {0x6C}, 1, 0, false},
    {"REP INSD", {0xF3, 0x6D}, 2, 0, false},
    {"SMSW [EDI]", {0x0F, 0x01, 0x27}, 3, 0, false},
    {"SLDT [EDI]", {0x0F, 0x00, 0x07}, 3, 0, false},
    {"FNSTCW [EDI]", {0xD9, 0x3F}, 2, 0, false},
    {"FNSTSW [EDI]", {0xDD, 0x3F}, 2, 0, false},
    {"FILD and FISTP DWORD [EDI]", {0xDB, 0x06, 0xDB, 0x1F}, 4, 0, false},
    {"FILD and FISTP QWORD [EDI]", {0xDF, 0x2E, 0xDF, 0x3F}, 4, 0, false},
    {"FLD and FSTP TBYTE [EDI]", {0xDB, 0x2E, 0xDB, 0x3F}, 4, 0, false},
    {"XADD [EDI], EDX", {0x0F, 0xC1, 0x17}, 3, 0, false, Needs::i486},
    {"CMPXCHG [EDI], EDX that fails", {0x0F, 0xB1, 0x17}, 3, 0, false, Needs::i486},
    {"MOV EAX, [EDI]; CMPXCHG [EDI], EDX", {0x8B, 0x07, 0x0F, 0xB1, 0x17}, 5, 0, false, Needs::i486},
    {"CMPXCHG8B [EDI]", {0x0F, 0xC7, 0x0F}, 3, 0, false, Needs::cx8},
    {"MOVD [EDI], MM0", {0x0F, 0x6E, 0xC2, 0x0F, 0x7E, 0x07}, 6, 0, false, Needs::mmx},
    {"MOVQ [EDI], MM0", {0x0F, 0x6F, 0x06, 0x0F, 0x7F, 0x07}, 6, 0, false, Needs::mmx},
    {"MOVSS [EDI], XMM0", {0xF3, 0x0F, 0x10, 0x06, 0xF3, 0x0F, 0x11, 0x07}, 8, 0, false, Needs::sse},
    {"MOVUPS [EDI], XMM0", {0x0F, 0x10, 0x06, 0x0F, 0x11, 0x07}, 6, 0, false, Needs::sse},
    {"MOVLPS [EDI], XMM0", {0x0F, 0x12, 0x06, 0x0F, 0x13, 0x07}, 6, 0, false, Needs::sse},
    {"MOVNTI [EDI], EDX", {0x0F, 0xC3, 0x17}, 3, 0, false, Needs::sse2},
    {"MOVDQU [EDI], XMM0", {0xF3, 0x0F, 0x6F, 0x06, 0xF3, 0x0F, 0x7F, 0x07}, 8, 0, false, Needs::sse2},
};

const char* lacks(Needs needs) {
    const u32 edx = features().edx;
    switch (needs) {
    case Needs::i386: return nullptr;
    case Needs::i486: return features().cpuid ? nullptr : "an instruction of the 486";
    case Needs::cx8: return edx >> 8 & 1 ? nullptr : "no CMPXCHG8B";
    case Needs::mmx: return edx >> 23 & 1 ? nullptr : "no MMX";
    case Needs::sse: return edx >> 25 & 1 ? nullptr : "no SSE";
    case Needs::sse2: return edx >> 26 & 1 ? nullptr : "no SSE2";
    }
    return nullptr;
}

/// The target: MOV EAX, imm32; MOV EBX, imm32; MOV ECX, imm32; MOV EDX, imm32; INT 80h. Writes begin at the first
/// immediate, and the new code for long ones has the same opcodes in the same places.
constexpr u8 opcodes[] = {0xB8, 0xBB, 0xB9, 0xBA};
void emit_target(u32 at) {
    Emitter e(at);
    for (const u8 opcode : opcodes) e.bytes(opcode).word(0x1111'1111);
    e.end();
}
void new_code(u8 (&to)[16], u32 seed) {
    for (u32 i = 0; i < 16; ++i) {
        const u32 in_target = i + 1;
        to[i] = in_target % 5 == 0 ? opcodes[in_target / 5] : static_cast<u8>(seed * 37 + i * 11);
    }
}

void attempt(Report& report, const Writer& w, Reach reach, u32 place) {
    static u8 source[16];
    const u32 target = area + place, first = target + 1;
    const u32 jump_size = reach == Reach::jump && !w.calls ? 5 : 0;
    Emitter e(target - w.size - jump_size);
    const u32 begin = e.at();
    for (u32 i = 0; i < w.size; ++i) e.bytes(w.bytes[i]);
    if (jump_size) e.jump(target);
    emit_target(target);
    const bool eight = w.bytes[0] == 0x0F && w.bytes[1] == 0xC7;
    for (u32 round = 0; round < 4; ++round) {
        new_code(source, round + 1);
        asm volatile("fninit");
        Context c = start(3, begin);
        c.edi = first;
        c.esi = reinterpret_cast<u32>(source);
        c.edx = 0x0102'0305 * (round + 1);
        c.eax = 0x5A00'7700 + round;
        c.ecx = 1;
        c.ebp = 0x4321'8765 + round;
        c.eflags |= 0x3000; // IOPL 3, for INS
        if (w.stack) c.esp = first + static_cast<u32>(w.stack);
        if (w.bytes[0] == 0x8F) { // POP: its value lies on the stack
            c.esp -= 4;
            word_at(c.esp) = c.edx;
        }
        if (eight) { // equal: the new value is ECX:EBX
            c.eax = word_at(first);
            c.edx = word_at(first + 4);
            c.ebx = 0x9988'7766 + round;
            c.ecx = (c.edx & 0xFFFF'FF00) | opcodes[1];
        }
        const u32 was = word_at(first);
        const Exit x = run(c);
        report.expect_exit(x, end_vector, 0);
        report.expect("EAX", word_at(first), x.eax);
        report.expect("EBX", word_at(first + 5), x.ebx);
        report.expect("ECX", word_at(first + 10), x.ecx);
        report.expect("EDX", word_at(first + 15), x.edx);
        const bool keeps = w.bytes[1] == 0xB1 && w.bytes[0] == 0x0F;
        if (round == 0 && !keeps) report.require("the code changed", was != word_at(first));
    }
}

} // namespace

void writers(Report& report) {
    constexpr u32 cr4_osfxsr = 1 << 9, cr0_em_mp_ts = 0xE, cr0_mp = 2;
    const u32 cr0 = read_cr0();
    write_cr0((cr0 & ~cr0_em_mp_ts) | cr0_mp);
    const bool fxsr = (features().edx >> 24 & 1) != 0;
    if (fxsr) write_cr4(read_cr4() | cr4_osfxsr);
    for (const Writer& w : table) {
        for (u32 r = 0; r < static_cast<u32>(Reach::count); ++r) {
            const Reach reach = static_cast<Reach>(r);
            for (const u32 place : {0x7C0u, 0xFEFu, 0xFF8u, 0xFFDu, 0xFFEu, 0xFFFu, 0x1000u, 0x1010u}) {
                if (!report.next()) continue;
                report.describe("%s, code at page offset %03x, %s", w.name, place & 0xFFF, name(reach));
                if (const char* reason = lacks(w.needs))
                    report.skip(reason);
                else if (reach == Reach::at_once && !sees_writes_at_once())
                    report.skip("without a jump, processors before the Pentium may run what they have fetched");
                else
                    attempt(report, w, reach, place);
            }
        }
    }
    if (fxsr) write_cr4(read_cr4() & ~cr4_osfxsr);
    write_cr0(cr0);
}

} // namespace modified
