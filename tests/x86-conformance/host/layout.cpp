#include "tests/x86-conformance/host/layout.hpp"

#include "tests/x86-conformance/runner/suite.hpp"

namespace glassbox::conformance::host {

std::array<u8, data_size> data_pattern() {
    std::array<u8, data_size> bytes{};
    Random random(0x0B5E'55ED);
    for (std::size_t i = 0; i < bytes.size(); i += 4) {
        if (random.chance(3)) continue;
        const u32 value = static_cast<u32>(random.next());
        for (unsigned k = 0; k < 4; ++k) bytes[i + k] = static_cast<u8>(value >> (8 * k));
    }
    return bytes;
}

} // namespace glassbox::conformance::host
