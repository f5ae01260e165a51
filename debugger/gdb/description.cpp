// The target description (gdb manual, appendix G): what architecture, which registers, and how their bits are called.
#include "cpu/features.hpp"
#include "debugger/gdb/registers.hpp"

#include <span>

namespace glassbox::gdb {

namespace {

struct Bit {
    std::string_view name;
    unsigned first, last;
    constexpr Bit(std::string_view n, unsigned at) : name(n), first(at), last(at) {}
    constexpr Bit(std::string_view n, unsigned from, unsigned to) : name(n), first(from), last(to) {}
};

constexpr Bit eflags_bits[] = {{"CF", 0},  {"PF", 2},  {"AF", 4},   {"ZF", 6},        {"SF", 7},  {"TF", 8},
                               {"IF", 9},  {"DF", 10}, {"OF", 11},  {"IOPL", 12, 13}, {"NT", 14}, {"RF", 16},
                               {"VM", 17}, {"AC", 18}, {"VIF", 19}, {"VIP", 20},      {"ID", 21}};
constexpr Bit mxcsr_bits[] = {{"IE", 0},  {"DE", 1},  {"ZE", 2},  {"OE", 3},      {"UE", 4},
                              {"PE", 5},  {"DAZ", 6}, {"IM", 7},  {"DM", 8},      {"ZM", 9},
                              {"OM", 10}, {"UM", 11}, {"PM", 12}, {"RC", 13, 14}, {"FZ", 15}};
constexpr Bit cr0_bits[] = {{"PE", 0},  {"MP", 1},  {"EM", 2},  {"TS", 3},  {"ET", 4}, {"NE", 5},
                            {"WP", 16}, {"AM", 18}, {"NW", 29}, {"CD", 30}, {"PG", 31}};
constexpr Bit cr4_bits[] = {{"VME", 0},         {"PVI", 1},   {"TSD", 2},   {"DE", 3},        {"PSE", 4},
                            {"PAE", 5},         {"MCE", 6},   {"PGE", 7},   {"PCE", 8},       {"OSFXSR", 9},
                            {"OSXMMEXCPT", 10}, {"UMIP", 11}, {"LA57", 12}, {"FSGSBASE", 16}, {"PCIDE", 17},
                            {"OSXSAVE", 18},    {"SMEP", 20}, {"SMAP", 21}, {"PKE", 22}};
constexpr Bit efer_bits[] = {{"SCE", 0}, {"LME", 8}, {"LMA", 10}, {"NXE", 11}, {"SVME", 12}, {"FFXSR", 14}};

std::string flags(std::string_view id, unsigned size, std::span<const Bit> bits) {
    std::string out = "    <flags id=\"" + std::string(id) + "\" size=\"" + std::to_string(size) + "\">\n";
    for (const Bit& bit : bits) {
        out += "      <field name=\"" + std::string(bit.name) + "\" start=\"" + std::to_string(bit.first) +
               "\" end=\"" + std::to_string(bit.last) + "\"" +
               (bit.first == bit.last ? " type=\"bool\"" : " type=\"uint32\"") + "/>\n";
    }
    return out + "    </flags>\n";
}

std::string vector_type(std::string_view id, std::string_view of, unsigned count) {
    return "    <vector id=\"" + std::string(id) + "\" type=\"" + std::string(of) + "\" count=\"" +
           std::to_string(count) + "\"/>\n";
}

std::string types_of(std::string_view feature) {
    if (feature == "org.gnu.gdb.i386.core") return flags("i386_eflags", 4, eflags_bits);
    if (feature == "org.gnu.gdb.i386.sse") {
        std::string out = vector_type("v8bf16", "bfloat16", 8) + vector_type("v4f", "ieee_single", 4) +
                          vector_type("v2d", "ieee_double", 2) + vector_type("v16i8", "int8", 16) +
                          vector_type("v8i16", "int16", 8) + vector_type("v4i32", "int32", 4) +
                          vector_type("v2i64", "int64", 2);
        out += "    <union id=\"vec128\">\n";
        constexpr std::pair<std::string_view, std::string_view> fields[] = {
            {"v8_bfloat16", "v8bf16"}, {"v4_float", "v4f"},   {"v2_double", "v2d"},  {"v16_int8", "v16i8"},
            {"v8_int16", "v8i16"},     {"v4_int32", "v4i32"}, {"v2_int64", "v2i64"}, {"uint128", "uint128"}};
        for (const auto& [name, type] : fields)
            out += "      <field name=\"" + std::string(name) + "\" type=\"" + std::string(type) + "\"/>\n";
        return out + "    </union>\n" + flags("i386_mxcsr", 4, mxcsr_bits);
    }
    if (feature == "org.glassbox.system")
        return flags("cr0_bits", 4, cr0_bits) + flags("cr4_bits", 4, cr4_bits) + flags("efer_bits", 4, efer_bits);
    return {};
}

std::string_view name_of(Arch arch) {
    return arch == Arch::x86_64 ? "i386:x86-64" : arch == Arch::i8086 ? "i8086" : "i386";
}

} // namespace

std::string describe(Arch arch, const CpuModel& model) {
    std::string out =
        "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n<target version=\"1.0\">\n";
    out += "  <architecture>" + std::string(name_of(arch)) + "</architecture>\n  <osabi>none</osabi>\n";
    // A program of another width does not make gdb turn the description down: its registers stay these.
    for (const Arch other : {Arch::x86_64, Arch::i386, Arch::i8086}) {
        if (other != arch) out += "  <compatible>" + std::string(name_of(other)) + "</compatible>\n";
    }
    bool open = false;
    for (const Register& r : registers_of(arch, model)) {
        if (!r.feature.empty()) {
            if (open) out += "  </feature>\n";
            open = true;
            out += "  <feature name=\"" + r.feature + "\">\n" + types_of(r.feature);
        }
        out += "    <reg name=\"" + r.name + "\" bitsize=\"" + std::to_string(r.bits) + "\" type=\"" + r.type + "\"";
        if (!r.group.empty()) out += " group=\"" + r.group + "\"";
        out += "/>\n";
    }
    return out + "  </feature>\n</target>\n";
}

} // namespace glassbox::gdb
