// Pseudo-random operands that crowd at the borders: exponents next to each other, to the ends of the range and of the
// narrower formats; significands of few bits, all ones, and halfway patterns; every class of encoding.
#pragma once

#include "cpu/fpu/softfloat/values.hpp"

#include <array>

namespace glassbox {

class Operands {
  public:
    explicit Operands(u64 seed) : state_(seed) {}

    u64 bits() {
        state_ += 0x9e3779b97f4a7c15;
        u64 z = state_;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    unsigned below(unsigned n) { return static_cast<unsigned>((bits() >> 33) % n); }

    u64 significand() {
        switch (below(10)) {
        case 0: return integer;
        case 1: return ~u64{0};
        case 2: return integer | u64{1} << below(64);
        case 3: return ~u64{0} << below(64);
        case 4: return ~(u64{1} << below(63));
        case 5: return integer | (u64{1} << 39) | (below(2) ? u64{1} << below(40) : 0); // halfway for 24 bits
        case 6: return integer | (bits() << 11) | (u64{1} << 10);                       // for 53 bits
        case 7: return integer | (bits() & bits() & bits());
        default: return integer | bits();
        }
    }
    softfloat::F80 extended() {
        static constexpr std::array<int, 12> edges{
            0, 1, 16383, 16383 - 126, 16383 + 127, 16383 - 1022, 16383 + 1023, 32766, 32767, 24576, 8191, 16383 + 63};
        u64 s = significand();
        int e = 0;
        switch (below(9)) {
        case 8: e = 16383 + 30 - (below(2) ? static_cast<int>(60 + below(10)) : 0); break; // 64 places apart
        case 0: e = edges[below(edges.size())] + static_cast<int>(below(5)) - 2; break;
        case 1: e = static_cast<int>(below(0x8000)); break;
        case 2: e = 16383 + static_cast<int>(below(64)); break;
        case 3: e = below(2) ? 0x7fff : 0; break;
        case 4: e = 16383 - 200 + static_cast<int>(below(400)); break;
        default: e = 16383 - 3 + static_cast<int>(below(7)); break;
        }
        if (e < 0) e = 0;
        if (e > 0x7fff) e = 0x7fff;
        if (e == 0x7fff && below(2)) s = below(3) ? integer : s;
        if (e == 0 && below(2)) s = below(2) ? s >> (1 + below(63)) : 0;
        if (below(12) == 0) s &= ~integer;
        return {s, static_cast<u16>(e | (below(2) ? 0x8000 : 0))};
    }
    softfloat::F32 narrow() {
        const auto s = static_cast<u32>(significand() >> 40) & 0x7fffff;
        return {(below(2) << 31) | (exponent(0xff, 127) << 23) | (below(8) ? s : 0)};
    }
    softfloat::F64 wide() {
        const u64 s = (significand() >> 11) & 0xfffffffffffff;
        return {(u64{below(2)} << 63) | (u64{exponent(0x7ff, 1023)} << 52) | (below(8) ? s : 0)};
    }

  private:
    static constexpr u64 integer = u64{1} << 63;
    u32 exponent(u32 max, u32 bias) {
        switch (below(6)) {
        case 0: return below(2) ? max : 0;
        case 1: return below(max + 1);
        case 2: return below(2) ? 1 + below(4) : max - 1 - below(4);
        case 3: return bias / 2 + below(4);
        default: return bias - 2 + below(5);
        }
    }
    u64 state_;
};

} // namespace glassbox
