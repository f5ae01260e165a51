#include "tests/x86-conformance/runner/run.hpp"

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace glassbox::conformance {

namespace {

using Clock = std::chrono::steady_clock; // how long it took, for the person who waits; no case sees it

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

u64 sum(const SuiteResult& result, u64 (*value)(const FormResult&)) {
    u64 total = 0;
    for (const FormResult& form : result.forms) total += value(form);
    return total;
}

/// The jobs of one suite and what they share.
class Jobs {
  public:
    Jobs(Suite& suite, const Plan& plan, const std::vector<Form>& forms) : suite_(suite), plan_(plan), forms_(forms) {
        for (std::size_t i = 0; i < forms.size(); ++i) {
            if (plan.filter.matches_form(forms[i].name)) chosen_.push_back(i);
        }
        results_.resize(chosen_.size());
    }

    Expected<SuiteResult> run(const RunSettings& settings) {
        const auto start = Clock::now();
        const std::size_t jobs = std::max<std::size_t>(1, std::min<std::size_t>(settings.jobs, chosen_.size()));
        std::vector<std::thread> threads;
        running_ = jobs;
        for (std::size_t i = 0; i < jobs; ++i) threads.emplace_back([this] { work(); });
        SuiteResult result;
        watch(settings, start, result);
        for (std::thread& thread : threads) thread.join();
        if (error_) return fail(error_->message);
        result.suite = suite_.name();
        for (auto& form : results_) {
            if (form) result.forms.push_back(std::move(*form));
        }
        result.seconds = seconds_since(start);
        return result;
    }

  private:
    void watch(const RunSettings& settings, Clock::time_point start, SuiteResult& result) {
        std::unique_lock lock(mutex_);
        while (!done_.wait_for(lock, std::chrono::milliseconds(200), [this] { return running_ == 0; })) {
            if (settings.progress)
                settings.progress({forms_done_, chosen_.size(), shared_.cases, shared_.failed, seconds_since(start)});
            if (settings.interrupted && settings.interrupted()) {
                shared_.stop = true;
                result.interrupted = true;
            }
        }
    }

    void work() {
        auto worker = suite_.worker();
        if (!worker) note_error(worker.error());
        for (std::size_t slot = 0; worker && !shared_.stop && (slot = next_.fetch_add(1)) < chosen_.size();) {
            const auto start = Clock::now();
            const std::size_t form = chosen_[slot];
            Sink sink(plan_, forms_[form].name, shared_);
            const Expected<> ran = (*worker)->run(form, sink);
            if (!ran) note_error(ran.error());
            FormResult result = sink.take();
            result.seconds = seconds_since(start);
            const std::lock_guard lock(mutex_);
            results_[slot] = std::move(result);
            ++forms_done_;
        }
        const std::lock_guard lock(mutex_);
        --running_;
        done_.notify_all();
    }

    void note_error(const Error& error) {
        const std::lock_guard lock(mutex_);
        if (!error_) error_ = error;
        shared_.stop = true;
    }

    Suite& suite_;
    const Plan& plan_;
    const std::vector<Form>& forms_;
    std::vector<std::size_t> chosen_;
    Shared shared_;
    std::atomic<std::size_t> next_ = 0;
    std::mutex mutex_; // guards what follows
    std::condition_variable done_;
    std::size_t running_ = 0, forms_done_ = 0;
    std::vector<std::optional<FormResult>> results_;
    std::optional<Error> error_;
};

} // namespace

u64 SuiteResult::passed() const {
    return sum(*this, [](const FormResult& f) { return f.passed; });
}
u64 SuiteResult::failed() const {
    return sum(*this, [](const FormResult& f) { return f.failed; });
}
u64 SuiteResult::skipped() const {
    return sum(*this, [](const FormResult& f) { return f.skipped_total(); });
}
std::map<std::string, u64> SuiteResult::skip_reasons() const {
    std::map<std::string, u64> reasons;
    for (const FormResult& form : forms) {
        for (const auto& [reason, cases] : form.skipped) reasons[reason] += cases;
    }
    return reasons;
}

Expected<SuiteResult> run_suite(Suite& suite, const Plan& plan, const std::vector<Form>& forms,
                                const RunSettings& settings) {
    return Jobs(suite, plan, forms).run(settings);
}

} // namespace glassbox::conformance
