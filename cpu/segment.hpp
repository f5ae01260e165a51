// A segment register with its hidden part (SDM 3A, 3.4.3), and the offsets that an access may touch, worked out when it
// is loaded so that an access costs two compares.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

namespace glassbox {

enum SegmentName : u8 { ES, CS, SS, DS, FS, GS };

struct Segment {
    /// Access rights as in the second doubleword of a descriptor, bits 8-23, shifted down: type 3-0, S 4, DPL 6-5, P 7,
    /// AVL 12, L 13, D/B 14, G 15; and bit 16: unusable (null selector).
    static constexpr u32 type_mask = 0xF, S = 0x10, P = 0x80, L = 0x2000, DB = 0x4000, G = 0x8000, unusable = 0x1'0000;
    static constexpr u32 accessed = 1, writable = 2, readable = 2, expand_down = 4, conforming = 4, code = 8;

    u16 selector = 0;
    u32 access = 0;
    u64 base = 0;
    u32 limit = 0; ///< in bytes, granularity applied

    // Derived by `update()`: offsets in [read_low, read_high] may be read, and so on. An empty range is low = 2^63.
    u64 read_low = 0, read_high = 0, write_low = 0, write_high = 0;

    unsigned type() const { return access & type_mask; }
    unsigned dpl() const { return (access >> 5) & 3; }
    bool present() const { return (access & P) != 0; }
    bool big() const { return (access & DB) != 0; }
    bool usable() const { return (access & unusable) == 0; }
    bool is_code() const { return (access & code) != 0; }
    bool is_conforming_code() const { return (access & (code | conforming)) == (code | conforming); }
    bool is_writable_data() const { return (access & (code | writable)) == writable; }
    bool is_readable() const { return (access & code) == 0 || (access & readable) != 0; }

    bool flat() const {
        return read_low == 0 && read_high == 0xFFFF'FFFF && write_low == 0 && write_high == 0xFFFF'FFFF && base == 0;
    }
    bool readable_at(u64 offset, unsigned size) const { return offset >= read_low && offset + size - 1 <= read_high; }
    bool writable_at(u64 offset, unsigned size) const { return offset >= write_low && offset + size - 1 <= write_high; }

    /// Recomputes the ranges from base, limit and access. `real`: real or virtual-8086 mode, where type bits do not
    /// deny.
    void update(bool real);
    /// As real mode loads it: base = selector * 16; limit and rights stay (SDM 3A 20.1).
    void load_real(u16 value);

    void persist(Archive& archive) {
        archive(selector, access, base, limit, read_low, read_high, write_low, write_high);
    }
};

} // namespace glassbox
