#include "tests/x86-conformance/coverage/encodings.hpp"

#include <algorithm>
#include <initializer_list>

namespace glassbox::conformance {

namespace {

constexpr u32 flat = mode::flat_ds | mode::flat_es | mode::flat_ss;
constexpr u32 all_of_64 = mode::long64 | mode::protected_mode | mode::code32 | mode::stack32 | flat |
                          mode::big_cs; // as Cpu::update_mode has it

std::vector<u32> legacy_modes() {
    constexpr u32 parts[] = {mode::code32, mode::stack32, flat, mode::big_cs};
    std::vector<u32> modes;
    for (unsigned off = 0; off < 16; ++off) {
        u32 bits = mode::protected_mode;
        for (unsigned i = 0; i < 4; ++i) bits |= (off >> i & 1) ? 0 : parts[i];
        modes.push_back(bits);
    }
    modes.push_back(0);
    modes.push_back(all_of_64);
    return modes;
}
/// No VEX in real mode, and neither stacks nor branches among its instructions.
std::vector<u32> vex_modes() {
    constexpr u32 code32 = mode::protected_mode | mode::code32 | mode::stack32 | mode::big_cs;
    return {code32 | flat, code32, mode::protected_mode, all_of_64};
}

constexpr u8 repetitions[] = {0x00, 0xF3, 0xF2};
constexpr u8 addressing[] = {0x00, 0x67, 0x64, 0x65};
constexpr u8 extensions[] = {0x00, 0x48, 0x47, 0x4F};

struct Prefixes {
    bool opsize;
    u8 other; ///< 67, 64 or 65
    u8 rep, rex;
};

/// Whether the row can be meant with these, and differently than without them.
bool worth_trying(const Row& row, const Prefixes& p) {
    const bool wide = (p.rex & 8) != 0;
    if (row.at.w_ >= 0 && (row.at.w_ != 0) != wide) return false;
    if ((row.attributes & attr::rex_b) && !(p.rex & 1)) return false;
    switch (row.at.mandatory) {
    case Mandatory::any: break;
    case Mandatory::none: return !p.opsize && !p.rep;
    case Mandatory::p66: return p.opsize && !p.rep;
    case Mandatory::pF3: return p.rep == 0xF3;
    case Mandatory::pF2: return p.rep == 0xF2;
    case Mandatory::no_rep: return !p.rep;
    }
    if (wide && p.opsize) return false; // REX.W has its way
    // The 8086's repetition prefixes also change the sign of products and quotients.
    return !p.rep || (row.attributes & attr::string) || row.feature == Feature::only_8086;
}

class Builder {
  public:
    void put(unsigned byte) { code_.bytes[code_.count++] = static_cast<u8>(byte); }
    void put_some(u8 byte) {
        if (byte) put(byte);
    }
    OpcodeBytes done(bool extended) {
        code_.extended = extended;
        return code_;
    }

