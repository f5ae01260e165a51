// The processor of system_fixture.hpp in long mode: its first 2 MiB of linear addresses are there twice, at 0 and at
// `high`, where the descriptor tables, the TSS and the handlers lie, as a kernel has them.
#pragma once

#include "system_fixture.hpp"

namespace glassbox::system_test {

inline constexpr u64 high = 0xFFFF'8000'0000'0000, not_canonical = 0x0000'8000'0000'0000;
/// Not canonical for 57 bits either: what a processor that knows LA57 refuses in bases, whatever CR4 says.
inline constexpr u64 never_canonical = u64{1} << 56;
inline constexpr u64 pml4 = 0x2'0000, pdpt = 0x2'1000, page_directory = 0x2'2000;
// Selectors besides those of system_fixture.hpp, whose code0 to code3 are 64-bit code here.
inline constexpr u16 gate64_slot = 0x90, code0_32 = 0xA0, code3_32 = 0xAB, sel_ldt64 = 0xB0, sel_tss64 = 0x28,
                     wide_slot = 0xC0, code0_both = 0xD0;
inline constexpr u64 rsp_of[4] = {high + 0x8008, high + 0x9008, high + 0xA008, 0xB008}; ///< not aligned to 16
inline constexpr u64 ist_of(unsigned n) { return high + 0xC008 + 0x100 * n; }
inline constexpr u64 return_to = high + 0x105;

enum class Vendor : u8 { intel, amd };

inline const CpuModel& long_model(Vendor vendor) {
    static const auto make = [](std::string_view name) {
        CpuModel m = *find_cpu_model("max");
        m.vendor = name;
        for (const Feature f : {Feature::long_mode, Feature::syscall, Feature::fsgsbase, Feature::nx, Feature::la57})
            m.features.add(f);
        m.features.remove(Feature::null_sel_clr_base);
        m.cr4_bits |= cr4::FSGSBASE | cr4::UMIP | cr4::LA57;
        return m;
    };
    static const CpuModel intel = make("GenuineIntel");
    static const CpuModel amd = make("AuthenticAMD");
    return vendor == Vendor::amd ? amd : intel;
}

/// type_with_s, DPL; L and D.
constexpr u64 code_descriptor(unsigned type, unsigned dpl, bool l, bool d, bool present = true) {
    return descriptor(0, 0xFFFFF, access(type, dpl, present), 0x8u | (l ? 2u : 0) | (d ? 4u : 0));
}

struct Machine64 : Machine {
    explicit Machine64(Vendor vendor = Vendor::intel) : Machine(long_model(vendor)) { enter(); }

    void set_wide(u16 selector, u64 low, u64 upper) {
        set_entry(selector, low);
        put<u64>(gdt + (selector & 0xFFF8u) + 8, upper);
    }
    /// A call gate in the GDT.
    void set_gate64(u16 slot, u16 selector, u64 offset, u32 rights) {
        set_wide(slot, gate(selector, static_cast<u32>(offset), rights), offset >> 32);
    }
    void set_idt64(unsigned vector, u16 selector, u64 offset, u32 rights, unsigned ist = 0) {
        put<u64>(idt + 16 * vector, gate(selector, static_cast<u32>(offset), rights, ist));
        put<u64>(idt + 16 * vector + 8, offset >> 32);
    }

    void enter() {
        protect();
        const u16 codes[4] = {code0, code1, code2, code3};
        for (unsigned cpl = 0; cpl < 4; ++cpl) set_entry(codes[cpl], code_descriptor(0x1B, cpl, true, false));
        set_entry(code0_32, code_descriptor(0x1B, 0, false, true));
        set_entry(code3_32, code_descriptor(0x1B, 3, false, true));
        set_entry(code0_both, code_descriptor(0x1B, 0, true, true));
        set_wide(sel_tss64, descriptor(tss_a, 0x67, access(11, 0), 0), high >> 32);
        set_wide(sel_ldt64, descriptor(ldt, 0xFFF, access(2, 0), 0), high >> 32);
        std::memset(memory.ram().data() + tss_a, 0, 0x68);
        for (u32 i = 0; i < 3; ++i) put<u64>(tss_a + 4 + 8 * i, rsp_of[i]);
        for (u32 i = 1; i < 8; ++i) put<u64>(tss_a + 28 + 8 * i, ist_of(i));
        put<u16>(tss_a + 0x66, 0x68);
        constexpr u64 present_writable_user = 7, large = 0x80;
        std::memset(memory.ram().data() + pml4, 0, 0x3000);
        put<u64>(pml4, pdpt | present_writable_user);
        put<u64>(pml4 + 8 * 256, pdpt | present_writable_user);
        put<u64>(pdpt, page_directory | present_writable_user);
        put<u64>(page_directory, present_writable_user | large);
        cpu.cr3 = pml4;
        cpu.cr4 = cr4::PAE | cr4::FSGSBASE;
        cpu.msrs.efer = efer::LME | efer::LMA | efer::SCE;
        cpu.cr0 |= cr0::PG;
        cpu.flush_tlb(false);
        cpu.gdtr = {high + gdt, 0xFFF};
        cpu.idtr = {high + idt, 0xFFF};
        cpu.tr = wide_segment(sel_tss64);
        cpu.ldtr = wide_segment(sel_ldt64);
        level64(0);
    }
    Segment wide_segment(u16 selector) {
        return Descriptor{entry(selector), get<u64>(gdt + (selector & 0xFFF8u) + 8)}.segment(selector);
    }

    /// 64-bit code at privilege `cpl`.
    void level64(unsigned cpl) {
        level(cpl);
        cpu.gpr[RSP] = rsp_of[cpl];
        cpu.ip = high + 0x100;
        cpu.next_ip = return_to;
        cpu.set_full_eflags(0);
    }
    /// 32-bit code in compatibility mode at level 0 or 3.
    void compatible(unsigned cpl) {
        level(cpl);
        const u16 selector = cpl == 0 ? code0_32 : code3_32;
        cpu.seg[CS] = Descriptor{entry(selector)}.segment(selector);
        cpu.gpr[RSP] = 0x8000;
        cpu.set_full_eflags(0);
        cpu.update_mode();
    }
    u64 pushed(unsigned n) { return get<u64>(static_cast<u32>(cpu.gpr[RSP]) + 8 * n); }
    bool raised(bool result, Exception e, u32 error) { return !result && faulted(e, error); }
};

} // namespace glassbox::system_test
