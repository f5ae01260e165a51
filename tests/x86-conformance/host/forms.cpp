#include "tests/x86-conformance/host/forms.hpp"

#include "cpu/decode/reference.hpp"
#include "tests/x86-conformance/host/encoding.hpp"

#include <algorithm>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

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
    {"sgdt", "shows the host's own tables, or what its kernel makes of UMIP"},
    {"sidt", "shows the host's own tables, or what its kernel makes of UMIP"},
    {"sldt", "shows the host's own tables, or what its kernel makes of UMIP"},
    {"str", "shows the host's own tables, or what its kernel makes of UMIP"},
    {"smsw", "shows the host's own CR0, or what its kernel makes of UMIP"},
};

std::vector<Shape> shapes_of(const Row& row) {
    std::vector<Shape> shapes;
    const bool modrm = has_modrm(row);
    const bool register_only = std::ranges::find(row.args, Arg::Rd) != row.args.end() ||
                               std::ranges::find(row.args, Arg::Rv) != row.args.end();
    for (const bool memory : {false, true}) {
        if (memory && (!modrm || register_only || row.at.mod == Mod::reg || row.at.rm_ >= 0)) continue;
        if (!memory && row.at.mod == Mod::memory) continue;
        for (const bool code32 : {true, false}) {
            for (const bool op_prefix : {false, true}) {
                if (op_prefix && row.at.mandatory != Mandatory::any) continue; // 66h makes it another row
                for (const bool addr_prefix : {false, true}) shapes.push_back({memory, op_prefix, addr_prefix, code32});
            }
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

const char* reason_left_out(const Row& row) {
    if (!find_cpu_model("max")->features.has(row.feature))
        return "the model that runs the suite has no such instruction";
    for (const LeftOut& l : left_out) {
        if (l.mnemonic == row.info->mnemonic) return l.reason;
    }
    return nullptr;
}

std::vector<RowForm> all_forms() {
    std::vector<RowForm> forms;
    for (const Row* row : all_rows()) {
        if (!reason_left_out(*row)) forms.push_back({row, form_name(*row), shapes_of(*row)});
    }
    return forms;
}

#if defined(__x86_64__)
const char* host_lacks(const Row& row) {
    u32 a = 0, b = 0, c = 0, d = 0;
    if (!__get_cpuid(1, &a, &b, &c, &d)) return nullptr;
    struct Bit {
        Feature feature;
        unsigned bit;
        const char* reason;
    };
    constexpr Bit bits[] = {
        {Feature::fpu, 0, "the host has no x87 unit"},  {Feature::tsc, 4, "the host has no RDTSC"},
        {Feature::cx8, 8, "the host has no CMPXCHG8B"}, {Feature::cmov, 15, "the host has no CMOV"},
        {Feature::fcmov, 15, "the host has no FCMOV"},  {Feature::clflush, 19, "the host has no CLFLUSH"},
        {Feature::mmx, 23, "the host has no MMX"},      {Feature::fxsr, 24, "the host has no FXSAVE"},
        {Feature::sse, 25, "the host has no SSE"},      {Feature::sse2, 26, "the host has no SSE2"}};
    for (const Bit& x : bits) {
        if (x.feature == row.feature && !(d >> x.bit & 1)) return x.reason;
    }
    return nullptr;
}
#else
const char* host_lacks(const Row&) { return "the host is no x86"; }
#endif

} // namespace glassbox::conformance::host
