// Control registers, EFER and other MSRs, XCR0, and what is kept from outer levels (SDM 2B, MOV to and from control
// registers; SDM 3A 2.2.1, 2.5, 2.6, 5.9, 9.8.5, 10.8.6, 10.12; SDM 2 of each instruction).
#include "guests/system64/system64.hpp"

namespace {

constexpr u64 cr0_nw = u64{1} << 29, cr0_cd = u64{1} << 30, cr0_pg = u64{1} << 31;

/// MOV of RAX to CRn (n < 16), then the end.
u64 to_control(u32 n) {
    const u8 bytes[] = {static_cast<u8>(n >= 8 ? 0x44 : 0x40), 0x0F, 0x22,
                        static_cast<u8>(0xC0 | (n & 7) << 3),  0xCD, end_vector};
    return code(bytes);
}
u64 from_control(u32 n) {
    const u8 bytes[] = {static_cast<u8>(n >= 8 ? 0x44 : 0x40), 0x0F, 0x20,
                        static_cast<u8>(0xC0 | (n & 7) << 3),  0xCD, end_vector};
    return code(bytes);
}
Exit write_control(u32 n, u64 value, u32 cpl = 0) {
    Context c = ring(cpl, to_control(n));
    c.rax = value;
    return run(c);
}

/// One bit changed at a time. Reserved bits of the lower half are ignored, those of the upper refused.
void cr0(Report& report) {
    constexpr u64 known = 0xE005'003F;
    for (u32 bit = 0; bit < 64; ++bit) {
        for (const bool compatibility : {false, true}) {
            if (!report.next()) continue;
            report.describe("MOV CR0 with bit %u changed in %s code", bit, compatibility ? "compatibility" : "64-bit");
            const u64 before = read_cr0(), value = before ^ u64 { 1 } << bit;
            const u8 bytes[] = {0x0F, 0x22, 0xC0, 0xCD, end_vector};
            if (compatibility && (bit == 0 || bit >= 31)) {
                report.skip("turns long mode off, or has 32 bits alone");
                continue;
            }
            Context c = compatibility ? ring32(0, code(bytes)) : ring(0, code(bytes));
            c.rax = value;
            const Exit e = run(c);
            const u64 now = read_cr0();
            write_cr0(before);
            const bool bad = bit >= 31 || bit == 0 || bit == 29; // PG off in 64-bit code, PE off, NW without CD
            report.expect_exit(e, bad ? gp_vector : end_vector, 0);
            u64 expected = bad ? before : (known >> bit & 1) ? value : before;
            if (bit == 4) expected = before; // ET is fixed
            report.expect("CR0", expected, now);
        }
    }
    for (u32 pair = 0; pair < 4; ++pair) {
        if (!report.next()) continue;
        report.describe("CR0.NW %u, CR0.CD %u", pair & 1, pair >> 1);
        const u64 before = read_cr0();
        const Exit e =
            write_control(0, (before & ~(cr0_nw | cr0_cd)) | (pair & 1 ? cr0_nw : 0) | (pair & 2 ? cr0_cd : 0));
        write_cr0(before);
        report.expect_exit(e, pair == 1 ? gp_vector : end_vector, 0);
    }
    for (u32 bit = 0; bit < 16; ++bit) {
        if (!report.next()) continue;
        report.describe("LMSW with bit %u changed", bit);
        const u64 before = read_cr0();
        const u8 bytes[] = {0x0F, 0x01, 0xF0, 0xCD, end_vector};
        Context c = ring(0, code(bytes));
        c.rax = before ^ u64 { 1 } << bit;
        const Exit e = run(c);
        const u64 now = read_cr0();
        write_cr0(before);
        report.expect_exit(e, end_vector, 0);
        report.expect("CR0", bit >= 1 && bit < 4 ? before ^ u64{1} << bit : before, now);
    }
    if (report.next()) {
        report.describe("paging turned off in compatibility code with CR4.PCIDE");
        if (!features().pcid) {
            report.skip("needs PCIDs");
        } else {
            const u8 bytes[] = {0x0F, 0x22, 0xC0, 0xCD, end_vector};
            Context c = ring32(0, code(bytes));
            c.rax = read_cr0() & ~cr0_pg;
            write_cr4(read_cr4() | cr4::pcide);
            const Exit e = run(c);
            write_cr4(read_cr4() & ~cr4::pcide);
            report.expect_exit(e, gp_vector, 0);
        }
    }
}

/// The bits that CPUID gives CR4.
u64 cr4_bits() {
    const Leaf one = cpuid(1), seven = cpuid(7);
    struct Bit {
        u64 bits;
        u32 word, at;
    };
    const Bit list[] = {{cr4::vme | cr4::pvi, one.edx, 1},
                        {cr4::tsd, one.edx, 4},
                        {cr4::de, one.edx, 2},
                        {cr4::pse, one.edx, 3},
                        {cr4::pae, one.edx, 6},
                        {cr4::mce, one.edx, 7},
                        {cr4::pge, one.edx, 13},
                        {cr4::osfxsr, one.edx, 24},
                        {cr4::osxmmexcpt, one.edx, 25},
                        {u64{1} << 13, one.ecx, 5},
                        {u64{1} << 14, one.ecx, 6},
                        {cr4::fsgsbase, seven.ebx, 0},
                        {cr4::pcide, one.ecx, 17},
                        {cr4::osxsave, one.ecx, 26},
                        {cr4::smep, seven.ebx, 7},
                        {cr4::smap, seven.ebx, 20},
                        {cr4::pke, seven.ecx, 3},
                        {cr4::umip, seven.ecx, 2},
                        {cr4::la57, seven.ecx, 16},
                        {u64{1} << 23, seven.ecx, 7}};
    u64 sum = cr4::pce;
    for (const Bit& b : list) sum |= b.word >> b.at & 1 ? b.bits : 0;
    return sum;
}

void cr4_changes(Report& report) {
    const u64 allowed = cr4_bits();
    for (u32 bit = 0; bit < 64; ++bit) {
        if (!report.next()) continue;
        const u64 before = read_cr4(), value = before ^ u64 { 1 } << bit;
        report.describe("MOV CR4 with bit %u changed, CPUID allows %x", bit, allowed);
        protect_kernel(true); // SMEP and SMAP
        const Exit e = write_control(4, value);
        const u64 now = read_cr4();
        write_cr4(before);
        protect_kernel(false);
        const bool bad = (allowed >> bit & 1) == 0 || value >> 32 != 0 || bit == 5 || bit == 12; // PAE, LA57
        report.expect_exit(e, bad ? gp_vector : end_vector, 0);
        report.expect("CR4", bad ? before : value, now);
    }
}

void cr3_bits(Report& report) {
    for (const bool pcids : {false, true}) {
        for (u32 bit = 0; bit < 64; ++bit) {
            if (!report.next()) continue;
            report.describe("MOV CR3 with bit %u set, CR4.PCIDE %u", bit, pcids);
            if (pcids && !features().pcid) {
                report.skip("needs PCIDs");
                continue;
            }
            if (bit >= 12 && bit < features().physical_bits) {
                report.skip("leads elsewhere");
                continue;
            }
            const u64 before = read_cr3(), value = before | u64{1} << bit;
            if (pcids) write_cr4(read_cr4() | cr4::pcide);
            const Exit e = write_control(3, value);
            const u64 now = read_cr3();
            write_cr3(before);
            if (pcids) write_cr4(read_cr4() & ~cr4::pcide);
            const bool keeps = pcids && bit == 63, bad = bit >= features().physical_bits && !keeps;
            report.expect_exit(e, bad ? gp_vector : end_vector, 0);
            if (pcids)
                report.expect("CR3", bad || keeps ? before : value, now);
            else if (bad || bit == 3 || bit == 4)
                report.expect("CR3", bad ? before : value, now);
        }
    }
}

/// CR8 is bits 4-7 of the APIC's task priority; the other numbers do not exist; levels.
void others(Report& report) {
    for (u64 value = 0; value < 20; ++value) {
        if (!report.next()) continue;
        const u64 v = value < 16 ? value : value == 16 ? 16 : u64{1} << (value * 3);
        report.describe("MOV CR8 := %x", v);
        write_cr8(0);
        const Exit e = write_control(8, v);
        report.expect_exit(e, v < 16 ? end_vector : gp_vector, 0);
        report.expect("CR8", v < 16 ? v : 0, read_cr8());
        write_cr8(0);
    }
    for (u32 n = 0; n < 16; ++n) {
        for (const bool write : {false, true}) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                if (!report.next()) continue;
                report.describe("MOV %s CR%u, CPL %u", write ? "to" : "from", n, cpl);
                const bool exists = n == 0 || (n >= 2 && n <= 4) || n == 8;
                Context c = ring(cpl, write ? to_control(n) : from_control(n));
                c.rax = n == 0 ? read_cr0() : n == 3 ? read_cr3() : n == 4 ? read_cr4() : 0;
                const Exit e = run(c);
                if (exists)
                    report.expect_exit(e, cpl == 0 ? end_vector : gp_vector, 0);
                else if (cpl == 0)
                    report.expect_exit(e, ud_vector, 0);
                else // which of the two comes first is not written down
                    report.require("a fault", e.vector == ud_vector || e.vector == gp_vector);
            }
        }
    }
    for (u32 w = 0; w < 3; ++w) { // MOV from CR ignores the operand size; SMSW does not
        if (!report.next()) continue;
        report.describe("SMSW of %u bits", 16u << w);
        const u8 bytes[] = {static_cast<u8>(w == 0 ? 0x66 : w == 1 ? 0x40 : 0x48), 0x0F, 0x01, 0xE0, 0xCD, end_vector};
        Context c = ring(3, code(bytes));
        c.rax = ~u64{0};
        const Exit e = run(c);
        report.expect_exit(e, end_vector, 0);
        const u64 cr0 = read_cr0();
        report.expect("RAX", w == 0 ? ~u64{0xFFFF} | (cr0 & 0xFFFF) : cr0, e.rax);
    }
}

