// Types as C writes them, and ways through them. Depth and length are bounded: they come from files.
#include "debugger/symbols/c_type.hpp"

#include "debugger/symbols/number_text.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

namespace {

using Kind = CType::Kind;
constexpr std::size_t longest_text = 400;
constexpr unsigned deepest_structure = 8;

TypePtr made(CType type) { return std::make_shared<const CType>(std::move(type)); }

std::string tag_of(const CType& type) {
    if (!type.name.empty()) return type.name;
    return type.keyword.empty() ? "?" : type.keyword + " {...}";
}

std::string spaced(const std::string& before, const std::string& declarator) {
    const bool joined = declarator.empty() || declarator[0] == '[' || declarator[0] == '*' || declarator[0] == '&';
    return before + (joined ? "" : " ") + declarator;
}

/// The declaration of `declarator` (what has been built from the name outwards) as `type`.
std::string declared(const TypePtr& type, std::string declarator, unsigned depth) {
    if (!type) return spaced("void", declarator);
    if (depth > longest_type_chain || declarator.size() > longest_text) return spaced("?", declarator);
    const TypePtr inner = inner_of(*type);
    switch (type->kind) {
    case Kind::pointer:
    case Kind::reference: {
        const std::string sign = type->kind == Kind::pointer ? "*" : "&";
        const TypePtr bare = inner && inner->kind == Kind::qualified ? stripped(inner) : inner;
        const bool named = !declarator.empty() && declarator[0] != '[' && declarator[0] != '*' && declarator[0] != '(';
        declarator.insert(0, named ? sign + " " : sign);
        if (bare && (bare->kind == Kind::array || bare->kind == Kind::function)) declarator = "(" + declarator + ")";
        return declared(inner, std::move(declarator), depth + 1);
    }
    case Kind::array:
        return declared(inner, declarator + "[" + (type->count ? std::to_string(*type->count) : "") + "]", depth + 1);
    case Kind::function: {
        std::string list;
        if (type->source) {
            for (const CMember& parameter : type->source->parameters(*type)) {
                if (list.size() > longest_text) break;
                list += list.empty() ? "" : ", ";
                list += parameter.name == "..." ? "..." : declared(parameter.type, parameter.name, depth + 4);
            }
        }
        declarator.append("(").append(list.empty() ? "void" : list).append(")");
        return declared(inner, std::move(declarator), depth + 1);
    }
    case Kind::qualified: {
        // Behind the sign that it qualifies, or in front of what the pointer leads to.
        if (inner && inner->kind == Kind::pointer) {
            declarator = " " + type->keyword + (declarator.empty() ? "" : " " + declarator);
            declarator.insert(0, "*");
            return declared(inner_of(*inner), std::move(declarator), depth + 1);
        }
        std::string text = declared(inner, std::move(declarator), depth + 1);
        // An array and its elements both say that they are const.
        return text.starts_with(type->keyword + " ") ? text : type->keyword + " " + text;
    }
    default: return spaced(tag_of(*type), declarator);
    }
}

std::string indented(unsigned depth) { return std::string(std::size_t{4} * (depth + 1), ' '); }

std::string with_comment(std::string line, const std::string& comment) {
    constexpr std::size_t column = 44;
    line.resize(std::max(line.size() + 1, column), ' ');
    return line + "// " + comment + "\n";
}

void write_members(const CType& structure, u64 base, unsigned depth, std::string& out) {
    constexpr std::size_t most_text = 200'000;
    if (!structure.source) return;
    for (const CMember& member : structure.source->members(structure)) {
        if (out.size() > most_text) {
            out += indented(depth) + "...\n";
            return;
        }
        const TypePtr type = stripped(member.type);
        const bool anonymous_structure =
            type && type->kind == Kind::structure && type->name.empty() && member.type->kind == Kind::structure;
        const u64 offset = base + member.offset;
        if (anonymous_structure && depth < deepest_structure) {
            out += with_comment(indented(depth) + type->keyword + " {", marked_hex(offset));
            write_members(*type, offset, depth + 1, out);
            out += indented(depth) + "}" + (member.name.empty() ? "" : " " + member.name) + ";\n";
            continue;
        }
        std::string line = indented(depth);
        if (member.base)
            line += "/* base */ " + type_name(member.type) + ";";
        else if (member.bit_size)
            line += type_name(member.type, member.name) + " : " + std::to_string(member.bit_size) + ";";
        else
            line += type_name(member.type, member.name) + ";";
        std::string comment = marked_hex(offset);
        if (member.bit_size)
            comment += member.bit_size == 1 ? ", bit " + std::to_string(member.bit)
                                            : ", bits " + std::to_string(member.bit) + "-" +
                                                  std::to_string(member.bit + member.bit_size - 1);
        out += with_comment(std::move(line), comment);
    }
}

} // namespace

