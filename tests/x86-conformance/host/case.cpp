#include "tests/x86-conformance/host/case.hpp"

#include <algorithm>

namespace glassbox::conformance::host {

bool Input::set_memory(u32 at, std::span<const u8> value) {
    for (std::size_t i = 0; i < value.size();) {
        const u32 here = at + static_cast<u32>(i);
        const std::size_t piece = std::min<std::size_t>(value.size() - i, page - (here & (page - 1)));
        if (mapped(here)) {
            if (fills == most_fills || bytes_used + piece > most_bytes) return false;
            fill[fills++] = {static_cast<u16>(here), static_cast<u16>(piece)};
            std::copy_n(value.begin() + static_cast<std::ptrdiff_t>(i), piece, bytes.begin() + bytes_used);
            bytes_used = static_cast<u16>(bytes_used + piece);
        }
        i += piece;
    }
    return true;
}

} // namespace glassbox::conformance::host
