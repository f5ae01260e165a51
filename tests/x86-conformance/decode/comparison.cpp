// Both decoders know what the model has: of Zydis's later meanings of old encodings (MPX, CET, LZCNT, TZCNT, WBNOINVD,
// CLDEMOTE) those are on that the model has. An instruction that the model lacks must be
// invalid for ours; that Zydis knows it is agreement.
#include "tests/x86-conformance/decode/comparison.hpp"

#include "tests/x86-conformance/decode/disagreements.hpp"
#include "tests/x86-conformance/decode/isa_sets.hpp"

#include <algorithm>

namespace glassbox::conformance {

namespace {

ZydisDecoder zydis_decoder(DecodeMode mode, const FeatureSet& features) {
    ZydisDecoder decoder;
    switch (mode) {
    case DecodeMode::real16: ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_REAL_16, ZYDIS_STACK_WIDTH_16); break;
    case DecodeMode::protected16: ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16); break;
    case DecodeMode::protected32: ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32); break;
    case DecodeMode::long64: ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64); break;
    }
    const auto enable = [&](ZydisDecoderMode later, bool on) { ZydisDecoderEnableMode(&decoder, later, on); };
    enable(ZYDIS_DECODER_MODE_MPX, false);
    enable(ZYDIS_DECODER_MODE_CET, false);
    enable(ZYDIS_DECODER_MODE_CLDEMOTE, false);
    enable(ZYDIS_DECODER_MODE_LZCNT, features.has(Feature::lzcnt));
    enable(ZYDIS_DECODER_MODE_TZCNT, features.has(Feature::bmi1));
    enable(ZYDIS_DECODER_MODE_WBNOINVD, features.has(Feature::wbnoinvd));
    return decoder;
}

u32 bits_for(DecodeMode m) {
    switch (m) {
    case DecodeMode::real16: return 0;
    case DecodeMode::protected16: return mode::protected_mode;
    case DecodeMode::protected32: return mode::protected_mode | mode::code32 | mode::stack32;
    case DecodeMode::long64: break;
    }
    return mode::protected_mode | mode::code32 | mode::stack32 | mode::flat_ds | mode::flat_es | mode::flat_ss |
           mode::big_cs | mode::long64;
}

/// The invalid opcodes that have names.
bool is_undefined(ZydisMnemonic m) {
    return m == ZYDIS_MNEMONIC_UD0 || m == ZYDIS_MNEMONIC_UD1 || m == ZYDIS_MNEMONIC_UD2;
}

enum class Repeat : u8 { none, rep, repe, repne };
const char* name_of(Repeat r) {
    constexpr const char* names[] = {"none", "rep", "repe", "repne"};
    return names[static_cast<unsigned>(r)];
}
Repeat repeat_of(const Insn& insn) {
    if (!insn.rep || !(insn.row->attributes & attr::string)) return Repeat::none;
    if (!(insn.row->attributes & attr::repeats)) return Repeat::rep;
    return insn.rep == 0xF3 ? Repeat::repe : Repeat::repne;
}
Repeat repeat_of(const ZydisDecodedInstruction& instruction) {
    if (instruction.attributes & ZYDIS_ATTRIB_HAS_REP) return Repeat::rep;
    if (instruction.attributes & ZYDIS_ATTRIB_HAS_REPE) return Repeat::repe;
    if (!(instruction.attributes & ZYDIS_ATTRIB_HAS_REPNE)) return Repeat::none;
    // F2 repeats those that have no REPNE form as F3 does.
    return instruction.attributes & ZYDIS_ATTRIB_ACCEPTS_REPE ? Repeat::repne : Repeat::rep;
}

void note(std::vector<Difference>* list, const char* field, std::string expected, std::string got) {
    if (list) list->push_back({field, std::move(expected), std::move(got)});
}

} // namespace

Encoded encoded(std::span<const u8> bytes, DecodeMode mode) {
    Encoded e;
    std::size_t i = 0;
    const auto next = [&] { return i < bytes.size() ? bytes[i++] : u8{0}; };
    constexpr u8 prefixes[] = {0x26, 0x2E, 0x36, 0x3E, 0x64, 0x65, 0x66, 0x67, 0xF0, 0xF2, 0xF3};
    do e.opcode = next();
    while (i < bytes.size() && (std::ranges::find(prefixes, e.opcode) != std::end(prefixes) ||
                                (mode == DecodeMode::long64 && (e.opcode & 0xF0) == 0x40)));
    if (e.opcode == 0x0F) {
        e.opcode = next();
        e.map = e.opcode == 0x38 ? 2 : e.opcode == 0x3A ? 3 : 1;
        if (e.map > 1) e.opcode = next();
    }
    e.modrm = next();
    return e;
}

