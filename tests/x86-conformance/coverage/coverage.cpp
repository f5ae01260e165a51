// A row or a handler counts as executed when a block that has it is built, which is right before that block is entered
// for the first time. In a block of several instructions an early fault may keep the later ones from running; cases of
// a single instruction make it exact.
#include "tests/x86-conformance/coverage/coverage.hpp"

#include "cpu/block/cache.hpp"
#include "cpu/decode/reference.hpp"
#include "tests/x86-conformance/coverage/universe.hpp"

#include <atomic>
#include <mutex>
#include <set>

namespace glassbox::conformance {

struct Coverage::Record final : BlockObserver {
    void built(const Insn& insn, Handler handler) override {
        if (const std::size_t row = universe.find_row(insn.row); row != Universe::none) rows[row] = true;
        if (!handler) return; // its predecessor's handler does its work
        const std::size_t variant = universe.find(insn.row, handler);
        if (variant != Universe::none) {
            variants[variant] = true;
            return;
        }
        const std::lock_guard lock(mutex);
        unlisted.insert(insn.row);
    }

    const Universe& universe = Universe::instance();
    std::vector<std::atomic<bool>> rows = std::vector<std::atomic<bool>>(universe.rows().size());
    std::vector<std::atomic<bool>> variants = std::vector<std::atomic<bool>>(universe.variants().size());
    std::mutex mutex;
    std::set<const Row*> unlisted; ///< rows with a handler that the universe has not found
};

Coverage::Coverage() = default;
Coverage::~Coverage() = default;

/// Made when first asked for: it takes part of a second.
Coverage::Record& Coverage::record() const {
    std::call_once(made_, [&] { record_ = std::make_unique<Record>(); });
    return *record_;
}

void Coverage::watch(Cpu& cpu) { cpu.blocks->observe(&record()); }

Coverage::Totals Coverage::totals() const {
    const Record& record = this->record();
    Totals totals;
    totals.rows = record.rows.size();
    totals.variants = record.variants.size();
    for (const auto& done : record.rows) totals.executed_rows += done;
    for (const auto& done : record.variants) totals.executed_variants += done;
    return totals;
}

namespace {
std::string name_of(const Row& row) {
    std::string name = encoding_of(row) + "  " + row.info->mnemonic;
    const std::string operands = operands_of(row);
    if (!operands.empty()) name += " " + operands;
    if (row.feature == Feature::only_8086) name += " on the 8086";
    if (row.feature == Feature::only_286) name += " on the 286";
    if (row.feature == Feature::only_386) name += " on the 386";
    return name;
}
/// Handlers that no case of a single instruction gets.
bool needs_company(const Variant& variant) { return variant.second.length != 0 || variant.first.insn.flags_dead; }
std::string fraction(std::size_t part, std::size_t whole, const char* of) {
    return std::to_string(part) + " of " + std::to_string(whole) + " " + of + " executed\n";
}
} // namespace

std::string Coverage::report() const {
    const Record& record = this->record();
    const Universe& universe = record.universe;
    std::string text;
    for (const Row* row : universe.unreachable_rows()) text += name_of(*row) + ": no processor model has it\n";
    for (std::size_t i = 0; i < universe.rows().size(); ++i) {
        if (!record.rows[i]) text += name_of(*universe.rows()[i]) + ": never executed\n";
    }
    std::string in_company;
    for (std::size_t i = 0; i < universe.variants().size(); ++i) {
        if (record.variants[i]) continue;
        const Variant& variant = universe.variants()[i];
        (needs_company(variant) ? in_company : text) += name_of(*variant.row) + ": " + variant.text() + "\n";
    }
    if (!in_company.empty())
        text +=
            "\nHandlers that only several instructions in a row get; tests/unit/conformance/coverage_handlers_test.cpp"
            " runs every one of them:\n" +
            in_company + "\n";
    for (const Row* row : record.unlisted) text += name_of(*row) + ": a handler that the report does not know\n";
    const Totals t = totals();
    return text + fraction(t.executed_rows, t.rows, "rows") +
           fraction(t.executed_variants, t.variants, "handler variants");
}

} // namespace glassbox::conformance
