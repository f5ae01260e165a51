// ELF: what the file is, its sections and its symbol tables (System V ABI, chapter 4).
#include "debugger/symbols/dwarf.hpp"

#include <gelf.h>

#include <algorithm>
#include <cstring>

namespace glassbox {

namespace {

std::string elf_error() {
    const char* const text = elf_errmsg(-1);
    return text ? text : "unknown error";
}

/// Deflate makes at most 1032 bytes of one.
constexpr u64 largest_expansion = 1032;

} // namespace

Expected<std::shared_ptr<DebugInformation>> DebugInformation::open(std::vector<char> bytes) {
    if (elf_version(EV_CURRENT) == EV_NONE) return fail("libelf is too old");
    std::shared_ptr<DebugInformation> info(new DebugInformation(std::move(bytes)));
    info->elf_ = elf_memory(info->bytes_.data(), info->bytes_.size());
    if (!info->elf_) return fail("it is no ELF file: " + elf_error());
    if (auto good = info->check(); !good) return tl::unexpected(good.error());
    if (auto good = info->check_sections(); !good) return tl::unexpected(good.error());
    info->dwarf_ = dwarf_begin_elf(info->elf_, DWARF_C_READ, nullptr);
    if (info->dwarf_) info->debug_frames_ = dwarf_getcfi(info->dwarf_);
    if (info->dwarf_) info->types_ = std::make_unique<DwarfTypes>(info->dwarf_, info->bits_);
    info->eh_frames_ = dwarf_getcfi_elf(info->elf_);
    return info;
}

DebugInformation::~DebugInformation() {
    if (eh_frames_) dwarf_cfi_end(eh_frames_);
    if (dwarf_) dwarf_end(dwarf_);
    if (elf_) elf_end(elf_);
}

Expected<> DebugInformation::check() {
    if (elf_kind(elf_) != ELF_K_ELF) return fail("it is damaged: no ELF file, though it begins like one");
    GElf_Ehdr header{};
    if (!gelf_getehdr(elf_, &header)) return fail("its ELF header is damaged: " + elf_error());
    if (header.e_machine != EM_386 && header.e_machine != EM_X86_64 && header.e_machine != EM_IAMCU)
        return fail("it is for another processor (ELF machine " + std::to_string(header.e_machine) + "), not x86");
    if (header.e_type == ET_REL) return fail("it is an object file, whose addresses are not settled: link it first");
    if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        return fail("it is no program (ELF type " + std::to_string(header.e_type) + ")");
    bits_ = header.e_ident[EI_CLASS] == ELFCLASS64 ? 64 : 32;
    return {};
}

Expected<> DebugInformation::check_sections() {
    Elf_Scn* section = nullptr;
    while ((section = elf_nextscn(elf_, section)) != nullptr) {
        GElf_Shdr header{};
        if (!gelf_getshdr(section, &header)) return fail("a section header is damaged: " + elf_error());
        if ((header.sh_flags & SHF_EXECINSTR) && header.sh_addr + header.sh_size > header.sh_addr)
            code_.push_back({header.sh_addr, header.sh_addr + header.sh_size});
        if (header.sh_type == SHT_NOBITS) continue;
        if (header.sh_offset > bytes_.size() || header.sh_size > bytes_.size() - header.sh_offset)
            return fail("a section reaches beyond the end of the file: it is cut off or damaged");
        if (auto good = check_compressed(section, header.sh_size); !good) return good;
    }
    std::sort(code_.begin(), code_.end(), [](const Range& a, const Range& b) { return a.start < b.start; });
    return {};
}

/// What a section says that it expands to is allocated before it is expanded.
Expected<> DebugInformation::check_compressed(Elf_Scn* section, u64 size) {
    GElf_Shdr header{};
    gelf_getshdr(section, &header);
    u64 expanded = 0;
    GElf_Chdr compressed{};
    if ((header.sh_flags & SHF_COMPRESSED) && gelf_getchdr(section, &compressed)) {
        expanded = compressed.ch_size;
    } else if (size >= 12 && std::memcmp(bytes_.data() + header.sh_offset, "ZLIB", 4) == 0) { // .zdebug
        for (unsigned i = 4; i < 12; ++i)
            expanded = expanded << 8 | static_cast<unsigned char>(bytes_[header.sh_offset + i]);
    }
    if (expanded > size * largest_expansion + page_size)
        return fail("a compressed section lies about its size: " + std::to_string(size) + " bytes cannot expand to " +
                    std::to_string(expanded));
    return {};
}

bool DebugInformation::in_code(u64 address) const {
    auto after = std::upper_bound(code_.begin(), code_.end(), address,
                                  [](u64 value, const Range& range) { return value < range.start; });
    // Sections of a hostile file may overlap: a few steps back are enough for any that a linker makes.
    for (unsigned steps = 0; after != code_.begin() && steps < 8; ++steps) {
        --after;
        if (address < after->end) return true;
    }
    return false;
}

Expected<> DebugInformation::read_symbols(std::vector<FileSymbol>& symbols) {
    Elf_Scn *section = nullptr, *full = nullptr, *dynamic = nullptr;
    while ((section = elf_nextscn(elf_, section)) != nullptr) {
        GElf_Shdr header{};
        if (!gelf_getshdr(section, &header)) continue;
        if (header.sh_type == SHT_SYMTAB) full = section;
        if (header.sh_type == SHT_DYNSYM) dynamic = section;
    }
    if (Elf_Scn* const table = full ? full : dynamic) return read_table(table, symbols);
    return {};
}

Expected<> DebugInformation::read_table(Elf_Scn* section, std::vector<FileSymbol>& symbols) {
    GElf_Shdr header{};
    Elf_Data* const data = elf_getdata(section, nullptr);
    if (!gelf_getshdr(section, &header) || !data) return fail("its symbol table is damaged: " + elf_error());
    const std::size_t entry = gelf_fsize(elf_, ELF_T_SYM, 1, EV_CURRENT);
    const std::size_t count = entry ? data->d_size / entry : 0;
    if (count > most_symbols) return fail("it has more than 20 million symbols");
    for (std::size_t i = 1; i < count; ++i) {
        GElf_Sym entry_symbol{};
        if (!gelf_getsym(data, static_cast<int>(i), &entry_symbol)) break;
        const unsigned type = GELF_ST_TYPE(entry_symbol.st_info);
        if (entry_symbol.st_shndx == SHN_UNDEF || type == STT_SECTION || type == STT_FILE || type == STT_TLS) continue;
        const char* const name = elf_strptr(elf_, header.sh_link, entry_symbol.st_name);
        if (!name || !*name) continue;
        FileSymbol symbol;
        const std::string_view raw(name, ::strnlen(name, longest_name));
        symbol.name = plain_name(raw);
        symbol.address = entry_symbol.st_value;
        symbol.size = entry_symbol.st_size;
        symbol.function = type == STT_FUNC || type == STT_GNU_IFUNC;
        symbol.object = type == STT_OBJECT;
        symbol.global = GELF_ST_BIND(entry_symbol.st_info) != STB_LOCAL;
        symbol.absolute = entry_symbol.st_shndx == SHN_ABS;
        if (symbol.name != raw) {
            FileSymbol mangled = symbol;
            mangled.name = raw;
            mangled.alias = true;
            symbols.push_back(std::move(mangled));
        }
        symbols.push_back(std::move(symbol));
    }
    return {};
}

Expected<SymbolFile> read_elf(std::vector<char> bytes) {
    auto info = DebugInformation::open(std::move(bytes));
    if (!info) return tl::unexpected(info.error());
    DebugInformation& debug = **info;
    SymbolFile file;
    if (auto good = debug.read_symbols(file.symbols); !good) return tl::unexpected(good.error());
    if (debug.has_dwarf()) {
        if (file.symbols.empty()) debug.read_functions(file.symbols);
        if (auto good = debug.read_lines(file); !good) return tl::unexpected(good.error());
    }
    file.frames = debug.has_frames();
    file.format = "ELF" + std::to_string(debug.bits()) + (file.rows.empty() ? "" : " with DWARF");
    if (file.symbols.empty() && file.rows.empty() && !file.frames)
        return fail("it has no symbols, lines or frames: it was stripped");
    file.debug = *info;
    return file;
}

Expected<SymbolFile> read_symbol_file(std::vector<char> bytes) {
    if (bytes.size() >= 4 && std::memcmp(bytes.data(), ELFMAG, SELFMAG) == 0) return read_elf(std::move(bytes));
    return read_symbol_text(std::string_view(bytes.data(), bytes.size()));
}

} // namespace glassbox
