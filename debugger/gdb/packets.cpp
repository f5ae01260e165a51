#include "debugger/gdb/packets.hpp"

namespace glassbox::gdb {

namespace {
constexpr char interrupt_byte = 3, escape = '}', escape_mask = 0x20, run = '*';
constexpr std::size_t run_offset = 29, shortest_run = 3, longest_run = '~' - run_offset; // repeats behind the first
constexpr std::string_view digits = "0123456789abcdef";
} // namespace

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string to_hex(std::string_view bytes) {
    std::string out;
    out.reserve(bytes.size() * 2);
    for (const char c : bytes) {
        const u8 byte = static_cast<u8>(c);
        out += digits[byte >> 4];
        out += digits[byte & 15];
    }
    return out;
}

std::string to_hex(u64 value) {
    std::string out;
    do out.insert(out.begin(), digits[value & 15]);
    while (value >>= 4);
    return out;
}

std::optional<std::string> from_hex(std::string_view text) {
    if (text.size() % 2 != 0) return std::nullopt;
    std::string out;
    out.reserve(text.size() / 2);
    for (std::size_t i = 0; i < text.size(); i += 2) {
        const int high = hex_digit(text[i]), low = hex_digit(text[i + 1]);
        if (high < 0 || low < 0) return std::nullopt;
        out += static_cast<char>(high << 4 | low);
    }
    return out;
}

bool Scanner::take(char c) {
    if (peek() != c || text_.empty()) return false;
    text_.remove_prefix(1);
    return true;
}

bool Scanner::take(std::string_view word) {
    if (!text_.starts_with(word)) return false;
    text_.remove_prefix(word.size());
    return true;
}

std::optional<u64> Scanner::number() {
    u64 value = 0;
    unsigned count = 0;
    while (!text_.empty() && hex_digit(text_[0]) >= 0) {
        if (++count > 16) return std::nullopt;
        value = value << 4 | static_cast<u64>(hex_digit(text_[0]));
        text_.remove_prefix(1);
    }
    return count ? std::optional(value) : std::nullopt;
}

std::string_view Scanner::until(char end) {
    const auto at = text_.find(end);
    const std::string_view taken = text_.substr(0, at);
    text_.remove_prefix(at == std::string_view::npos ? text_.size() : at + 1);
    return taken;
}

std::string framed(std::string_view data, bool runs) {
    std::string out = "$";
    u8 sum = 0;
    const auto put = [&](char c) {
        out += c;
        sum = static_cast<u8>(sum + static_cast<u8>(c));
    };
    for (std::size_t i = 0; i < data.size(); ++i) {
        const char c = data[i];
        if (c == '$' || c == '#' || c == escape || c == run) {
            put(escape);
            put(static_cast<char>(c ^ escape_mask));
            continue;
        }
        put(c);
        std::size_t more = 0;
        while (runs && more < longest_run && i + more + 1 < data.size() && data[i + more + 1] == c) ++more;
        if (more < shortest_run) continue;
        // No count may look like the end of a packet or the beginning of one.
        if (more + run_offset == '#' || more + run_offset == '$') more = '"' - run_offset;
        put(run);
        put(static_cast<char>(more + run_offset));
        i += more;
    }
    out += '#';
    out += digits[sum >> 4];
    out += digits[sum & 15];
    return out;
}

std::string PacketReader::frame(std::string_view data) {
    last_ = framed(data, true);
    return last_;
}

void PacketReader::complete(std::vector<Event>& events, std::string& out) {
    state_ = State::idle;
    const bool good = high_ >= 0 && low_ >= 0 && (high_ << 4 | low_) == sum_;
    if (acknowledged_) {
        out += good ? '+' : '-';
        if (!good) return;
    }
    if (too_long_) {
        events.push_back({Event::Kind::too_long});
    } else {
        events.push_back({Event::Kind::packet, std::move(data_)});
    }
    data_.clear();
}

void PacketReader::begin() {
    state_ = State::data;
    data_.clear();
    sum_ = 0;
    escaped_ = too_long_ = counting_ = false;
}

void PacketReader::append(char c) {
    too_long_ |= data_.size() >= packet_size;
    if (!too_long_) data_ += c;
}

/// A byte between $ and #.
void PacketReader::take(char c) {
    sum_ = static_cast<u8>(sum_ + static_cast<u8>(c));
    if (counting_) {
        counting_ = false;
        const std::size_t code = static_cast<u8>(c);
        for (std::size_t n = code < run_offset || data_.empty() ? 0 : code - run_offset; n > 0; --n)
            append(data_.back());
    } else if (c == escape && !escaped_) {
        escaped_ = true;
    } else if (runs_ && c == run && !escaped_) {
        counting_ = true;
    } else {
        append(escaped_ ? static_cast<char>(c ^ escape_mask) : c);
        escaped_ = false;
    }
}

void PacketReader::feed(std::string_view bytes, std::vector<Event>& events, std::string& out) {
    for (const char c : bytes) {
        switch (state_) {
        case State::idle:
            if (c == '$') {
                begin();
            } else if (c == interrupt_byte) {
                events.push_back({Event::Kind::interrupt});
            } else if (c == '-' && acknowledged_) {
                out += last_;
            }
            break; // '+', and what a broken line leaves behind
        case State::data:
            if (c == '#') {
                state_ = State::checksum_high;
                break;
            }
            if (c == '$')
                begin(); // the one before was cut off
            else
                take(c);
            break;
        case State::checksum_high:
            high_ = hex_digit(c);
            state_ = State::checksum_low;
            break;
        case State::checksum_low:
            low_ = hex_digit(c);
            complete(events, out);
            break;
        }
    }
}

} // namespace glassbox::gdb
