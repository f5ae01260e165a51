// Where our decoder and Zydis differ and the SDM says that ours is right. Each entry is as narrow as it can be: the
// encoding, and what either decoder answers. docs/decoder-disagreements.md has the same list in prose.
#pragma once

#include "tests/x86-conformance/decode/comparison.hpp"

#include <span>

namespace glassbox::conformance {

struct Disagreement {
    const char* name;   ///< the section of docs/decoder-disagreements.md
    const char* source; ///< the section of the manual that decides
    bool (*applies)(const Decoded& decoded);
};

std::span<const Disagreement> all_disagreements();
/// The entry that covers the case, null when none does.
const Disagreement* find_disagreement(const Decoded& decoded);

} // namespace glassbox::conformance
