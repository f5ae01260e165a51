// Paging of long mode: rights against the rules of SDM 3A 4.6 written out a second time here, error codes (4.7),
// reserved bits of every level (4.5), canonical addresses, and what the TLB may remember.
#include "paging64_fixture.hpp"

#include <random>
#include <string>

using namespace glassbox;
using namespace glassbox::system_test;

namespace {

constexpr u64 target = 0x7'0000;
constexpr u64 address48 = 0xFFFF'9180'C007'0000, address57 = 0xFF34'9180'C007'0000;
static_assert((address48 >> 12 & 511) == target >> 12);

struct Case {
    unsigned levels = 4, page_level = 1; ///< the level whose entry maps the page
    std::array<u64, 6> entry{};          ///< rights by level: present, writable, user, no_execute
    bool wp = false, smep = false, smap = false, pke = false, ac = false, nxe = true;
    unsigned cpl = 0, key = 0;
    bool system = false;
    u32 pkru = 0;
    AccessKind kind = AccessKind::read;
};

struct Outcome {
    bool allowed;
    u32 error;
};

/// SDM 3A 4.6.1, 4.6.2 and 4.7, said again.
Outcome rules(const Case& c) {
    bool there = true, user_page = true, may_write = true, may_execute = true, reserved = false;
    for (unsigned level = c.levels; level >= c.page_level && there && !reserved; --level) {
        const u64 e = c.entry[level];
        there = (e & present) != 0;
        if (!there) break;
        if ((e & no_execute) && !c.nxe) reserved = true;
        user_page = user_page && (e & user_bit);
        may_write = may_write && (e & writable);
        may_execute = may_execute && !(e & no_execute);
    }
    const bool write = c.kind == AccessKind::write, fetch = c.kind == AccessKind::fetch;
    const bool user_access = c.cpl == 3 && !c.system;
    u32 error = 0;
    if (write) error |= 2;
    if (user_access) error |= 4;
    if (fetch && (c.nxe || c.smep)) error |= 16;
    if (!there) return {false, error};
    if (reserved) return {false, error | 1 | 8};
    bool ok = true;
    if (user_access) {
        if (!user_page) ok = false;
        if (write && !may_write) ok = false;
    } else {
        if (user_page && !fetch && c.smap && (c.system || !c.ac)) ok = false;
        if (user_page && fetch && c.smep) ok = false;
        if (write && !may_write && c.wp) ok = false;
    }
    if (fetch && c.nxe && !may_execute) ok = false;
    if (c.pke && user_page && !fetch) {
        const bool ad = c.pkru >> (2 * c.key) & 1, wd = c.pkru >> (2 * c.key + 1) & 1;
        if (ad || (wd && write && (user_access || c.wp))) {
            ok = false;
            error |= 32;
        }
    }
    return {ok, error | 1};
}

std::string describe(const Case& c) {
    std::string s = "levels " + std::to_string(c.levels) + " page " + std::to_string(c.page_level);
    for (unsigned level = c.levels; level >= c.page_level; --level) {
        const u64 e = c.entry[level];
        s += std::string(" ") + (e & present ? "p" : "-") + (e & writable ? "w" : "-") + (e & user_bit ? "u" : "-") +
             (e & no_execute ? "x" : "-");
    }
    const bool flags[] = {c.wp, c.smep, c.smap, c.pke, c.ac, c.nxe, c.system};
    s += " wp smep smap pke ac nxe system ";
    for (bool f : flags) s += f ? '1' : '0';
    return s + " cpl " + std::to_string(c.cpl) + " pkru " + std::to_string(c.pkru) + " access " +
           std::to_string(static_cast<int>(c.kind));
}

/// One set of tables for each number of levels, whose entries on the way to the page change from case to case.
struct Matrix {
    struct Space {
        Paging64 m;
        unsigned page_level = 0;
        std::array<u32, 6> at{}; ///< of the entry of each level
        explicit Space(bool la57) : m(la57) {}
        void lay_out(u64 linear, const Case& c) {
            if (page_level == c.page_level) return;
            page_level = c.page_level;
            m.clear_tables();
            for (unsigned level = c.page_level; level <= c.levels; ++level) at[level] = m.entry_at(linear, level);
        }
    };
    Space four{false}, five{true};

