#include "debugger/look/system_text.hpp"

#include "cpu/system/system.hpp"
#include "debugger/look/instruction_line.hpp"
#include "debugger/look/msr_names.hpp"
#include "debugger/look/register_text.hpp"
#include "debugger/look/text.hpp"
#include "debugger/view.hpp"
#include "machine/machine.hpp"

#include <algorithm>
#include <array>

namespace glassbox::look {

namespace {

std::string state_words(const Cpu& cpu) {
    if (cpu.shutdown) return "shut down";
    if (cpu.wait_for_sipi) return "waits for SIPI";
    if (cpu.halted && cpu.monitor.waiting) return "waits (MWAIT)";
    if (cpu.halted) return (cpu.eflags & eflags::IF) ? "halted" : "halted, IF = 0";
    return "runs";
}

} // namespace

void write_processors(Machine& machine, unsigned selected, const Symbols* symbols, std::string& out) {
    Table table({" ", "APIC", "state", "mode", "CPL", "executes"});
    for (unsigned i = 0; i < machine.processors(); ++i) {
        const Cpu& cpu = machine.cpu(i);
        const InstructionLine line = instruction_line(cpu, symbols, current_place(cpu));
        std::string where = code_address(line) + "  " + line.decoded.text;
        if (!line.symbol.empty()) where += "  <" + line.symbol + ">";
        table.add({(i == selected ? "*" : " ") + std::to_string(i), std::to_string(cpu.apic_id), state_words(cpu),
                   mode_text(cpu), std::to_string(cpu.cpl), where});
    }
    table.write(out, "");
}

Expected<> write_msr_value(const Cpu& cpu, u32 number, std::string& out) {
    const std::string name(msr_name(number));
    const auto value = read_msr_quietly(cpu, number);
    if (!value) return fail("this processor has no MSR " + prose(number) + (name.empty() ? "" : " (" + name + ")"));
    out += digits(number, 8) + "  " + (name.empty() ? "?" : name) + " = " + digits(*value, 16);
    if (number == 0xC000'0080) out += "  " + efer_words(*value);
    for (const MsrName& m : msr_names()) {
        if (m.number == number && number != 0xC000'0080) out += "  (" + std::string(m.summary) + ")";
    }
    out += "\n";
    return {};
}

void write_msrs(const Cpu& cpu, std::string& out) {
    Table table({"number", "name", "value", ""});
    for (const MsrName& m : msr_names()) {
        const auto value = read_msr_quietly(cpu, m.number);
        if (value) table.add({digits(m.number, 8), std::string(m.name), digits(*value, 16), std::string(m.summary)});
    }
    if (table.empty())
        out += "This processor has no model-specific registers.\n";
    else
        table.write(out);
}

namespace {

std::string four_characters(u32 value) {
    std::string text;
    for (unsigned i = 0; i < 4; ++i) {
        const char c = static_cast<char>(value >> (8 * i));
        text += c >= 0x20 && c < 0x7F ? c : '.';
    }
    return text;
}

std::string leaf_words(const Cpu& cpu, u32 leaf, const CpuidResult& r) {
    switch (leaf) {
    case 0:
        return "\"" + four_characters(r.ebx) + four_characters(r.edx) + four_characters(r.ecx) + "\", leaves to " +
               prose(r.eax);
    case 1: {
        const u32 family = (r.eax >> 8 & 15) == 15 ? 15 + (r.eax >> 20 & 255) : r.eax >> 8 & 15;
        return "family " + std::to_string(family) + ", model " +
               std::to_string((r.eax >> 4 & 15) | (r.eax >> 12 & 0xF0)) + ", stepping " + std::to_string(r.eax & 15) +
               ", APIC ID " + std::to_string(r.ebx >> 24);
    }
    case 0x8000'0000: return "leaves to " + prose(r.eax);
    case 0x8000'0002:
    case 0x8000'0003:
    case 0x8000'0004:
        return "\"" + four_characters(r.eax) + four_characters(r.ebx) + four_characters(r.ecx) +
               four_characters(r.edx) + "\"";
    case 0x8000'0008:
        return std::to_string(r.eax & 255) + " physical, " + std::to_string(r.eax >> 8 & 255) + " linear address bits";
    default: return (void)cpu, std::string();
    }
}

void add_leaf(const Cpu& cpu, Table& table, u32 leaf, u32 subleaf) {
    const CpuidResult r = cpuid(cpu, leaf, subleaf);
    table.add({digits(leaf, 8), std::to_string(subleaf), digits(r.eax, 8), digits(r.ebx, 8), digits(r.ecx, 8),
               digits(r.edx, 8), leaf_words(cpu, leaf, r)});
}

/// Leaves whose ECX counts, and how far it is worth looking.
u32 subleaves(u32 leaf) {
    switch (leaf) {
    case 4:
    case 0x8000'001D: return 4;
    case 0xB: return 2;
    case 0xD: return 3;
    default: return 1;
    }
}

} // namespace

void write_cpuid(const Cpu& cpu, std::optional<u32> leaf, std::optional<u32> subleaf, std::string& out) {
    if (!cpu.has(Feature::cpuid)) {
        out += "This processor (" + cpu.model->name + ") has no CPUID.\n";
        return;
    }
    Table table({"EAX", "ECX", "EAX", "EBX", "ECX", "EDX", ""});
    const auto add = [&](u32 number) {
        if (subleaf) {
            add_leaf(cpu, table, number, *subleaf);
            return;
        }
        for (u32 sub = 0; sub < subleaves(number); ++sub) add_leaf(cpu, table, number, sub);
    };
    if (leaf) {
        add(*leaf);
    } else {
        constexpr u32 most = 0x40;
        const u32 last = std::min(cpuid(cpu, 0, 0).eax, most);
        for (u32 n = 0; n <= last; ++n) add(n);
        const u32 extended = cpuid(cpu, 0x8000'0000, 0).eax;
        for (u32 n = 0x8000'0000; extended >= 0x8000'0000 && n <= std::min(extended, 0x8000'0000 + most); ++n) add(n);
    }
    table.write(out);
    if (!leaf) out += wrapped("features: " + feature_names(cpu.model->features), "  ");
}

void write_memory_map(const Cpu& cpu, std::string& out) {
    std::vector<u64> edges;
    for (const MemoryMap::Region& r : cpu.memory.regions()) {
        if (r.size == 0 || r.access == MemoryMap::Access::none) continue;
        edges.push_back(r.start);
        edges.push_back(r.start + r.size);
    }
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    const auto name = [](const MemoryMap::Region* r) {
        if (!r) return std::string("-");
        return r->name + (r->device ? " (device)" : "");
    };
    struct Span {
        u64 start, end;
        std::string read, write;
    };
    std::vector<Span> spans;
    for (std::size_t i = 0; i + 1 < edges.size(); ++i) {
        const MemoryMap::Region* read = region_at(cpu.memory, edges[i], MemoryMap::Access::read);
        const MemoryMap::Region* write = region_at(cpu.memory, edges[i], MemoryMap::Access::write);
        if (!read && !write) continue;
        Span span{edges[i], edges[i + 1], name(read), write && write->writes_dropped ? "(dropped)" : name(write)};
        if (!spans.empty() && spans.back().end == span.start && spans.back().read == span.read &&
            spans.back().write == span.write)
            spans.back().end = span.end;
        else
            spans.push_back(std::move(span));
    }
    Table table({"first", "last", "size", "read", "write"}, {2});
    for (const Span& s : spans)
        table.add({digits(s.start, 9), digits(s.end - 1, 9), size_text(s.end - s.start), s.read, s.write});
    table.write(out);
    out +=
        std::string("  A20 is ") + (cpu.memory.a20() ? "on" : "off: bit 20 of the processor's addresses is 0") + "\n";
}

} // namespace glassbox::look
