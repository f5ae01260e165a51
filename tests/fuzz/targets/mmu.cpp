// Paging structures and accesses from the input, in all paging modes: 32-bit with and without PSE, PAE with and without
// NX, four and five levels with SMEP, SMAP and protection keys. A second walker, written from SDM 3A 4.3-4.7 as plainly
// as possible, says what must come out; the processor is asked by way of its TLB and again without. Accessed and dirty
// bits only ever appear, and nothing else of a table changes.
#include "cpu/system/system.hpp"
#include "mmu/access.hpp"
#include "tests/fuzz/hostile_guest.hpp"
#include "tests/x86-conformance/bare_machine.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <optional>

using namespace glassbox;
using test::Choices;

namespace {

constexpr u64 ram_size = 4u << 20, tables_at = 0x1000, tables_end = 0xA000, data_at = 0x10000, data_frames = 16;
constexpr u64 present = 1, writable = 2, user_page = 4, accessed = 32, dirty = 64, large = 128,
              no_execute = u64{1} << 63;
constexpr u64 pml4_at = 0x8000, pml5_at = 0x9000; ///< below them two tables of PDPTEs, two directories, three tables

void require(bool holds, const char* what) {
    if (holds) return;
    std::printf("FAILED: %s\n", what);
    std::abort();
}

struct Verdict {
    bool allowed = false;
    u32 error = 0;
    u64 phys = 0;
    Exception vector = Exception::PF;
};
/// The way to a page, before rights are asked for.
struct Way {
    bool there = false, reserved = false, executable = true;
    u64 rights = ~u64{0}, leaf = 0, phys = 0;
};

class Mmu {
  public:
    explicit Mmu(Choices& choices) : choices_(choices), machine_(board()), cpu_(machine_.cpu) {
        static constexpr std::array models = {"max", "max", "486", "pentium", "pentium-pro", "pentium3", "386"};
        cpu_.model = find_cpu_model(models[choices_.below(models.size())]);
        std::fill(machine_.ram().begin(), machine_.ram().begin() + 0x30000, u8{0});
        reset_state(cpu_);
        const u64 kind = choices_.below(6);
        cpu_.cr0 = cr0::PE | cr0::PG | cr0::ET;
        cpu_.cr4 = (kind == 1   ? cr4::PSE
                    : kind >= 2 ? u64{cr4::PAE}
                                : 0) |
                   (choices_.one_in(2) ? cr4::PGE : 0) | (kind == 5 ? u64{cr4::LA57} : 0);
        cpu_.cr4 &= cpu_.model->cr4_bits;
        cpu_.msrs.efer = (kind == 3 || (kind > 3 && !choices_.one_in(4))) && pae() ? efer::NXE : 0;
        if (kind >= 4 && cpu_.has(Feature::long_mode)) cpu_.msrs.efer |= efer::LME | efer::LMA;
        if (!wide()) cpu_.cr4 &= ~u64{cr4::LA57};
        if (wide()) cpu_.seg[CS].access |= Segment::L;
        cpu_.cr3 = wide() ? (cpu_.linear_bits() == 57 ? pml5_at : pml4_at) : tables_at;
        write_pkru(cpu_, 0);
        for (u64 i = 0; i < 4; ++i) cpu_.pdpte[i] = choices_.one_in(8) ? 0 : (tables_at + 0x1000 * (i & 1)) | present;
        set_rights();
        cpu_.map_changed();
        for (unsigned i = 0; i < (wide() ? 60u : 24u); ++i) change_entry();
        flush();
    }

    void step() {
        switch (choices_.below(9)) {
        case 8: return set_rights_at_once();
        case 0: return change_entry();
        case 1: return flush();
        case 2: return set_rights();
        case 3: return flush_one();
        default: return access();
        }
    }

  private:
    static conformance::Machine& board() {
        static conformance::Machine machine(ram_size, "max");
        return machine;
    }
    bool pae() const { return (cpu_.cr4 & cr4::PAE) != 0; }
    bool wide() const { return cpu_.long_mode(); }
    unsigned levels() const { return wide() ? (cpu_.linear_bits() == 57 ? 5 : 4) : 2; }
    bool nx() const { return pae() && (cpu_.msrs.efer & efer::NXE); }
    unsigned width() const { return pae() ? 8 : 4; }

