// Segment registers with each operand size: PUSH and POP of 16 and 32 bits, MOV to and from memory and registers, and
// far pointers of 16 bits (SDM 2, MOV, PUSH, POP, LDS).
#include "guests/system/privilege.hpp"
#include "guests/system/segments.hpp"

namespace segments {

namespace {

constexpr u32 operand_at = arena_begin + 0x100, filler = 0xA5A5'5A5A;

struct Instruction {
    const char* name;
    u8 bytes[4];
    u32 length;
    i32 sp;        ///< what is added to ESP
    bool selector; ///< loads DS (ES for POP ES) from the stack or memory
};
constexpr Instruction instructions[] = {
    {"PUSH DS", {0x1E}, 1, -4, false},       {"PUSH DS, 16 bits", {0x66, 0x1E}, 2, -2, false},
    {"PUSH FS", {0x0F, 0xA0}, 2, -4, false}, {"PUSH GS, 16 bits", {0x66, 0x0F, 0xA8}, 3, -2, false},
    {"PUSH CS", {0x0E}, 1, -4, false},       {"PUSH SS", {0x16}, 1, -4, false},
    {"POP DS", {0x1F}, 1, 4, true},          {"POP DS, 16 bits", {0x66, 0x1F}, 2, 2, true},
    {"POP FS", {0x0F, 0xA1}, 2, 4, true},    {"POP GS, 16 bits", {0x66, 0x0F, 0xA9}, 3, 2, true},
};

u32 pushed_selector(const Instruction& i, const Context& c) {
    const u8 op = i.bytes[i.length - 1];
    return op == 0x1E ? c.ds : op == 0xA0 ? c.fs : op == 0xA8 ? c.gs : op == 0x0E ? c.cs : c.ss;
}

u32 popped_selector(const Instruction& i, const Context& c) {
    const u8 op = i.bytes[i.length - 1];
    return op == 0x1F ? c.ds : op == 0xA1 ? c.fs : c.gs;
}

void stack_case(Report& report, const Instruction& i, u32 cpl) {
    u8 bytes[6];
    memcpy(bytes, i.bytes, i.length);
    bytes[i.length] = 0xCD;
    bytes[i.length + 1] = end_vector;
    Context c = ring(cpl, code(bytes, i.length + 2));
    c.esp -= 0x20;
    dword(c.esp - 4) = dword(c.esp) = filler;
    const u32 selector = first_free | 3;
    gdt[first_free / 8] = whole(data_type, 3);
    if (i.selector) word(c.esp) = static_cast<u16>(selector);
    c.fs = flat_data(3);
    c.gs = 0;
    const Exit e = run(c);
    report.expect_exit(e, end_vector, 0);
    report.expect("ESP", c.esp + static_cast<u32>(i.sp), e.esp);
    if (i.selector)
        report.expect("selector", selector, popped_selector(i, e));
    else
        report.expect("pushed", pushed_selector(i, c), word(c.esp + static_cast<u32>(i.sp)));
}

/// MOV m16, Sreg writes two bytes whatever the operand size; MOV r16, Sreg leaves the upper half.
void store_case(Report& report, u32 reg, u32 form, u32 cpl) {
    constexpr const char* forms[] = {"to memory", "to memory, operand size 16", "to AX", "to EAX"};
    report.describe("MOV from segment register %u %s, CPL %u", reg, forms[form], cpl);
    const u8 modrm = static_cast<u8>((form >= 2 ? 0xC0 : 0x03) | reg << 3);
    const u8 bytes[] = {0x66, 0x8C, modrm, 0xCD, end_vector};
    const bool narrow = form == 1 || form == 2;
    Context c = ring(cpl, narrow ? code(bytes, 5) : code(bytes + 1, 4));
    c.eax = filler;
    c.ebx = operand_at;
    c.es = flat_data(3);
    c.gs = 2;
    dword(operand_at) = filler;
    const Exit e = run(c);
    const u32 values[] = {c.es, c.cs, c.ss, c.ds, c.fs, c.gs};
    const u32 low = (filler & 0xFFFF'0000) | values[reg];
    report.expect_exit(e, end_vector, 0);
    if (form < 2)
        report.expect("memory", low, dword(operand_at));
    else if (form == 2)
        report.expect("EAX", low, e.eax);
    else
        report.expect("AX", values[reg], e.eax & 0xFFFF); // the upper half: zero from the Pentium Pro on
}

/// MOV Sreg, m16 and 16-bit far pointers.
void load_case(Report& report, u32 form, u32 cpl) {
    constexpr const char* names[] = {"MOV ES, m16", "MOV ES, m16 with operand size 16", "LES CX, m16:16",
                                     "LFS CX, m16:16", "LDS ECX, m16:32 at the end of its segment"};
    report.describe("%s, CPL %u", names[form], cpl);
    constexpr u8 bytes[][6] = {{0x8E, 0x03, 0xCD, end_vector},
                               {0x66, 0x8E, 0x03, 0xCD, end_vector},
                               {0x66, 0xC4, 0x0B, 0xCD, end_vector},
                               {0x66, 0x0F, 0xB4, 0x0B, 0xCD, end_vector},
                               {0xC5, 0x0B, 0xCD, end_vector}};
    gdt[first_free / 8] = whole(data_type, 3);
    Context c = ring(cpl, code(bytes[form]));
    c.ebx = operand_at;
    c.ecx = filler;
    const u32 selector = first_free | 3;
    word(operand_at) = static_cast<u16>(form < 2 ? selector : 0x1234);
    word(operand_at + 2) = static_cast<u16>(selector);
    if (form == 4) { // the offset is inside, the selector is not: #GP, and nothing is loaded
        gdt[first_free / 8 + 1] = descriptor(operand_at, 5, data_type, 3);
        c.ds = (first_free + 8) | 3;
        c.ebx = 1;
    }
    const Exit e = run(c);
    report.expect_exit(e, form == 4 ? gp_vector : end_vector, 0);
    if (form < 3) report.expect("ES", selector, e.es);
    if (form == 3) report.expect("FS", selector, e.fs);
    if (form == 4) report.expect("DS", c.ds, e.ds);
    const bool loads = form == 2 || form == 3;
    report.expect("ECX", loads ? (filler & 0xFFFF'0000) | 0x1234 : filler, e.ecx);
}

} // namespace

void operand_sizes(Report& report) {
    for (u32 cpl = 0; cpl < 4; ++cpl) {
        for (const Instruction& i : instructions) {
            if (!report.next()) continue;
            report.describe("%s, CPL %u", i.name, cpl);
            stack_case(report, i, cpl);
        }
        for (u32 reg = 0; reg < 6; ++reg) {
            for (u32 form = 0; form < 4; ++form) {
                if (report.next()) store_case(report, reg, form, cpl);
            }
        }
        for (u32 form = 0; form < 5; ++form) {
            if (report.next()) load_case(report, form, cpl);
        }
    }
    reset_tables();
}

} // namespace segments
