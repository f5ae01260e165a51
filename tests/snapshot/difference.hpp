// Where two machines differ: the component by the name of its chunk, and the first bytes; or the page of RAM.
#pragma once

#include "machine/board.hpp"
#include "machine/machine.hpp"
#include "machine/snapshot.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace glassbox::test {

/// The chunk that holds byte `at`: the last name before it that has the form of a chunk's head.
inline std::string chunk_at(const std::vector<u8>& state, std::size_t at, std::size_t& start) {
    std::string name = "?";
    start = 0;
    for (std::size_t i = 0; i + 24 < state.size() && i <= at; ++i) {
        u64 length = 0;
        std::memcpy(&length, state.data() + i, 8);
        if (length == 0 || length > 40 || i + 16 + length > state.size()) continue;
        const auto* text = reinterpret_cast<const char*>(state.data() + i + 8);
        if (!std::all_of(text, text + length, [](char c) { return c >= ' ' && c < 127; })) continue;
        u32 version = 0, size = 0;
        std::memcpy(&version, state.data() + i + 8 + length, 4);
        std::memcpy(&size, state.data() + i + 12 + length, 4);
        const std::size_t body = i + 16 + length;
        if (version == 0 || version > 100 || body + size > state.size() || at >= body + size) continue;
        name.assign(text, length);
        start = body;
        i = body - 1;
    }
    return name;
}

/// Empty when the two are the same to the bit.
inline std::string difference(Machine& a, Machine& b) {
    const std::vector<u8> left = machine_state(a.board()), right = machine_state(b.board());
    char text[200];
    if (left != right) {
        const auto at = static_cast<std::size_t>(
            std::mismatch(left.begin(), left.end(), right.begin(), right.end()).first - left.begin());
        std::size_t start = 0;
        const std::string name = chunk_at(left, at, start);
        std::snprintf(text, sizeof text, "part '%s', byte %zu (sizes %zu and %zu):", name.c_str(), at - start,
                      left.size(), right.size());
        std::string message = text;
        for (const auto* side : {&left, &right}) {
            message += "\n   ";
            for (std::size_t i = at; i < std::min(at + 24, side->size()); ++i) {
                std::snprintf(text, sizeof text, " %02X", (*side)[i]);
                message += text;
            }
        }
        return message;
    }
    const auto ram = a.board().memory.ram(), other = b.board().memory.ram();
    if (std::memcmp(ram.data(), other.data(), ram.size()) == 0) return {};
    const auto at = static_cast<u64>(std::mismatch(ram.begin(), ram.end(), other.begin()).first - ram.begin());
    std::snprintf(text, sizeof text, "RAM at %08llX: %02X and %02X", static_cast<unsigned long long>(at), ram[at],
                  other[at]);
    return text;
}

} // namespace glassbox::test
