// Translations that outlive their paging entries (SDM 3A 4.10.2.3, 4.10.4.1, 4.10.4.2, 4.10.4.4, 4.10.5). Rights that
// grow and entries that become present need no flush; a smaller right or another page does, before the old one is used
// again. What our TLB held when its entry changed is remembered until the architecture takes it away: hardware's may
// hold more, and longer, than ours. Not known: what other PCIDs' translations were held by a larger TLB.
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"
#include "mmu/page_walk.hpp"

namespace glassbox::lint {

namespace {

u16 pcid_of(const Cpu& cpu) { return (cpu.cr4 & cr4::PCIDE) != 0 ? static_cast<u16>(cpu.cr3 & 0xFFF) : u16{0}; }

u64 bus_mask(const Cpu& cpu) { return cpu.memory.a20_mask() & ((u64{1} << cpu.model->physical_bits) - 1); }

/// The address bits below an entry of level `i` of a walk: the size of what it maps.
unsigned shift_of(const Cpu& cpu, const PageWalk& w, unsigned i) {
    const bool wide = w.entry_bytes == 8;
    const unsigned levels = !wide ? 2 : cpu.long_mode() ? ((cpu.cr4 & cr4::LA57) ? 5 : 4) : 2;
    return 12 + (levels - 1 - std::min(i, levels - 1)) * (wide ? 9 : 10);
}

/// An entry before it was written, whole: a 64-bit entry may be written by halves.
u64 whole(MemoryMap& memory, const MemoryAccess& access, unsigned bytes, u64 value) {
    if (access.size >= bytes) return value;
    const u64 start = access.phys & ~u64{bytes - 1};
    u64 entry = 0;
    std::array<u8, 8> raw{};
    const u8* page = memory.page_for_read(PhysAddress{start});
    if (!page) return value;
    for (unsigned i = 0; i < bytes; ++i) raw[i] = page[(start & page_mask) + i];
    for (unsigned i = 0; i < access.size && (access.phys - start) + i < bytes; ++i)
        raw[access.phys - start + i] = static_cast<u8>(value >> (8 * i));
    for (unsigned i = 0; i < bytes; ++i) entry |= u64{raw[i]} << (8 * i);
    return entry;
}

} // namespace

bool Translations::watches(Cpu& cpu, u64 linear_page, u64 phys_page) {
    if (cpu.paging()) {
        PageWalk w;
        w.find(cpu, linear_page);
        for (unsigned i = 0; i < w.count; ++i) {
            const u64 table = w.address[i] & cpu.memory.a20_mask() & ~page_mask;
            if (tables_.size() >= most) tables_.clear();
            if (tables_.try_emplace(table, shift_of(cpu, w, i)).second) watch_now(board_, table);
        }
    }
    return tables_.count(phys_page) != 0 || find(cpu, linear_page) != nullptr;
}

const Translations::Change* Translations::find(const Cpu& cpu, u64 page) const {
    if (stale_.empty()) return nullptr;
    const auto found = stale_.find({&cpu, page});
    if (found == stale_.end()) return nullptr;
    return found->second.global || found->second.pcid == pcid_of(cpu) ? &found->second : nullptr;
}

/// Whether the tables do not allow any more what the old translation did: for `access`, or (null) for a fetch.
bool Translations::outdated(Cpu& cpu, u64 page, const Change& old, const MemoryAccess* access, std::string& how) const {
    PageWalk w;
    if (!cpu.paging()) return false;
    if (w.find(cpu, page) != PageWalk::Result::mapped) {
        how = "is not present any more";
        return true;
    }
    how = "maps another page";
    if ((w.phys & bus_mask(cpu) & ~page_mask) != old.phys) return true;
    const bool user = cpu.cpl == 3 && !(access && access->system);
    how = "is the supervisor's by now";
    if (user && old.user && !w.user_page()) return true;
    how = "does not allow execution any more";
    if (!access) return old.executable && !w.executable() && (cpu.msrs.efer & efer::NXE) != 0;
    how = "does not allow writes any more";
    return access->write && old.writable && !w.writable() && ((cpu.cr0 & cr0::WP) != 0 || user);
}

void Translations::note(Cpu& cpu, u64 page, const Change& change) {
    if (stale_.size() >= most) stale_.clear();
    const auto [at, added] = stale_.try_emplace({&cpu, page}, change);
    Change& known = at->second;
    if (!added && known.phys == change.phys) { // another table of ours held it with other rights
        known.writable |= change.writable;
        known.user |= change.user;
        known.executable |= change.executable;
        known.fetched |= change.fetched;
    }
}

void Translations::entry_changed(Cpu& by_cpu, u64 by, unsigned shift) {
    bool code = false;
    for (unsigned i = 0; i < board_.processors.count(); ++i) {
        Cpu& cpu = board_.processors[i];
        if (!cpu.paging()) continue;
        Change change;
        change.by = by;
        for (unsigned k = 0; k < board_.processors.count(); ++k)
            if (&board_.processors[k] == &by_cpu) change.by_cpu = k;
        change.pcid = pcid_of(cpu);
        change.shift = shift;
        std::string how;
        const MemoryAccess write{.write = true};
        for (std::size_t n = 0; n < cpu.tlbs.size(); ++n) {
            TlbTable& table = cpu.tlbs[n];
            table.for_each([&](TlbEntry& e) {
                const unsigned slot = static_cast<unsigned>(&e - table.entries.data());
                change.phys = e.phys;
                change.writable = e.write_tag != TlbEntry::no_tag;
                change.user = n == static_cast<std::size_t>(TlbClass::user);
                change.executable = change.fetched = false;
                change.global = (table.global[slot / 64] >> (slot % 64) & 1) != 0;
                MemoryAccess as = write;
                as.system = !change.user;
                PageWalk w;
                const bool lost_user =
                    change.user && w.find(cpu, e.page()) == PageWalk::Result::mapped && !w.user_page();
                if (!lost_user && !outdated(cpu, e.page(), change, &as, how)) return;
                note(cpu, e.page(), change);
                e.read_tag |= parked::watched;
                e.write_tag |= parked::watched; // no tag stays none
            });
        }
        for (std::size_t n = 0; n < cpu.fetch_tlbs.size(); ++n) {
            const FetchTable& table = cpu.fetch_tlbs[n];
            for (const FetchTable::Entry& e : table.entries) {
                if (e.page == TlbEntry::no_tag || !table.valid(e)) continue;
                change.phys = e.phys;
                change.writable = false;
                change.user = n == 1;
                change.executable = change.fetched = true;
                change.global = e.generation == table.global_generation;
                PageWalk w;
                const bool lost_user = change.user && w.find(cpu, e.page) == PageWalk::Result::mapped && !w.user_page();
                if (!lost_user && !outdated(cpu, e.page, change, nullptr, how)) continue;
                note(cpu, e.page, change);
                code = true;
            }
        }
    }
    if (code) machine_.probes_changed(); // decoded blocks ask again
}

void Translations::complain(Report& report, Cpu& cpu, u64 page, const Change& change, const std::string& how,
                            u64 linear) const {
    bool held = false; // ours may have made room by now; another processor's need not
    for (const TlbTable& table : cpu.tlbs) {
        const TlbEntry& e = table.entries[TlbTable::index(page)];
        held |= e.filled() && e.page() == page && e.phys == change.phys;
    }
    for (const FetchTable& table : cpu.fetch_tlbs) {
        const FetchTable::Entry* e = table.find(page);
        held |= e && e->phys == change.phys;
    }
    std::string text = (held ? "reaches page " : "may reach page ") + capital_hex(page, 8) +
                       " by a translation whose entry " + how + "; no flush since the change at " +
                       report.called(change.by);
    if (&board_.processors[change.by_cpu] != &cpu)
        text += " by CPU " + std::to_string(change.by_cpu) + ": this processor's own TLB must be flushed (a shootdown)";
    report.warn(cpu, LintKind::stale_translation, linear, {text, {}, {}});
}

void Translations::executes(Report& report, Cpu& cpu, u64 linear) {
    const u64 page = linear & ~page_mask;
    const Change* change = find(cpu, page);
    if (!change || !change->fetched) return;
    std::string how;
    const Change old = *change;
    if (!outdated(cpu, page, old, nullptr, how)) return;
    complain(report, cpu, page, old, how, linear);
}

void Translations::accessed(Report& report, Cpu& cpu, const MemoryAccess& access) {
    const u64 page = access.linear & ~page_mask;
    if (const Change* found = find(cpu, page)) {
        const Change change = *found;
        std::string how;
        if (outdated(cpu, page, change, &access, how))
            complain(report, cpu, page, change, how, cpu.code_linear(cpu.ip));
    }
    if (!access.write || tables_.empty()) return;
    const auto table = tables_.find(access.phys & ~page_mask);
    if (table == tables_.end()) return;
    const unsigned bytes = (cpu.cr4 & cr4::PAE) != 0 || cpu.long_mode() ? 8 : 4;
    constexpr u64 meaning = ~(pte::accessed | pte::dirty);
    // Several entries at once (vector stores): the first tells, which is enough to look at all.
    const u64 before = whole(board_.memory, access, bytes, access.before),
              value = whole(board_.memory, access, bytes, access.value);
    if ((before & pte::present) == 0 || (before & meaning) == (value & meaning)) return;
    const unsigned shift = table->second;
    const bool large = shift > 12 && (before & pte::large) != 0;
    entry_changed(cpu, cpu.code_linear(cpu.ip), large ? shift : shift > 22 ? 21 : 12);
}

/// What the instruction that flushes takes away by the architecture, which may be less than our TLB has dropped.
void Translations::flushed(Cpu& cpu, FlushKind kind, u64 linear) {
    if (stale_.empty()) return;
    const u64 ip = cpu.code_linear(cpu.ip);
    const auto insn = instruction_at(cpu, ip);
    const bool loads_cr3 =
        insn && insn->encoding == Encoding::legacy && insn->map == 1 && insn->opcode == 0x22 && insn->reg_number() == 3;
    const bool pcids = (cpu.cr4 & cr4::PCIDE) != 0;
    // MOV to CR3 with bit 63 set flushes nothing; with it clear, one PCID (SDM 3A 4.10.4.1).
    if (loads_cr3 && pcids && (cpu.gpr[insn->rm_number()] >> 63) != 0) return;
    const u16 current = pcid_of(cpu);
    const bool single_address = insn && is_named(*insn, "invlpg");
    std::erase_if(stale_, [&](const auto& item) {
        const Change& c = item.second;
        if (item.first.first != &cpu) return false;
        switch (kind) {
        case FlushKind::all: return true;
        case FlushKind::all_but_global: return !c.global && (!loads_cr3 || !pcids || c.pcid == current);
        case FlushKind::pcid: return !c.global && c.pcid == static_cast<u16>(linear);
        case FlushKind::page:
            return item.first.second >> c.shift == linear >> c.shift &&
                   (!single_address || c.global || c.pcid == current);
        }
        return false;
    });
}

} // namespace glassbox::lint
