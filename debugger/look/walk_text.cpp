// One address: the entries that lead to it, and what the processor holds of such ways in its TLB (SDM 3A 4.10.2).
#include "debugger/look/paging_text.hpp"

#include "debugger/look/text.hpp"
#include "debugger/view.hpp"
#include "mmu/page_walk.hpp"

#include <algorithm>
#include <array>

namespace glassbox::look {

namespace {

/// What the data TLB of the present privilege class holds for the page.
std::optional<u64> in_tlb(const Cpu& cpu, u64 linear) {
    const TlbEntry& e = cpu.class_tlb->entries[TlbTable::index(linear)];
    const u64 page = linear & ~page_mask;
    if (e.phys == TlbEntry::no_tag || !TlbEntry::allows(e.read_tag, page)) return std::nullopt;
    return e.phys;
}

std::string what_is_at(const Cpu& cpu, u64 phys) {
    const MemoryMap::Region* region = region_at(cpu.memory, phys, MemoryMap::Access::read);
    return region ? region->name : "nothing answers there";
}

} // namespace

void write_walk(const Cpu& cpu, u64 linear, std::string& out) {
    const PagingWalk walk = walk_quietly(cpu, linear);
    out += "linear " + digits(walk.linear, linear_digits(cpu)) + ": " + std::string(paging_mode_name(paging_mode(cpu)));
    if (walk.result == PagingWalk::Result::not_canonical) {
        out += "\n  not canonical: bits 63-" + std::to_string(cpu.linear_bits() - 1) + " differ\n";
        return;
    }
    if (cpu.paging()) out += ", CR3 " + digits(cpu.cr3, 8);
    out += "\n";
    const PagingShape shape = paging_shape(cpu);
    for (unsigned i = 0; i < walk.count; ++i) {
        const PagingEntry& e = walk.entries[i];
        const u64 index = walk.linear >> shape.shift(e.level) & (shape.table_entries(e.level) - 1);
        out += "  " + left(paging_entry_name(e.level), 5) + " " + digits(index, 3) +
               (e.is_register ? " register" : " at " + digits(e.address, 8)) + " = " + digits(e.value, e.bytes * 2) +
               "  " +
               (e.is_register ? (e.value & 1 ? "P" : "not present") : entry_words(cpu, e.level, e.value, e.bytes)) +
               "\n";
    }
    switch (walk.result) {
    case PagingWalk::Result::mapped: break;
    case PagingWalk::Result::not_present: out += "  not mapped: the entry is not present\n"; return;
    case PagingWalk::Result::reserved:
        out += "  not mapped: reserved bits are set in the entry: " + prose(walk.reserved_bits) + "\n";
        return;
    case PagingWalk::Result::unreadable: out += "  not followed: the entry lies in a device\n"; return;
    case PagingWalk::Result::not_canonical: return;
    }
    out += "  physical " + digits(walk.phys, 8) + " (" + what_is_at(cpu, walk.phys) + ")";
    if (cpu.paging()) {
        PageRange rights;
        rights.writable = walk.writable;
        rights.user = walk.user;
        rights.executable = walk.executable;
        rights.global = walk.global;
        out += ", " + size_text(u64{1} << walk.page_shift) + " page, " + rights_words(rights) +
               (walk.dirty ? ", dirty" : "");
    }
    out += "\n";
    if (const auto held = in_tlb(cpu, walk.linear); held && *held != (walk.phys & ~page_mask))
        out += "  the TLB still holds " + digits(*held, 8) + " for this page: no flush since the tables were changed\n";
}

namespace {

struct HeldPage {
    u64 linear, phys;
    bool writable, global;
};

/// Neighbours with the same rights and consecutive frames become one row.
void write_held(const Cpu& cpu, std::string_view title, std::vector<HeldPage> pages, std::size_t most,
                std::string& out) {
    out += std::string(title) + ": " + count_text(pages.size(), "page", "pages") + "\n";
    std::sort(pages.begin(), pages.end(), [](const HeldPage& a, const HeldPage& b) { return a.linear < b.linear; });
    Table table({"linear", "physical", "pages", "rights"}, {2});
    const unsigned width = linear_digits(cpu);
    for (std::size_t i = 0; i < pages.size() && table.size() < most;) {
        std::size_t n = 1;
        while (i + n < pages.size() && pages[i + n].linear == pages[i].linear + n * page_size &&
               pages[i + n].phys == pages[i].phys + n * page_size && pages[i + n].writable == pages[i].writable &&
               pages[i + n].global == pages[i].global)
            ++n;
        table.add({digits(pages[i].linear, width), digits(pages[i].phys, 8), std::to_string(n),
                   std::string(pages[i].writable ? "read, write" : "read") + (pages[i].global ? ", global" : "")});
        i += n;
    }
    if (!table.empty()) table.write(out);
    if (table.size() == most) out += "  …\n";
}

} // namespace

void write_tlb(const Cpu& cpu, std::size_t most, std::string& out) {
    static constexpr std::array<std::string_view, 4> classes = {"data, supervisor", "data, user",
                                                                "data, with alignment checks",
                                                                "data, supervisor with EFLAGS.AC (SMAP lifted)"};
    for (std::size_t c = 0; c < cpu.tlbs.size(); ++c) {
        std::vector<HeldPage> pages;
        const TlbTable& table = cpu.tlbs[c];
        for (unsigned i = 0; i < TlbTable::size; ++i) {
            const TlbEntry& e = table.entries[i];
            if (e.phys == TlbEntry::no_tag) continue;
            // A page that needs care of ours has its reasons in the tag's low bits: no business of the guest's.
            const u64 page = e.read_tag & ~page_mask;
            pages.push_back({page, e.phys & ~page_mask, TlbEntry::allows(e.write_tag, page),
                             (table.global[i / 64] >> (i % 64) & 1) != 0});
        }
        if (!pages.empty() || c < 2) write_held(cpu, classes[c], std::move(pages), most, out);
    }
    for (std::size_t c = 0; c < cpu.fetch_tlbs.size(); ++c) {
        std::vector<HeldPage> pages;
        for (const FetchTable::Entry& e : cpu.fetch_tlbs[c].entries) {
            if (e.page != TlbEntry::no_tag && cpu.fetch_tlbs[c].valid(e))
                pages.push_back({e.page, e.phys, false, e.generation == cpu.fetch_tlbs[c].global_generation});
        }
        write_held(cpu, c == 0 ? "instructions, supervisor" : "instructions, user", std::move(pages), most, out);
    }
}

} // namespace glassbox::look
