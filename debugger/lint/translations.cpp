// Translations that outlive their paging entries (SDM 3A 4.10.2.3, 4.10.4.2, 4.10.4.4). Rights that grow and entries
// that become present need no flush; a smaller right or another page does, before the old one is used again.
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"
#include "mmu/page_walk.hpp"

namespace glassbox::lint {

namespace {

/// Whether the tables do not allow any more what the entry does.
bool outdated(Cpu& cpu, const TlbEntry& e, bool write, const char*& how) {
    PageWalk w;
    if (w.find(cpu, e.page()) != PageWalk::Result::mapped) {
        how = "is not present any more";
        return true;
    }
    const u64 bus = cpu.memory.a20_mask() & ((u64{1} << cpu.model->physical_bits) - 1);
    how = "maps another page";
    if ((w.phys & bus & ~page_mask) != e.phys) return true;
    how = "does not allow writes any more";
    return write && e.write_tag != TlbEntry::no_tag && !w.writable() && (cpu.cr0 & cr0::WP) != 0;
}

} // namespace

bool Translations::watches(Cpu& cpu, u64 linear_page, u64 phys_page) {
    if (cpu.paging()) {
        PageWalk w;
        w.find(cpu, linear_page);
        for (unsigned i = 0; i < w.count; ++i) {
            const u64 table = w.address[i] & cpu.memory.a20_mask() & ~page_mask;
            if (tables_.size() >= most) tables_.clear();
            if (tables_.insert(table).second) watch_now(board_, table);
        }
    }
    return tables_.count(phys_page) != 0 || stale_.count({&cpu, linear_page}) != 0;
}

void Translations::entry_changed(u64 by) {
    for (unsigned i = 0; i < board_.processors.count(); ++i) {
        Cpu& cpu = board_.processors[i];
        if (!cpu.paging()) continue;
        for (TlbTable& table : cpu.tlbs) {
            table.for_each([&](TlbEntry& e) {
                const char* how = nullptr;
                if (!outdated(cpu, e, true, how)) return;
                if (stale_.size() >= most) stale_.clear();
                stale_.try_emplace({&cpu, e.page()}, Change{by});
                e.read_tag |= parked::watched;
                e.write_tag |= parked::watched;
            });
        }
    }
}

void Translations::accessed(Report& report, Cpu& cpu, const MemoryAccess& access) {
    const u64 page = access.linear & ~page_mask;
    if (const auto found = stale_.find({&cpu, page}); found != stale_.end()) {
        const Change change = found->second;
        const TlbTable& supervisor = cpu.tlbs[static_cast<u8>(TlbClass::supervisor)];
        const TlbEntry& e = (access.system ? supervisor : *cpu.class_tlb).entries[TlbTable::index(page)];
        const bool held = cpu.paging() && e.filled() && e.page() == page;
        const char* how = nullptr;
        if (held && outdated(cpu, e, access.write, how))
            report.warn(cpu, LintKind::stale_translation, cpu.code_linear(cpu.ip),
                        "reaches page " + hex(page, 8) + " by a translation whose entry " + how +
                            "; no flush since the change at " + hex(change.by, 8),
                        "SDM 3A 4.10.4.2");
        // A read says nothing of a right to write that is gone.
        if (!held || how == nullptr || access.write || !outdated(cpu, e, true, how)) stale_.erase(found);
    }
    constexpr u64 meaning = ~(pte::accessed | pte::dirty);
    const bool changed =
        access.write && (access.before & pte::present) != 0 && (access.before & meaning) != (access.value & meaning);
    if (changed && tables_.count(access.phys & ~page_mask) != 0) entry_changed(cpu.code_linear(cpu.ip));
}

} // namespace glassbox::lint
