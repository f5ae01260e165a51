// The suite `host`: the host's own processor as oracle. Cases run in batches, first on GlassBox, then natively.
#include "tests/x86-conformance/coverage/coverage.hpp"
#include "tests/x86-conformance/host/describe.hpp"
#include "tests/x86-conformance/host/guest.hpp"
#include "tests/x86-conformance/host/make_case.hpp"
#include "tests/x86-conformance/host/native.hpp"
#include "tests/x86-conformance/host/shrink.hpp"

#include <algorithm>
#include <mpfr.h>
#include <vector>

namespace glassbox::conformance {

namespace host {

namespace {

constexpr u64 natural_cases = 160;

class HostWorker final : public Worker {
  public:
    HostWorker(const std::vector<RowForm>& forms, const std::vector<Form>& listed, const Plan& plan)
        : forms_(forms), listed_(listed), plan_(plan), legacy_(plan.engine, Guest::Mode::legacy),
          long_mode_(plan.engine, Guest::Mode::long_mode), comparison_(host_vendor()) {
        if (plan.coverage) {
            plan.coverage->watch(legacy_.cpu());
            plan.coverage->watch(long_mode_.cpu());
        }
        auto native = Native::start();
        if (native)
            native_ = std::move(*native);
        else
            unavailable_ = native.error().message;
        outputs_.resize(Native::most_cases);
    }

    /// The x87's transcendentals leave caches of their thread behind.
    ~HostWorker() override { mpfr_free_cache(); }
    HostWorker(const HostWorker&) = delete;
    HostWorker& operator=(const HostWorker&) = delete;

    Expected<> run(std::size_t number, Sink& sink) override {
        const RowForm& form = forms_[number];
        // A case that is asked for by its number runs however many the form has by default.
        const bool whole = plan_.filter.matches_whole_form(form.name);
        const std::vector<u64> named = whole ? std::vector<u64>{} : plan_.filter.indexes(form.name);
        const u64 cases = whole ? listed_[number].cases : named.size();
        if (const std::string lacks = missing(form); !lacks.empty()) {
            if (cases) sink.skipped(lacks, cases);
            return {};
        }
        for (u64 next = 0; next < cases && !sink.stop();) {
            indexes_.clear();
            for (; next < cases && indexes_.size() < Native::most_cases; ++next)
                indexes_.push_back(whole ? next : named[next]);
            if (auto ok = run_batch(form, sink); !ok) return ok;
        }
        return {};
    }

  private:
    /// 16-bit and 32-bit code runs in either mode, the same case always in the same.
    Guest& guest_for(const Input& in) { return in.before.code64() || (in.code_at & 2) ? long_mode_ : legacy_; }

    /// What the form needs and this host does not have.
    std::string missing(const RowForm& form) const {
        if (!native_) return unavailable_;
        if (const char* lacks = host_lacks(*form.row)) return lacks;
        if (form.code64 && !has_base_instructions())
            return "the host's kernel keeps RDFSBASE from programs (Linux 5.9 and later allow it)";
        return {};
    }

    Expected<> run_batch(const RowForm& form, Sink& sink) {
        const auto count = static_cast<unsigned>(indexes_.size());
        for (unsigned i = 0; i < count; ++i) {
            make_case(form, plan_.seed, indexes_[i], native_->input(i));
            guest_for(native_->input(i)).run(native_->input(i), outputs_[i]);
            if (outputs_[i].vector == Guest::did_not_end) defuse(native_->input(i));
        }
        if (auto ok = native_->run(count); !ok) return ok;
        failing_.clear();
        u64 passed = 0;
        for (unsigned i = 0; i < count; ++i) {
            if (comparison_.same(*form.row, native_->input(i), native_->output(i), outputs_[i]))
                ++passed;
            else
                failing_.push_back(i);
        }
        sink.passed(passed);
        for (const unsigned i : failing_) {
            if (auto ok = report(form, indexes_[i], outputs_[i], sink); !ok) return ok;
        }
        return {};
    }

    /// What does not end here would not end there: INT3 instead.
    static void defuse(Input& in) { in.code_size = 0; }

    static bool same(const Output& a, const Output& b) {
        const auto listed = std::min(a.changes, Output::most_changes);
        return a.vector == b.vector && a.error == b.error && a.after == b.after && a.changes == b.changes &&
               std::equal(a.change.begin(), a.change.begin() + listed, b.change.begin());
    }

    /// `first`: what GlassBox made of it in its batch.
    Expected<> report(const RowForm& form, u64 index, const Output& first, Sink& sink) {
        if (!sink.keeps_failures()) {
            sink.failed({});
            return {};
        }
        Input original{};
        make_case(form, plan_.seed, index, original);
        Expected<> status;
        Output ours, host;
        const Judge judge = [&](const Input& in) -> std::vector<Difference> {
            guest_for(in).run(in, ours);
            native_->input(0) = in;
            if (ours.vector == Guest::did_not_end) defuse(native_->input(0));
            if (auto ok = native_->run(1); !ok) {
                status = ok;
                return {};
            }
            host = native_->output(0);
            return comparison_.differences(*form.row, in, host, ours);
        };
        auto list = judge(original);
        if (!status) return status;
        if (list.empty() && same(first, ours)) { // the host does not stand by its answer: its kernel moved a page
            sink.passed();
            return {};
        }
        if (list.empty()) {
            sink.failed({index, form.name + ": GlassBox's result depends on the cases before it", {}, {}, {}, {}});
            return {};
        }
        const Input small = shrink(original, list.front().kind, judge);
        list = judge(small);
        if (!status) return status;
        sink.failed(describe(form, index, plan_.seed, original, small, host, ours, list));
        return {};
    }

    const std::vector<RowForm>& forms_;
    const std::vector<Form>& listed_;
    const Plan& plan_;
    Guest legacy_, long_mode_;
    Comparison comparison_;
    std::unique_ptr<Native> native_;
    std::string unavailable_;
    std::vector<Output> outputs_;
    std::vector<u64> indexes_;
    std::vector<unsigned> failing_; ///< places in the batch
};

class HostSuite final : public Suite {
  public:
    std::string_view name() const override { return "host"; }
    std::string_view summary() const override {
        return "every instruction of user programs against this computer's own processor";
    }
    Expected<std::vector<Form>> open(const Plan& plan) override {
        plan_ = &plan;
        forms_ = all_forms();
        listed_.clear();
        for (const auto& form : forms_) listed_.push_back({form.name, natural_cases});
        share_count(plan, listed_, false);
        return listed_;
    }
    Expected<std::unique_ptr<Worker>> worker() override {
        return std::make_unique<HostWorker>(forms_, listed_, *plan_);
    }

  private:
    const Plan* plan_ = nullptr;
    std::vector<RowForm> forms_;
    std::vector<Form> listed_;
};

} // namespace

} // namespace host

std::unique_ptr<Suite> make_host_suite() { return std::make_unique<host::HostSuite>(); }

} // namespace glassbox::conformance
