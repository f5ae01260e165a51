#include "debugger/look/msr_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>

namespace glassbox::look {

namespace {

constexpr MsrName names[] = {
    {0x0000'0010, "IA32_TIME_STAMP_COUNTER", "tsc", "time-stamp counter"},
    {0x0000'0017, "IA32_PLATFORM_ID", "", "slot that the processor is in"},
    {0x0000'001B, "IA32_APIC_BASE", "apic_base", "local APIC: address, bit 8 BSP, 10 x2APIC, 11 enabled"},
    {0x0000'002A, "EBL_CR_POWERON", "", "power-on configuration"},
    {0x0000'003A, "IA32_FEATURE_CONTROL", "", "lock, VMX"},
    {0x0000'003B, "IA32_TSC_ADJUST", "tsc_adjust", "what was added to the time-stamp counter"},
    {0x0000'0048, "IA32_SPEC_CTRL", "spec_ctrl", "IBRS, STIBP, SSBD"},
    {0x0000'008B, "IA32_BIOS_SIGN_ID", "", "microcode revision"},
    {0x0000'00C1, "IA32_PMC0", "", "performance counter 0"},
    {0x0000'00C2, "IA32_PMC1", "", "performance counter 1"},
    {0x0000'00FE, "IA32_MTRRCAP", "", "MTRR capabilities"},
    {0x0000'010A, "IA32_ARCH_CAPABILITIES", "", "what speculation cannot leak"},
    {0x0000'011E, "BBL_CR_CTL3", "", "second-level cache"},
    {0x0000'0174, "IA32_SYSENTER_CS", "sysenter_cs", "CS that SYSENTER loads"},
    {0x0000'0175, "IA32_SYSENTER_ESP", "sysenter_esp", "stack that SYSENTER loads"},
    {0x0000'0176, "IA32_SYSENTER_EIP", "sysenter_eip", "where SYSENTER goes"},
    {0x0000'0179, "IA32_MCG_CAP", "", "machine-check capabilities"},
    {0x0000'017A, "IA32_MCG_STATUS", "", "machine-check status"},
    {0x0000'0186, "IA32_PERFEVTSEL0", "", "performance event select 0"},
    {0x0000'0187, "IA32_PERFEVTSEL1", "", "performance event select 1"},
    {0x0000'01A0, "IA32_MISC_ENABLE", "misc_enable", "fast strings, MONITOR, XD disable …"},
    {0x0000'01D9, "IA32_DEBUGCTL", "debugctl", "LBR, BTF"},
    {0x0000'0200, "IA32_MTRR_PHYSBASE0", "", "variable range 0: base and type"},
    {0x0000'0201, "IA32_MTRR_PHYSMASK0", "", "variable range 0: mask, bit 11 valid"},
    {0x0000'0202, "IA32_MTRR_PHYSBASE1", "", "variable range 1"},
    {0x0000'0203, "IA32_MTRR_PHYSMASK1", "", "variable range 1"},
    {0x0000'0204, "IA32_MTRR_PHYSBASE2", "", "variable range 2"},
    {0x0000'0205, "IA32_MTRR_PHYSMASK2", "", "variable range 2"},
    {0x0000'0206, "IA32_MTRR_PHYSBASE3", "", "variable range 3"},
    {0x0000'0207, "IA32_MTRR_PHYSMASK3", "", "variable range 3"},
    {0x0000'0208, "IA32_MTRR_PHYSBASE4", "", "variable range 4"},
    {0x0000'0209, "IA32_MTRR_PHYSMASK4", "", "variable range 4"},
    {0x0000'020A, "IA32_MTRR_PHYSBASE5", "", "variable range 5"},
    {0x0000'020B, "IA32_MTRR_PHYSMASK5", "", "variable range 5"},
    {0x0000'020C, "IA32_MTRR_PHYSBASE6", "", "variable range 6"},
    {0x0000'020D, "IA32_MTRR_PHYSMASK6", "", "variable range 6"},
    {0x0000'020E, "IA32_MTRR_PHYSBASE7", "", "variable range 7"},
    {0x0000'020F, "IA32_MTRR_PHYSMASK7", "", "variable range 7"},
    {0x0000'0250, "IA32_MTRR_FIX64K_00000", "", "types of 00000h-7FFFFh"},
    {0x0000'0258, "IA32_MTRR_FIX16K_80000", "", "types of 80000h-9FFFFh"},
    {0x0000'0259, "IA32_MTRR_FIX16K_A0000", "", "types of A0000h-BFFFFh"},
    {0x0000'0268, "IA32_MTRR_FIX4K_C0000", "", "types of C0000h-C7FFFh"},
    {0x0000'0269, "IA32_MTRR_FIX4K_C8000", "", "types of C8000h-CFFFFh"},
    {0x0000'026A, "IA32_MTRR_FIX4K_D0000", "", "types of D0000h-D7FFFh"},
    {0x0000'026B, "IA32_MTRR_FIX4K_D8000", "", "types of D8000h-DFFFFh"},
    {0x0000'026C, "IA32_MTRR_FIX4K_E0000", "", "types of E0000h-E7FFFh"},
    {0x0000'026D, "IA32_MTRR_FIX4K_E8000", "", "types of E8000h-EFFFFh"},
    {0x0000'026E, "IA32_MTRR_FIX4K_F0000", "", "types of F0000h-F7FFFh"},
    {0x0000'026F, "IA32_MTRR_FIX4K_F8000", "", "types of F8000h-FFFFFh"},
    {0x0000'0277, "IA32_PAT", "pat", "page attribute table"},
    {0x0000'02FF, "IA32_MTRR_DEF_TYPE", "mtrr_def_type", "default type, bit 10 fixed ranges, 11 enabled"},
    {0x0000'0400, "IA32_MC0_CTL", "", "machine-check bank 0"},
    {0x0000'0401, "IA32_MC0_STATUS", "", "machine-check bank 0"},
    {0x0000'06E0, "IA32_TSC_DEADLINE", "tsc_deadline", "when the APIC timer fires"},
    {0x0000'0802, "IA32_X2APIC_APICID", "", "x2APIC ID"},
    {0x0000'0803, "IA32_X2APIC_VERSION", "", "version"},
    {0x0000'0808, "IA32_X2APIC_TPR", "", "task priority"},
    {0x0000'080A, "IA32_X2APIC_PPR", "", "processor priority"},
    {0x0000'080D, "IA32_X2APIC_LDR", "", "logical destination"},
    {0x0000'080F, "IA32_X2APIC_SIVR", "", "spurious-interrupt vector"},
    {0x0000'0828, "IA32_X2APIC_ESR", "", "error status"},
    {0x0000'0830, "IA32_X2APIC_ICR", "", "interrupt command"},
    {0x0000'0832, "IA32_X2APIC_LVT_TIMER", "", "timer"},
    {0x0000'0835, "IA32_X2APIC_LVT_LINT0", "", "LINT0"},
    {0x0000'0836, "IA32_X2APIC_LVT_LINT1", "", "LINT1"},
    {0x0000'0837, "IA32_X2APIC_LVT_ERROR", "", "errors"},
    {0x0000'0838, "IA32_X2APIC_INIT_COUNT", "", "timer's initial count"},
    {0x0000'0839, "IA32_X2APIC_CUR_COUNT", "", "timer's current count"},
    {0x0000'083E, "IA32_X2APIC_DIV_CONF", "", "timer's divisor"},
    {0x0000'0DA0, "IA32_XSS", "xss", "supervisor components of XSAVES"},
    {0xC000'0080, "IA32_EFER", "efer", "bit 0 SCE, 8 LME, 10 LMA, 11 NXE"},
    {0xC000'0081, "IA32_STAR", "star", "selectors of SYSCALL and SYSRET"},
    {0xC000'0082, "IA32_LSTAR", "lstar", "where SYSCALL of 64-bit code goes"},
    {0xC000'0083, "IA32_CSTAR", "cstar", "where SYSCALL of compatibility mode goes (AMD)"},
    {0xC000'0084, "IA32_FMASK", "fmask", "flags that SYSCALL clears"},
    {0xC000'0100, "IA32_FS_BASE", "fs_base", "base of FS"},
    {0xC000'0101, "IA32_GS_BASE", "gs_base", "base of GS"},
    {0xC000'0102, "IA32_KERNEL_GS_BASE", "kernel_gs_base", "what SWAPGS exchanges GS.base with"},
    {0xC000'0103, "IA32_TSC_AUX", "tsc_aux", "what RDTSCP and RDPID return"},
    {0xC001'0010, "SYSCFG", "", "AMD: system configuration"},
    {0xC001'0015, "HWCR", "", "AMD: hardware configuration"},
    {0xC001'001A, "TOP_MEM", "", "AMD: top of memory below 4 GiB"},
    {0xC001'001D, "TOP_MEM2", "", "AMD: top of memory above 4 GiB"},
    {0xC001'0114, "VM_CR", "", "AMD: virtual machine control"},
};

std::string upper(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    return out;
}

} // namespace

std::span<const MsrName> msr_names() { return names; }

std::string_view msr_name(u32 number) {
    for (const MsrName& m : names) {
        if (m.number == number) return m.name;
    }
    return {};
}

std::optional<u32> find_msr(std::string_view text) {
    const std::string wanted = upper(text);
    for (const MsrName& m : names) {
        if (m.name == wanted || (m.name.starts_with("IA32_") && m.name.substr(5) == wanted) ||
            (!m.short_name.empty() && upper(m.short_name) == wanted))
            return m.number;
    }
    return std::nullopt;
}

} // namespace glassbox::look
