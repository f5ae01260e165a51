#include "debugger/look/register_place.hpp"

#include "debugger/look/msr_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace glassbox::look {

namespace {

using Kind = RegisterKind;

constexpr std::array<FlagName, 17> flags = {{{"cf", 0, 1, "carry"},
                                             {"pf", 2, 1, "parity"},
                                             {"af", 4, 1, "auxiliary carry"},
                                             {"zf", 6, 1, "zero"},
                                             {"sf", 7, 1, "sign"},
                                             {"tf", 8, 1, "trap"},
                                             {"if", 9, 1, "interrupt enable"},
                                             {"df", 10, 1, "direction"},
                                             {"of", 11, 1, "overflow"},
                                             {"iopl", 12, 2, "I/O privilege level"},
                                             {"nt", 14, 1, "nested task"},
                                             {"rf", 16, 1, "resume"},
                                             {"vm", 17, 1, "virtual-8086 mode"},
                                             {"ac", 18, 1, "alignment check / access control"},
                                             {"vif", 19, 1, "virtual interrupt"},
                                             {"vip", 20, 1, "virtual interrupt pending"},
                                             {"id", 21, 1, "CPUID allowed"}}};

/// Since when the flag exists (SDM 3B 22.2).
constexpr Feature flag_feature(unsigned bit) {
    switch (bit) {
    case 12:
    case 14: return Feature::i286;
    case 16:
    case 17: return Feature::i386;
    case 18: return Feature::i486;
    case 19:
    case 20: return Feature::vme;
    case 21: return Feature::cpuid;
    default: return Feature::i8086;
    }
}

class Table {
  public:
    Table() {
        general();
        add("rip", {Kind::ip, 0, 64}, Feature::long_mode);
        add("eip", {Kind::ip, 0, 32}, Feature::i386);
        add("ip", {Kind::ip, 0, 16});
        add("rflags", {Kind::eflags, 0, 64}, Feature::long_mode);
        add("eflags", {Kind::eflags, 0, 32}, Feature::i386);
        add("flags", {Kind::eflags, 0, 16});
        for (const FlagName& f : flags) add(f.name, {Kind::flag, f.bit, f.bits}, flag_feature(f.bit));
        add("cpl", {Kind::cpl, 0, 2}, Feature::i286);
        segments();
        system();
        floating();
        for (const MsrName& m : msr_names()) {
            if (!m.short_name.empty()) add(m.short_name, {Kind::msr, m.number, 64}, Feature::msr);
        }
    }
    const std::vector<NamedRegister>& entries() const { return entries_; }