TypePtr inner_of(const CType& type) {
    if (type.inner || !type.below || !type.source) return type.inner;
    return type.source->type_at(*type.below);
}

TypePtr stripped(TypePtr type) {
    for (unsigned i = 0; type && i < longest_type_chain; ++i) {
        if (type->kind == Kind::structure && type->declaration && type->source) {
            const TypePtr whole = type->source->definition(*type);
            return whole ? whole : type;
        }
        if (type->kind != Kind::named && type->kind != Kind::qualified) return type;
        type = inner_of(*type);
    }
    return {};
}

u64 size_of(const TypePtr& type) {
    const TypePtr bare = stripped(type);
    return bare ? bare->size : 0;
}

TypePtr pointer_to(TypePtr target, unsigned bits) {
    CType type{.kind = Kind::pointer, .size = bits == 64 ? u64{8} : u64{4}};
    type.inner = std::move(target);
    return made(std::move(type));
}

TypePtr array_of(TypePtr element, u64 count) {
    CType type{.kind = Kind::array};
    const u64 size = size_of(element);
    type.size = size && count < ~u64{0} / size ? size * count : 0;
    type.count = count;
    type.inner = std::move(element);
    return made(std::move(type));
}

TypePtr integer_type(unsigned bytes, bool is_signed) {
    const char* const name = bytes == 1 ? "char" : bytes == 2 ? "short" : bytes == 4 ? "int" : "long long";
    CType type{.kind = bytes == 1 ? Kind::character : Kind::integer, .is_signed = is_signed, .size = bytes};
    type.name = (is_signed ? bytes == 1 ? "signed " : "" : "unsigned ") + std::string(name);
    return made(std::move(type));
}

TypePtr floating_type(unsigned bytes) {
    CType type{.kind = Kind::floating, .size = bytes};
    type.name = bytes == 4 ? "float" : "double";
    return made(std::move(type));
}

namespace {

struct Named {
    std::string_view name;
    unsigned bytes;
    bool is_signed;
};
constexpr std::array fixed_names{
    Named{"u8", 1, false},      Named{"u16", 2, false},      Named{"u32", 4, false},      Named{"u64", 8, false},
    Named{"i8", 1, true},       Named{"i16", 2, true},       Named{"i32", 4, true},       Named{"i64", 8, true},
    Named{"uint8_t", 1, false}, Named{"uint16_t", 2, false}, Named{"uint32_t", 4, false}, Named{"uint64_t", 8, false},
    Named{"int8_t", 1, true},   Named{"int16_t", 2, true},   Named{"int32_t", 4, true},   Named{"int64_t", 8, true},
    Named{"byte", 1, false},    Named{"word", 2, false},     Named{"dword", 4, false},    Named{"qword", 8, false},
};

/// "unsigned long long int" in any order.
TypePtr spelled_type(std::string_view name, unsigned bits) {
    unsigned longs = 0, shorts = 0, signs = 0, unsigns = 0, ints = 0, chars = 0;
    while (!name.empty()) {
        const std::size_t end = std::min(name.find(' '), name.size());
        const std::string_view word = name.substr(0, end);
        name.remove_prefix(std::min(end + 1, name.size()));
        if (word == "long")
            ++longs;
        else if (word == "short")
            ++shorts;
        else if (word == "signed")
            ++signs;
        else if (word == "unsigned")
            ++unsigns;
        else if (word == "int")
            ++ints;
        else if (word == "char")
            ++chars;
        else if (!word.empty())
            return {};
    }
    if (longs > 2 || shorts > 1 || signs + unsigns > 1 || chars > 1 || ints > 1 || (chars && (longs || shorts || ints)))
        return {};
    const unsigned bytes = chars ? 1 : shorts ? 2 : longs == 2 ? 8 : longs == 1 ? (bits == 64 ? 8 : 4) : 4;
    const TypePtr plain = integer_type(bytes, unsigns == 0);
    CType type = *plain;
    if (chars && !signs && !unsigns) type.name = "char";
    if (longs == 1) type.name = unsigns ? "unsigned long" : "long";
    return made(std::move(type));
}

} // namespace

