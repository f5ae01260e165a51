#include "tests/x86-conformance/host/forms.hpp"

#include "cpu/decode/reference.hpp"
#include <algorithm>
#include <string_view>

namespace glassbox::conformance::host {

namespace {

struct LeftOut {
    std::string_view mnemonic;
    const char* reason;
};
/// Every row of these mnemonics. tests/unit/cpu has a test of each.
constexpr LeftOut left_out[] = {
    {"cpuid", "answers for the host's model, not for ours"},
    {"sysenter", "enters the host's kernel"},
    {"syscall", "enters the host's kernel"},
    {"vmcall", "calls the host's hypervisor"},
    {"vmmcall", "calls the host's hypervisor"},
    {"xgetbv", "shows which components the host's kernel has enabled"},
    {"sgdt", "shows the host's own tables, or what its kernel makes of UMIP"},
    {"sidt", "shows the host's own tables, or what its kernel makes of UMIP"},
    {"sldt", "shows the host's own tables, or what its kernel makes of UMIP"},
    {"str", "shows the host's own tables, or what its kernel makes of UMIP"},
    {"smsw", "shows the host's own CR0, or what its kernel makes of UMIP"},
};

/// One-byte opcodes that 64-bit mode has given to others: REX, EVEX, MOVSXD, VEX.
bool reassigned_in_64(const Row& row) {
    if (row.at.map != 0 || !(row.attributes & attr::not_in_64)) return false;
    const unsigned o = row.at.opcode;
    return (o >= 0x40 && o <= 0x4F) || o == 0x62 || o == 0x63 || o == 0xC4 || o == 0xC5;
}

/// Whether `other` takes every encoding of `row` in this kind of code.
bool covers(const Row& other, const Row& row, bool code64) {
    const auto fits = [](auto wide, auto narrow, auto any) { return wide == any || wide == narrow; };
    if (other.attributes & ((code64 ? attr::not_in_64 : attr::only_64) | attr::rex_b)) return false;
    return fits(other.at.digit_, row.at.digit_, i8{-1}) && fits(other.at.rm_, row.at.rm_, i8{-1}) &&
           fits(other.at.l_, row.at.l_, i8{-1}) && fits(other.at.w_, row.at.w_, i8{-1}) &&
           fits(other.at.mod, row.at.mod, Mod::any) && fits(other.at.mandatory, row.at.mandatory, Mandatory::any);
}
bool hidden(const Row& row, bool code64) {
    const FeatureSet& features = find_cpu_model("max")->features;
    for (const Row* other : rows_at(row.at.encoding, row.at.map, row.at.opcode)) {
        if (other == &row && !(code64 && (row.attributes & attr::not_in_64))) return false;
        if (other != &row && features.has(other->feature) && covers(*other, row, code64)) return true;
    }
    return false;
}

std::vector<bool> choices(i8 fixed, bool free = true) {
    if (fixed >= 0) return {fixed != 0};
    return free ? std::vector<bool>{false, true} : std::vector<bool>{false};
}

/// The shapes that differ in prefixes, for one kind of code and operand.
void add_shapes(const Row& row, Shape shape, std::vector<Shape>& out) {
    const bool vex = is_vex(row);
    const bool no_66 = vex || row.at.mandatory != Mandatory::any; // 66h makes it another row
    for (const bool op_prefix : choices(no_66 && row.at.mandatory != Mandatory::no_rep ? 0 : -1)) {
        for (const bool w : choices(row.at.w_, vex || shape.code64)) {
            for (const bool l : choices(row.at.l_, vex)) {
                for (const bool addr_prefix : {false, true}) {
                    shape.op_prefix = op_prefix;
                    shape.addr_prefix = addr_prefix;
                    shape.w = w;
                    shape.wide_vector = l;
                    out.push_back(shape);
                }
            }
        }
    }
}

std::vector<Shape> shapes_of(const Row& row, bool code64) {
    std::vector<Shape> shapes;
    const bool modrm = has_modrm(row);
    const auto has = [&](Arg a) { return std::ranges::find(row.args, a) != row.args.end(); };
    const bool register_only = has(Arg::Rd) || has(Arg::Rv) || has(Arg::Rn) || has(Arg::Cy) || has(Arg::Dy);
    for (const bool memory : {false, true}) {
        if (memory && (!modrm || register_only || row.at.mod == Mod::reg || row.at.rm_ >= 0)) continue;
        if (!memory && row.at.mod == Mod::memory) continue;
        for (const bool code32 : {true, false}) {
            if (code64 && !code32) continue;
            Shape shape;
            shape.memory = memory;
            shape.code32 = code32;
            shape.code64 = code64;
            add_shapes(row, shape, shapes);
        }
    }
    return shapes;
}

} // namespace

std::string form_name(const Row& row) {
    std::string operands, encoding;
    for (const char c : operands_of(row)) {
        if (c != ' ') operands += c;
    }
    for (const char c : encoding_of(row)) {
        if (c != ' ') encoding += c;
    }
    return std::string(row.info->mnemonic) + (operands.empty() ? "" : "." + operands) + "@" + encoding;
}

const char* reason_left_out(const Row& row, bool code64) {
    if (code64 && reassigned_in_64(row)) return "64-bit mode gives these bytes another meaning";
    if (!code64 && (row.attributes & attr::only_64)) return "outside 64-bit mode these bytes have another meaning";
    if (!code64 && !is_vex(row) && row.at.w_ == 1) return "REX exists in 64-bit mode only";
    if (!find_cpu_model("max")->features.has(row.feature))
        return "the model that runs the suite has no such instruction";
    if (hidden(row, code64)) return "another row has these bytes on the model that runs the suite";
    for (const LeftOut& l : left_out) {
        if (l.mnemonic == row.info->mnemonic) return l.reason;
    }
    return nullptr;
}

std::vector<RowForm> all_forms() {
    std::vector<RowForm> forms;
    for (const bool code64 : {false, true}) {
        for (const Row* row : all_rows()) {
            if (reason_left_out(*row, code64)) continue;
            forms.push_back({row, (code64 ? "64/" : "") + form_name(*row), code64, shapes_of(*row, code64)});
        }
    }
    return forms;
}

} // namespace glassbox::conformance::host
