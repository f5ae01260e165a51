// Loaded symbol files, and the index of their names and addresses.
#include "debugger/symbols/symbols.hpp"

#include "debugger/hex.hpp"
#include "debugger/symbols/dwarf.hpp"
#include "debugger/symbols/symbol_file.hpp"
#include "debugger/symbols/typed_value.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace glassbox {

namespace {

constexpr u64 reach_of_unsized = u64{1} << 20;

struct Loaded {
    std::string path;
    u64 offset = 0;
    SymbolFile file;
};

Expected<std::vector<char>> read_bytes(const std::string& path) {
    std::error_code error;
    const auto status = std::filesystem::status(path, error);
    if (error || !std::filesystem::exists(status)) return fail("it cannot be found");
    if (!std::filesystem::is_regular_file(status)) return fail("it is no file");
    const u64 size = std::filesystem::file_size(path, error);
    if (error) return fail("it cannot be read");
    if (size > largest_symbol_file) return fail("it is larger than 2 GiB");
    std::vector<char> bytes(size);
    std::ifstream stream(path, std::ios::binary);
    if (!stream.read(bytes.data(), static_cast<std::streamsize>(size)) && size != 0) return fail("it cannot be read");
    return bytes;
}

/// "kernel.elf" of "/home/me/kernel.elf".
bool is_trailing_path(std::string_view path, std::string_view part) {
    if (!path.ends_with(part) || part.empty()) return false;
    return path.size() == part.size() || part.front() == '/' || path[path.size() - part.size() - 1] == '/';
}

std::string counted(std::size_t count, const std::string& what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string summary(const SymbolFile& file) {
    const auto shown =
        std::count_if(file.symbols.begin(), file.symbols.end(), [](const FileSymbol& s) { return !s.alias; });
    std::string text = counted(static_cast<std::size_t>(shown), "symbol");
    if (!file.rows.empty()) text += ", lines of " + counted(file.sources.size(), "source file");
    if (file.frames) text += ", call frames";
    return text;
}

std::string marked(u64 value) {
    const std::string text = hex(value, 1);
    return (text[0] > '9' ? "0" : "") + text + "h";
}

} // namespace

struct Symbols::Impl {
    struct Entry {
        u64 address = 0;
        const FileSymbol* symbol = nullptr;
    };
    struct Substitution {
        std::string from, to;
    };
    std::vector<std::unique_ptr<Loaded>> files;
    std::vector<Entry> by_address; ///< what something can lie in; of several at one address the best is last
    std::vector<Entry> by_name;    ///< of several with one name the best is first
    std::vector<Substitution> substitutions;
    std::optional<FrameSelection> selection;

    static unsigned rank(const FileSymbol& symbol) {
        return (symbol.function ? 4u : 0) + (symbol.global ? 2u : 0) + (symbol.size ? 1u : 0);
    }

    void index() {
        by_address.clear();
        by_name.clear();
        for (const auto& loaded : files) {
            for (const FileSymbol& symbol : loaded->file.symbols) {
                const Entry entry{symbol.absolute ? symbol.address : symbol.address + loaded->offset, &symbol};
                by_name.push_back(entry);
                if (!symbol.absolute && !symbol.alias) by_address.push_back(entry);
            }
        }
        std::sort(by_address.begin(), by_address.end(), [](const Entry& a, const Entry& b) {
            if (a.address != b.address) return a.address < b.address;
            const unsigned of_a = rank(*a.symbol), of_b = rank(*b.symbol);
            return of_a != of_b ? of_a < of_b : a.symbol->name > b.symbol->name;
        });
        std::sort(by_name.begin(), by_name.end(), [](const Entry& a, const Entry& b) {
            const int order = a.symbol->name.compare(b.symbol->name);
            if (order != 0) return order < 0;
            const unsigned of_a = rank(*a.symbol), of_b = rank(*b.symbol);
            return of_a != of_b ? of_a > of_b : a.address < b.address;
        });
    }

    static Symbol placed(const Entry& entry) {
        Symbol symbol = *entry.symbol;
        symbol.address = entry.address;
        return symbol;
    }

    std::vector<Entry>::const_iterator first_named(std::string_view name) const {
        return std::lower_bound(by_name.begin(), by_name.end(), name,
                                [](const Entry& entry, std::string_view text) { return entry.symbol->name < text; });
    }

    const Entry* named(std::string_view name) const {
        const auto found = first_named(name);
        return found != by_name.end() && found->symbol->name == name ? &*found : nullptr;
    }

