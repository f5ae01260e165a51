// Task-state segments: 16-bit (80286 Programmer's Reference 8.1), 32-bit (SDM 3A 7.2.1), 64-bit (7.7), and the I/O
// permission bitmap (SDM 1, 19.5.2).
#include "debugger/look/descriptor_text.hpp"
#include "debugger/look/text.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox::look {

namespace {

struct Field {
    std::string_view name;
    unsigned offset, size;
};

constexpr Field fields16[] = {{"link", 0, 2}, {"SP0", 2, 2},  {"SS0", 4, 2}, {"SP1", 6, 2},    {"SS1", 8, 2},
                              {"SP2", 10, 2}, {"SS2", 12, 2}, {"IP", 14, 2}, {"FLAGS", 16, 2}, {"AX", 18, 2},
                              {"CX", 20, 2},  {"DX", 22, 2},  {"BX", 24, 2}, {"SP", 26, 2},    {"BP", 28, 2},
                              {"SI", 30, 2},  {"DI", 32, 2},  {"ES", 34, 2}, {"CS", 36, 2},    {"SS", 38, 2},
                              {"DS", 40, 2},  {"LDT", 42, 2}};
constexpr Field fields32[] = {{"link", 0, 2},  {"ESP0", 4, 4},     {"SS0", 8, 2},  {"ESP1", 12, 4}, {"SS1", 16, 2},
                              {"ESP2", 20, 4}, {"SS2", 24, 2},     {"CR3", 28, 4}, {"EIP", 32, 4},  {"EFLAGS", 36, 4},
                              {"EAX", 40, 4},  {"ECX", 44, 4},     {"EDX", 48, 4}, {"EBX", 52, 4},  {"ESP", 56, 4},
                              {"EBP", 60, 4},  {"ESI", 64, 4},     {"EDI", 68, 4}, {"ES", 72, 2},   {"CS", 76, 2},
                              {"SS", 80, 2},   {"DS", 84, 2},      {"FS", 88, 2},  {"GS", 92, 2},   {"LDT", 96, 2},
                              {"T", 100, 2},   {"I/O map", 102, 2}};
constexpr Field fields64[] = {{"RSP0", 4, 8},  {"RSP1", 12, 8}, {"RSP2", 20, 8},    {"IST1", 36, 8},
                              {"IST2", 44, 8}, {"IST3", 52, 8}, {"IST4", 60, 8},    {"IST5", 68, 8},
                              {"IST6", 76, 8}, {"IST7", 84, 8}, {"I/O map", 102, 2}};

std::optional<u64> read_field(const Cpu& cpu, const TaskState& tss, const Field& f) {
    std::array<u8, 8> bytes{};
    if (u64{f.offset} + f.size - 1 > tss.limit) return std::nullopt;
    if (read_linear_quietly(cpu, tss.base + f.offset, std::span(bytes).first(f.size)) < f.size) return std::nullopt;
    u64 value = 0;
    std::memcpy(&value, bytes.data(), 8);
    return value;
}

void write_fields(const Cpu& cpu, const Symbols* symbols, const TaskState& tss, std::span<const Field> fields,
                  std::string& out) {
    std::string line;
    for (const Field& f : fields) {
        const auto value = read_field(cpu, tss, f);
        std::string cell = left(f.name, 8) + (value ? digits(*value, f.size * 2) : std::string("(beyond the limit)"));
        const bool code = f.name == "EIP" || f.name == "IP";
        if (value && symbols && code) {
            if (const std::string name = symbols->describe(*value); !name.empty()) cell += " <" + name + ">";
        }
        if (line.size() + 28 > 98) {
            while (line.ends_with(' ')) line.pop_back();
            out += line + "\n";
            line.clear();
        }
        line += "  " + left(cell, 26);
    }
    while (line.ends_with(' ')) line.pop_back();
    if (!line.empty()) out += line + "\n";
}

/// Ports whose bits are clear; a byte of ones follows the last (SDM 1, 19.5.2).
void write_io_bitmap(const Cpu& cpu, const TaskState& tss, u64 map, std::string& out) {
    constexpr std::size_t most_ranges = 40;
    if (map > tss.limit) {
        out += "  I/O bitmap: none (its base lies beyond the limit): no port without IOPL\n";
        return;
    }
    const u64 size = std::min<u64>(u64{tss.limit} - map + 1, 8192);
    std::vector<u8> bits(static_cast<std::size_t>(size));
    const std::size_t got = read_linear_quietly(cpu, tss.base + map, bits);
    std::string text;
    std::size_t ranges = 0;
    for (u64 port = 0; port < got * 8 && ranges < most_ranges;) {
        if (bits[port / 8] >> (port % 8) & 1) {
            port += bits[port / 8] == 0xFF && port % 8 == 0 ? 8 : 1;
            continue;
        }
        const u64 first = port;
        while (port < got * 8 && !(bits[port / 8] >> (port % 8) & 1)) ++port;
        text += (text.empty() ? "" : " ") + digits(first, 1) + (port - first > 1 ? "-" + digits(port - 1, 1) : "");
        ++ranges;
    }
    out += "  I/O bitmap: " + count_text(size, "byte", "bytes") + ", allowed ports: " + (text.empty() ? "none" : text) +
           (ranges == most_ranges ? " …" : "") + "\n";
}

} // namespace

void write_tss(const Cpu& cpu, const Symbols* symbols, const TaskState& tss, std::string& out) {
    const bool long_mode = cpu.long_mode();
    const unsigned width = long_mode ? 16 : 8;
    out += "TSS " + (tss.selector ? digits(tss.selector, 4) + " " : std::string()) + "at " + digits(tss.base, width) +
           ", limit " + digits(tss.limit, 8) + ": " + descriptor_type(tss.type, true, long_mode) + "\n";
    if (long_mode) {
        write_fields(cpu, symbols, tss, fields64, out);
    } else if ((tss.type & 13) == 9) {
        write_fields(cpu, symbols, tss, fields32, out);
    } else if ((tss.type & 13) == 1) {
        write_fields(cpu, symbols, tss, fields16, out);
        return;
    } else {
        out += "  this type has no task state\n";
        return;
    }
    const auto map = read_field(cpu, tss, {"I/O map", 102, 2});
    if (map) write_io_bitmap(cpu, tss, *map & 0xFFFF, out);
}

} // namespace glassbox::look
