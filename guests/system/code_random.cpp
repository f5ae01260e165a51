// Random programs that change themselves, beside a plain interpreter of the few instructions they are made of. A
// program is a loop; its stores go to immediates and to opcodes anywhere in it, behind, ahead and in the store itself.
// The generator is seeded by the case's number.
#include "guests/system/code.hpp"
#include "guests/system/random.hpp"

namespace modified {

namespace {

constexpr u32 most_bytes = 512, most_targets = 256;

/// A program and what the generator knows about it.
struct Program {
    u32 begin = 0, size = 0;
    u32 immediates[most_targets], immediate_count = 0; ///< addresses that may get any value
    u32 opcodes[most_targets], opcode_count = 0;       ///< of MOV r32, imm32: B8 to BB may be stored there
    u32 byte_stores[most_targets], byte_store_count = 0;
    u32 word_stores[most_targets], word_store_count = 0;
};

void note_immediate(Program& p, u32 at, u32 size) {
    for (u32 i = 0; i < size && p.immediate_count < most_targets; ++i) p.immediates[p.immediate_count++] = at + i;
}

/// One instruction; addresses of stores are filled in when all is known.
void instruction(Emitter& e, Program& p, Random& random) {
    const u8 reg = static_cast<u8>(random.below(4));
    switch (random.below(10)) {
    case 0:
    case 1:
        if (p.opcode_count < most_targets) p.opcodes[p.opcode_count++] = e.at();
        e.bytes(0xB8 + reg);
        note_immediate(p, e.at(), 4);
        e.word(random.next());
        break;
    case 2:
        e.bytes(0x81, 0xC0 + reg);
        note_immediate(p, e.at(), 4);
        e.word(random.next());
        break;
    case 3:
        e.bytes(0x66, 0xB8 + reg);
        note_immediate(p, e.at(), 2);
        e.bytes(random.next(), random.next());
        break;
    case 4: e.bytes(0x40 + reg); break; // INC
    case 5:                             // MOV BYTE [m], imm8
        e.bytes(0xC6, 0x05);
        p.byte_stores[p.byte_store_count++] = e.at();
        e.word(0);
        note_immediate(p, e.at(), 1);
        e.bytes(random.next());
        break;
    case 6: // MOV DWORD [m], imm32, into four bytes that are immediates
        e.bytes(0xC7, 0x05);
        p.word_stores[p.word_store_count++] = e.at();
        e.word(0);
        note_immediate(p, e.at(), 4);
        e.word(random.next());
        break;
    case 7: // MOV [m], r8
        e.bytes(0x88, 0x05 + 8 * reg);
        p.byte_stores[p.byte_store_count++] = e.at();
        e.word(0);
        break;
    case 8: // ADD [m], AL
        e.bytes(0x00, 0x05);
        p.byte_stores[p.byte_store_count++] = e.at();
        e.word(0);
        break;
    default: { // JMP over some INCs
        const u32 over = 1 + random.below(6);
        e.bytes(0xEB, over);
        for (u32 i = 0; i < over; ++i) e.bytes(0x40 + random.below(4));
        break;
    }
    }
}

/// A place where four immediate bytes follow each other.
u32 word_target(const Program& p, Random& random) {
    for (u32 tries = 0; tries < 64; ++tries) {
        const u32 i = random.below(p.immediate_count);
        if (i + 3 < p.immediate_count && p.immediates[i + 3] == p.immediates[i] + 3) return p.immediates[i];
    }
    return 0;
}

void generate(Program& p, Random& random, u32 begin, u32 instructions) {
    p.begin = begin;
    Emitter e(begin);
    for (u32 i = 0; i < instructions; ++i) instruction(e, p, random);
    // So that there is always something to change: MOV EAX, imm32; and a store of another register number into it.
    p.opcodes[p.opcode_count++] = e.at();
    e.bytes(0xB8);
    note_immediate(p, e.at(), 4);
    e.word(random.next());
    e.bytes(0xC6, 0x05).word(p.opcodes[random.below(p.opcode_count)]).bytes(0xB8 + random.below(4));
    e.bytes(0x4F).jump_if_not_zero(begin).end(); // DEC EDI; JNZ
    p.size = e.at() - begin;
    for (u32 i = 0; i < p.byte_store_count; ++i)
        Emitter(p.byte_stores[i]).word(p.immediates[random.below(p.immediate_count)]);
    for (u32 i = 0; i < p.word_store_count; ++i) {
        const u32 to = word_target(p, random);
        Emitter(p.word_stores[i]).word(to ? to : p.begin + most_bytes); // beside the program if there is none
    }
}

/// The same program on a copy of its bytes.
struct Machine {
    u32 begin = 0;
    u8 bytes[most_bytes + 4];
    u32 registers[4] = {}, edi = 0, at = 0;
    bool zero = false;

