#include "debugger/look/paging.hpp"

#include "debugger/view.hpp"
#include "mmu/page_walk.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox::look {

namespace {

u64 physical_mask(const Cpu& cpu) { return (u64{1} << cpu.model->physical_bits) - 1; }

u64 on_the_bus(const Cpu& cpu, u64 phys) { return phys & cpu.memory.a20_mask() & physical_mask(cpu); }

/// With PSE-36, bits 13 to M - 20 of an entry for 4 MiB are address bits 32 to M - 1 (SDM 3A table 4-4).
unsigned pse36_bits(const Cpu& cpu) {
    return cpu.has(Feature::pse36) ? std::min(cpu.model->physical_bits, 40u) - 32 : 0;
}

} // namespace

PagingMode paging_mode(const Cpu& cpu) {
    if (!cpu.paging()) return PagingMode::none;
    if (cpu.long_mode()) return (cpu.cr4 & cr4::LA57) ? PagingMode::level5 : PagingMode::level4;
    return (cpu.cr4 & cr4::PAE) ? PagingMode::pae : PagingMode::bits32;
}

std::string_view paging_mode_name(PagingMode mode) {
    switch (mode) {
    case PagingMode::none: return "no paging";
    case PagingMode::bits32: return "32-bit paging";
    case PagingMode::pae: return "PAE paging";
    case PagingMode::level4: return "4-level paging";
    case PagingMode::level5: return "5-level paging";
    }
    return "";
}

std::string_view paging_entry_name(unsigned level) {
    static constexpr std::array<std::string_view, 6> names = {"", "PTE", "PDE", "PDPTE", "PML4E", "PML5E"};
    return names[std::min(level, 5u)];
}

bool execute_disable_enabled(const Cpu& cpu) { return (cpu.cr4 & cr4::PAE) != 0 && (cpu.msrs.efer & efer::NXE) != 0; }

unsigned PagingShape::index_bits(unsigned level) const {
    if (entry_bytes == 4) return 10;
    return mode == PagingMode::pae && level == 3 ? 2 : 9;
}
unsigned PagingShape::shift(unsigned level) const { return 12 + (entry_bytes == 4 ? 10 : 9) * (level - 1); }

