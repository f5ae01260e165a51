// The `moo` suite: a form is a file, a case one of its tests.
#include "tests/x86-conformance/moo/chip.hpp"
#include "tests/x86-conformance/moo/collection.hpp"
#include "tests/x86-conformance/moo/describe.hpp"
#include "tests/x86-conformance/moo/execution.hpp"
#include "tests/x86-conformance/moo/file.hpp"

#include <algorithm>

namespace glassbox::conformance {

namespace moo {

namespace {

struct FormFile {
    CollectionFile file;
    const Chip* chip = nullptr;
    u64 cases = 0; ///< that will run, of those in the file
};

/// What a run over a file found; reported once it is known that nothing was written where nothing should have been.
struct Found {
    u64 passed = 0, revoked = 0;
    std::vector<Failure> failures; ///< only the first few in words
    bool stray = false;
};

class MooWorker final : public Worker {
  public:
    MooWorker(const Plan& plan, const std::vector<FormFile>& forms) : plan_(plan), forms_(forms) {}

    Expected<> run(std::size_t form, Sink& sink) override {
        const FormFile& it = forms_[form];
        Execution& execution = execution_for(*it.chip);
        auto found = run_file(it, execution, sink, false);
        // Some case wrote to memory that it does not name: once more, and look after each one.
        if (found && found->stray) found = run_file(it, execution, sink, true);
        if (!found) return tl::unexpected<Error>(found.error());
        sink.passed(found->passed);
        if (found->revoked) sink.skipped("revoked by the collection's revocation_list.txt", found->revoked);
        for (Failure& failure : found->failures) sink.failed(std::move(failure));
        return {};
    }

  private:
    /// Cases between two looks for strays.
    static constexpr u64 stretch = 1024;

    Execution& execution_for(const Chip& chip) {
        for (const auto& execution : executions_) {
            if (&execution->chip() == &chip) return *execution;
        }
        return *executions_.emplace_back(std::make_unique<Execution>(chip, plan_));
    }

    Expected<Found> run_file(const FormFile& it, Execution& execution, Sink& sink, bool careful) {
        const auto source = open_source(it.file.path);
        if (!source) return tl::unexpected<Error>(source.error());
        Reader reader(it.file.path, **source);
        if (const auto header = reader.header(); !header) return tl::unexpected<Error>(header.error());
        Found found;
        std::span<const u8> body;
        u64 offset = 0;
        for (u64 index = 0;; ++index) {
            const auto more = reader.next(body, offset);
            if (!more) return tl::unexpected<Error>(more.error());
            if (!*more) break;
            if (sink.stop() || (plan_.fail_fast && !found.failures.empty())) break;
            if (index >= it.cases || !sink.wanted(index)) continue;
            if (const auto ran = run_case(reader, body, offset, index, it, execution, careful, found); !ran)
                return tl::unexpected<Error>(ran.error());
            if (!careful && index % stretch == stretch - 1) found.stray = wrote_stray(execution);
            if (found.stray) return found;
        }
        if (!careful) found.stray = wrote_stray(execution);
        return found;
    }

    static bool wrote_stray(Execution& execution) { return execution.stray() && execution.judges_strays(); }

    Expected<> run_case(Reader& reader, std::span<const u8> body, u64 offset, u64 index, const FormFile& it,
                        Execution& execution, bool careful, Found& found) {
        Problem problem;
        if (const auto parsed = reader.parse(body, offset, case_); !parsed) return parsed;
        if (!execution.sound(case_, problem))
            return tl::unexpected<Error>(reader.error(problem.offset, problem.reason));
        if (it.file.revoked && it.file.revoked->contains(hash_text(case_))) {
            ++found.revoked;
            return {};
        }
        bool passed = execution.run(case_, reader.mask());
        std::optional<u32> stray;
        if (careful || !passed) stray = execution.stray();
        if (!execution.judges_strays()) stray.reset();
        passed = passed && !stray;
        if (passed) {
            ++found.passed;
            return {};
        }
        if (found.failures.size() < Sink::most_failures) {
            found.failures.push_back(in_words(reader, execution, index));
        } else {
            found.failures.emplace_back().index = index;
        }
        return {};
    }

    /// Runs the case again, with an eye on what it does.
    Failure in_words(const Reader& reader, Execution& execution, u64 index) {
        Outcome outcome;
        execution.run(case_, reader.mask(), &outcome);
        if (const auto stray = execution.stray(); stray && execution.judges_strays()) {
            char field[32];
            std::snprintf(field, sizeof field, "[%06x]", *stray);
            outcome.differences.push_back({field, "not written", "written"});
        }
        return describe(case_, index, outcome);
    }

    const Plan& plan_;
    const std::vector<FormFile>& forms_;
    std::vector<std::unique_ptr<Execution>> executions_;
    Case case_;
};

class MooSuite final : public Suite {
  public:
    std::string_view name() const override { return "moo"; }
    std::string_view summary() const override {
        return "single instructions captured from real processors (8086, 8088, 80286, 80386), in MOO files";
    }
    std::string_view arguments() const override { return "[FILE|FOLDER]..."; }

    Expected<std::vector<Form>> open(const Plan& plan) override {
        plan_ = &plan;
        forms_.clear();
        auto files = find_files(plan.arguments);
        if (!files) return tl::unexpected<Error>(files.error());
        for (CollectionFile& file : *files) {
            if (const auto added = add(std::move(file)); !added) return tl::unexpected<Error>(added.error());
        }
        return list();
    }

    Expected<std::unique_ptr<Worker>> worker() override { return std::make_unique<MooWorker>(*plan_, forms_); }

  private:
    /// Reads the header only.
    Expected<> add(CollectionFile file) {
        const auto source = open_source(file.path);
        if (!source) return tl::unexpected<Error>(source.error());
        Reader reader(file.path, **source);
        const auto header = reader.header();
        if (!header) return tl::unexpected<Error>(header.error());
        const auto chip = chip_of(header->cpu);
        if (!chip) return tl::unexpected<Error>(reader.error(16, chip.error().message));
        forms_.push_back({std::move(file), *chip, header->cases});
        return {};
    }

    std::vector<Form> list() {
        std::vector<Form> result;
        for (const FormFile& form : forms_) result.push_back({form.file.form, form.cases});
        share_count(*plan_, result, true);
        for (std::size_t i = 0; i < forms_.size(); ++i) forms_[i].cases = result[i].cases;
        return result;
    }

    const Plan* plan_ = nullptr;
    std::vector<FormFile> forms_;
};

} // namespace

} // namespace moo

std::unique_ptr<Suite> make_moo_suite() { return std::make_unique<moo::MooSuite>(); }

} // namespace glassbox::conformance
