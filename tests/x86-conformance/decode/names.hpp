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
        return (insn.opsize == 4 ? 1u : 0u) | (insn.addrsize == 4 ? 2u : 0u) | (insn.rep == 0xF3 ? 4u : 0u);
    }
    std::unordered_map<const Row*, std::array<ZydisMnemonic, 8>> rows_;
};

} // namespace glassbox::conformance
