// Forgetting translations (SDM 3A 4.10.4). More may be dropped than was asked for, never less.
#include "cpu/block/cache.hpp"
#include "mmu/access.hpp"

namespace glassbox {

void Cpu::flush_tlb(bool keep_global) {
    for (FetchTable& table : fetch_tlbs) table.forget(keep_global);
    for (TlbTable& table : tlbs) table.forget(keep_global);
    large_pages[0].clear();
    if (!keep_global) large_pages[1].clear();
    bump_epoch();
}

void Cpu::flush_page(u64 linear) {
    for (TlbTable& table : tlbs) table.forget_page(linear);
    bool executed = false;
    for (FetchTable& table : fetch_tlbs) executed |= table.forget_page(linear);
    // INVLPG drops a large page whole, wherever it points into it (SDM 3A 4.10.4.1).
    for (const unsigned shift : {LargePages::large, LargePages::huge}) {
        if (!large_pages[0].may_hold(linear, shift) && !large_pages[1].may_hold(linear, shift)) continue;
        for (TlbTable& table : tlbs) table.forget_region(linear, shift);
        for (FetchTable& table : fetch_tlbs) table.forget_region(linear, shift);
        executed = true;
    }
    if (executed) bump_epoch();
}

void write_pkru(Cpu& cpu, u32 value) {
    if (cpu.pkru == value) return;
    cpu.pkru = value;
    if (!(cpu.cr4 & cr4::PKE)) return; // until it is set, which forgets everything, nothing depends on it
    for (TlbTable& table : cpu.tlbs) table.forget_user_pages();
}

void Cpu::debug_registers_changed() { flush_tlb(false); }

void Cpu::memory_written(PhysAddress start, u64 size) {
    if (blocks->written(*this, start.value, size)) leave_requested = true;
}

void Cpu::map_changed() {
    forget_blocks();
    flush_tlb(false);
    leave_requested = true;
}

} // namespace glassbox
