// The small languages of option values: sizes, counts, durations, dates, drives and where a port's bytes go.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"
#include "machine/config.hpp"

#include <string>
#include <string_view>

namespace glassbox {

/// "640K", "64M", "1G" (powers of 1024; K, M, G or KiB, MiB, GiB), or plain bytes.
Expected<u64> parse_size(std::string_view text);
/// "1000000", "1_000_000", "100M" (powers of 1000).
Expected<u64> parse_count(std::string_view text);
/// "0xF4", "244" or "F4h", at most `limit`.
Expected<u64> parse_number(std::string_view text, u64 limit);
/// "30s", "1.5s", "500ms", "20us", "2m"; a number without a unit is seconds.
Expected<Time> parse_duration(std::string_view text);
/// "host", seconds since 1970, "2026-01-31" or "2026-01-31T12:30:00" (UTC); as seconds since 1970.
Expected<i64> parse_rtc(std::string_view text);

/// FILE[,readonly][,discard-writes]
Expected<DriveConfig> parse_drive(const std::string& text);

/// Where the bytes of a serial, parallel or debug port go.
struct Endpoint {
    enum class Kind : u8 { none, stdio, file, pty, tcp } kind = Kind::none;
    std::string target; ///< the file's path or the host's name
    u16 port = 0;
    bool listen = false;
    bool operator==(const Endpoint&) const = default;
};
/// "none", "stdio", "file:PATH", "pty", "tcp:HOST:PORT" or "tcp:HOST:PORT,listen".
Expected<Endpoint> parse_endpoint(const std::string& text);

std::vector<std::string> split(std::string_view text, char separator);

} // namespace glassbox
