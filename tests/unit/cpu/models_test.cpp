// The table of models, features by name, and `MODEL,+feature,-feature`.
#include "cpu/models/feature_table.hpp"
#include "cpu/models/models.hpp"
#include "cpu/system/system.hpp"

#include <cstdlib>
#include <doctest/doctest.h>
#include <fstream>
#include <iterator>
#include <set>

using namespace glassbox;

namespace {

std::string error_of(std::string_view text) {
    const auto model = parse_cpu_model(text);
    return model ? "" : model.error().message;
}
bool mentions(const std::string& text, std::string_view what) { return text.find(what) != std::string::npos; }
FeatureSet features_of(std::string_view text) {
    const auto model = parse_cpu_model(text);
    REQUIRE(model);
    return model->features;
}

} // namespace

TEST_CASE("features: each has one row, one name and one place in CPUID") {
    std::set<std::string_view> names;
    std::set<std::pair<CpuidWord, u8>> places;
    for (unsigned i = 0; i < static_cast<unsigned>(Feature::count); ++i) {
        const FeatureRow& row = feature_row(static_cast<Feature>(i));
        REQUIRE(row.feature == static_cast<Feature>(i));
        CHECK(names.insert(row.name).second);
        if (row.word == CpuidWord::none) continue;
        CHECK(places.insert({row.word, row.bit}).second);
        CHECK(find_feature(row.name) == &row);
    }
    CHECK(find_feature("sse4.2")->feature == Feature::sse42);
    CHECK(find_feature("tsc-deadline")->feature == Feature::tsc_deadline);
    CHECK(find_feature("pni")->feature == Feature::sse3);
    CHECK(find_feature("nosuch") == nullptr);
    CHECK(find_feature("386") == nullptr); // a generation cannot be added
}

TEST_CASE("models: every feature finds what it needs, names are unique, brands fit") {
    std::set<std::string> names;
    for (const CpuModel& model : cpu_models()) {
        CAPTURE(model.name);
        CHECK(names.insert(model.name).second);
        CHECK(model.brand.size() <= 48);
        CHECK_FALSE(model.summary.empty());
        CHECK(find_cpu_model(model.name) == &model);
        CHECK((model.vendor.empty() || model.vendor.size() == 12));
        for (const FeatureRow& row : feature_rows()) {
            if (!model.features.has(row.feature)) continue;
            CAPTURE(std::string(row.name));
            CHECK(feature_names(row.needs - model.features) == "");
        }
    }
    for (const char* name :
         {"core2", "penryn", "nehalem", "westmere", "sandybridge", "ivybridge", "haswell", "broadwell", "skylake", "k8",
          "phenom", "zen", "zen2", "zen3", "x86-64-v1", "x86-64-v2", "x86-64-v3"})
        CHECK(names.contains(name));
}

TEST_CASE("models: the psABI's levels, table 3.1") {
    using enum Feature;
    const FeatureSet v1{cmov, cx8, fpu, fxsr, mmx, syscall, sse, sse2, long_mode};
    const FeatureSet v2 = v1 | FeatureSet{cx16, lahf_lm, popcnt, sse3, sse41, sse42, ssse3};
    const FeatureSet v3 = v2 | FeatureSet{avx, avx2, bmi1, bmi2, f16c, fma, lzcnt, movbe, xsave};
    const auto lacks = [](std::string_view name, const FeatureSet& level) {
        return feature_names(level - find_cpu_model(name)->features);
    };
    CHECK(lacks("x86-64-v1", v1) == "");
    CHECK(lacks("x86-64-v2", v2) == "");
    CHECK(lacks("x86-64-v3", v3) == "");
    CHECK(lacks("x86-64-v1", v2) == "sse3 ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm");
    // Real processors reach the level of their time.
    CHECK(lacks("k8", v1) == "");
    CHECK(lacks("nehalem", v2) == "");
    CHECK(lacks("haswell", v3) == "");
    CHECK(lacks("zen", v3) == "");
    CHECK(lacks("max", v3) == "");
    CHECK(lacks("sandybridge", v3) == "fma movbe f16c bmi1 avx2 bmi2 lzcnt");
}

