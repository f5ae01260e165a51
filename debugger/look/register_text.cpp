#include "debugger/look/register_text.hpp"

#include "debugger/bits.hpp"
#include "debugger/look/descriptor_text.hpp"
#include "debugger/look/paging.hpp"
#include "debugger/look/register_place.hpp"
#include "debugger/look/text.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>

namespace glassbox::look {

namespace {

constexpr u32 tsc_number = 0x10;

u64 value_of(const Cpu& cpu, const RegisterPlace& place) {
    return low_bits(read_place(cpu, place).value_or(0), place.bits);
}

unsigned hex_digits(unsigned bits) { return (bits + 3) / 4; }

/// What runs by itself, or only repeats another register.
bool counts_as_change(const Cpu& cpu, const NamedRegister& r) {
    if (!cpu.has(r.needs)) return false;
    switch (r.place.kind) {
    case RegisterKind::msr: return r.place.index != tsc_number && r.name != "fs_base" && r.name != "gs_base";
    case RegisterKind::flag: return false;
    case RegisterKind::mmx: return false;
    case RegisterKind::vector: return r.name.starts_with("ymm") == cpu.has(Feature::avx);
    case RegisterKind::dr: return r.name != "dr4" && r.name != "dr5";
    case RegisterKind::general:
    case RegisterKind::ip:
    case RegisterKind::eflags: {
        const unsigned widest = cpu.long_mode() ? 64 : cpu.has(Feature::i386) ? 32 : 16;
        if (!cpu.long_mode() && r.place.kind == RegisterKind::general && r.place.index >= 64) return false;
        return r.place.bits == widest;
    }
    default: return true;
    }
}

std::string star(const Cpu& cpu, const RegisterSnapshot& before, std::string_view name) {
    return before.changed(cpu, name) ? "*" : " ";
}

constexpr std::array<Bit, 11> cr0_bits = {{{cr0::PG, "PG"},
                                           {cr0::CD, "CD"},
                                           {cr0::NW, "NW"},
                                           {cr0::AM, "AM"},
                                           {cr0::WP, "WP"},
                                           {cr0::NE, "NE"},
                                           {cr0::ET, "ET"},
                                           {cr0::TS, "TS"},
                                           {cr0::EM, "EM"},
                                           {cr0::MP, "MP"},
                                           {cr0::PE, "PE"}}};
constexpr std::array<Bit, 20> cr4_bits = {{{cr4::PKE, "PKE"},       {cr4::SMAP, "SMAP"},
                                           {cr4::SMEP, "SMEP"},     {cr4::OSXSAVE, "OSXSAVE"},
                                           {cr4::PCIDE, "PCIDE"},   {cr4::FSGSBASE, "FSGSBASE"},
                                           {cr4::VMXE, "VMXE"},     {cr4::LA57, "LA57"},
                                           {cr4::UMIP, "UMIP"},     {cr4::OSXMMEXCPT, "OSXMMEXCPT"},
                                           {cr4::OSFXSR, "OSFXSR"}, {cr4::PCE, "PCE"},
                                           {cr4::PGE, "PGE"},       {cr4::MCE, "MCE"},
                                           {cr4::PAE, "PAE"},       {cr4::PSE, "PSE"},
                                           {cr4::DE, "DE"},         {cr4::TSD, "TSD"},
                                           {cr4::PVI, "PVI"},       {cr4::VME, "VME"}}};
constexpr std::array<Bit, 6> efer_bits = {{{efer::FFXSR, "FFXSR"},
                                           {efer::SVME, "SVME"},
                                           {efer::NXE, "NXE"},
                                           {efer::LMA, "LMA"},
                                           {efer::LME, "LME"},
                                           {efer::SCE, "SCE"}}};
constexpr std::array<Bit, 7> dr6_bits = {
    {{1 << 15, "BT"}, {1 << 14, "BS"}, {1 << 13, "BD"}, {8, "B3"}, {4, "B2"}, {2, "B1"}, {1, "B0"}}};

/// Registers side by side, four in a row.
void write_grid(const Cpu& cpu, const RegisterSnapshot& before, std::span<const std::string> names, unsigned name_width,
                std::string& out) {
    std::string line;
    for (std::size_t i = 0; i < names.size(); ++i) {
        const auto place = find_register(names[i]);
        if (!place) continue;
        line += star(cpu, before, names[i]) + left(upper(names[i]), name_width) + " " +
                digits(value_of(cpu, *place), hex_digits(place->bits));
        const bool last = i % 4 == 3 || i + 1 == names.size();
        line += last ? "\n" : "  ";
        if (last) out += std::exchange(line, {});
    }
}

std::string selectors_line(const Cpu& cpu, const RegisterSnapshot& before) {
    std::string line;
    for (const std::string_view name : {"cs", "ss", "ds", "es", "fs", "gs"}) {
        const auto place = find_register(name);
        if (!place || ((name == "fs" || name == "gs") && !cpu.has(Feature::i386))) continue;
        line += star(cpu, before, name) + upper(name) + " " + digits(value_of(cpu, *place), 4) + " ";
    }
    if (cpu.long_mode()) {
        line += " FS.base " + digits(cpu.seg[FS].base, 1) + "  GS.base " + digits(cpu.seg[GS].base, 1);
    }
    while (line.ends_with(' ')) line.pop_back();
    return line + "\n";
}

} // namespace

RegisterSnapshot::RegisterSnapshot(const Cpu& cpu) {
    values_.reserve(all_registers().size());
    for (const NamedRegister& r : all_registers()) values_.push_back(value_of(cpu, r.place));
}

std::optional<u64> RegisterSnapshot::value(std::string_view name) const {
    const auto registers = all_registers();
    for (std::size_t i = 0; i < values_.size(); ++i) {
        if (registers[i].name == name) return values_[i];
    }
    return std::nullopt;
}

bool RegisterSnapshot::changed(const Cpu& cpu, std::string_view name) const {
    const auto old = value(lower(name));
    const auto place = find_register(name);
    return old && place && *old != value_of(cpu, *place);
}

std::vector<std::string> RegisterSnapshot::changes(const Cpu& cpu) const {
    std::vector<std::string> names;
    const auto registers = all_registers();
    for (std::size_t i = 0; i < values_.size(); ++i) {
        const NamedRegister& r = registers[i];
        if (counts_as_change(cpu, r) && value_of(cpu, r.place) != values_[i]) names.push_back(r.name);
    }
    return names;
}

std::string mode_text(const Cpu& cpu) {
    const std::string code = cpu.seg[CS].big() ? "32-bit code" : "16-bit code";
    if (cpu.code64()) return "long mode, 64-bit code";
    if (cpu.long_mode()) return "long mode, " + code + " (compatibility mode)";
    if (cpu.v86()) return "virtual-8086 mode";
    if (!cpu.real_mode()) return "protected mode, " + code;
    // Limits that protected mode has left behind (unreal mode).
    const bool big = cpu.seg[DS].limit > 0xFFFF || cpu.seg[ES].limit > 0xFFFF;
    return big ? "real mode with limits of more than 64 KiB" : "real mode";
}

std::string flag_words(u32 value) {
    std::string text;
    const auto names = flag_names();
    for (std::size_t i = names.size(); i-- > 0;) {
        const FlagName& f = names[i];
        const u32 field = value >> f.bit & ((1u << f.bits) - 1);
        if (field == 0) continue;
        text += (text.empty() ? "" : " ") + upper(f.name) + (f.bits > 1 ? "=" + std::to_string(field) : "");
    }
    return text.empty() ? "-" : text;
}

std::string cr0_words(u64 value) { return bit_words(value, cr0_bits); }
std::string cr4_words(u64 value) { return bit_words(value, cr4_bits); }
std::string efer_words(u64 value) { return bit_words(value, efer_bits); }

void write_general(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) {
    std::vector<std::string> names;
    const bool wide = cpu.long_mode(), narrow = !cpu.has(Feature::i386);
    const std::string prefix = wide ? "r" : narrow ? "" : "e";
    for (const std::string_view name : {"ax", "bx", "cx", "dx", "si", "di", "bp", "sp"})
        names.push_back(prefix + std::string(name));
    if (wide) {
        for (unsigned i = 8; i < 16; ++i) names.push_back("r" + std::to_string(i));
    }
    write_grid(cpu, before, names, wide ? 3 : narrow ? 2 : 3, out);
    const std::string ip = prefix + "ip", flags = prefix + "flags";
    out += star(cpu, before, ip) + left(upper(ip), 3) + " " +
           digits(cpu.ip, wide     ? 16
                          : narrow ? 4
                                   : 8) +
           "  " + star(cpu, before, flags) + upper(flags) + " " + digits(cpu.full_eflags(), narrow ? 4 : 8) + "  " +
           flag_words(cpu.full_eflags()) + "\n";
    out += selectors_line(cpu, before);
    out += " CPL " + std::to_string(cpu.cpl) + ", " + mode_text(cpu);
    if (cpu.has(Feature::i386) && cpu.paging()) out += ", paging, CR3 " + digits(cpu.cr3, 8);
    if (cpu.halted) out += ", halted";
    if (cpu.shutdown) out += ", shut down";
    out += "\n";
}

void write_segments(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) {
    Table table({" ", "selector", "base", "limit", "access", "type"});
    static constexpr std::array<std::string_view, 8> names = {"es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"};
    const unsigned width = cpu.long_mode() ? 16 : 8;
    for (unsigned i : {1u, 2u, 3u, 0u, 4u, 5u, 6u, 7u}) {
        if ((i == 4 || i == 5) && !cpu.has(Feature::i386)) continue;
        if (i >= 6 && !cpu.has(Feature::i286)) continue;
        const Segment& s = i < 6 ? cpu.seg[i] : i == 6 ? cpu.ldtr : cpu.tr;
        const std::string name(names[i]);
        const bool changed = before.changed(cpu, name) || before.changed(cpu, name + ".base") ||
                             before.changed(cpu, name + ".limit") || before.changed(cpu, name + ".access");
        table.add({(changed ? "*" : " ") + upper(name), digits(s.selector, 4), digits(s.base, width),
                   digits(s.limit, 8), digits(s.access & 0xFFFF, 4), hidden_part_words(cpu, s, i >= 6)});
    }
    table.write(out, "");
    for (const bool interrupts : {false, true}) {
        const TableRegister& t = interrupts ? cpu.idtr : cpu.gdtr;
        const std::string name = interrupts ? "idtr" : "gdtr";
        out += star(cpu, before, name + ".base") + upper(name) + "  base " + digits(t.base, width) + "  limit " +
               digits(t.limit, 4) + "\n";
    }
}

void write_control(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) {
    const unsigned width = cpu.long_mode() ? 16 : 8;
    const auto row = [&](std::string_view name, u64 value, const std::string& words) {
        std::string line = star(cpu, before, name) + left(upper(name), 5) + digits(value, width);
        if (!words.empty()) line += "  " + words;
        out += line + "\n";
    };
    row("cr0", cpu.cr0, cr0_words(cpu.cr0));
    if (cpu.has(Feature::i386)) {
        row("cr2", cpu.cr2, "linear address of the last page fault");
        const bool pcid = (cpu.cr4 & cr4::PCIDE) != 0;
        row("cr3", cpu.cr3,
            "paging structures at " + digits(paging_shape(cpu).root, 8) +
                (pcid ? ", PCID " + prose(cpu.cr3 & 0xFFF) : std::string()) +
                (cpu.paging() ? "" : " (CR0.PG is clear)"));
    }
    if (cpu.has(Feature::cpuid)) row("cr4", cpu.cr4, cr4_words(cpu.cr4));
    if (cpu.has(Feature::long_mode)) {
        row("cr8", cpu.interrupts.task_priority() >> 4, "task priority");
    }
    if (cpu.has(Feature::long_mode) || cpu.has(Feature::nx)) row("efer", cpu.msrs.efer, efer_words(cpu.msrs.efer));
    static constexpr std::array<Bit, 4> components = {{{512, "PKRU"}, {4, "AVX"}, {2, "SSE"}, {1, "x87"}}};
    if (cpu.has(Feature::xsave)) row("xcr0", cpu.xcr0, bit_words(cpu.xcr0, components));
    if (cpu.has(Feature::pku)) row("pkru", cpu.pkru, "");
    out += "      " + mode_text(cpu) + ", " + std::string(paging_mode_name(paging_mode(cpu))) + "\n";
}

void write_debug(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) {
    static constexpr std::array<std::string_view, 4> kinds = {"execution", "write", "I/O", "read or write"};
    static constexpr std::array<std::string_view, 4> lengths = {"1 byte", "2 bytes", "8 bytes", "4 bytes"};
    const unsigned width = cpu.long_mode() ? 16 : 8;
    const u64 dr7 = cpu.dr[7];
    for (unsigned i = 0; i < 4; ++i) {
        const unsigned enabled = dr7 >> (2 * i) & 3, kind = dr7 >> (16 + 4 * i) & 3, length = dr7 >> (18 + 4 * i) & 3;
        const std::string name = "dr" + std::to_string(i);
        out += star(cpu, before, name) + upper(name) + " " + digits(cpu.dr[i], width) + "  ";
        if (enabled == 0)
            out += "off\n";
        else
            out += std::string(enabled & 2 ? "global" : "local") + ", " + std::string(kinds[kind]) +
                   (kind == 0 ? std::string() : ", " + std::string(lengths[length])) + "\n";
    }
    out += star(cpu, before, "dr6") + "DR6 " + digits(cpu.dr[6], width) + "  " +
           bit_words(cpu.dr[6] & 0xE00F, dr6_bits) + "\n";
    static constexpr std::array<Bit, 3> dr7_bits = {{{0x2000, "GD"}, {0x200, "GE"}, {0x100, "LE"}}};
    out += star(cpu, before, "dr7") + "DR7 " + digits(dr7, width) + "  " + bit_words(dr7 & 0x2300, dr7_bits) + "\n";
}

void write_flags(const Cpu& cpu, std::string& out) {
    const u32 value = cpu.full_eflags();
    out += "EFLAGS " + digits(value, 8) + "\n";
    for (const FlagName& f : flag_names()) {
        if ((f.bit >= 16 && !cpu.has(Feature::i386)) || (f.bit >= 12 && !cpu.has(Feature::i286))) continue;
        if (f.bit >= 18 && !cpu.has(Feature::i486)) continue;
        out += "  " + left(upper(f.name), 5) + std::to_string(value >> f.bit & ((1u << f.bits) - 1)) + "  " +
               std::string(f.words) + "\n";
    }
    const bool cf = value & eflags::CF, zf = value & eflags::ZF;
    const bool less = ((value & eflags::SF) != 0) != ((value & eflags::OF) != 0);
    out += std::string("  after a comparison: ") +
           (zf   ? "equal"
            : cf ? "below"
                 : "above") +
           (zf     ? ""
            : less ? " without sign, less with sign"
                   : " without sign, greater with sign") +
           "\n";
}

void write_one(const Cpu& cpu, const RegisterSnapshot& before, std::string_view name, std::string& out) {
    const auto place = find_register(name);
    if (!place) return;
    const std::string low = lower(name);
    const u64 value = value_of(cpu, *place);
    out += star(cpu, before, low) + upper(name) + " = " + digits(value, hex_digits(place->bits));
    if (place->kind == RegisterKind::flag) {
        out += "\n";
        return;
    }
    const auto old = before.value(low);
    if (place->kind == RegisterKind::eflags) {
        out += "  " + flag_words(static_cast<u32>(value));
    } else if (place->kind == RegisterKind::cr && place->index == 0) {
        out += "  " + cr0_words(value);
    } else if (place->kind == RegisterKind::cr && place->index == 4) {
        out += "  " + cr4_words(value);
    } else if (low == "efer") {
        out += "  " + efer_words(value);
    } else {
        out += "  " + std::to_string(value);
        const u64 sign = u64{1} << (place->bits - 1);
        if ((value & sign) != 0 && place->bits >= 8) out += "  -" + std::to_string(low_bits(~value + 1, place->bits));
    }
    if (old && *old != value) out += "  (was " + digits(*old, hex_digits(place->bits)) + ")";
    out += "\n";
}

void write_changed(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) {
    if (before.empty()) {
        out += "The processor has not run since the debugger was entered.\n";
        return;
    }
    const auto names = before.changes(cpu);
    if (names.empty()) out += "No register has changed since the last stop.\n";
    for (const std::string& name : names) write_one(cpu, before, name, out);
}

} // namespace glassbox::look
