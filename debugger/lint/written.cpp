// The map of RAM that somebody has written. A byte that was completed in part (a field of bits) keeps its missing bits.
#include "debugger/lint/impl.hpp"
#include "machine/board.hpp"

#include <algorithm>

namespace glassbox::lint {

namespace {
u8 byte_of(const Unwritten& bits, unsigned i) { return static_cast<u8>(bits[i / 8] >> (i % 8 * 8)); }
} // namespace

Written::Written(Board& board, bool all_written)
    : board_(board), all_(all_written), pages_(all_written ? 0 : board.memory.ram().size() / page_size),
      count_(pages_.size()) {}

std::optional<u64> Written::place(u64 phys, bool write) const {
    const PhysAddress at{phys};
    const u8* page = write ? board_.memory.page_for_write(at) : board_.memory.page_for_read(at);
    if (!page) return {};
    const u64 offset = reinterpret_cast<u64>(page) - reinterpret_cast<u64>(board_.memory.ram().data());
    if (offset >= board_.memory.ram().size()) return {};
    return offset + (phys & page_mask);
}

Unwritten Written::missing(u64 offset, unsigned size) const {
    Unwritten bits{};
    const u64 page = offset / page_size;
    if (all_ || count_[page] == page_size) return bits;
    for (unsigned i = 0; i < size && i < 32; ++i) {
        const u64 at = (offset + i) & page_mask;
        if (pages_[page] && ((*pages_[page])[at / 64] >> (at % 64) & 1)) continue;
        u64 lacks = 0xFF;
        if (!partial_.empty())
            if (const auto known = partial_.find(offset + i); known != partial_.end()) lacks = known->second;
        bits[i / 8] |= lacks << (i % 8 * 8);
    }
    return bits;
}

void Written::set(u64 offset, unsigned size, const Unwritten& missing) {
    const u64 page = offset / page_size;
    const bool nothing = (missing[0] | missing[1] | missing[2] | missing[3]) == 0;
    if (all_ || (count_[page] == page_size && nothing)) return;
    if (!pages_[page]) {
        if (count_[page] == page_size) return; // written by a block: not followed any more
        pages_[page] = std::make_unique<Page>();
    }
    for (unsigned i = 0; i < size; ++i) {
        const u64 at = (offset + i) & page_mask;
        u64& word = (*pages_[page])[at / 64];
        const u64 bit = u64{1} << (at % 64);
        const u8 lacks = i < 32 ? byte_of(missing, i) : u8{0};
        if (!partial_.empty()) partial_.erase(offset + i);
        if (lacks != 0 && lacks != 0xFF && partial_.size() < most_partial) partial_[offset + i] = lacks;
        const bool was = (word & bit) != 0, is = lacks == 0;
        word = is ? word | bit : word & ~bit;
        count_[page] = static_cast<u16>(count_[page] + is - was);
    }
}

void Written::written(PhysAddress start, u64 size) {
    for (u64 done = 0; done < size && !all_;) {
        const u64 part = std::min(size - done, page_size - ((start.value + done) & page_mask));
        if (const auto at = place(start.value + done, true)) {
            if (part == page_size) {
                count_[*at / page_size] = page_size;
                pages_[*at / page_size].reset();
            } else {
                set(*at, static_cast<unsigned>(part), {});
            }
        }
        done += part;
    }
}

} // namespace glassbox::lint