    static void set_up(Space& space, const Case& c) {
        Paging64& m = space.m;
        for (unsigned level = c.page_level; level <= c.levels; ++level) {
            const u64 leaf = u64{c.key} << 59 | (level > 1 ? large : target);
            const u64 pointer = level == c.page_level ? leaf : space.at[level - 1] & 0xFFFF'F000;
            m.put<u64>(space.at[level], c.entry[level] | pointer);
        }
        m.cpu.cr0 = cr0::PE | cr0::ET | cr0::PG | cr0::NE | (c.wp ? cr0::WP : 0);
        m.cpu.cr4 = cr4::PAE | (c.levels == 5 ? cr4::LA57 : 0) | (c.smep ? cr4::SMEP : 0) | (c.smap ? cr4::SMAP : 0) |
                    (c.pke ? cr4::PKE : 0);
        m.cpu.msrs.efer = efer::LME | efer::LMA | (c.nxe ? efer::NXE : 0);
        m.cpu.pkru = c.pkru;
        if (m.cpu.cpl != c.cpl) m.at_level(c.cpl);
        m.alignment_flag(c.ac);
        m.cpu.flush_tlb(false);
    }
    /// Accesses through what the TLB holds by now.
    static void check_again(Paging64& m, u64 linear, Case c, AccessKind kind, bool system) {
        c.kind = kind, c.system = system;
        const Privilege privilege = system ? Privilege::supervisor : Privilege::current;
        u8 value = 0;
        const bool ok = kind == AccessKind::write ? write_linear<u8>(m.cpu, linear, 1, privilege)
                                                  : read_linear<u8>(m.cpu, linear, value, privilege);
        REQUIRE(ok == rules(c).allowed);
    }
    void check(const Case& c) {
        Space& space = c.levels == 5 ? five : four;
        Paging64& m = space.m;
        const u64 linear = c.levels == 5 ? address57 : address48;
        space.lay_out(linear, c);
        set_up(space, c);
        u64 phys = 0;
        const bool ok = translate(m.cpu, linear, c.kind, c.system ? Privilege::supervisor : Privilege::current, phys);
        const Outcome want = rules(c);
        INFO(describe(c));
        REQUIRE(ok == want.allowed);
        if (!ok) {
            REQUIRE(m.faulted(Exception::PF, want.error));
            REQUIRE(m.cpu.fault.cr2 == linear);
            return;
        }
        REQUIRE(phys == target);
        if (c.kind == AccessKind::fetch) return;
        check_again(m, linear, c, AccessKind::read, c.system);
        check_again(m, linear, c, AccessKind::write, c.system);
        check_again(m, linear, c, AccessKind::write, !c.system);
        check_again(m, linear, c, AccessKind::read, !c.system);
    }
};

constexpr u64 all_rights = present | writable | user_bit;

u64 rights(unsigned bits) {
    return (bits & 1 ? present : 0) | (bits & 2 ? writable : 0) | (bits & 4 ? user_bit : 0) |
           (bits & 8 ? no_execute : 0);
}

} // namespace

TEST_CASE("rights of a page under WP, SMEP, SMAP, AC and protection keys, every combination") {
    Matrix matrix;
    for (unsigned bits = 0; bits < 1u << 9; ++bits) {
        for (unsigned e = 0; e < 16; ++e) {
            for (const AccessKind kind : {AccessKind::read, AccessKind::write, AccessKind::fetch}) {
                const auto bit = [&](unsigned n) { return (bits >> n & 1) != 0; };
                Case c;
                c.entry.fill(all_rights);
                c.entry[1] = rights(e);
                c.wp = bit(0), c.smep = bit(1), c.smap = bit(2), c.ac = bit(3), c.pke = bit(4);
                c.cpl = bit(5) ? 3 : 0, c.system = bit(6) && kind != AccessKind::fetch;
                c.key = 5;
                c.pkru = (bits >> 7) << 10;
                c.kind = kind;
                matrix.check(c);
            }
        }
    }
}