TypePtr builtin_type(std::string_view name, unsigned bits) {
    if (name == "void") return made({.kind = Kind::nothing, .name = "void"});
    if (name == "bool" || name == "_Bool") return made({.kind = Kind::boolean, .size = 1, .name = "bool"});
    if (name == "float") return floating_type(4);
    if (name == "double") return floating_type(8);
    for (const Named& one : fixed_names) {
        if (one.name != name) continue;
        CType type = *integer_type(one.bytes, one.is_signed);
        type.name = name;
        return made(std::move(type));
    }
    if (name == "size_t" || name == "uintptr_t") return spelled_type("unsigned long", bits);
    return name.empty() ? TypePtr() : spelled_type(name, bits);
}

std::string type_name(const TypePtr& type, const std::string& variable) { return declared(type, variable, 0); }

std::string type_definition(const TypePtr& type) {
    const TypePtr bare = type && type->kind == Kind::named ? stripped(type) : type;
    const TypePtr whole = stripped(bare);
    if (whole && whole->kind == Kind::structure && (bare == whole || bare->kind != Kind::pointer)) {
        if (whole->declaration) return whole->keyword + " " + tag_of(*whole) + "; // only declared\n";
        std::string text = whole->keyword + (whole->name.empty() ? "" : " " + whole->name) + " {\n";
        write_members(*whole, 0, 0, text);
        return text + with_comment("}", std::to_string(whole->size) + (whole->size == 1 ? " byte" : " bytes"));
    }
    if (whole && whole->kind == Kind::enumeration && whole->source) {
        std::string text = "enum" + (whole->name.empty() ? "" : " " + whole->name) + " {\n";
        i64 next = 0;
        for (const CEnumerator& one : whole->source->enumerators(*whole)) {
            text += "    " + one.name + (one.value == next ? "" : " = " + std::to_string(one.value)) + ",\n";
            next = static_cast<i64>(static_cast<u64>(one.value) + 1);
        }
        return text + with_comment("}", std::to_string(whole->size) + (whole->size == 1 ? " byte" : " bytes"));
    }
    return type_name(bare) + "\n";
}

namespace {

std::optional<CMember> find_in(const TypePtr& structure, std::string_view name, unsigned depth, unsigned& steps) {
    constexpr unsigned most_steps = 2000; // structures looked into: anonymous parts may be chained in circles
    const TypePtr type = stripped(structure);
    if (!type || type->kind != Kind::structure || !type->source || depth > deepest_structure) return {};
    if (++steps > most_steps) return {};
    const auto members = type->source->members(*type);
    for (const CMember& member : members) {
        if (!member.name.empty() && member.name == name) return member;
    }
    for (const CMember& member : members) {
        if (!member.name.empty() && !member.base) continue;
        auto found = find_in(member.type, name, depth + 1, steps);
        if (!found) continue;
        found->offset += member.offset;
        return found;
    }
    return {};
}

} // namespace

std::optional<CMember> find_member(const TypePtr& structure, std::string_view name) {
    unsigned steps = 0;
    return find_in(structure, name, 0, steps);
}

} // namespace glassbox
