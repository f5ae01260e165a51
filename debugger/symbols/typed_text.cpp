// Values by their types. Depth, elements and length are bounded: the types come from files and the values from guests.
#include "debugger/bits.hpp"
#include "debugger/symbols/typed_value.hpp"

#include "debugger/symbols/number_text.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <cstring>

namespace glassbox {

namespace {

using Kind = CType::Kind;
constexpr unsigned deepest_value = 8;
constexpr std::size_t line_width = 100, most_pieces = 4000, most_text = 100'000;

/// A value: a leaf, or parts in braces.
struct Piece {
    std::string label; ///< "count = "
    std::string text;
    std::vector<Piece> parts;
    bool braces = false, rows = false; ///< rows: a line for each part
};

std::string double_text(double value, bool single) {
    if (std::isnan(value)) return std::signbit(value) ? "-nan" : "nan";
    if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
    std::array<char, 64> text{};
    const auto end = single ? std::to_chars(text.data(), text.data() + text.size(), static_cast<float>(value)).ptr
                            : std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    return {text.data(), end};
}

std::string escaped(unsigned char c) {
    switch (c) {
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\b': return "\\b";
    case '"': return "\\\"";
    case '\\': return "\\\\";
    default: break;
    }
    if (c >= ' ' && c < 0x7F) return {static_cast<char>(c)};
    std::array<char, 8> text{};
    std::snprintf(text.data(), text.size(), "\\%03o", c);
    return text.data();
}

class Writer {
  public:
    Writer(const MemoryReader& read, const TypedFormat& format) : read_(read), format_(format) {}

    Piece write(const TypedValue& value, unsigned depth) {
        const TypePtr type = stripped(value.type);
        if (!type) return leaf("(type not known)");
        if (++pieces_ > most_pieces) return leaf("...");
        if (type->kind == Kind::structure) return structure(value, *type, depth);
        if (type->kind == Kind::array) return array(value, *type, depth);
        if (type->kind == Kind::function) return leaf(address_text(address_of(value)));
        if (!is_scalar(*type)) return leaf(type->kind == Kind::nothing ? "void" : "(" + type_name(value.type) + ")");
        const auto number = load_scalar(value, read_);
        if (!number) return leaf("(not readable)");
        return leaf(scalar(*type, *number, value.bit_size, format_.alone && depth == 0));
    }

  private:
    static Piece leaf(std::string text) {
        Piece piece;
        piece.text = std::move(text);
        return piece;
    }
    static u64 address_of(const TypedValue& value) { return value.place ? value.place->value : value.number; }

    static TypedValue part_of(const TypedValue& whole, const TypePtr& type, u64 offset) {
        TypedValue part = whole;
        part.type = type;
        part.bit = part.bit_size = 0;
        if (part.place) part.place->value += offset;
        part.kept_at += offset;
        return part;
    }

    Piece structure(const TypedValue& value, const CType& type, unsigned depth) {
        Piece piece;
        piece.braces = piece.rows = true;
        if (type.declaration || !type.source) return leaf("{" + type.keyword + " " + type.name + ", only declared}");
        if (depth >= deepest_value) return leaf("{...}");
        for (const CMember& member : type.source->members(type)) {
            if (pieces_ > most_pieces) break;
            TypedValue part = part_of(value, member.type, member.offset);
            part.bit = member.bit;
            part.bit_size = member.bit_size;
            Piece inner = write(part, depth + 1);
            if (member.base) {
                inner.label = "<" + type_name(member.type) + "> = ";
            } else if (!member.name.empty()) {
                inner.label = member.name + " = ";
            }
            piece.parts.push_back(std::move(inner));
        }
        return piece;
    }

    bool is_text(const CType& element) const {
        return element.size == 1 && element.kind == Kind::character && (format_.letter == 0 || format_.letter == 's');
    }

