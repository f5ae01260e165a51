// The paging environment, and the table of paging forms.
#include "guests/system/paging.hpp"

namespace paging {

namespace {

// Where the tables live in the arena.
constexpr u32 legacy_directory = 0x40'0000, pointer_table = 0x40'1000, pae_directories = 0x40'2000,
              kernel_tables = 0x40'6000, window_tables = 0x41'0000;
constexpr u32 kernel_size = arena_end;
constexpr u32 efer = 0xC000'0080, efer_nxe = 1 << 11;

u32 read32(u32 at) { return word_at(at); }
u64 read64(u32 at) { return read32(at) | static_cast<u64>(read32(at + 4)) << 32; }
void write64(u32 at, u64 value) {
    word_at(at) = static_cast<u32>(value);
    word_at(at + 4) = static_cast<u32>(value >> 32);
}

u32 directory_address(Format f, u32 linear) {
    return is_pae(f) ? pae_directories + (linear >> 21) * 8 : legacy_directory + (linear >> 22) * 4;
}
/// The window's tables lie in the order of the regions.
u32 window_table(Format f, u32 linear) { return window_tables + ((linear - window) >> (is_pae(f) ? 21 : 22)) * page; }
u32 table_address(Format f, u32 linear) {
    return window_table(f, linear) + (is_pae(f) ? ((linear >> 12) & 0x1FF) * 8 : ((linear >> 12) & 0x3FF) * 4);
}

} // namespace

const char* name(Format format) {
    switch (format) {
    case Format::legacy: return "32-bit 4K";
    case Format::legacy_large: return "32-bit 4M";
    case Format::pae: return "PAE 4K";
    case Format::pae_large: return "PAE 2M";
    }
    return "";
}

const char* lacks(Format format) {
    if (is_pae(format)) return features().pae() ? nullptr : "the processor has no PAE";
    if (is_large(format)) return features().pse() ? nullptr : "the processor has no 4 MiB pages";
    return nullptr;
}

u32 physical_bits() {
    u32 a = 0, b = 0, c = 0, d = 0;
    if (!features().cpuid) return 32;
    asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x8000'0000), "c"(0));
    if (a < 0x8000'0008 || a > 0x8000'FFFF) return features().pae() ? 36 : 32; // SDM 3A 4.1.4
    asm volatile("cpuid" : "=a"(a), "=b"(b), "=c"(c), "=d"(d) : "a"(0x8000'0008), "c"(0));
    return a & 0xFF;
}

Space::Space(Format format) : format_(format), nx_(is_pae(format) && features().nx()) {
    old_cr0_ = read_cr0();
    old_cr4_ = features().edx != 0 ? read_cr4() : 0;
    memset(reinterpret_cast<void*>(legacy_directory), 0, window_tables + 8 * page - legacy_directory);
    map_kernel();
}

Space::~Space() {
    if (!entered_) return;
    write_cr0(old_cr0_ & ~cr0_pg);
    if (features().edx != 0) write_cr4(old_cr4_);
    if (nx_) write_msr(efer, read_msr(efer) & ~static_cast<u64>(efer_nxe));
}

void Space::map_kernel() {
    const u32 size = is_pae(format_) ? 8 : 4;
    for (u32 at = 0; at < kernel_size; at += page) {
        const u32 entry = kernel_tables + at / page * size;
        if (size == 8)
            write64(entry, at | open);
        else
            word_at(entry) = static_cast<u32>(at | open);
    }
    const u32 regions = (kernel_size + region_size() - 1) / region_size();
    for (u32 i = 0; i < regions; ++i) set_directory(i * region_size(), (kernel_tables + i * page) | open);
    for (u32 i = 0; i < 4; ++i) pointer(i) = (pae_directories + i * page) | present;
}

void Space::enter() {
    entered_ = true;
    if (features().edx != 0) {
        u32 cr4 = old_cr4_ & ~(cr4_pse | cr4_pae | cr4_pge);
        if (is_pae(format_)) cr4 |= cr4_pae;
        if (format_ == Format::legacy_large) cr4 |= cr4_pse;
        write_cr4(cr4);
    }
    if (nx_) write_msr(efer, read_msr(efer) | efer_nxe);
    write_cr3(root());
    write_cr0(read_cr0() | cr0_pg);
}

u32 Space::root() const { return is_pae(format_) ? pointer_table : legacy_directory; }
u64& Space::pointer(u32 n) { return *reinterpret_cast<u64*>(pointer_table + 8 * n); }

void Space::store(u32 at, u64 entry) {
    if (is_pae(format_))
        write64(at, entry);
    else
        word_at(at) = static_cast<u32>(entry);
}
u64 Space::load(u32 at) const { return is_pae(format_) ? read64(at) : read32(at); }

void Space::set_directory(u32 linear, u64 entry) { store(directory_address(format_, linear), entry); }
u64 Space::directory(u32 linear) const { return load(directory_address(format_, linear)); }
void Space::set_table(u32 linear, u64 entry) { store(table_address(format_, linear), entry); }
u64 Space::table(u32 linear) const { return load(table_address(format_, linear)); }

u64 Space::table_entry(u32 linear, u64 bits) const { return window_table(format_, linear) | bits; }

void Space::map(u32 linear, u32 physical, u64 bits) {
    if (is_large(format_)) {
        set_directory(linear, physical | bits | large);
        return;
    }
    set_directory(linear, table_entry(linear, open));
    set_table(linear, physical | bits);
}

void flush_all() {
    if (features().pge()) {
        const u32 cr4 = read_cr4();
        write_cr4(cr4 ^ cr4_pge);
        write_cr4(cr4);
    }
    flush();
}

namespace {

constexpr Form forms[] = {
    {"paging/rights-32-bit", "SDM 3A 4.3, 4.6.1, 4.7, 4.8", rights_legacy},
    {"paging/rights-32-bit-large", "SDM 3A 4.3, 4.6.1, 4.7, 4.8", rights_legacy_large},
    {"paging/rights-pae", "SDM 3A 4.4.2, 4.6, 4.7, 4.8", rights_pae},
    {"paging/rights-pae-large", "SDM 3A 4.4.2, 4.6, 4.7, 4.8", rights_pae_large},
    {"paging/reserved-bits", "SDM 3A 4.3, 4.4.2, 4.7", reserved_bits},
    {"paging/reserved-nx", "SDM 3A 4.4.2, 4.7", reserved_nx},
    {"paging/pse-36", "SDM 3A 4.3", pse36},
    {"paging/accessed-dirty", "SDM 3A 4.8", accessed_dirty},
    {"paging/pointers", "SDM 3A 4.4.1", pointers},
    {"paging/pointers-cached", "SDM 3A 4.4.1", pointers_cached},
    {"paging/crossing", "SDM 3A 4.7, 6.15 (#PF)", crossing},
    {"paging/fetch-crossing", "SDM 3A 4.7, 6.15 (#PF)", fetch_crossing},
    {"paging/wide-crossing", "SDM 3A 6.5, SDM 2 FRSTOR, FXRSTOR", wide_crossing},
    {"paging/strings", "SDM 1 7.3.9.3", strings},
    {"paging/stack-crossing", "SDM 2 PUSHA, POPA, ENTER, LEAVE, CALL, RET, IRET", stack_crossing},
    {"paging/inner-stacks", "SDM 3A 5.8.5, 6.12.1", inner_stacks},
    {"paging/system-accesses", "SDM 3A 4.6.1", system_accesses},
    {"paging/control", "SDM 3A 2.5, 4.1", control},

};

} // namespace
} // namespace paging

Group paging_forms() { return group(paging::forms); }
