// A processor with every extension of paging, in 64-bit mode at level 0, on hand-made tables of four or five levels.
#pragma once

#include "system_fixture.hpp"

#include <array>

namespace glassbox::system_test {

inline constexpr u64 present = 1, writable = 2, user_bit = 4, accessed = 32, dirty = 64, large = 128, global_bit = 256,
                     no_execute = u64{1} << 63;

inline const CpuModel& paging_model(bool gigabyte_pages = true) {
    static const auto make = [](bool huge) {
        CpuModel m = *find_cpu_model("max");
        for (const Feature f :
             {Feature::long_mode, Feature::nx, Feature::smep, Feature::smap, Feature::pku, Feature::pcid,
              Feature::invpcid, Feature::la57, Feature::umip, Feature::fsgsbase, Feature::xsave, Feature::pdpe1gb})
            m.features.add(f);
        if (!huge) m.features.remove(Feature::pdpe1gb);
        m.cr4_bits = static_cast<u32>(cr4_of(m.features));
        m.physical_bits = 40;
        return m;
    };
    static const CpuModel with = make(true), without = make(false);
    return gigabyte_pages ? with : without;
}

struct Paging64 : Machine {
    static constexpr u32 tables = 0x2'0000, no_table = 0;
    u32 next_table = tables;

    explicit Paging64(bool la57 = false, bool gigabyte_pages = true) : Machine(paging_model(gigabyte_pages)) {
        set_entry(code0, descriptor(0, 0xFFFFF, access(0x1B, 0), 0xA));
        set_entry(code3, descriptor(0, 0xFFFFF, access(0x1B, 3), 0xA));
        set_entry(code1, descriptor(0, 0xFFFFF, access(0x1B, 0), 0xC)); // 32-bit code of level 0
        cpu.msrs.efer = efer::LME | efer::LMA | efer::NXE;
        cpu.cr4 = cr4::PAE | (la57 ? cr4::LA57 : 0);
        cpu.cr0 |= cr0::PG;
        clear_tables();
        at_level(0);
    }
    void clear_tables() {
        std::memset(memory.ram().data() + tables, 0, 0x2'0000);
        next_table = tables + 0x1000;
        cpu.cr3 = tables;
        cpu.flush_tlb(false);
    }
    unsigned levels() const { return (cpu.cr4 & cr4::LA57) ? 5 : 4; }
    void at_level(unsigned cpl) {
        level(cpl);
        cpu.set_full_eflags(0);
        cpu.update_mode();
    }
    /// 32-bit code at level 0.
    void compatible() {
        cpu.seg[CS] = Descriptor{entry(code1)}.segment(code1);
        cpu.update_mode();
    }
    void alignment_flag(bool on) {
        cpu.eflags = on ? cpu.eflags | eflags::AC : cpu.eflags & ~u32{eflags::AC};
        cpu.update_mode();
    }

    /// Where the entry of level `level` (1: page table) for `linear` is, with all tables above it made.
    u32 entry_at(u64 linear, unsigned level) {
        u32 table = tables;
        for (unsigned n = levels(); n > level; --n) {
            const u32 at = table + static_cast<u32>(linear >> (12 + 9 * (n - 1)) & 511) * 8;
            if (!(get<u64>(at) & present)) {
                put<u64>(at, next_table | present | writable | user_bit);
                next_table += 0x1000;
            }
            table = static_cast<u32>(get<u64>(at)) & 0xFFFF'F000;
        }
        return table + static_cast<u32>(linear >> (12 + 9 * (level - 1)) & 511) * 8;
    }
    void map(u64 linear, u64 entry, unsigned level = 1) { put<u64>(entry_at(linear, level), entry); }

    bool reads(u64 linear) {
        u8 value = 0;
        return read_linear<u8>(cpu, linear, value);
    }
    bool writes(u64 linear) { return write_linear<u8>(cpu, linear, 0x5A); }
};

} // namespace glassbox::system_test
