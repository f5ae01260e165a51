// The table of "Symbols": symbol files, names and lines, values of expressions.
#include "debugger/command.hpp"

#include "debugger/debugger.hpp"
#include "debugger/symbols/expression_scope.hpp"
#include "debugger/symbols/frame_scope.hpp"
#include "debugger/symbols/local_variables.hpp"
#include "debugger/symbols/number_text.hpp"
#include "debugger/symbols/value_commands.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace glassbox {

namespace {

// --- symbols

Expected<> load_symbols(CommandContext& context, Arguments& arguments) {
    const std::string path = arguments.take();
    if (path.empty()) return fail("symbols load FILE [at OFFSET]: which file?");
    u64 offset = 0;
    if (!arguments.empty()) {
        if (!arguments.take_if("at") || arguments.empty())
            return fail("behind the file comes: at OFFSET (quotes keep a name with spaces together)");
        const auto value = evaluate(context.debugger, arguments.rest());
        if (!value) return tl::unexpected(value.error());
        offset = *value;
    }
    const auto text = context.debugger.symbols().load(path, offset);
    if (!text) return tl::unexpected(text.error());
    context.out += *text + "\n";
    return {};
}

Expected<> list_symbol_files(CommandContext& context) {
    const Symbols& symbols = context.debugger.symbols();
    context.out += symbols.empty() ? "No symbol file is loaded: symbols load FILE [at OFFSET]\n" : symbols.list();
    return {};
}

Expected<> find_symbols(CommandContext& context, Arguments& arguments) {
    constexpr std::size_t most = 100;
    const std::string text = arguments.rest();
    if (text.empty()) return fail("symbols find TEXT: a part of the name");
    const auto found = context.debugger.symbols().containing(text, most + 1);
    if (found.empty()) return fail("no symbol's name contains '" + text + "'");
    for (std::size_t i = 0; i < std::min(found.size(), most); ++i) {
        std::string address = marked_hex(found[i].address);
        address.insert(0, std::max<std::size_t>(18, address.size()) - address.size(), ' ');
        context.out += address + "  " + (found[i].function ? "function  " : "          ") + found[i].name + "\n";
    }
    if (found.size() > most) context.out += "... and more: a longer part of the name shows fewer.\n";
    return {};
}

Expected<> substitute_path(CommandContext& context, Arguments& arguments) {
    Symbols& symbols = context.debugger.symbols();
    if (arguments.left() == 2) {
        std::string from = arguments.take();
        symbols.substitute_path(std::move(from), arguments.take());
        return {};
    }
    if (!arguments.empty()) return fail("symbols path FROM TO: what the names of source files begin with, and instead");
    const std::string all = symbols.substitutions();
    context.out += all.empty() ? "Source files are read where they were compiled.\n" : all;
    return {};
}

Expected<> symbols_command(CommandContext& context, Arguments& arguments) {
    if (arguments.empty() || arguments.take_if("list")) return list_symbol_files(context);
    if (arguments.take_if("load")) return load_symbols(context, arguments);
    if (arguments.take_if("find")) return find_symbols(context, arguments);
    if (arguments.take_if("path")) return substitute_path(context, arguments);
    if (arguments.take_if("unload")) {
        if (arguments.empty()) return fail("symbols unload FILE: which file? symbols list names them");
        return context.debugger.symbols().unload(arguments.take());
    }
    if (arguments.take_if("reload")) {
        const auto text = context.debugger.symbols().reload();
        if (!text) return tl::unexpected(text.error());
        context.out += text->empty() ? "No symbol file is loaded.\n" : *text;
        return {};
    }
    return fail("symbols knows load, list, find, unload, reload and path, not '" + arguments.take() + "'");
}

// --- lines

/// The linear address that the arguments name, or the present instruction's.
Expected<u64> address_or_present(CommandContext& context, const std::string& text) {
    if (text.empty()) return present_address(context.debugger);
    const auto address = evaluate_address(context.debugger, text);
    if (!address) return tl::unexpected(address.error());
    if (address->space == Address::Space::physical)
        return fail("symbols and lines are those of linear addresses, not physical ones");
    return address->value;
}

Expected<> line_command(CommandContext& context, Arguments& arguments) {
    const auto address = address_or_present(context, arguments.rest());
    if (!address) return tl::unexpected(address.error());
    const Symbols& symbols = context.debugger.symbols();
    const std::string symbol = symbols.describe(*address);
    const auto line = symbols.line_at(*address);
    if (symbol.empty() && !line) return fail("neither a symbol nor a line is known for " + marked_hex(*address));
    context.out += marked_hex(*address);
    if (!symbol.empty()) context.out += " is " + symbol;
    if (line) {
        context.out += (symbol.empty() ? " is " : ", ") + line->file + ":" + std::to_string(line->line);
        if (line->address != *address) context.out += ", whose code begins at " + marked_hex(line->address);
    }
    context.out += '\n';
    return {};
}

struct SourcePlace {
    std::string file;
    unsigned line = 0;
};

/// "file.c:12" as it is written, also where no code is; else the line of an address.
Expected<SourcePlace> source_place(CommandContext& context, const std::string& text) {
    const std::size_t colon = text.rfind(':');
    if (colon != std::string::npos && colon > 0 && text.find('.') < colon) {
        std::string file = text.substr(0, colon);
        if (file.size() > 2 && file.front() == '\'' && file.back() == '\'') file = file.substr(1, file.size() - 2);
        const std::string number = text.substr(colon + 1);
        const bool digits = !number.empty() && number.size() < 9 &&
                            std::all_of(number.begin(), number.end(), [](char c) { return c >= '0' && c <= '9'; });
        if (digits) return SourcePlace{file, static_cast<unsigned>(std::stoul(number))};
    }
    auto address = address_or_present(context, text);
    if (!address) return tl::unexpected(address.error());
    const Symbols& symbols = context.debugger.symbols();
    if (text.empty() && chosen_frame(context.debugger.cpu(), symbols) != 0) {
        const FrameRegisters frame = chosen_registers(context.debugger.cpu(), symbols);
        address = frame.exact ? frame.pc : frame.pc - 1; // the call, not what comes behind it
    }
    const auto line = symbols.line_at(*address);
    if (!line)
        return fail("no source line is known for " + marked_hex(*address) +
                    (context.debugger.symbols().empty() ? " (symbols load FILE)" : ""));
    return SourcePlace{line->file, line->line};
}

Expected<> list_command(CommandContext& context, Arguments& arguments) {
    constexpr unsigned around = 5;
    const Symbols& symbols = context.debugger.symbols();
    const auto place = source_place(context, arguments.rest());
    if (!place) return tl::unexpected(place.error());
    const auto text = symbols.source_text(place->file);
    if (!text) return tl::unexpected(text.error());
    const auto total = static_cast<unsigned>(std::min<std::size_t>(text->size(), 100'000'000));
    if (place->line == 0 || place->line > total)
        return fail(place->file + " has " + std::to_string(total) + " lines, and no line " +
                    std::to_string(place->line));
    const unsigned first = place->line > around ? place->line - around : 1;
    const unsigned last = std::min(total, place->line + around);
    const FrameRegisters frame = chosen_registers(context.debugger.cpu(), symbols);
    const auto present = symbols.line_at(frame.exact ? frame.pc : frame.pc - 1);
    const bool here = present && present->file.ends_with(place->file);
    const auto code = symbols.lines_with_code(place->file, first, last);
    context.out += place->file + "\n";
    for (unsigned line = first; line <= last; ++line) {
        const bool has_code = std::binary_search(code.begin(), code.end(), line);
        std::string number = std::to_string(line);
        number.insert(0, 6 - std::min<std::size_t>(6, number.size()), ' ');
        context.out += here && present->line == line ? "=> " : has_code ? " * " : "   ";
        context.out += number + "  " + (*text)[line - 1] + "\n";
    }
    return {};
}

std::string kind_and_size(const Symbols& symbols, const Symbol& symbol) {
    std::string text = symbol.function ? "function" : symbol.size ? "variable" : "label";
    if (symbol.size) text += ", " + std::to_string(symbol.size) + (symbol.size == 1 ? " byte" : " bytes");
    if (const auto line = symbols.line_at(symbol.address)) text += ", " + line->file + ":" + std::to_string(line->line);
    return text;
}

Expected<> whereis_command(CommandContext& context, Arguments& arguments) {
    const Symbols& symbols = context.debugger.symbols();
    const std::string name = arguments.rest();
    if (name.empty()) return fail("whereis NAME: of what?");
    auto found = symbols.named(name);
    if (const auto part = symbols.variable(name); found.empty() && part) found.push_back(*part);
    if (found.empty()) return fail("no symbol is called '" + name + "' (symbols find " + name + " looks in all names)");
    for (const Symbol& symbol : found)
        context.out += name + " is at " + marked_hex(symbol.address) + ": " + kind_and_size(symbols, symbol) + "\n";
    return {};
}

// --- the table

constexpr std::string_view symbols_help =
    R"(Symbols come from ELF files (with DWARF: lines, variables, call frames), System.map, the output of
nm, lines of "address name", and the maps of NASM and Watcom, told apart by what is in them. Several
files may be loaded, each at its offset, which is added to all its addresses; loading one again
replaces what it gave.
  symbols load kernel.elf               at the addresses that it was linked for
  symbols load driver.elf at 0C8000h    a file linked for 0 and loaded there
  symbols load System.map               Linux, started with nokaslr
  symbols load boot.map                 [map symbols boot.map] in boot.asm
  symbols find sched                    names that contain it
  symbols list
  symbols unload boot.map
  symbols reload                        after the guest was built again
  symbols path /build/src /home/me/src  where source files are that were compiled elsewhere
)";

