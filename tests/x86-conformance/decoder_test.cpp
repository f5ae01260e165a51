// The decoder against Zydis: every opcode of the one- and two-byte maps with every ModRM byte under the prefixes that
// matter, and random bytes; in 16- and 32-bit code. Both must agree on validity and length for whatever our table
// knows.
#include "generate.hpp"

#include "cpu/decode/decoder.hpp"

#include <Zydis/Zydis.h>
#include <algorithm>
#include <array>
#include <cstdio>
#include <doctest/doctest.h>
#include <map>
#include <string>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

/// Instruction sets that the `max` model has as a whole.
bool is_ours(ZydisISASet set) {
    switch (set) {
    case ZYDIS_ISA_SET_I86:
    case ZYDIS_ISA_SET_I186:
    case ZYDIS_ISA_SET_I286REAL:
    case ZYDIS_ISA_SET_I286PROTECTED:
    case ZYDIS_ISA_SET_I386:
    case ZYDIS_ISA_SET_I486:
    case ZYDIS_ISA_SET_I486REAL:
    case ZYDIS_ISA_SET_PENTIUMREAL:
    case ZYDIS_ISA_SET_PENTIUMMMX:
    case ZYDIS_ISA_SET_PPRO:
    case ZYDIS_ISA_SET_CMOV:
    case ZYDIS_ISA_SET_FCMOV:
    case ZYDIS_ISA_SET_X87:
    case ZYDIS_ISA_SET_FXSAVE:
    case ZYDIS_ISA_SET_SSE:
    case ZYDIS_ISA_SET_SSE2:
    case ZYDIS_ISA_SET_SSE2MMX:
    case ZYDIS_ISA_SET_SSEMXCSR:
    case ZYDIS_ISA_SET_CLFSH:
    case ZYDIS_ISA_SET_RDPMC:
    case ZYDIS_ISA_SET_SSE_PREFETCH:
    case ZYDIS_ISA_SET_PAUSE:
    case ZYDIS_ISA_SET_FAT_NOP: return true;
    default: return false;
    }
}

struct Verdict {
    bool valid = false;
    unsigned length = 0;
};

