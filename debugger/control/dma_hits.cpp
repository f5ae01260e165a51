// Watchpoints and what devices write by themselves (DMA). A device knows physical addresses alone; a watchpoint on
// linear ones sees it through the page tables as they are at that moment, of any processor that it is about.
#include "cpu/system/system.hpp"
#include "debugger/control/impl.hpp"
#include "debugger/view.hpp"
#include "mmu/access.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

namespace {

/// A watchpoint on more linear memory than this (256 MiB) is compared in its first part alone: each page is walked to.
constexpr u64 most_pages = 0x10000;

/// What a device is about to write.
struct Writing {
    u64 start = 0;
    std::span<const u8> data;
    u64 last() const { return start + (data.size() - 1); }
    std::span<const u8> at(u64 phys, u64 size) const {
        return data.subspan(static_cast<std::size_t>(phys - start), static_cast<std::size_t>(size));
    }
};

/// A part of it that a watchpoint is on: where it lies as the watchpoint's addresses go, and what comes there.
struct Part {
    u64 address = 0;
    u64 phys = 0;
    std::span<const u8> bytes;
};

std::optional<Part> part_of(const Writing& writing, u64 address, u64 phys, u64 size) {
    const u64 first = std::max(phys, writing.start), last = std::min(phys + (size - 1), writing.last());
    if (first > last) return {};
    return Part{address + (first - phys), first, writing.at(first, last - first + 1)};
}

/// The parts of a linear range; those of pages that are not mapped are nowhere.
std::vector<Part> linear_parts(const Cpu& cpu, const WatchedRange& range, const Writing& writing) {
    std::vector<Part> parts;
    u64 page = range.first & ~page_mask;
    for (u64 walked = 0; walked < most_pages && page <= range.last; ++walked, page += page_size) {
        const u64 first = std::max(page, range.first), last = std::min(page | page_mask, range.last);
        u64 phys = 0;
        if (translate_quietly(cpu, first, phys)) {
            if (const auto part = part_of(writing, first, phys, last - first + 1)) parts.push_back(*part);
        }
        if (page > ~page_mask - page_size) break;
    }
    return parts;
}

std::vector<Part> parts_of(const Cpu& cpu, const StopPoint& point, const Writing& writing) {
    const WatchedRange range = range_of(point);
    const bool same = !(cpu.cr0 & cr0::PG) && cpu.memory.a20();
    if (point.where.space == Address::Space::linear && !same) return linear_parts(cpu, range, writing);
    const u64 first = std::max(range.first, writing.start), last = std::min(range.last, writing.last());
    if (first > last) return {};
    return {Part{first, first, writing.at(first, last - first + 1)}};
}

/// What a small watchpoint's bytes are, and what they become.
void small_values(const Cpu& cpu, const StopPoint& point, const std::vector<Part>& parts, Hit& hit) {
    std::array<u8, 8> old{};
    const std::span<u8> bytes = std::span(old).first(static_cast<std::size_t>(point.length));
    (void)(point.where.space == Address::Space::physical ? read_physical_quietly(cpu, point.where.value, bytes)
                                                         : read_linear_quietly(cpu, point.where.value, bytes));
    std::array<u8, 8> now = old;
    for (const Part& part : parts)
        std::ranges::copy(part.bytes, now.begin() + static_cast<std::ptrdiff_t>(part.address - point.where.value));
    for (std::size_t i = bytes.size(); i-- > 0;) {
        hit.old_value = hit.old_value << 8 | old[i];
        hit.new_value = hit.new_value << 8 | now[i];
    }
    hit.address = point.where.value;
    hit.size = static_cast<unsigned>(point.length);
    hit.by = ", written by a device (DMA)";
}

/// Of a larger one: how many bytes, and the first that becomes another.
void large_values(const Cpu& cpu, const StopPoint& point, const std::vector<Part>& parts, Hit& hit) {
    u64 size = 0;
    bool changed = false;
    for (const Part& part : parts) {
        size += part.bytes.size();
        std::vector<u8> old(part.bytes.size());
        const std::size_t known = changed ? 0 : read_physical_quietly(cpu, part.phys, old);
        const auto [before, after] = std::mismatch(old.begin(), old.begin() + static_cast<std::ptrdiff_t>(known),
                                                   part.bytes.begin(), part.bytes.end());
        if (changed || before == old.begin() + static_cast<std::ptrdiff_t>(known)) continue;
        changed = true;
        hit.address = part.address + static_cast<u64>(before - old.begin());
        hit.old_value = *before;
        hit.new_value = *after;
    }
    const bool physical = point.where.space == Address::Space::physical;
    if (!changed) hit.address = parts.front().address;
    hit.size = static_cast<unsigned>(size);
    hit.what = ": " + std::to_string(size) + (size == 1 ? " byte" : " bytes") + " at " + (physical ? "physical " : "") +
               capital_hex(parts.front().address) + "h written by a device (DMA)";
    if (changed) {
        hit.what += "; the first that changed, at " + capital_hex(hit.address) + "h, was " +
                    capital_hex(hit.old_value, 2) + ", is " + capital_hex(hit.new_value, 2);
    } else {
        hit.what += ", as they were";
    }
}

} // namespace

void Debugger::Impl::memory_writing(PhysAddress start, std::span<const u8> data) {
    const bool looking = observer ? observer->points() : in_run;
    if (!looking || data.empty() || !points.any_of_memory()) return;
    const Writing writing{start.value, data};
    for (const StopPoint& point : points.list()) {
        const bool fits = point.kind == StopPointKind::write || point.kind == StopPointKind::access ||
                          point.kind == StopPointKind::change;
        if (!point.enabled || !fits) continue;
        const unsigned running_one = number_of(machine.cpu());
        for (unsigned i = 0; i < machine.processors(); ++i) { // whose turn it is first
            const unsigned number = (running_one + i) % machine.processors();
            if (point.processor && *point.processor != number) continue;
            const std::vector<Part> parts = parts_of(machine.cpu(number), point, writing);
            if (parts.empty()) continue;
            Hit hit{.processor = number, .write = true, .device = true};
            point.length <= 8 ? small_values(machine.cpu(number), point, parts, hit)
                              : large_values(machine.cpu(number), point, parts, hit);
            if (point.kind != StopPointKind::change || hit.old_value != hit.new_value)
                note(point, number, std::move(hit));
            break;
        }
    }
}

} // namespace glassbox