  private:
    OpcodeBytes code_;
};

OpcodeBytes legacy_opcode(const Row& row, const Prefixes& p) {
    Builder code;
    if (p.opsize) code.put(0x66);
    code.put_some(p.other);
    code.put_some(p.rep);
    code.put_some(p.rex);
    if (row.at.map >= 1) code.put(0x0F);
    if (row.at.map == 2) code.put(0x38);
    if (row.at.map == 3) code.put(0x3A);
    code.put(row.at.map == 4 ? 0x0F : row.at.opcode); // 3DNow! has its opcode last: put_together
    return code.done(p.rex != 0);
}

std::vector<OpcodeBytes> legacy_opcodes(const Row& row, bool code64, bool wide) {
    std::vector<OpcodeBytes> list;
    for (const u8 rex : extensions) {
        if (rex && !code64) continue;
        for (const u8 rep : repetitions) {
            for (const u8 other : addressing) {
                if (other >= 0x64 && other <= 0x65 && !code64) continue; // elsewhere flat or not is what matters
                for (const bool opsize : {false, true}) {
                    if (!wide && (opsize || other)) continue;
                    const Prefixes p{opsize, other, rep, rex};
                    if (worth_trying(row, p)) list.push_back(legacy_opcode(row, p));
                }
            }
        }
    }
    return list;
}

/// `rxb`: the extension bits as REX has them; `vvvv`: the register.
OpcodeBytes vex_opcode(const Row& row, u8 other, unsigned l, unsigned w, unsigned rxb, unsigned vvvv) {
    static constexpr u8 prefixes[] = {0, 0, 1, 2, 3, 0}; // by Mandatory
    const unsigned last = (~vvvv & 15u) << 3 | l << 2 | prefixes[static_cast<u8>(row.at.mandatory)];
    Builder code;
    code.put_some(other);
    if (row.at.map == 1 && !w && !(rxb & 3)) {
        code.put(0xC5);
        code.put((~rxb & 4u) << 5 | last);
    } else {
        code.put(0xC4);
        code.put((~rxb & 7u) << 5 | row.at.map);
        code.put(w << 7 | last);
    }
    code.put(row.at.opcode);
    return code.done(rxb != 0);
}

std::vector<OpcodeBytes> vex_opcodes(const Row& row, bool code64) {
    std::vector<OpcodeBytes> list;
    const auto either = [](i8 demanded, unsigned value) {
        return demanded < 0 || static_cast<unsigned>(demanded) == value;
    };
    const bool free_vvvv = !(row.attributes & attr::vex_no_vvvv);
    for (unsigned n = 0; n < 32; ++n) {
        const unsigned l = n & 1, w = n >> 1 & 1, rxb = (n >> 2 & 1) * 7;
        const unsigned vvvv = (n >> 3 & 1) * (code64 ? 11u : 3u) | (n >> 4 & 1) * 4u;
        if (!either(row.at.l_, l) || !either(row.at.w_, w) || (rxb && !code64) || (vvvv && !free_vvvv)) continue;
        for (const u8 other : addressing) {
            if (other >= 0x64 && other <= 0x65 && !code64) continue;
            list.push_back(vex_opcode(row, other, l, w, rxb, vvvv));
        }
    }
    return list;
}

/// Registers in all combinations; memory by base alone, by base and index, by displacement alone (in 64-bit mode
/// counted from the next instruction).
std::vector<OperandBytes> all_operands() {
    std::vector<OperandBytes> list;
    for (unsigned reg = 0; reg < 8; ++reg) {
        const bool plain = reg == 0 || reg == 3 || reg == 5;
        const auto add = [&](unsigned mod, unsigned rm, std::initializer_list<u8> more = {}) {
            OperandBytes o;
            o.plain = plain;
            o.bytes[o.count++] = static_cast<u8>(mod << 6 | reg << 3 | rm);
            for (const u8 byte : more) o.bytes[o.count++] = byte;
            list.push_back(o);
        };
        add(1, 3);
        add(0, 4, {0x8B}); // [ebx+ecx*4]
        add(0, 5, {0x00, 0x30, 0x00, 0x00});
        for (const unsigned rm : {3u, 1u, 2u, 0u, 4u, 5u, 6u, 7u}) add(3, rm);
    }
    return list;
}

} // namespace

const std::vector<u32>& modes_of(const Row& row) {
    static const std::vector<u32> legacy = legacy_modes(), vex = vex_modes();
    return row.at.encoding == Encoding::vex ? vex : legacy;
}

std::vector<OpcodeBytes> opcodes_of(const Row& row, u32 mode_bits, bool wide) {
    const bool code64 = (mode_bits & mode::long64) != 0;
    return row.at.encoding == Encoding::vex ? vex_opcodes(row, code64) : legacy_opcodes(row, code64, wide);
}

std::vector<OperandBytes> operands_for(const Row& row) {
    static const std::vector<OperandBytes> all = all_operands();
    std::vector<OperandBytes> list;
    for (OperandBytes o : all) {
        const u8 modrm = o.bytes[0];
        const bool memory = modrm < 0xC0;
        if (row.at.digit_ >= 0 && ((modrm >> 3) & 7) != row.at.digit_) continue;
        if (row.at.rm_ >= 0 && (modrm & 7) != row.at.rm_) continue;
        if (row.at.mod == (memory ? Mod::reg : Mod::memory)) continue;
        o.plain = o.plain || row.at.digit_ >= 0;
        list.push_back(o);
    }
    return list;
}

EncodingBytes put_together(const Row& row, const OpcodeBytes& opcode, const OperandBytes& operand, u8 rest) {
    EncodingBytes bytes;
    bytes.fill(row.at.map == 4 ? row.at.opcode : rest);
    const bool offset =
        row.args[0] == Arg::Ob || row.args[0] == Arg::Ov || row.args[1] == Arg::Ob || row.args[1] == Arg::Ov;
    auto at = std::copy_n(opcode.bytes.begin(), opcode.count, bytes.begin());
    if (!offset) {
        std::copy_n(operand.bytes.begin(), operand.count, at);
    } else { // MOV with an offset that there is, however wide
        std::fill(at, bytes.end(), u8{0});
        at[1] = 0x30;
    }
    return bytes;
}

} // namespace glassbox::conformance
