// Paging structures and accesses from the input, in all paging modes: 32-bit with and without PSE, PAE with and without
// NX. A second walker, written from SDM 3A 4.3-4.7 as plainly as possible, says what must come out; the processor is
// asked by way of its TLB and again without. Accessed and dirty bits only ever appear, and nothing else of a table
// changes.
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

constexpr u64 ram_size = 4u << 20, tables_at = 0x1000, tables_end = 0x7000, data_at = 0x10000, data_frames = 16;
constexpr u64 present = 1, writable = 2, user_page = 4, accessed = 32, dirty = 64, large = 128,
              no_execute = u64{1} << 63;

void require(bool holds, const char* what) {
    if (holds) return;
    std::printf("FAILED: %s\n", what);
    std::abort();
}

struct Verdict {
    bool allowed = false;
    u32 error = 0;
    u64 phys = 0;
};

class Mmu {
  public:
    explicit Mmu(Choices& choices) : choices_(choices), machine_(board()), cpu_(machine_.cpu) {
        static constexpr std::array models = {"max", "486", "pentium", "pentium-pro", "pentium3", "386"};
        cpu_.model = find_cpu_model(models[choices_.below(models.size())]);
        std::fill(machine_.ram().begin(), machine_.ram().begin() + 0x30000, u8{0});
        reset_state(cpu_);
        const u64 kind = choices_.below(4);
        cpu_.cr0 = cr0::PE | cr0::PG | cr0::ET;
        cpu_.cr4 = (kind == 1 ? cr4::PSE : kind >= 2 ? u64{cr4::PAE} : 0) | (choices_.one_in(2) ? cr4::PGE : 0);
        cpu_.cr4 &= cpu_.model->cr4_bits;
        cpu_.msrs.efer = kind == 3 && pae() ? efer::NXE : 0;
        cpu_.cr3 = tables_at;
        for (u64 i = 0; i < 4; ++i) cpu_.pdpte[i] = choices_.one_in(8) ? 0 : (tables_at + 0x1000 * (i & 1)) | present;
        set_rights();
        cpu_.map_changed();
        for (unsigned i = 0; i < 24; ++i) change_entry();
        flush();
    }