class Comparison {
  public:
    Comparison() {
        ZydisDecoderInit(&decoders_[0], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
        ZydisDecoderInit(&decoders_[1], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
    }
    void run(std::span<const u8> bytes, bool code32) {
        ++cases_;
        const Verdict ours = decode_ours(bytes, code32);
        ZydisDecodedInstruction theirs;
        const ZyanStatus status =
            ZydisDecoderDecodeInstruction(&decoders_[code32], nullptr, bytes.data(), bytes.size(), &theirs);
        if (ZYAN_SUCCESS(status)) {
            if (ours.valid && ours.length == theirs.length) return;
            if (!ours.valid && !is_ours(theirs.meta.isa_set)) return;
            if (is_undefined(theirs.mnemonic) && !ours.valid) return; // #UD either way
            note(bytes, code32, ours,
                 std::string(ZydisMnemonicGetString(theirs.mnemonic)) + " " + std::to_string(theirs.length));
            return;
        }
        if (!ours.valid || status == ZYDIS_STATUS_BAD_REGISTER) return; // CR1 and the like: refused when executed
        if (known_to_us_only(bytes)) return;
        char text[40];
        std::snprintf(text, sizeof text, "status %x", static_cast<unsigned>(status));
        note(bytes, code32, ours, text);
    }
    void report() const {
        MESSAGE(cases_ << " byte strings");
        for (const auto& [what, entry] : notes_) MESSAGE(what << " x" << entry.count << " e.g. " << entry.example);
        CHECK(notes_.empty());
    }

  private:
    struct Note {
        u64 count = 0;
        std::string example;
    };

    static bool is_undefined(ZydisMnemonic m) {
        return m == ZYDIS_MNEMONIC_UD0 || m == ZYDIS_MNEMONIC_UD1 || m == ZYDIS_MNEMONIC_UD2;
    }
    Verdict decode_ours(std::span<const u8> bytes, bool code32) const {
        Insn insn;
        const u32 bits = mode::protected_mode | (code32 ? mode::code32 | mode::stack32 : 0);
        if (decode(bytes, bits, model_->features, insn) != DecodeStatus::ok) return {};
        Op op{};
        if (!insn.row->select(insn, op)) return {};
        return {insn.row->info->mnemonic[0] != 'u' || insn.row->info->mnemonic[1] != 'd', insn.length};
    }
    static std::size_t opcode_at(std::span<const u8> bytes) {
        constexpr u8 prefixes[] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3};
        std::size_t i = 0;
        while (i < bytes.size() && std::find(std::begin(prefixes), std::end(prefixes), bytes[i]) != std::end(prefixes))
            ++i;
        return i;
    }
    /// True disagreements where only we accept.
    static bool known_to_us_only(std::span<const u8> bytes) {
        const std::size_t at = opcode_at(bytes);
        // Zydis takes 0F 1A and 0F 1B for MPX, which refuses some operands; without MPX they are reserved NOPs.
        if (bytes[at] == 0x0F && (bytes[at + 1] & 0xFE) == 0x1A) return true;
        return bytes[at] == 0xDB && bytes[at + 1] == 0xE5; // FRSTPM of the 80287XL, which later units ignore
    }
    void note(std::span<const u8> bytes, bool code32, const Verdict& ours, const std::string& theirs) {
        const std::size_t at = opcode_at(bytes);
        char text[80];
        std::snprintf(text, sizeof text, "%02x%s%02x", bytes[at], bytes[at] == 0x0F ? " " : " /",
                      bytes[at] == 0x0F ? bytes[at + 1] : bytes[at + 1] >> 3 & 7);
        Note& n = notes_[std::string(text) + (ours.valid ? " ours valid " : " ours invalid ")];
        if (n.count++) return;
        n.example = code32 ? "32-bit " : "16-bit ";
        for (std::size_t i = 0; i < at + 8 && i < bytes.size(); ++i) {
            std::snprintf(text, sizeof text, "%02x ", bytes[i]);
            n.example += text;
        }
        n.example += "ours " + std::to_string(ours.length) + " Zydis " + theirs;
    }

    const CpuModel* model_ = find_cpu_model("max");
    std::array<ZydisDecoder, 2> decoders_;
    std::map<std::string, Note> notes_;
    u64 cases_ = 0;
};

} // namespace

TEST_CASE("lengths and validity as Zydis has them") {
    Comparison comparison;
    Random random(1);
    constexpr u8 prefix_sets[][2] = {{0, 0}, {0x66, 0}, {0xF3, 0}, {0xF2, 0}, {0x67, 0}, {0xF0, 0}};
    for (const bool code32 : {false, true}) {
        for (const auto& prefixes : prefix_sets) {
            for (unsigned map = 0; map < 2; ++map) {
                for (unsigned pair = 0; pair < 0x10000; ++pair) {
                    std::array<u8, 24> bytes;
                    std::size_t n = 0;
                    if (prefixes[0]) bytes[n++] = prefixes[0];
                    if (map == 1) bytes[n++] = 0x0F;
                    bytes[n++] = static_cast<u8>(pair >> 8);
                    bytes[n++] = static_cast<u8>(pair);
                    while (n < bytes.size()) bytes[n++] = static_cast<u8>(random.next());
                    comparison.run(bytes, code32);
                }
            }
        }
    }
    for (unsigned i = 0; i < 300'000; ++i) {
        std::array<u8, 24> bytes;
        constexpr u8 prefixes[] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3};
        const std::size_t prefix_count = random.chance(40) ? random.below(16) : random.below(4);
        for (std::size_t n = 0; n < bytes.size(); ++n)
            bytes[n] = n < prefix_count ? prefixes[random.below(11)] : static_cast<u8>(random.next());
        if (random.chance(2)) bytes[prefix_count] = 0x0F;
        comparison.run(bytes, random.chance(2));
    }
    comparison.report();
}
