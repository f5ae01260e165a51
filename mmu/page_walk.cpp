// Linear to physical: 32-bit paging with 4 MiB pages and PSE-36, and PAE with NX (SDM 3A, 4.3-4.9), filling the TLB.
#include "cpu/block/cache.hpp"
#include "cpu/system/system.hpp"
#include "mmu/access.hpp"

#include <algorithm>

namespace glassbox {

namespace {

constexpr u64 pte_present = 1, pte_write = 2, pte_user = 4, pte_accessed = 32, pte_dirty = 64, pte_large = 128,
              pte_global = 256, pte_nx = u64{1} << 63;
constexpr u64 physical_mask = 0x000F'FFFF'FFFF'F000; ///< before the model's physical address width

/// What a walk found.
struct Walk {
    u64 phys = 0;         ///< of the byte
    bool writable = true; ///< R/W at every level
    bool user = true;     ///< U/S at every level
    bool executable = true;
    bool global = false;
    bool dirty = true;
    bool large = false;
    u64 leaf_address = 0; ///< of the entry with the dirty bit; 0 without paging
    unsigned leaf_width = 4;
};

enum class WalkResult : u8 { mapped, not_present, reserved };

/// Reads a table entry; sets its accessed bit when `mark`.
u64 entry_at(Cpu& cpu, u64 address, unsigned width) {
    return cpu.memory.read(PhysAddress{address & cpu.memory.a20_mask()}, width);
}
void mark_entry(Cpu& cpu, u64 address, unsigned width, u64 value) {
    cpu.memory.write(PhysAddress{address & cpu.memory.a20_mask()}, width, value);
    cpu.blocks->written(cpu, address & cpu.memory.a20_mask(), width);
}

struct Visited {
    u64 address[3];
    u64 value[3];
    unsigned count = 0;
};

WalkResult walk_legacy(Cpu& cpu, u64 linear, Walk& w, Visited& seen) {
    const u64 pde_address = (cpu.cr3 & 0xFFFF'F000) + ((linear >> 22) & 0x3FF) * 4;
    const u64 pde = entry_at(cpu, pde_address, 4);
    if (!(pde & pte_present)) return WalkResult::not_present;
    seen.address[seen.count] = pde_address;
    seen.value[seen.count++] = pde;
    w.writable = (pde & pte_write) != 0;
    w.user = (pde & pte_user) != 0;
    if ((pde & pte_large) && (cpu.cr4 & cr4::PSE)) {
        // With PSE-36, bits 13 to M - 20 are address bits 32 to M - 1; those above, to 21, are reserved (table 4-4).
        const bool pse36 = cpu.has(Feature::pse36);
        const unsigned address_bits = pse36 ? std::min(cpu.model->physical_bits, 40u) - 32 : 0;
        if (pde & 0x3F'E000 & (~u64{0} << (13 + address_bits))) return WalkResult::reserved;
        w.phys = (pde & 0xFFC0'0000) | (linear & 0x3F'FFFF);
        w.phys |= ((pde & 0x3F'E000) >> 13) << 32;
        w.global = (pde & pte_global) != 0;
        w.dirty = (pde & pte_dirty) != 0;
        w.large = true;
        w.leaf_address = pde_address;
        return WalkResult::mapped;
    }
    const u64 pte_address = (pde & 0xFFFF'F000) + ((linear >> 12) & 0x3FF) * 4;
    const u64 pte = entry_at(cpu, pte_address, 4);
    if (!(pte & pte_present)) return WalkResult::not_present;
    seen.address[seen.count] = pte_address;
    seen.value[seen.count++] = pte;
    w.writable = w.writable && (pte & pte_write);
    w.user = w.user && (pte & pte_user);
    w.phys = (pte & 0xFFFF'F000) | (linear & 0xFFF);
    w.global = (pte & pte_global) != 0;
    w.dirty = (pte & pte_dirty) != 0;
    w.leaf_address = pte_address;
    return WalkResult::mapped;
}

WalkResult walk_pae(Cpu& cpu, u64 linear, Walk& w, Visited& seen) {
    w.leaf_width = 8;
    const u64 pdpte = cpu.pdpte[(linear >> 30) & 3];
    if (!(pdpte & pte_present)) return WalkResult::not_present;
    const bool nx_enabled = (cpu.msrs.efer & efer::NXE) != 0;
    const u64 address_bits = (u64{1} << cpu.model->physical_bits) - 1;
    const u64 reserved = (~address_bits & ~pte_nx) | (nx_enabled ? 0 : pte_nx);
    const u64 pde_address = (pdpte & physical_mask) + ((linear >> 21) & 0x1FF) * 8;
    const u64 pde = entry_at(cpu, pde_address, 8);
    if (!(pde & pte_present)) return WalkResult::not_present;
    if (pde & reserved) return WalkResult::reserved;
    seen.address[seen.count] = pde_address;
    seen.value[seen.count++] = pde;
    w.writable = (pde & pte_write) != 0;
    w.user = (pde & pte_user) != 0;
    w.executable = !(pde & pte_nx);
    if (pde & pte_large) {
        if (pde & 0x1F'E000) return WalkResult::reserved; // bits 20-13; 12 is PAT
        w.phys = (pde & address_bits & ~u64{0x1F'FFFF}) | (linear & 0x1F'FFFF);
        w.global = (pde & pte_global) != 0;
        w.dirty = (pde & pte_dirty) != 0;
        w.large = true;
        w.leaf_address = pde_address;
        return WalkResult::mapped;
    }
    const u64 pte_address = (pde & physical_mask & address_bits) + ((linear >> 12) & 0x1FF) * 8;
    const u64 pte = entry_at(cpu, pte_address, 8);
    if (!(pte & pte_present)) return WalkResult::not_present;
    if (pte & reserved) return WalkResult::reserved;
    seen.address[seen.count] = pte_address;
    seen.value[seen.count++] = pte;
    w.writable = w.writable && (pte & pte_write);
    w.user = w.user && (pte & pte_user);
    w.executable = w.executable && !(pte & pte_nx);
    w.phys = (pte & physical_mask & address_bits) | (linear & 0xFFF);
    w.global = (pte & pte_global) != 0;
    w.dirty = (pte & pte_dirty) != 0;
    w.leaf_address = pte_address;
    return WalkResult::mapped;
}

WalkResult walk(Cpu& cpu, u64 linear, Walk& w, Visited& seen) {
    if (!cpu.paging()) {
        w.phys = linear;
        return WalkResult::mapped;
    }
    return (cpu.cr4 & cr4::PAE) ? walk_pae(cpu, linear, w, seen) : walk_legacy(cpu, linear, w, seen);
}

/// The address lines that the chip has, and A20.
u64 on_the_bus(const Cpu& cpu, u64 phys) {
    return phys & cpu.memory.a20_mask() & ((u64{1} << cpu.model->physical_bits) - 1);
}

bool page_fault(Cpu& cpu, u64 linear, u32 error, const char* why) {
    cpu.fault = {Exception::PF, true, error, linear, why};
    return false;
}

/// Whether an enabled data or I/O breakpoint lies in or next to the page: such pages always go the slow way.
bool data_breakpoint_in_page(const Cpu& cpu, u64 page) {
    if ((cpu.dr[7] & 0xFF) == 0) return false;
    for (unsigned i = 0; i < 4; ++i) {
        const bool enabled = ((cpu.dr[7] >> (2 * i)) & 3) != 0;
        const bool data = ((cpu.dr[7] >> (16 + 4 * i)) & 1) != 0; // R/W 01 or 11
        if (enabled && data && ((cpu.dr[i] & ~page_mask) == page || ((cpu.dr[i] + 7) & ~page_mask) == page))
            return true;
    }
    return false;
}

void note_large(Cpu& cpu, u64 linear, const Walk& w) {
    if (w.large) cpu.large_regions[(linear >> 28) & 15] |= u64{1} << ((linear >> 22) & 63);
}

void fill_fetch(Cpu& cpu, u64 linear, const Walk& w, u64 phys) {
    note_large(cpu, linear, w);
    // Links and the jump cache may lead to pages that the table holds, and to no others.
    if (cpu.fetch_tlbs[cpu.cpl == 3].insert(linear, phys, w.global && (cpu.cr4 & cr4::PGE))) cpu.bump_epoch();
}

void fill(Cpu& cpu, u64 linear, const Walk& w, u64 phys, TlbClass table_class) {
    TlbTable& table = cpu.tlbs[static_cast<u8>(table_class)];
    const unsigned slot = TlbTable::index(linear);
    TlbEntry& e = table.entries[slot];
    const u64 page = linear & ~page_mask;
    const u64 phys_page = phys & ~page_mask;
    e = TlbEntry{};
    e.phys = phys_page;
    note_large(cpu, linear, w);
    table.global[slot] = w.global && (cpu.cr4 & cr4::PGE);

    const bool user_class = table_class == TlbClass::user;
    const bool watched = data_breakpoint_in_page(cpu, page);
    if (watched) return;
    u8* host = cpu.memory.page_for_read(PhysAddress{phys});
    if (!host) return;
    e.addend = reinterpret_cast<u64>(host) - page;
    e.read_tag = page;
    const bool may_write = !cpu.paging() || (w.dirty && (w.writable || (!user_class && !(cpu.cr0 & cr0::WP))));
    if (may_write && cpu.memory.page_for_write(PhysAddress{phys}) == host && !cpu.blocks->has_code(phys_page))
        e.write_tag = page;
}

} // namespace

bool translate(Cpu& cpu, u64 linear, AccessKind kind, Privilege privilege, u64& phys) {
    linear = static_cast<u32>(linear);
    const bool user = cpu.cpl == 3 && privilege == Privilege::current;
    Walk w;
    Visited seen;
    const WalkResult result = walk(cpu, linear, w, seen);
    const bool writing = kind == AccessKind::write, fetching = kind == AccessKind::fetch;
    if (cpu.paging()) {
        const bool nx_enabled = (cpu.cr4 & cr4::PAE) && (cpu.msrs.efer & efer::NXE);
        const u32 error = (writing ? pf_error::write : 0) | (user ? pf_error::user : 0) |
                          (fetching && nx_enabled ? pf_error::fetch : 0);
        if (result == WalkResult::not_present) return page_fault(cpu, linear, error, "the page is not present");
        if (result == WalkResult::reserved)
            return page_fault(cpu, linear, error | pf_error::present | pf_error::reserved,
                              "a reserved bit is set in a paging entry");
        const u32 denied = error | pf_error::present;
        if (user && !w.user) return page_fault(cpu, linear, denied, "a supervisor page is not accessible at CPL 3");
        if (writing && !w.writable && (user || (cpu.cr0 & cr0::WP)))
            return page_fault(cpu, linear, denied, "the page is read-only");
        if (fetching && nx_enabled && !w.executable)
            return page_fault(cpu, linear, denied, "the page is not executable (NX)");
        for (unsigned i = 0; i < seen.count; ++i) {
            const bool leaf = seen.address[i] == w.leaf_address;
            const u64 want = pte_accessed | (leaf && writing ? pte_dirty : 0);
            if ((seen.value[i] & want) != want) {
                mark_entry(cpu, seen.address[i], w.leaf_width, seen.value[i] | want);
                if (leaf && writing) w.dirty = true;
            }
        }
    }
    phys = on_the_bus(cpu, w.phys);
    const bool checked = cpu.class_tlb == &cpu.tlbs[static_cast<u8>(TlbClass::checked)];
    if (fetching)
        fill_fetch(cpu, linear, w, phys);
    else if (!(checked && user))
        fill(cpu, linear, w, phys, user ? TlbClass::user : TlbClass::supervisor);
    return true;
}

bool translate_quietly(const Cpu& cpu, u64 linear, u64& phys) {
    Walk w;
    Visited seen;
    // The walk only reads; its signature is that of the faulting one.
    if (walk(const_cast<Cpu&>(cpu), static_cast<u32>(linear), w, seen) != WalkResult::mapped) return false;
    phys = on_the_bus(cpu, w.phys);
    return true;
}

} // namespace glassbox
