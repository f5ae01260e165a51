// The small languages of option values. Every error names the text and what would have been accepted.
#include "frontend/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ctime>
#include <filesystem>
#include <optional>

namespace glassbox {

namespace {

std::string in_quotes(std::string_view text) { return "'" + std::string(text) + "'"; }

/// Digits with optional underscores between them.
std::optional<u64> decimal(std::string_view text) {
    std::string digits;
    for (const char c : text) {
        if (c != '_') digits += c;
    }
    u64 value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
}

struct Suffix {
    std::string_view name;
    u64 factor;
};

/// A number followed by one of `suffixes`, without overflow.
template <std::size_t N> std::optional<u64> scaled(std::string_view text, const std::array<Suffix, N>& suffixes) {
    u64 factor = 1;
    for (const Suffix& suffix : suffixes) {
        if (!text.ends_with(suffix.name)) continue;
        factor = suffix.factor;
        text.remove_suffix(suffix.name.size());
        break;
    }
    const auto number = decimal(text);
    if (!number || *number > ~u64{0} / factor) return std::nullopt;
    return *number * factor;
}

constexpr std::array<Suffix, 9> size_suffixes = {{{"KiB", 1u << 10},
                                                  {"MiB", 1u << 20},
                                                  {"GiB", 1u << 30},
                                                  {"K", 1u << 10},
                                                  {"M", 1u << 20},
                                                  {"G", 1u << 30},
                                                  {"k", 1u << 10},
                                                  {"m", 1u << 20},
                                                  {"g", 1u << 30}}};
constexpr std::array<Suffix, 6> count_suffixes = {
    {{"K", 1'000}, {"M", 1'000'000}, {"G", 1'000'000'000}, {"k", 1'000}, {"m", 1'000'000}, {"g", 1'000'000'000}}};
// "ms" before "m" and "s": the first suffix that fits is taken.
constexpr std::array<Suffix, 7> time_suffixes = {{{"ms", millisecond},
                                                  {"us", microsecond},
                                                  {"ns", nanosecond},
                                                  {"min", 60 * second},
                                                  {"s", second},
                                                  {"m", 60 * second},
                                                  {"h", 3600 * second}}};

/// Two or four digits at a fixed place of a date.
std::optional<int> digits_at(std::string_view text, std::size_t at, std::size_t count) {
    int value = 0;
    if (at + count > text.size()) return std::nullopt;
    for (const char c : text.substr(at, count)) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    return value;
}

std::optional<i64> parse_date(std::string_view text) {
    if (text.ends_with('Z')) text.remove_suffix(1);
    const bool with_time = text.size() == 19;
    if (text.size() != 10 && !with_time) return std::nullopt;
    if (text[4] != '-' || text[7] != '-') return std::nullopt;
    const auto year = digits_at(text, 0, 4), month = digits_at(text, 5, 2), day = digits_at(text, 8, 2);
    if (!year || !month || !day || *year < 1980 || *month < 1 || *month > 12 || *day < 1 || *day > 31) {
        return std::nullopt;
    }
    std::tm tm{};
    tm.tm_year = *year - 1900, tm.tm_mon = *month - 1, tm.tm_mday = *day;
    if (with_time) {
        const auto hour = digits_at(text, 11, 2), minute = digits_at(text, 14, 2), sec = digits_at(text, 17, 2);
        if ((text[10] != 'T' && text[10] != ' ') || text[13] != ':' || text[16] != ':') return std::nullopt;
        if (!hour || !minute || !sec || *hour > 23 || *minute > 59 || *sec > 59) return std::nullopt;
        tm.tm_hour = *hour, tm.tm_min = *minute, tm.tm_sec = *sec;
    }
    const i64 result = timegm(&tm);
    if (tm.tm_mday != *day) return std::nullopt; // the 31st of a shorter month
    return result;
}

Expected<Endpoint> parse_tcp(const std::string& text) {
    Endpoint endpoint{.kind = Endpoint::Kind::tcp, .target = {}, .port = 0, .listen = false};
    std::string rest = text.substr(4);
    if (rest.ends_with(",listen")) {
        endpoint.listen = true;
        rest.resize(rest.size() - 7);
    }
    const auto colon = rest.rfind(':');
    if (colon == std::string::npos) return fail(in_quotes(text) + " has no port: write tcp:HOST:PORT");
    endpoint.target = rest.substr(0, colon);
    if (endpoint.target.starts_with('[') && endpoint.target.ends_with(']')) {
        endpoint.target = endpoint.target.substr(1, endpoint.target.size() - 2);
    }
    const auto port = decimal(rest.substr(colon + 1));
    if (!port || *port == 0 || *port > 0xFFFF) return fail(in_quotes(text) + ": the port must be from 1 to 65535");
    if (endpoint.target.empty() && !endpoint.listen) return fail(in_quotes(text) + " has no host: write tcp:HOST:PORT");
    endpoint.port = static_cast<u16>(*port);
    return endpoint;
}

} // namespace

std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> parts;
    while (true) {
        const auto at = text.find(separator);
        parts.emplace_back(text.substr(0, at));
        if (at == std::string_view::npos) return parts;
        text.remove_prefix(at + 1);
    }
}

