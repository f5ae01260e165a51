// The mnemonics of our instruction table in Zydis's words.
#pragma once

#include "cpu/decode/insn.hpp"
#include "cpu/decode/row.hpp"

#include <Zydis/Zydis.h>
#include <array>
#include <unordered_map>

namespace glassbox::conformance {

/// What Zydis calls the instructions of each row. Where it has a name for every operand or address size, and we one
/// for the row, the decoded sizes decide.
class Names {
  public:
    Names();
    /// ZYDIS_MNEMONIC_INVALID when Zydis has no name for it.
    ZydisMnemonic of(const Insn& insn) const { return rows_.find(insn.row)->second[variant(insn)]; }

  private:
    static std::size_t variant(const Insn& insn) {
        const auto step = [](unsigned bytes) { return bytes / 4u; }; // 2, 4, 8: 0, 1, 2
        return step(insn.opsize) + 3 * step(insn.addrsize);
    }
    std::unordered_map<const Row*, std::array<ZydisMnemonic, 9>> rows_;
};

} // namespace glassbox::conformance
