// Where RDRAND and RDSEED get their numbers: a generator whose seed is an input of the machine, so that the same inputs
// give the same run (the guest sees no randomness of the host unless somebody injects it, recorded like a key press),
// and whose state is in the snapshot, so that a restored machine goes on with the same numbers.
//
// xoshiro256** 1.0 by D. Blackman and S. Vigna, filled from its seed by SplitMix64, as its authors recommend.
#pragma once

#include "bus/archive.hpp"
#include "bus/types.hpp"

#include <array>
#include <bit>

namespace glassbox {

class EntropySource {
  public:
    explicit EntropySource(u64 seed = 0) { reseed(seed); }

    /// Starts over from `seed`. Processors of one machine get seeds of their own.
    void reseed(u64 seed) {
        for (u64& word : state_) word = split_mix(seed);
    }
    /// Mixes outside bits in, without starting over.
    void stir(u64 bits) {
        for (u64& word : state_) word ^= split_mix(bits);
        if ((state_[0] | state_[1] | state_[2] | state_[3]) == 0) reseed(bits); // the one state that never changes
    }
    u64 next() {
        const u64 result = std::rotl(state_[1] * 5, 7) * 9;
        const u64 t = state_[1] << 17;
        state_[2] ^= state_[0];
        state_[3] ^= state_[1];
        state_[1] ^= state_[2];
        state_[0] ^= state_[3];
        state_[2] ^= t;
        state_[3] = std::rotl(state_[3], 45);
        return result;
    }
    void persist(Archive& archive) {
        archive(state_);
        archive.require((state_[0] | state_[1] | state_[2] | state_[3]) != 0, "the entropy source's state is zero");
    }

  private:
    static u64 split_mix(u64& x) {
        u64 z = (x += 0x9E37'79B9'7F4A'7C15);
        z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
        z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
        return z ^ (z >> 31);
    }
    std::array<u64, 4> state_{};
};

} // namespace glassbox
