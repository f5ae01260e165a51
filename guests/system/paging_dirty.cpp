// Accessed and dirty bits from each state that they can be in, by instructions of all kinds (SDM 3A 4.8): accessed in
// every entry that was used, dirty in the leaf alone and by writes alone, nothing else ever changed.
#include "guests/system/paging.hpp"

namespace paging {

namespace {

enum class Use : u8 { none, read, write };
struct Instruction {
    const char* name;
    u8 bytes[12];
    Use use;
    bool i486;
};
// EBX, ESI and EDI point into the page, EAX and ECX are 0 and 1, EDX 2.
constexpr Instruction instructions[] = {
    {"LEA", {0x8D, 0x03, 0xCD, 0x80}, Use::none, false},
    {"MOV read", {0x8B, 0x0B, 0xCD, 0x80}, Use::read, false},
    {"TEST", {0xF6, 0x03, 0x01, 0xCD, 0x80}, Use::read, false},
    {"CMP", {0x80, 0x3B, 0x01, 0xCD, 0x80}, Use::read, false},
    {"BT", {0x0F, 0xA3, 0x03, 0xCD, 0x80}, Use::read, false},
    {"BT imm", {0x0F, 0xBA, 0x23, 0x03, 0xCD, 0x80}, Use::read, false},
    {"MOVZX", {0x0F, 0xB6, 0x0B, 0xCD, 0x80}, Use::read, false},
    {"IMUL", {0x0F, 0xAF, 0x0B, 0xCD, 0x80}, Use::read, false},
    {"MUL", {0xF7, 0x23, 0xCD, 0x80}, Use::read, false},
    {"BSF", {0x0F, 0xBC, 0x0B, 0xCD, 0x80}, Use::read, false},
    {"XLAT", {0xD7, 0xCD, 0x80}, Use::read, false},
    {"PUSH m", {0xFF, 0x33, 0xCD, 0x80}, Use::read, false},
    {"LODSB", {0xAC, 0xCD, 0x80}, Use::read, false},
    {"SCASB", {0xAE, 0xCD, 0x80}, Use::read, false},
    {"CMPSB", {0xA6, 0xCD, 0x80}, Use::read, false},
    {"REP LODSB", {0xF3, 0xAC, 0xCD, 0x80}, Use::read, false},
    {"REPE SCASB", {0xF3, 0xAE, 0xCD, 0x80}, Use::read, false},
    {"ADC r, m", {0x13, 0x0B, 0xCD, 0x80}, Use::read, false},
    {"LAR", {0x0F, 0x02, 0x0B, 0xCD, 0x80}, Use::read, false},
    {"MOV write", {0x89, 0x0B, 0xCD, 0x80}, Use::write, false},
    {"MOV imm", {0xC6, 0x03, 0x07, 0xCD, 0x80}, Use::write, false},
    {"ADD", {0x01, 0x0B, 0xCD, 0x80}, Use::write, false},
    {"ADD 0", {0x83, 0x03, 0x00, 0xCD, 0x80}, Use::write, false},
    {"OR itself", {0x83, 0x0B, 0x00, 0xCD, 0x80}, Use::write, false},
    {"SBB", {0x19, 0x0B, 0xCD, 0x80}, Use::write, false},
    {"INC", {0xFF, 0x03, 0xCD, 0x80}, Use::write, false},
    {"NOT", {0xF7, 0x13, 0xCD, 0x80}, Use::write, false},
    {"NEG", {0xF7, 0x1B, 0xCD, 0x80}, Use::write, false},
    {"SHL 1", {0xD1, 0x23, 0xCD, 0x80}, Use::write, false},
    {"ROR CL", {0xD3, 0x0B, 0xCD, 0x80}, Use::write, false},
    {"SHLD", {0x0F, 0xA4, 0x0B, 0x01, 0xCD, 0x80}, Use::write, false},
    {"BTS", {0x0F, 0xAB, 0x03, 0xCD, 0x80}, Use::write, false},
    {"BTR imm", {0x0F, 0xBA, 0x33, 0x01, 0xCD, 0x80}, Use::write, false},
    {"LOCK BTC", {0xF0, 0x0F, 0xBB, 0x03, 0xCD, 0x80}, Use::write, false},
    {"XCHG", {0x87, 0x0B, 0xCD, 0x80}, Use::write, false},
    {"LOCK INC", {0xF0, 0xFF, 0x03, 0xCD, 0x80}, Use::write, false},
    {"SETZ", {0x0F, 0x94, 0x03, 0xCD, 0x80}, Use::write, false},
    {"STOSB", {0xAA, 0xCD, 0x80}, Use::write, false},
    {"REP STOSD", {0xF3, 0xAB, 0xCD, 0x80}, Use::write, false},
    {"MOVSB", {0xA4, 0xCD, 0x80}, Use::write, false},
    {"POP m", {0x6A, 0x05, 0x8F, 0x03, 0xCD, 0x80}, Use::write, false},
    {"SGDT", {0x0F, 0x01, 0x03, 0xCD, 0x80}, Use::write, false},
    {"SMSW", {0x0F, 0x01, 0x23, 0xCD, 0x80}, Use::write, false},
    {"MOV m, DS", {0x8C, 0x1B, 0xCD, 0x80}, Use::write, false},
    {"FNSTCW", {0xD9, 0x3B, 0xCD, 0x80}, Use::write, false},
    {"FLDCW", {0xD9, 0x2B, 0xCD, 0x80}, Use::read, false},
    {"PUSH on it", {0x89, 0xDC, 0x50, 0xCD, 0x80}, Use::write, false},
    {"POP from it", {0x89, 0xDC, 0x58, 0xCD, 0x80}, Use::read, false},
    {"REP STOSB with ECX 0", {0x31, 0xC9, 0xF3, 0xAA, 0xCD, 0x80}, Use::none, false},
    {"XADD", {0x0F, 0xC1, 0x0B, 0xCD, 0x80}, Use::write, true},
    {"CMPXCHG that fails", {0x0F, 0xB1, 0x0B, 0xCD, 0x80}, Use::write, true},
    {"LOCK CMPXCHG that fails", {0xF0, 0x0F, 0xB1, 0x0B, 0xCD, 0x80}, Use::write, true},
    {"INVLPG", {0x0F, 0x01, 0x3B, 0xCD, 0x80}, Use::none, true},
    {"read, then write", {0x8B, 0x0B, 0x89, 0x0B, 0xCD, 0x80}, Use::write, false},
    {"execute, then read", {0xFF, 0xE6}, Use::read, false},
};

constexpr u32 offset = 0x80, code_offset = 0xC0;

void attempt(Report& report, Space& space, const Instruction& in, const void* at, unsigned cpl, u64 upper, u64 leaf) {
    const bool big = is_large(space.format());
    const u32 physical = big ? large_frame : frame(0);
    word_at(physical + offset) = 0x0000'037F; // not 0; an x87 control word
    word_at(physical + offset + 4) = 0;
    word_at(physical + code_offset) = 0x80CD'038A; // MOV AL, [EBX]; INT 80h
    const u64 directory_before = big ? physical | open | large | leaf : space.table_entry(window, open | upper);
    space.set_directory(window, directory_before);
    if (!big) space.set_table(window, physical | open | leaf);
    flush_all();
    Context c = ring(cpl, at);
    c.ebx = c.edi = c.esi = window + offset;
    if (in.bytes[0] == 0xFF && in.bytes[1] == 0xE6) c.esi = window + code_offset;
    c.ecx = 1;
    c.edx = 2;
    const Exit e = run(c);
    report.expect_exit(e, end_vector, 0);
    const u64 used = in.use == Use::none ? 0 : accessed, written = in.use == Use::write ? dirty : 0;
    if (big) {
        report.expect("directory entry", static_cast<u32>(directory_before | used | written),
                      static_cast<u32>(space.directory(window)));
        return;
    }
    report.expect("directory entry", static_cast<u32>(directory_before | used),
                  static_cast<u32>(space.directory(window)));
    report.expect("table entry", static_cast<u32>(physical | open | leaf | used | written),
                  static_cast<u32>(space.table(window)));
}

} // namespace

void accessed_dirty(Report& report) {
    in_each_format(report, [&](Space& space) {
        for (const Instruction& in : instructions) {
            const void* at = code(in.bytes);
            // State: accessed, dirty and global in the leaf, accessed and (ignored) dirty in the directory; CPL 1 or 3.
            for (u32 n = 0; n < 64; ++n) {
                const u64 leaf = (n & 1 ? accessed : 0) | (n & 2 ? dirty : 0) | (n & 4 ? global : 0);
                const u64 upper = (n & 8 ? accessed : 0) | (n & 16 ? dirty : 0);
                if (is_large(space.format()) && upper != 0) continue;
                const bool invlpg = in.bytes[0] == 0x0F && in.bytes[1] == 1 && in.bytes[2] == 0x3B;
                if (invlpg && n & 32) continue;
                // The supervisor is ring 1, whose stack is not that of the handler.
                const unsigned cpl = n & 32 ? 3 : invlpg ? 0 : 1;
                if (!report.next()) continue;
                report.describe("%s, %s at CPL %u, leaf %x, directory %x", name(space.format()), in.name, cpl,
                                static_cast<u32>(leaf), static_cast<u32>(upper));
                if (in.i486 && !features().cpuid)
                    report.skip("an instruction of the 486");
                else
                    attempt(report, space, in, at, cpl, upper, leaf);
            }
        }
    });
}

} // namespace paging
