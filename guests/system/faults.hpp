// What the forms about faults share: paging with pages to take away, and the order of the forms.
#pragma once

#include "guests/system/system.hpp"

namespace faults {

constexpr u32 rf = 0x1'0000, nt = 0x4000, of = 0x800, tf = 0x100, interrupts = 0x200, ac = 0x4'0000;
constexpr u32 cr0_mp = 2, cr0_em = 4, cr0_ts = 8, cr0_ne = 0x20, cr0_am = 0x4'0000, cr0_pg = 0x8000'0000;
constexpr u16 spare = first_free, spare2 = first_free + 8; // GDT entries that each case sets as it needs
constexpr u16 beyond = 0x7F8;                              // a selector behind the GDT's limit

/// 4 KiB pages, linear = physical, for 32 MiB, all open to every ring.
void paging_on();
void paging_off();
/// Takes the page away or brings it back.
void page(u32 linear, bool present);
/// Lets the page at `linear` be the one at `physical`, until paging_on is called again.
void map(u32 linear, u32 physical);
/// A page that paging_on leaves out; the one before and the one after are there.
constexpr u32 absent_page = 0x70'1000;

/// Loads a GDT or IDT register that differs from the standard one; reset_tables undoes it.
void load_gdt(u32 base, u32 limit);
void load_idt(u32 base, u32 limit);
/// Reloads TR, for a descriptor that has changed.
void reload_task();
inline u32 address(const void* p) { return reinterpret_cast<u32>(p); }
/// CR0 with `set` and without `clear`; gives the old value.
u32 change_cr0(u32 set, u32 clear);

void double_faults(Report& report);
void serial_chains(Report& report);
void double_fault_task(Report& report);
void shutdowns(Report& report);
void pushed_state(Report& report);
void narrow_gates(Report& report);
void fpu_available(Report& report);
void fpu_errors(Report& report);
void fpu_errors_irq13(Report& report);
void alignment(Report& report);
void alignment_priority(Report& report);
void nmi_blocking(Report& report);
void fetches(Report& report);

} // namespace faults
