// All that can be executed: every row of the opcode table that some processor model has, and for each row every handler
// that its selector or the engine's fusing of neighbours can put into a block. Found by asking: each row is decoded in
// all modes, sizes, registers and kinds of addresses that selectors look at.
#pragma once

#include "cpu/decode/row.hpp"

#include <array>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace glassbox::conformance {

struct OpcodeBytes;
struct OperandBytes;

/// An encoding that gets a certain handler.
struct Example {
    static constexpr u64 address = 0x1000; ///< where `insn` is decoded: RIP-relative operands count from there
    std::array<u8, 15> bytes{};
    u8 length = 0;
    const char* model = nullptr;
    Insn insn; ///< decoded, with `flags_dead` and `in_page` as they must be
    std::string text() const;
};

/// A handler as one row uses it; of two fused instructions the first one's row.
struct Variant {
    const Row* row = nullptr;
    Handler handler = nullptr;
    Example first, second; ///< `second`, with length 0 if there is none: the instruction whose work is done, too
    std::string text() const;
};

class Universe {
  public:
    /// The only one: it takes part of a second to find, and nothing in it changes.
    static const Universe& instance();

    const std::vector<Variant>& variants() const { return variants_; }
    /// Rows that some model has, in the order of the table, and those that none has.
    const std::vector<const Row*>& rows() const { return rows_; }
    const std::vector<const Row*>& unreachable_rows() const { return unreachable_rows_; }

    static constexpr std::size_t none = ~std::size_t{0};
    /// Index in `variants`, or `none`. Fused handlers belong to no row in particular.
    std::size_t find(const Row* row, Handler handler) const;
    std::size_t find_row(const Row* row) const;

  private:
    struct Key {
        const Row* row;
        Handler handler;
        bool operator==(const Key&) const = default;
    };
    struct Hash {
        std::size_t operator()(const Key& key) const {
            return reinterpret_cast<u64>(key.row) * 0x9E37'79B9'7F4A'7C15 ^ reinterpret_cast<u64>(key.handler);
        }
    };

    Universe();
    bool enumerate(const Row& row, const char* model);
    struct Context {
        const Row& row;
        const char* model;
        const FeatureSet& features;
        u32 mode_bits;
    };
    bool try_operands(const Context& context, const OpcodeBytes& opcode, const std::vector<OperandBytes>& operands,
                      u8 rest);
    void add(const Key& key, const Example& first, const Example& second = {});
    void add_selections(const Row& row, Example& example);
    void remember_neighbour(const Example& example, Handler handler);
    void add_fused();
    void add_pairs();

    std::vector<const Row*> rows_, unreachable_rows_;
    std::vector<Variant> variants_;
    std::unordered_map<Key, std::size_t, Hash> index_;
    std::unordered_map<const Row*, std::size_t> row_index_;
    std::array<std::map<Handler, Example>, 2> neighbours_; ///< by whether in 64-bit mode
};

} // namespace glassbox::conformance