Expected<u64> parse_size(std::string_view text) {
    if (const auto value = scaled(text, size_suffixes)) return *value;
    return fail(in_quotes(text) + " is not a size: write it as 640K, 64M or 1G");
}

Expected<u64> parse_count(std::string_view text) {
    if (const auto value = scaled(text, count_suffixes)) return *value;
    return fail(in_quotes(text) + " is not a count: write it as 1000000, 1_000_000 or 1M");
}

Expected<u64> parse_number(std::string_view text, u64 limit) {
    std::string_view digits = text;
    int base = 10;
    if (digits.starts_with("0x") || digits.starts_with("0X")) {
        digits.remove_prefix(2), base = 16;
    } else if (digits.ends_with('h') || digits.ends_with('H')) {
        digits.remove_suffix(1), base = 16;
    }
    u64 value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) {
        return fail(in_quotes(text) + " is not a number: write it as 244, 0xF4 or F4h");
    }
    if (value > limit) return fail(in_quotes(text) + " is more than " + std::to_string(limit));
    return value;
}

Expected<Time> parse_duration(std::string_view text) {
    const std::string error = in_quotes(text) + " is not a duration: write it as 30s, 1.5s, 500ms or 2m";
    std::string_view number = text;
    u64 unit = second;
    for (const Suffix& suffix : time_suffixes) {
        if (!number.ends_with(suffix.name)) continue;
        unit = suffix.factor;
        number.remove_suffix(suffix.name.size());
        break;
    }
    const auto point = number.find('.');
    const auto whole = decimal(number.substr(0, point));
    if (!whole) return fail(error);
    u128 total = u128{*whole} * unit;
    if (point != std::string_view::npos) {
        u64 scale = unit;
        for (const char c : number.substr(point + 1)) {
            if (c < '0' || c > '9') return fail(error);
            scale /= 10;
            total += scale * static_cast<u64>(c - '0');
        }
    }
    // Half of the range of Time, so that "now + duration" cannot wrap.
    if (total > never / 2) return fail(in_quotes(text) + " is longer than virtual time can count (106 days)");
    return static_cast<Time>(total);
}

Expected<i64> parse_rtc(std::string_view text) {
    if (text == "host") return static_cast<i64>(std::time(nullptr));
    if (const auto seconds = decimal(text)) {
        if (*seconds <= 0xFFFF'FFFF) return static_cast<i64>(*seconds);
    }
    if (const auto date = parse_date(text)) return *date;
    return fail(in_quotes(text) +
                " is not a date: write host, seconds since 1970, 2026-01-31 or 2026-01-31T12:30:00 (UTC)");
}

Expected<DriveConfig> parse_drive(const std::string& text) {
    DriveConfig drive{.path = text, .read_only = false, .discard_writes = false};
    for (bool found = true; found;) {
        found = false;
        for (const std::string_view flag : {",readonly", ",discard-writes"}) {
            if (!drive.path.ends_with(flag)) continue;
            drive.path.resize(drive.path.size() - flag.size());
            (flag == ",readonly" ? drive.read_only : drive.discard_writes) = true;
            found = true;
        }
    }
    if (drive.path.empty()) return fail(in_quotes(text) + " names no file");
    if (drive.read_only && drive.discard_writes) {
        return fail(in_quotes(text) +
                    ": readonly refuses writes and discard-writes keeps them in memory; give one of them");
    }
    // A file's name may hold a comma, but a mistyped flag is likelier.
    const auto comma = drive.path.rfind(',');
    std::error_code ignored;
    if (comma != std::string::npos && !std::filesystem::exists(drive.path, ignored)) {
        return fail("unknown flag " + in_quotes(drive.path.substr(comma + 1)) + " after " +
                    in_quotes(drive.path.substr(0, comma)) + ": there are readonly and discard-writes");
    }
    return drive;
}

Expected<Endpoint> parse_endpoint(const std::string& text) {
    using Kind = Endpoint::Kind;
    if (text == "none") return Endpoint{};
    if (text == "stdio") return Endpoint{.kind = Kind::stdio, .target = {}, .port = 0, .listen = false};
    if (text == "pty") return Endpoint{.kind = Kind::pty, .target = {}, .port = 0, .listen = false};
    if (text.starts_with("tcp:")) return parse_tcp(text);
    if (text.starts_with("file:")) {
        if (text.size() == 5) return fail(in_quotes(text) + " names no file: write file:PATH");
        return Endpoint{.kind = Kind::file, .target = text.substr(5), .port = 0, .listen = false};
    }
    return fail(in_quotes(text) + " is none of stdio, none, file:PATH, pty, tcp:HOST:PORT[,listen]");
}

} // namespace glassbox
