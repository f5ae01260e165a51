// An ELF file's symbol tables and DWARF, read through libelf and libdw (ELF: System V ABI, chapter 4; DWARF 5). The
// bytes are in memory and may be hostile: what libdw does not bound is bounded here.
#pragma once

#include "debugger/symbols/dwarf_types.hpp"
#include "debugger/symbols/symbol_file.hpp"

#include <elfutils/libdw.h>
#include <libelf.h>

#include <functional>
#include <unordered_map>

namespace glassbox {

class DebugInformation {
  public:
    /// The error says what is wrong with the file.
    static Expected<std::shared_ptr<DebugInformation>> open(std::vector<char> bytes);
    ~DebugInformation();
    DebugInformation(const DebugInformation&) = delete;
    DebugInformation& operator=(const DebugInformation&) = delete;

    bool has_dwarf() const { return dwarf_ != nullptr; }
    bool has_frames() const { return debug_frames_ || eh_frames_; }
    unsigned bits() const { return bits_; }

    Expected<> read_symbols(std::vector<FileSymbol>& symbols);
    /// Of the functions that DWARF describes, where the symbol table was stripped.
    void read_functions(std::vector<FileSymbol>& symbols);
    Expected<> read_lines(SymbolFile& file);
    /// "name", "name.member[3].member", "function::name".
    std::optional<Symbol> variable(std::string_view path);
    std::optional<FrameRegisters> unwind(const FrameRegisters& frame, u64 offset, const Symbols::ReadMemory& read);
    /// A variable or function with a fixed address, in the file's own addresses.
    std::optional<TypedVariable> typed_variable(std::string_view name);
    TypePtr type_named(std::string_view name);
    std::optional<Symbols::Constant> constant(std::string_view name);
    /// The function at frame.pc with its variables, those of inner blocks last; nothing where DWARF knows no function.
    std::optional<FunctionScope> scope(const FrameRegisters& frame, u64 offset, const Symbols::ReadMemory& read,
                                       std::string_view only = {});

  private:
    explicit DebugInformation(std::vector<char> bytes) : bytes_(std::move(bytes)) {}
    struct Range {
        u64 start = 0, end = 0;
    };
    Expected<> check();
    Expected<> check_sections();
    Expected<> check_compressed(Elf_Scn* section, u64 size);
    bool in_code(u64 address) const;
    Expected<> read_table(Elf_Scn* section, std::vector<FileSymbol>& symbols);
    u64 file_address(const FrameRegisters& frame, u64 offset) const;
    std::optional<u64> cfa(const FrameRegisters& frame, u64 offset, const Symbols::ReadMemory& read);
    bool find_function(u64 address, Dwarf_Die* function, Dwarf_Die* parent, unsigned depth);
    bool function_at(u64 address, Dwarf_Die* function);
    void read_functions(Dwarf_Die* parent, const std::string& prefix, unsigned depth, std::vector<FileSymbol>& symbols);
    void collect_variables();
    void collect_variables(Dwarf_Die* parent, const std::string& prefix, unsigned depth);
    using Units = std::function<bool(Dwarf_Die*)>;
    void each_unit(const Units& visit);
    std::optional<FrameRegisters> unwind(Dwarf_Frame* frame, const FrameRegisters& from,
                                         const Symbols::ReadMemory& read) const;

    std::vector<char> bytes_;
    Elf* elf_ = nullptr;
    Dwarf* dwarf_ = nullptr;
    Dwarf_CFI* debug_frames_ = nullptr;
    Dwarf_CFI* eh_frames_ = nullptr;
    unsigned bits_ = 32;
    std::vector<Range> code_; ///< sections that are executed, by address
    bool collected_ = false;
    std::size_t visited_ = 0;                              ///< DIEs, which a hostile file may chain in circles
    std::unordered_map<std::string, Dwarf_Off> variables_; ///< DIEs of variables with an address
    std::unordered_map<std::string, Dwarf_Off> functions_; ///< … of functions
    std::unordered_map<u64, Dwarf_Off> functions_at_;      ///< what `function_at` has found
    std::unique_ptr<DwarfTypes> types_;
};

} // namespace glassbox
