// `find` and `compare-sections`, done here so that the memory does not go over the wire.
#include "cpu/state.hpp"
#include "debugger/gdb/stub.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

using gdb::Scanner;

namespace {

constexpr std::size_t page = 4096;
constexpr u64 longest_search = u64{64} << 30, longest_checksum = u64{4} << 30;
constexpr u64 asked_every = u64{16} << 20; // bytes between two looks for an interrupt

/// The CRC of `qCRC` (gdb manual, E.4): polynomial 04C11DB7h, the highest bit first, from all ones, not inverted.
constexpr std::array<u32, 256> crc_table = [] {
    std::array<u32, 256> table{};
    for (u32 i = 0; i < 256; ++i) {
        u32 value = i << 24;
        for (unsigned bit = 0; bit < 8; ++bit) value = value << 1 ^ (value >> 31 ? 0x04C1'1DB7u : 0u);
        table[i] = value;
    }
    return table;
}();

} // namespace

std::size_t GdbStub::peek(u64 address, std::span<u8> bytes) const {
    const Cpu& cpu = debugger_.machine().cpu(thread_ - 1);
    return physical_ ? read_physical_quietly(cpu, address, bytes) : read_linear_quietly(cpu, address, bytes);
}

/// :ADDRESS;LENGTH;PATTERN, the pattern in bytes. What cannot be read matches nothing.
void GdbStub::search_memory(Scanner& s) {
    if (!s.take(':')) return malformed();
    const auto start = s.number();
    if (!start || !s.take(';')) return malformed();
    const auto length = s.number();
    if (!length || !s.take(';')) return malformed();
    const std::string_view pattern = s.rest();
    if (pattern.empty()) return malformed();
    if (*length > longest_search) return error("more than 64 GiB are not searched");
    std::string window; // the end of what was read before, and a page
    std::array<u8, page> bytes{};
    for (u64 done = 0; done < *length;) {
        const u64 at = *start + done;
        const std::size_t size = static_cast<std::size_t>(std::min<u64>(page - at % page, *length - done));
        const std::size_t had = peek(at, std::span(bytes).first(size));
        window.append(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(had));
        const u64 first = at + had - window.size();
        if (const auto found = window.find(pattern); found != std::string::npos)
            return reply("1," + gdb::to_hex(first + found));
        const std::size_t kept = had == size ? std::min(window.size(), pattern.size() - 1) : 0;
        window.erase(0, window.size() - kept);
        done += size;
        if (done % asked_every < page && interrupted_ && interrupted_()) return error("interrupted");
    }
    reply("0");
}

/// :ADDRESS,LENGTH
void GdbStub::checksum_memory(Scanner& s) {
    u64 address = 0, length = 0;
    if (!s.take(':') || !address_and_length(s, '\0', address, length)) return malformed();
    if (length > longest_checksum) return error("more than 4 GiB are not compared");
    u32 crc = ~u32{0};
    std::array<u8, page> bytes{};
    for (u64 done = 0; done < length;) {
        const u64 at = address + done;
        const std::size_t size = static_cast<std::size_t>(std::min<u64>(page - at % page, length - done));
        if (peek(at, std::span(bytes).first(size)) != size) return reply("E0e"); // EFAULT
        for (std::size_t i = 0; i < size; ++i) crc = crc << 8 ^ crc_table[(crc >> 24 ^ bytes[i]) & 0xFF];
        done += size;
        if (done % asked_every < page && interrupted_ && interrupted_()) return error("interrupted");
    }
    reply("C" + gdb::to_hex(u64{crc}));
}

} // namespace glassbox