Exit write_register(u32 index, u64 value, u32 cpl = 0) {
    const u8 bytes[] = {0x0F, 0x30, 0xCD, end_vector};
    Context c = ring(cpl, code(bytes));
    c.rcx = index | u64{0xABCD} << 32; // the upper half does not count
    c.rax = static_cast<u32>(value);
    c.rdx = value >> 32;
    return run(c);
}
Exit read_register(u32 index, u32 cpl = 0) {
    const u8 bytes[] = {0x0F, 0x32, 0xCD, end_vector};
    Context c = ring(cpl, code(bytes));
    c.rcx = index;
    c.rax = c.rdx = ~u64{0};
    return run(c);
}

/// EFER in long mode: LME cannot change, LMA is read-only, reserved bits are refused.
void efer(Report& report) {
    for (u32 bit = 0; bit < 64; ++bit) {
        if (!report.next()) continue;
        report.describe("EFER with bit %u changed", bit);
        const Leaf extended = cpuid(0x8000'0001);
        if (bit == 10) {
            report.skip("Intel ignores, AMD refuses a changed LMA");
            continue;
        }
        const u64 before = read_msr(msr::efer);
        const Exit e = write_register(msr::efer, before ^ u64{1} << bit);
        const u64 now = read_msr(msr::efer);
        write_msr(msr::efer, before);
        bool good = bit == 0 || (bit == 11 && features().nx);
        if (bit == 12) good = (extended.ecx >> 2 & 1) != 0;  // SVM
        if (bit == 14) good = (extended.edx >> 25 & 1) != 0; // FFXSR
        if (features().amd && (bit == 13 || bit > 14) && bit < 22) {
            report.skip("AMD's own bits");
            continue;
        }
        report.expect_exit(e, good ? end_vector : gp_vector, 0);
        report.expect("EFER", good ? before ^ u64{1} << bit : before, now);
    }
    if (report.next()) {
        report.describe("EFER says that long mode is active");
        report.expect("LMA, LME", efer_lma | efer_lme, read_msr(msr::efer) & (efer_lma | efer_lme));
    }
}

/// Registers that are not there, and their protection.
void registers(Report& report) {
    for (const u32 index : {0x3000u, 0x4000'0FFFu, 0x8000'0000u, 0xC000'0085u, 0xC000'0104u, 0xC002'0000u, ~0u}) {
        for (const bool write : {false, true}) {
            if (!report.next()) continue;
            report.describe("%s of MSR %x", write ? "WRMSR" : "RDMSR", index);
            const Exit e = write ? write_register(index, 0) : read_register(index);
            report.expect_exit(e, gp_vector, 0);
        }
    }
    for (const u32 index : {msr::efer, msr::lstar, msr::fs_base, 0x10u, 0x3000u}) {
        for (u32 cpl = 1; cpl < 4; ++cpl) {
            for (const bool write : {false, true}) {
                if (!report.next()) continue;
                report.describe("%s of MSR %x, CPL %u", write ? "WRMSR" : "RDMSR", index, cpl);
                const Exit e = write ? write_register(index, 0, cpl) : read_register(index, cpl);
                report.expect_exit(e, gp_vector, 0);
            }
        }
    }
    for (const u32 index : {msr::star, msr::lstar, msr::cstar, msr::kernel_gs_base, msr::fmask}) {
        for (const u64 value : {u64{0}, u64{0x7FFF'FFFF'FFFF}, u64{0xFFFF'8000'0000'0000}, u64{0xFFFF'FFFF}}) {
            if (!report.next()) continue;
            report.describe("MSR %x := %x", index, value);
            const bool upper = index == msr::fmask && value >> 32 != 0;
            const Exit w = write_register(index, value);
            if (upper) { // Intel: reserved; AMD: ignored
                report.require("refused or ignored", w.vector == gp_vector || w.vector == end_vector);
                write_msr(index, 0);
                continue;
            }
            report.expect_exit(w, end_vector, 0);
            const Exit r = read_register(index);
            report.expect("RAX", static_cast<u32>(value), r.rax);
            report.expect("RDX", value >> 32, r.rdx);
            write_msr(index, 0);
        }
    }
    for (u32 index = 0x800; index < 0x840; ++index) { // x2APIC mode is off
        for (const bool write : {false, true}) {
            if (!report.next()) continue;
            report.describe("%s of x2APIC register %x outside x2APIC mode", write ? "WRMSR" : "RDMSR", index);
            const Exit e = write ? write_register(index, 0) : read_register(index);
            report.expect_exit(e, gp_vector, 0);
        }
    }
    if (report.next()) {
        report.describe("IA32_TSC_DEADLINE is there when CPUID says so");
        const Exit e = read_register(0x6E0);
        report.expect_exit(e, features().tsc_deadline ? end_vector : gp_vector, 0);
    }
    for (u32 bit = 0; bit < 64; ++bit) {
        const u32 width = features().physical_bits;
        if ((bit >= 8 && bit < width) || !report.next()) continue;
        report.describe("IA32_APIC_BASE with reserved bit %u", bit);
        const Exit e = write_register(0x1B, read_msr(0x1B) | u64{1} << bit);
        report.expect_exit(e, gp_vector, 0);
    }
}

/// What level 0 alone may do.
void privileged(Report& report) {
    struct Instruction {
        const char* name;
        u8 bytes[4];
    };
    constexpr Instruction list[] = {{"CLTS", {0x0F, 0x06}},
                                    {"INVD", {0x0F, 0x08}},
                                    {"WBINVD", {0x0F, 0x09}},
                                    {"HLT", {0xF4}},
                                    {"LGDT", {0x0F, 0x01, 0x13}},
                                    {"LIDT", {0x0F, 0x01, 0x1B}},
                                    {"LLDT", {0x0F, 0x00, 0xD0}},
                                    {"LTR", {0x0F, 0x00, 0xD8}},
                                    {"LMSW", {0x0F, 0x01, 0xF0}},
                                    {"INVLPG", {0x0F, 0x01, 0x3B}},
                                    {"RDMSR", {0x0F, 0x32}},
                                    {"WRMSR", {0x0F, 0x30}},
                                    {"SWAPGS", {0x0F, 0x01, 0xF8}},
                                    {"MOV DR0, RAX", {0x0F, 0x23, 0xC0}},
                                    {"MOV RAX, DR7", {0x0F, 0x21, 0xF8}}};
    for (const Instruction& i : list) {
        for (u32 cpl = 1; cpl < 4; ++cpl) {
            if (!report.next()) continue;
            report.describe("%s, CPL %u", i.name, cpl);
            Context c = ring(cpl, code(i.bytes));
            c.rbx = u64{1} << 62; // not canonical: the level is looked at first
            c.rax = ldt_selector;
            const Exit e = run(c);
            report.expect_exit(e, gp_vector, 0);
            report.expect("RIP", c.rip, e.rip);
        }
    }
    struct Sensitive {
        const char* name;
        u8 bytes[6];
    };
    constexpr Sensitive io[] = {{"CLI", {0xFA, 0xCD, end_vector}},       {"STI", {0xFB, 0xFA, 0xCD, end_vector}},
                                {"IN AL, DX", {0xEC, 0xCD, end_vector}}, {"OUT DX, AL", {0xEE, 0xCD, end_vector}},
                                {"INSB", {0x6C, 0xCD, end_vector}},      {"OUTSB", {0x6E, 0xCD, end_vector}}};
    for (const Sensitive& i : io) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (u32 iopl = 0; iopl < 4; ++iopl) {
                if (!report.next()) continue;
                report.describe("%s, CPL %u, IOPL %u, no I/O map", i.name, cpl, iopl);
                Context c = ring(cpl, code(i.bytes));
                c.rflags |= iopl << 12;
                c.rdx = 0x80;
                c.rsi = c.rdi = arena_begin;
                const Exit e = run(c);
                report.expect_exit(e, cpl <= iopl ? end_vector : gp_vector, 0);
            }
        }
    }
    constexpr Sensitive hidden[] = {
        {"SGDT", {0x0F, 0x01, 0x03, 0xCD, end_vector}},  {"SIDT", {0x0F, 0x01, 0x0B, 0xCD, end_vector}},
        {"SLDT", {0x0F, 0x00, 0xC0, 0xCD, end_vector}},  {"STR", {0x0F, 0x00, 0xC8, 0xCD, end_vector}},
        {"SMSW", {0x0F, 0x01, 0xE0, 0xCD, end_vector}},  {"SLDT m", {0x0F, 0x00, 0x03, 0xCD, end_vector}},
        {"STR m", {0x0F, 0x00, 0x0B, 0xCD, end_vector}}, {"SMSW m", {0x0F, 0x01, 0x23, 0xCD, end_vector}}};
    for (const Sensitive& i : hidden) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const bool on : {false, true}) {
                for (const bool wide : {false, true}) {
                    if (!report.next()) continue;
                    report.describe("%s in %s code, CPL %u, CR4.UMIP %u", i.name, wide ? "64-bit" : "compatibility",
                                    cpl, on);
                    if (on && !features().umip) {
                        report.skip("needs UMIP");
                        continue;
                    }
                    Context c = wide ? ring(cpl, code(i.bytes)) : ring32(cpl, code(i.bytes));
                    c.rbx = arena_begin;
                    if (on) write_cr4(read_cr4() | cr4::umip);
                    const Exit e = run(c);
                    if (on) write_cr4(read_cr4() & ~cr4::umip);
                    report.expect_exit(e, on && cpl != 0 ? gp_vector : end_vector, 0);
                }
            }
        }
    }
    for (const bool counter : {false, true}) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const bool off : {false, true}) {
                if (!report.next()) continue;
                report.describe("%s, CPL %u, CR4.TSD %u", counter ? "RDTSCP" : "RDTSC", cpl, off);
                const u8 bytes[] = {0x0F, static_cast<u8>(counter ? 0x01 : 0x31),
                                    static_cast<u8>(counter ? 0xF9 : 0x90), 0xCD, end_vector};
                if (off) write_cr4(read_cr4() | cr4::tsd);
                if (features().rdtscp) write_msr(msr::tsc_aux, 0x1234'5678);
                Context c = ring(cpl, code(bytes));
                c.rax = c.rcx = c.rdx = ~u64{0};
                const Exit e = run(c);
                write_cr4(read_cr4() & ~cr4::tsd);
                const bool absent = counter && !features().rdtscp, denied = off && cpl != 0;
                report.expect_exit(e, absent ? ud_vector : denied ? gp_vector : end_vector, 0);
                if (absent || denied) continue;
                report.expect("RAX's upper half", 0, e.rax >> 32);
                report.expect("RDX's upper half", 0, e.rdx >> 32);
                report.expect("RCX", counter ? 0x1234'5678 : ~u64{0}, e.rcx);
            }
        }
    }
}