    /// Pages whose entries the input changes: few, so that they meet again.
    u64 page() {
        const u64 directory = choices_.below(4), table = choices_.below(4);
        const u64 last = pae() ? 511 : 1023;
        const u64 t = table == 3 ? last : table, d = directory == 3 ? last : directory;
        if (!pae()) return d << 22 | t << 12;
        const u64 low = choices_.below(4) << 30 | d << 21 | t << 12;
        if (!wide()) return low;
        static constexpr u64 tops[] = {0, 1, 255, 256, 511};
        u64 linear = low | tops[choices_.below(5)] << 39 | tops[choices_.below(5)] << 48;
        const unsigned unused = 64 - cpu_.linear_bits();
        linear = static_cast<u64>(static_cast<i64>(linear << unused) >> unused);
        return choices_.one_in(32) ? linear ^ u64 { 1 } << (47 + choices_.below(17)) : linear;
    }
    /// A table of that level.
    u64 frame_of(unsigned level) {
        switch (level) {
        case 1: return tables_at + 0x2000 + 0x1000 * choices_.below(3);
        case 2: return tables_at + (pae() ? 0x1000 * choices_.below(2) : 0);
        case 3: return tables_at + 0x5000 + 0x1000 * choices_.below(2);
        case 4: return pml4_at;
        default: return pml5_at;
        }
    }
    u64 entry_value(unsigned level) {
        u64 value = choices_.bits(12) | present;
        if (choices_.one_in(level > 2 ? 16 : 8)) value &= ~present;
        if (level > 1 && !choices_.one_in(level > 2 ? 6 : 3)) {
            value = (value & ~large) | frame_of(level - 1);
            if (wide() && !choices_.one_in(4)) value |= user_page | writable;
        } else {
            value |=
                choices_.one_in(8) ? choices_.bits(32) & ~u64{0xFFF} : data_at + (choices_.below(data_frames) << 12);
            if (level > 2) value |= large;
            if (level > 1 && (value & large)) value &= choices_.one_in(4) ? ~u64{0} : ~u64{0x3FF'F000};
        }
        if (pae() && choices_.one_in(level > 2 ? 16 : 4)) value |= no_execute;
        if (pae() && choices_.one_in(16)) value |= choices_.bits(64) & 0x7FFF'FFF0'0000'0000;
        if (wide() && choices_.one_in(4)) value |= choices_.bits(11) << 52;
        return value;
    }
    void change_entry() {
        const u64 linear = page();
        const unsigned level = !choices_.one_in(3) ? 1
                               : wide()            ? 2 + static_cast<unsigned>(choices_.below(levels() - 1))
                                                   : 2;
        const unsigned bits = pae() ? 9 : 10;
        const u64 index = linear >> (12 + bits * (level - 1)) & ((1u << bits) - 1);
        const u64 frame = frame_of(level);
        const u64 value = entry_value(level);
        if (pae())
            machine_.put<u64>(frame + index * 8, value);
        else
            machine_.put<u32>(frame + index * 4, static_cast<u32>(value));
        stale_ = true;
    }
    void flush() {
        cpu_.flush_tlb(false);
        stale_ = false;
    }
    void flush_one() {
        if (choices_.one_in(2))
            cpu_.flush_tlb(true);
        else
            cpu_.flush_page(page());
    }
    void set_rights() {
        cpu_.cr0 = (cpu_.cr0 & ~u64{cr0::WP}) | (choices_.one_in(2) ? u64{cr0::WP} : 0);
        for (const u64 bit : {u64{cr4::SMEP}, u64{cr4::SMAP}, u64{cr4::PKE}})
            cpu_.cr4 = (cpu_.cr4 & ~bit) | (choices_.one_in(3) ? bit & cpu_.model->cr4_bits : 0);
        cpu_.cpl = choices_.one_in(2) ? 3 : 0;
        cpu_.update_mode();
        cpu_.flush_tlb(false); // as MOV CR0 and MOV CR4 do
        stale_ = false;
    }
    /// What counts at once, without a flush: EFLAGS.AC and PKRU.
    void set_rights_at_once() {
        cpu_.eflags = choices_.one_in(2) ? cpu_.eflags | eflags::AC : cpu_.eflags & ~u32{eflags::AC};
        cpu_.update_mode();
        if (choices_.one_in(2)) write_pkru(cpu_, static_cast<u32>(choices_.bits(32) & choices_.bits(32)));
    }

    u64 read_entry(u64 address) { return machine_.memory.read(PhysAddress{address}, width()); }

    u64 address_bits() const { return ((u64{1} << cpu_.model->physical_bits) - 1) & ~u64{0xFFF}; }

    /// SDM 3A 4.3 (32-bit paging) and 4.4 (PAE).
    Way way_of_two_levels(u64 linear) {
        Way w;
        const u64 mask = pae() ? address_bits() : 0xFFFF'F000;
        const u64 reserved = pae() ? (~address_bits() & 0x7FFF'FFFF'FFFF'F000) | (nx() ? 0 : no_execute) : 0;
        u64 directory = cpu_.cr3 & ~u64{0xFFF};
        if (pae()) {
            directory = cpu_.pdpte[linear >> 30] & mask;
            if (!(cpu_.pdpte[linear >> 30] & present)) return w;
        }
        const u64 pde = read_entry(directory + (pae() ? (linear >> 21 & 511) * 8 : (linear >> 22 & 1023) * 4));
        if (!(pde & present)) return w;
        w.there = true;
        w.reserved = (pde & reserved) != 0;
        if (w.reserved) return w;
        w.rights = w.leaf = pde;
        w.executable = !(pde & no_execute);
        if ((pde & large) && pae()) {
            w.reserved = (pde & 0x1F'E000) != 0;
            w.phys = (pde & mask & ~u64{0x1F'FFFF}) | (linear & 0x1F'FFFF);
            return w;
        }
        if ((pde & large) && (cpu_.cr4 & cr4::PSE)) {
            const unsigned high = cpu_.has(Feature::pse36) ? std::min(cpu_.model->physical_bits, 40u) - 32 : 0;
            for (unsigned bit = 13 + high; bit <= 21; ++bit) w.reserved = w.reserved || (pde >> bit & 1);
            w.phys = (pde & 0xFFC0'0000) | (linear & 0x3F'FFFF);
            for (unsigned bit = 0; bit < high; ++bit) w.phys |= (pde >> (13 + bit) & 1) << (32 + bit);
            return w;
        }
        const u64 pte = read_entry((pde & mask) + (linear >> 12 & (pae() ? 511 : 1023)) * width());
        w.there = (pte & present) != 0;
        w.reserved = (pte & reserved) != 0;
        w.rights &= pte;
        w.leaf = pte;
        w.executable = w.executable && !(pte & no_execute);
        w.phys = (pte & mask) | (linear & 0xFFF);
        return w;
    }

    /// SDM 3A 4.5, entry by entry.
    Way way_of_many_levels(u64 linear) {
        Way w;
        u64 table = cpu_.cr3 & address_bits();
        const u64 always = (~address_bits() & 0x000F'FFFF'FFFF'F000) | (nx() ? 0 : no_execute);
        const auto next = [&](unsigned first_bit, u64 reserved) {
            w.leaf = read_entry(table + (linear >> first_bit & 511) * 8);
            w.there = (w.leaf & present) != 0;
            if (!w.there) return false;
            w.reserved = (w.leaf & reserved) != 0;
            w.rights &= w.leaf;
            w.executable = w.executable && !(w.leaf & no_execute);
            table = w.leaf & address_bits();
            return !w.reserved;
        };
        if (cpu_.linear_bits() == 57 && !next(48, always | large)) return w; // PML5E
        if (!next(39, always | large)) return w;                             // PML4E
        if (!next(30, always | (cpu_.has(Feature::pdpe1gb) ? 0 : large))) return w;
        if (w.leaf & large) {
            w.reserved = (w.leaf & 0x3FFF'E000) != 0;
            w.phys = (table & ~u64{0x3FFF'FFFF}) | (linear & 0x3FFF'FFFF);
            return w;
        }
        if (!next(21, always)) return w;
        if (w.leaf & large) {
            w.reserved = (w.leaf & 0x1F'E000) != 0;
            w.phys = (table & ~u64{0x1F'FFFF}) | (linear & 0x1F'FFFF);
            return w;
        }
        next(12, always);
        w.phys = table | (linear & 0xFFF);
        return w;
    }

    /// SDM 3A 4.6 (rights) and 4.7 (error code). `implicit`: an access to a system table.
    Verdict expected(u64 linear, AccessKind kind, bool as_user, bool implicit) {
        const bool writing = kind == AccessKind::write, fetching = kind == AccessKind::fetch;
        const bool wp = (cpu_.cr0 & cr0::WP) != 0, smep = (cpu_.cr4 & cr4::SMEP) != 0;
        const bool smap = (cpu_.cr4 & cr4::SMAP) && (implicit || !(cpu_.eflags & eflags::AC));
        const u32 error = (writing ? 2u : 0u) | (as_user ? 4u : 0u) | (fetching && (nx() || smep) ? 16u : 0u);
        const Way w = wide() ? way_of_many_levels(linear) : way_of_two_levels(linear);
        if (!w.there) return {false, error, 0};
        if (w.reserved) return {false, error | 9, 0};
        const bool user = (w.rights & user_page) != 0, write = (w.rights & writable) != 0;
        u32 denied = 0;
        if (as_user && !user) denied = 1;
        if (!as_user && user && (fetching ? smep : smap)) denied = 1;
        if (writing && !write && (as_user || wp)) denied = 1;
        if (fetching && nx() && !w.executable) denied = 1;
        if (wide() && (cpu_.cr4 & cr4::PKE) && user && !fetching) {
            const u32 key = cpu_.pkru >> (w.leaf >> 59 & 15) * 2 & 3;
            if ((key & 1) || ((key & 2) && writing && (as_user || wp))) denied |= 33;
        }
        if (denied) return {false, error | denied, 0};
        return {true, 0, w.phys};
    }

    void access() {
        static constexpr std::array kinds = {AccessKind::read, AccessKind::write, AccessKind::fetch};
        const AccessKind kind = kinds[choices_.below(3)];
        const u64 linear = in_width(page() + (choices_.one_in(4) ? 0xFFC + choices_.below(4) : choices_.below(0xFF8)));
        const Privilege privilege = choices_.one_in(4) ? Privilege::supervisor : Privilege::current;
        std::vector<u8> before(machine_.ram().begin() + tables_at, machine_.ram().begin() + tables_end);
        if (stale_) { // whatever the TLB holds, nothing may break; then it is asked again in earnest
            perform(linear, kind, privilege);
            flush();
            wrote_table_ = false;
            before.assign(machine_.ram().begin() + tables_at, machine_.ram().begin() + tables_end);
        }
        const bool as_user = cpu_.cpl == 3 && (privilege == Privilege::current || kind == AccessKind::fetch);
        const bool implicit = privilege == Privilege::supervisor;
        u64 cr2 = linear;
        Verdict want;
        if (wide() && !(cpu_.canonical(linear) && (kind == AccessKind::fetch || cpu_.canonical(linear + 3)))) {
            want.vector = Exception::GP;
        } else {
            want = expected(linear, kind, as_user, implicit);
            const u64 next = in_width((linear & ~page_mask) + page_size);
            if (want.allowed && kind != AccessKind::fetch && (linear & page_mask) > page_size - 4) {
                const Verdict second_page = expected(next, kind, as_user, implicit);
                if (!second_page.allowed) want = second_page, cr2 = next;
            }
        }
        for (unsigned round = 0; round < 3; ++round) { // a walk, the TLB, and a walk again
            if (round == 2) cpu_.flush_tlb(false);
            const bool done = perform(linear, kind, privilege);
            require(done == want.allowed, "an access is allowed that must fault, or the reverse");
            if (!done) {
                require(cpu_.fault.vector == want.vector, "the fault is another one");
                require(cpu_.fault.error == want.error, "the error code is wrong");
                require(want.vector != Exception::PF || cpu_.fault.cr2 == cr2, "CR2 is wrong");
            } else if (kind == AccessKind::fetch) {
                require(phys_ == want.phys, "the TLB or the walk leads to another physical address");
            } else if (want.phys + 4 <= ram_size && (linear & page_mask) <= page_size - 4) {
                require(machine_.get<u32>(want.phys) == value_, "the memory reached is not that of the walk");
            }
            check_tables(before);
            if (stale_) return; // the write went to a table itself
        }
    }

    u64 in_width(u64 linear) const { return wide() ? linear : static_cast<u32>(linear); }

    bool perform(u64 linear, AccessKind kind, Privilege privilege) {
        if (kind == AccessKind::fetch) return translate_fetch(cpu_, linear, phys_);
        if (kind == AccessKind::read) return read_linear<u32>(cpu_, linear, value_, privilege);
        u64 first = 0, last = 0;
        if (translate_quietly(cpu_, linear, first) && translate_quietly(cpu_, in_width(linear + 3), last)) {
            for (const u64 at : {first, last}) wrote_table_ |= at + 4 > tables_at && at < tables_end;
        }
        value_ = static_cast<u32>(counter_ += 0x9E37'79B9);
        return write_linear<u32>(cpu_, linear, value_, privilege);
    }

    /// Only accessed and dirty bits may have appeared.
    void check_tables(const std::vector<u8>& before) {
        if (wrote_table_) {
            wrote_table_ = false;
            stale_ = true;
            return;
        }
        for (u64 i = 0; i < before.size(); i += width()) {
            u64 old_entry = 0, new_entry = 0;
            std::memcpy(&old_entry, before.data() + i, width());
            std::memcpy(&new_entry, machine_.ram().data() + tables_at + i, width());
            require((old_entry & ~new_entry) == 0, "a bit of a paging structure has vanished");
            require((new_entry & ~old_entry & ~(accessed | dirty)) == 0, "another bit than A and D was set");
        }
    }

    Choices& choices_;
    conformance::Machine& machine_;
    Cpu& cpu_;
    bool stale_ = false, wrote_table_ = false;
    u64 phys_ = 0, counter_ = 0;
    u32 value_ = 0;
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Choices choices(std::span(data, size));
    Mmu mmu(choices);
    for (unsigned i = 0; i < 2000 && !choices.spent(); ++i) mmu.step();
    return 0;
}
