// Text to a tree of nodes, by recursive descent. Length, nesting and depth are limited: the text may come from
// anywhere.
#include "debugger/symbols/c_type.hpp"
#include "debugger/symbols/expression_tree.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <utility>

namespace glassbox {

namespace {

constexpr std::size_t longest_text = 4096;
constexpr unsigned deepest_nesting = 64; ///< of brackets, signs and ?:, which the parser recurses for
constexpr unsigned deepest_tree = 512;   ///< which the evaluation recurses for

bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_hex_digit(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool begins_name(char c) { return is_letter(c) || c == '.' || c == '@'; }
bool is_space(char c) { return c == ' ' || c == '\t'; }

struct BinaryOperator {
    std::string_view text;
    unsigned level;
    Operator op;
};
/// By C's precedence, from || at 1; longer ones before those they begin with.
constexpr std::array binary_operators{
    BinaryOperator{"||", 1, Operator::logical_or}, BinaryOperator{"&&", 2, Operator::logical_and},
    BinaryOperator{"==", 6, Operator::equal},      BinaryOperator{"!=", 6, Operator::not_equal},
    BinaryOperator{"<<", 8, Operator::shift_left}, BinaryOperator{">>", 8, Operator::shift_right},
    BinaryOperator{"<=", 7, Operator::less_equal}, BinaryOperator{">=", 7, Operator::greater_equal},
    BinaryOperator{"|", 3, Operator::bit_or},      BinaryOperator{"^", 4, Operator::bit_xor},
    BinaryOperator{"&", 5, Operator::bit_and},     BinaryOperator{"<", 7, Operator::less},
    BinaryOperator{">", 7, Operator::greater},     BinaryOperator{"@", 9, Operator::repeat},
    BinaryOperator{"+", 10, Operator::add},        BinaryOperator{"-", 10, Operator::subtract},
    BinaryOperator{"*", 11, Operator::multiply},   BinaryOperator{"/", 11, Operator::divide},
    BinaryOperator{"%", 11, Operator::remainder},
};
constexpr unsigned additive_level = 10;

class Parser {
  public:
    explicit Parser(std::string_view text) : text_(text) {}

    Expected<Expression::Tree> parse() {
        tree_.text = text_.substr(0, std::min<std::size_t>(text_.size(), 60));
        if (text_.size() > longest_text) return fail("an expression has at most 4096 characters");
        ternary();
        if (error_.empty() && peek()) set_error(at_, unexpected());
        if (!error_.empty()) return tl::unexpected(expression_error(text_, error_column_, error_));
        tree_.text = text_;
        return std::move(tree_);
    }

  private:
    using Index = std::size_t;
    using Kind = ExpressionKind;

    struct Nesting {
        explicit Nesting(Parser& p) : parser(p) {
            if (++p.nesting_ > deepest_nesting) p.set_error(p.at_, "too many brackets and signs within each other");
        }
        ~Nesting() { --parser.nesting_; }
        Nesting(const Nesting&) = delete;
        Nesting& operator=(const Nesting&) = delete;
        Parser& parser;
    };

    Index ternary() {
        const Nesting nesting(*this);
        if (!error_.empty()) return 0;
        const Index condition = binary(1);
        const std::size_t column = skip();
        if (!take('?')) return condition;
        const bool outer = std::exchange(colon_is_ternary_, true);
        const Index yes = ternary();
        colon_is_ternary_ = outer;
        if (skip(); !take(':')) return set_error(at_, "here ? wants its ':' (a segment and offset: in parentheses)");
        const Index no = ternary();
        return add({.kind = Kind::ternary, .a = condition, .b = yes, .c = no}, column, {condition, yes, no});
    }

    const BinaryOperator* operator_here() const {
        const std::string_view rest = text_.substr(at_);
        const auto found = std::find_if(binary_operators.begin(), binary_operators.end(),
                                        [&](const BinaryOperator& op) { return rest.starts_with(op.text); });
        return found == binary_operators.end() ? nullptr : &*found;
    }

    Index binary(unsigned level) {
        Index left = unary();
        while (error_.empty()) {
            const std::size_t column = skip();
            const BinaryOperator* const op = operator_here();
            if (!op || op->level < level) break;
            at_ += op->text.size();
            const Index right = binary(op->level + 1);
            left = add({.kind = Kind::binary, .op = op->op, .a = left, .b = right}, column, {left, right});
        }
        return left;
    }

    Index unary() {
        const Nesting nesting(*this);
        if (!error_.empty()) return 0;
        const std::size_t column = skip();
        if (take('+')) return unary();
        const char sign = peek();
        if (sign == '(') {
            if (auto node = cast_here()) {
                const Index operand = unary();
                node->a = operand;
                return add(std::move(*node), column, {operand});
            }
        }
        if (sign == '*' || sign == '&') {
            ++at_;
            const Index operand = unary();
            return add({.kind = sign == '*' ? Kind::dereference : Kind::address_of, .a = operand}, column, {operand});
        }
        if (sign != '-' && sign != '~' && sign != '!') return postfix();
        ++at_;
        const Index operand = unary();
        const Operator op = sign == '-' ? Operator::negate : sign == '~' ? Operator::complement : Operator::logical_not;
        return add({.kind = Kind::unary, .op = op, .a = operand}, column, {operand});
    }

    /// a.b  a->b  a[1]
    Index postfix() {
        Index left = primary();
        while (error_.empty()) {
            const std::size_t column = skip();
            if (text_.substr(at_).starts_with("->")) {
                at_ += 2;
                skip();
                left = members(left, column, Kind::arrow);
            } else if (peek() == '.') {
                ++at_;
                left = members(left, column, Kind::member);
            } else if (peek() == '[') {
                ++at_;
                const bool outer = std::exchange(colon_is_ternary_, false);
                const Index index = ternary();
                colon_is_ternary_ = outer;
                skip();
                if (!take(']')) return set_error(at_, "']' is missing");
                left = add({.kind = Kind::element, .a = left, .b = index}, column, {left, index});
            } else {
                break;
            }
        }
        return left;
    }

    /// "x.y" behind a '.' or "->": a name may have dots in it.
    Index members(Index left, std::size_t column, Kind kind) {
        std::string_view names = word();
        if (names.empty() || is_digit(names[0])) return set_error(at_, "here a member's name is missing");
        while (error_.empty()) {
            const std::size_t end = std::min(names.find('.'), names.size());
            if (end == 0) return set_error(column, "here a member's name is missing");
            left = add({.kind = kind, .name = std::string(names.substr(0, end)), .a = left}, column, {left});
            if (end == names.size()) break;
            names.remove_prefix(end + 1);
            kind = Kind::member;
        }
        return left;
    }

    // --- types
    struct TypeWords {
        std::string name;
        unsigned stars = 0;
        bool certain = false; ///< no variable can be called so
        std::size_t end = 0;  ///< behind the ')'
    };
    static bool is_qualifier(std::string_view word) {
        return word == "const" || word == "volatile" || word == "restrict";
    }
    /// "(unsigned char)", "(struct task *)", "(name)" from `at` on.
    std::optional<TypeWords> type_words(std::size_t at) const {
        constexpr unsigned most_words = 8;
        TypeWords type;
        const auto spaces = [&] {
            while (at < text_.size() && is_space(text_[at])) ++at;
        };
        ++at;
        for (unsigned n = 0; n < most_words; ++n) {
            spaces();
            const std::size_t start = at;
            while (at < text_.size() && (is_letter(text_[at]) || is_digit(text_[at]) || text_[at] == ':')) ++at;
            const std::string_view word = text_.substr(start, at - start);
            if (word.empty()) break;
            if (is_digit(word[0]) || word[0] == ':' || word.back() == ':') return {};
            if (is_qualifier(word)) {
                type.certain = true;
                continue;
            }
            if (type.stars || (!type.name.empty() && !type.certain)) return {};
            const bool tag = word == "struct" || word == "union" || word == "enum" || word == "class";
            type.certain = type.certain || tag || builtin_type(word, 32) != nullptr;
            type.name += (type.name.empty() ? "" : " ") + std::string(word);
            while (spaces(), at < text_.size() && text_[at] == '*') ++at, ++type.stars;
        }
        spaces();
        if (type.name.empty() || at >= text_.size() || text_[at] != ')' || type.stars > 8) return {};
        type.end = at + 1;
        return type;
    }
    /// Whether "(name)" at `at_` is a cast: a known type's name, a pointer, or an operand follows.
    std::optional<ExpressionNode> cast_here() {
        const auto type = type_words(at_);
        if (!type) return {};
        if (!type->certain && type->stars == 0) {
            std::size_t next = type->end;
            while (next < text_.size() && is_space(text_[next])) ++next;
            const char c = next < text_.size() ? text_[next] : '\0';
            if (!is_letter(c) && !is_digit(c) && c != '$' && c != '(' && c != '\'') return {};
        }
        at_ = type->end;
        return ExpressionNode{.kind = Kind::cast, .number = type->stars, .name = type->name};
    }
    Index size_of(std::size_t column) {
        skip();
        if (peek() == '(') {
            const auto type = type_words(at_);
            if (type && (type->certain || type->stars)) {
                at_ = type->end;
                return add({.kind = Kind::size_of_type, .number = type->stars, .name = type->name}, column, {});
            }
        }
        const Index operand = unary();
        return add({.kind = Kind::size_of, .a = operand}, column, {operand});
    }

    Index primary() {
        const std::size_t column = skip();
        const char c = peek();
        if (c == ':' && text_.substr(at_).starts_with("::")) {
            at_ += 2;
            const std::string name(word());
            if (name.empty()) return set_error(column, "after :: comes the name of a variable or symbol");
            return add({.kind = Kind::global, .name = name}, column, {});
        }
        if (c == '(') return parenthesised();
        if (c == '[') return memory(column, {});
        if (c == '\'') return quoted(column);
        if (c == '$') {
            ++at_;
            const std::string name(word());
            if (name.empty()) return set_error(column, "after $ comes a register's name");
            if (const auto segment = segment_register(name); segment && colon_here())
                return after_segment(column, {.segment = segment});
            return add({.kind = Kind::reg, .name = name}, column, {});
        }
        if (is_digit(c)) return number(column);
        if (begins_name(c)) return named(column);
        return set_error(column, c ? unexpected() : "here a number, register or symbol is missing");
    }

    Index parenthesised() {
        ++at_;
        const bool outer = std::exchange(colon_is_ternary_, false);
        const Index inner = ternary();
        colon_is_ternary_ = outer;
        skip();
        if (!take(')')) return set_error(at_, "')' is missing");
        return inner;
    }

    /// [address], whose segment and size may stand before it.
    Index memory(std::size_t column, ExpressionNode node) {
        ++at_;
        const bool outer = std::exchange(colon_is_ternary_, false);
        const Index inner = ternary();
        colon_is_ternary_ = outer;
        skip();
        if (!take(']')) return set_error(at_, "']' is missing");
        node.kind = Kind::memory;
        node.a = inner;
        return add(std::move(node), column, {inner});
    }

    /// 'file.c':12, 'A', '\n', or 'name of a symbol'.
    Index quoted(std::size_t column) {
        const bool escaped = text_.substr(at_ + 1).starts_with("\\");
        const std::size_t end = text_.find('\'', at_ + (escaped ? 3 : 1));
        if (end == std::string_view::npos) return set_error(column, "the closing ' is missing");
        const std::string inside(text_.substr(at_ + 1, end - at_ - 1));
        at_ = end + 1;
        if (peek() == ':' && !text_.substr(at_).starts_with("::")) return line(column, inside);
        if (const auto character = character_of(inside)) return add({.number = *character}, column, {});
        if (inside.size() < 2) return set_error(column, "'...' is one character, a symbol, or a file before ':'");
        return add({.kind = Kind::global, .name = inside}, column, {});
    }

    static std::optional<u64> character_of(std::string_view inside) {
        if (inside.size() == 1) return static_cast<unsigned char>(inside[0]);
        if (inside.size() != 2 || inside[0] != '\\') return {};
        constexpr std::string_view letters = "nrtb0\\'\"ae", values("\n\r\t\b\0\\'\"\a\x1b", 10);
        const std::size_t found = letters.find(inside[1]);
        if (found == std::string_view::npos) return {};
        return static_cast<unsigned char>(values[found]);
    }

    Index line(std::size_t column, std::string file) {
        ++at_;
        const std::size_t start = at_;
        const auto value = number_of(word(), 10);
        if (!value || *value > 0xFFFF'FFFF) return set_error(start, "after a file and ':' comes a line's number");
        return add({.kind = Kind::line, .number = *value, .name = std::move(file)}, column, {});
    }

    Index number(std::size_t column) {
        const std::string_view text = word();
        if (colon_here()) return selector(column, text);
        const bool offset = hex_at_ == column;
        if (const auto value = marked_number(text, offset ? 16 : 10)) return add({.number = *value}, column, {});
        double real = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), real);
        if (text.find('.') != std::string_view::npos && read.ec == std::errc() && read.ptr == text.data() + text.size())
            return add({.kind = Kind::real, .number = std::bit_cast<u64>(real)}, column, {});
        return set_error(column, bad_number(text));
    }

    static std::string bad_number(std::string_view text) {
        const std::string word(text);
        if (std::all_of(text.begin(), text.end(), [](char c) { return is_digit(c) || c == '_'; }))
            return "'" + word + "' does not fit in 64 bits";
        if (std::all_of(text.begin(), text.end(), is_hex_digit))
            return "'" + word + "' is no decimal number: hexadecimal is " + word + "h or 0x" + word;
        return "'" + word + "' is no number, or does not fit in 64 bits";
    }

    Index selector(std::size_t column, std::string_view text) {
        const auto value = marked_number(text, 16);
        if (!value || *value > 0xFFFF)
            return set_error(column, "'" + std::string(text) + "' before ':' is no selector of 16 bits");
        return after_segment(column, {.selector = static_cast<u16>(*value)});
    }

    /// At the colon: an offset, or a memory operand through that segment.
    Index after_segment(std::size_t column, ExpressionNode node) {
        ++at_;
        skip();
        if (peek() == '[') return memory(column, std::move(node));
        hex_at_ = at_;
        const Index offset = binary(additive_level);
        node.kind = Kind::segmented;
        node.a = offset;
        return add(std::move(node), column, {offset});
    }

    Index named(std::size_t column) {
        const std::string name(word());
        const std::string low = lower_case(name);
        if (const unsigned size = size_called(low); size && sized_follows()) return sized(column, size);
        if (low == "phys" && call_follows()) return physical(column, 0);
        if (low == "sizeof") return size_of(column);
        if (low == "linear" && call_follows()) {
            const Index inner = call();
            return add({.kind = Kind::linear, .a = inner}, column, {inner});
        }
        if (colon_here()) {
            if (const auto segment = segment_register(low)) return after_segment(column, {.segment = segment});
            if (std::all_of(name.begin(), name.end(), is_hex_digit)) return selector(column, name);
            if (at_ + 1 < text_.size() && is_digit(text_[at_ + 1])) return line(column, name);
            return set_error(column, "'" + name + "' before ':' is no segment register, selector or source file");
        }
        if (hex_at_ == column && name.size() <= 8 && std::all_of(name.begin(), name.end(), is_hex_digit))
            return add({.number = number_of(name, 16).value_or(0)}, column, {});
        return add({.kind = Kind::name, .name = name}, column, {});
    }

    static unsigned size_called(std::string_view word) {
        return word == "byte" ? 1 : word == "word" ? 2 : word == "dword" ? 4 : word == "qword" ? 8 : 0;
    }
    bool sized_follows() {
        skip();
        const char c = peek();
        return c == '[' || c == '$' || is_letter(c) || is_digit(c);
    }
    bool call_follows() {
        skip();
        return peek() == '(';
    }
    Index call() { return parenthesised(); }

    Index physical(std::size_t column, unsigned size) {
        const Index inner = call();
        return add({.kind = Kind::physical, .size = static_cast<u8>(size), .a = inner}, column, {inner});
    }

    /// What follows byte, word, dword or qword.
    Index sized(std::size_t column, unsigned size) {
        std::size_t start = skip();
        if (peek() == '[') return memory(column, {.size = static_cast<u8>(size)});
        take('$');
        std::string low = lower_case(word());
        if (low == "ptr") {
            start = skip();
            if (peek() == '[') return memory(column, {.size = static_cast<u8>(size)});
            low = lower_case(word());
        }
        if (low == "phys" && call_follows()) return physical(column, size);
        ExpressionNode node{.size = static_cast<u8>(size)};
        node.segment = segment_register(low);
        if (!node.segment) {
            const auto value = marked_number(low, 16);
            if (value && *value <= 0xFFFF) node.selector = static_cast<u16>(*value);
        }
        if ((node.segment || node.selector) && take(':')) {
            skip();
            if (peek() == '[') return memory(column, std::move(node));
        }
        return set_error(start, "after a size comes [address], segment:[address] or phys(address)");
    }

    // --- characters
    char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
    bool take(char c) {
        if (peek() != c) return false;
        ++at_;
        return true;
    }
    std::size_t skip() {
        while (is_space(peek())) ++at_;
        return at_;
    }
    bool colon_here() const { return peek() == ':' && !colon_is_ternary_; }
    /// A name or number; "::" may be within a name, '$' and '@' too, but no '@' that a count follows.
    std::string_view word() {
        const std::size_t start = at_;
        while (at_ < text_.size()) {
            const char c = text_[at_];
            if (c == '@' && at_ > start && at_ + 1 < text_.size() && is_digit(text_[at_ + 1])) break;
            if (begins_name(c) || is_digit(c) || (c == '$' && at_ > start)) {
                ++at_;
            } else if (c == ':' && at_ > start && at_ + 2 < text_.size() && text_[at_ + 1] == ':' &&
                       begins_name(text_[at_ + 2])) {
                at_ += 2;
            } else {
                break;
            }
        }
        return text_.substr(start, at_ - start);
    }
    std::string unexpected() const {
        const char c = peek();
        if (c < ' ' || c > '~') return "a character that no expression has";
        return std::string("'") + c + "' is not expected here";
    }

    // --- results
    Index add(ExpressionNode node, std::size_t column, std::initializer_list<Index> operands) {
        if (!error_.empty()) return 0;
        node.column = static_cast<unsigned>(column + 1);
        for (const Index operand : operands) node.depth = std::max(node.depth, tree_.nodes[operand].depth + 1);
        if (node.depth > deepest_tree) return set_error(column, "too long a chain of operators");
        tree_.nodes.push_back(std::move(node));
        return tree_.nodes.size() - 1;
    }
    /// The first error counts.
    Index set_error(std::size_t at, std::string what) {
        if (error_.empty()) {
            error_ = std::move(what);
            error_column_ = at + 1;
        }
        return 0;
    }

    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t hex_at_ = ~std::size_t{0}; ///< an unmarked number here is hexadecimal: right after a segment's colon
    bool colon_is_ternary_ = false;
    unsigned nesting_ = 0;
    std::string error_;
    std::size_t error_column_ = 0;
    Expression::Tree tree_;
};

} // namespace

Expected<Expression> Expression::parse(std::string_view text) {
    auto tree = Parser(text).parse();
    if (!tree) return tl::unexpected(tree.error());
    return Expression(std::make_shared<const Tree>(std::move(*tree)));
}

} // namespace glassbox
