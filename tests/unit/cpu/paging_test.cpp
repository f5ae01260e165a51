// Paging: the whole matrix of permissions against the rules of SDM 3A 4.6 written out a second time here, error codes
// (4.7), accessed and dirty bits (4.8), and what INVLPG, MOV CR3 and MOV CR4 flush (4.10.4).
#include "system_fixture.hpp"

#include <array>
#include <string>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u64 present = 1, writable = 2, user_bit = 4, accessed = 32, dirty = 64, large = 128, global_bit = 256,
              no_execute = u64{1} << 63;
constexpr u32 directory = 0x20000, table = 0x21000, pdpt = 0x22000, target = 0x30000;

enum class Format : u8 { kib4, mib4, pae_kib4, pae_mib2 };
constexpr bool is_pae(Format f) { return f == Format::pae_kib4 || f == Format::pae_mib2; }
constexpr bool is_large(Format f) { return f == Format::mib4 || f == Format::pae_mib2; }

/// The linear address under test is in the second directory entry, away from the identity-mapped first one.
struct Paged : Machine {
    Format format;
    u32 linear;
    unsigned width; // of an entry

    explicit Paged(Format f, std::string_view model = "max")
        : Machine(model), format(f), linear(is_pae(f) ? 0x20'0000 + 0x5000 : 0x40'0000 + 0x5000),
          width(is_pae(f) ? 8 : 4) {
        if (is_large(f)) linear += 0x30000 - 0x5000; // so that the bytes reached are the same
    }
    void write_entry(u32 at, u64 value) {
        if (width == 8)
            put<u64>(at, value);
        else
            put<u32>(at, static_cast<u32>(value));
    }
    u64 read_entry(u32 at) { return width == 8 ? get<u64>(at) : get<u32>(at); }
    u32 upper() const { return directory + width; }
    u32 leaf() const { return is_large(format) ? upper() : table + 5 * width; }

    /// `pde` and `pte` are the permission bits of the two levels; large pages have only the first.
    void map(u64 pde, u64 pte, bool wp, bool nx_enabled) {
        std::memset(memory.ram().data() + directory, 0, 0x3000);
        write_entry(directory, present | writable | user_bit | accessed | dirty | large); // identity, for whatever else
        if (is_large(format)) {
            write_entry(upper(), pde | large);
        } else {
            write_entry(upper(), pde | table);
            write_entry(leaf(), pte | target);
        }
        for (unsigned i = 0; i < 4; ++i) put<u64>(pdpt + 8 * i, i == 0 ? directory | present : 0);
        cpu.cr4 = cr4::PSE | (is_pae(format) ? cr4::PAE : 0);
        cpu.msrs.efer = nx_enabled ? efer::NXE : 0;
        cpu.cr3 = is_pae(format) ? pdpt : directory;
        cpu.pdpte = {directory | present, 0, 0, 0};
        cpu.cr0 = cr0::PE | cr0::ET | cr0::PG | (wp ? cr0::WP : 0);
        cpu.flush_tlb(false);
    }
};

struct Case {
    bool pde_present, pde_write, pde_user, pte_present, pte_write, pte_user, nx, wp;
    unsigned cpl;
    AccessKind kind;
};

/// SDM 3A 4.6.1 and 4.7, said again.
struct Verdict {
    bool allowed;
    u32 error;
};
Verdict expected(Format format, const Case& c) {
    const bool two_levels = !is_large(format);
    const bool there = c.pde_present && (!two_levels || c.pte_present);
    const bool may_write = c.pde_write && (!two_levels || c.pte_write);
    const bool user_page = c.pde_user && (!two_levels || c.pte_user);
    const bool nx = is_pae(format) && c.nx;
    const bool write = c.kind == AccessKind::write, fetch = c.kind == AccessKind::fetch, user = c.cpl == 3;
    bool ok = there;
    if (user && !user_page) ok = false;
    if (write && !may_write && (user || c.wp)) ok = false;
    if (fetch && nx) ok = false;
    const u32 error = (there ? 1u : 0u) | (write ? 2u : 0u) | (user ? 4u : 0u) | (fetch && is_pae(format) ? 16u : 0u);
    return {ok, error};
}

