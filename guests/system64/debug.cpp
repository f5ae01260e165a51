// Debug exceptions in 64-bit code: breakpoints at addresses of 64 bits, eight bytes long, single steps over the
// transfers of long mode, RF, and the registers' upper halves (SDM 3B 17.2, 17.3).
#include "guests/system64/system64.hpp"

namespace {

constexpr u64 dr6_fixed = 0xFFFF'0FF0, single_step = 0x4000, dr7_fixed = 0x400, upper_half = ~u64{0} << 47;

void set_address(u32 n, u64 a) {
    switch (n) {
    case 0: return write_dr0(a);
    case 1: return write_dr1(a);
    case 2: return write_dr2(a);
    default: return write_dr3(a);
    }
}
u64 get_address(u32 n) { return n == 0 ? read_dr0() : n == 1 ? read_dr1() : n == 2 ? read_dr2() : read_dr3(); }

struct Debugged : Exit {
    u64 dr6;
};
Debugged run_with(const Context& c, u64 dr7) {
    write_dr6(dr6_fixed);
    write_dr7(dr7 | dr7_fixed);
    Debugged d;
    static_cast<Exit&>(d) = run(c);
    d.dr6 = read_dr6();
    write_dr7(dr7_fixed);
    write_dr6(dr6_fixed);
    return d;
}
/// DR7 for one breakpoint. `kind`: 0 code, 1 writes, 3 reads and writes; `length`: LEN's two bits.
constexpr u64 enable(u32 n, u32 kind, u32 length) {
    return u64{2} << (2 * n) | u64{kind | length << 2} << (16 + 4 * n);
}

/// Data of each length around breakpoints of each length, low and high in memory.
void data(Report& report) {
    struct Access {
        const char* name;
        u8 bytes[4];
        u32 length, size;
        bool write;
    };
    constexpr Access list[] = {
        {"read of 1", {0x8A, 0x0B}, 2, 1, false},       {"read of 4", {0x8B, 0x0B}, 2, 4, false},
        {"read of 8", {0x48, 0x8B, 0x0B}, 3, 8, false}, {"write of 1", {0x88, 0x0B}, 2, 1, true},
        {"write of 2", {0x66, 0x89, 0x0B}, 3, 2, true}, {"write of 8", {0x48, 0x89, 0x0B}, 3, 8, true}};
    constexpr u32 sizes[] = {1, 2, 8, 4};
    top_table[256] = top_table[0];
    for (const Access& a : list) {
        const u8 bytes[] = {a.bytes[0], a.bytes[1], a.bytes[2], 0x90, 0x90, 0xCD, end_vector};
        const u8 brief[] = {a.bytes[0], a.bytes[1], 0x90, 0x90, 0xCD, end_vector};
        const u64 at = a.length == 3 ? code(bytes) : code(brief);
        for (const u64 half : {u64{0}, upper_half}) {
            for (u32 length = 0; length < 4; ++length) {
                for (const u32 kind : {1u, 3u}) {
                    for (i32 distance = -9; distance <= 9; ++distance) {
                        for (const bool elsewhere : {false, true}) {
                            if (elsewhere && distance != 0) continue;
                            if (!report.next()) continue;
                            const u32 n = static_cast<u32>(distance + 9) & 3;
                            report.describe("%s at %x, breakpoint %u of %u bytes %s, kind %u%s", a.name,
                                            (half | arena_begin) + static_cast<u64>(static_cast<i64>(distance)), n,
                                            sizes[length], half ? "high" : "low", kind,
                                            elsewhere ? ", with other upper bits" : "");
                            const u64 breakpoint = (half | arena_begin) ^ (elsewhere ? u64{1} << 40 : 0);
                            set_address(n, breakpoint);
                            Context c = ring(3, at);
                            c.rbx = (half | arena_begin) + static_cast<u64>(static_cast<i64>(distance));
                            const Debugged e = run_with(c, enable(n, kind, length));
                            const bool overlaps =
                                distance < static_cast<i32>(sizes[length]) && distance + static_cast<i32>(a.size) > 0;
                            const bool hits = overlaps && !elsewhere && (a.write || kind == 3);
                            report.expect("vector", hits ? u64{db_vector} : u64{end_vector}, e.vector);
                            if (!hits) continue;
                            report.expect("DR6", dr6_fixed | u64{1} << n, e.dr6);
                            report.expect("RIP", c.rip + a.length, e.rip);
                        }
                    }
                }
            }
        }
    }
    top_table[256] = 0;
}

/// Code breakpoints: all 64 bits of RIP count; RF, taken from IRETQ's frame, passes one.
void code_breakpoints(Report& report) {
    const u8 bytes[] = {0x90, 0x90, 0xCD, end_vector};
    const u64 at = code(bytes);
    top_table[256] = top_table[0];
    for (const u64 half : {u64{0}, upper_half}) {
        for (const u64 other : {u64{0}, u64{1} << 32, u64{1} << 46, u64{1} << 63}) {
            for (u32 place = 0; place < 2; ++place) {
                for (const bool rf : {false, true}) {
                    for (const u32 cpl : {0u, 3u}) {
                        if (!report.next()) continue;
                        const u64 breakpoint = ((half | at) + place) ^ other;
                        report.describe("code at %x, breakpoint at %x, RF %u, CPL %u", half | at, breakpoint, rf, cpl);
                        set_address(1, breakpoint);
                        Context c = ring(cpl, half | at);
                        c.rflags |= rf ? flag_rf : 0;
                        const Debugged e = run_with(c, enable(1, 0, 0));
                        const bool hits = other == 0 && !(rf && place == 0);
                        report.expect("vector", hits ? u64{db_vector} : u64{end_vector}, e.vector);
                        if (!hits) continue;
                        report.expect("DR6", dr6_fixed | 2, e.dr6);
                        report.expect("RIP", breakpoint, e.rip);
                        report.expect("RF", 0, e.rflags & flag_rf); // every other fault pushes a 1
                    }
                }
            }
        }
    }
    top_table[256] = 0;
}

/// One step of TF over instructions that go elsewhere.
void steps(Report& report) {
    constexpr u64 there = arena_begin + 0x5'0000;
    struct Step {
        const char* name;
        u8 bytes[6];
        bool moves; ///< to `there`
        u64 vector = db_vector;
        u32 length = 0;
    };
    constexpr Step list[] = {{"NOP", {0x90, 0x90, 0x90}, false, db_vector, 1},
                             {"JMP RBX", {0xFF, 0xE3}, true},
                             {"CALL RBX", {0xFF, 0xD3}, true},
                             {"RET", {0xC3}, true},
                             {"RETFQ", {0x48, 0xCB}, true},
                             {"IRETQ", {0x48, 0xCF}, true}, // the frame's TF
                             {"MOV RAX, CR8", {0x44, 0x0F, 0x20, 0xC0}, false, db_vector, 4},
                             {"CPUID", {0x0F, 0xA2, 0x90}, false, db_vector, 2},
                             {"SWAPGS", {0x0F, 0x01, 0xF8}, false, db_vector, 3},
                             {"INT 80h", {0xCD, end_vector}, false, end_vector, 2},
                             {"UD2", {0x0F, 0x0B}, false, ud_vector, 0},
                             {"PUSHFQ", {0x9C, 0x90}, false, db_vector, 1}};
    for (const Step& s : list) {
        if (!report.next()) continue;
        report.describe("TF and %s", s.name);
        word(there) = 0x9090;
        Context c = ring(0, code(s.bytes));
        c.rsp -= 0x40;
        c.rbx = there;
        const u64 first = there;
        const u64 frame[] = {first, kernel_code, 2 | flag_tf, c.rsp, kernel_data};
        for (u32 i = 0; i < 5; ++i) qword(c.rsp + 8 * i) = frame[i];
        c.rflags |= flag_tf;
        const Debugged e = run_with(c, 0);
        report.expect_exit(e, s.vector, 0);
        report.expect("RIP", s.moves ? there : c.rip + s.length, e.rip);
        report.expect("DR6", dr6_fixed | (s.vector == db_vector ? single_step : 0), e.dr6);
        report.expect("TF", flag_tf, e.rflags & flag_tf);
    }
    // SYSCALL: FMASK may take TF along (SDM 2B; 3B 17.3.1.4); SYSRET brings it back before the next instruction.
    const u64 efer = read_msr(msr::efer);
    write_msr(msr::efer, efer | efer_sce);
    write_msr(msr::star, u64{0x28} << 48 | u64{8} << 32);
    write_msr(msr::lstar, there);
    for (const bool masked : {false, true}) {
        for (const u32 cpl : {0u, 3u}) {
            if (!report.next()) continue;
            report.describe("TF and SYSCALL, CPL %u, FMASK.TF %u", cpl, masked);
            const u8 bytes[] = {0x0F, 0x05};
            dword(there) = end_vector << 8 | 0xCD;
            write_msr(msr::fmask, masked ? flag_tf : 0);
            Context c = ring(cpl, code(bytes));
            c.rflags |= flag_tf;
            const Debugged e = run_with(c, 0);
            report.expect_exit(e, masked ? end_vector : db_vector, 0);
            report.expect("RIP", there + (masked ? 2 : 0), e.rip);
            report.expect("R11", c.rflags, e.r11);
        }
    }
    if (report.next()) {
        report.describe("SYSRETQ with TF in R11");
        const u8 bytes[] = {0x48, 0x0F, 0x07};
        word(there) = 0x9090;
        Context c = ring(0, code(bytes));
        c.rcx = there;
        c.r11 = 2 | flag_tf;
        const Debugged e = run_with(c, 0);
        // The trap comes after SYSRET itself (SDM 2B, SYSRET).
        report.expect_exit(e, db_vector, 0);
        report.expect("RIP", there, e.rip);
        report.expect("CS", 0x3B, e.cs);
    }
    write_msr(msr::fmask, 0);
    write_msr(msr::lstar, 0);
    write_msr(msr::star, 0);
    write_msr(msr::efer, efer);
}

/// The registers: 64 bits of address; DR6 and DR7 refuse upper halves; levels; DR4, DR5 and what does not exist.
void registers(Report& report) {
    for (u32 n = 0; n < 4; ++n) {
        for (const u64 value : {u64{0}, ~u64{0}, u64{1} << 63, u64{1} << 47, u64{0x1234'5678'9ABC'DEF0}}) {
            if (!report.next()) continue;
            report.describe("DR%u := %x", n, value);
            set_address(n, value);
            report.expect("value", value, get_address(n));
            set_address(n, 0);
        }
    }
    for (u32 n = 0; n < 16; ++n) {
        for (const bool write : {false, true}) {
            for (u32 bit = 0; bit < 64; ++bit) {
                for (const bool extensions : {false, true}) {
                    if (bit != 0 && (!write || n < 6 || n > 7 || extensions || bit == 13)) continue;
                    for (u32 cpl = 0; cpl < 4; ++cpl) {
                        if ((bit != 0 && cpl != 0) || !report.next()) continue;
                        report.describe("MOV %s DR%u, bit %u set, CR4.DE %u, CPL %u", write ? "to" : "from", n, bit,
                                        extensions, cpl);
                        const u8 bytes[] = {
                            static_cast<u8>(n >= 8 ? 0x44 : 0x40), 0x0F, static_cast<u8>(write ? 0x23 : 0x21),
                            static_cast<u8>(0xC0 | (n & 7) << 3),  0xCD, end_vector};
                        Context c = ring(cpl, code(bytes));
                        c.rax = write && bit != 0 ? u64{1} << bit : 0;
                        if (extensions) write_cr4(read_cr4() | cr4::de);
                        const Debugged e = run_with(c, 0);
                        write_cr4(read_cr4() & ~cr4::de);
                        Fault fault = none;
                        if (n >= 6 && bit >= 32) fault = {gp_vector, 0};
                        if (cpl != 0) fault = {gp_vector, 0};
                        if (n >= 8 || ((n == 4 || n == 5) && extensions)) {
                            // Which of #UD and #GP comes first outside level 0 is not written down.
                            if (cpl != 0) {
                                report.require("a fault", e.vector == ud_vector || e.vector == gp_vector);
                                continue;
                            }
                            fault = {ud_vector, 0};
                        }
                        report.expect_exit(e, fault.vector, fault.error);
                        set_address(n & 3, 0);
                    }
                }
            }
        }
    }
}

/// A debug exception's handler on its own stack, and a breakpoint on what the delivery itself touches.
void delivery(Report& report) {
    const u8 bytes[] = {0x90, 0x90, 0xCD, end_vector};
    for (u32 ist = 0; ist < 8; ++ist) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            if (!report.next()) continue;
            report.describe("single step through IST %u, CPL %u", ist, cpl);
            set_gate(db_vector, kernel_code, stub(db_vector), interrupt_gate, 0, true, ist);
            Context c = ring(cpl, code(bytes));
            c.rflags |= flag_tf;
            const Debugged e = run_with(c, 0);
            report.expect_exit(e, db_vector, 0);
            report.expect("RIP", c.rip + 1, e.rip);
            const u64 top = ist != 0 ? tss.ist[ist] : cpl != 0 ? tss.rsp[0] : c.rsp;
            report.expect("frame", (top & ~u64{15}) - 40 - 16, e.handler_rsp);
            reset_tables();
        }
    }
}

constexpr Form forms[] = {
    {"long/debug-data", "SDM 3B 17.2.4, 17.2.5", data},
    {"long/debug-code", "SDM 3B 17.3.1.1", code_breakpoints},
    {"long/debug-steps", "SDM 3B 17.3.1.4; 2B SYSCALL, SYSRET", steps},
    {"long/debug-registers", "SDM 3B 17.2, 17.2.6", registers},
    {"long/debug-delivery", "SDM 3A 6.14.5; 3B 17.3", delivery},
};

} // namespace

Group debug_forms() { return group(forms); }