constexpr std::string_view print_help =
    R"(Shows a value. What has no type (registers, memory, labels) is shown in every notation, with the symbol
that it lies in as an address; a variable by its type: structures, arrays, pointers with what they lead
to, texts, enumerations by name. print/x, /d (signed), /u, /t (binary), /o, /c (character), /a (address
and symbol), /f and /s (text) show one notation alone, of structures for every part.
  print eax
  print/t cr0 & 0FFh
  p [ss:esp+4]
  p dword [0x500]       the number that lies there
  p/a dword [ss:esp]    where this function returns to, at its first instruction
  p table[3]            a variable, a whole structure
  p table[3].limit      a part of it; also task->next, *pointer, &variable, first@10
  p (char)jiffies       casts, sizeof and enumerations as in C
  p/x table[1]
  p ::counter           that of the program, where a local has the same name
Locals are those of the function that executes, or of the frame that `frame` has chosen. A variable goes
before a register of the same name: $cf is the register. Without variables, comparisons, division and >>
take numbers without signs: -1 < 0 is false. Within [ ] a variable is its address, as in assembler, and
memory addressed by general registers lies in the segment that an instruction would use: [bp-2] in SS,
[bx+si] in DS. help expressions has the rest.
)";

constexpr std::array table{
    Command{"print", "p", "Symbols", "[/FORMAT] EXPRESSION", "The value of an expression, in every notation",
            print_help, print_command, "symbol"},
    Command{"ptype", "", "Symbols", "NAME|TYPE|EXPRESSION", "The type of a variable, as C defines it",
            "Structures with the offsets of their members, enumerations with their values (by DWARF).\n"
            "  ptype table[0]\n"
            "  ptype unsigned long\n",
            ptype_command, "symbol"},
    Command{"symbols", "sym symbol", "Symbols",
            "[load FILE [at OFFSET] | find TEXT | unload FILE | reload | path FROM TO]",
            "Symbol files: loads, lists and searches them", symbols_help, symbols_command,
            "load|list|find|unload|reload|path"},
    Command{"whereis", "", "Symbols", "NAME", "Where a symbol is, its size and source line",
            "All symbols of that name are shown; parts of variables need DWARF.\n"
            "  whereis schedule\n"
            "  whereis table[3].limit\n",
            whereis_command, "symbol"},
    Command{"line", "", "Symbols", "[ADDRESS]", "The symbol and source line of an address",
            "Without an address: of the present instruction.\n"
            "  line\n"
            "  line 7C3Eh\n"
            "  line schedule+4\n",
            line_command, "symbol"},
    Command{"locals", "", "Symbols", "[FRAME]", "Parameters and variables of the function that executes",
            "By DWARF, with values and where they are: a register or an address. What the compiler does not keep\n"
            "at this instruction says so. Of the frame that was chosen (frame, up), or of FRAME as bt counts.\n"
            "  locals\n"
            "  locals 1\n",
            locals_command},
    Command{"list", "l", "Symbols", "[ADDRESS|FILE:LINE]", "Source text around an address or a line",
            "Without an argument: around the present instruction, which => marks; * marks lines that have code.\n"
            "Source files are read where they were compiled, beside the symbol file, or where `symbols path`\n"
            "says.\n"
            "  list\n"
            "  list main.c:40\n"
            "  list schedule\n",
            list_command, "symbol"},
};

} // namespace

std::span<const Command> symbol_commands() { return table; }

} // namespace glassbox
