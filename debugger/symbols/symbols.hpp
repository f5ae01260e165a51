// What the addresses of a guest are called: symbols, source lines, call frames. Several files at once, each at its
// offset. Files are hostile: every error names the file and the reason.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {

struct Symbol {
    std::string name;
    u64 address = 0; ///< linear
    u64 size = 0;    ///< 0: not known, it reaches to the next one
    bool function = false;
};

struct SourceLine {
    std::string file; ///< as the debug information has it
    unsigned line = 0;
    u64 address = 0; ///< the first of the line's instructions around the address asked for
};

/// The registers that a call frame is unwound from and to, by DWARF's numbers: 0-15 are RAX RDX RCX RBX RSI RDI RBP RSP
/// R8 … for 64-bit code, EAX ECX EDX EBX ESP EBP ESI EDI for 32-bit code; `pc` beside them.
struct FrameRegisters {
    u64 pc = 0;
    bool exact = true; ///< false: `pc` is a return address, which may lie behind the caller's last instruction
    std::array<std::optional<u64>, 17> values{};
};

/// A variable of a function that is being executed.
struct Local {
    std::string name;
    std::string type;  ///< "unsigned int", "entry*"
    std::string value; ///< as text; "" where it is neither in memory nor in a register just now
    std::string where; ///< "RDI", "10FEB0h"; "" where it is computed or nowhere
    bool parameter = false;
};
struct Locals {
    std::string function;
    std::vector<Local> variables;
};

class Symbols {
  public:
    Symbols();
    ~Symbols();
    Symbols(const Symbols&) = delete;
    Symbols& operator=(const Symbols&) = delete;

    /// ELF with or without DWARF, System.map, "address name" lines, NASM's and Watcom's map files: told apart by
    /// content. `offset` is added to every address. Loading a file again replaces what it gave before. Returns what was
    /// found, in words.
    Expected<std::string> load(const std::string& path, u64 offset = 0);
    Expected<> unload(const std::string& path);
    /// All files again, at their offsets: they were built anew. A line each; the error is that of the first that failed
    /// (the others are loaded).
    Expected<std::string> reload();
    bool empty() const;
    /// "path (N symbols, lines, frames) at offset …", a line each.
    std::string list() const;

    std::optional<u64> address_of(std::string_view name) const;
    /// The symbol that `address` lies in: the nearest at or below it, if it reaches that far (or its size is unknown
    /// and it is within 1 MiB).
    std::optional<Symbol> at(u64 address) const;
    /// "schedule+1ch", "schedule" at its start, or "".
    std::string describe(u64 address) const;
    std::optional<SourceLine> line_at(u64 address) const;
    /// "file.c:12": the lowest address of that line. The file's name may be any trailing part of its path.
    std::optional<u64> address_of_line(std::string_view file, unsigned line) const;
    /// Names that begin so, in order, at most `most`: for completion.
    std::vector<std::string> beginning_with(std::string_view prefix, std::size_t most) const;
    /// Symbols whose names contain `text`, by address, at most `most`.
    std::vector<Symbol> containing(std::string_view text, std::size_t most) const;
    /// All symbols of that name, by address: there may be several that are static.
    std::vector<Symbol> named(std::string_view name) const;
    /// A variable's address and size by DWARF, or by the symbol table. By DWARF also parts: "table[3].limit".
    std::optional<Symbol> variable(std::string_view name) const;
    /// Lines of `file` (trailing part of a path) that have code, within first and last.
    std::vector<unsigned> lines_with_code(std::string_view file, unsigned first, unsigned last) const;

    /// Source files that were compiled at `from` are read at `to`. The latest that fits counts.
    void substitute_path(std::string from, std::string to);
    /// "from -> to", a line each.
    std::string substitutions() const;
    /// The text of source file `file`, found as it is named, with substitutions, or beside its symbol file.
    Expected<std::vector<std::string>> source_text(std::string_view file) const;

    /// The caller's registers by DWARF call-frame information, or nothing where there is none for `frame.pc`.
    /// `read` reads the guest's memory: false when it cannot.
    using ReadMemory = std::function<bool(u64 linear, unsigned size, u64& value)>;
    std::optional<FrameRegisters> unwind(const FrameRegisters& frame, unsigned bits, const ReadMemory& read) const;
    /// The variables of the function at frame.pc by DWARF, with their values; nothing where it knows no function there.
    std::optional<Locals> locals(const FrameRegisters& frame, unsigned bits, const ReadMemory& read) const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace glassbox
