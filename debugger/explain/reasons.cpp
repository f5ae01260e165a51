// Rules that one sentence tells. The rest of the engine's reasons are worked out with their numbers in rules_*.cpp.
#include "debugger/explain/rules.hpp"

namespace glassbox::explain {

namespace {

constexpr Reason reasons[] = {
    {"no such control register", "The instruction names a control register that this processor does not have",
     "2B MOV CR"},
    {"no such debug register", "There are no debug registers above DR7", "2B MOV DR"},
    {"no such segment register", "ModRM.reg names a seventh or eighth segment register, and there are six", "2B MOV"},
    {"no such segment register to load", "CS cannot be loaded by MOV, and there are no segment registers 6 and 7",
     "2B MOV"},
    {"no such MSR", "This processor model has no model-specific register of the number in ECX", "4 2.1"},
    {"MSR does not take this value or access",
     "The register in ECX is read-only or write-only, or the value in EDX:EAX has reserved bits set", "2C WRMSR"},
    {"no such performance counter", "ECX names no performance counter of this model", "2B RDPMC"},
    {"no extended control register of that number", "ECX must name XCR0, the only one (XGETBV also takes 1)",
     "2D XGETBV"},
    {"XCR0 cannot have that value",
     "XCR0's bit 0 must be 1, AVX (bit 2) needs SSE (bit 1), and components must exist in this model", "3A 2.6"},
    {"an XSAVE area is not aligned to 64 bytes", "The XSAVE area must lie at a multiple of 64", "1 13.4"},
    {"the XSAVE area is compacted", "This processor's XRSTOR does not know the compacted format", "1 13.8.2"},
    {"XCOMP_BV has a component that is not enabled", "XCOMP_BV names a component that XCR0 (or IA32_XSS) lacks",
     "1 13.8.2"},
    {"XSTATE_BV has a component that XCOMP_BV lacks", "XSTATE_BV names a component that XCOMP_BV lacks", "1 13.8.2"},
    {"XRSTORS of an area that is not compacted", "XRSTORS takes the compacted format alone: bit 63 of XCOMP_BV",
     "1 13.12"},
    {"XSTATE_BV has a component that is not enabled", "XSTATE_BV names a component that XCR0 lacks", "1 13.8.1"},
    {"a reserved byte of the XSAVE header is not zero", "Reserved bytes of the XSAVE header must be zero", "1 13.4.2"},
    {"XSAVES or XRSTORS outside level 0", "XSAVES and XRSTORS are privileged", "1 13.11"},
    {"RDPKRU without CR4.PKE", "CR4.PKE = 0: RDPKRU and WRPKRU do not exist", "2B RDPKRU"},
    {"WRPKRU without CR4.PKE", "CR4.PKE = 0: RDPKRU and WRPKRU do not exist", "2D WRPKRU"},
    {"RDPKRU with ECX not zero", "RDPKRU needs ECX = 0", "2B RDPKRU"},
    {"WRPKRU with ECX or EDX not zero", "WRPKRU needs ECX = 0 and EDX = 0", "2D WRPKRU"},
    {"INVPCID of an unknown type", "INVPCID's types are 0 to 3", "2A INVPCID"},
    {"reserved bits of the INVPCID descriptor", "Bits 12 to 63 of INVPCID's descriptor must be 0", "2A INVPCID"},
    {"INVPCID of a PCID without CR4.PCIDE", "While CR4.PCIDE = 0 the only PCID is 0", "2A INVPCID"},
    {"INVPCID of an address that is not canonical", "The address in INVPCID's descriptor must be canonical",
     "2A INVPCID"},
    {"base registers without CR4.FSGSBASE", "CR4.FSGSBASE = 0: RDFSBASE and its kin do not exist", "2B RDFSBASE"},
    {"segment base is not canonical", "The base of FS or GS must be canonical", "2D WRFSBASE"},
    {"LOADALL outside level 0", "LOADALL is privileged", "80286 test instructions"},
    {"MONITOR or MWAIT outside level 0, or disabled",
     "MONITOR and MWAIT exist at CPL 0 alone, and while IA32_MISC_ENABLE allows them", "2B MONITOR"},
    {"extension of MONITOR or MWAIT", "ECX asks MONITOR or MWAIT for an extension that does not exist", "2B MONITOR"},
    {"RDPRU with CR4.TSD", "CR4.TSD = 1 keeps RDPRU to CPL 0", "2B RDTSC"},
    {"IRET would trap or enable a pending virtual interrupt",
     "The flags to pop have TF set, or IF while EFLAGS.VIP = 1", "3A 20.3.3"},
    {"new task's LDT is not in the GDT", "The LDT selector in the new TSS must name the GDT", "3A 7.3"},
    {"new task's LDT selector is not an LDT", "The LDT selector in the new TSS does not name an LDT", "3A 7.3"},
    {"new task's LDT is not present", "The LDT of the new task has P = 0", "3A 7.3"},
    {"new task's EIP is beyond its code segment", "EIP in the new TSS is beyond the limit of its code segment",
     "3A 7.3"},
    {"undefined instruction", "The opcode is defined as undefined here", "2B UD"},
    {"a fault while delivering a fault", "Two faults met", "3A 6.15, interrupt 8"},
    {"the offset is outside the segment, or the segment does not allow the access",
     "The access lies outside its segment, or the segment's type does not allow it", "3A 5.3"},
    {"division by zero", "The divisor is 0", "3A 6.15, interrupt 0"},
    {"division error", "The divisor is 0, or the quotient does not fit its register", "3A 6.15, interrupt 0"},
    {"a misaligned access with alignment checking on",
     "CPL = 3, CR0.AM = 1 and EFLAGS.AC = 1, and the operand is not at a multiple of its size",
     "3A 6.15, interrupt 17"},
    {"an unmasked x87 exception is pending", "An earlier x87 instruction has left an unmasked exception", "1 8.6"},
};

} // namespace

const Reason* find_reason(std::string_view why) {
    for (const Reason& r : reasons) {
        if (r.why == why) return &r;
    }
    return nullptr;
}

} // namespace glassbox::explain
