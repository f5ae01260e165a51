// The guest's page tables, descriptors and gates (SDM 3A 3.4.5, 4.4, 4.5, 6.11, 6.14.1, 7.7).
#include "tests/x86-conformance/host/guest.hpp"
#include "tests/x86-conformance/host/guest_places.hpp"

#include "cpu/system/descriptor.hpp"

namespace glassbox::conformance::host {

namespace {

constexpr u64 present = 1, writable = 2, user = 4, used = 0x60, no_execute = u64{1} << 63;
constexpr u32 level3 = 3u << 5;

constexpr u64 descriptor(u32 base, u32 limit, u32 rights) {
    return (limit & 0xFFFF) | u64{base & 0xFF'FFFF} << 16 | u64{rights & 0xF0FF} << 40 | u64{limit >> 16 & 0xF} << 48 |
           u64{base >> 24} << 56;
}

u64 descriptor_of(const SegmentSpec& s) {
    if (s.absent) return 0;
    u32 rights = Segment::S | level3 | Segment::accessed | u32{s.contents} << 2;
    if (!s.read_exec_only) rights |= Segment::writable;
    if (!s.not_present) rights |= Segment::P;
    if (s.big) rights |= Segment::DB;
    if (s.pages) rights |= Segment::G;
    if (s.available) rights |= 0x1000;
    return descriptor(s.base, s.limit, rights);
}

} // namespace

/// Four levels in long mode, three under PAE, whose first has four entries without rights.
void Guest::map_page(u64 linear, u32 phys, u64 rights) {
    u32 table = root_table;
    for (unsigned shift = long_mode_ ? 39 : 30; shift > 12; shift -= 9) {
        const u32 entry = table + static_cast<u32>(linear >> shift & 511) * 8;
        if (machine_->get<u64>(entry) == 0) {
            const bool pointers = !long_mode_ && shift == 30;
            machine_->put<u64>(entry, free_table_ | present | (pointers ? 0 : writable | user | used));
            free_table_ += page;
        }
        table = static_cast<u32>(machine_->get<u64>(entry)) & ~(page - 1);
    }
    machine_->put<u64>(table + static_cast<u32>(linear >> 12 & 511) * 8, phys | rights | present | used);
}

void Guest::map_window(const Window& window) {
    const auto reachable = [&](u64 linear) { return long_mode_ || linear >> 32 == 0; };
    for (u32 at = 0; at < code_size; at += page) {
        if (reachable(window.code + at)) map_page(window.code + at, code_phys + at, user);
    }
    for (u32 i = 0; i < data_pages.size(); ++i) {
        if (data_pages[i] == PageKind::unmapped || !reachable(window.data + i * page)) continue;
        const u64 write = data_pages[i] == PageKind::read_write ? writable : 0;
        map_page(window.data + i * page, data_phys + i * page, user | write | no_execute);
    }
}

void Guest::map_memory() {
    free_table_ = first_table;
    for (const Window& window : windows) map_window(window);
    for (u32 at = 0; at < system_size; at += page) map_page(system_ + at, system_phys + at, writable);
}

/// As 64-bit Linux has them, from 10h on.
void Guest::write_tables() {
    constexpr u32 big = Segment::G | Segment::DB | Segment::P | Segment::S | Segment::accessed;
    constexpr u32 code = Segment::code | Segment::readable;
    const auto gdt = [&](unsigned index, u64 value) { machine_->put<u64>(system_phys + gdt_at + 8 * index, value); };
    gdt(1, descriptor(0, 0xF'FFFF, big | code));
    gdt(2, descriptor(0, 0xF'FFFF, (long_mode_ ? (big & ~Segment::DB) | Segment::L : big) | code));
    gdt(3, descriptor(0, 0xF'FFFF, big | Segment::writable));
    gdt(4, descriptor(0, 0xF'FFFF, big | level3 | code));
    gdt(5, descriptor(0, 0xF'FFFF, big | level3 | Segment::writable));
    if (long_mode_) gdt(6, descriptor(0, 0xF'FFFF, (big & ~Segment::DB) | Segment::L | level3 | code));
    for (unsigned i = 0; i < ldt.size(); ++i) machine_->put<u64>(system_phys + ldt_at + 8 * i, descriptor_of(ldt[i]));
    machine_->put<u64>(system_phys + tss_at + 4, system_ + stack_top); // RSP0, or ESP0 with SS0 after it
    if (!long_mode_) machine_->put<u32>(system_phys + tss_at + 8, 0x18);
    machine_->put<u16>(system_phys + tss_at + 0x66, 0x68); // no I/O bitmap
    write_idt();
}

void Guest::write_idt() {
    for (unsigned v = 0; v < 256; ++v) {
        const u64 handler = system_ + handlers_at + v;
        const bool open = v == 3 || v == 4; // to INT3 and INTO
        const u64 gate = (handler & 0xFFFF) | u64{long_mode_ ? 0x10u : 8u} << 16 | u64{open ? 0xEE00u : 0x8E00u} << 32 |
                         (handler >> 16 & 0xFFFF) << 48;
        const u32 at = system_phys + idt_at + (long_mode_ ? 16 : 8) * v;
        machine_->put<u64>(at, gate);
        if (long_mode_) machine_->put<u64>(at + 8, handler >> 32);
        machine_->put<u8>(system_phys + handlers_at + v, 0xF4);
    }
}

} // namespace glassbox::conformance::host