TEST_CASE("--cpu: features are added and taken away") {
    using enum Feature;
    CHECK(features_of("haswell").has(avx2));
    const FeatureSet less = features_of("haswell,-avx");
    CHECK_FALSE(less.has(avx));
    for (const Feature f : {avx2, fma, f16c}) CHECK_FALSE(less.has(f)); // what needs AVX goes with it
    CHECK(less.has(xsave));
    CHECK(less.has(bmi1));
    CHECK(features_of("nehalem,+aes").has(aes));
    CHECK(features_of("nehalem,+xsave,+avx").has(avx));
    CHECK(features_of("nehalem,+avx,+xsave").has(avx)); // the order does not matter
    CHECK_FALSE(features_of("max,-xsave").has(xsaves));
    CHECK_FALSE(features_of("max,-sse2").has(long_mode));
    const auto model = parse_cpu_model("max,-SSE4.2");
    CHECK_FALSE(model); // names are lower case
    CHECK(parse_cpu_model("nehalem,+sha-ni,-sse4.2")->name == "nehalem,+sha_ni,-sse4_2");
    CHECK(parse_cpu_model("max")->name == "max");
}

TEST_CASE("--cpu: leaves, address lines and CR4 follow the features") {
    const auto plain = parse_cpu_model("pentium4");
    REQUIRE(plain);
    CHECK(plain->max_leaf == 2);
    const auto more = parse_cpu_model("pentium4,+syscall,+lm,+erms");
    REQUIRE(more);
    CHECK(more->max_leaf == 7);
    CHECK(more->max_extended_leaf == 0x8000'0008);
    CHECK(parse_cpu_model("pentium,+pae")->physical_bits == 36);
    CHECK(parse_cpu_model("pentium-pro,-pae")->physical_bits == 32);
    CHECK((parse_cpu_model("max,-smep")->cr4_bits & cr4::SMEP) == 0);
    CHECK((parse_cpu_model("max")->cr4_bits & cr4::SMEP) != 0);
    CHECK((parse_cpu_model("core2,+smep")->cr4_bits & cr4::SMEP) != 0);
}

TEST_CASE("--cpu: errors say what is wrong and what to do") {
    CHECK(mentions(error_of("z80"), "no processor model is called 'z80'"));
    CHECK(mentions(error_of("z80"), "nehalem"));
    CHECK(mentions(error_of("max,avx"), "'avx': a feature needs + or - before it"));
    CHECK(mentions(error_of("max,+avx9"), "'+avx9': there is no such processor feature"));
    CHECK(mentions(error_of("max,"), "+ or -"));
    CHECK(mentions(error_of("nehalem,+avx2"), "+avx2 needs avx"));
    CHECK(mentions(error_of("nehalem,+avx2"), "add +avx"));
    CHECK(mentions(error_of("nehalem,+avx"), "+avx needs xsave"));
    CHECK(mentions(error_of("nehalem,+aes,-sse2"), "+aes: a later - takes it"));
    CHECK(mentions(error_of("386,-fpu"), "has no CPUID"));
    CHECK(error_of("max,-avx").empty());
}

TEST_CASE("--cpu help names every model and feature") {
    const std::string text = cpu_model_help();
    for (const CpuModel& model : cpu_models()) {
        CHECK(mentions(text, "  " + model.name + " "));
        CHECK(mentions(text, model.summary));
    }
    for (const FeatureRow& row : feature_rows()) {
        if (row.word != CpuidWord::none) CHECK(mentions(text, " " + std::string(row.name)));
    }
}

TEST_CASE("docs/cpu-models.md is the tables") {
    const std::string path = GLASSBOX_SOURCE_DIR "/docs/cpu-models.md";
    if (std::getenv("GLASSBOX_WRITE_DOCS")) std::ofstream(path) << cpu_model_reference();
    std::ifstream file(path);
    const std::string page{std::istreambuf_iterator<char>(file), {}};
    const bool current = page == cpu_model_reference();
    CHECK_MESSAGE(current, "make it anew: GLASSBOX_WRITE_DOCS=1 unit_cpu");
}
