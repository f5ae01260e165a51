// Random changes of a handful of pages, each with the invalidation that it needs, and random accesses in between,
// beside a model of the rules (SDM 3A 4.6 rights, 4.7 error codes, 4.8 accessed and dirty bits). Frames are shared by
// pages, accesses cross page edges, CR0.WP and the privilege level change. Seeded by the case's number.
#include "guests/system/random.hpp"
#include "guests/system/tlb.hpp"

namespace tlb {

namespace {

constexpr u32 pages = 8, frame_count = 6, steps = 250;

class Walk {
  public:
    Walk(Report& report, Space& space, u32 seed) : report_(report), space_(space), random_(seed) {}

    void run_all() {
        base_ = window + (is_large() ? 0 : random_.one_in(2) ? space_.region_size() - pages / 2 * paging::page : 0);
        for (u32 i = 0; i < frame_count; ++i) {
            for (u32 n = 0; n < 2 * spot; ++n) {
                byte_at(frame(i) + n) = shadow(i, n) = static_cast<u8>(random_.next());
                byte_at(frame(i) + space_.leaf_size() - 1 - n) = shadow(i, end_spot - n) = static_cast<u8>(n * 7 + i);
            }
        }
        for (u32 i = 0; i < regions(); ++i) set_region(i, open);
        for (u32 i = 0; i < pages; ++i) set_page(i, random_entry());
        paging::flush_all();
        for (u32 i = 0; i < steps; ++i) random_.one_in(3) ? change() : access();
    }

  private:
    // The bytes of a frame that are used: some at its beginning, as many at its end.
    static constexpr u32 spot = 16, end_spot = 4 * spot - 1;

