// `explain register R`: control, flag and status registers bit by bit (SDM 3A 2.3, 2.5, 2.6; SDM 1 3.4.3, 8.1, 10.2.3;
// SDM 3B 17.2).
#include "debugger/explain/explain.hpp"
#include "debugger/explain/moment.hpp"

#include <cctype>
#include <span>

namespace glassbox {

namespace {

using namespace explain;

/// A bit in words, for 0 and for 1.
struct Bit {
    u8 number;
    const char* name;
    const char* clear;
    const char* set;
};

constexpr Bit cr0_bits[] = {
    {31, "PG", "no paging", "paging"},
    {30, "CD", "caches on", "caches off (not modelled)"},
    {29, "NW", "write-back", "no write-through (not modelled)"},
    {18, "AM", "no alignment checks", "alignment checks where EFLAGS.AC = 1 and CPL = 3"},
    {16, "WP", "the supervisor may write read-only pages", "read-only pages are read-only for the supervisor, too"},
    {5, "NE", "x87 errors by IRQ 13", "x87 errors by #MF"},
    {4, "ET", "no 387", "387 or later"},
    {3, "TS", "x87 and SSE registers are the task's own", "task switched: x87 and SSE instructions raise #NM"},
    {2, "EM", "there is an x87 unit", "x87 is emulated: its instructions raise #NM, SSE's #UD"},
    {1, "MP", "WAIT ignores TS", "WAIT raises #NM while TS = 1"},
    {0, "PE", "real mode", "protected mode"},
};
constexpr Bit cr4_bits[] = {
    {22, "PKE", "no protection keys", "protection keys (PKRU)"},
    {21, "SMAP", "the supervisor may touch user pages", "the supervisor may touch user pages only while EFLAGS.AC = 1"},
    {20, "SMEP", "the supervisor may execute user pages", "the supervisor may not execute user pages"},
    {18, "OSXSAVE", "no XSAVE, no AVX", "XSAVE and XCR0 are in use"},
    {17, "PCIDE", "no process-context identifiers", "process-context identifiers in CR3"},
    {16, "FSGSBASE", "no RDFSBASE and kin", "RDFSBASE and kin"},
    {12, "LA57", "4-level paging in long mode", "5-level paging in long mode"},
    {11, "UMIP", "SGDT, SIDT, SLDT, STR, SMSW for all", "SGDT, SIDT, SLDT, STR, SMSW at CPL 0 alone"},
    {10, "OSXMMEXCPT", "SIMD exceptions raise #UD", "SIMD exceptions raise #XM"},
    {9, "OSFXSR", "no SSE", "SSE: the system uses FXSAVE"},
    {8, "PCE", "RDPMC at CPL 0 alone", "RDPMC for all"},
    {7, "PGE", "no global pages", "global pages survive loads of CR3"},
    {6, "MCE", "machine checks shut down", "machine checks raise #MC"},
    {5, "PAE", "page-table entries of 4 bytes", "page-table entries of 8 bytes"},
    {4, "PSE", "no 4-MByte pages", "4-MByte pages"},
    {3, "DE", "DR4 and DR5 are DR6 and DR7", "I/O breakpoints; DR4 and DR5 raise #UD"},
    {2, "TSD", "RDTSC for all", "RDTSC at CPL 0 alone"},
    {1, "PVI", "no virtual interrupt flag in protected mode", "virtual interrupt flag in protected mode"},
    {0, "VME", "no virtual-8086 extensions", "virtual-8086 extensions"},
};
constexpr Bit efer_bits[] = {
    {14, "FFXSR", "FXSAVE saves all", "fast FXSAVE (AMD)"},
    {11, "NXE", "bit 63 of paging entries is reserved", "pages can be not executable"},
    {10, "LMA", "long mode is not active", "long mode is active"},
    {8, "LME", "long mode is off", "setting CR0.PG enters long mode"},
    {0, "SCE", "no SYSCALL", "SYSCALL and SYSRET"},
};
constexpr Bit eflags_bits[] = {
    {21, "ID", "", "CPUID can be told by this bit"},
    {20, "VIP", "no virtual interrupt pending", "a virtual interrupt is pending"},
    {19, "VIF", "virtual interrupts off", "virtual interrupts on"},
    {18, "AC", "no alignment checks; with SMAP, no access to user pages",
     "alignment checks (CR0.AM, CPL 3); with SMAP, the supervisor may touch user pages"},
    {17, "VM", "not virtual-8086 mode", "virtual-8086 mode"},
    {16, "RF", "breakpoints count", "the next instruction meets no breakpoint"},
    {14, "NT", "IRET returns within the task", "IRET returns to the task that the back link names"},
    {11, "OF", "no signed overflow", "signed overflow"},
    {10, "DF", "strings go upwards", "strings go downwards"},
    {9, "IF", "maskable interrupts wait", "maskable interrupts are taken"},
    {8, "TF", "no single steps", "a debug exception after each instruction"},
    {7, "SF", "positive", "negative"},
    {6, "ZF", "not zero, not equal", "zero, equal"},
    {4, "AF", "no carry out of bit 3", "carry out of bit 3"},
    {2, "PF", "odd parity of the low byte", "even parity of the low byte"},
    {0, "CF", "no carry", "carry"},
};
constexpr Bit mxcsr_bits[] = {
    {15, "FTZ", "tiny results are denormal", "tiny results become zero"},
    {12, "PM", "precision errors raise #XM", "precision errors are masked"},
    {11, "UM", "underflow raises #XM", "underflow is masked"},
    {10, "OM", "overflow raises #XM", "overflow is masked"},
    {9, "ZM", "division by zero raises #XM", "division by zero is masked"},
    {8, "DM", "denormal operands raise #XM", "denormal operands are masked"},
    {7, "IM", "invalid operations raise #XM", "invalid operations are masked"},
    {6, "DAZ", "denormal operands count", "denormal operands count as zero"},
    {5, "PE", "", "a result was rounded"},
    {4, "UE", "", "a result underflowed"},
    {3, "OE", "", "a result overflowed"},
    {2, "ZE", "", "something was divided by zero"},
    {1, "DE", "", "an operand was denormal"},
    {0, "IE", "", "an operation was invalid"},
};
constexpr Bit xcr0_bits[] = {
    {9, "PKRU", "PKRU is not managed", "PKRU is managed"},
    {2, "AVX", "no AVX", "AVX"},
    {1, "SSE", "SSE's state is not managed by XSAVE", "SSE"},
    {0, "x87", "", "x87"},
};
constexpr Bit dr6_bits[] = {
    {15, "BT", "", "a task switch with the T bit set"},
    {14, "BS", "", "a single step"},
    {13, "BD", "", "an access to a guarded debug register"},
    {3, "B3", "", "DR3's breakpoint was met"},
    {2, "B2", "", "DR2's breakpoint was met"},
    {1, "B1", "", "DR1's breakpoint was met"},
    {0, "B0", "", "DR0's breakpoint was met"},
};
constexpr Bit fcw_bits[] = {
    {5, "PM", "precision errors are reported", "precision errors are masked"},
    {4, "UM", "underflow is reported", "underflow is masked"},
    {3, "OM", "overflow is reported", "overflow is masked"},
    {2, "ZM", "division by zero is reported", "division by zero is masked"},
    {1, "DM", "denormal operands are reported", "denormal operands are masked"},
    {0, "IM", "invalid operations are reported", "invalid operations are masked"},
};
constexpr Bit fsw_bits[] = {
    {15, "B", "", "an unmasked error is pending (as ES)"},
    {14, "C3", "", "condition code 3"},
    {10, "C2", "", "condition code 2"},
    {9, "C1", "", "condition code 1"},
    {8, "C0", "", "condition code 0"},
    {7, "ES", "no unmasked error is pending", "an unmasked error is pending"},
    {6, "SF", "", "the register stack over- or underflowed"},
    {5, "PE", "", "a result was rounded"},
    {4, "UE", "", "a result underflowed"},
    {3, "OE", "", "a result overflowed"},
    {2, "ZE", "", "something was divided by zero"},
    {1, "DE", "", "an operand was denormal"},
    {0, "IE", "", "an operation was invalid"},
};

std::string bit_lines(u64 value, std::span<const Bit> bits) {
    std::string text;
    for (const Bit& b : bits) {
        const bool set = (value >> b.number & 1) != 0;
        const std::string words = set ? b.set : b.clear;
        if (words.empty()) continue;
        std::string line = b.number < 10 ? "   " : "  ";
        line.append(std::to_string(b.number)).append("  ").append(b.name);
        line.resize(std::max<std::size_t>(line.size(), 17), ' ');
        text.append(line).append(set ? "= 1  " : "= 0  ").append(words).append("\n");
    }
    return text;
}

std::string title(std::string_view name, u64 value, unsigned digits, std::string_view section) {
    return std::string(name) + " = " + h(value, digits) + " (SDM " + std::string(section) + "):\n";
}

std::string rounding(unsigned mode) {
    static constexpr const char* names[] = {"to nearest, ties to even", "down", "up", "towards zero"};
    return names[mode & 3];
}

std::string explain_cr3(const Cpu& cpu) {
    const Moment m = Moment::of(cpu);
    std::string text = title("CR3", m.cr3, m.long_mode() ? 16 : 8, "3A 2.5");
    const u64 table = m.long_mode()        ? m.cr3 & 0x000F'FFFF'FFFF'F000
                      : (m.cr4 & cr4::PAE) ? m.cr3 & 0xFFFF'FFE0
                                           : m.cr3 & 0xFFFF'F000;
    const char* what = m.long_mode()        ? ((m.cr4 & cr4::LA57) ? "PML5 table" : "PML4 table")
                       : (m.cr4 & cr4::PAE) ? "page-directory-pointer table"
                                            : "page directory";
    text += std::string("  The ") + what + " lies at physical address " + h(table, 8) +
            (m.paging() ? ".\n" : ", but CR0.PG = 0: it is not used.\n");
    if ((m.cr4 & cr4::PCIDE) != 0)
        text += "  The process-context identifier is " + h(m.cr3 & 0xFFF, 3) + " (SDM 3A 4.10.1).\n";
    else if ((m.cr3 & 0x18) != 0)
        text += std::string("  PWT=") + ((m.cr3 & 8) ? "1" : "0") + " PCD=" + ((m.cr3 & 16) ? "1" : "0") +
                ": caching of the table (not modelled).\n";
    return text;
}

std::string explain_dr7(const Cpu& cpu) {
    static constexpr const char* on[] = {"execution", "writes", "I/O", "reads and writes"};
    static constexpr unsigned lengths[] = {1, 2, 8, 4};
    const u64 v = cpu.dr[7];
    std::string text = title("DR7", v, 8, "3B 17.2.4");
    for (unsigned i = 0; i < 4; ++i) {
        const u64 enables = v >> (2 * i) & 3;
        text += "  DR" + std::to_string(i) + ": ";
        if (enables == 0) {
            text += "off\n";
            continue;
        }
        text += std::string(on[v >> (16 + 4 * i) & 3]) + " of " + counted(lengths[v >> (18 + 4 * i) & 3], "byte") +
                " at " + h(cpu.dr[i], cpu.long_mode() ? 16 : 8) + ((enables & 2) ? ", global" : "") +
                ((enables & 1) ? ", local to the task" : "") + '\n';
    }
    if ((v & 0x2000) != 0) text += "  GD = 1: the next access to a debug register raises #DB.\n";
    return text;
}

std::string explain_pkru(const Cpu& cpu) {
    std::string text = title("PKRU", cpu.pkru, 8, "3A 4.6.2");
    for (unsigned key = 0; key < 16; ++key) {
        const u32 rights = cpu.pkru >> (2 * key) & 3;
        if (rights != 0)
            text += "  key " + std::to_string(key) + ": " + ((rights & 1) ? "no data access" : "no writes") + '\n';
    }
    return text + "  All other keys: no restriction.\n";
}

} // namespace

std::string explain_register(const Cpu& cpu, std::string_view which) {
    std::string name;
    for (const char c : which) name += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    const u32 flags = cpu.full_eflags();
    if (name == "cr0") return title("CR0", cpu.cr0, 8, "3A 2.5") + bit_lines(cpu.cr0, cr0_bits);
    if (name == "cr2")
        return title("CR2", cpu.cr2, cpu.long_mode() ? 16 : 8, "3A 2.5") +
               "  The linear address of the last page fault.\n";
    if (name == "cr3") return explain_cr3(cpu);
    if (name == "cr4") return title("CR4", cpu.cr4, 8, "3A 2.5") + bit_lines(cpu.cr4, cr4_bits);
    if (name == "efer") return title("IA32_EFER", cpu.msrs.efer, 8, "3A 2.2.1") + bit_lines(cpu.msrs.efer, efer_bits);
    if (name == "eflags" || name == "rflags" || name == "flags") {
        return title("EFLAGS", flags, 8, "1 3.4.3") + bit_lines(flags, eflags_bits) +
               " 12-13  IOPL = " + std::to_string(cpu.iopl()) +
               "  ports and CLI are for CPL <= " + std::to_string(cpu.iopl()) + '\n';
    }
    if (name == "mxcsr") {
        return title("MXCSR", cpu.sse.mxcsr, 8, "1 10.2.3") + bit_lines(cpu.sse.mxcsr, mxcsr_bits) +
               " 13-14  RC = " + std::to_string(cpu.sse.mxcsr >> 13 & 3) + "  rounding " +
               rounding(cpu.sse.mxcsr >> 13) + '\n';
    }
    if (name == "xcr0") return title("XCR0", cpu.xcr0, 8, "3A 2.6") + bit_lines(cpu.xcr0, xcr0_bits);
    if (name == "dr6") {
        const std::string lines = bit_lines(cpu.dr[6], dr6_bits);
        return title("DR6", cpu.dr[6], 8, "3B 17.2.3") + (lines.empty() ? "  No debug exception is noted.\n" : lines);
    }
    if (name == "dr7") return explain_dr7(cpu);
    if (name == "pkru") return explain_pkru(cpu);
    if (name == "fcw") {
        static constexpr const char* precision[] = {"24 bits", "reserved", "53 bits", "64 bits"};
        return title("FCW", cpu.fpu.control, 4, "1 8.1.5") + bit_lines(cpu.fpu.control, fcw_bits) +
               "  8-9  PC = " + std::to_string(cpu.fpu.control >> 8 & 3) + "  precision of " +
               precision[cpu.fpu.control >> 8 & 3] + "\n 10-11  RC = " + std::to_string(cpu.fpu.control >> 10 & 3) +
               "  rounding " + rounding(cpu.fpu.control >> 10u) + '\n';
    }
    if (name == "fsw") {
        const u16 status = cpu.fpu.status_word();
        return title("FSW", status, 4, "1 8.1.3") + bit_lines(status, fsw_bits) +
               " 11-13  TOP = " + std::to_string(cpu.fpu.top) + "  the top of the register stack\n";
    }
    return {};
}

} // namespace glassbox
