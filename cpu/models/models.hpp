// The table of processor models.
#pragma once

#include "cpu/features.hpp"

#include <vector>

namespace glassbox {

/// Oldest first; AMD's after Intel's, then the psABI's levels and `max`.
const std::vector<CpuModel>& cpu_models();
/// All of docs/cpu-models.md.
std::string cpu_model_reference();

} // namespace glassbox