    void step() {
        switch (choices_.below(8)) {
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
    bool nx() const { return pae() && (cpu_.msrs.efer & efer::NXE); }
    unsigned width() const { return pae() ? 8 : 4; }

    /// Pages whose entries the input changes: few, so that they meet again.
    u64 page() {
        const u64 directory = choices_.below(4), table = choices_.below(4);
        const u64 last = pae() ? 511 : 1023;
        const u64 t = table == 3 ? last : table, d = directory == 3 ? last : directory;
        return pae() ? choices_.below(4) << 30 | d << 21 | t << 12 : d << 22 | t << 12;
    }
    u64 entry_value(bool directory) {
        u64 value = choices_.bits(12) | present;
        if (choices_.one_in(8)) value &= ~present;
        if (directory && !choices_.one_in(3)) {
            value = (value & ~large) | (tables_at + 0x2000 + 0x1000 * choices_.below(3));
        } else {
            value |=
                choices_.one_in(8) ? choices_.bits(32) & ~u64{0xFFF} : data_at + (choices_.below(data_frames) << 12);
            if (directory && (value & large)) value &= choices_.one_in(4) ? ~u64{0} : ~u64{0x3F'F000};
        }
        if (pae() && choices_.one_in(4)) value |= no_execute;
        if (pae() && choices_.one_in(16)) value |= choices_.bits(64) & 0x7FFF'FFF0'0000'0000;
        return value;
    }
    void change_entry() {
        const u64 linear = page();
        const bool directory = choices_.one_in(3);
        const u64 shift = directory ? (pae() ? 21 : 22) : 12;
        const u64 index = linear >> shift & (pae() ? 511 : 1023);
        const u64 frame = directory ? (pae() ? tables_at + 0x1000 * (linear >> 30 & 1) : tables_at)
                                    : tables_at + 0x2000 + 0x1000 * choices_.below(3);
        const u64 value = entry_value(directory);
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
        cpu_.cpl = choices_.one_in(2) ? 3 : 0;
        cpu_.update_mode();
        cpu_.flush_tlb(false); // as MOV CR0 does
        stale_ = false;
    }

    u64 read_entry(u64 address) { return machine_.memory.read(PhysAddress{address}, width()); }

    /// SDM 3A 4.3 (32-bit paging) and 4.4 (PAE), 4.6 (rights), 4.7 (error code).
    Verdict expected(u64 linear, AccessKind kind, bool as_user) {
        const bool writing = kind == AccessKind::write, fetching = kind == AccessKind::fetch;
        const u32 error = (writing ? 2u : 0u) | (as_user ? 4u : 0u) | (fetching && nx() ? 16u : 0u);
        const u64 address_mask = ((u64{1} << cpu_.model->physical_bits) - 1) & ~u64{0xFFF};
        const u64 reserved = pae() ? (~address_mask & 0x7FFF'FFFF'FFFF'F000) | (nx() ? 0 : no_execute) : 0;
        u64 directory = cpu_.cr3 & ~u64{0xFFF};
        if (pae()) {
            directory = cpu_.pdpte[linear >> 30] & address_mask;
            if (!(cpu_.pdpte[linear >> 30] & present)) return {false, error, 0};
        }
        const u64 pde = read_entry(directory + (pae() ? (linear >> 21 & 511) * 8 : (linear >> 22 & 1023) * 4));
        if (!(pde & present)) return {false, error, 0};
        if (pde & reserved) return {false, error | 9, 0};
        u64 rights = pde, phys = 0;
        bool executable = !(pde & no_execute);
        if ((pde & large) && pae()) {
            if (pde & 0x1F'E000) return {false, error | 9, 0};
            phys = (pde & address_mask & ~u64{0x1F'FFFF}) | (linear & 0x1F'FFFF);
        } else if ((pde & large) && (cpu_.cr4 & cr4::PSE)) {
            const unsigned high = cpu_.has(Feature::pse36) ? std::min(cpu_.model->physical_bits, 40u) - 32 : 0;
            for (unsigned bit = 13 + high; bit <= 21; ++bit) {
                if (pde >> bit & 1) return {false, error | 9, 0};
            }
            phys = (pde & 0xFFC0'0000) | (linear & 0x3F'FFFF);
            for (unsigned bit = 0; bit < high; ++bit) phys |= (pde >> (13 + bit) & 1) << (32 + bit);
        } else {
            const u64 table = pde & (pae() ? address_mask : 0xFFFF'F000);
            const u64 pte = read_entry(table + (linear >> 12 & (pae() ? 511 : 1023)) * width());
            if (!(pte & present)) return {false, error, 0};
            if (pte & reserved) return {false, error | 9, 0};
            rights &= pte;
            executable = executable && !(pte & no_execute);
            phys = (pte & (pae() ? address_mask : 0xFFFF'F000)) | (linear & 0xFFF);
        }
        if (as_user && !(rights & user_page)) return {false, error | 1, 0};
        if (writing && !(rights & writable) && (as_user || (cpu_.cr0 & cr0::WP))) return {false, error | 1, 0};
        if (fetching && nx() && !executable) return {false, error | 1, 0};
        return {true, 0, phys};
    }

    void access() {
        static constexpr std::array kinds = {AccessKind::read, AccessKind::write, AccessKind::fetch};
        const AccessKind kind = kinds[choices_.below(3)];
        const u64 linear = page() + (choices_.one_in(4) ? 0xFFC + choices_.below(4) : choices_.below(0xFF8));
        const Privilege privilege = choices_.one_in(4) ? Privilege::supervisor : Privilege::current;
        std::vector<u8> before(machine_.ram().begin() + tables_at, machine_.ram().begin() + tables_end);
        if (stale_) { // whatever the TLB holds, nothing may break; then it is asked again in earnest
            perform(linear, kind, privilege);
            flush();
            wrote_table_ = false;
            before.assign(machine_.ram().begin() + tables_at, machine_.ram().begin() + tables_end);
        }
        const bool as_user = cpu_.cpl == 3 && (privilege == Privilege::current || kind == AccessKind::fetch);
        Verdict want = expected(static_cast<u32>(linear), kind, as_user);
        u64 cr2 = static_cast<u32>(linear);
        const u64 next = static_cast<u32>((linear & ~page_mask) + page_size);
        if (want.allowed && kind != AccessKind::fetch && (linear & page_mask) > page_size - 4) {
            const Verdict second_page = expected(next, kind, as_user);
            if (!second_page.allowed) want = second_page, cr2 = next;
        }
        for (unsigned round = 0; round < 3; ++round) { // a walk, the TLB, and a walk again
            if (round == 2) cpu_.flush_tlb(false);
            const bool done = perform(linear, kind, privilege);
            require(done == want.allowed, "an access is allowed that must fault, or the reverse");
            if (!done) {
                require(cpu_.fault.vector == Exception::PF, "the fault is no page fault");
                require(cpu_.fault.error == want.error, "the error code is wrong");
                require(cpu_.fault.cr2 == cr2, "CR2 is wrong");
            } else if (kind == AccessKind::fetch) {
                require(phys_ == want.phys, "the TLB or the walk leads to another physical address");
            } else if (want.phys + 4 <= ram_size && (linear & page_mask) <= page_size - 4) {
                require(machine_.get<u32>(want.phys) == value_, "the memory reached is not that of the walk");
            }
            check_tables(before);
            if (stale_) return; // the write went to a table itself
        }
    }

    bool perform(u64 linear, AccessKind kind, Privilege privilege) {
        linear = static_cast<u32>(linear);
        if (kind == AccessKind::fetch) return translate_fetch(cpu_, linear, phys_);
        if (kind == AccessKind::read) return read_linear<u32>(cpu_, linear, value_, privilege);
        u64 first = 0, last = 0;
        if (translate_quietly(cpu_, linear, first) && translate_quietly(cpu_, static_cast<u32>(linear + 3), last)) {
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
