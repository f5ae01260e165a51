// One instruction's bytes through our decoder and through Zydis.
#pragma once

#include "cpu/decode/decoder.hpp"
#include "tests/x86-conformance/decode/names.hpp"
#include "tests/x86-conformance/decode/operands.hpp"

#include <span>
#include <string>
#include <vector>

namespace glassbox::conformance {

/// What of the processor's state decides how bytes are decoded.
enum class DecodeMode : u8 { real16, protected16, protected32, long64 };
inline constexpr unsigned decode_modes = 4;

/// Both decoders' answers about the same bytes.
struct Decoded {
    std::span<const u8> bytes;
    DecodeMode mode = DecodeMode::protected32;
    const FeatureSet* features = nullptr;

    DecodeStatus status = DecodeStatus::invalid;
    bool valid = false; ///< decoded, and its row has a handler for it
    Insn insn;          ///< when `valid`

    ZyanStatus zydis_status = 0;
    bool zydis_valid = false;
    ZydisDecodedInstruction zydis;
    std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> zydis_operands;

    std::span<const ZydisDecodedOperand> operands() const { return {zydis_operands.data(), zydis.operand_count}; }
};

/// The opcode behind the prefixes, and the byte after it.
struct Encoded {
    u8 map = 0, opcode = 0, modrm = 0;
    unsigned reg() const { return modrm >> 3 & 7u; }
};
Encoded encoded(std::span<const u8> bytes, DecodeMode mode);

struct Disagreement;

struct Verdict {
    bool same = false;                ///< in everything that both say
    const Disagreement* by = nullptr; ///< they differ, and this entry says that ours is right
    bool agrees() const { return same || by; }
};

class Comparison {
  public:
    Comparison(DecodeMode mode, const CpuModel& model);

    /// At least 16 bytes, so that neither decoder runs out.
    Verdict compare(std::span<const u8> bytes);
    /// Whether our decoder asks for more when the last instruction's bytes end after `length`, if that is too few.
    bool asks_for_more(std::span<const u8> bytes, unsigned length) const;
    /// The last answers, and in which fields they differ.
    const Decoded& last() const { return decoded_; }
    std::vector<Difference> differences() const;
    std::string zydis_text() const;

  private:
    bool same(std::vector<Difference>* differences) const;

    const CpuModel& model_;
    u32 mode_bits_;
    Names names_;
    OperandComparison operands_;
    ZydisDecoder decoder_;
    Decoded decoded_;
};

unsigned code_bits(DecodeMode mode);

} // namespace glassbox::conformance
