// Bytes that cannot be fetched or are no instruction (SDM 3A 6.15, interrupt 6; SDM 2A 2.1-2.4).
#include "cpu/decode/decoder.hpp"
#include "cpu/models/feature_table.hpp"
#include "debugger/explain/rules.hpp"
#include "debugger/hex.hpp"

namespace glassbox::explain {

namespace {
constexpr const char* unfetchable = "the instruction cannot be fetched";
} // namespace

Verdict rule_fetch(Story& story, const Moment& m, const Decoded& d) {
    const Segment& cs = m.seg[CS];
    if (!m.code64() && !m.has(Feature::only_8086)) {
        if (m.ip > cs.limit) {
            story.say("EIP = " + h(m.ip, 8) + " is beyond the limit of CS, " + h(cs.limit, 8), "3A 5.3");
            return refuse(story, deny(Exception::GP, 0, "the instruction pointer is beyond the code segment's limit",
                                      unfetchable));
        }
        if (d.length != 0 && m.ip + d.length - 1 > cs.limit) {
            story.say("The instruction begins at " + h(m.ip, 8) + " within CS's limit, " + h(cs.limit, 8) +
                          ", and ends beyond it",
                      "3A 5.3");
            return refuse(
                story, deny(Exception::GP, 0, "the instruction extends beyond the code segment's limit", unfetchable));
        }
    }
    const u64 linear = m.code_linear(m.ip);
    if (m.long_mode() && !m.canonical(linear)) {
        story.say("RIP = " + h(linear, 16) + " is not canonical", "1 3.3.7.1");
        return refuse(story, deny(Exception::GP, 0, "the address is not canonical", unfetchable));
    }
    const unsigned length = d.valid ? d.length : 1;
    if (Verdict v = tell_pages(story, m, linear, length, {.access = Access::fetch}, true)) return v;
    if (d.valid || d.readable >= 15) return {};
    // Its bytes end where a page does: the next one is needed.
    if (m.long_mode() && !m.canonical(linear + d.readable)) {
        story.say("The instruction goes on at " + h(linear + d.readable, 16) + ", which is not canonical", "1 3.3.7.1");
        return refuse(story, deny(Exception::GP, 0, "the address is not canonical", unfetchable));
    }
    return tell_pages(story, m, linear, d.readable + 1, {.access = Access::fetch}, true);
}

namespace {

FeatureSet everything() {
    FeatureSet all;
    for (unsigned i = 0; i < static_cast<unsigned>(Feature::count); ++i) {
        const auto f = static_cast<Feature>(i);
        if (f != Feature::only_8086 && f != Feature::only_286 && f != Feature::only_386) all.add(f);
    }
    return all;
}

std::string cpuid_place(const FeatureRow& row) {
    static constexpr const char* words[] = {"",
                                            "CPUID.1:EDX",
                                            "CPUID.1:ECX",
                                            "CPUID.6:EAX",
                                            "CPUID.7.0:EBX",
                                            "CPUID.7.0:ECX",
                                            "CPUID.7.0:EDX",
                                            "CPUID.0Dh.1:EAX",
                                            "CPUID.80000001h:EDX",
                                            "CPUID.80000001h:ECX",
                                            "CPUID.80000007h:EDX",
                                            "CPUID.80000008h:EBX",
                                            "CPUID.80000021h:EAX"};
    if (row.word == CpuidWord::none) return {};
    return std::string(", ") + words[static_cast<u8>(row.word)] + "[" + std::to_string(row.bit) + "]";
}

/// What the bytes would be with every feature, another mode, or no LOCK.
void tell_invalid(Story& story, const Moment& m, const Decoded& d) {
    const auto bytes = std::span(d.bytes).first(d.readable);
    const std::string shown = hex_bytes(bytes.first(std::min<std::size_t>(bytes.size(), d.valid ? d.length : 6)), true);
    Insn insn;
    if (decode(bytes, m.mode, everything(), insn) == DecodeStatus::ok && insn.row) {
        const FeatureRow& row = feature_row(insn.row->feature);
        story.say("The bytes " + shown + " are " + (d.valid ? d.text : std::string(insn.row->info->mnemonic)) +
                      ", which needs the feature '" + std::string(row.name) + "'" + cpuid_place(row) +
                      "; the processor model '" + m.cpu->model->name + "' does not have it",
                  "2A 3.3, CPUID");
        return;
    }
    if (d.valid && (d.insn.attributes & ZYDIS_ATTRIB_HAS_LOCK) == 0 && bytes[0] == 0xF0) {
        story.say("LOCK may stand in front of instructions that read, change and write memory, and of no others",
                  "2A LOCK");
        return;
    }
    if (!bytes.empty() && bytes[0] == 0xF0) {
        Insn without;
        if (decode(bytes.subspan(1), m.mode, m.cpu->model->features, without) == DecodeStatus::ok) {
            story.say("LOCK (F0) stands in front of an instruction that does not take it, or whose destination is a "
                      "register",
                      "2A LOCK");
            return;
        }
    }
    const bool vex = !bytes.empty() && (bytes[0] == 0xC4 || bytes[0] == 0xC5);
    if (vex && (m.code64() || (bytes.size() > 1 && bytes[1] >= 0xC0))) {
        story.say("The bytes " + shown +
                      " have a VEX prefix; its fields (vvvv, L, W, the opcode map) do not suit the " +
                      "opcode, or it stands behind 66, F2, F3, LOCK or REX, or this is real or virtual-8086 mode",
                  "2A 2.3");
        return;
    }
    if (m.code64()) {
        const u32 legacy = (m.mode & ~(mode::long64)) | mode::code32 | mode::protected_mode;
        if (decode(bytes, legacy, m.cpu->model->features, insn) == DecodeStatus::ok) {
            story.say("The bytes " + shown + " are an instruction (" + std::string(insn.row->info->mnemonic) +
                          ") outside 64-bit mode, but not in it",
                      "2A 2.2.1");
            return;
        }
    }
    if (m.real_mode() || m.v86()) {
        const u32 prot = (m.mode & ~mode::v86) | mode::protected_mode;
        if (decode(bytes, prot, m.cpu->model->features, insn) == DecodeStatus::ok) {
            story.say("The bytes " + shown + " are " + std::string(insn.row->info->mnemonic) +
                          " in protected mode, but no instruction in " + m.mode_words(),
                      "3B 20.1.2");
            return;
        }
    }
    story.say("The bytes " + shown + " are no instruction" +
                  (d.valid ? " that this processor knows (a disassembler calls them " + d.text + ")" : ""),
              "2D appendix A");
}

} // namespace

Verdict rule_opcode(Story& story, const Moment& m, const Decoded& d) {
    if (d.readable == 0) {
        story.say("The instruction lies where there is no plain memory; what the processor has read there, a debugger "
                  "cannot read without touching a device",
                  "2D appendix A");
        return refuse(story,
                      deny(Exception::UD, "not an instruction of this processor model", "it cannot be executed"));
    }
    if (d.is({ZYDIS_MNEMONIC_RSM})) {
        story.say("RSM exists in system-management mode alone, and this is not it", "2B RSM");
        return refuse(story, deny(Exception::UD, "undefined instruction", "it cannot be executed"));
    }
    if (d.is({ZYDIS_MNEMONIC_UD0, ZYDIS_MNEMONIC_UD1, ZYDIS_MNEMONIC_UD2})) {
        story.say("The instruction is there to raise this exception; compilers place it where execution must not come",
                  "2B UD");
        Insn known;
        const bool has_row =
            decode(std::span(d.bytes).first(d.readable), m.mode, m.cpu->model->features, known) == DecodeStatus::ok;
        return refuse(story, deny(Exception::UD,
                                  has_row ? "undefined instruction" : "not an instruction of this processor model",
                                  "the program has asked for it"));
    }
    Insn insn;
    switch (decode(std::span(d.bytes).first(d.readable), m.mode, m.cpu->model->features, insn)) {
    case DecodeStatus::too_long:
        story.say("With its prefixes the instruction is longer than " +
                      std::to_string(max_length(m.cpu->model->features)) + " bytes",
                  "2A 2.3.11");
        return refuse(story, deny(Exception::GP, 0, "the instruction is longer than 15 bytes", unfetchable));
    case DecodeStatus::invalid: break;
    case DecodeStatus::ok: {
        Op op{};
        if (insn.row->select(insn, op)) return {};
        break;
    }
    default: return {};
    }
    tell_invalid(story, m, d);
    const u64 at = m.code_linear(m.ip);
    story.cite("the code at " + m.address(at), m.physical(at), std::min(d.readable, 8u));
    return refuse(story, deny(Exception::UD, "not an instruction of this processor model", "it cannot be executed"));
}

} // namespace glassbox::explain