    Piece array(const TypedValue& value, const CType& type, unsigned depth) {
        const TypePtr element = inner_of(type), bare = stripped(element);
        const u64 size = size_of(element);
        if (!bare || size == 0 || !type.count) return leaf(address_text(address_of(value)));
        if (is_text(*bare)) {
            if (auto text = text_array(value, *bare, *type.count)) return leaf(std::move(*text));
        }
        if (depth >= deepest_value) return leaf("{...}");
        Piece piece;
        piece.braces = true;
        piece.rows = bare->kind == Kind::structure;
        u64 same = 0;
        std::string last;
        for (u64 i = 0; i < *type.count; ++i) {
            if (elements_ >= format_.most_elements || pieces_ > most_pieces) {
                piece.parts.push_back(leaf("..."));
                break;
            }
            const std::size_t pieces = pieces_;
            Piece inner = write(part_of(value, element, i * size), depth + 1);
            if (std::string text = flat(inner); piece.parts.empty() || text != last) {
                same = 0;
                ++elements_;
                last = std::move(text);
                piece.parts.push_back(std::move(inner));
                continue;
            }
            pieces_ = pieces;
            repeat(piece, last, ++same);
            if (same >= most_repeats) break;
        }
        return piece;
    }
    /// "0 <16 times>": elements that are as the one before.
    static void repeat(Piece& piece, const std::string& text, u64 same) {
        Piece repeated;
        repeated.text = text + " <" + std::to_string(same + 1) + " times>";
        piece.parts.back() = std::move(repeated);
    }

    /// Bytes (unsigned char) are a text only if they look like one.
    std::optional<std::string> text_array(const TypedValue& value, const CType& element, u64 count) {
        const u64 most = std::min<u64>(count, format_.most_elements);
        std::vector<u8> bytes(static_cast<std::size_t>(most));
        if (!read_object(value, 0, bytes, read_)) return "(not readable)";
        std::string text(bytes.begin(), bytes.end());
        const bool more = count > most;
        if (!more) text.resize(text.find_last_not_of('\0') + 1);
        const bool readable = std::all_of(text.begin(), text.end(), [](char c) {
            return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t';
        });
        if (element.name != "char" && (!readable || text.empty()) && format_.letter != 's') return {};
        ++elements_;
        return c_text(text, more);
    }

    std::string scalar(const CType& type, u64 number, unsigned bits, bool alone) {
        const u64 size = type.size;
        const u64 raw = low_bits(number, bits ? bits : static_cast<unsigned>(std::min<u64>(size, 8) * 8));
        if (format_.letter != 0 && format_.letter != 's') return formatted_scalar(type, number, raw);
        switch (type.kind) {
        case Kind::boolean: return raw == 0 ? "false" : raw == 1 ? "true" : marked_hex(raw);
        case Kind::floating: return double_text(std::bit_cast<double>(number), size == 4);
        case Kind::enumeration: return enumeration(type, number);
        case Kind::character:
            if (const std::string character = raw ? character_text(raw) : ""; !character.empty() || raw == 0)
                return std::to_string(static_cast<i64>(number)) + (raw ? " " + character : "");
            break;
        case Kind::pointer:
        case Kind::reference: return pointer(type, raw);
        default: break;
        }
        if (type.is_signed) return std::to_string(static_cast<i64>(number));
        if (raw < 10) return std::to_string(raw);
        if (alone) return std::to_string(raw) + " = " + marked_hex(raw);
        return std::to_string(raw) + " (" + marked_hex(raw) + ")";
    }

