// Memory as a debugger looks at it and changes it. Devices are asked what they would answer (IoDevice::peek), for a
// register may change by being read. Writing goes through the memory map, so that decoded code, history and watchers
// hear of it.
#include "debugger/view.hpp"
#include "debugger/hex.hpp"

#include "debugger/look/paging.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace glassbox {

namespace {

constexpr unsigned widest_cycle = 8;

/// Linear addresses of code that is not 64-bit wrap at 4 GiB.
u64 linear_mask(const Cpu& cpu) { return cpu.long_mode() ? ~u64{0} : 0xFFFF'FFFF; }

/// Why a page takes no bytes: what answers there.
std::string not_writable(const Cpu& cpu, u64 phys) {
    const std::string at = "physical address " + capital_hex(phys) + "h ";
    const MemoryMap::Region* region = region_at(cpu.memory, phys, MemoryMap::Access::write);
    const MemoryMap::Region* read = region_at(cpu.memory, phys, MemoryMap::Access::read);
    if (read && read->host) return at + "is ROM (" + read->name + ")";
    if (region && region->host) return at + "takes no writes (" + region->name + ")";
    return at + "has no memory";
}

/// What one region takes of a write.
struct Piece {
    u64 phys;
    std::span<const u8> bytes;
    bool device;
};

Expected<> take_apart(const Cpu& cpu, u64 phys, std::span<const u8> bytes, std::vector<Piece>& pieces) {
    for (std::size_t done = 0; done < bytes.size();) {
        const u64 at = phys + done, rest = page_size - (at & page_mask);
        std::size_t count = std::min<std::size_t>(bytes.size() - done, static_cast<std::size_t>(rest));
        bool device = false;
        if (!cpu.memory.page_for_write(PhysAddress{at})) {
            const auto taker = [&](u64 byte) { return region_at(cpu.memory, byte, MemoryMap::Access::write); };
            const MemoryMap::Region* region = taker(at);
            if (!region || (!region->device && region->writes_dropped)) return fail(not_writable(cpu, at));
            std::size_t same = 1;
            while (same < count && taker(at + same) == region) ++same;
            count = same;
            device = region->device != nullptr;
        }
        pieces.push_back({at, bytes.subspan(done, count), device});
        done += count;
    }
    return {};
}

void write_cycles(Cpu& cpu, const Piece& piece, unsigned width) {
    const BusByHand by_hand(cpu);
    for (std::size_t done = 0; done < piece.bytes.size();) {
        const u64 at = piece.phys + done;
        unsigned size = width;
        while (at % size != 0 || size > piece.bytes.size() - done) size /= 2;
        u64 value = 0;
        std::memcpy(&value, piece.bytes.data() + done, size);
        cpu.memory.write(PhysAddress{at}, size, value);
        done += size;
    }
}

void write_pieces(Cpu& cpu, const std::vector<Piece>& pieces, unsigned width) {
    for (const Piece& piece : pieces) {
        if (piece.device)
            write_cycles(cpu, piece, width);
        else
            cpu.memory.write_block(PhysAddress{piece.phys}, piece.bytes);
    }
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
        const u64 offset = at & page_mask;
        const std::size_t count = std::min<std::size_t>(bytes.size() - done, page_size - offset);
        if (page == nullptr) {
            const BusByHand by_hand(cpu);
            const std::size_t got = cpu.memory.peek_block(PhysAddress{at}, bytes.subspan(done, count));
            done += got;
            if (got < count) break;
        } else {
            std::copy_n(page + offset, count, bytes.begin() + static_cast<std::ptrdiff_t>(done));
            done += count;
        }
    }
    return done;
}

BusByHand::BusByHand(const Cpu& cpu)
    : cpu_(cpu), before_(cpu.interrupts.take_bus()), memory_probe_(cpu.memory.probe), port_probe_(cpu.ports.probe) {
    cpu_.memory.probe = nullptr;
    cpu_.ports.probe = nullptr;
}

BusByHand::~BusByHand() {
    cpu_.memory.probe = memory_probe_;
    cpu_.ports.probe = port_probe_;
    if (before_) before_->take_bus();
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

Expected<> write_physical_by_hand(Cpu& cpu, u64 phys, std::span<const u8> bytes, unsigned width) {
    if (bytes.empty()) return {};
    if (phys + (bytes.size() - 1) < phys) return fail("the range goes beyond the end of the address space");
    std::vector<Piece> pieces;
    if (auto writable = take_apart(cpu, phys, bytes, pieces); !writable) return writable;
    write_pieces(cpu, pieces, width);
    return {};
}

Expected<> write_linear_by_hand(Cpu& cpu, u64 linear, std::span<const u8> bytes, unsigned width) {
    std::vector<Piece> pieces;
    for (std::size_t done = 0; done < bytes.size();) {
        const u64 at = (linear + done) & linear_mask(cpu);
        const std::size_t count = std::min<std::size_t>(bytes.size() - done, page_size - (at & page_mask));
        const std::optional<u64> phys = look::quiet_physical(cpu, at);
        if (!phys) return fail("linear address " + capital_hex(at) + "h is not mapped");
        if (auto writable = take_apart(cpu, *phys, bytes.subspan(done, count), pieces); !writable) return writable;
        done += count;
    }
    write_pieces(cpu, pieces, width);
    return {};
}

Expected<> write_physical_by_hand(Cpu& cpu, u64 phys, std::span<const u8> bytes) {
    return write_physical_by_hand(cpu, phys, bytes, widest_cycle);
}

Expected<> write_linear_by_hand(Cpu& cpu, u64 linear, std::span<const u8> bytes) {
    return write_linear_by_hand(cpu, linear, bytes, widest_cycle);
}

unsigned code_bits(const Cpu& cpu) {
    if (cpu.code64()) return 64;
    return cpu.seg[CS].big() ? 32 : 16;
}

} // namespace glassbox
