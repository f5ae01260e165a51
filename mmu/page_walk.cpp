// Linear to physical: 32-bit paging with 4 MiB pages and PSE-36, PAE, and the 4 and 5 levels of long mode with 2 MiB
// and 1 GiB pages (SDM 3A 4.3-4.5). All modes are one descent through tables that differ in the width of an entry, the
// number of levels, and what is reserved.
#include "mmu/page_walk.hpp"

#include "cpu/block/cache.hpp"

#include <algorithm>

namespace glassbox {

namespace {

template <class Entry> u64 entry_at(Cpu& cpu, u64 address) {
    return cpu.memory.read_as<Entry>(PhysAddress{address & cpu.memory.a20_mask()});
}

u64 address_bits(const Cpu& cpu) { return (u64{1} << cpu.model->physical_bits) - 1; }

/// What is reserved in every entry of eight bytes: address bits that the processor lacks, and XD without EFER.NXE. In
/// long mode bits 52 to 62 are ignored, with PAE they are reserved too.
u64 reserved_bits(const Cpu& cpu) {
    const u64 beyond = ~address_bits(cpu) & (cpu.long_mode() ? pte::frame : ~pte::no_execute);
    return beyond | ((cpu.msrs.efer & efer::NXE) ? 0 : pte::no_execute);
}

/// Whether an entry of level `level` (0: page table) may map a page itself.
bool may_be_large(const Cpu& cpu, unsigned entry_bytes, unsigned level) {
    if (entry_bytes == 4) return level == 1 && (cpu.cr4 & cr4::PSE) != 0;
    return level == 1 || (level == 2 && cpu.has(Feature::pdpe1gb));
}

/// With PSE-36, bits 13 to M - 20 are address bits 32 to M - 1; those above, to 21, are reserved (table 4-4).
u64 reserved_in_4mib(const Cpu& cpu) {
    const unsigned high = cpu.has(Feature::pse36) ? std::min(cpu.model->physical_bits, 40u) - 32 : 0;
    return 0x3F'E000 & (~u64{0} << (13 + high));
}

} // namespace

template <class Entry>
PageWalk::Result PageWalk::descend(Cpu& cpu, u64 linear, u64 table, unsigned levels, u64 reserved) {
    constexpr unsigned index_bits = sizeof(Entry) == 8 ? 9 : 10;
    constexpr u64 frame = sizeof(Entry) == 8 ? pte::frame : 0xFFFF'F000;
    entry_bytes = sizeof(Entry);
    for (unsigned level = levels; level-- > 0;) {
        const unsigned shift = 12 + index_bits * level;
        const u64 at = table + ((linear >> shift) & ((1u << index_bits) - 1)) * sizeof(Entry);
        const u64 value = entry_at<Entry>(cpu, at);
        if (!(value & pte::present)) return Result::not_present;
        if (value & reserved) return Result::reserved;
        address[count] = at;
        entry[count++] = value;
        rights &= value;
        forbids |= value;
        table = value & frame;
        if (level == 0) {
            phys = table | (linear & page_mask);
        } else if (value & pte::large) {
            if (!may_be_large(cpu, sizeof(Entry), level)) {
                if (sizeof(Entry) == 8) return Result::reserved; // 32-bit paging without PSE ignores the bit
                continue;
            }
            page_shift = shift;
            const u64 offset = (u64{1} << shift) - 1;
            // Bit 12 is PAT; those from there to the page's address are reserved.
            if (value & (sizeof(Entry) == 8 ? offset & ~u64{0x1FFF} : reserved_in_4mib(cpu))) return Result::reserved;
            phys = (table & ~offset) | (linear & offset);
            if (sizeof(Entry) == 4) phys |= (value & 0x3F'E000) << 19;
        } else {
            continue;
        }
        leaf = value;
        return Result::mapped;
    }
    return Result::not_present; // not reached
}

PageWalk::Result PageWalk::find(Cpu& cpu, u64 linear) {
    if (!cpu.paging()) {
        phys = linear;
        return Result::mapped;
    }
    if (cpu.long_mode()) {
        const unsigned levels = (cpu.cr4 & cr4::LA57) ? 5 : 4;
        return descend<u64>(cpu, linear, cpu.cr3 & pte::frame & address_bits(cpu), levels, reserved_bits(cpu));
    }
    if (cpu.cr4 & cr4::PAE) {
        const u64 pdpte = cpu.pdpte[(linear >> 30) & 3]; // without rights; checked when it was loaded
        if (!(pdpte & pte::present)) return Result::not_present;
        return descend<u64>(cpu, linear, pdpte & pte::frame, 2, reserved_bits(cpu));
    }
    return descend<u32>(cpu, linear, cpu.cr3 & 0xFFFF'F000, 2, 0);
}

void PageWalk::mark(Cpu& cpu, bool writing) {
    for (unsigned i = 0; i < count; ++i) {
        const u64 want = entry[i] | pte::accessed | (writing && i + 1 == count ? pte::dirty : 0);
        if (want == entry[i]) continue;
        const u64 at = address[i] & cpu.memory.a20_mask();
        cpu.memory.write(PhysAddress{at}, entry_bytes, want);
        cpu.blocks->written(cpu, at, entry_bytes);
        entry[i] = want;
    }
    if (count != 0) leaf = entry[count - 1];
}

} // namespace glassbox