    std::string formatted_scalar(const CType& type, u64 number, u64 raw) const {
        const bool real = type.kind == Kind::floating;
        if (format_.letter == 'd') return std::to_string(static_cast<i64>(real ? 0 : sign_extended(type, raw)));
        if (format_.letter == 'a') return address_text(raw);
        if (format_.letter == 'f') {
            if (real) return double_text(std::bit_cast<double>(number), type.size == 4);
            if (type.size == 4)
                return double_text(static_cast<double>(std::bit_cast<float>(static_cast<u32>(raw))), true);
            if (type.size == 8) return double_text(std::bit_cast<double>(raw), false);
            return std::to_string(static_cast<i64>(number));
        }
        u64 shown = raw;
        if (real && type.size == 4) shown = std::bit_cast<u32>(static_cast<float>(std::bit_cast<double>(number)));
        if (real && type.size == 8) shown = number;
        return formatted(shown, format_.letter).value_or(marked_hex(shown));
    }
    static u64 sign_extended(const CType& type, u64 raw) {
        const auto shift = static_cast<unsigned>(64 - 8 * std::min<u64>(type.size, 8));
        return type.size ? static_cast<u64>(static_cast<i64>(raw << shift) >> shift) : raw;
    }

    static std::string enumeration(const CType& type, u64 number) {
        const auto value = static_cast<i64>(number);
        if (!type.source) return std::to_string(value);
        const auto all = type.source->enumerators(type);
        for (const CEnumerator& one : all) {
            if (one.value == value) return one.name + " (" + std::to_string(value) + ")";
        }
        std::string names;
        u64 left = number;
        for (const CEnumerator& one : all) {
            const auto bit = static_cast<u64>(one.value);
            if (!std::has_single_bit(bit) || (left & bit) == 0) continue;
            names += (names.empty() ? "" : " | ") + one.name;
            left &= ~bit;
        }
        if (names.empty()) return std::to_string(value) + " (none of its names)";
        return names + (left ? " | " + marked_hex(left) : "") + " (" + marked_hex(number) + ")";
    }

    std::string address_text(u64 address) const {
        const std::string name = format_.symbol ? format_.symbol(address) : "";
        return marked_hex(address) + (name.empty() ? "" : " <" + name + ">");
    }

    std::string pointer(const CType& type, u64 raw) const {
        const TypePtr target = stripped(inner_of(type));
        if (raw == 0) return "0 (null)";
        if (!target || target->kind != Kind::character || target->size != 1 || type.kind == Kind::reference)
            return address_text(raw);
        std::string text;
        for (u64 at = raw; text.size() < format_.most_elements; ++at) {
            u8 byte = 0;
            if (!read_({.value = at}, std::span(&byte, 1))) return address_text(raw);
            if (byte == 0) return marked_hex(raw) + " " + c_text(text, false);
            text += static_cast<char>(byte);
        }
        return marked_hex(raw) + " " + c_text(text, true);
    }

  public:
    static std::string flat(const Piece& piece) {
        std::string text = piece.label;
        if (!piece.braces) return text + piece.text;
        text += '{';
        for (std::size_t i = 0; i < piece.parts.size() && text.size() < most_text; ++i) {
            text += i ? ", " : "";
            text += flat(piece.parts[i]);
        }
        return text + "}";
    }
    static void laid_out(const Piece& piece, std::size_t indent, std::string& out) {
        const std::string one = flat(piece);
        if (!piece.braces || indent + one.size() <= line_width || out.size() > most_text) {
            out += one;
            return;
        }
        out += piece.label + "{\n";
        const std::string margin(indent + 2, ' ');
        if (piece.rows) {
            for (std::size_t i = 0; i < piece.parts.size(); ++i) {
                out += margin;
                laid_out(piece.parts[i], indent + 2, out);
                out += i + 1 < piece.parts.size() ? ",\n" : "\n";
            }
        } else {
            fill(piece, indent, margin, out);
        }
        out += std::string(indent, ' ') + "}";
    }

  private:
    /// As many in a line as fit.
    static void fill(const Piece& piece, std::size_t indent, const std::string& margin, std::string& out) {
        std::string line = margin;
        for (std::size_t i = 0; i < piece.parts.size(); ++i) {
            const std::string text = flat(piece.parts[i]) + (i + 1 < piece.parts.size() ? "," : "");
            if (text.size() + margin.size() > line_width && piece.parts[i].braces) {
                if (line.size() > margin.size()) out += line + "\n";
                out += margin;
                laid_out(piece.parts[i], indent + 2, out);
                out += i + 1 < piece.parts.size() ? ",\n" : "\n";
                line = margin;
                continue;
            }
            if (line.size() > margin.size() && line.size() + 1 + text.size() > line_width) {
                out += line + "\n";
                line = margin;
            }
            if (line.size() > margin.size()) line += ' ';
            line += text;
        }
        if (line.size() > margin.size()) out += line + "\n";
    }