TEST_CASE("the rights of a page are those of all levels, whatever its size") {
    Matrix matrix;
    std::mt19937 random(4);
    for (const unsigned levels : {4u, 5u}) {
        for (const unsigned page_level : {1u, 2u, 3u}) {
            for (unsigned i = 0; i < 3000; ++i) {
                Case c;
                c.levels = levels, c.page_level = page_level;
                const u32 r = static_cast<u32>(random());
                for (unsigned level = 1; level <= levels; ++level) { // mostly generous, so that each level decides
                    c.entry[level] = all_rights;
                    if ((r >> level & 1) == 0) c.entry[level] = rights(static_cast<u32>(random()) & 15);
                }
                c.wp = r >> 8 & 1, c.smep = r >> 9 & 1, c.smap = r >> 10 & 1, c.ac = r >> 11 & 1, c.pke = r >> 12 & 1;
                c.nxe = r >> 13 & 7, c.cpl = r >> 16 & 1 ? 3 : 0;
                c.key = r >> 20 & 15, c.pkru = static_cast<u32>(random() & random());
                c.kind = static_cast<AccessKind>((r >> 24) % 3);
                c.system = (r >> 28) == 0 && c.kind != AccessKind::fetch;
                matrix.check(c);
            }
        }
    }
}

TEST_CASE("accessed and dirty bits of four levels") {
    for (const unsigned page_level : {1u, 2u, 3u}) {
        Paging64 m;
        m.map(address48, all_rights | (page_level > 1 ? large : target), page_level);
        u32 at[5];
        for (unsigned level = page_level; level <= 4; ++level) at[level] = m.entry_at(address48, level);
        CHECK(m.reads(address48));
        for (unsigned level = page_level; level <= 4; ++level)
            CHECK((m.get<u64>(at[level]) & (accessed | dirty)) == accessed);
        CHECK(m.writes(address48));
        for (unsigned level = page_level; level <= 4; ++level)
            CHECK((m.get<u64>(at[level]) & (accessed | dirty)) == (accessed | (level == page_level ? dirty : 0)));
    }
}

TEST_CASE("reserved bits of every level, by the physical-address width") {
    for (const bool la57 : {false, true}) {
        for (const unsigned page_level : {1u, 2u, 3u}) {
            const u64 linear = la57 ? address57 : address48;
            for (unsigned level = page_level; level <= (la57 ? 5u : 4u); ++level) {
                Paging64 m(la57);
                m.map(linear, all_rights | (page_level > 1 ? large : target), page_level);
                const u32 at = m.entry_at(linear, level);
                const u64 plain = m.get<u64>(at);
                for (unsigned bit = 7; bit < 64; ++bit) {
                    const bool is_page = level == page_level;
                    if (bit == 7 && is_page) continue;
                    bool reserved = bit >= 40 && bit <= 51;      // MAXPHYADDR is 40
                    if (bit == 7 && level >= 4) reserved = true; // PS of a PML4E or PML5E
                    if (bit == 7 && !reserved) continue;         // would be a large page
                    const unsigned size = 12 + 9 * (level - 1);
                    if (is_page && level > 1 && bit > 12 && bit < size) reserved = true;
                    if (!reserved && bit >= 12 && bit < 40) continue; // the address
                    if (bit == 63) continue;                          // NX
                    m.put<u64>(at, plain | u64{1} << bit);
                    m.cpu.flush_tlb(false);
                    INFO("la57 ", la57, " page level ", page_level, " level ", level, " bit ", bit);
                    REQUIRE(m.reads(linear) == !reserved);
                    if (reserved) CHECK(m.faulted(Exception::PF, 1 | 8));
                }
                // XD without EFER.NXE
                m.put<u64>(at, plain | no_execute);
                m.cpu.msrs.efer &= ~u64{efer::NXE};
                m.cpu.flush_tlb(false);
                CHECK_FALSE(m.writes(linear));
                CHECK(m.faulted(Exception::PF, 1 | 2 | 8));
            }
        }
    }
}

TEST_CASE("PS of a PDPTE is reserved without 1 GiB pages") {
    Paging64 m(false, false);
    m.map(address48, all_rights | large, 3);
    CHECK_FALSE(m.reads(address48));
    CHECK(m.faulted(Exception::PF, 1 | 8));
}

