// Symbol files: any bytes are one of the formats, or are refused with a reason.
#include "debugger/symbols/dwarf.hpp"
#include "debugger/symbols/symbol_file.hpp"
#include "debugger/symbols/typed_value.hpp"
#include "tests/typed_printing.hpp"

#include <algorithm>
#include <cstdlib>

using namespace glassbox;

namespace {

/// Everything that is printed of a variable.
void show(const TypedVariable& variable) {
    for (const std::string& text : print_everything(variable))
        if (text.size() > 2'000'000) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const char* const text = reinterpret_cast<const char*>(data);
    const auto file = read_symbol_file(std::vector<char>(text, text + size));
    if (!file) {
        if (file.error().message.empty()) std::abort();
        return 0;
    }
    for (const FileSymbol& symbol : file->symbols) {
        if (symbol.name.empty() || symbol.name.size() > longest_name) std::abort();
    }
    for (const LineRow& row : file->rows) {
        if (!row.end && row.file >= file->sources.size()) std::abort();
    }
    if (!file->debug) return 0;
    file->debug->variable("table[1].member");
    for (const char* const name : {"table", "counter", "main"}) {
        if (const auto variable = file->debug->typed_variable(name)) show(*variable);
    }
    FrameRegisters frame;
    for (auto& value : frame.values) value = 0x1000;
    if (!file->rows.empty()) frame.pc = file->rows.front().address;
    const auto read = [](u64 at, unsigned, u64& value) {
        value = at;
        return true;
    };
    file->debug->unwind(frame, 0, read);
    if (const auto scope = file->debug->scope(frame, 0, read)) {
        for (const TypedVariable& variable : scope->variables) show(variable);
    }
    return 0;
}
