// Alignment checks (SDM 3A 6.15, interrupt 17): what must be aligned to how much, who is checked, and what comes first.
// Within the last class of table 6-2 the order is left to the processor.
#include "guests/system/faults.hpp"

namespace faults {

namespace {

alignas(64) u8 buffer[512];

/// Table 6-7. Each accesses [EDX]; `alignment` in bytes, 1 for none.
struct Access {
    const char* name;
    u8 bytes[8];
    u32 alignment;
    u8 needs = 0; ///< bit of CPUID.1:EDX; 0 (the x87) is always there
};
constexpr Access accesses[] = {
    {"MOV r8", {0x8A, 0x02, 0xCD, 0x80}, 1},
    {"MOV r16", {0x66, 0x8B, 0x02, 0xCD, 0x80}, 2},
    {"MOV r32", {0x8B, 0x02, 0xCD, 0x80}, 4},
    {"MOV m16", {0x66, 0x89, 0x02, 0xCD, 0x80}, 2},
    {"MOV m32", {0x89, 0x02, 0xCD, 0x80}, 4},
    {"ADD m32", {0x01, 0x02, 0xCD, 0x80}, 4},
    {"ADD m16", {0x66, 0x01, 0x02, 0xCD, 0x80}, 2},
    {"LOCK ADD m32", {0xF0, 0x01, 0x02, 0xCD, 0x80}, 4},
    {"XCHG m32", {0x87, 0x02, 0xCD, 0x80}, 4},
    {"CMP m32", {0x39, 0x02, 0xCD, 0x80}, 4},
    {"TEST m32", {0x85, 0x02, 0xCD, 0x80}, 4},
    {"IMUL m32", {0x0F, 0xAF, 0x02, 0xCD, 0x80}, 4},
    {"MOVZX m16", {0x0F, 0xB7, 0x02, 0xCD, 0x80}, 2},
    {"MOVSX m8", {0x0F, 0xBE, 0x02, 0xCD, 0x80}, 1},
    {"PUSH m32", {0xFF, 0x32, 0xCD, 0x80}, 4},
    {"BT m32", {0x0F, 0xA3, 0x02, 0xCD, 0x80}, 4},
    {"BTS m32, imm8", {0x0F, 0xBA, 0x2A, 0x03, 0xCD, 0x80}, 4},
    {"BTS m16, imm8", {0x66, 0x0F, 0xBA, 0x2A, 3, 0xCD, 0x80}, 2},
    {"BSWAP", {0x0F, 0xCA, 0xCD, 0x80}, 1},
    {"LEA", {0x8D, 0x42, 0x01, 0xCD, 0x80}, 1},
    {"SHLD m32", {0x0F, 0xA4, 0x02, 0x01, 0xCD, 0x80}, 4},
    {"CMPXCHG m32", {0x0F, 0xB1, 0x02, 0xCD, 0x80}, 4},
    {"XADD m32", {0x0F, 0xC1, 0x02, 0xCD, 0x80}, 4},
    {"LODSW", {0x87, 0xF2, 0x66, 0xAD, 0xCD, 0x80}, 2},
    {"LODSD", {0x87, 0xF2, 0xAD, 0xCD, 0x80}, 4},
    {"STOSD", {0x87, 0xFA, 0xAB, 0xCD, 0x80}, 4},
    {"FLD m32", {0xD9, 0x02, 0xCD, 0x80}, 4},
    {"FST m32", {0xD9, 0x12, 0xCD, 0x80}, 4},
    {"FLD m64", {0xDD, 0x02, 0xCD, 0x80}, 8},
    {"FST m64", {0xDD, 0x12, 0xCD, 0x80}, 8},
    {"FLD m80", {0xDB, 0x2A, 0xCD, 0x80}, 8},
    {"FILD m16", {0xDF, 0x02, 0xCD, 0x80}, 2},
    {"FILD m32", {0xDB, 0x02, 0xCD, 0x80}, 4},
    {"FILD m64", {0xDF, 0x2A, 0xCD, 0x80}, 8},
    {"FNSTCW", {0xD9, 0x3A, 0xCD, 0x80}, 2},
    {"FNSTSW", {0xDD, 0x3A, 0xCD, 0x80}, 2},
    {"FNSTENV", {0xD9, 0x32, 0xCD, 0x80}, 4},
    {"FNSAVE", {0xDD, 0x32, 0xCD, 0x80}, 4},
    {"MOVQ mm0", {0x0F, 0x6F, 0x02, 0xCD, 0x80}, 8, 23},
    {"MOVD mm0", {0x0F, 0x6E, 0x02, 0xCD, 0x80}, 4, 23},
    {"CMPXCHG8B", {0x0F, 0xC7, 0x0A, 0xCD, 0x80}, 8, 8},
    {"SLDT m16", {0x0F, 0x00, 0x02, 0xCD, 0x80}, 2},
    {"SMSW m16", {0x0F, 0x01, 0x22, 0xCD, 0x80}, 2},
};

const char* missing(const Access& a) {
    if (!features().cpuid) return "no alignment check before the 486";
    if (a.needs && !(features().edx >> a.needs & 1)) return "the processor lacks the instruction";
    return nullptr;
}

u32 first_byte_offset(const Access& a) { return a.bytes[0] == 0x87 && a.bytes[1] >= 0xF0 ? 2 : 0; }

struct Mode {
    bool am, flag;
    unsigned cpl;
};

void misalign(Report& report, const Access& a, u32 offset, Mode mode) {
    reset_tables();
    asm volatile("fninit");
    memset(buffer, 0, sizeof buffer);
    const u32 before = change_cr0(mode.am ? cr0_am : 0, (mode.am ? 0 : cr0_am) | cr0_em | cr0_ts);
    Context c = ring(mode.cpl, code(a.bytes));
    c.edx = address(buffer) + offset;
    if (mode.flag) c.eflags |= ac;
    const Exit e = run(c);
    write_cr0(before);
    const bool checked = mode.am && mode.flag && mode.cpl == 3;
    const bool fault = checked && offset % a.alignment != 0;
    report.expect_exit(e, fault ? 17 : end_vector, 0);
    if (!fault) return;
    report.expect("EIP", c.eip + first_byte_offset(a), e.eip);
    report.expect("RF", rf, e.eflags & rf);
    report.expect("AC", ac, e.eflags & ac);
}

} // namespace

void alignment(Report& report) {
    for (const Access& a : accesses) {
        for (u32 offset = 0; offset < 9; ++offset) {
            if (!report.next()) continue;
            report.describe("%s at offset %u", a.name, offset);
            if (const char* why = missing(a)) {
                report.skip(why);
                continue;
            }
            misalign(report, a, offset, {true, true, 3});
        }
    }
    for (unsigned bits = 0; bits < 16; ++bits) {
        const Mode mode{(bits & 1) != 0, (bits & 2) != 0, bits >> 2};
        for (const u32 index : {2u, 4u, 5u, 28u}) {
            if (!report.next()) continue;
            const Access& a = accesses[index];
            report.describe("%s at offset 1, AM %u AC %u CPL %u", a.name, bits & 1, bits >> 1 & 1, mode.cpl);
            if (const char* why = missing(a)) {
                report.skip(why);
                continue;
            }
            misalign(report, a, 1, mode);
        }
    }
}

// --- order
// --------------------------------------------------------------------------------------------------------------

namespace {

extern "C" const u8 order_read[], order_push[], order_call[], order_ds[], order_int[], order_movs[], order_ss[];
asm(R"(
.intel_syntax noprefix
.text
order_read: mov eax, [edx]
    int 0x80
order_push: push eax
    int 0x80
order_call: call order_call
    int 0x80
order_ds: mov ds, eax
    int 0x80
order_int: int 0x80
order_movs: movsd
    int 0x80
order_ss: mov eax, [ebp]
    int 0x80
.att_syntax
)");

struct Order {
    const char* name;
    const u8* code;
    void (*set)(Context&);
    u8 vector;
    u32 error;
    bool or_page_fault = false; ///< the order of the two is the processor's own; current ones check alignment first
};
constexpr u32 limit = 0x70'0FFF;
void limited(Context& c, u32 offset) {
    gdt[spare / 8] = descriptor(0, limit >> 12, 0x13, 3, true, true, true);
    c.ds = spare | 3;
    c.edx = offset;
}
const Order orders[] = {
    {"page absent", order_read, [](Context& c) { c.edx = absent_page + 1; }, 17, 0, true},
    {"second page absent", order_read, [](Context& c) { c.edx = absent_page - 1; }, 17, 0, true},
    {"beyond the limit", order_read, [](Context& c) { limited(c, limit + 2); }, 13, 0},
    {"last byte beyond the limit", order_read, [](Context& c) { limited(c, limit - 2); }, 13, 0},
    {"within the limit", order_read, [](Context& c) { limited(c, limit - 5); }, 17, 0},
    {"null DS", order_read, [](Context& c) { c.ds = 0, c.edx = 1; }, 13, 0},
    {"stack segment's limit", order_ss,
     [](Context& c) { limited(c, 0), c.ds = flat_data(3), c.ss = spare | 3, c.ebp = limit + 2; }, 12, 0},
    {"PUSH to an unaligned stack", order_push, [](Context& c) { c.esp -= 2; }, 17, 0},
    {"PUSH to an unaligned absent page", order_push, [](Context& c) { c.esp = absent_page + 0x802; }, 17, 0, true},
    {"CALL with an unaligned stack", order_call, [](Context& c) { c.esp -= 1; }, 17, 0},
    {"INT with an unaligned stack, frame on ring 0's", order_int, [](Context& c) { c.esp -= 1; }, 0x80, 0},
    {"descriptor at an unaligned address", order_ds,
     [](Context& c) {
         memcpy(buffer + 1, gdt, sizeof buffer - 1);
         load_gdt(address(buffer) + 1, sizeof buffer - 2);
         c.eax = flat_data(3);
     },
     0x80, 0},
    {"MOVS, source unaligned", order_movs,
     [](Context& c) { c.esi = absent_page + 0x1001, c.edi = absent_page + 0x1100; }, 17, 0},
    {"MOVS, destination unaligned", order_movs,
     [](Context& c) { c.esi = absent_page + 0x1000, c.edi = absent_page + 0x1101; }, 17, 0},
};

} // namespace

void alignment_priority(Report& report) {
    for (const Order& o : orders) {
        if (!report.next()) continue;
        report.describe("%s", o.name);
        if (!features().cpuid) {
            report.skip("no alignment check before the 486");
            continue;
        }
        reset_tables();
        paging_on();
        const u32 before = change_cr0(cr0_am, 0);
        Context c = ring(3, o.code);
        c.eflags |= ac;
        o.set(c);
        const Exit e = run(c);
        write_cr0(before);
        paging_off();
        reset_tables();
        if (!o.or_page_fault || e.vector != 14) report.expect_exit(e, o.vector, o.error);
        if (o.vector != end_vector) report.expect("EIP", c.eip, e.eip);
    }
}

} // namespace faults
