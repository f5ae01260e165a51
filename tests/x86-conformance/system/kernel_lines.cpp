#include "tests/x86-conformance/system/kernel_lines.hpp"

#include <charconv>

namespace glassbox::conformance {

namespace {

/// The part before the next '|', which is taken off.
std::string_view field(std::string_view& rest) {
    const auto end = rest.find('|');
    const std::string_view first = rest.substr(0, end);
    rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
    return first;
}

bool number(std::string_view text, u64& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

} // namespace

void KernelLines::put(u8 byte) {
    if (byte != '\n') {
        if (line_.size() < longest) line_ += static_cast<char>(byte);
        return;
    }
    take(line_);
    line_.clear();
}

void KernelLines::take(std::string_view line) {
    std::string_view rest = line.size() > 2 ? line.substr(2) : std::string_view();
    const char kind = line.empty() ? '\0' : line[0];
    bool sound = true;
    u64 index = 0;
    log_.awaiting_shutdown = false;
    switch (kind) {
    case 'F': {
        const auto name = field(rest);
        log_.forms.push_back({std::string(name), std::string(rest), 0, false});
        log_.cases.clear();
        break;
    }
    case 'D':
        sound = number(field(rest), index);
        if (sound && log_.cases.size() < most_cases) log_.cases.push_back({index, std::string(rest), {}});
        break;
    case 'X': {
        const auto what = field(rest), expected = field(rest);
        sound = !log_.cases.empty();
        if (sound)
            log_.cases.back().mismatches.push_back({std::string(what), std::string(expected), std::string(rest)});
        break;
    }
    case 'T': log_.awaiting_shutdown = true; break;
    case 'S':
        sound = number(field(rest), index);
        if (sound && log_.skipped.size() < most_cases) log_.skipped.emplace_back(index, std::string(rest));
        break;
    case 'E':
        sound = !log_.forms.empty() && number(field(rest), index);
        if (sound) {
            log_.forms.back().cases = index;
            log_.forms.back().complete = true;
        }
        break;
    case 'Z': log_.ended = true; break;
    default: sound = false;
    }
    if (!sound && log_.nonsense.empty()) log_.nonsense = line;
}

} // namespace glassbox::conformance
