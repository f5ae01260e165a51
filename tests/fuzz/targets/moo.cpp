// MOO files: whatever is in one, it is read to its end or refused, and cases that are sound run without harm.
#include "tests/x86-conformance/moo/execution.hpp"
#include "tests/x86-conformance/moo/file.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

class Data final : public moo::Source {
  public:
    Data(const u8* data, std::size_t size) : left_(data, data + size) {}
    Expected<std::size_t> read(std::span<u8> to) override {
        // Exactly as many bytes as there are, on the heap, so that a sanitizer sees one too many.
        const std::size_t size = std::min(to.size(), left_.size());
        std::copy_n(left_.begin(), size, to.begin());
        left_.erase(left_.begin(), left_.begin() + static_cast<std::ptrdiff_t>(size));
        return size;
    }

  private:
    std::vector<u8> left_;
};

/// One of each; they start every case from the same state.
moo::Execution& execution_of(const moo::Chip& chip) {
    static const Plan plan;
    static std::vector<std::unique_ptr<moo::Execution>> all;
    for (const auto& execution : all) {
        if (&execution->chip() == &chip) return *execution;
    }
    return *all.emplace_back(std::make_unique<moo::Execution>(chip, plan));
}

void run(moo::Reader& reader, const moo::Chip& chip) {
    constexpr unsigned most = 16;
    std::span<const u8> body;
    u64 offset = 0;
    for (unsigned i = 0; i < most; ++i) {
        const auto more = reader.next(body, offset);
        if (!more || !*more) return;
        // A copy on the heap, for the same reason.
        const std::vector<u8> exact(body.begin(), body.end());
        moo::Case test;
        moo::Problem problem;
        if (!moo::parse_case(exact, offset, test, problem)) {
            if (problem.reason.empty() || problem.offset < offset || problem.offset > offset + exact.size())
                std::abort();
            continue;
        }
        moo::Execution& execution = execution_of(chip);
        if (!execution.sound(test, problem)) continue;
        moo::Outcome outcome;
        const bool same = execution.run(test, reader.mask(), &outcome);
        if (same != outcome.differences.empty()) std::abort();
        execution.stray();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    Data source(data, size);
    moo::Reader reader("fuzz", source);
    const auto header = reader.header();
    if (!header) return 0;
    if (const auto chip = moo::chip_of(header->cpu)) run(reader, **chip);
    return 0;
}
