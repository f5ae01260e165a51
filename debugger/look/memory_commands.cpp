// examine, dump, table, search, memory-map.
#include "debugger/look/arguments.hpp"
#include "debugger/look/instruction_line.hpp"
#include "debugger/look/structure_text.hpp"
#include "debugger/look/system_text.hpp"
#include "debugger/look/text.hpp"

#include <algorithm>
#include <cstring>

namespace glassbox::look {

namespace {

constexpr u64 most_bytes = u64{1} << 20;

Expected<> run_examine(CommandContext& context, Arguments& arguments) {
    ExamineFormat format;
    if (arguments.peek().starts_with('/')) {
        auto parsed = parse_examine_format(std::string_view(arguments.take()).substr(1), format);
        if (!parsed) return tl::unexpected(parsed.error());
        format = *parsed;
    }
    auto address = take_address(context, arguments, "the address");
    if (!address) return tl::unexpected(address.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    if (format.count > most_bytes / 8) return fail("the count is at most " + std::to_string(most_bytes / 8));
    if (format.format == 'i') {
        const Cpu& cpu = context.debugger.cpu();
        CodePlace place = place_at(cpu, address->value);
        place.physical = address->space == Address::Space::physical;
        for (u64 n = 0; n < std::min<u64>(format.count, 10'000); ++n) {
            const InstructionLine code = instruction_line(cpu, symbols_of(context), place);
            context.out += to_text(code) + "\n";
            if (code.decoded.length == 0) break;
            place.linear += code.decoded.length;
        }
        return {};
    }
    write_examine(context.debugger.cpu(), symbols_of(context), place_of(*address), format, context.out);
    return {};
}

std::optional<unsigned> unit_of(std::string_view word) {
    if (word == "byte" || word == "bytes") return 1;
    if (word == "word" || word == "words") return 2;
    if (word == "dword" || word == "dwords") return 4;
    if (word == "qword" || word == "qwords") return 8;
    return std::nullopt;
}

Expected<> run_dump(CommandContext& context, Arguments& arguments) {
    unsigned unit = 1;
    std::optional<MemoryPlace> at;
    u64 length = 128;
    while (!arguments.empty()) {
        if (const auto chosen = unit_of(arguments.peek())) {
            unit = *chosen;
            arguments.take();
        } else if (!at) {
            auto address = take_address(context, arguments, "the address");
            if (!address) return tl::unexpected(address.error());
            at = place_of(*address);
        } else {
            auto value = take_count(context, arguments, length, most_bytes, "the length");
            if (!value) return tl::unexpected(value.error());
            length = *value;
        }
    }
    if (!at) return fail("the address is missing");
    write_dump(context.debugger.cpu(), *at, length, unit, context.out);
    return {};
}

Expected<> run_table(CommandContext& context, Arguments& arguments) {
    if (arguments.empty()) {
        for (const StructureKind& k : structure_kinds())
            context.out += "  " + left(k.name, 12) + std::string(k.summary) + "\n";
        return {};
    }
    const std::string kind = arguments.take();
    auto address = take_address(context, arguments, "the address");
    if (!address) return tl::unexpected(address.error());
    auto rows = take_count(context, arguments, 0, 4096, "the number of rows");
    if (!rows) return tl::unexpected(rows.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    const Cpu& cpu = context.debugger.cpu();
    const MemoryPlace at = place_of(*address);
    return kind.find(':') != std::string::npos ? write_layout(cpu, at, kind, *rows, context.out)
                                               : write_structure(cpu, at, lower(kind), *rows, context.out);
}

/// The pattern of a search: "text", bytes 55 AA, word/dword/qword VALUE.
Expected<std::vector<u8>> take_pattern(CommandContext& context, Arguments& arguments, std::vector<u8>& mask) {
    std::vector<u8> pattern;
    const std::string kind = arguments.take();
    const auto unit = unit_of(kind);
    if (kind == "string" || kind == "text") {
        const std::string text = arguments.take();
        pattern.assign(text.begin(), text.end());
    } else if (unit) {
        while (!arguments.empty() && arguments.peek() != "in") {
            const std::string word = arguments.take();
            if (*unit == 1 && word == "??") {
                pattern.push_back(0);
                mask.push_back(0);
                continue;
            }
            // Bytes are written as everybody writes them: two hexadecimal digits.
            const bool plain = *unit == 1 && word.size() <= 2;
            auto value = evaluate(context.debugger, plain ? "0x" + word : word);
            if (!value) return tl::unexpected(value.error());
            if (*unit < 8 && *value >> (8 * *unit) != 0 && ~*value >> (8 * *unit - 1) != 0)
                return fail("'" + word + "' does not fit " + count_text(*unit, "byte", "bytes"));
            for (unsigned i = 0; i < *unit; ++i) pattern.push_back(static_cast<u8>(*value >> (8 * i)));
            mask.resize(pattern.size(), 0xFF);
        }
    } else {
        return fail("search needs what to look for: string \"TEXT\", bytes 55 AA ?? …, word, dword or qword VALUE");
    }
    mask.resize(pattern.size(), 0xFF);
    if (pattern.empty()) return fail("there is nothing to look for");
    if (std::all_of(mask.begin(), mask.end(), [](u8 m) { return m == 0; })) return fail("?? alone matches everywhere");
    return pattern;
}

Expected<> run_search(CommandContext& context, Arguments& arguments) {
    SearchRequest request;
    auto pattern = take_pattern(context, arguments, request.mask);
    if (!pattern) return tl::unexpected(pattern.error());
    request.pattern = *pattern;
    request.from = {0, true};
    request.length = ~u64{0};
    if (arguments.take_if("in")) {
        auto address = take_address(context, arguments, "where the search begins");
        if (!address) return tl::unexpected(address.error());
        auto length = take_number(context, arguments, std::nullopt, "how many bytes are searched");
        if (!length) return tl::unexpected(length.error());
        request.from = place_of(*address);
        request.length = *length;
    }
    if (auto ok = nothing_more(arguments); !ok) return ok;
    const Cpu& cpu = context.debugger.cpu();
    const SearchResult found = search_memory(cpu, request, context.debugger.progress);
    for (const u64 hit : found.hits) {
        const u64 shown = std::max<std::size_t>(request.pattern.size(), 16);
        write_dump(cpu, {hit, request.from.physical}, std::min<u64>(shown, 32), 1, context.out);
    }
    if (found.stopped) return fail("the search was interrupted");
    context.out += found.hits.empty() ? "  not found\n"
                   : found.more       ? "  … and more: give a range\n"
                                      : "  " + count_text(found.hits.size(), "place", "places") + "\n";
    return {};
}

Expected<> run_memory_map(CommandContext& context, Arguments& arguments) {
    if (auto ok = nothing_more(arguments); !ok) return ok;
    write_memory_map(context.debugger.cpu(), context.out);
    return {};
}

constexpr Command commands[] = {
    {"examine", "x", "Look", "[/COUNT FORMAT SIZE] ADDRESS", "Memory as values, in gdb's letters",
     R"(FORMAT is x hexadecimal, d decimal with sign, u without, o octal, t binary, a address with its symbol,
c character, f floating point, s string, i instruction; SIZE is b byte, h 2, w 4, g 8 bytes. Without: one
word of 4 bytes in hexadecimal. phys() makes the address physical.
  x/8xb 7c00h
  x/4gx rsp
  x/s esi
  x/10i $pc
  x/16xw phys(100000h)
)",
     run_examine, "symbol"},
    {"dump", "db hexdump", "Look", "ADDRESS [LENGTH] [byte|word|dword|qword]", "Memory in rows with its characters",
     R"(LENGTH is in bytes, 128 without it. ?? stands for bytes that are not mapped. A device shows what it would
answer, and does not notice.
  dump 7c00h 512
  dump ss:sp 40h word
  dump phys(0b8000h) 160
)",
     run_dump, "symbol"},
    {"table", "as-table", "Look", "KIND|FIELDS ADDRESS [ROWS]", "Memory as the structure that lies there",
     R"(KIND is gdt idt pte pde mbr bpb elf e820 multiboot linux bda rsdp acpi mp; table alone lists them.
FIELDS describe a structure of your own, its fields one behind the other: "NAME:TYPE NAME:TYPE …" in
quotes, with the types byte word dword qword u8-u64 i8-i64 f32 f64 char[N] and TYPE[N].
  table mbr 7c00h
  table bda 400h
  table pte phys([cr3]) 16
  table "base:qword length:qword type:dword" 8000h 5
)",
     run_table},
    {"search", "find", "Look", "string|bytes|word|dword|qword VALUE... [in ADDRESS LENGTH]",
     "Looks for a value in memory",
     R"(Without a range: all of physical memory. A linear range looks at what is mapped in it, however long it is;
phys() as the address makes it a physical one. ?? stands for any byte.
  search string "Linux version"
  search bytes 55 AA
  search bytes E8 ?? ?? ?? ?? C3 in schedule 1000h
  search dword 0DEADBEEFh in 0 100000h
)",
     run_search, "string|bytes|word|dword|qword"},
    {"memory-map", "map", "Look", "", "What answers at which physical address",
     "RAM, ROM and devices, for reads and for writes; shadowed ROM reads one and writes the other.\n  memory-map\n",
     run_memory_map},
};

} // namespace

std::span<const Command> memory_commands() { return commands; }

} // namespace glassbox::look