std::string describe(const Case& c) {
    return "pde " + std::to_string(c.pde_present) + std::to_string(c.pde_write) + std::to_string(c.pde_user) + " pte " +
           std::to_string(c.pte_present) + std::to_string(c.pte_write) + std::to_string(c.pte_user) + " nx " +
           std::to_string(c.nx) + " wp " + std::to_string(c.wp) + " cpl " + std::to_string(c.cpl) + " access " +
           std::to_string(static_cast<int>(c.kind));
}

void check(Paged& m, const Case& c) {
    const u64 nx = c.nx && is_pae(m.format) ? no_execute : 0;
    const u64 pde = (c.pde_present ? present : 0) | (c.pde_write ? writable : 0) | (c.pde_user ? user_bit : 0) |
                    (is_large(m.format) ? nx : 0);
    const u64 pte = (c.pte_present ? present : 0) | (c.pte_write ? writable : 0) | (c.pte_user ? user_bit : 0) | nx;
    m.map(pde, pte, c.wp, is_pae(m.format));
    m.level(c.cpl);
    u64 phys = 0;
    const bool ok = translate(m.cpu, m.linear, c.kind, Privilege::current, phys);
    const Verdict want = expected(m.format, c);
    INFO(describe(c), " format ", static_cast<int>(m.format));
    REQUIRE(ok == want.allowed);
    const u64 leaf_after = m.read_entry(m.leaf());
    if (ok) {
        CHECK(phys == target);
        CHECK((leaf_after & accessed) != 0);
        CHECK(((leaf_after & dirty) != 0) == (c.kind == AccessKind::write));
        if (!is_large(m.format)) CHECK((m.read_entry(m.upper()) & (accessed | dirty)) == accessed);
        // What the TLB now allows must be what the walk allows: the same access again, and a write after a read.
        CHECK(translate(m.cpu, m.linear, c.kind, Privilege::current, phys));
        Case write = c;
        write.kind = AccessKind::write;
        CHECK(write_linear<u8>(m.cpu, m.linear, 0x5A) == expected(m.format, write).allowed);
    } else {
        CHECK(m.cpu.fault.vector == Exception::PF);
        CHECK(m.cpu.fault.error == want.error);
        CHECK(m.cpu.fault.cr2 == m.linear);
        CHECK((leaf_after & (accessed | dirty)) == 0);
    }
}

} // namespace

TEST_CASE("every combination of page permissions") {
    for (Format format : {Format::kib4, Format::mib4, Format::pae_kib4, Format::pae_mib2}) {
        Paged m(format);
        for (unsigned bits = 0; bits < 256; ++bits) {
            for (unsigned cpl : {0u, 3u}) {
                for (AccessKind kind : {AccessKind::read, AccessKind::write, AccessKind::fetch}) {
                    const auto bit = [&](unsigned n) { return (bits >> n & 1) != 0; };
                    check(m, {bit(0), bit(1), bit(2), bit(3), bit(4), bit(5), bit(6), bit(7), cpl, kind});
                }
            }
        }
    }
}

TEST_CASE("reserved bits in paging entries fault with RSVD") {
    std::string_view model = "pentium4";
    const auto faults = [&](Format format, u64 extra, bool nx_enabled) {
        Paged m(format, model);
        m.map(present | writable | user_bit | (is_large(format) ? extra : 0), present | writable | user_bit | extra,
              false, nx_enabled);
        m.level(0);
        u64 phys = 0;
        if (translate(m.cpu, m.linear, AccessKind::read, Privilege::current, phys)) return false;
        CHECK(m.cpu.fault.error == (pf_error::present | pf_error::reserved));
        return true;
    };
    // 36 address bits: 13 to 16 are address bits 32 to 35, 17 to 21 are reserved (table 4-4).
    for (unsigned bit = 13; bit < 22; ++bit) CHECK(faults(Format::mib4, 1u << bit, false) == (bit > 16));
    CHECK_FALSE(faults(Format::mib4, 0, false));
    CHECK(faults(Format::pae_mib2, 1u << 13, true));    // between the flags and the address
    CHECK(faults(Format::pae_kib4, no_execute, false)); // XD is reserved without EFER.NXE
    CHECK_FALSE(faults(Format::pae_kib4, no_execute, true));
    for (const std::string_view name : {"pentium4", "max"}) { // beyond the physical-address width
        model = name;
        const unsigned width = find_cpu_model(name)->physical_bits;
        for (unsigned bit = 32; bit < 63; ++bit) {
            INFO(width, " bits of address, bit ", bit);
            CHECK(faults(Format::pae_kib4, u64{1} << bit, true) == (bit >= width));
        }
    }
}