/// RDFSBASE and its kin: CR4.FSGSBASE, 64-bit code, both sizes, every level; RDPID.
void bases(Report& report) {
    for (u32 digit = 0; digit < 4; ++digit) {
        for (const bool quad : {false, true}) {
            for (u32 cpl = 0; cpl < 4; ++cpl) {
                for (const bool on : {false, true}) {
                    for (const bool wide : {true, false}) {
                        if ((quad && !wide) || !report.next()) continue;
                        constexpr const char* names[] = {"RDFSBASE", "RDGSBASE", "WRFSBASE", "WRGSBASE"};
                        report.describe("%s of %u bits in %s code, CPL %u, CR4.FSGSBASE %u", names[digit],
                                        quad ? 64u : 32u, wide ? "64-bit" : "compatibility", cpl, on);
                        if (on && !features().fsgsbase) {
                            report.skip("needs FSGSBASE");
                            continue;
                        }
                        const u8 long_bytes[] = {0xF3, 0x48,      0x0F, 0xAE, static_cast<u8>(0xC0 | digit << 3),
                                                 0xCD, end_vector};
                        const u8 short_bytes[] = {0xF3, 0x0F,      0xAE, static_cast<u8>(0xC0 | digit << 3),
                                                  0xCD, end_vector};
                        const u64 at = quad ? code(long_bytes) : code(short_bytes);
                        gdt[first_free / 8] = descriptor(0x1234'5670, 0xFFFFF, data_type, 3, true, size32, true);
                        Context c = wide ? ring(cpl, at) : ring32(cpl, at);
                        c.fs = c.gs = first_free | 3;
                        const u64 value = 0x0000'7654'3210'FEDC;
                        c.rax = digit >= 2 ? value : ~u64{0};
                        if (on) write_cr4(read_cr4() | cr4::fsgsbase);
                        const Exit e = run(c);
                        if (on) write_cr4(read_cr4() & ~cr4::fsgsbase);
                        const bool ok = on && wide;
                        report.expect_exit(e, ok ? end_vector : ud_vector, 0);
                        if (!ok) continue;
                        const u64 written = quad ? value : static_cast<u32>(value);
                        if (digit < 2) report.expect("RAX", 0x1234'5670, e.rax);
                        report.expect("FS base", digit == 2 ? written : 0x1234'5670, e.fs_base);
                        report.expect("GS base", digit == 3 ? written : 0x1234'5670, e.gs_base);
                    }
                }
            }
        }
    }
    for (u32 cpl = 0; cpl < 4; ++cpl) {
        if (!report.next()) continue;
        report.describe("RDPID, CPL %u", cpl);
        const u8 bytes[] = {0xF3, 0x0F, 0xC7, 0xF8, 0xCD, end_vector};
        if (features().rdtscp) write_msr(msr::tsc_aux, 0x8765'4321);
        Context c = ring(cpl, code(bytes));
        c.rax = ~u64{0};
        const Exit e = run(c);
        report.expect_exit(e, features().rdpid ? end_vector : ud_vector, 0);
        if (features().rdpid) report.expect("RAX", 0x8765'4321, e.rax);
    }
}

/// XCR0: x87 always, AVX with SSE, what CPUID.0Dh lists (SDM 3A 2.6; 2D XSETBV).
void xcr0(Report& report) {
    const u8 set[] = {0x0F, 0x01, 0xD1, 0xCD, end_vector}, get[] = {0x0F, 0x01, 0xD0, 0xCD, end_vector};
    const Leaf d = cpuid(0xD);
    for (u32 n = 0; n < 64 + 64; ++n) {
        if (!report.next()) continue;
        const u64 value = n < 64 ? n : u64{1} << (n - 64) | 1;
        report.describe("XSETBV of %x, CPUID allows %x", value, d.eax);
        if (!features().xsave) {
            report.skip("needs XSAVE");
            continue;
        }
        write_cr4(read_cr4() | cr4::osxsave);
        Context c = ring(0, code(set));
        c.rax = static_cast<u32>(value);
        c.rdx = value >> 32;
        const Exit e = run(c);
        const Exit r = run(ring(0, code(get)));
        c.rax = 1;
        c.rdx = 0;
        run(c);
        write_cr4(read_cr4() & ~cr4::osxsave);
        const u64 supported = d.eax | u64{d.edx} << 32;
        bool ok = (value & 1) != 0 && (value & ~supported) == 0;
        if ((value & 6) == 4) ok = false;                              // AVX without SSE
        if ((value & 0x18) == 8 || (value & 0x18) == 0x10) ok = false; // MPX's two
        report.expect_exit(e, ok ? end_vector : gp_vector, 0);
        report.expect("XCR0", ok ? value : 1, r.rax | r.rdx << 32);
    }
    for (u32 cpl = 0; cpl < 4; ++cpl) {
        for (u32 m = 0; m < 8; ++m) {
            if (!report.next()) continue;
            const bool write = m & 1, on = m & 2, second = m & 4;
            report.describe("%s of XCR%u, CPL %u, CR4.OSXSAVE %u", write ? "XSETBV" : "XGETBV", second ? 5u : 0u, cpl,
                            on);
            if (on && !features().xsave) {
                report.skip("needs XSAVE");
                continue;
            }
            if (on) write_cr4(read_cr4() | cr4::osxsave);
            Context c = ring(cpl, write ? code(set) : code(get));
            c.rcx = second ? 5 : 0;
            c.rax = 1;
            const Exit e = run(c);
            if (on) write_cr4(read_cr4() & ~cr4::osxsave);
            const bool bad = second || (write && cpl != 0);
            report.expect_exit(e, !on ? ud_vector : bad ? gp_vector : end_vector, 0);
        }
    }
}

/// MONITOR and MWAIT: level 0, ECX (SDM 2B).
void monitor(Report& report) {
    for (const bool wait : {false, true}) {
        for (u32 cpl = 0; cpl < 4; ++cpl) {
            for (const u64 ecx : {u64{0}, u64{2}, u64{0x100}}) {
                for (const bool odd : {false, true}) {
                    if (wait && (odd || (cpl == 0 && ecx == 0))) continue; // it would wait
                    if (!report.next()) continue;
                    report.describe("%s, CPL %u, ECX %x%s", wait ? "MWAIT" : "MONITOR", cpl, ecx,
                                    odd ? ", address not canonical" : "");
                    const u8 bytes[] = {0x0F, 0x01, static_cast<u8>(wait ? 0xC9 : 0xC8), 0xCD, end_vector};
                    Context c = ring(cpl, code(bytes));
                    c.rax = odd ? u64{1} << 62 : arena_begin;
                    c.rcx = ecx;
                    const Exit e = run(c);
                    Fault fault = ecx != 0 || odd ? Fault{gp_vector, 0} : none;
                    if (cpl != 0 || !features().monitor) fault = {ud_vector, 0};
                    report.expect_exit(e, fault.vector, fault.error);
                }
            }
        }
    }
}

constexpr Form forms[] = {
    {"long/control-cr0", "SDM 2B MOV; 3A 2.5", cr0},
    {"long/control-cr3", "SDM 2B MOV; 3A 2.5, 4.10.1", cr3_bits},
    {"long/control-cr4", "SDM 2B MOV; 3A 2.5", cr4_changes},
    {"long/control-others", "SDM 2B MOV, SMSW; 3A 10.8.6", others},
    {"long/control-efer", "SDM 3A 2.2.1", efer},
    {"long/control-registers", "SDM 2B RDMSR, WRMSR; 3A 10.5.4.1, 10.12.1", registers},
    {"long/control-privileged", "SDM 3A 5.9; 1 19.5", privileged},
    {"long/control-bases", "SDM 2B RDFSBASE, RDPID, WRFSBASE", bases},
    {"long/control-xcr0", "SDM 3A 2.6; 2D XGETBV, XSETBV", xcr0},
    {"long/control-monitor", "SDM 2B MONITOR, MWAIT", monitor},
};

} // namespace

Group control_forms() { return group(forms); }
