// The list of what was found, who wants to hear of it, and how it is written down.
#include "debugger/lint/impl.hpp"

#include "debugger/look/instruction_line.hpp"
#include "debugger/symbols/symbols.hpp"
#include "machine/machine.hpp"

#include <algorithm>

namespace glassbox {

namespace lint {

void Report::warn(Cpu& cpu, LintKind kind, u64 linear, const Finding& finding) {
    if (!enabled(kind) || suppressed(kind, linear)) return;
    const u64 now = machine_.instructions();
    std::size_t index = 0;
    if (const auto place = places_.find({kind, linear}); place != places_.end()) {
        index = place->second;
        LintWarning& w = list_[index];
        // What was gone back over happens again, but it is the same that was counted.
        if (now > w.at) ++w.count;
        w.at = std::max(w.at, now);
    } else {
        if (list_.size() >= most_places) { // a guest may have as many as it likes
            ++more_;
            return;
        }
        index = list_.size();
        places_.emplace(std::pair(kind, linear), index);
        list_.push_back(written(cpu, kind, linear, finding));
        if (warned_) warned_(list_[index]);
    }
    if (stops(kind) && stop) {
        machine_.request_stop();
        stop(list_[index]);
    }
}

LintWarning Report::written(Cpu& cpu, LintKind kind, u64 linear, const Finding& finding) const {
    LintWarning w;
    w.kind = kind;
    for (unsigned i = 0; i < machine_.processors(); ++i)
        if (&machine_.cpu(i) == &cpu) w.processor = i;
    w.linear = linear;
    w.place = look::code_address(look::instruction_line(cpu, nullptr, look::place_at(cpu, linear)));
    if (symbols) w.symbol = symbols->describe(linear);
    w.instruction = finding.instruction.empty() ? text_at(cpu, linear) : finding.instruction;
    w.text = finding.text;
    w.section = finding.section.empty() ? std::string(rule_of(kind).section) : finding.section;
    w.advice = finding.advice.empty() ? std::string(rule_of(kind).advice) : finding.advice;
    w.count = 1;
    w.at = machine_.instructions();
    return w;
}

bool Report::suppressed(LintKind kind, u64 linear) {
    for (Lint::Suppression& s : suppressions) {
        if (s.linear != linear || (s.kind && *s.kind != kind)) continue;
        ++s.count;
        return true;
    }
    return false;
}

void Report::drop(u64 linear, std::optional<LintKind> kind) {
    std::erase_if(list_, [&](const LintWarning& w) { return w.linear == linear && (!kind || w.kind == *kind); });
    places_.clear();
    for (std::size_t i = 0; i < list_.size(); ++i) places_.emplace(std::pair(list_[i].kind, list_[i].linear), i);
}

std::string Report::called(u64 linear) const {
    const std::string name = symbols ? symbols->describe(linear) : std::string();
    return name.empty() ? capital_hex(linear, 8) : capital_hex(linear, 8) + " <" + name + ">";
}

} // namespace lint

const std::vector<LintWarning>& Lint::warnings() const { return impl_->report.list(); }
void Lint::clear() { impl_->report.clear(); }

void Lint::enable(LintKind kind, bool on) { impl_->report.enable(kind, on); }
bool Lint::enabled(LintKind kind) const { return impl_->report.enabled(kind); }
void Lint::set_stops(LintKind kind, bool on) { impl_->report.set_stops(kind, on); }
bool Lint::stops(LintKind kind) const { return impl_->report.stops(kind); }
void Lint::set_symbols(const Symbols* symbols) { impl_->report.symbols = symbols; }
const std::vector<Lint::Suppression>& Lint::suppressions() const { return impl_->report.suppressions; }

bool Lint::suppress(u64 linear, std::optional<LintKind> kind) {
    auto& list = impl_->report.suppressions;
    if (std::ranges::any_of(list, [&](const Suppression& s) { return s.linear == linear && s.kind == kind; }))
        return false;
    list.push_back({linear, kind, 0});
    impl_->report.drop(linear, kind);
    return true;
}

bool Lint::unsuppress(u64 linear) {
    return std::erase_if(impl_->report.suppressions, [&](const Suppression& s) { return s.linear == linear; }) != 0;
}

namespace {

constexpr std::size_t columns = 100;

/// `text` from column `column` on, further lines begun with `indent` spaces.
std::string fitted(const std::string& text, std::size_t indent, std::size_t column) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        if (!out.empty() && column + 1 + (end - at) > columns) {
            out += '\n';
            out.append(indent, ' ');
            column = indent;
        } else if (!out.empty()) {
            out += ' ';
            ++column;
        }
        out += text.substr(at, end - at);
        column += end - at;
        at = end + 1;
    }
    return out + '\n';
}

std::string times(u64 n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

std::string place_of(const LintWarning& w) {
    std::string text = w.processor == 0 ? w.place : "CPU " + std::to_string(w.processor) + ", " + w.place;
    if (!w.symbol.empty()) text += " <" + w.symbol + ">";
    return text;
}

} // namespace

std::string Lint::to_text(const LintWarning& w) {
    return fitted(place_of(w) + "  " + w.instruction + ": " + w.text, 4, 0) + "    " +
           fitted("[" + std::string(name_of(w.kind)) + "; " + w.section + "] Do: " + w.advice + ".", 4, 4);
}

std::string Lint::summary() const {
    const auto& list = warnings();
    std::string text;
    for (unsigned k = 0; k < lint_kinds; ++k) {
        u64 places = 0, all = 0;
        std::string lines;
        for (const LintWarning& w : list) {
            if (w.kind != static_cast<LintKind>(k)) continue;
            ++places;
            all += w.count;
            std::string count = std::to_string(w.count) + "x";
            count.insert(0, 10 - std::min<std::size_t>(10, count.size()), ' ');
            lines += count + "  " + place_of(w) + "  " + w.instruction + "\n" + std::string(12, ' ') +
                     fitted(w.text, 12, 12);
        }
        if (places != 0)
            text += "lint: " + std::string(name_of(static_cast<LintKind>(k))) + ": " + times(places, "place") + ", " +
                    times(all, "time") + "\n" + lines;
    }
    if (impl_->report.more() != 0) text += "lint: and " + times(impl_->report.more(), "time") + " at further places\n";
    if (text.empty()) text = "lint: nothing to complain about\n";
    u64 unsaid = 0;
    for (const Suppression& s : suppressions()) unsaid += s.count;
    if (unsaid != 0) text += "lint: " + times(unsaid, "time") + " suppressed\n";
    return text;
}

} // namespace glassbox