  private:
    void add(std::string_view name, RegisterPlace place, Feature needs = Feature::i8086) {
        entries_.push_back({std::string(name), place, needs});
    }
    void general() {
        static constexpr std::array<std::string_view, 8> names = {"ax", "cx", "dx", "bx", "sp", "bp", "si", "di"};
        for (u32 i = 0; i < 8; ++i) add("r" + std::string(names[i]), {Kind::general, i * 8, 64}, Feature::long_mode);
        for (u32 i = 8; i < 16; ++i) add("r" + std::to_string(i), {Kind::general, i * 8, 64}, Feature::long_mode);
        for (u32 i = 0; i < 8; ++i) add("e" + std::string(names[i]), {Kind::general, i * 8, 32}, Feature::i386);
        for (u32 i = 0; i < 8; ++i) add(names[i], {Kind::general, i * 8, 16});
        for (u32 i = 0; i < 4; ++i) add(std::string(1, names[i][0]) + "l", {Kind::general, i * 8, 8});
        for (u32 i = 0; i < 4; ++i) add(std::string(1, names[i][0]) + "h", {Kind::general, i * 8 + 1, 8});
        for (u32 i = 4; i < 8; ++i) add(std::string(names[i]) + "l", {Kind::general, i * 8, 8}, Feature::long_mode);
        for (u32 i = 8; i < 16; ++i) {
            const std::string r = "r" + std::to_string(i);
            add(r + "d", {Kind::general, i * 8, 32}, Feature::long_mode);
            add(r + "w", {Kind::general, i * 8, 16}, Feature::long_mode);
            add(r + "b", {Kind::general, i * 8, 8}, Feature::long_mode);
        }
    }
    void segments() {
        static constexpr std::array<std::string_view, 8> names = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
        for (u32 i = 0; i < names.size(); ++i) {
            const Feature needs = i >= 6 ? Feature::i286 : i >= 4 ? Feature::i386 : Feature::i8086;
            const std::string name(names[i]);
            add(name, {Kind::segment, i, 16}, needs);
            add(name + ".base", {Kind::segment_base, i, 64}, needs);
            add(name + ".limit", {Kind::segment_limit, i, 32}, needs);
            add(name + ".access", {Kind::segment_access, i, 32}, needs);
        }
        add("gdtr.base", {Kind::table_base, 0, 64}, Feature::i286);
        add("gdtr.limit", {Kind::table_limit, 0, 16}, Feature::i286);
        add("idtr.base", {Kind::table_base, 1, 64}, Feature::i286);
        add("idtr.limit", {Kind::table_limit, 1, 16}, Feature::i286);
    }
    void system() {
        add("cr0", {Kind::cr, 0, 64}, Feature::i286);
        add("cr2", {Kind::cr, 2, 64}, Feature::i386);
        add("cr3", {Kind::cr, 3, 64}, Feature::i386);
        add("cr4", {Kind::cr, 4, 64}, Feature::cpuid);
        add("cr8", {Kind::cr, 8, 64}, Feature::long_mode);
        add("xcr0", {Kind::xcr0, 0, 64}, Feature::xsave);
        add("pkru", {Kind::pkru, 0, 32}, Feature::pku);
        for (const u32 i : {0u, 1u, 2u, 3u, 6u, 7u}) add("dr" + std::to_string(i), {Kind::dr, i, 64}, Feature::i386);
        add("dr4", {Kind::dr, 6, 64}, Feature::i386); // aliases (SDM 3B 17.2.2)
        add("dr5", {Kind::dr, 7, 64}, Feature::i386);
    }
    void floating() {
        for (u32 i = 0; i < 8; ++i) add("st" + std::to_string(i), {Kind::st, i, 64}, Feature::fpu);
        for (u32 i = 0; i < 8; ++i)
            add("st" + std::to_string(i) + ".exponent", {Kind::st_exponent, i, 16}, Feature::fpu);
        add("fcw", {Kind::fcw, 0, 16}, Feature::fpu);
        add("fsw", {Kind::fsw, 0, 16}, Feature::fpu);
        add("ftw", {Kind::ftw, 0, 16}, Feature::fpu);
        for (u32 i = 0; i < 8; ++i) add("mm" + std::to_string(i), {Kind::mmx, i, 64}, Feature::mmx);
        add("mxcsr", {Kind::mxcsr, 0, 32}, Feature::sse);
        for (u32 i = 0; i < 16; ++i) {
            const Feature needs = i < 8 ? Feature::sse : Feature::long_mode;
            add("xmm" + std::to_string(i), {Kind::vector, i * 4, 64}, needs);
            add("xmm" + std::to_string(i) + "h", {Kind::vector, i * 4 + 1, 64}, needs);
        }
        static constexpr std::array<std::string_view, 4> quarters = {".0", ".1", ".2", ".3"};
        for (u32 i = 0; i < 64; ++i)
            add("ymm" + std::to_string(i / 4) + std::string(quarters[i % 4]), {Kind::vector, i, 64}, Feature::avx);
    }
    std::vector<NamedRegister> entries_;
};

/// Immutable, made when it is first asked for.
const std::vector<NamedRegister>& table() {
    static const Table registers;
    return registers.entries();
}

} // namespace

std::span<const NamedRegister> all_registers() { return table(); }

std::span<const FlagName> flag_names() { return flags; }

std::optional<RegisterPlace> find_register(std::string_view name) {
    std::string low(name);
    std::transform(low.begin(), low.end(), low.begin(),
                   [](char c) { return static_cast<char>(std::tolower(static_cast<unsigned char>(c))); });
    if (low == "pc") low = "rip";
    for (const NamedRegister& e : table()) {
        if (e.name == low) return e.place;
    }
    return std::nullopt;
}

std::vector<std::string> list_registers(const Cpu& cpu) {
    std::vector<std::string> names;
    for (const NamedRegister& e : table()) {
        // Which MSRs there are, the processor itself knows best.
        if (cpu.has(e.needs) && (e.place.kind != Kind::msr || read_place(cpu, e.place))) names.push_back(e.name);
    }
    return names;
}

} // namespace glassbox::look
