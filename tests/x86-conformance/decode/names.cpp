#include "tests/x86-conformance/decode/names.hpp"

#include <string>

namespace glassbox::conformance {

namespace {

/// Names that differ whatever the sizes.
struct Other {
    const char *ours, *zydis;
};
constexpr Other others[] = {
    {"retf", "ret"},           {"wait", "fwait"},           {"xlatb", "xlat"},
    {"fneni", "feni8087_nop"}, {"fndisi", "fdisi8087_nop"}, {"fnsetpm", "fsetpm287_nop"},
    {"pfrcpit1", "pfcpit1"},   {"pfrsqrt", "pfsqrt"}, // as Zydis has it; AMD's manual has ours
};

/// One name of ours, three of Zydis's: by operand size 16, 32 and 64.
struct BySize {
    const char* ours;
    const char* zydis[3];
};
constexpr BySize by_operand_size[] = {
    {"cbw", {"cbw", "cwde", "cdqe"}},         {"cwd", {"cwd", "cdq", "cqo"}},
    {"pusha", {"pusha", "pushad", ""}},       {"popa", {"popa", "popad", ""}},
    {"pushf", {"pushf", "pushfd", "pushfq"}}, {"popf", {"popf", "popfd", "popfq"}},
    {"iret", {"iret", "iretd", "iretq"}},
};
constexpr BySize by_address_size[] = {{"jcxz", {"jcxz", "jecxz", "jrcxz"}}};

bool is_string(const Row& row, bool& byte) {
    byte = false;
    bool found = false;
    for (const Arg a : row.args) {
        byte = byte || a == Arg::Xb || a == Arg::Yb;
        found = found || a == Arg::Xb || a == Arg::Yb || a == Arg::Xv || a == Arg::Yv;
    }
    return found;
}

/// PREFETCHh and the PREFETCHW group have a name for every ModRM.reg.
std::string prefetch_name(const Row& row) {
    constexpr const char* hints[] = {"prefetchnta", "prefetcht0", "prefetcht1", "prefetcht2"};
    const auto digit = static_cast<u8>(row.at.digit_);
    return digit < std::size(hints) ? hints[digit] : "nop";
}

/// `operand` and `address`: 0, 1 and 2 for 16, 32 and 64 bits.
std::string zydis_name(const Row& row, unsigned operand, unsigned address) {
    std::string ours = row.info->mnemonic;
    bool byte = false;
    if (is_string(row, byte)) return ours + (byte ? 'b' : "wdq"[operand]);
    for (const BySize& name : by_operand_size) {
        if (ours == name.ours) return name.zydis[operand];
    }
    for (const BySize& name : by_address_size) {
        if (ours == name.ours) return name.zydis[address];
    }
    for (const Other& name : others) {
        if (ours == name.ours) return name.zydis;
    }
    if (ours == "prefetch" && row.at.opcode == 0x18) return prefetch_name(row);
    if (ours == "fstp" && row.at.opcode == 0xD9 && row.at.mod == Mod::reg) return "fstpnce";
    return ours;
}

} // namespace

Names::Names() {
    std::unordered_map<std::string, ZydisMnemonic> dictionary;
    for (int i = 1; i <= ZYDIS_MNEMONIC_MAX_VALUE; ++i) {
        const auto mnemonic = static_cast<ZydisMnemonic>(i);
        dictionary[ZydisMnemonicGetString(mnemonic)] = mnemonic;
    }
    for (const Row* row : all_rows()) {
        auto& names = rows_[row];
        for (unsigned i = 0; i < names.size(); ++i) {
            const auto found = dictionary.find(zydis_name(*row, i % 3, i / 3));
            names[i] = found == dictionary.end() ? ZYDIS_MNEMONIC_INVALID : found->second;
        }
    }
}

} // namespace glassbox::conformance
