#include "debugger/look/descriptor_text.hpp"

#include "debugger/look/text.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox::look {

namespace {

constexpr std::size_t most_rows = 300;

unsigned address_digits(const Cpu& cpu) { return cpu.long_mode() ? 16 : 8; }

std::optional<u64> read_u64(const Cpu& cpu, u64 linear) {
    std::array<u8, 8> bytes{};
    if (read_linear_quietly(cpu, linear, bytes) < 8) return std::nullopt;
    u64 value = 0;
    std::memcpy(&value, bytes.data(), 8);
    return value;
}

bool is_gate(unsigned type) { return (type & 7) >= 4; }

std::string flag(u64 value) { return value ? "1" : "0"; }

std::string named(const Symbols* symbols, u64 address) {
    const std::string name = symbols ? symbols->describe(address) : std::string();
    return name.empty() ? name : "<" + name + ">";
}

/// The linear address that a gate leads to, as far as its selector can be looked up.
u64 gate_target(const Cpu& cpu, const Descriptor& d) {
    if (cpu.long_mode()) return d.gate_offset();
    u64 at = 0;
    if (!descriptor_address(cpu, d.gate_selector(), at)) return d.gate_offset();
    const auto raw = read_u64(cpu, at);
    return static_cast<u32>((raw ? Descriptor{*raw, 0}.base() : 0) + d.gate_offset());
}

std::string gate_words(const Cpu& cpu, const Symbols* symbols, const Descriptor& d) {
    if (d.is_system(SystemType::task_gate)) return "to the task of TSS " + digits(d.gate_selector(), 4);
    std::string text = "to " + digits(d.gate_selector(), 4) + ":" +
                       digits(d.gate_offset(), cpu.long_mode()  ? 16
                                               : d.gate_is_32() ? 8
                                                                : 4);
    const std::string name = named(symbols, gate_target(cpu, d));
    if (!name.empty()) text += " " + name;
    const bool call = (d.type() & 7) == 4;
    if (call && !cpu.long_mode()) text += ", " + count_text(d.gate_parameters(), "parameter", "parameters");
    return text;
}

/// Rows that say the same about several entries become one.
struct Run {
    u32 first = 0, last = 0;
    std::string text;
};
void flush(Table& table, std::optional<Run>& run, u32 index_scale, u32 ti, std::size_t columns) {
    if (!run) return;
    const auto number = [&](u32 n) { return digits(n * index_scale | ti, 4); };
    std::vector<std::string> row(columns);
    row[0] = std::to_string(run->first) + (run->first == run->last ? "" : "-" + std::to_string(run->last));
    row[1] = number(run->first) + (run->first == run->last ? "" : "-" + number(run->last));
    row[2] = run->text;
    table.add(row);
    run.reset();
}

} // namespace

std::string descriptor_type(unsigned type, bool system, bool long_mode) {
    static constexpr std::array<std::string_view, 16> legacy = {
        "reserved (0)",           "16-bit TSS (available)", "LDT",
        "16-bit TSS (busy)",      "16-bit call gate",       "task gate",
        "16-bit interrupt gate",  "16-bit trap gate",       "reserved (8)",
        "32-bit TSS (available)", "reserved (10)",          "32-bit TSS (busy)",
        "32-bit call gate",       "reserved (13)",          "32-bit interrupt gate",
        "32-bit trap gate"};
    type &= 15;
    if (system && !long_mode) return std::string(legacy[type]);
    if (system) {
        switch (type) {
        case 2: return "LDT";
        case 9: return "64-bit TSS (available)";
        case 11: return "64-bit TSS (busy)";
        case 12: return "64-bit call gate";
        case 14: return "64-bit interrupt gate";
        case 15: return "64-bit trap gate";
        default: return "reserved (" + std::to_string(type) + ")";
        }
    }
    std::string text;
    if (type & Segment::code) {
        text = (type & Segment::readable) ? "code, execute/read" : "code, execute-only";
        if (type & Segment::conforming) text += ", conforming";
    } else {
        text = (type & Segment::writable) ? "data, read/write" : "data, read-only";
        if (type & Segment::expand_down) text += ", expand-down";
    }
    return text + ((type & Segment::accessed) ? ", accessed" : "");
}

std::string hidden_part_words(const Cpu& cpu, const Segment& s, bool system) {
    if (!s.usable()) return "unusable (null selector)";
    const bool long_mode = cpu.long_mode();
    std::string text = descriptor_type(s.type(), system, long_mode);
    if (system) return text + (s.present() ? "" : ", not present");
    text += ", DPL " + std::to_string(s.dpl());
    if (s.is_code())
        text += (s.access & Segment::L) && long_mode ? ", 64-bit" : s.big() ? ", 32-bit" : ", 16-bit";
    else if (s.big())
        text += ", B";
    return text + (s.present() ? "" : ", not present");
}

DescriptorTable gdt_of(const Cpu& cpu) { return {"GDT", cpu.gdtr.base, cpu.gdtr.limit, false}; }

std::optional<DescriptorTable> ldt_of(const Cpu& cpu) {
    if (!cpu.ldtr.usable() || is_null(cpu.ldtr.selector)) return std::nullopt;
    return DescriptorTable{"LDT", cpu.ldtr.base, cpu.ldtr.limit, true};
}

bool is_wide(const Cpu& cpu, const Descriptor& d) { return cpu.long_mode() && d.is_system() && d.type() != 0; }

