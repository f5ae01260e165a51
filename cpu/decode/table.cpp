// Gathers the families' rows into the opcode maps.
#include "cpu/decode/row.hpp"
#include "cpu/ops/families.hpp"

#include <algorithm>
#include <vector>

namespace glassbox {

namespace {

class Table {
  public:
    Table() {
        std::vector<std::pair<std::size_t, const Row*>> keyed; // those with equal keys stay in this order
        for (auto family : {families::alu(),          families::move(),    families::shift(),  families::muldiv(),
                            families::muldiv_early(), families::bit(),     families::bcd(),    families::bmi(),
                            families::random(),       families::stack(),   families::branch(), families::string(),
                            families::io(),           families::flagops(), families::system(), families::paging(),
                            families::transfer(),     families::fpu(),     families::mmx(),    families::sse(),
                            families::hints(),        families::crypto(),  families::xsave(),  families::now3d()}) {
            for (const Row& row : family) keyed.emplace_back(key(row) * most_rows + keyed.size(), &row);
        }
        std::sort(keyed.begin(), keyed.end());
        for (const auto& [place, row] : keyed) rows_.push_back(row);
        for (std::size_t i = 0; i < rows_.size(); ++i) {
            Range& range = ranges_[slot(*rows_[i])];
            if (range.count == 0) range.first = i;
            ++range.count;
        }
    }
    std::span<const Row* const> all() const { return rows_; }
    std::span<const Row* const> at(Encoding encoding, unsigned map, u8 opcode) const {
        const Range& range = ranges_[slot(encoding, map, opcode)];
        return {rows_.data() + range.first, range.count};
    }

  private:
    struct Range {
        std::size_t first = 0, count = 0;
    };
    static constexpr std::size_t most_rows = 1u << 16;
    static constexpr std::size_t encodings = 3, maps = 8;
    static std::size_t slot(Encoding encoding, unsigned map, u8 opcode) {
        return (static_cast<std::size_t>(encoding) * maps + map) * 256 + opcode;
    }
    static std::size_t slot(const Row& row) { return slot(row.at.encoding, row.at.map, row.at.opcode); }
    /// The more a row demands, the earlier it is tried; what only one processor does comes before all.
    static std::size_t key(const Row& row) {
        const unsigned loose = (row.at.w_ < 0 ? 16u : 0u) + (row.at.rm_ < 0 ? 8u : 0u) + (row.at.digit_ < 0 ? 4u : 0u) +
                               (row.at.mandatory == Mandatory::any ? 2u : 0u) +
                               (row.at.mod == Mod::any && !(row.attributes & attr::rex_b) ? 1u : 0u);
        const bool own =
            row.feature == Feature::only_8086 || row.feature == Feature::only_286 || row.feature == Feature::only_386;
        return (((slot(row) * 2 + (own ? 0 : 1)) * 32 + loose) * 16 + static_cast<unsigned>(row.at.digit_ + 1)) * 64 +
               static_cast<unsigned>(row.at.rm_ + 1) * 5 + static_cast<unsigned>(row.at.mandatory);
    }

    std::vector<const Row*> rows_;
    std::array<Range, encodings * maps * 256> ranges_{};
};

const Table& table() {
    static const Table instance;
    return instance;
}

} // namespace

std::span<const Row* const> all_rows() { return table().all(); }
std::span<const Row* const> rows_at(Encoding encoding, unsigned map, u8 opcode) {
    return table().at(encoding, map, opcode);
}

} // namespace glassbox