TEST_CASE("physical addresses above 4 GiB, in entries and in CR3") {
    Paging64 m;
    m.map(address48, all_rights | 0x12'3456'7000);
    u64 phys = 0;
    CHECK(translate(m.cpu, address48, AccessKind::read, Privilege::current, phys));
    CHECK(phys == 0x12'3456'7000);
    m.map(address48 & ~u64{0x3FFF'FFFF}, all_rights | large | 0x7F'4000'0000, 3);
    m.cpu.flush_tlb(false);
    CHECK(translate(m.cpu, address48, AccessKind::read, Privilege::current, phys));
    CHECK(phys == 0x7F'4000'0000 + (address48 & 0x3FFF'FFFF));
}

TEST_CASE("addresses that are not canonical") {
    for (const bool la57 : {false, true}) {
        Paging64 m(la57);
        const u64 top = la57 ? 0x00FF'FFFF'FFFF'FFFF : 0x0000'7FFF'FFFF'FFFF; // the last one of the lower half
        const u64 upper = ~top;                                               // the first one of the upper half
        m.map(top, all_rights | target);
        m.map(upper, all_rights | target);
        u64 value = 0;
        const auto faults = [&](u64 linear, unsigned size, Exception e, const Op* op = nullptr) {
            m.cpu.fault = {};
            const bool read = slow_read(m.cpu, op, linear, size, value, Privilege::current);
            const bool agree = m.cpu.fault.vector == e && m.cpu.fault.error == 0;
            m.cpu.fault = {};
            const bool written = slow_write(m.cpu, op, linear, size, 0, Privilege::current);
            const bool agree2 = m.cpu.fault.vector == e && m.cpu.fault.error == 0;
            const bool probed = probe_write(m.cpu, linear, size, Privilege::current, op) ||
                                probe_read(m.cpu, linear, size, Privilege::supervisor, op);
            return !read && !written && !probed && agree && agree2;
        };
        CHECK(slow_read(m.cpu, nullptr, top - 7, 8, value, Privilege::current));
        CHECK(faults(top - 6, 8, Exception::GP)); // its end is beyond
        CHECK(faults(top, 2, Exception::GP));
        CHECK(faults(top + 1, 1, Exception::GP));
        CHECK(faults(upper - 1, 1, Exception::GP));
        CHECK(faults(upper - 1, 8, Exception::GP));
        CHECK(slow_read(m.cpu, nullptr, upper, 8, value, Privilege::current));
        CHECK(faults(u64{1} << 62, 1, Exception::GP)); // an 8086's mark is an address bit here
        CHECK(probe_read(m.cpu, top - 31, 32));
        CHECK_FALSE(probe_read(m.cpu, top - 30, 32));
        Op on_stack = Machine::op();
        on_stack.seg = SS;
        CHECK(faults(top + 1, 4, Exception::SS, &on_stack));
        CHECK(faults(top - 2, 4, Exception::SS, &on_stack));
        on_stack.seg = DS;
        CHECK(faults(top + 1, 4, Exception::GP, &on_stack));
        u64 phys = 0;
        CHECK_FALSE(translate(m.cpu, top + 1, AccessKind::fetch, Privilege::current, phys));
        CHECK(m.faulted(Exception::GP, 0));
        CHECK_FALSE(translate_quietly(m.cpu, top + 1, phys));
        CHECK_FALSE(translate_fetch(m.cpu, top + 1, phys));
        // Before the alignment check, and before page faults.
        m.cpu.cr0 |= cr0::AM;
        m.at_level(3);
        m.alignment_flag(true);
        CHECK(faults(top, 2, Exception::GP));
    }
}

TEST_CASE("an access from the last byte of the address space goes on at address 0") {
    Paging64 m;
    const u64 last = ~u64{0};
    m.map(last, all_rights | target);
    m.map(0, all_rights | (target + 0x1000));
    m.put<u8>(target + 0xFFF, 0x11);
    m.put<u8>(target + 0x1000, 0x22);
    u16 value = 0;
    CHECK(read_linear<u16>(m.cpu, last, value));
    CHECK(value == 0x2211);
    CHECK(write_linear<u16>(m.cpu, last, 0x4433));
    CHECK(m.get<u8>(target + 0xFFF) == 0x33);
    CHECK(m.get<u8>(target + 0x1000) == 0x44);
}

TEST_CASE("crossing 4 GiB: 64-bit code goes on, 32-bit code wraps, system tables go on") {
    for (const bool code64 : {true, false}) {
        Paging64 m;
        m.map(0xFFFF'F000, all_rights | target);
        m.map(0x1'0000'0000, all_rights | (target + 0x1000));
        m.map(0, all_rights | (target + 0x2000));
        m.put<u16>(target + 0xFFE, 0x1111);
        m.put<u16>(target + 0x1000, 0x2222);
        m.put<u16>(target + 0x2000, 0x3333);
        if (!code64) m.compatible();
        u32 value = 0;
        CHECK(read_linear<u32>(m.cpu, 0xFFFF'FFFE, value));
        CHECK(value == (code64 ? 0x2222'1111 : 0x3333'1111));
        CHECK(write_linear<u32>(m.cpu, 0xFFFF'FFFE, 0x5555'4444));
        CHECK(m.get<u16>(code64 ? target + 0x1000 : target + 0x2000) == 0x5555);
        CHECK(read_system<u32>(m.cpu, 0xFFFF'FFFE, value));
        CHECK(value == (code64 ? 0x5555'4444 : 0x2222'4444));
        m.put<u64>(m.entry_at(0, 1), all_rights & ~writable); // what is probed is what is accessed
        m.cpu.cr0 |= cr0::WP;
        m.cpu.flush_tlb(false);
        CHECK(probe_write(m.cpu, 0xFFFF'FFF0, 32) == code64);
        CHECK(probe_write(m.cpu, 0xFFFF'FFF0, 32, Privilege::supervisor));
        CHECK(linear_after(m.cpu, 0xFFFF'FFF8, 8) == (code64 ? 0x1'0000'0000 : 0));
    }
}

TEST_CASE("the same slot of the TLB for addresses 4 GiB apart") {
    Paging64 m;
    m.map(0x5000, all_rights | target);
    m.map(0x1'0000'5000, all_rights | (target + 0x1000));
    m.put<u8>(target, 1);
    m.put<u8>(target + 0x1000, 2);
    for (unsigned i = 0; i < 3; ++i) {
        u8 value = 0;
        CHECK(read_linear<u8>(m.cpu, 0x5000, value));
        CHECK(value == 1);
        CHECK(read_linear<u8>(m.cpu, 0x1'0000'5000, value));
        CHECK(value == 2);
    }
}

TEST_CASE("SMAP: what EFLAGS.AC has let in is not there without it, nor for system tables") {
    Paging64 m;
    m.map(address48, all_rights | target);
    m.cpu.cr4 |= cr4::SMAP;
    m.cpu.update_mode();
    for (unsigned i = 0; i < 2; ++i) { // the second time with a filled TLB
        m.alignment_flag(true);
        CHECK(m.writes(address48));
        u8 value = 0;
        CHECK_FALSE(read_linear<u8>(m.cpu, address48, value, Privilege::supervisor));
        CHECK(m.faulted(Exception::PF, 1));
        m.alignment_flag(false);
        CHECK_FALSE(m.reads(address48));
        CHECK(m.faulted(Exception::PF, 1));
        CHECK_FALSE(m.writes(address48));
        CHECK(m.faulted(Exception::PF, 1 | 2));
    }
    m.at_level(3);
    CHECK(m.writes(address48));
    m.at_level(0);
    CHECK_FALSE(m.reads(address48));
}

TEST_CASE("the TLB class is that of level, AC and SMAP") {
    Paging64 m;
    const auto table = [&](TlbClass c) { return &m.cpu.tlbs[static_cast<u8>(c)]; };
    CHECK(m.cpu.class_tlb == table(TlbClass::supervisor));
    m.alignment_flag(true);
    CHECK(m.cpu.class_tlb == table(TlbClass::supervisor));
    m.cpu.cr4 |= cr4::SMAP;
    m.cpu.update_mode();
    CHECK(m.cpu.class_tlb == table(TlbClass::supervisor_user));
    m.at_level(3);
    m.alignment_flag(true);
    CHECK(m.cpu.class_tlb == table(TlbClass::user));
    m.cpu.cr0 |= cr0::AM;
    m.cpu.update_mode();
    CHECK(m.cpu.class_tlb == table(TlbClass::checked));
}

TEST_CASE("a write to PKRU counts at once, for user pages alone") {
    Paging64 m;
    m.cpu.cr4 |= cr4::PKE;
    const u64 kernel_page = address48 + 0x1000;
    m.map(address48, all_rights | target | u64{3} << 59);
    m.map(kernel_page, present | writable | (target + 0x1000) | u64{3} << 59);
    CHECK(m.writes(address48));
    CHECK(m.writes(kernel_page));
    write_pkru(m.cpu, 1u << 6); // access disable of key 3
    CHECK_FALSE(m.reads(address48));
    CHECK(m.faulted(Exception::PF, 1 | 32));
    CHECK(m.writes(kernel_page));
    write_pkru(m.cpu, 2u << 6); // write disable
    CHECK(m.reads(address48));
    CHECK(m.writes(address48)); // the supervisor without CR0.WP
    m.cpu.cr0 |= cr0::WP;
    m.cpu.flush_tlb(false);
    CHECK(m.reads(address48));
    CHECK_FALSE(m.writes(address48));
    CHECK(m.faulted(Exception::PF, 1 | 2 | 32));
    write_pkru(m.cpu, 0);
    CHECK(m.writes(address48));
}

TEST_CASE("INVLPG drops the whole page, of whatever size, at any 64-bit address") {
    struct Place {
        unsigned level;
        u64 linear, other;
    };
    const Place places[] = {{1, address48, address48 + 0x10},
                            {2, address48, address48 + 0x12'3000},
                            {3, address48, address48 + 0x3F00'0000},
                            {3, 0x7F00'0007'0000, 0x7F00'3FFF'FFFF}};
    for (const Place& p : places) {
        for (const bool global : {false, true}) {
            Paging64 m;
            m.cpu.cr4 |= cr4::PGE;
            const u32 at = m.entry_at(p.linear, p.level);
            m.put<u64>(at, all_rights | (p.level > 1 ? large : target) | (global ? global_bit : 0));
            CHECK(m.reads(p.linear));
            u64 phys = 0;
            CHECK(translate_fetch(m.cpu, p.linear, phys));
            m.put<u64>(at, 0);
            CHECK(m.reads(p.linear)); // still in the TLB
            CHECK(translate_fetch(m.cpu, p.linear, phys));
            m.cpu.flush_page(p.other ^ u64{1} << 40); // far away
            CHECK(m.reads(p.linear));
            m.cpu.flush_tlb(true);
            CHECK(m.reads(p.linear) == global);
            m.put<u64>(at, all_rights | (p.level > 1 ? large : target) | (global ? global_bit : 0));
            CHECK(m.reads(p.linear));
            CHECK(translate_fetch(m.cpu, p.linear, phys));
            m.put<u64>(at, 0);
            m.cpu.flush_page(p.other);
            CHECK_FALSE(m.reads(p.linear));
            CHECK_FALSE(translate_fetch(m.cpu, p.linear, phys));
        }
    }
}

TEST_CASE("data breakpoints at 64-bit addresses") {
    Paging64 m;
    m.map(address48, all_rights | target);
    CHECK(m.writes(address48 + 0x20)); // in the TLB before the breakpoint is set
    m.cpu.dr[0] = address48 + 0x20;
    m.cpu.dr[7] = 0x400 | 1 | 1 << 16; // writes of one byte
    m.cpu.debug_registers_changed();
    CHECK(m.reads(address48 + 0x20));
    CHECK(m.cpu.pending_debug == 0);
    CHECK(m.writes((address48 & 0xFFFF'FFFF'0000'0FFF) | 0x20) == false); // unmapped; only the low half agrees
    CHECK(m.writes(address48 + 0x1F));
    CHECK(m.cpu.pending_debug == 0);
    CHECK(m.writes(address48 + 0x20));
    CHECK(m.cpu.pending_debug == 1);
}