    bool is_large() const { return paging::is_large(space_.format()); }
    u32 frame(u32 i) const {
        if (!is_large()) return paging::frame(i);
        // The arena has room for frames of 2 MiB; of 4 MiB there are two.
        return space_.leaf_size() == 0x20'0000 ? paging::large_frame + i % 4 * 0x20'0000
                                               : (i & 1 ? paging::second_large_frame : paging::large_frame);
    }
    u32 frame_index(u32 i) const { return !is_large() ? i : space_.leaf_size() == 0x20'0000 ? i % 4 : i & 1; }
    u8& shadow(u32 i, u32 n) { return shadow_[frame_index(i)][n]; }
    u32 linear(u32 i) const { return base_ + i * space_.leaf_size(); }
    u32 regions() const { return is_large() ? 0 : 2; }

    u64 random_entry() {
        u64 entry = open;
        if (random_.one_in(6)) entry &= ~paging::present;
        if (random_.one_in(4)) entry &= ~paging::writable;
        if (random_.one_in(4)) entry &= ~paging::user;
        if (random_.one_in(6) && space_.nx()) entry |= paging::no_execute;
        if (random_.one_in(4)) entry |= paging::dirty;
        if (random_.one_in(2)) entry |= paging::accessed;
        if (random_.one_in(16) && paging::is_pae(space_.format())) entry |= 1ULL << 51; // reserved
        return entry;
    }
    void set_page(u32 i, u64 bits) {
        const u32 f = random_.below(frame_count);
        leaf_[i] = bits;
        frame_[i] = f;
        space_.set_leaf(linear(i), frame(f) | size_bit(space_) | bits);
    }
    void set_region(u32 i, u64 bits) {
        region_[i] = bits;
        const u32 at = window + i * space_.region_size();
        space_.set_directory(at, space_.table_entry(at, bits & ~paging::dirty));
        region_[i] &= ~paging::dirty;
    }
    u32 region_of(u32 i) const { return (linear(i) - window) / space_.region_size(); }

    void change() {
        switch (random_.below(6)) {
        case 0:
            if (features().cpuid) {
                wp_ = !wp_;
                write_cr0((read_cr0() & ~paging::cr0_wp) | (wp_ ? paging::cr0_wp : 0));
            }
            break;
        case 1:
            if (!is_large()) {
                set_region(random_.below(2), random_entry());
                paging::flush_all();
                break;
            }
            [[fallthrough]];
        case 2:
            for (u32 i = 0; i < pages; ++i) {
                if (random_.one_in(2)) set_page(i, random_entry());
            }
            paging::flush_all();
            break;
        default: {
            const u32 i = random_.below(pages);
            set_page(i, random_entry());
            if (features().cpuid)
                invlpg(linear(i) + random_.below(space_.leaf_size()));
            else
                paging::flush();
            break;
        }
        }
    }

    struct Fault {
        bool happens;
        u32 error;
    };
    Fault rights(u32 i, bool write, unsigned cpl) const {
        const u32 basic = (write ? paging::error_write : 0) | (cpl == 3 ? paging::error_user : 0);
        u64 all = leaf_[i];
        if (!is_large()) {
            const u64 upper = region_[region_of(i)];
            if (!(upper & paging::present)) return {true, basic};
            if (upper >> 51 & 1) return {true, basic | paging::error_present | paging::error_reserved};
            all &= upper;
        }
        if (!(leaf_[i] & paging::present)) return {true, basic};
        if (leaf_[i] >> 51 & 1) return {true, basic | paging::error_present | paging::error_reserved};
        if (cpl == 3 && !(all & paging::user)) return {true, basic | paging::error_present};
        if (write && !(all & paging::writable) && (cpl == 3 || wp_)) return {true, basic | paging::error_present};
        return {false, 0};
    }
    /// The entries of the page after an access: what the manual says of a success, either of a fault.
    void check_entries(u32 i, bool write, bool faulted, bool reached) {
        const u64 leaf = space_.leaf(linear(i));
        constexpr u64 bits = paging::accessed | paging::dirty;
        if (reached && !faulted) {
            leaf_[i] |= paging::accessed | (write ? paging::dirty : 0);
            report_.expect("leaf", static_cast<u32>(leaf_[i] & bits), static_cast<u32>(leaf & bits));
            if (is_large()) return;
            u64& upper = region_[region_of(i)];
            upper |= paging::accessed;
            report_.expect("directory", static_cast<u32>(paging::accessed),
                           static_cast<u32>(space_.directory(linear(i)) & bits));
            return;
        }
        // Whether a fault sets bits on its way is open: take what is there.
        leaf_[i] = (leaf_[i] & ~bits) | (leaf & bits);
        if (!is_large()) {
            u64& upper = region_[region_of(i)];
            upper = (upper & ~bits) | (space_.directory(linear(i)) & bits);
        }
    }

    void access() {
        struct Kind {
            u8 bytes[4];
            u32 size;
            bool write, modifies;
        };
        static constexpr Kind kinds[] = {
            {{0x8A, 0x03, 0xCD, 0x80}, 1, false, false}, {{0x8B, 0x03, 0xCD, 0x80}, 4, false, false},
            {{0x88, 0x0B, 0xCD, 0x80}, 1, true, false},  {{0x89, 0x0B, 0xCD, 0x80}, 4, true, false},
            {{0x01, 0x0B, 0xCD, 0x80}, 4, true, true},   {{0x87, 0x0B, 0xCD, 0x80}, 4, true, true},
        };
        const Kind& k = kinds[random_.below(6)];
        const u32 i = random_.below(pages - 1);
        const unsigned cpl = random_.one_in(2) ? 3 : random_.below(3);
        const u32 size = space_.leaf_size();
        u32 at = random_.below(2 * spot - 4); // in the first page's beginning, at its end, or over the edge
        const u32 where = random_.below(3);
        if (where == 1) at = size - 2 * spot + at;
        if (where == 2) at = size - 1 - random_.below(3);
        const u32 in_first = size - at < k.size ? size - at : k.size;

        Context c = ring(cpl, code(k.bytes));
        c.ebx = linear(i) + at;
        c.ecx = random_.next();
        const Exit e = run(c);

        Fault f = rights(i, k.write, cpl);
        u32 cr2 = c.ebx;
        const bool first_faults = f.happens;
        if (!first_faults && in_first < k.size) {
            f = rights(i + 1, k.write, cpl);
            cr2 = linear(i + 1);
        }
        report_.expect_exit(e, f.happens ? paging::page_fault : end_vector, f.error);
        if (f.happens) report_.expect("CR2", cr2, e.cr2);
        check_entries(i, k.write, f.happens, true);
        if (in_first < k.size) check_entries(i + 1, k.write, f.happens, !first_faults);
        if (!f.happens) check_data(k.write, k.bytes[0], k.size, i, at, in_first, c, e);
        compare_frames();
    }

    u8& shadow_at(u32 i, u32 at) {
        const u32 size = space_.leaf_size();
        return shadow(frame_[i], at < 2 * spot ? at : end_spot - (size - 1 - at));
    }
    void check_data(bool write, u8 opcode, u32 size, u32 i, u32 at, u32 in_first, const Context& c, const Exit& e) {
        u32 old = 0;
        for (u32 n = 0; n < size; ++n) {
            const u8 byte = n < in_first ? shadow_at(i, at + n) : shadow_at(i + 1, n - in_first);
            old |= static_cast<u32>(byte) << (8 * n);
        }
        if (!write) {
            report_.expect("read", old, size == 1 ? e.eax & 0xFF : e.eax);
            return;
        }
        if (opcode == 0x87) report_.expect("exchanged", old, e.ecx);
        const u32 value = opcode == 0x01 ? old + c.ecx : c.ecx;
        for (u32 n = 0; n < size; ++n)
            (n < in_first ? shadow_at(i, at + n) : shadow_at(i + 1, n - in_first)) = static_cast<u8>(value >> (8 * n));
    }
    void compare_frames() {
        u32 differ = 0;
        for (u32 i = 0; i < frame_count; ++i) {
            for (u32 n = 0; n < 2 * spot; ++n) {
                differ += byte_at(frame(i) + n) != shadow(i, n);
                differ += byte_at(frame(i) + space_.leaf_size() - 1 - n) != shadow(i, end_spot - n);
            }
        }
        report_.expect("bytes of memory that differ", 0, differ);
    }

    Report& report_;
    Space& space_;
    Random random_;
    u32 base_ = window;
    bool wp_ = false;
    u64 leaf_[pages] = {}, region_[2] = {};
    u32 frame_[pages] = {};
    u8 shadow_[frame_count][4 * spot] = {};
};

} // namespace

void random_walk(Report& report) {
    constexpr u32 walks = 40;
    paging::in_each_format(report, [&](Space& space) {
        for (u32 i = 0; i < walks; ++i) {
            if (!report.next()) continue;
            report.describe("%s, walk %u of %u steps", paging::name(space.format()), i, steps);
            if (features().cpuid) write_cr0(read_cr0() & ~paging::cr0_wp);
            Walk(report, space, i + 1).run_all();
        }
    });
}

} // namespace tlb
