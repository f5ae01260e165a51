// Segment limits (SDM 3A, 5.3): each access around the limit of each kind of segment, the stack, instruction fetch and
// near transfers; type checks of accesses (5.5); null segment registers (5.4.1). Accesses that wrap around the top of
// a segment of 4 GiB are implementation-specific (5.3) and left out.
#include "guests/system/privilege.hpp"
#include "guests/system/segments.hpp"

namespace segments {

namespace {

constexpr u32 base = arena_begin + 0x40'0000; // memory on both sides, for offsets just below 4 GiB too
constexpr u16 selector = first_free | 3;

constexpr Limit limits[] = {{0x7F, false},   {0xFFFF, false},  {0xFFFFF, true},  {0, true},
                            {0xFFFE, false}, {0x10000, false}, {0xFFFFF, false}, {1, true}};
constexpr u32 few_limits = 3;

enum Access : u32 { read, write, modify };
constexpr const char* access_names[] = {"read", "write", "ADD"};

/// seg: MOV AL/AX/EAX, [EBX]; MOV [EBX], AL/AX/EAX; ADD [EBX], AL/AX/EAX.
u32 put_access(u8* out, Register reg, Access access, u32 size) {
    constexpr u8 opcodes[] = {0x8A, 0x88, 0x00};
    u32 n = 0;
    if (size == 2) out[n++] = 0x66;
    out[n++] = override_prefixes[reg];
    out[n++] = static_cast<u8>(opcodes[access] | (size > 1 ? 1 : 0));
    out[n++] = 0x03;
    out[n++] = 0xCD;
    out[n++] = end_vector;
    return n;
}

/// Whether [offset, offset + size) lies in the segment.
bool inside(u32 type, bool big, u32 limit, u32 offset, u32 size) {
    const u32 last = offset + size - 1;
    if (!is_expand_down(type)) return last <= limit;
    return offset > limit && last <= (big ? 0xFFFF'FFFF : 0xFFFF);
}

struct Place {
    Register reg;
    u32 type;
    bool big;
    const Limit* limit;
};

void check_access(Report& report, const Place& p, const void* at, Access access, u32 size, u32 offset) {
    if (!report.next()) return;
    const u32 limit = p.limit->bytes();
    report.describe("%s of %u bytes at %x in %s, type %02x B %u limit %x", access_names[access], size, offset,
                    register_names[p.reg], p.type, u32{p.big}, limit);
    Context c = ring(3, at);
    register_of(c, p.reg) = selector;
    if (p.reg == CS) c.eip = 0;
    c.ebx = offset;
    c.eax = 0x0102'0304;
    constexpr u32 before = 0xB5C6'D7E8;
    const u32 mask = size == 4 ? ~0u : (1u << 8 * size) - 1;
    memcpy(reinterpret_cast<void*>(base + offset), &before, p.reg == CS ? size : 4); // CS: the code may follow
    const bool type_ok = access == read ? is_readable(p.type) : is_writable_data(p.type);
    const bool ok = type_ok && inside(p.type, p.big, limit, offset, size);
    const Exit e = run(c);
    report.expect_exit(e, ok ? end_vector : p.reg == SS ? ss_vector : gp_vector, 0);
    if (!ok) report.expect("EIP", c.eip, e.eip);
    const u32 loaded = ok && access == read ? before : c.eax;
    report.expect("EAX", (loaded & mask) | (c.eax & ~mask), e.eax);
    const u32 sum = access == modify ? before + c.eax : c.eax;
    const u32 stored = ok && access != read ? (sum & mask) | (before & ~mask) : before;
    report.expect("memory", stored & mask, dword(base + offset) & mask);
}

void check_place(Report& report, const Place& p) {
    const u32 l = p.limit->bytes();
    const u32 offsets[] = {0x40,   0x41,   l - 4,  l - 3,  l - 2,   l - 1,       l,           l + 1,       l + 2,
                           0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0xFFFF'FFFC, 0xFFFF'FFFD, 0xFFFF'FFFE, 0xFFFF'FFFF};
    gdt[first_free / 8] = descriptor(base, p.limit->raw, p.type, 3, true, p.big, p.limit->granular);
    for (const Access access : {read, write, modify}) {
        for (const u32 size : {1u, 2u, 4u}) {
            u8 bytes[8];
            const u32 n = put_access(bytes, p.reg, access, size);
            const void* at = code(bytes, n);
            if (p.reg == CS) memcpy(reinterpret_cast<void*>(base), bytes, n);
            for (const u32 offset : offsets) {
                if (offset + size - 1 < offset) continue;           // wraps
                if (p.reg == CS && offset < sizeof bytes) continue; // the code
                check_access(report, p, at, access, size, offset);
            }
        }
    }
}

template <u32 N> void check_register(Report& report, Register reg, const u32 (&types)[N], u32 limit_count) {
    for (const u32 type : types) {
        for (const bool big : {false, true}) {
            if (reg == CS && !big) continue; // the code itself is of 32 bits
            for (u32 i = 0; i < limit_count; ++i) check_place(report, {reg, type, big, &limits[i]});
        }
    }
    reset_tables();
}

constexpr u32 data_types[] = {0x11, 0x13, 0x15, 0x17, 0x1B, 0x1F}, stack_types[] = {0x13, 0x17},
              code_types[] = {0x19, 0x1B, 0x1D, 0x1F};

} // namespace

void limits_ds(Report& report) { check_register(report, DS, data_types, 8); }
void limits_es(Report& report) { check_register(report, ES, data_types, few_limits); }
void limits_fs(Report& report) { check_register(report, FS, data_types, few_limits); }
void limits_gs(Report& report) { check_register(report, GS, data_types, few_limits); }
void limits_ss(Report& report) { check_register(report, SS, stack_types, 8); }
void limits_cs(Report& report) { check_register(report, CS, code_types, 8); }

void null_access(Report& report) {
    for (const Register reg : {ES, DS, FS, GS}) {
        for (const Access access : {read, write, modify}) {
            for (const u32 size : {1u, 2u, 4u}) {
                u8 bytes[8];
                const void* at = code(bytes, put_access(bytes, reg, access, size));
                for (u32 i = 0; i < 4 * 4 * 2; ++i) {
                    if (!report.next()) continue;
                    const u32 cpl = i & 3, rpl = i >> 2 & 3, offset = i >> 4 ? base : 0;
                    report.describe("%s of %u bytes at %x through null %s (%u), CPL %u", access_names[access], size,
                                    offset, register_names[reg], rpl, cpl);
                    Context c = ring(cpl, at);
                    register_of(c, reg) = rpl;
                    c.ebx = offset;
                    const Exit e = run(c);
                    report.expect_exit(e, gp_vector, 0);
                    report.expect("EIP", c.eip, e.eip);
                    report.expect(register_names[reg], rpl, register_of(e, reg));
                }
            }
        }
    }
}

// --- the stack
// -----------------------------------------------------------------------------------------------

namespace {

struct StackOp {
    const char* name;
    u8 bytes[6];
    u32 length, size;
    bool pops;
};
constexpr StackOp stack_ops[] = {
    {"PUSH EAX", {0x50}, 1, 4, false},
    {"PUSH AX", {0x66, 0x50}, 2, 2, false},
    {"PUSH imm8", {0x6A, 0x80}, 2, 4, false},
    {"PUSH imm32", {0x68, 1, 2, 3, 4}, 5, 4, false},
    {"PUSH DS", {0x1E}, 1, 4, false},
    {"PUSHF", {0x66, 0x9C}, 2, 2, false},
    {"PUSHFD", {0x9C}, 1, 4, false},
    {"CALL", {0xE8, 0, 0, 0, 0}, 5, 4, false},
    {"PUSH m32", {0xFF, 0x33}, 2, 4, false},
    {"POP EAX", {0x58}, 1, 4, true},
    {"POP AX", {0x66, 0x58}, 2, 2, true},
    {"POP m32", {0x8F, 0x03}, 2, 4, true},
    {"POP m16", {0x66, 0x8F, 0x03}, 3, 2, true},
    {"POPFD", {0x9D}, 1, 4, true},
};

void check_stack(Report& report, const StackOp& op, const void* at, u32 type, bool big, const Limit& limit, u32 sp) {
    const u32 mask = big ? 0xFFFF'FFFF : 0xFFFF, upper = 0x5678'0000; // ESP above SP belongs to nobody when B is 0
    const u32 offset = (op.pops ? sp : sp - op.size) & mask;
    if (offset + op.size - 1 < offset) return; // wraps around 4 GiB
    if (!report.next()) return;
    report.describe("%s, SP %x, type %02x B %u limit %x", op.name, sp, type, u32{big}, limit.bytes());
    gdt[first_free / 8] = descriptor(base, limit.raw, type, 3, true, big, limit.granular);
    Context c = ring(3, at);
    c.ss = selector;
    c.esp = big ? sp : upper | (sp & 0xFFFF);
    c.ebx = arena_begin;
    if (op.pops) dword(base + offset) = 2;
    const bool ok = inside(type, big, limit.bytes(), offset, op.size);
    const Exit e = run(c);
    report.expect_exit(e, ok ? end_vector : ss_vector, 0);
    report.expect("EIP", c.eip + (ok ? op.length + 2 : 0), e.eip);
    const u32 moved = (op.pops ? sp + op.size : sp - op.size) & mask, after = ok ? moved : sp & mask;
    report.expect("SP", after, e.esp & mask);
}

} // namespace

void stack_limits(Report& report) {
    for (const StackOp& op : stack_ops) {
        u8 bytes[8];
        memcpy(bytes, op.bytes, op.length);
        bytes[op.length] = 0xCD;
        bytes[op.length + 1] = end_vector;
        const void* at = code(bytes, op.length + 2);
        for (const u32 type : stack_types) {
            for (const bool big : {false, true}) {
                for (const Limit& limit : limits) {
                    const u32 l = limit.bytes();
                    const u32 places[] = {0,      1,      2,      3,      4,       5,       l - 3,   l - 2,
                                          l - 1,  l,      l + 1,  l + 2,  l + 3,   l + 4,   l + 5,   l + 6,
                                          0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000, 0x10001, 0x10003, 0x10004};
                    for (const u32 sp : places) check_stack(report, op, at, type, big, limit, sp);
                }
            }
        }
    }
    reset_tables();
}

// --- instruction fetch
// -----------------------------------------------------------------------------------------------

namespace {

struct Instruction {
    u8 bytes[11];
    u32 length;
};
constexpr Instruction fetched[] = {
    {{0x90}, 1},
    {{0x89, 0xC8}, 2},
    {{0x83, 0xC0, 0x01}, 3},
    {{0x66, 0xB8, 0x34, 0x12}, 4},
    {{0xB8, 1, 2, 3, 4}, 5},
    {{0x81, 0xC1, 1, 2, 3, 4}, 6},
    {{0x8D, 0x84, 0x88, 1, 2, 3, 4}, 7},
    {{0x3E, 0x8D, 0x84, 0x88, 1, 2, 3, 4}, 8},
    {{0x3E, 0x3E, 0x8D, 0x84, 0x88, 1, 2, 3, 4}, 9},
    {{0xC7, 0x84, 0x23, 0, 0, 0, 0, 1, 2, 3, 4}, 11},
};

} // namespace

void fetch_limit(Report& report) {
    for (const Instruction& instruction : fetched) {
        const u32 n = instruction.length;
        for (const u32 limit : {0x7Fu, 0xFEFu, 0xFFFu, 0x1004u, 0xFFFEu, 0xFFFFu}) {
            for (u32 room = 0; room <= n + 2; ++room) {
                if (!report.next()) continue;
                report.describe("%u bytes of an instruction of %u before the limit %x", room, n, limit);
                const u32 start = limit + 1 - room;
                memset(reinterpret_cast<void*>(base + limit - 32), 0x90, 64);
                memcpy(reinterpret_cast<void*>(base + start), instruction.bytes, n);
                word(base + start + n) = 0x80CD;
                gdt[first_free / 8] = descriptor(base, limit, code_type, 3);
                u8* jump = reinterpret_cast<u8*>(base); // JMP EAX: what IRET checks is another form
                jump[0] = 0xFF, jump[1] = 0xE0;
                Context c = ring(3, nullptr);
                c.cs = selector;
                c.eip = 0;
                c.eax = start;
                c.ecx = 0;
                c.ebx = arena_begin - c.esp;
                const Exit e = run(c);
                report.expect_exit(e, room >= n + 2 ? end_vector : gp_vector, 0);
                // Nothing to fetch at all: the jump itself faults.
                report.expect("EIP", room == 0 ? 0 : room < n ? start : room < n + 2 ? start + n : limit + 1, e.eip);
            }
        }
    }
    reset_tables();
}

namespace {

struct Jump {
    const char* name;
    u8 bytes[8];
    u32 length;
    u32 displacement_at; ///< 0: the target is in EAX or on the stack
    u32 displacement_size;
    i32 sp;
};
constexpr u32 jump_from = 0x40;
constexpr Jump jumps[] = {
    {"JMP rel8", {0xEB, 0}, 2, 1, 1, 0},       {"JMP rel32", {0xE9, 0}, 5, 1, 4, 0},
    {"JMP EAX", {0xFF, 0xE0}, 2, 0, 0, 0},     {"CALL rel32", {0xE8, 0}, 5, 1, 4, -4},
    {"CALL EAX", {0xFF, 0xD0}, 2, 0, 0, -4},   {"RET", {0xC3}, 1, 0, 0, 4},
    {"RET 8", {0xC2, 8, 0}, 3, 0, 0, 12},      {"JZ rel8", {0x74, 0}, 2, 1, 1, 0},
    {"JZ rel32", {0x0F, 0x84, 0}, 6, 2, 4, 0}, {"LOOP", {0xE2, 0}, 2, 1, 1, 0},
    {"JECXZ", {0xE3, 0}, 2, 1, 1, 0},
};

} // namespace

/// Near transfers check the new EIP before anything else changes: the fault is the transfer's (SDM 2A, JMP).
void jump_limit(Report& report) {
    for (const Jump& jump : jumps) {
        for (const u32 target : {0u, 0x60u, 0x7Eu, 0x7Fu, 0x80u, 0x81u, 0x8000u, 0xFFFF'FFFFu, 0xFFFF'FFF8u}) {
            const u32 displacement = target - jump_from - jump.length;
            if (jump.displacement_size == 1 && displacement + 0x80 > 0xFF) continue;
            if (!report.next()) continue;
            report.describe("%s to %x, limit 7f", jump.name, target);
            constexpr u32 limit = 0x7F;
            memset(reinterpret_cast<void*>(base), 0x90, 256);
            u8* at = reinterpret_cast<u8*>(base + jump_from);
            memcpy(at, jump.bytes, jump.length);
            for (u32 i = 0; i < jump.displacement_size; ++i)
                at[jump.displacement_at + i] = static_cast<u8>(displacement >> 8 * i);
            byte(base + limit) = 0xCD; // half of an instruction
            if (target < limit) word(base + target) = 0x80CD;
            gdt[first_free / 8] = descriptor(base, limit, code_type, 3);
            Context c = ring(3, nullptr);
            c.cs = selector;
            c.eip = jump_from;
            c.eax = target;
            const bool is_loop = jump.bytes[0] == 0xE2;
            c.ecx = is_loop ? 2 : 0;
            c.eflags |= flag_zf;
            c.esp -= 64;
            dword(c.esp) = target;
            const bool ok = target <= limit, ends = target < limit;
            const Exit e = run(c);
            report.expect_exit(e, ends ? end_vector : gp_vector, 0);
            report.expect("EIP", ends ? target + 2 : ok ? target : c.eip, e.eip);
            report.expect("ESP", c.esp + (ok ? static_cast<u32>(jump.sp) : 0), e.esp);
            // LOOP's count when its target is bad: SDM 2A checks EIP after the count changed, but faults restart.
            report.expect("ECX", is_loop && ok ? 1 : c.ecx, e.ecx);
        }
    }
    reset_tables();
}

} // namespace segments