unsigned code_bits(DecodeMode mode) {
    return mode == DecodeMode::long64 ? 64 : mode == DecodeMode::protected32 ? 32 : 16;
}

Comparison::Comparison(DecodeMode mode, const CpuModel& model)
    : model_(model), mode_bits_(bits_for(mode)), decoder_(zydis_decoder(mode, model.features)) {
    decoded_.mode = mode;
    decoded_.features = &model.features;
}

Verdict Comparison::compare(std::span<const u8> bytes) {
    Decoded& d = decoded_;
    d.bytes = bytes;
    d.status = decode(bytes, mode_bits_, model_.features, d.insn);
    Op op{};
    d.valid = d.status == DecodeStatus::ok && d.insn.row->select(d.insn, op) != nullptr;
    d.zydis_status = ZydisDecoderDecodeFull(&decoder_, bytes.data(), bytes.size(), &d.zydis, d.zydis_operands.data());
    d.zydis_valid = ZYAN_SUCCESS(d.zydis_status);
    if (same(nullptr)) return {.same = true};
    return {.by = find_disagreement(d)};
}

bool Comparison::same(std::vector<Difference>* differences) const {
    const Decoded& d = decoded_;
    if (!d.valid && !d.zydis_valid) {
        // More than 15 bytes is #GP, not #UD.
        const bool long_here = d.status == DecodeStatus::too_long;
        const bool long_there = d.zydis_status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG;
        if (long_here == long_there) return true;
        note(differences, "more than 15 bytes", long_there ? "yes" : "no", long_here ? "yes" : "no");
        return false;
    }
    if (!d.valid) {
        if (is_undefined(d.zydis.mnemonic) || !model_has(model_.features, d.zydis.meta.isa_set)) return true;
        note(differences, "validity", "valid", d.status == DecodeStatus::too_long ? "too long" : "invalid");
        return false;
    }
    if (!d.zydis_valid) {
        note(differences, "validity", "invalid", "valid");
        return false;
    }
    const Insn& insn = d.insn;
    bool same = true;
    const auto number = [&](const char* field, unsigned expected, unsigned got) {
        if (expected == got) return;
        note(differences, field, std::to_string(expected), std::to_string(got));
        same = false;
    };
    number("length", d.zydis.length, insn.length);
    number("address size", d.zydis.address_width, 8u * insn.addrsize);
    number("lock", (d.zydis.attributes & ZYDIS_ATTRIB_HAS_LOCK) != 0, insn.lock);
    if (!(insn.row->attributes & (attr::opsize_fixed | attr::at_most_32)) && d.zydis.operand_width != 8)
        number("operand size", d.zydis.operand_width, 8u * insn.opsize);
    if (const Repeat expected = repeat_of(d.zydis), got = repeat_of(insn); expected != got) {
        note(differences, "repetition", name_of(expected), name_of(got));
        same = false;
    }
    if (const ZydisMnemonic name = names_.of(insn); name != d.zydis.mnemonic) {
        note(differences, "mnemonic", ZydisMnemonicGetString(d.zydis.mnemonic), insn.row->info->mnemonic);
        same = false;
    }
    if (!same && !differences) return false;
    return operands_.same(insn, d.zydis, d.operands(), differences) && same;
}

bool Comparison::asks_for_more(std::span<const u8> bytes, unsigned length) const {
    if (!decoded_.valid || length >= decoded_.insn.length) return true;
    Insn insn;
    return decode(bytes.first(length), mode_bits_, model_.features, insn) == DecodeStatus::need_more;
}

std::string Comparison::zydis_text() const {
    if (!decoded_.zydis_valid)
        return decoded_.zydis_status == ZYDIS_STATUS_INSTRUCTION_TOO_LONG ? "more than 15 bytes" : "not an instruction";
    ZydisFormatter formatter;
    ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
    std::array<char, 160> text{};
    ZydisFormatterFormatInstruction(&formatter, &decoded_.zydis, decoded_.zydis_operands.data(),
                                    decoded_.zydis.operand_count_visible, text.data(), text.size(), 0, nullptr);
    return std::string(text.data()) + ", " + std::to_string(decoded_.zydis.length) + " bytes";
}

std::vector<Difference> Comparison::differences() const {
    std::vector<Difference> list;
    same(&list);
    return list;
}

} // namespace glassbox::conformance
