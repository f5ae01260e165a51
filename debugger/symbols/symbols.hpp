// What the addresses of a guest are called: symbols, source lines, call frames. Several files at once, each at its
// offset. Files are hostile: every error names the file and the reason.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"
#include "debugger/symbols/c_type.hpp"

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

/// A variable with its type: where it is, or what it is where it lies in no memory.
struct TypedVariable {
    std::string name;
    TypePtr type; ///< may be null: not known
    std::optional<u64> address = {};
    std::optional<std::vector<u8>> bytes = {}; ///< of one that is kept in registers, computed or constant
    std::string where = {};                    ///< "RDI", "10FEB0h"; "" where it is computed or nowhere
    bool parameter = false;
    unsigned inlined = 0; ///< 0: the function's own; n: of the nth function that is inlined there, from outside in

    bool kept() const { return address || bytes; }
};
/// A function that was inlined around an instruction.
struct InlinedCall {
    std::string function;
    std::string file; ///< where it is called from
    unsigned line = 0;
};
/// The function at an instruction, by debug information.
struct FunctionScope {
    std::string function;
    u64 entry = 0;                        ///< its lowest address
    std::vector<InlinedCall> inlined;     ///< outermost first
    std::vector<TypedVariable> variables; ///< those of inner blocks last
};

/// A frame of the backtrace that was chosen with `frame`, `up` or `down`, for as long as the machine stands there.
struct FrameSelection {
    unsigned number = 0;
    const void* processor = nullptr;
    u64 instructions = 0, ip = 0, sp = 0; ///< the instant it belongs to
    unsigned bits = 32;
    FrameRegisters registers;
};

/// A variable of a function that is being executed, as text.
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
    /// A name of a symbol table, and no part of a variable.
    std::optional<u64> address_of_symbol(std::string_view name) const;
    /// Whether any file has DWARF.
    bool has_types() const;
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
    /// By DWARF, with its type: a variable or function with a fixed address, "function::name" of a static one.
    std::optional<TypedVariable> typed_variable(std::string_view name) const;
    /// "struct Journal", "kernel::Task", "u32".
    TypePtr type_named(std::string_view name) const;
    /// A constant of an enumeration, with its type.
    struct Constant {
        i64 value = 0;
        TypePtr type;
    };
    std::optional<Constant> constant(std::string_view name) const;
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

    /// The same with types; values are not read.
    /// `only`: variables of other names are left out.
    std::optional<FunctionScope> scope(const FrameRegisters& frame, unsigned bits, const ReadMemory& read,
                                       std::string_view only = {}) const;

    const std::optional<FrameSelection>& selection() const;
    void select_frame(const std::optional<FrameSelection>& selection);

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

} // namespace glassbox
