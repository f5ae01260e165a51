// Little-endian images of firmware tables: append, patch and read numbers in a vector of bytes.
#pragma once

#include "bus/types.hpp"

#include <concepts>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

namespace glassbox {

using Bytes = std::vector<u8>;

/// Writes `value` at `offset`, little-endian; the bytes must exist.
template <std::unsigned_integral T> void put_le(std::span<u8> bytes, std::size_t offset, T value) {
    auto target = bytes.subspan(offset, sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) target[i] = static_cast<u8>(u64{value} >> (8 * i));
}

/// Reads a little-endian number at `offset`; bytes past the end read as zero, so that no header can run us off its end.
template <std::unsigned_integral T> T get_le(std::span<const u8> bytes, std::size_t offset) {
    u64 value = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i)
        if (offset < bytes.size() && i < bytes.size() - offset) value |= u64{bytes[offset + i]} << (8 * i);
    return static_cast<T>(value);
}

template <std::unsigned_integral T> void append_le(Bytes& bytes, T value) {
    bytes.resize(bytes.size() + sizeof(T));
    put_le<T>(bytes, bytes.size() - sizeof(T), value);
}

inline void append(Bytes& bytes, std::span<const u8> more) { bytes.insert(bytes.end(), more.begin(), more.end()); }

inline void append_text(Bytes& bytes, std::string_view text) { bytes.insert(bytes.end(), text.begin(), text.end()); }

/// Appends exactly `size` characters: cut or filled up with `fill`.
inline void append_padded(Bytes& bytes, std::string_view text, std::size_t size, char fill = 0) {
    for (std::size_t i = 0; i < size; ++i) bytes.push_back(static_cast<u8>(i < text.size() ? text[i] : fill));
}

/// Zeros up to the next multiple of `alignment`.
inline void align_to(Bytes& bytes, std::size_t alignment) {
    bytes.resize((bytes.size() + alignment - 1) / alignment * alignment);
}

inline u8 byte_sum(std::span<const u8> bytes) {
    unsigned sum = 0;
    for (const u8 byte : bytes) sum += byte;
    return static_cast<u8>(sum);
}

inline Bytes to_bytes(std::string_view text) { return Bytes(text.begin(), text.end()); }

} // namespace glassbox
