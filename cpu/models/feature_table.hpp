// The features by name, with their places in CPUID and what they need.
#pragma once

#include "cpu/features.hpp"

#include <span>

namespace glassbox {

struct FeatureRow {
    Feature feature;
    std::string_view name; ///< as Linux's /proc/cpuinfo has it, where it does
    CpuidWord word = CpuidWord::none;
    u8 bit = 0;
    FeatureSet needs;
};

std::span<const FeatureRow> feature_rows();
const FeatureRow& feature_row(Feature feature);
/// Null when there is none of that name that CPUID shows. `_`, `-` and `.` in names do not count.
const FeatureRow* find_feature(std::string_view name);

} // namespace glassbox
