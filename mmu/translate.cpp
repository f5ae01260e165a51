// Rights of an access to a page (SDM 3A 4.6), the error codes of page faults (4.7), and filling the TLB.
#include "mmu/access.hpp"
#include "mmu/page_walk.hpp"
#include "mmu/park.hpp"

namespace glassbox {

namespace {

/// An access as paging sees it.
struct Request {
    AccessKind kind;
    bool user;    ///< user-mode access: CPL 3, and not to a system table
    bool by_code; ///< what EFLAGS.AC may lift SMAP for

    bool writing() const { return kind == AccessKind::write; }
    bool fetching() const { return kind == AccessKind::fetch; }
};

/// The address lines that the chip has, and A20.
u64 on_the_bus(const Cpu& cpu, u64 phys) {
    return phys & cpu.memory.a20_mask() & ((u64{1} << cpu.model->physical_bits) - 1);
}

bool nx_enabled(const Cpu& cpu) { return (cpu.cr4 & cr4::PAE) && (cpu.msrs.efer & efer::NXE); }

/// The page's two bits of PKRU, access and write disable; 0 where keys do not count (SDM 3A 4.6.2).
u32 key_rights(const Cpu& cpu, const PageWalk& w) {
    if (!(cpu.cr4 & cr4::PKE) || !cpu.long_mode() || !w.user_page()) return 0;
    return cpu.pkru >> (2 * ((w.leaf >> pte::key_shift) & 15)) & 3;
}

bool key_denies(const Cpu& cpu, const PageWalk& w, const Request& r) {
    if (r.fetching()) return false;
    const u32 rights = key_rights(cpu, w);
    return (rights & 1) != 0 || ((rights & 2) != 0 && r.writing() && (r.user || (cpu.cr0 & cr0::WP)));
}

/// Why the access is not allowed, or null.
const char* denial(const Cpu& cpu, const PageWalk& w, const Request& r, bool key_denied) {
    if (r.user && !w.user_page()) return "a supervisor page is not accessible at CPL 3";
    if (!r.user && w.user_page()) {
        if (r.fetching() && (cpu.cr4 & cr4::SMEP)) return "the supervisor may not execute user pages (SMEP)";
        if (!r.fetching() && (cpu.cr4 & cr4::SMAP) && !(r.by_code && (cpu.eflags & eflags::AC)))
            return "the supervisor may not access user pages (SMAP)";
    }
    if (r.writing() && !w.writable() && (r.user || (cpu.cr0 & cr0::WP))) return "the page is read-only";
    if (r.fetching() && nx_enabled(cpu) && !w.executable()) return "the page is not executable (NX)";
    return key_denied ? "the page's protection key is disabled (PKRU)" : nullptr;
}

/// Whatever the TLB holds for the page is gone, whoever it was filled for: a handler that mends the tables need not
/// flush (SDM 3A 4.10.4.1).
bool page_fault(Cpu& cpu, u64 linear, u32 error, const char* why) {
    for (TlbTable& table : cpu.tlbs) table.forget_page(linear);
    bool executed = false;
    for (FetchTable& table : cpu.fetch_tlbs) executed |= table.forget_page(linear);
    if (executed) cpu.bump_epoch();
    cpu.fault = {Exception::PF, true, error, linear, why};
    return false;
}

/// False with the fault raised; otherwise accessed and dirty bits are set.
bool allow(Cpu& cpu, u64 linear, PageWalk& w, PageWalk::Result result, const Request& r) {
    const bool tells_fetch = nx_enabled(cpu) || (cpu.cr4 & cr4::SMEP) != 0;
    const u32 error = (r.writing() ? pf_error::write : 0) | (r.user ? pf_error::user : 0) |
                      (r.fetching() && tells_fetch ? pf_error::fetch : 0);
    if (result == PageWalk::Result::not_present) return page_fault(cpu, linear, error, "the page is not present");
    if (result == PageWalk::Result::reserved)
        return page_fault(cpu, linear, error | pf_error::present | pf_error::reserved,
                          "a reserved bit is set in a paging entry");
    const bool key_denied = key_denies(cpu, w, r);
    if (const char* why = denial(cpu, w, r, key_denied))
        return page_fault(cpu, linear, error | pf_error::present | (key_denied ? pf_error::key : 0), why);
    w.mark(cpu, r.writing());
    return true;
}

bool is_global(const Cpu& cpu, const PageWalk& w) { return (w.leaf & pte::global) != 0 && (cpu.cr4 & cr4::PGE) != 0; }

void note_large(Cpu& cpu, u64 linear, const PageWalk& w) {
    if (w.page_shift == 12) return;
    cpu.large_pages[is_global(cpu, w)].add(linear,
                                           w.page_shift > LargePages::large ? LargePages::huge : LargePages::large);
}

void fill_fetch(Cpu& cpu, u64 linear, const PageWalk& w, u64 phys) {
    note_large(cpu, linear, w);
    // Links and the jump cache may lead to pages that the table holds, and to no others.
    if (cpu.fetch_tlbs[cpu.cpl == 3].insert(linear, phys, is_global(cpu, w))) cpu.bump_epoch();
}

/// Where translations for such accesses are kept; `checked` for nowhere. The same choice as Cpu::update_tlb_class
/// makes.
TlbClass class_of(const Cpu& cpu, const Request& r) {
    if (r.user)
        return cpu.class_tlb == &cpu.tlbs[static_cast<u8>(TlbClass::checked)] ? TlbClass::checked : TlbClass::user;
    const bool lifted = r.by_code && (cpu.cr4 & cr4::SMAP) && (cpu.eflags & eflags::AC);
    return lifted ? TlbClass::supervisor_user : TlbClass::supervisor;
}

void fill(Cpu& cpu, u64 linear, const PageWalk& w, u64 phys, const Request& r) {
    const TlbClass table_class = class_of(cpu, r);
    if (table_class == TlbClass::checked) return;
    const bool keyed = (cpu.cr4 & cr4::PKE) != 0 && w.user_page();
    TlbEntry& e = cpu.tlbs[static_cast<u8>(table_class)].replace(linear, is_global(cpu, w), keyed);
    e.phys = phys & ~page_mask;
    note_large(cpu, linear, w);
    const bool protects = r.user || (cpu.cr0 & cr0::WP) != 0;
    set_tags(cpu, e, linear & ~page_mask, w.dirty() && !(protects && (!w.writable() || (key_rights(cpu, w) & 2) != 0)));
}

/// The translation that is there already, with the right: there is nothing to walk, whatever has become of the paging
/// structures since.
const TlbEntry* held(Cpu& cpu, u64 linear, const Request& r) {
    const TlbEntry& e = cpu.tlbs[static_cast<u8>(class_of(cpu, r))].at(linear);
    return TlbEntry::allows(r.writing() ? e.write_tag : e.read_tag, linear & ~page_mask) ? &e : nullptr;
}

} // namespace

bool translate(Cpu& cpu, u64 linear, AccessKind kind, Privilege privilege, u64& phys) {
    if (!cpu.long_mode())
        linear = static_cast<u32>(linear);
    else if (!cpu.canonical(linear))
        return cpu.gp(0, "the address is not canonical");
    const bool current = privilege == Privilege::current;
    const Request request{kind, cpu.cpl == 3 && current, current};
    if (!request.fetching()) {
        if (const TlbEntry* e = held(cpu, linear, request)) {
            phys = e->phys | (linear & page_mask);
            return true;
        }
    }
    PageWalk w;
    const PageWalk::Result result = w.find(cpu, linear);
    if (cpu.paging() && !allow(cpu, linear, w, result, request)) return false;
    phys = on_the_bus(cpu, w.phys);
    if (request.fetching())
        fill_fetch(cpu, linear, w, phys);
    else
        fill(cpu, linear, w, phys, request);
    return true;
}

bool translate_quietly(const Cpu& cpu, u64 linear, u64& phys) {
    if (!cpu.long_mode())
        linear = static_cast<u32>(linear);
    else if (!cpu.canonical(linear))
        return false;
    PageWalk w;
    // The walk only reads; its signature is that of the faulting one.
    if (w.find(const_cast<Cpu&>(cpu), linear) != PageWalk::Result::mapped) return false;
    phys = on_the_bus(cpu, w.phys);
    return true;
}

} // namespace glassbox