PagingShape paging_shape(const Cpu& cpu) {
    const PagingMode mode = paging_mode(cpu);
    switch (mode) {
    case PagingMode::none: return {};
    case PagingMode::bits32: return {mode, 2, 4, cpu.cr3 & 0xFFFF'F000};
    case PagingMode::pae: return {mode, 3, 8, cpu.cr3 & 0xFFFF'FFE0};
    case PagingMode::level4:
    case PagingMode::level5: break;
    }
    return {mode, mode == PagingMode::level5 ? 5u : 4u, 8, cpu.cr3 & pte::frame & physical_mask(cpu)};
}

bool maps_page(const Cpu& cpu, unsigned level, u64 entry) {
    if (level == 1) return true;
    if ((entry & pte::large) == 0) return false;
    switch (paging_mode(cpu)) {
    case PagingMode::bits32: return level == 2 && (cpu.cr4 & cr4::PSE) != 0;
    case PagingMode::pae: return level == 2;
    default: return level == 2 || (level == 3 && cpu.has(Feature::pdpe1gb));
    }
}

u64 reserved_in_entry(const Cpu& cpu, unsigned level, u64 entry) {
    const PagingMode mode = paging_mode(cpu);
    if (mode == PagingMode::bits32) {
        if (level == 1 || !maps_page(cpu, level, entry)) return 0;
        return entry & 0x3F'E000 & (~u64{0} << (13 + pse36_bits(cpu)));
    }
    if (mode == PagingMode::pae && level == 3) return entry & (0x1E6 | ~physical_mask(cpu));
    u64 reserved = ~physical_mask(cpu) & (mode == PagingMode::pae ? ~pte::no_execute : pte::frame);
    if (!execute_disable_enabled(cpu)) reserved |= pte::no_execute;
    if (level > 1 && (entry & pte::large) != 0) {
        if (!maps_page(cpu, level, entry))
            reserved |= pte::large;
        else // bit 12 is PAT; those from there to the page's address are reserved
            reserved |= ((u64{1} << (12 + 9 * (level - 1))) - 1) & ~u64{0x1FFF};
    }
    return entry & reserved;
}

u64 entry_target(const Cpu& cpu, unsigned level, u64 entry) {
    if (paging_mode(cpu) == PagingMode::bits32) {
        if (level == 1 || !maps_page(cpu, level, entry)) return entry & 0xFFFF'F000;
        return (entry & 0xFFC0'0000) | (entry & 0x3F'E000) << 19;
    }
    const u64 frame = entry & pte::frame;
    if (level == 1 || !maps_page(cpu, level, entry)) return frame;
    return frame & ~((u64{1} << (12 + 9 * (level - 1))) - 1);
}

std::optional<u64> read_paging_entry(const Cpu& cpu, const PagingShape& shape, unsigned level, u64 table,
                                     unsigned index) {
    if (shape.mode == PagingMode::pae && level == 3) return cpu.pdpte[index & 3];
    std::array<u8, 8> bytes{};
    const u64 at = (table + u64{index} * shape.entry_bytes) & cpu.memory.a20_mask();
    if (read_physical_quietly(cpu, at, std::span(bytes).first(shape.entry_bytes)) < shape.entry_bytes) {
        // Nobody answers there: all ones, as the processor reads them. A device is not asked.
        const MemoryMap::Region* region = region_at(cpu.memory, at, MemoryMap::Access::read);
        if (region) return std::nullopt;
        return shape.entry_bytes == 4 ? 0xFFFF'FFFF : ~u64{0};
    }
    u64 value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return value;
}

namespace {

/// Adds up what the entry says of the page. False: the walk ends here.
bool take_entry(const Cpu& cpu, PagingWalk& walk, const PagingEntry& e) {
    walk.entries[walk.count++] = e;
    if ((e.value & pte::present) == 0) {
        walk.result = PagingWalk::Result::not_present;
        return false;
    }
    walk.reserved_bits = e.is_register ? 0 : reserved_in_entry(cpu, e.level, e.value); // checked when it was loaded
    if (walk.reserved_bits != 0) {
        walk.result = PagingWalk::Result::reserved;
        return false;
    }
    if (e.is_register) return true; // without rights
    walk.writable = walk.writable && (e.value & pte::write) != 0;
    walk.user = walk.user && (e.value & pte::user) != 0;
    if (e.bytes == 8 && (e.value & pte::no_execute) != 0 && execute_disable_enabled(cpu)) walk.executable = false;
    return true;
}

} // namespace

PagingWalk walk_quietly(const Cpu& cpu, u64 linear) {
    PagingWalk walk;
    walk.linear = cpu.long_mode() ? linear : static_cast<u32>(linear);
    if (cpu.long_mode() && !cpu.canonical(linear)) {
        walk.result = PagingWalk::Result::not_canonical;
        return walk;
    }
    const PagingShape shape = paging_shape(cpu);
    if (shape.mode == PagingMode::none) {
        walk.phys = on_the_bus(cpu, walk.linear);
        return walk;
    }
    u64 table = shape.root;
    for (unsigned level = shape.levels; level > 0; --level) {
        const auto index = static_cast<unsigned>(walk.linear >> shape.shift(level)) & (shape.table_entries(level) - 1);
        const auto value = read_paging_entry(cpu, shape, level, table, index);
        PagingEntry e{level, table + u64{index} * shape.entry_bytes, value.value_or(0),
                      shape.mode == PagingMode::pae && level == 3, shape.entry_bytes};
        if (!value) {
            walk.entries[walk.count++] = e;
            walk.result = PagingWalk::Result::unreadable;
            return walk;
        }
        if (!take_entry(cpu, walk, e)) return walk;
        table = entry_target(cpu, level, *value);
        if (e.is_register || !maps_page(cpu, level, *value)) continue;
        walk.page_shift = shape.shift(level);
        walk.global = (*value & pte::global) != 0 && (cpu.cr4 & cr4::PGE) != 0;
        walk.dirty = (*value & pte::dirty) != 0;
        walk.phys = on_the_bus(cpu, table | (walk.linear & ((u64{1} << walk.page_shift) - 1)));
        return walk;
    }
    return walk;
}

std::optional<u64> quiet_physical(const Cpu& cpu, u64 linear) {
    const PagingWalk walk = walk_quietly(cpu, linear);
    return walk.mapped() ? std::optional(walk.phys) : std::nullopt;
}

} // namespace glassbox::look
