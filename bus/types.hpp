// Fixed-width integers and the strong types of addresses. A linear address is not a physical one; the compiler says so.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace glassbox {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;
__extension__ typedef unsigned __int128 u128; // GCC's -Wpedantic accepts the type in this form alone

/// An integer that converts to and from others only by name.
template <class Tag, class T> struct Strong {
    T value{};

    constexpr Strong() = default;
    constexpr explicit Strong(T v) : value(v) {}
    constexpr auto operator<=>(const Strong&) const = default;
    constexpr Strong operator+(T n) const { return Strong(static_cast<T>(value + n)); }
    constexpr Strong operator-(T n) const { return Strong(static_cast<T>(value - n)); }
    constexpr T operator-(Strong other) const { return static_cast<T>(value - other.value); }
};

using LinearAddress = Strong<struct LinearTag, u64>;
using PhysAddress = Strong<struct PhysTag, u64>;
using Port = Strong<struct PortTag, u16>;

inline constexpr u64 page_size = 4096;
inline constexpr u64 page_mask = page_size - 1;

/// Virtual time in picoseconds since power-on; 64 bits last 213 days.
using Time = u64;
inline constexpr Time nanosecond = 1000;
inline constexpr Time microsecond = 1000 * nanosecond;
inline constexpr Time millisecond = 1000 * microsecond;
inline constexpr Time second = 1000 * millisecond;
inline constexpr Time never = ~Time{0};

/// The number of whole periods of a clock of `hertz` in `time`: exact for any 64-bit time.
constexpr u64 ticks_in(Time time, u64 hertz) { return static_cast<u64>(u128{time} * hertz / second); }
/// The earliest time at which `ticks` whole periods have passed: `ticks_in(time_of(n, hz), hz) == n`.
constexpr Time time_of(u64 ticks, u64 hertz) { return static_cast<Time>((u128{ticks} * second + hertz - 1) / hertz); }

} // namespace glassbox