TEST_CASE("a change of CR0.CD loads the page-directory pointers, with their checks") {
    Paged m(Format::pae_kib4);
    m.map(present | writable, present | writable, false, false);
    m.level(0);
    const u32 on = static_cast<u32>(m.cpu.cr0);
    m.put<u64>(pdpt + 8, directory | present);
    CHECK(write_cr0(m.cpu, on | static_cast<u32>(cr0::CD)));
    CHECK(m.cpu.pdpte[1] == (directory | present));
    m.put<u64>(pdpt + 8, directory | present | writable); // reserved in a pointer
    CHECK_FALSE(write_cr0(m.cpu, on));
    CHECK(m.cpu.fault.vector == Exception::GP);
    CHECK(m.cpu.cr0 == (on | cr0::CD));
    CHECK(m.cpu.pdpte[1] == (directory | present));
}

TEST_CASE("a stale translation lives until INVLPG, and MOV CR3 spares global pages") {
    Paged m(Format::kib4);
    const auto value_at_linear = [&] {
        u8 value = 0;
        REQUIRE(read_linear<u8>(m.cpu, m.linear, value));
        return value;
    };
    m.put<u8>(target, 0x11);
    m.put<u8>(target + 0x1000, 0x22);
    for (bool global : {false, true}) {
        m.map(present | writable | user_bit, present | writable | user_bit | (global ? global_bit : 0), false, false);
        m.cpu.cr4 |= cr4::PGE;
        m.level(0);
        CHECK(value_at_linear() == 0x11);
        m.write_entry(m.leaf(), (present | writable | user_bit | (global ? global_bit : 0) | target) + 0x1000);
        CHECK(value_at_linear() == 0x11); // nothing has been flushed
        REQUIRE(write_cr3(m.cpu, directory));
        CHECK(value_at_linear() == (global ? 0x11 : 0x22));
        m.cpu.flush_page(m.linear);
        CHECK(value_at_linear() == 0x22);
        m.write_entry(m.leaf(), present | writable | user_bit | global_bit | target);
        REQUIRE(write_cr4(m.cpu, static_cast<u32>(m.cpu.cr4 & ~cr4::PGE))); // a change of PGE flushes everything
        CHECK(value_at_linear() == 0x11);
    }
}

TEST_CASE("INVLPG anywhere in a large page drops all of it") {
    Paged m(Format::mib4);
    m.map(present | writable | user_bit, 0, false, false);
    m.level(0);
    u8 value = 0;
    m.put<u8>(0x1000, 0x77);
    REQUIRE(read_linear<u8>(m.cpu, 0x40'1000, value));
    CHECK(value == 0x77);
    m.write_entry(m.upper(), 0);
    REQUIRE(read_linear<u8>(m.cpu, 0x40'1000, value)); // still in the TLB
    m.cpu.flush_page(0x7F'F000);
    CHECK_FALSE(read_linear<u8>(m.cpu, 0x40'1000, value));
}

TEST_CASE("an access across two pages is checked as a whole before anything is written") {
    Paged m(Format::kib4);
    m.map(present | writable | user_bit, present | writable | user_bit, true, false);
    m.write_entry(table + 6 * 4, present | user_bit | (target + 0x1000)); // the second page is read-only
    m.level(3);
    m.put<u32>(target + 0xFFC, 0x01020304);
    CHECK_FALSE(write_linear<u32>(m.cpu, m.linear + 0xFFE, 0xAABBCCDD));
    CHECK(m.cpu.fault.cr2 == m.linear + 0x1000);
    CHECK(m.get<u32>(target + 0xFFC) == 0x01020304);
    u32 value = 0;
    CHECK(read_linear<u32>(m.cpu, m.linear + 0xFFE, value));
}

TEST_CASE("the A20 gate clears address bit 20 of the processor's accesses, not of others") {
    Machine m;
    m.level(0);
    m.put<u8>(0x500, 0x66);
    u8 value = 0;
    REQUIRE(read_linear<u8>(m.cpu, 0x10'0500, value));
    CHECK(value == 0xFF); // nothing there
    m.memory.set_a20(false);
    REQUIRE(read_linear<u8>(m.cpu, 0x10'0500, value));
    CHECK(value == 0x66);
    m.memory.set_a20(true);
    REQUIRE(read_linear<u8>(m.cpu, 0x10'0500, value));
    CHECK(value == 0xFF);
}
