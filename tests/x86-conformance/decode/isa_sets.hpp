// Which of our features an instruction set of Zydis's is: that tells an instruction that a processor model rightly
// lacks from one that its decoder has forgotten.
#pragma once

#include "cpu/features.hpp"

#include <Zydis/Zydis.h>

namespace glassbox::conformance {

/// False for every instruction set that no feature of ours stands for.
bool model_has(const FeatureSet& features, ZydisISASet set);

} // namespace glassbox::conformance
