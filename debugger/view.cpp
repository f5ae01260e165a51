// Memory as a debugger looks at it and changes it. Reading touches plain memory alone: a device's registers may change
// by being read. Writing goes through the memory map, so that decoded code, history and watchers hear of it.
#include "debugger/view.hpp"

#include "debugger/look/paging.hpp"

#include <algorithm>
#include <cstdio>

namespace glassbox {

namespace {

/// Linear addresses of code that is not 64-bit wrap at 4 GiB.
u64 linear_mask(const Cpu& cpu) { return cpu.long_mode() ? ~u64{0} : 0xFFFF'FFFF; }

std::string capital_hex(u64 value) {
    char text[24];
    std::snprintf(text, sizeof text, "%llXh", static_cast<unsigned long long>(value));
    return text;
}

/// Why a page takes no bytes: what answers there.
std::string not_writable(const Cpu& cpu, u64 phys) {
    const std::string at = "physical address " + capital_hex(phys) + " ";
    const MemoryMap::Region* region = region_at(cpu.memory, phys, MemoryMap::Access::write);
    if (region && region->device) return at + "is a register of " + region->name + " (a device), not memory";
    const MemoryMap::Region* read = region_at(cpu.memory, phys, MemoryMap::Access::read);
    if (read && read->host) return at + "is ROM (" + read->name + ")";
    if (region && region->host) return at + "takes no writes (" + region->name + ")";
    return at + "has no memory";
}

Expected<> check_writable(const Cpu& cpu, u64 phys, u64 size) {
    for (u64 done = 0; done < size; done += page_size - ((phys + done) & page_mask)) {
        if (!cpu.memory.page_for_write(PhysAddress{phys + done})) return fail(not_writable(cpu, phys + done));
    }
    return {};
}

} // namespace

const MemoryMap::Region* region_at(const MemoryMap& memory, u64 phys, MemoryMap::Access direction) {
    const MemoryMap::Region* best = nullptr;
    for (const MemoryMap::Region& r : memory.regions()) {
        const bool answers = (static_cast<u8>(r.access) & static_cast<u8>(direction)) != 0;
        if (!answers || phys - r.start >= r.size) continue;
        if (!best || r.priority > best->priority) best = &r;
    }
    return best;
}

std::size_t read_physical_quietly(const Cpu& cpu, u64 phys, std::span<u8> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const u64 at = phys + done;
        const u8* page = cpu.memory.page_for_read(PhysAddress{at});
        if (page == nullptr) break;
        const u64 offset = at & page_mask;
        const std::size_t count = std::min<std::size_t>(bytes.size() - done, page_size - offset);
        std::copy_n(page + offset, count, bytes.begin() + static_cast<std::ptrdiff_t>(done));
        done += count;
    }
    return done;
}

std::size_t read_linear_quietly(const Cpu& cpu, u64 linear, std::span<u8> bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const u64 at = (linear + done) & linear_mask(cpu);
        const std::size_t want = std::min<std::size_t>(bytes.size() - done, page_size - (at & page_mask));
        const std::optional<u64> phys = look::quiet_physical(cpu, at);
        const std::size_t got = phys ? read_physical_quietly(cpu, *phys, bytes.subspan(done, want)) : 0;
        done += got;
        if (got < want) break;
    }
    return done;
}

Expected<> write_physical_by_hand(Cpu& cpu, u64 phys, std::span<const u8> bytes) {
    if (bytes.empty()) return {};
    if (phys + (bytes.size() - 1) < phys) return fail("the range goes beyond the end of the address space");
    if (auto writable = check_writable(cpu, phys, bytes.size()); !writable) return writable;
    cpu.memory.write_block(PhysAddress{phys}, bytes);
    return {};
}

Expected<> write_linear_by_hand(Cpu& cpu, u64 linear, std::span<const u8> bytes) {
    struct Piece {
        u64 phys;
        std::span<const u8> bytes;
    };
    std::vector<Piece> pieces;
    for (std::size_t done = 0; done < bytes.size();) {
        const u64 at = (linear + done) & linear_mask(cpu);
        const std::size_t count = std::min<std::size_t>(bytes.size() - done, page_size - (at & page_mask));
        const std::optional<u64> phys = look::quiet_physical(cpu, at);
        if (!phys) return fail("linear address " + capital_hex(at) + " is not mapped");
        if (auto writable = check_writable(cpu, *phys, count); !writable) return writable;
        pieces.push_back({*phys, bytes.subspan(done, count)});
        done += count;
    }
    for (const Piece& piece : pieces) cpu.memory.write_block(PhysAddress{piece.phys}, piece.bytes);
    return {};
}

unsigned code_bits(const Cpu& cpu) {
    if (cpu.code64()) return 64;
    return cpu.seg[CS].big() ? 32 : 16;
}

} // namespace glassbox
