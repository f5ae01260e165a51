// Addresses that are not canonical, in everything that takes an address: loads, stores, stack, strings, branches,
// descriptor tables, base registers and MSRs (SDM 1, 3.3.7.1; SDM 3A 5.8.7.1, 6.15, each instruction).
#include "guests/system64/system64.hpp"

namespace {

constexpr u64 edge = u64{1} << 47;   ///< the first address above the lower half
constexpr u64 upper = ~u64{0} << 47; ///< the first of the upper half
constexpr u64 addresses[] = {edge,         edge | 0x1000, upper - 1,     upper - 0x1000,       u64{1} << 48,
                             u64{1} << 62, u64{1} << 63,  ~u64{0} << 48, 0x1234'5678'9ABC'DEF0};

/// Maps the last page below the edge and the first of the upper half to two pages of the arena.
constexpr u64 tables = arena_begin + 0x1'0000, edge_memory = arena_begin + 0x2'0000;
void map_edges() {
    memset(reinterpret_cast<void*>(tables), 0, 6 * 0x1000);
    top_table[255] = tables | 7;
    qword(tables + 511 * 8) = (tables + 0x1000) | 7;
    qword(tables + 0x1000 + 511 * 8) = (tables + 0x2000) | 7;
    qword(tables + 0x2000 + 511 * 8) = edge_memory | 7;
    top_table[256] = (tables + 0x3000) | 7;
    qword(tables + 0x3000) = (tables + 0x4000) | 7;
    qword(tables + 0x4000) = (tables + 0x5000) | 7;
    qword(tables + 0x5000) = (edge_memory + 0x1000) | 7;
    write_cr3(read_cr3());
}
void unmap_edges() {
    top_table[255] = top_table[256] = 0;
    write_cr3(read_cr3());
}

enum Where : u8 { by_rbx, by_rbp, by_rsp, by_rsi, by_rdi, by_rax };
/// One access. `size` bytes are touched, from `below` bytes under the register on; size 0: the address is not used.
struct Access {
    const char* name;
    u8 length, bytes[9];
    Where where;
    u8 size, below;
    u8 vector; ///< gp_vector, or ss_vector for the stack
    bool level0 = false;
};
constexpr u8 G = gp_vector, S = ss_vector;
constexpr Access accesses[] = {
    {"MOV r8, m", 2, {0x8A, 0x0B}, by_rbx, 1, 0, G},
    {"MOV r16, m", 3, {0x66, 0x8B, 0x0B}, by_rbx, 2, 0, G},
    {"MOV r32, m", 2, {0x8B, 0x0B}, by_rbx, 4, 0, G},
    {"MOV r64, m", 3, {0x48, 0x8B, 0x0B}, by_rbx, 8, 0, G},
    {"MOV m, r8", 2, {0x88, 0x0B}, by_rbx, 1, 0, G},
    {"MOV m, r16", 3, {0x66, 0x89, 0x0B}, by_rbx, 2, 0, G},
    {"MOV m, r32", 2, {0x89, 0x0B}, by_rbx, 4, 0, G},
    {"MOV m, r64", 3, {0x48, 0x89, 0x0B}, by_rbx, 8, 0, G},
    {"MOV m, imm32", 6, {0xC7, 0x03, 1, 2, 3, 4}, by_rbx, 4, 0, G},
    {"MOV r64, [RBX+RCX*8]", 4, {0x48, 0x8B, 0x14, 0xCB}, by_rbx, 8, 0, G},
    {"MOV r32, [RBP]", 3, {0x8B, 0x4D, 0x00}, by_rbp, 4, 0, S},
    {"MOV [RBP], r64", 4, {0x48, 0x89, 0x4D, 0x00}, by_rbp, 8, 0, S},
    {"MOV r64, [RBP+RCX]", 5, {0x48, 0x8B, 0x54, 0x0D, 0x00}, by_rbp, 8, 0, S},
    {"MOV r32, [RSP]", 3, {0x8B, 0x0C, 0x24}, by_rsp, 4, 0, S},
    {"MOV [RSP], r64", 4, {0x48, 0x89, 0x0C, 0x24}, by_rsp, 8, 0, S},
    {"MOV EAX, [moffs]", 9, {0xA1, 0, 0, 0, 0, 0, 0, 0, 0}, by_rax, 4, 0, G},
    {"FS: MOV r32, m", 3, {0x64, 0x8B, 0x0B}, by_rbx, 4, 0, G},
    {"ADD m, r64", 3, {0x48, 0x01, 0x0B}, by_rbx, 8, 0, G},
    {"ADD r32, m", 2, {0x03, 0x0B}, by_rbx, 4, 0, G},
    {"CMP m, r8", 2, {0x38, 0x0B}, by_rbx, 1, 0, G},
    {"TEST m, imm8", 3, {0xF6, 0x03, 1}, by_rbx, 1, 0, G},
    {"XCHG m, r64", 3, {0x48, 0x87, 0x0B}, by_rbx, 8, 0, G},
    {"LOCK XADD m, r32", 4, {0xF0, 0x0F, 0xC1, 0x0B}, by_rbx, 4, 0, G},
    {"LOCK CMPXCHG m, r64", 5, {0xF0, 0x48, 0x0F, 0xB1, 0x0B}, by_rbx, 8, 0, G},
    {"CMPXCHG8B", 3, {0x0F, 0xC7, 0x0B}, by_rbx, 8, 0, G},
    {"INC m", 2, {0xFE, 0x03}, by_rbx, 1, 0, G},
    {"NOT m64", 3, {0x48, 0xF7, 0x13}, by_rbx, 8, 0, G},
    {"SHL m, 1", 2, {0xD1, 0x23}, by_rbx, 4, 0, G},
    {"SHLD m, r, CL", 3, {0x0F, 0xA5, 0x0B}, by_rbx, 4, 0, G},
    {"BT m, imm8", 4, {0x0F, 0xBA, 0x23, 1}, by_rbx, 4, 0, G},
    {"BTS m64, r64", 4, {0x48, 0x0F, 0xAB, 0x0B}, by_rbx, 8, 0, G},
    {"BSF r, m", 3, {0x0F, 0xBC, 0x0B}, by_rbx, 4, 0, G},
    {"IMUL r64, m", 4, {0x48, 0x0F, 0xAF, 0x0B}, by_rbx, 8, 0, G},
    {"MUL m", 2, {0xF7, 0x23}, by_rbx, 4, 0, G},
    {"MOVZX r, m8", 3, {0x0F, 0xB6, 0x0B}, by_rbx, 1, 0, G},
    {"MOVSXD r64, m32", 3, {0x48, 0x63, 0x0B}, by_rbx, 4, 0, G},
    {"SETC m", 3, {0x0F, 0x92, 0x03}, by_rbx, 1, 0, G},
    {"CMOVC r, m", 3, {0x0F, 0x42, 0x0B}, by_rbx, 4, 0, G},
    {"LODSB", 1, {0xAC}, by_rsi, 1, 0, G},
    {"LODSQ", 2, {0x48, 0xAD}, by_rsi, 8, 0, G},
    {"STOSD", 1, {0xAB}, by_rdi, 4, 0, G},
    {"SCASQ", 2, {0x48, 0xAF}, by_rdi, 8, 0, G},
    {"MOVSB to m", 1, {0xA4}, by_rdi, 1, 0, G},
    {"MOVSQ from m", 2, {0x48, 0xA5}, by_rsi, 8, 0, G},
    {"CMPSD", 1, {0xA7}, by_rdi, 4, 0, G},
    {"REP STOSB", 2, {0xF3, 0xAA}, by_rdi, 1, 0, G},
    {"REP MOVSQ", 3, {0xF3, 0x48, 0xA5}, by_rsi, 8, 0, G},
    {"XLAT", 1, {0xD7}, by_rbx, 1, 0, G},
    {"PUSH r64", 1, {0x51}, by_rsp, 8, 8, S},
    {"PUSH imm8", 2, {0x6A, 1}, by_rsp, 8, 8, S},
    {"PUSH r16", 2, {0x66, 0x51}, by_rsp, 2, 2, S},
    {"PUSHFQ", 1, {0x9C}, by_rsp, 8, 8, S},
    {"PUSH FS", 2, {0x0F, 0xA0}, by_rsp, 8, 8, S},
    {"POP r64", 1, {0x59}, by_rsp, 8, 0, S},
    {"POP r16", 2, {0x66, 0x59}, by_rsp, 2, 0, S},
    {"POPFQ", 1, {0x9D}, by_rsp, 8, 0, S},
    {"CALL rel32", 5, {0xE8, 0, 0, 0, 0}, by_rsp, 8, 8, S},
    {"RET", 1, {0xC3}, by_rsp, 8, 0, S},
    {"LEAVE", 1, {0xC9}, by_rbp, 8, 0, S},
    {"ENTER 8, 0", 4, {0xC8, 8, 0, 0}, by_rsp, 8, 8, S},
    {"PUSH m", 2, {0xFF, 0x33}, by_rbx, 8, 0, G},
    {"POP m", 2, {0x8F, 0x03}, by_rbx, 8, 0, G},
    {"CALL m", 2, {0xFF, 0x13}, by_rbx, 8, 0, G},
    {"JMP m", 2, {0xFF, 0x23}, by_rbx, 8, 0, G},
    {"JMP FAR m16:32", 2, {0xFF, 0x2B}, by_rbx, 6, 0, G},
    {"LFS r32, m", 3, {0x0F, 0xB4, 0x0B}, by_rbx, 6, 0, G},
    {"MOV DS, m", 2, {0x8E, 0x1B}, by_rbx, 2, 0, G},
    {"MOV m, DS", 2, {0x8C, 0x1B}, by_rbx, 2, 0, G},
    {"SGDT", 3, {0x0F, 0x01, 0x03}, by_rbx, 10, 0, G},
    {"SIDT", 3, {0x0F, 0x01, 0x0B}, by_rbx, 10, 0, G},
    {"LGDT", 3, {0x0F, 0x01, 0x13}, by_rbx, 10, 0, G, true},
    {"LIDT", 3, {0x0F, 0x01, 0x1B}, by_rbx, 10, 0, G, true},
    {"LLDT m", 3, {0x0F, 0x00, 0x13}, by_rbx, 2, 0, G, true},
    {"LTR m", 3, {0x0F, 0x00, 0x1B}, by_rbx, 2, 0, G, true},
    {"SLDT m", 3, {0x0F, 0x00, 0x03}, by_rbx, 2, 0, G},
    {"VERR m", 3, {0x0F, 0x00, 0x23}, by_rbx, 2, 0, G},
    {"LAR r, m", 3, {0x0F, 0x02, 0x0B}, by_rbx, 2, 0, G},
    {"SMSW m", 3, {0x0F, 0x01, 0x23}, by_rbx, 2, 0, G},
    {"LMSW m", 3, {0x0F, 0x01, 0x33}, by_rbx, 2, 0, G, true},
    {"FLD m32", 2, {0xD9, 0x03}, by_rbx, 4, 0, G},
    {"FLD m80", 2, {0xDB, 0x2B}, by_rbx, 10, 0, G},
    {"FLD [RBP]", 3, {0xD9, 0x45, 0x00}, by_rbp, 4, 0, S},
    {"FNSTCW m", 2, {0xD9, 0x3B}, by_rbx, 2, 0, G},
    {"FNSTENV m", 2, {0xD9, 0x33}, by_rbx, 28, 0, G},
    {"FNSAVE m", 2, {0xDD, 0x33}, by_rbx, 108, 0, G},
    {"MOVQ MM0, m", 3, {0x0F, 0x6F, 0x03}, by_rbx, 8, 0, G},
    {"MOVUPS XMM0, m", 3, {0x0F, 0x10, 0x03}, by_rbx, 16, 0, G},
    {"MOVUPS m, XMM0", 3, {0x0F, 0x11, 0x03}, by_rbx, 16, 0, G},
    {"MOVUPS XMM0, [RBP]", 4, {0x0F, 0x10, 0x45, 0x00}, by_rbp, 16, 0, S},
    {"MOVSD XMM0, m", 4, {0xF2, 0x0F, 0x10, 0x03}, by_rbx, 8, 0, G},
    {"LDMXCSR m", 3, {0x0F, 0xAE, 0x13}, by_rbx, 4, 0, G},
    {"STMXCSR m", 3, {0x0F, 0xAE, 0x1B}, by_rbx, 4, 0, G},
    {"MOVNTI m, r", 3, {0x0F, 0xC3, 0x0B}, by_rbx, 4, 0, G},
    {"LEA", 3, {0x48, 0x8D, 0x0B}, by_rbx, 0, 0, G},
    {"NOP m", 3, {0x0F, 0x1F, 0x03}, by_rbx, 0, 0, G},
    {"PREFETCHT0", 3, {0x0F, 0x18, 0x0B}, by_rbx, 0, 0, G},
    {"INVLPG", 3, {0x0F, 0x01, 0x3B}, by_rbx, 0, 0, G, true},
};

Context start(const Access& a, u32 cpl, u64 where) {
    u8 bytes[16] = {};
    u32 n = a.length;
    for (u32 i = 0; i < n; ++i) bytes[i] = a.bytes[i];
    if (a.where == by_rax) // the address is in the instruction
        for (u32 i = 0; i < 8; ++i) bytes[1 + i] = static_cast<u8>(where >> (8 * i));
    bytes[n++] = 0xCD;
    bytes[n++] = end_vector;
    Context c = ring(cpl, code(bytes));
    c.rsi = c.rdi = c.rbx = c.rbp = arena_begin;
    c.rax = c.rcx = c.rdx = 0;
    if (a.bytes[0] == 0xF3) c.rcx = 4;
    switch (a.where) {
    case by_rbx: c.rbx = where; break;
    case by_rbp: c.rbp = where; break;
    case by_rsp: c.rsp = where; break;
    case by_rsi: c.rsi = where; break;
    case by_rdi: c.rdi = where; break;
    default: break;
    }
    return c;
}

/// FPU and SSE usable.
struct Vector {
    u64 cr0 = read_cr0(), cr4 = read_cr4();
    Vector() {
        write_cr0((cr0 & ~u64{0xE}) | 2);
        write_cr4(cr4 | cr4::osfxsr | cr4::osxmmexcpt);
        asm volatile("fninit");
        const u32 mxcsr = 0x1F80;
        asm volatile("ldmxcsr %0" ::"m"(mxcsr));
    }
    ~Vector() {
        asm volatile("fninit");
        write_cr0(cr0);
        write_cr4(cr4);
    }
};

/// Whole accesses to addresses that are not canonical.
void data(Report& report) {
    const Vector vector;
    for (const Access& a : accesses) {
        for (const u64 address : addresses) {
            for (const u32 cpl : {0u, 3u}) {
                if ((cpl != 0 && a.level0) || !report.next()) continue;
                report.describe("%s at %x, CPL %u", a.name, address, cpl);
                const Context c = start(a, cpl, address + a.below);
                const Exit e = run(c);
                if (a.size == 0) {
                    report.expect_exit(e, end_vector, 0);
                    continue;
                }
                report.expect_exit(e, a.vector, 0);
                report.expect("RIP", c.rip, e.rip);
                report.expect("RSP", c.rsp, e.rsp);
                report.expect("RCX", c.rcx, e.rcx);
                report.expect("RSI", c.rsi, e.rsi);
                report.expect("RDI", c.rdi, e.rdi);
                report.expect("RBP", c.rbp, e.rbp);
            }
        }
    }
}

/// Accesses that end at the edge of the lower half or cross it, and those that cross into the upper half.
void edges(Report& report) {
    const Vector vector;
    map_edges();
    memset(reinterpret_cast<void*>(edge_memory), 0, 0x2000);
    for (const Access& a : accesses) {
        if (a.size < 2 || a.level0 || a.bytes[0] == 0xF3) continue;
        if (a.where == by_rbx && a.bytes[0] == 0xFF && a.bytes[1] != 0x33) continue; // go to what they read
        if (a.name[0] == 'R' || (a.name[0] == 'J')) continue;
        for (u32 inside = 0; inside <= a.size; ++inside) {
            if (!report.next()) continue;
            report.describe("%s, %u of its %u bytes below the edge", a.name, inside, a.size);
            const Context c = start(a, 3, edge - inside + a.below);
            const Exit e = run(c);
            if (inside == a.size) {
                report.require("no #GP, #SS", e.vector != gp_vector && e.vector != ss_vector);
                continue;
            }
            report.expect_exit(e, a.vector, 0);
            report.expect("RIP", c.rip, e.rip);
            report.expect("RSP", c.rsp, e.rsp);
        }
        for (u32 outside = 1; outside < a.size; ++outside) {
            if (!report.next()) continue;
            report.describe("%s, %u of its %u bytes below the upper half", a.name, outside, a.size);
            const Context c = start(a, 3, upper - outside + a.below);
            const Exit e = run(c);
            report.expect_exit(e, a.vector, 0);
            report.expect("RIP", c.rip, e.rip);
        }
    }
    unmap_edges();
}

/// Near branches: the branch itself faults, and nothing is pushed or popped.
void branches(Report& report) {
    map_edges();
    struct Branch {
        const char* name;
        u8 length, bytes[4];
    };
    constexpr Branch list[] = {{"JMP RBX", 2, {0xFF, 0xE3}},
                               {"CALL RBX", 2, {0xFF, 0xD3}},
                               {"JMP [RSI]", 2, {0xFF, 0x26}},
                               {"CALL [RSI]", 2, {0xFF, 0x16}},
                               {"RET", 1, {0xC3}},
                               {"RET 8", 3, {0xC2, 8, 0}},
                               {"REP RET", 2, {0xF3, 0xC3}}};
    for (const Branch& b : list) {
        const u64 at = code(b.bytes);
        for (const u64 to : addresses) {
            for (const u32 cpl : {0u, 3u}) {
                if (!report.next()) continue;
                report.describe("%s to %x, CPL %u", b.name, to, cpl);
                Context c = ring(cpl, at);
                c.rsp -= 0x40;
                c.rbx = qword(arena_begin) = qword(c.rsp) = to;
                c.rsi = arena_begin;
                const Exit e = run(c);
                report.expect_exit(e, gp_vector, 0);
                report.expect("RIP", c.rip, e.rip);
                report.expect("RSP", c.rsp, e.rsp);
            }
        }
    }
    struct Relative {
        const char* name;
        u8 length, bytes[6]; ///< up to the displacement
        u8 width;
    };
    constexpr Relative relatives[] = {{"JMP rel8", 2, {0xEB}, 1},        {"JMP rel32", 5, {0xE9}, 4},
                                      {"CALL rel32", 5, {0xE8}, 4},      {"JNC rel8", 2, {0x73}, 1},
                                      {"JNC rel32", 6, {0x0F, 0x83}, 4}, {"JRCXZ rel8", 2, {0xE3}, 1},
                                      {"LOOP rel8", 2, {0xE2}, 1}};
    for (const Relative& r : relatives) {
        for (const u32 beyond : {0u, 1u, 0x10u}) {
            for (const u32 cpl : {0u, 3u}) {
                if (!report.next()) continue;
                report.describe("%s to %x beyond the edge, CPL %u", r.name, beyond, cpl);
                constexpr u32 before = 0x20; // the instruction begins so far below the edge
                u8* at = reinterpret_cast<u8*>(edge_memory + 0x1000 - before);
                memset(at, 0x90, before);
                memcpy(at, r.bytes, r.length);
                const u32 distance = before - r.length + beyond;
                for (u32 i = 0; i < r.width; ++i) at[r.length - r.width + i] = static_cast<u8>(distance >> (8 * i));
                Context c = ring(cpl, edge - before);
                c.rcx = r.bytes[0] == 0xE2 ? 2 : 0;
                const Exit e = run(c);
                report.expect_exit(e, gp_vector, 0);
                report.expect("RIP", c.rip, e.rip);
                report.expect("RSP", c.rsp, e.rsp);
                report.expect("RCX", c.rcx, e.rcx);
            }
        }
    }
    for (u32 inside = 0; inside < 8; ++inside) { // falling off: what is fetched beyond the edge is what faults
        for (const u32 cpl : {0u, 3u}) {
            if (!report.next()) continue;
            report.describe("MOV EAX, imm32 with %u of its bytes below the edge, CPL %u", inside, cpl);
            u8* at = reinterpret_cast<u8*>(edge_memory + 0x1000 - 0x10);
            memset(at, 0x90, 0x10);
            if (inside != 0) at[0x10 - inside] = 0xB8;
            const Context c = ring(cpl, edge - 0x10);
            const Exit e = run(c);
            report.expect_exit(e, gp_vector, 0);
            const u64 fits = inside > 5 ? inside - 5 : inside; // the whole instruction, then NOPs' places
            report.expect("RIP", inside >= 5 ? edge : edge - fits, e.rip);
        }
    }
    for (const u32 cpl : {0u, 3u}) { // backward over the upper edge
        if (!report.next()) continue;
        report.describe("JMP rel8 below the upper half, CPL %u", cpl);
        byte(edge_memory + 0x1000) = 0xEB;
        byte(edge_memory + 0x1001) = 0xF0;
        const Context c = ring(cpl, upper);
        const Exit e = run(c);
        report.expect_exit(e, gp_vector, 0);
        report.expect("RIP", upper, e.rip);
    }
    unmap_edges();
}

/// Registers that hold addresses take what the processor's widest linear addresses allow, whatever CR4.LA57 says (SDM
/// 3A 4.5.2's note on loads of bases and on MSRs; 5-Level Paging white paper, 2.2).
bool storable(u64 value) { return canonical(value, features().la57 ? 57 : 48); }

void registers(Report& report) {
    struct Msr {
        const char* name;
        u32 index;
        bool intel; ///< AMD's holds 32 bits
    };
    constexpr Msr list[] = {{"IA32_FS_BASE", msr::fs_base, false},
                            {"IA32_GS_BASE", msr::gs_base, false},
                            {"IA32_KERNEL_GS_BASE", msr::kernel_gs_base, false},
                            {"IA32_LSTAR", msr::lstar, false},
                            {"IA32_CSTAR", msr::cstar, false},
                            {"IA32_SYSENTER_ESP", msr::sysenter_esp, true},
                            {"IA32_SYSENTER_EIP", msr::sysenter_eip, true}};
    constexpr u64 good[] = {0, edge - 1, upper, ~u64{0}, 0x1234'5678};
    const u8 write[] = {0x0F, 0x30, 0xCD, end_vector};
    const u64 at = code(write);
    for (const Msr& m : list) {
        for (u32 i = 0; i < 14; ++i) {
            if (!report.next()) continue;
            const u64 value = i < 9 ? addresses[i] : good[i - 9];
            report.describe("WRMSR %s := %x", m.name, value);
            if (m.intel && features().amd) {
                report.skip("AMD's register has 32 bits");
                continue;
            }
            const u64 before = read_msr(m.index);
            Context c = ring(0, at);
            c.rcx = m.index;
            c.rax = static_cast<u32>(value);
            c.rdx = value >> 32;
            const Exit e = run(c);
            const u64 now = m.index == msr::fs_base   ? e.fs_base
                            : m.index == msr::gs_base ? e.gs_base
                                                      : read_msr(m.index);
            report.expect_exit(e, storable(value) ? end_vector : gp_vector, 0);
            report.expect("register", storable(value) ? value : before, now);
            write_msr(m.index, before);
        }
    }
    struct Table {
        const char* name;
        u8 bytes[5];
    };
    constexpr Table loads[] = {{"LGDT", {0x0F, 0x01, 0x13, 0xCD, end_vector}},
                               {"LIDT", {0x0F, 0x01, 0x1B, 0xCD, end_vector}}};
    for (const Table& t : loads) {
        const u64 load = code(t.bytes);
        for (const u64 value : addresses) {
            if (!report.next()) continue;
            report.describe("%s with base %x", t.name, value);
            if (storable(value)) {
                report.skip("the processor's bases have 57 bits"); // nothing would work after it
                continue;
            }
            word(arena_begin) = 0xFFF;
            qword(arena_begin + 2) = value;
            Context c = ring(0, load);
            c.rbx = arena_begin;
            const Exit e = run(c);
            report.expect_exit(e, gp_vector, 0);
            report.expect("RIP", c.rip, e.rip);
        }
    }
    for (const bool task : {false, true}) {
        const u8 bytes[] = {0x0F, 0x00, static_cast<u8>(task ? 0xD8 : 0xD0), 0xCD, end_vector};
        const u64 load = code(bytes);
        for (u32 i = 0; i < 14; ++i) {
            if (!report.next()) continue;
            const u64 value = i < 9 ? addresses[i] : good[i - 9];
            report.describe("%s with base %x", task ? "LTR" : "LLDT", value);
            set_wide(first_free, value, 0x67, task ? tss_type : ldt_type);
            Context c = ring(0, load);
            c.rax = first_free;
            const Exit e = run(c);
            load_ldt(ldt_selector);
            load_task(tss_selector);
            report.expect_exit(e, storable(value) ? end_vector : gp_vector, storable(value) ? 0 : first_free);
            report.expect("type",
                          task && storable(value) ? tss_type | busy
                          : task                  ? tss_type
                                                  : ldt_type,
                          gdt[first_free / 8] >> 40 & 0xF);
        }
    }
    for (const u32 r : {2u, 3u}) {
        for (u32 i = 0; i < 14; ++i) {
            for (const u32 cpl : {0u, 3u}) {
                if (!report.next()) continue;
                const u64 value = i < 9 ? addresses[i] : good[i - 9];
                report.describe("%s %x, CPL %u", r == 2 ? "WRFSBASE" : "WRGSBASE", value, cpl);
                if (!features().fsgsbase) {
                    report.skip("needs FSGSBASE");
                    continue;
                }
                write_cr4(read_cr4() | cr4::fsgsbase);
                const u8 bytes[] = {0xF3, 0x48, 0x0F, 0xAE, static_cast<u8>(0xC0 | r << 3), 0xCD, end_vector};
                Context c = ring(cpl, code(bytes));
                c.rax = value;
                const Exit e = run(c);
                write_cr4(read_cr4() & ~cr4::fsgsbase);
                report.expect_exit(e, storable(value) ? end_vector : gp_vector, 0);
                report.expect("FS base", r == 2 && storable(value) ? value : 0, e.fs_base);
                report.expect("GS base", r == 3 && storable(value) ? value : 0, e.gs_base);
            }
        }
    }
    for (u32 type = 0; type < 5; ++type) {
        for (const u64 value : addresses) {
            if (!report.next()) continue;
            report.describe("INVPCID of type %u, address %x", type, value);
            if (!features().invpcid) {
                report.skip("needs INVPCID");
                continue;
            }
            const u8 bytes[] = {0x66, 0x0F, 0x38, 0x82, 0x0B, 0xCD, end_vector};
            qword(arena_begin) = 0;
            qword(arena_begin + 8) = value;
            Context c = ring(0, code(bytes));
            c.rcx = type;
            c.rbx = arena_begin;
            const Exit e = run(c);
            report.expect_exit(e, (type >= 1 && type <= 3) || (type == 0 && storable(value)) ? end_vector : gp_vector,
                               0);
        }
    }
}

/// FS and GS bases and offsets whose sum leaves the canonical range or wraps.
void bases(Report& report) {
    struct Sum {
        u64 base, offset;
    };
    constexpr Sum sums[] = {{edge - 8, 8},
                            {edge - 8, 4},
                            {arena_begin, 0},
                            {upper, ~u64{0}},
                            {upper, 0 - upper + arena_begin},
                            {~u64{7}, arena_begin + 8},
                            {0x1000, edge - 0x1000},
                            {0x1000, edge - 0x1008}};
    map_edges();
    for (const Sum& s : sums) {
        if (!report.next()) continue;
        report.describe("FS base %x, offset %x", s.base, s.offset);
        // The context's selector would load a base of 32 bits: the code writes the MSR first.
        const u8 all[] = {0x0F, 0x30, 0x64, 0x48, 0x8B, 0x0B, 0xCD, end_vector};
        Context c = ring(0, code(all));
        c.rcx = msr::fs_base;
        c.rax = static_cast<u32>(s.base);
        c.rdx = s.base >> 32;
        c.rbx = s.offset;
        const Exit e = run(c);
        const u64 sum = s.base + s.offset;
        const bool ok = canonical(sum) && canonical(sum + 7);
        report.expect_exit(e, ok ? end_vector : gp_vector, 0);
        report.expect("RIP", c.rip + (ok ? 8 : 2), e.rip);
    }
    unmap_edges();
}

constexpr Form forms[] = {
    {"long/canonical-data", "SDM 1 3.3.7.1; 3A 6.15 (#GP, #SS)", data},
    {"long/canonical-edges", "SDM 1 3.3.7.1; 3A 6.15 (#GP, #SS)", edges},
    {"long/canonical-branches", "SDM 2A CALL, JMP, Jcc; 2B RET", branches},
    {"long/canonical-registers", "SDM 2A LGDT, LLDT, INVPCID; 2B LTR, WRMSR, WRFSBASE", registers},
    {"long/canonical-bases", "SDM 1 3.3.7.1; 3A 3.4.4", bases},
};

} // namespace

Group canonical_forms() { return group(forms); }
