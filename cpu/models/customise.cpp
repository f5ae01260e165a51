// `MODEL,+feature,-feature`: a model with features added and taken away.
#include "cpu/models/feature_table.hpp"
#include "cpu/models/models.hpp"
#include "cpu/system/system.hpp"

#include <algorithm>

namespace glassbox {

namespace {

std::vector<std::string_view> pieces_of(std::string_view text) {
    std::vector<std::string_view> pieces;
    for (;;) {
        const std::size_t comma = text.find(',');
        pieces.push_back(text.substr(0, comma));
        if (comma == std::string_view::npos) return pieces;
        text.remove_prefix(comma + 1);
    }
}

bool needs_any(const FeatureRow& row, const FeatureSet& gone) { return !(row.needs == row.needs - gone); }

/// What falls with a feature: all that needs it, and what needs those.
FeatureSet with_dependants(Feature feature) {
    FeatureSet gone{feature};
    for (FeatureSet before; !(before == gone);) {
        before = gone;
        for (const FeatureRow& row : feature_rows()) {
            if (needs_any(row, gone)) gone.add(row.feature);
        }
    }
    return gone;
}

/// Leaves, address lines and CR4 follow the features.
void fit(CpuModel& model) {
    const FeatureSet& f = model.features;
    const auto shows = [&](std::initializer_list<CpuidWord> words) {
        return std::ranges::any_of(words, [&](CpuidWord word) { return cpuid_bits(f, word) != 0; });
    };
    using enum CpuidWord;
    if (shows({leaf6_eax})) model.max_leaf = std::max(model.max_leaf, 6u);
    if (shows({leaf7_ebx, leaf7_ecx, leaf7_edx})) model.max_leaf = std::max(model.max_leaf, 7u);
    if (f.has(Feature::monitor)) model.max_leaf = std::max(model.max_leaf, 5u);
    if (f.has(Feature::xsave)) model.max_leaf = std::max(model.max_leaf, 0x0Du);
    if (shows({ext1_edx, ext1_ecx})) model.max_extended_leaf = std::max(model.max_extended_leaf, 0x8000'0001);
    if (shows({ext7_edx})) model.max_extended_leaf = std::max(model.max_extended_leaf, 0x8000'0007);
    if (shows({ext8_ebx}) || f.has(Feature::long_mode))
        model.max_extended_leaf = std::max(model.max_extended_leaf, 0x8000'0008);
    if (shows({ext33_eax})) model.max_extended_leaf = std::max(model.max_extended_leaf, 0x8000'0021);
    const bool wide = f.has(Feature::pae) || f.has(Feature::pse36);
    model.physical_bits = wide ? std::max(model.physical_bits, 36u) : std::min(model.physical_bits, 32u);
    model.cr4_bits = static_cast<u32>(cr4_of(f));
}

Expected<> apply(CpuModel& model, std::string_view piece, FeatureSet& added) {
    const bool adds = piece.starts_with('+');
    if (!adds && !piece.starts_with('-'))
        return fail("'" + std::string(piece) + "': a feature needs + or - before it, as in max,-avx");
    const FeatureRow* row = find_feature(piece.substr(1));
    if (!row) return fail("'" + std::string(piece) + "': there is no such processor feature (--cpu help lists them)");
    if (adds) {
        model.features.add(row->feature);
        added.add(row->feature);
    } else {
        model.features = model.features - with_dependants(row->feature);
    }
    model.name += (adds ? ",+" : ",-") + std::string(row->name);
    return {};
}

/// Every added feature is still there, and what it needs.
Expected<> check_added(const CpuModel& model, const FeatureSet& added) {
    for (const FeatureRow& row : feature_rows()) {
        if (!added.has(row.feature)) continue;
        const std::string name(row.name);
        if (!model.features.has(row.feature))
            return fail("+" + name + ": a later - takes it, or what it needs, away again");
        for (const FeatureRow& needed : feature_rows()) {
            if (row.needs.has(needed.feature) && !model.features.has(needed.feature))
                return fail("+" + name + " needs " + std::string(needed.name) + ", which '" + model.name +
                            "' lacks: add +" + std::string(needed.name));
        }
    }
    return {};
}

} // namespace

Expected<CpuModel> parse_cpu_model(std::string_view text) {
    const std::vector<std::string_view> pieces = pieces_of(text);
    const CpuModel* base = find_cpu_model(pieces[0]);
    if (!base)
        return fail("no processor model is called '" + std::string(pieces[0]) + "'; there are: " + cpu_model_names());
    CpuModel model = *base;
    if (pieces.size() == 1) return model;
    if (!model.features.has(Feature::cpuid))
        return fail("'" + model.name + "' has no CPUID: features cannot be added to it or taken away");
    FeatureSet added;
    for (std::size_t i = 1; i < pieces.size(); ++i) {
        if (auto applied = apply(model, pieces[i], added); !applied) return fail(applied.error().message);
    }
    if (auto checked = check_added(model, added); !checked) return fail(checked.error().message);
    fit(model);
    return model;
}

/// BSWAP and WBINVD came with the 486, but Debian's SeaBIOS executes them whatever the processor: a machine with a 386
/// that lacks them could not start.
CpuModel in_machine(CpuModel model) {
    if (model.name == "386") model.features.add(Feature::bios486);
    return model;
}

std::string cpu_model_help() {
    std::string text = "Processor models (--cpu MODEL):\n";
    for (const CpuModel& model : cpu_models()) {
        std::string line = "  " + model.name;
        line.resize(std::max<std::size_t>(line.size() + 1, 15), ' ');
        text += line + std::string(model.summary) + "\n";
    }
    text += "\nFeatures (--cpu MODEL,+feature,-feature; what needs a feature goes with it):\n ";
    std::size_t used = 1;
    for (const FeatureRow& row : feature_rows()) {
        if (row.word == CpuidWord::none) continue;
        if (used + 1 + row.name.size() > 100) {
            text += "\n ";
            used = 1;
        }
        text += " " + std::string(row.name);
        used += 1 + row.name.size();
    }
    text += "\n\nWhat each model has:\n";
    for (const CpuModel& model : cpu_models()) {
        if (model.features.has(Feature::cpuid)) text += "  " + model.name + ": " + feature_names(model.features) + "\n";
    }
    return text;
}

} // namespace glassbox