    static constexpr u64 most_repeats = 100'000;
    const MemoryReader& read_;
    const TypedFormat& format_;
    std::size_t pieces_ = 0;
    unsigned elements_ = 0;
};

} // namespace

bool is_scalar(const CType& type) {
    switch (type.kind) {
    case Kind::integer:
    case Kind::character:
    case Kind::boolean:
    case Kind::enumeration:
    case Kind::pointer:
    case Kind::reference: return type.size >= 1 && type.size <= 8;
    case Kind::floating: return type.size == 4 || type.size == 8;
    default: return false;
    }
}

u64 as_typed(const CType& type, u64 raw) {
    if (type.kind == Kind::floating || type.size == 0 || type.size >= 8) return raw;
    const auto shift = static_cast<unsigned>(64 - 8 * type.size);
    return type.is_signed ? static_cast<u64>(static_cast<i64>(raw << shift) >> shift) : raw << shift >> shift;
}

bool read_object(const TypedValue& value, u64 offset, std::span<u8> bytes, const MemoryReader& read) {
    if (value.kept) {
        const u64 at = value.kept_at + offset;
        if (at > value.kept->size() || bytes.size() > value.kept->size() - at) return false;
        std::copy_n(value.kept->begin() + static_cast<std::ptrdiff_t>(at), bytes.size(), bytes.begin());
        return true;
    }
    if (!value.place) return false;
    Address at = *value.place;
    at.value += offset;
    return read(at, bytes);
}

std::optional<u64> load_scalar(const TypedValue& value, const MemoryReader& read) {
    const TypePtr type = stripped(value.type);
    if (!type || !is_scalar(*type)) return {};
    if (!value.place && !value.kept) return value.number;
    std::array<u8, 24> bytes{};
    const unsigned skipped = value.bit_size ? value.bit / 8 : 0, shift = value.bit_size ? value.bit % 8 : 0;
    const auto size =
        value.bit_size ? std::size_t{(shift + value.bit_size + 7) / 8} : static_cast<std::size_t>(type->size);
    if (size > bytes.size() || !read_object(value, skipped, std::span(bytes).first(size), read)) return {};
    u64 raw = 0;
    std::memcpy(&raw, bytes.data(), 8);
    if (value.bit_size) {
        raw >>= shift;
        if (shift) raw |= u64{bytes[8]} << (64 - shift);
        const unsigned unused = 64 - value.bit_size;
        const bool is_signed = type->is_signed;
        return is_signed ? static_cast<u64>(static_cast<i64>(raw << unused) >> unused) : raw << unused >> unused;
    }
    if (type->kind == Kind::floating)
        return type->size == 4 ? std::bit_cast<u64>(static_cast<double>(std::bit_cast<float>(static_cast<u32>(raw))))
                               : raw;
    return as_typed(*type, raw);
}

std::string c_text(const std::string& bytes, bool more) {
    std::string text = "\"";
    for (const char c : bytes) text += escaped(static_cast<unsigned char>(c));
    return text + (more ? "\"..." : "\"");
}

std::string typed_text(const TypedValue& value, const MemoryReader& read, const TypedFormat& format) {
    Writer writer(read, format);
    const Piece piece = writer.write(value, 0);
    std::string text;
    if (!format.one_line) {
        Writer::laid_out(piece, 0, text);
        return text;
    }
    constexpr std::size_t longest = 60;
    text = Writer::flat(piece);
    if (text.size() > longest) text.replace(longest - 3, std::string::npos, "...");
    return text;
}

} // namespace glassbox