std::optional<Descriptor> read_table_entry(const Cpu& cpu, const DescriptorTable& table, u32 index) {
    const u64 at = u64{index} * 8;
    if (at + 7 > table.limit) return std::nullopt;
    const auto raw = read_u64(cpu, table.base + at);
    if (!raw) return std::nullopt;
    Descriptor d{*raw, 0};
    if (is_wide(cpu, d) && at + 15 <= table.limit) d.high = read_u64(cpu, table.base + at + 8).value_or(0);
    return d;
}

void write_table(const Cpu& cpu, const Symbols* symbols, const DescriptorTable& where, u32 first, u32 count,
                 std::string& out) {
    const auto entries = static_cast<u32>(std::min<u64>((u64{where.limit} + 1) / 8, 8192));
    out += where.name + " at " + digits(where.base, address_digits(cpu)) + ", limit " + digits(where.limit, 4) + " (" +
           count_text(entries, "descriptor", "descriptors") + ")\n";
    if (cpu.real_mode()) out += "  (not used in real mode)\n";
    Table table({"n", "sel", "type", "base", "limit", "DPL", "P", "G", "D/B", "L", "AVL"}, {0});
    const u32 ti = where.local ? 4 : 0;
    std::optional<Run> run;
    const auto say = [&](u32 n, const std::string& text) {
        if (run && run->text == text && run->last + 1 == n) {
            run->last = n;
            return;
        }
        flush(table, run, 8, ti, 11);
        run = Run{n, n, text};
    };
    const auto end = static_cast<u32>(std::min<u64>(entries, u64{first} + count));
    u32 n = first;
    for (; n < end && table.size() < most_rows; ++n) {
        const auto d = read_table_entry(cpu, where, n);
        if (!d) {
            say(n, "(not readable)");
            continue;
        }
        if (n == 0 && !where.local) { // whatever is in it (SDM 3A 3.4.2)
            say(n, d->raw == 0 ? "null" : "null, holds " + digits(d->raw, 16));
            continue;
        }
        if (d->raw == 0) {
            say(n, "empty");
            continue;
        }
        flush(table, run, 8, ti, 11);
        std::vector<std::string> row = {std::to_string(n), digits(n * 8 | ti, 4),
                                        descriptor_type(d->type(), d->is_system(), cpu.long_mode())};
        if (d->is_system() && is_gate(d->type())) {
            row[2] += " " + gate_words(cpu, symbols, *d);
            row.insert(row.end(), {"", "", std::to_string(d->dpl()), flag(d->present())});
        } else {
            row.insert(row.end(), {digits(d->base(), d->high ? 16 : 8), digits(d->limit(), 8), std::to_string(d->dpl()),
                                   flag(d->present()), flag(d->raw >> 55 & 1), flag(d->raw >> 54 & 1),
                                   flag(d->raw >> 53 & 1), flag(d->raw >> 52 & 1)});
        }
        table.add(std::move(row));
        if (is_wide(cpu, *d)) ++n;
    }
    flush(table, run, 8, ti, 11);
    table.write(out);
    if (n < end) out += "  … from " + std::to_string(n) + " on: " + lower(where.name) + " " + std::to_string(n) + "\n";
}

void write_descriptor(const Cpu& cpu, const Symbols* symbols, u16 selector, std::string& out) {
    const bool local = (selector & 4) != 0;
    const auto table = local ? ldt_of(cpu) : std::optional(gdt_of(cpu));
    out += "Selector " + digits(selector, 4) + ": " + (local ? "LDT" : "GDT") + " entry " +
           std::to_string(selector >> 3) + ", RPL " + std::to_string(selector & 3) + "\n";
    if (!table) {
        out += "  there is no LDT (LDTR is null)\n";
        return;
    }
    const auto d = read_table_entry(cpu, *table, selector >> 3);
    if (!d) {
        const bool outside = (selector | 7u) > table->limit;
        out += outside ? "  outside the table: its limit is " + digits(table->limit, 4) + "\n"
                       : "  its memory cannot be read\n";
        return;
    }
    const bool system = d->is_system();
    out += "  raw      " + digits(d->raw, 16) + (is_wide(cpu, *d) ? " " + digits(d->high, 16) : std::string()) +
           " at " + digits(table->base + (selector & 0xFFF8u), address_digits(cpu)) + "\n";
    out += "  type     " + prose(d->type()) + (system ? ", S = 0: " : ", S = 1: ") +
           descriptor_type(d->type(), system, cpu.long_mode()) + "\n";
    if (system && is_gate(d->type())) {
        out += "  gate     " + gate_words(cpu, symbols, *d) + "\n";
    } else {
        out += "  base     " + digits(d->base(), d->high ? 16 : 8) + "\n";
        out += "  limit    " + digits(d->limit(), 8) +
               (d->raw >> 55 & 1 ? " (G = 1: in pages)" : " (G = 0: in bytes)") + "\n";
        if (!system)
            out += std::string("  D/B      ") + flag(d->raw >> 54 & 1) + ", L " + flag(d->raw >> 53 & 1) + ", AVL " +
                   flag(d->raw >> 52 & 1) + "\n";
    }
    out += "  DPL      " + std::to_string(d->dpl()) + "\n  P        " + flag(d->present()) + "\n";
}

} // namespace glassbox::look
