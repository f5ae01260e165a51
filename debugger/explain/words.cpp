#include "debugger/explain/words.hpp"

#include "debugger/hex.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace glassbox::explain {

namespace {

constexpr unsigned columns = 100;

struct ExceptionName {
    std::string_view name, title;
};
/// SDM 3A, table 6-1.
constexpr std::array<ExceptionName, 20> exceptions{{{"#DE", "divide error"},
                                                    {"#DB", "debug exception"},
                                                    {"NMI", "non-maskable interrupt"},
                                                    {"#BP", "breakpoint"},
                                                    {"#OF", "overflow"},
                                                    {"#BR", "BOUND range exceeded"},
                                                    {"#UD", "invalid opcode"},
                                                    {"#NM", "device not available"},
                                                    {"#DF", "double fault"},
                                                    {"#9", "coprocessor segment overrun"},
                                                    {"#TS", "invalid TSS"},
                                                    {"#NP", "segment not present"},
                                                    {"#SS", "stack fault"},
                                                    {"#GP", "general protection"},
                                                    {"#PF", "page fault"},
                                                    {"", ""},
                                                    {"#MF", "x87 floating-point error"},
                                                    {"#AC", "alignment check"},
                                                    {"#MC", "machine check"},
                                                    {"#XM", "SIMD floating-point exception"}}};

/// Columns that it takes: characters, not bytes.
std::size_t width_of(std::string_view text) {
    std::size_t width = 0;
    for (const char c : text) width += (static_cast<u8>(c) & 0xC0) != 0x80;
    return width;
}

} // namespace

std::string h(u64 value, unsigned digits) { return capital_hex(value, digits) + "h"; }

std::string far_words(u64 selector, u64 offset, unsigned digits) {
    const std::string s = h(selector, 4), o = h(offset, digits);
    return s.substr(0, s.size() - 1) + ':' + o.substr(0, o.size() - 1);
}

bool is_exception(unsigned vector) { return vector < exceptions.size() && !exceptions[vector].name.empty(); }
std::string vector_name(unsigned vector) {
    return is_exception(vector) ? std::string(exceptions[vector].name) : "interrupt " + h(vector, 2);
}
std::string_view vector_title(unsigned vector) {
    return is_exception(vector) ? exceptions[vector].title : std::string_view();
}

std::string with_article(std::string_view words) {
    if (words.starts_with("data, ")) return std::string(words);
    const bool vowel = words.starts_with("LDT") ||
                       (!words.empty() && std::string_view("aeiouAEIO8").find(words.front()) != std::string_view::npos);
    return (vowel ? "an " : "a ") + std::string(words);
}

std::string counted(u64 count, std::string_view thing) {
    return std::to_string(count) + ' ' + std::string(thing) + (count == 1 ? "" : "s");
}

bool Denial::agrees(const Fault& fault) const {
    return vector == fault.vector && has_error == fault.has_error && (!has_error || error == fault.error) &&
           (vector != Exception::PF || cr2 == fault.cr2);
}

Denial deny(Exception vector, std::string why, std::string words) {
    // As Cpu::raise does: an alignment check has an error code of zero.
    const bool has_error = vector == Exception::AC;
    return {.vector = vector, .has_error = has_error, .why = std::move(why), .words = std::move(words)};
}
Denial deny(Exception vector, u32 error, std::string why, std::string words) {
    return {.vector = vector, .has_error = true, .error = error, .why = std::move(why), .words = std::move(words)};
}

std::string fault_words(const Fault& fault, bool with_error) {
    std::string text = vector_name(static_cast<u8>(fault.vector));
    if (fault.has_error && with_error) text += ", error code " + h(fault.error, 4);
    return text;
}

std::string Story::name(u64 linear) const {
    if (!names_) return {};
    const std::string name = names_(linear);
    return name.empty() ? name : " <" + name + ">";
}

void Story::say(std::string_view text, std::string_view section) {
    std::string sentence(text);
    last_said_ = text;
    const bool colon = !sentence.empty() && sentence.back() == ':';
    if (colon) sentence.pop_back();
    if (!section.empty()) {
        sentence += section.starts_with("APM") || section.starts_with("8") ? " (" : " (SDM ";
        sentence += section;
        sentence += ')';
    }
    if (!colon && sentence.ends_with('?')) return wrap("", sentence);
    wrap("", sentence + (colon ? ':' : '.'));
}

void Story::conclude(std::string_view text, std::string_view section) {
    std::string sentence(text);
    decisive_ = last_said_;
    cited_ = last_cited_;
    if (!section.empty()) sentence += " (SDM " + std::string(section) + ")";
    wrap("→ ", sentence + '.');
}

void Story::conclude(const Denial& denial) {
    const Fault fault{denial.vector, denial.has_error, denial.error, denial.cr2, ""};
    std::string text = "so " + denial.words + ": " + fault_words(fault, error_codes);
    if (denial.vector == Exception::PF) text += ", CR2 = " + h(denial.cr2, denial.cr2 >> 32 ? 16 : 8);
    conclude(text);
}

void Story::line(std::string_view text) {
    text_.append(2 * depth_, ' ');
    text_ += text;
    text_ += '\n';
}

void Story::gap() {
    if (!text_.empty()) text_ += '\n';
}

void Story::append(const Story& other) {
    std::string_view rest = other.text_;
    if (!other.last_said_.empty()) last_said_ = other.last_said_;
    if (!other.decisive_.empty()) decisive_ = other.decisive_;
    if (other.last_cited_.size != 0) last_cited_ = other.last_cited_;
    if (other.cited_.size != 0) cited_ = other.cited_;
    while (!rest.empty()) {
        const std::size_t end = rest.find('\n');
        const std::string_view one = rest.substr(0, end);
        if (one.empty())
            text_ += '\n';
        else
            line(one);
        rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    }
}

namespace {

/// Words between which no line ends: "CPL 3", "P = 0", "(SDM 3A 4.7)".
std::size_t end_of_piece(std::string_view text) {
    static constexpr std::string_view before_numbers[] = {"CPL",   "DPL",    "RPL", "IOPL", "base",
                                                          "limit", "offset", "bit", "level"};
    std::size_t end = 0;
    const bool section = text.starts_with("(SDM ");
    for (;;) {
        const std::size_t start = end;
        end = std::min(text.find(' ', start + (start != 0 ? 1 : 0)), text.size());
        if (end == text.size()) return end;
        const std::string_view word = text.substr(start != 0 ? start + 1 : 0, end - (start != 0 ? start + 1 : 0));
        if (section) {
            if (word.find(')') != std::string_view::npos) return end;
            continue;
        }
        const bool glued =
            word == "=" || text.substr(end + 1).starts_with("= ") ||
            std::find(std::begin(before_numbers), std::end(before_numbers), word) != std::end(before_numbers);
        if (!glued) return end;
    }
}

} // namespace

void Story::wrap(std::string_view first, std::string_view text) {
    const std::string margin(2 * depth_, ' ');
    std::string line = margin + std::string(first);
    bool begun = false;
    while (!text.empty()) {
        const std::size_t end = end_of_piece(text);
        const std::string_view piece = text.substr(0, end);
        if (begun && width_of(line) + 1 + width_of(piece) > columns - margin_) {
            text_ += line;
            text_ += '\n';
            line = margin + "  ";
            begun = false;
        }
        if (begun) line += ' ';
        line += piece;
        begun = true;
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    text_ += line;
    text_ += '\n';
}

} // namespace glassbox::explain