    auto find_file(std::string_view path) {
        auto found = std::find_if(files.begin(), files.end(), [&](const auto& file) { return file->path == path; });
        if (found != files.end()) return found;
        return std::find_if(files.begin(), files.end(),
                            [&](const auto& file) { return is_trailing_path(file->path, path); });
    }
};

Symbols::Symbols() : impl_(std::make_unique<Impl>()) {}
Symbols::~Symbols() = default;

Expected<std::string> Symbols::load(const std::string& path, u64 offset) {
    auto file = read_bytes(path).and_then(
        [](std::vector<char> bytes) -> Expected<SymbolFile> { return read_symbol_file(std::move(bytes)); });
    if (!file) return fail("no symbols from " + path + ": " + file.error().message);
    auto loaded = std::make_unique<Loaded>();
    loaded->path = path;
    loaded->offset = offset;
    loaded->file = std::move(*file);
    std::string text = path + ": " + loaded->file.format + ", " + summary(loaded->file);
    if (offset) text += ", at offset " + marked(offset);
    const auto before =
        std::find_if(impl_->files.begin(), impl_->files.end(), [&](const auto& old) { return old->path == path; });
    if (before != impl_->files.end()) {
        text += " (in place of what was loaded before)";
        *before = std::move(loaded);
    } else {
        impl_->files.push_back(std::move(loaded));
    }
    impl_->index();
    return text;
}

Expected<> Symbols::unload(const std::string& path) {
    const auto found = impl_->find_file(path);
    if (found == impl_->files.end()) return fail("no symbol file '" + path + "' is loaded");
    impl_->files.erase(found);
    impl_->index();
    return {};
}

Expected<std::string> Symbols::reload() {
    std::vector<std::pair<std::string, u64>> all;
    for (const auto& loaded : impl_->files) all.emplace_back(loaded->path, loaded->offset);
    std::string text, error;
    for (const auto& [path, offset] : all) {
        const auto done = load(path, offset);
        if (done) text += *done + "\n";
        if (!done && error.empty()) error = done.error().message;
    }
    if (!error.empty()) return fail(error);
    return text;
}

bool Symbols::empty() const { return impl_->files.empty(); }

std::string Symbols::list() const {
    std::string text;
    for (const auto& loaded : impl_->files) {
        text += loaded->path + ": " + loaded->file.format + " (" + summary(loaded->file) + ")";
        if (loaded->offset) text += " at offset " + marked(loaded->offset);
        text += '\n';
    }
    return text;
}

std::optional<u64> Symbols::address_of(std::string_view name) const {
    if (const auto* const entry = impl_->named(name)) return entry->address;
    if (impl_->files.empty() || name.find_first_of(".[:") == std::string_view::npos) return {};
    const auto part = variable(name);
    return part ? std::optional(part->address) : std::nullopt;
}

std::optional<u64> Symbols::address_of_symbol(std::string_view name) const {
    const auto* const entry = impl_->named(name);
    return entry ? std::optional(entry->address) : std::nullopt;
}

std::optional<Symbol> Symbols::at(u64 address) const {
    const auto& all = impl_->by_address;
    auto after = std::upper_bound(all.begin(), all.end(), address,
                                  [](u64 value, const Impl::Entry& entry) { return value < entry.address; });
    constexpr unsigned most_steps = 32; // how far a larger symbol may begin before those within it
    const u64 nearest = after == all.begin() ? 0 : std::prev(after)->address;
    for (unsigned step = 0; after != all.begin() && step < most_steps; ++step) {
        --after;
        const u64 distance = address - after->address, size = after->symbol->size;
        if (size ? distance < size : after->address == nearest && distance <= reach_of_unsized)
            return Impl::placed(*after);
    }
    return {};
}

std::string Symbols::describe(u64 address) const {
    const auto symbol = at(address);
    if (!symbol) return {};
    return address == symbol->address ? symbol->name : symbol->name + "+" + marked(address - symbol->address);
}

std::vector<std::string> Symbols::beginning_with(std::string_view prefix, std::size_t most) const {
    std::vector<std::string> names;
    for (auto at = impl_->first_named(prefix); at != impl_->by_name.end() && names.size() < most; ++at) {
        if (!at->symbol->name.starts_with(prefix)) break;
        if (names.empty() || names.back() != at->symbol->name) names.push_back(at->symbol->name);
    }
    return names;
}

std::vector<Symbol> Symbols::containing(std::string_view text, std::size_t most) const {
    std::vector<Symbol> found;
    for (const auto& entry : impl_->by_name) {
        if (entry.symbol->alias || entry.symbol->name.find(text) == std::string::npos) continue;
        found.push_back(Impl::placed(entry));
    }
    std::sort(found.begin(), found.end(), [](const Symbol& a, const Symbol& b) {
        return a.address != b.address ? a.address < b.address : a.name < b.name;
    });
    if (found.size() > most) found.resize(most);
    return found;
}

std::vector<Symbol> Symbols::named(std::string_view name) const {
    std::vector<Symbol> found;
    for (auto at = impl_->first_named(name); at != impl_->by_name.end() && at->symbol->name == name; ++at)
        found.push_back(Impl::placed(*at));
    std::sort(found.begin(), found.end(), [](const Symbol& a, const Symbol& b) { return a.address < b.address; });
    return found;
}

std::optional<Symbol> Symbols::variable(std::string_view name) const {
    for (const auto& loaded : impl_->files) {
        if (!loaded->file.debug) continue;
        if (auto found = loaded->file.debug->variable(name)) {
            found->address += loaded->offset;
            return found;
        }
    }
    const auto* const entry = impl_->named(name);
    return entry && !entry->symbol->function ? std::optional(Impl::placed(*entry)) : std::nullopt;
}

std::optional<SourceLine> Symbols::line_at(u64 address) const {
    for (const auto& loaded : impl_->files) {
        const auto& rows = loaded->file.rows;
        const u64 wanted = address - loaded->offset;
        auto row = std::upper_bound(rows.begin(), rows.end(), wanted,
                                    [](u64 value, const LineRow& r) { return value < r.address; });
        if (row == rows.begin()) continue;
        --row;
        if (row->end || row->line == 0) continue;
        u64 first = row->address;
        for (auto before = row; before != rows.begin();) {
            --before;
            if (before->end || (!before->empty && (before->line != row->line || before->file != row->file))) break;
            if (!before->empty) first = before->address;
        }
        return SourceLine{loaded->file.sources[row->file], row->line, first + loaded->offset};
    }
    return {};
}

namespace {

/// Which of a file's sources `name` may mean.
std::vector<bool> sources_called(const SymbolFile& file, std::string_view name) {
    if (name.starts_with("./")) name.remove_prefix(2);
    std::vector<bool> called(file.sources.size());
    for (std::size_t i = 0; i < called.size(); ++i) called[i] = is_trailing_path(file.sources[i], name);
    return called;
}

} // namespace

std::optional<u64> Symbols::address_of_line(std::string_view file, unsigned line) const {
    std::optional<u64> lowest, lowest_empty; // where an inlined line is all that another line's instruction does
    for (const auto& loaded : impl_->files) {
        const auto called = sources_called(loaded->file, file);
        for (const LineRow& row : loaded->file.rows) {
            if (row.end || row.line != line || line == 0 || !called[row.file]) continue;
            const u64 address = row.address + loaded->offset;
            auto& least = row.empty ? lowest_empty : lowest;
            least = least ? std::min(*least, address) : address;
        }
    }
    return lowest ? lowest : lowest_empty;
}

std::vector<unsigned> Symbols::lines_with_code(std::string_view file, unsigned first, unsigned last) const {
    std::vector<unsigned> lines;
    for (const auto& loaded : impl_->files) {
        const auto called = sources_called(loaded->file, file);
        for (const LineRow& row : loaded->file.rows) {
            if (!row.end && row.line >= first && row.line <= last && called[row.file]) lines.push_back(row.line);
        }
    }
    std::sort(lines.begin(), lines.end());
    lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
    return lines;
}

std::optional<FrameRegisters> Symbols::unwind(const FrameRegisters& frame, unsigned bits,
                                              const ReadMemory& read) const {
    for (const auto& loaded : impl_->files) {
        DebugInformation* const debug = loaded->file.debug.get();
        if (!debug || !debug->has_frames() || (debug->bits() == 64) != (bits == 64)) continue;
        if (auto caller = debug->unwind(frame, loaded->offset, read)) return caller;
    }
    return {};
}

std::optional<FunctionScope> Symbols::scope(const FrameRegisters& frame, unsigned bits, const ReadMemory& read,
                                            std::string_view only) const {
    for (const auto& loaded : impl_->files) {
        DebugInformation* const debug = loaded->file.debug.get();
        if (!debug || !debug->has_dwarf() || (debug->bits() == 64) != (bits == 64)) continue;
        if (auto found = debug->scope(frame, loaded->offset, read, only)) return found;
    }
    return {};
}

std::optional<Locals> Symbols::locals(const FrameRegisters& frame, unsigned bits, const ReadMemory& read) const {
    const auto found = scope(frame, bits, read);
    if (!found) return {};
    const MemoryReader reader = [&](const Address& at, std::span<u8> bytes) {
        for (std::size_t i = 0; i < bytes.size(); ++i) {
            u64 byte = 0;
            if (!read(at.value + i, 1, byte)) return false;
            bytes[i] = static_cast<u8>(byte);
        }
        return true;
    };
    TypedFormat format;
    format.most_elements = 32;
    format.one_line = true;
    format.alone = true;
    format.symbol = [this](u64 address) { return describe(address); };
    Locals locals{.function = found->function, .variables = {}};
    for (const TypedVariable& variable : found->variables) {
        Local local;
        local.name = variable.name;
        local.type = type_name(variable.type);
        local.where = variable.where;
        local.parameter = variable.parameter;
        TypedValue value{.type = variable.type};
        if (variable.address) value.place = Address{.value = *variable.address};
        if (variable.bytes) value.kept = std::make_shared<const std::vector<u8>>(*variable.bytes);
        if (variable.kept()) local.value = typed_text(value, reader, format);
        locals.variables.push_back(std::move(local));
    }
    return locals;
}

std::optional<TypedVariable> Symbols::typed_variable(std::string_view name) const {
    for (const auto& loaded : impl_->files) {
        if (!loaded->file.debug || !loaded->file.debug->has_dwarf()) continue;
        if (auto found = loaded->file.debug->typed_variable(name)) {
            if (found->address) *found->address += loaded->offset;
            return found;
        }
    }
    return {};
}

TypePtr Symbols::type_named(std::string_view name) const {
    for (const auto& loaded : impl_->files) {
        if (!loaded->file.debug) continue;
        if (TypePtr found = loaded->file.debug->type_named(name)) return found;
    }
    return {};
}

std::optional<Symbols::Constant> Symbols::constant(std::string_view name) const {
    for (const auto& loaded : impl_->files) {
        if (!loaded->file.debug) continue;
        if (auto found = loaded->file.debug->constant(name)) return found;
    }
    return {};
}

bool Symbols::has_types() const {
    return std::any_of(impl_->files.begin(), impl_->files.end(),
                       [](const auto& loaded) { return loaded->file.debug && loaded->file.debug->has_dwarf(); });
}

const std::optional<FrameSelection>& Symbols::selection() const { return impl_->selection; }
void Symbols::select_frame(const std::optional<FrameSelection>& selection) { impl_->selection = selection; }

void Symbols::substitute_path(std::string from, std::string to) {
    impl_->substitutions.insert(impl_->substitutions.begin(), {std::move(from), std::move(to)});
}

std::string Symbols::substitutions() const {
    std::string text;
    for (const auto& one : impl_->substitutions) text += one.from + " -> " + one.to + "\n";
    return text;
}

namespace {

/// Beside the symbol file, and from every folder above it: programs are built in folders of their project's.
void add_folders_above(const std::string& symbol_file, const std::string& name, std::vector<std::string>& places) {
    namespace fs = std::filesystem;
    constexpr unsigned most_folders = 8;
    std::error_code error;
    fs::path folder = fs::absolute(symbol_file, error).parent_path();
    for (unsigned n = 0; !error && n < most_folders && folder.has_relative_path(); ++n, folder = folder.parent_path())
        places.push_back((folder / name).string());
}

/// "/build/src" is the beginning of "/build/src/a.c", and not of "/build/src2/a.c".
bool is_leading_path(std::string_view path, std::string_view part) {
    if (!path.starts_with(part)) return false;
    return part.empty() || part.back() == '/' || path.size() == part.size() || path[part.size()] == '/';
}

} // namespace

Expected<std::vector<std::string>> Symbols::source_text(std::string_view file) const {
    namespace fs = std::filesystem;
    std::vector<std::string> places;
    std::vector<std::string> names{std::string(file)};
    for (const auto& loaded : impl_->files) {
        for (const std::string& source : loaded->file.sources) {
            if (source != file && is_trailing_path(source, file)) names.push_back(source);
        }
    }
    for (const std::string& name : names) {
        for (const auto& one : impl_->substitutions) {
            if (is_leading_path(name, one.from)) places.push_back(one.to + name.substr(one.from.size()));
        }
        places.push_back(name);
        for (const auto& loaded : impl_->files) add_folders_above(loaded->path, name, places);
    }
    for (const std::string& place : places) {
        std::error_code error;
        if (!fs::is_regular_file(place, error) || fs::file_size(place, error) > (u64{64} << 20)) continue;
        std::ifstream stream(place);
        std::vector<std::string> lines;
        for (std::string line; std::getline(stream, line);) {
            if (line.ends_with('\r')) line.pop_back();
            lines.push_back(std::move(line));
        }
        return lines;
    }
    return fail("the source file " + std::string(file) +
                " is not here (symbols path FROM TO says where files that were compiled elsewhere are)");
}

} // namespace glassbox
