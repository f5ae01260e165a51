// What lint's rules are called, and what it can say of each without having met it.
#include "debugger/lint/lint.hpp"

#include <array>

namespace glassbox {

namespace {

constexpr std::array<LintRule, lint_kinds> rules = {{
    {"undefined-flags", "a flag decides that the instruction before has left undefined",
     "MUL, DIV, shifts by more than one and others leave flags undefined: each processor puts something else there, "
     "and the same one may do so another time. What shifts leave depends on CL, which is looked at. Instructions that "
     "only save flags (PUSHF, LAHF, INT) are let off. Taken and not taken branches, jumps and calls are followed, "
     "returns are not.",
     "compute the flag: TEST or CMP on what shall decide", "SDM 2, Flags Affected; SDM 1 appendix A"},
    {"reserved-bits", "a reserved bit is set where nothing faults",
     "Reserved bits of CR0, DR7, descriptors, gates and 32-bit paging entries may be anything's name on a later "
     "processor (SDM 1, 1.3.2). Where this processor faults, that is no matter for lint.",
     "write back what was read, and zeros into what is new", "SDM 3A 2.5, 3.4.5, 3.5, 4.3, 5.8.3, 6.11; 3B 17.2.4"},
    {"stale-translation", "a page is reached by a translation whose paging entry has changed",
     "A processor may keep a translation until INVLPG, INVPCID or a write to CR3 (for global ones CR4) drops it, and "
     "may drop it at any time before. So after an entry was taken away, leads elsewhere or allows less, the same "
     "access reaches one page today and another one tomorrow. Other processors keep theirs until they themselves "
     "flush (a shootdown). Rights that grow and entries that become present need no flush.",
     "INVLPG of the page behind the write to its entry, on each processor that may have used it",
     "SDM 3A 4.10.4.2, 4.10.5"},
    {"missing-eoi", "an interrupt's service is over, and its controller has not been told",
     "Until the end of interrupt the 8259A or the local APIC holds back all interrupts of the same and of lower "
     "priority: the first tick of the timer is the last one. An interrupt of the slave (IRQ 8-15) needs an EOI to "
     "each of the two 8259As. Told when the guest waits (HLT with IF set), or 100 ms after the IRET.",
     "write 20h to port 20h (IRQ 8-15: to A0h, then 20h); for the local APIC 0 to its register B0h",
     "8259A data sheet, End of Interrupt; SDM 3A 11.8.5"},
    {"uninitialised", "memory is used that nobody has written since power-on",
     "DRAM holds anything at power-on. This machine's holds zeros, most real ones' do not, nor do --hostile ones'. "
     "Reading is no offence, copying neither: the want of a value goes with copies through registers (general, vector "
     "and x87), and is told where it is computed with, compared, executed, or used as an address. Masks and shifts "
     "are followed bit for bit, so that a structure of bit-fields can be filled one by one. A .bss that nobody has "
     "cleared shows here.",
     "write it first: clear .bss, tables and stacks", "DRAM data sheets: the contents are undefined at power-on"},
    {"modified-code", "code that was just written is executed, and the processor need not know of it",
     "Up to the i486 the prefetch queue does not see a write: a jump must lie between it and the new instruction. "
     "From the Pentium on it does, but only through the linear address of the code itself; what was written through "
     "another one, or by another processor, needs a serialising instruction on the processor that executes it.",
     "a jump behind the write (i486 and before); CPUID, IRET or a write to CR3 before the new code is entered",
     "SDM 3A 9.1.3, 12.6; i486 Programmer's Reference 12.3"},
    {"port-timing", "a chip is accessed without the wait or the look that its data sheet asks for",
     "8254: a counter's two bytes are read without a latch or read-back command. MC146818A: the time is read without "
     "a look at UIP within the last 244 us. 8042: ports 60h and 64h are written without a look at the input "
     "buffer. IDE: a command is written without a look at BSY and DRQ. "
     "8259A, 8254, MC146818A, 8042, 8237A up to the i486: two accesses with no time between (south bridges of "
     "the Pentium's time wait by themselves).",
     "poll the status first; on old machines a JMP $+2 or a write to port 80h between two accesses",
     "data sheets of the chips"},
    {"interrupt-setup", "an interrupt controller is used as it comes, or told of what never was",
     "In protected mode vectors 0 to 31 are exceptions. The BIOS leaves the 8259As at 08h and 70h, so that IRQ 0 "
     "looks like a double fault. A request that goes away before it is acknowledged comes as IRQ 7 or 15 with nothing "
     "in service: a non-specific EOI for it ends whatever else is.",
     "give both 8259As new vectors (ICW1 to ICW4) before STI; in the handlers of IRQ 7 and 15 look at the ISR first",
     "SDM 3A 6.2, 6.3.1; 8259A data sheet, Initialization Command Words, Interrupt Sequence"},
    {"mode-switch", "a mode is entered or left without what the manual asks around it",
     "Behind the MOV to CR0 that changes PE there must be a far jump: until CS is loaded again the processor works "
     "with what real mode left there, and what it has prefetched was decoded for the other mode. The code that turns "
     "paging on must be mapped to where it is, or the next fetch goes somewhere else.",
     "a far JMP right behind the MOV to CR0; identity-map the code that turns paging on",
     "SDM 3A 9.9.1, 9.9.2, 9.8.5.1"},
    {"descriptor-tables", "a descriptor table ends within a descriptor, or a selector in use names none",
     "Limits count from zero: 8n - 1 for n descriptors. One that is cut off cannot be loaded. Segment registers keep "
     "what they were loaded with when the table changes under them, but an interrupt pushes the selector, and IRET "
     "loads it from the new table.",
     "LGDT with the size less one; behind LGDT a far JMP and a MOV to each segment register",
     "SDM 3A 3.4.3, 3.5.1, 6.10"},
    {"dma-boundary", "a DMA transfer would leave its 64 KiB (channels 5 to 7: 128 KiB)",
     "The 8237A counts sixteen bits; the page register beside it stands still. The transfer goes on at the beginning "
     "of the same 64 KiB and overwrites what lies there.",
     "a buffer that crosses no 64 KiB boundary", "8237A data sheet; IBM PC AT Technical Reference, DMA Page Registers"},
    {"a20", "memory above 1 MiB is used while A20 is held low",
     "With the gate shut, address bit 20 is always 0: each odd megabyte is the one below it, and what is written at "
     "1 MiB lands on the interrupt vectors. One address is let off: that is how one asks whether the gate is open.",
     "open the gate (port 92h bit 1, the 8042, or INT 15h AX=2401h) and test it", "IBM PC AT Technical Reference, A20"},
    {"unbacked-memory", "memory is used where no chip answers",
     "The bus floats: such reads are all ones here, and whatever was on the bus last elsewhere; writes are lost. One "
     "address in a page is let off while it is only read: that is how memory is looked for.",
     "take memory from the BIOS's map (INT 15h AX=E820h) and device addresses from their BARs",
     "82441FX data sheet, System Address Map"},
}};

} // namespace

const LintRule& rule_of(LintKind kind) { return rules[static_cast<unsigned>(kind) % lint_kinds]; }
std::string_view name_of(LintKind kind) { return rule_of(kind).name; }

std::optional<LintKind> find_rule(std::string_view name) {
    std::optional<LintKind> found;
    for (unsigned i = 0; i < lint_kinds; ++i) {
        const auto kind = static_cast<LintKind>(i);
        if (name_of(kind) == name) return kind;
        if (name.empty() || !name_of(kind).starts_with(name)) continue;
        if (found) return {}; // ambiguous
        found = kind;
    }
    return found;
}

} // namespace glassbox
