// Checkpoints of the TLB. What is loaded is believed no further than it can do harm: a page is a page, it is in the
// slot where it would be looked for, and the physical page is one that the bus has.
#include "cpu/block/cache.hpp"
#include "mmu/park.hpp"

namespace glassbox {

namespace {

u64 physical_pages(const Cpu& cpu) {
    return ((u64{1} << cpu.model->physical_bits) - 1) & ~page_mask & cpu.memory.a20_mask();
}

bool plausible(const Cpu& cpu, u64 page, u64 phys) {
    const bool reachable = cpu.long_mode() ? cpu.canonical(page) : page >> 32 == 0;
    return (page & page_mask) == 0 && reachable && (phys & ~physical_pages(cpu)) == 0;
}

/// A data translation without what depends on the host.
struct Translation {
    u64 page = 0, phys = 0;
    bool writable = false, global = false, user_page = false;
    void persist(Archive& archive) { archive(page, phys, writable, global, user_page); }
};

void persist_table(Cpu& cpu, TlbTable& table, Archive& archive) {
    std::vector<Translation> filled;
    if (!archive.loading()) {
        table.for_each([&](const TlbEntry& e) {
            const unsigned slot = TlbTable::index(e.page());
            const auto bit = [&](const TlbTable::Slots& slots) { return (slots[slot / 64] >> (slot % 64) & 1) != 0; };
            filled.push_back({.page = e.page(),
                              .phys = e.phys,
                              .writable = e.write_tag != TlbEntry::no_tag,
                              .global = bit(table.global),
                              .user_page = bit(table.user_pages)});
        });
    }
    archive.bounded(filled, TlbTable::size);
    if (!archive.loading()) return;
    table.forget(false);
    for (const Translation& t : filled) {
        archive.require(plausible(cpu, t.page, t.phys), "a translation that no TLB can hold");
        if (!archive.ok()) return;
        TlbEntry& e = table.replace(t.page, t.global, t.user_page);
        e.phys = t.phys;
        set_tags(cpu, e, t.page, t.writable);
    }
}

struct FetchTranslation {
    u64 page = 0, phys = 0;
    bool global = false;
    void persist(Archive& archive) { archive(page, phys, global); }
};

void persist_fetches(Cpu& cpu, FetchTable& table, Archive& archive) {
    std::vector<FetchTranslation> filled;
    if (!archive.loading()) {
        for (const FetchTable::Entry& e : table.entries)
            if (table.valid(e)) filled.push_back({e.page, e.phys, e.generation == table.global_generation});
    }
    archive.bounded(filled, FetchTable::size);
    if (!archive.loading()) return;
    table.forget(false);
    for (const FetchTranslation& t : filled) {
        archive.require(plausible(cpu, t.page, t.phys), "a translation that no TLB can hold");
        if (!archive.ok()) return;
        table.insert(t.page, t.phys, t.global);
    }
}

} // namespace

void persist_tlb(Cpu& cpu, Archive& archive) {
    archive.chunk("tlb" + std::to_string(cpu.apic_id), 1, [&](u32) {
        for (TlbTable& table : cpu.tlbs) persist_table(cpu, table, archive);
        for (FetchTable& table : cpu.fetch_tlbs) persist_fetches(cpu, table, archive);
        archive(cpu.large_pages);
        if (!archive.loading()) return;
        if (!archive.ok()) cpu.flush_tlb(false);
        cpu.bump_epoch();
    });
}

} // namespace glassbox