    u32 word(u32 offset) const {
        return bytes[offset] | static_cast<u32>(bytes[offset + 1]) << 8 | static_cast<u32>(bytes[offset + 2]) << 16 |
               static_cast<u32>(bytes[offset + 3]) << 24;
    }
    u8& target(u32 operand) { return bytes[word(operand) - begin]; }
    /// False at the end, or at something that is none of our instructions.
    bool step() {
        const u8 a = bytes[at], b = bytes[at + 1];
        if (a >= 0xB8 && a <= 0xBB) {
            registers[a - 0xB8] = word(at + 1);
            at += 5;
        } else if (a == 0x81) {
            registers[b - 0xC0] += word(at + 2);
            at += 6;
        } else if (a == 0x66) {
            registers[b - 0xB8] = (registers[b - 0xB8] & 0xFFFF'0000) | (word(at + 2) & 0xFFFF);
            at += 4;
        } else if (a >= 0x40 && a <= 0x43) {
            ++registers[a - 0x40];
            ++at;
        } else if (a == 0xC6) {
            target(at + 2) = bytes[at + 6];
            at += 7;
        } else if (a == 0xC7) {
            const u32 value = word(at + 6);
            u8* to = &target(at + 2);
            for (u32 i = 0; i < 4; ++i) to[i] = static_cast<u8>(value >> (8 * i));
            at += 10;
        } else if (a == 0x88) {
            target(at + 2) = static_cast<u8>(registers[(b - 5) / 8]);
            at += 6;
        } else if (a == 0x00) {
            u8& to = target(at + 2);
            to = static_cast<u8>(to + registers[0]);
            at += 6;
        } else if (a == 0xEB) {
            at += 2 + b;
        } else if (a == 0x4F) {
            zero = --edi == 0;
            ++at;
        } else if (a == 0x0F) {
            at = zero ? at + 6 : at + 6 + word(at + 2);
        } else {
            return false;
        }
        return true;
    }
};

void attempt(Report& report, u32 seed) {
    static Machine machine;
    Random random(seed);
    Program program;
    const u32 begin = area + page - 256 + random.below(300);
    generate(program, random, begin, 4 + random.below(36));
    const u32 rounds = 1 + random.below(60);
    for (u32 again = 0; again < 2; ++again) { // the second time it begins as the first has left it
        machine = Machine{};
        machine.begin = begin;
        machine.edi = rounds;
        for (u32 i = 0; i < sizeof machine.bytes; ++i) machine.bytes[i] = byte_at(begin + i);
        while (machine.step()) {
        }
        Context c = start(3, begin);
        c.edi = rounds;
        const Exit x = run(c);
        report.expect_exit(x, end_vector, 0);
        report.expect("EAX", machine.registers[0], x.eax);
        report.expect("ECX", machine.registers[1], x.ecx);
        report.expect("EDX", machine.registers[2], x.edx);
        report.expect("EBX", machine.registers[3], x.ebx);
        u32 differ = 0;
        for (u32 i = 0; i < program.size; ++i) differ += machine.bytes[i] != byte_at(begin + i);
        report.expect("bytes of the program that differ", 0, differ);
    }
}

} // namespace

void random_programs(Report& report) {
    constexpr u32 programs = 800;
    if (!sees_writes_at_once()) {
        if (report.next()) report.skip("without a jump, processors before the Pentium may run what they have fetched");
        return;
    }
    for (u32 i = 0; i < programs; ++i) {
        if (!report.next()) continue;
        report.describe("program %u", i);
        attempt(report, i + 1);
    }
}

} // namespace modified
