// The decode suite: our decoder (cpu/decode) and the choice of a row's handler against Zydis, in validity, length and
// every operand. Zydis stands for a processor that has everything; what the `max` model lacks must be invalid for ours.
#include "debugger/hex.hpp"
#include "tests/x86-conformance/decode/disagreements.hpp"
#include "tests/x86-conformance/decode/space.hpp"

#include <algorithm>

namespace glassbox::conformance {

namespace {

constexpr u64 natural_random_cases = 1'000'000; // in all random forms together
constexpr u64 cases_between_checks = 4096;      // of whether to stop

/// Our reading of the bytes: the row, and what was made of its operands.
std::string ours_in_words(const Decoded& d) {
    if (!d.valid) return d.status == DecodeStatus::too_long ? "#GP: more than 15 bytes" : "#UD";
    return std::string(d.insn.row->info->mnemonic) + ", " + std::to_string(d.insn.length) + " bytes";
}
Failure describe(const Comparison& comparison, u64 index) {
    const Decoded& d = comparison.last();
    Failure failure;
    failure.index = index;
    const std::size_t length = std::max<std::size_t>(d.zydis_valid ? d.zydis.length : 0, d.valid ? d.insn.length : 0);
    failure.what = hex_bytes(d.bytes.first(length ? length : 15), true) + " in " + std::to_string(code_bits(d.mode)) +
                   "-bit " +
                   (d.mode == DecodeMode::real16   ? "real mode"
                    : d.mode == DecodeMode::long64 ? "mode"
                                                   : "protected mode");
    failure.expected = comparison.zydis_text() + " (Zydis)";
    failure.got = ours_in_words(d);
    for (const Difference& difference : comparison.differences())
        failure.difference += difference.field + ": expected " + difference.expected + ", got " + difference.got + "\n";
    return failure;
}

class DecodeWorker final : public Worker {
  public:
    DecodeWorker(const Plan& plan, const std::vector<Space>& spaces, const std::vector<Form>& forms)
        : plan_(plan), spaces_(spaces), forms_(forms) {}

    Expected<> run(std::size_t form, Sink& sink) override {
        const Space& space = spaces_[form];
        Comparison& comparison = *comparison_for(space.mode);
        u64 passed = 0;
        const auto flush = [&] {
            if (passed) sink.passed(std::exchange(passed, 0));
        };
        for (u64 i = 0; i < forms_[form].cases; ++i) {
            if (i % cases_between_checks == 0) {
                flush();
                if (sink.stop()) break;
            }
            if (!sink.wanted(i)) continue;
            if (run_case(space, i, comparison, sink)) ++passed;
        }
        flush();
        return {};
    }

  private:
    /// True when it passed; everything else it reports itself.
    bool run_case(const Space& space, u64 index, Comparison& comparison, Sink& sink) {
        const Random random = Random::of_case(plan_.seed, space.name, index);
        const CaseBytes bytes = bytes_of(space, index, random);
        const Verdict verdict = comparison.compare(bytes);
        if (!verdict.agrees()) {
            sink.failed(sink.keeps_failures() ? describe(comparison, index) : Failure{});
            return false;
        }
        // One truncation a case: never an instruction, never an error, always a request for the rest.
        const unsigned length = comparison.last().insn.length;
        if (!comparison.asks_for_more(bytes, length ? static_cast<unsigned>(index % length) : 0)) {
            sink.failed(truncated(bytes, static_cast<unsigned>(index % length), index));
            return false;
        }
        if (verdict.same) return true;
        sink.skipped(std::string("the SDM decides, not Zydis: ") + verdict.by->name);
        return false;
    }
    static Failure truncated(std::span<const u8> bytes, unsigned length, u64 index) {
        Failure failure;
        failure.index = index;
        failure.what = hex_bytes(bytes.first(length), true) + ", the beginning of " + hex_bytes(bytes, true);
        failure.expected = "a request for more bytes";
        failure.got = "an answer";
        return failure;
    }
    Comparison* comparison_for(DecodeMode mode) {
        auto& slot = comparisons_[static_cast<std::size_t>(mode)];
        if (!slot) slot = std::make_unique<Comparison>(mode, *find_cpu_model("max"));
        return slot.get();
    }

    const Plan& plan_;
    const std::vector<Space>& spaces_;
    const std::vector<Form>& forms_;
    std::array<std::unique_ptr<Comparison>, decode_modes> comparisons_;
};

class DecodeSuite final : public Suite {
  public:
    std::string_view name() const override { return "decode"; }
    std::string_view summary() const override {
        return "the decoder against Zydis, in every field (--count: of the random strings)";
    }

    /// --count sets the number of random byte strings; a form that enumerates is cut to it, too.
    Expected<std::vector<Form>> open(const Plan& plan) override {
        plan_ = &plan;
        spaces_ = all_spaces();
        const auto endless = static_cast<u64>(std::ranges::count(spaces_, Space::Kind::random, &Space::kind));
        std::vector<Form> random;
        forms_.clear();
        for (const Space& space : spaces_) {
            const bool is_random = space.kind == Space::Kind::random;
            forms_.push_back({space.name, is_random ? natural_random_cases / endless : space.size()});
            if (is_random) random.push_back(forms_.back());
        }
        share_count(plan, random, false);
        auto next = random.begin();
        for (std::size_t i = 0; i < forms_.size(); ++i) {
            if (spaces_[i].kind == Space::Kind::random)
                forms_[i] = *next++;
            else if (plan.count)
                forms_[i].cases = std::min(forms_[i].cases, *plan.count);
        }
        return forms_;
    }
    Expected<std::unique_ptr<Worker>> worker() override {
        return std::unique_ptr<Worker>(std::make_unique<DecodeWorker>(*plan_, spaces_, forms_));
    }

  private:
    const Plan* plan_ = nullptr;
    std::vector<Space> spaces_;
    std::vector<Form> forms_;
};

} // namespace

std::unique_ptr<Suite> make_decode_suite() { return std::make_unique<DecodeSuite>(); }

} // namespace glassbox::conformance
