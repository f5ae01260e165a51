// Branches that change: their displacement, their condition, their kind and the place that they read; the branch that
// ends its own piece of code, and the code that it goes to.
#include "guests/system/code.hpp"

namespace modified {

namespace {

constexpr u32 place_count = 6;
constexpr u32 places[place_count] = {0x800, 0xFFD, 0xFFE, 0xFFF, 0x1000, 0x1080};
constexpr u32 iterations = 200;

/// Adds 1, 16, 256 … at the i-th landing, then goes on at `back`.
constexpr u32 landing_size = 16;
u32 landing(u32 base, u32 i, u32 back) {
    const u32 at = base + i * landing_size;
    Emitter(at).bytes(0x81, 0xC3).word(1u << (8 * i)).jump(back); // ADD EBX, imm32
    return at;
}

/// What the four landings have added after `n` rounds in turn.
u32 sum(u32 n) {
    u32 s = 0;
    for (u32 i = 0; i < n; ++i) s += 1u << (8 * (i & 3));
    return s;
}

struct Kind {
    const char* name;
    u8 bytes[2];
    u8 opcode_size, displacement_size;
};
constexpr Kind kinds[] = {
    {"JMP rel8", {0xEB}, 1, 1},          {"JMP rel32", {0xE9}, 1, 4},  {"JNZ rel8", {0x75}, 1, 1},
    {"JNZ rel32", {0x0F, 0x85}, 2, 4},   {"CALL rel32", {0xE8}, 1, 4}, {"LOOP rel8", {0xE2}, 1, 1},
    {"JMP [table]", {0xFF, 0x25}, 2, 4},
};

/// The loop: the displacement's low byte (all landings are near) := the next of four; the branch; landing; count;
/// again.
void displacement(Report& report, const Kind& k, u32 place) {
    static u32 indirect[4];
    const u32 branch = area + place;
    const u32 table = area + 0x2000; // bytes: the displacements
    const u32 landings = branch + 16;
    const u32 changed = branch + k.opcode_size;
    const u32 behind = branch + k.opcode_size + k.displacement_size;
    // MOV CL, [table + EDX]; MOV [displacement], CL; MOV ECX, 9; the branch
    const u32 begin = branch - 6 - 6 - 5 - 2;
    const u32 back = landings + 4 * landing_size;
    for (u32 i = 0; i < 4; ++i) {
        const u32 to = landing(landings, i, back);
        byte_at(table + i) = static_cast<u8>(to - behind);
        indirect[i] = to;
        if (k.bytes[1] == 0x25) byte_at(table + i) = static_cast<u8>(reinterpret_cast<u32>(indirect) + 4 * i);
    }
    Emitter e(begin);
    e.bytes(0x8A, 0x8A).word(table).store_cl(changed).bytes(0xB9).word(9).bytes(0x85, 0xE4); // TEST ESP, ESP
    e.bytes(k.bytes[0]);
    if (k.opcode_size == 2) e.bytes(k.bytes[1]);
    if (k.bytes[1] == 0x25)
        e.word(reinterpret_cast<u32>(indirect));
    else
        e.fill(k.displacement_size, 0);
    // back: INC EDX; AND EDX, 3; DEC EDI; JNZ begin
    Emitter(back).bytes(0x42, 0x83, 0xE2, 0x03, 0x4F).jump_if_not_zero(begin).end();
    Context c = start(3, begin);
    c.edi = iterations;
    const Exit x = run(c);
    report.expect_exit(x, end_vector, 0);
    report.expect("sum of the landings", sum(iterations), x.ebx);
}

/// JNZ and JZ in turn (and JMP and NOP-like TEST AL): opcode bytes of a two-byte branch, in a loop.
struct Opcode {
    const char* name;
    u8 taken, passed;
};
constexpr Opcode opcode_pairs[] = {{"JNZ and JZ", 0x75, 0x74},
                                   {"JMP and TEST AL", 0xEB, 0xA8},
                                   {"JNC and ADD AL", 0x73, 0x04},
                                   {"JNS and PUSH", 0x79, 0x6A}};

void opcode(Report& report, const Opcode& o, u32 place) {
    // EDX alternates between the two opcodes: XOR DL, difference
    const u32 branch = area + place;
    const u32 begin = branch - 6 - 3 - 2;
    Emitter e(begin);
    e.bytes(0x80, 0xF2, o.taken ^ o.passed).bytes(0x88, 0x15).word(branch); // MOV [branch], DL
    e.bytes(0x85, 0xFF);                                                    // TEST EDI, EDI: not zero, no carry, plus
    e.bytes(o.taken, 0x01).bytes(0x43);                                     // over INC EBX
    e.bytes(0x4F).jump_if_not_zero(begin).end();
    Context c = start(3, begin);
    c.edi = iterations;
    c.edx = o.taken; // the first round makes it the other one
    const Exit x = run(c);
    report.expect_exit(x, end_vector, 0);
    report.expect("rounds that were not taken", iterations / 2, x.ebx);
}

/// The code at the end of a branch changes while the branch stays.
void destination(Report& report, u32 place, u32 distance) {
    const u32 target = area + place;
    const u32 begin = area + 0x2000 + distance;
    Emitter(target).bytes(0xB0, 0).jump(begin + 12); // MOV AL, imm8
    Emitter e(begin);
    e.store_cl(target + 1).bytes(0x90).jump(target);
    e.bytes(0x01, 0xC3, 0x41, 0x4F).jump_if_not_zero(begin).end(); // ADD EBX, EAX; INC ECX; DEC EDI
    Context c = start(3, begin);
    c.edi = iterations;
    const Exit x = run(c);
    report.expect_exit(x, end_vector, 0);
    report.expect("sum", iterations * (iterations - 1) / 2, x.ebx);
}

/// The loop's own closing branch becomes NOPs after some rounds.
void closing(Report& report, u32 place, u32 rounds) {
    // DEC EDI; SETZ CL; then CL ? 90h : 75h stored over the branch's two bytes by arithmetic; JMP-like INC EBX
    const u32 branch = area + place;
    const u32 begin = branch - 25;
    Emitter e(begin);
    e.bytes(0x43, 0x4F);                                 // INC EBX; DEC EDI
    e.bytes(0x0F, 0x94, 0xC1);                           // SETZ CL
    e.bytes(0x0F, 0xB6, 0xC9);                           // MOVZX ECX, CL
    e.bytes(0x66, 0x8B, 0x04, 0x4D).word(area + 0x2000); // MOV AX, [table + ECX * 2]
    e.bytes(0x66, 0xA3).word(branch);                    // MOV [branch], AX
    e.bytes(0x90, 0x85, 0xE4);                           // NOP; TEST ESP, ESP
    const u8 displacement = static_cast<u8>(begin - (branch + 2));
    e.bytes(0x75, displacement).end();
    byte_at(area + 0x2000) = 0x75; // JNZ back
    byte_at(area + 0x2001) = displacement;
    byte_at(area + 0x2002) = 0x90;
    byte_at(area + 0x2003) = 0x90;
    for (u32 again = 0; again < 2; ++again) {
        byte_at(branch) = 0x75;
        byte_at(branch + 1) = displacement;
        Context c = start(3, begin);
        c.edi = rounds;
        const Exit x = run(c);
        report.expect_exit(x, end_vector, 0);
        report.expect("rounds", rounds, x.ebx);
    }
}

} // namespace

void branches(Report& report) {
    for (const u32 place : places) {
        for (const Kind& k : kinds) {
            if (!report.next()) continue;
            report.describe("the displacement of %s at page offset %03x, %u times", k.name, place & 0xFFF, iterations);
            displacement(report, k, place);
        }
        for (const Opcode& o : opcode_pairs) {
            if (!report.next()) continue;
            report.describe("the opcode of a branch at page offset %03x: %s in turn", place & 0xFFF, o.name);
            if (sees_writes_at_once())
                opcode(report, o, place);
            else
                report.skip("without a jump, processors before the Pentium may run what they have fetched");
        }
        for (const u32 distance : {0u, 3u, 0x7F1u, 0xFF8u}) {
            if (!report.next()) continue;
            report.describe("the destination of a branch, page offset %03x, from %03x", place & 0xFFF, distance);
            destination(report, place, distance);
        }
        for (const u32 rounds : {1u, 2u, 3u, 50u, 200u}) {
            if (!report.next()) continue;
            report.describe("a loop at page offset %03x removes its own branch in round %u", place & 0xFFF, rounds);
            if (sees_writes_at_once())
                closing(report, place, rounds);
            else
                report.skip("without a jump, processors before the Pentium may run what they have fetched");
        }
    }
}

} // namespace modified
