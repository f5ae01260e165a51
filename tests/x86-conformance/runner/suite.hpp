// What a conformance suite is, and what it tells the runner. A suite has forms (an instruction form, an opcode map, a
// row of a guest kernel's table); a form has numbered cases. Case N of a form is the same case for the same arguments
// and seed, however many processes, threads or other cases run: that is what makes one reproducible by name.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"
#include "tests/x86-conformance/runner/filter.hpp"

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox {
struct EngineOptions;
}

namespace glassbox::conformance {

class Coverage;

/// What the command line asks of one suite.
struct Plan {
    std::vector<std::string> arguments; ///< the words after the suite's name: files, folders
    Filter filter;
    u64 seed = 1;
    std::optional<u64> count; ///< cases in all; nothing: as many as the suite thinks right
    bool fail_fast = false;
    const EngineOptions* engine = nullptr; ///< null: the engine as it normally runs
    Coverage* coverage = nullptr;          ///< null: not asked for
};

struct Form {
    std::string name; ///< unique in its suite; no spaces and no '#'
    u64 cases = 0;    ///< how many it will run
};

/// Shares the plan's `count`, if there is one, evenly among the forms that its filter chooses. `finite`: a form has no
/// more cases than it says.
void share_count(const Plan& plan, std::vector<Form>& forms, bool finite);

/// One failing case, for a person who has to act on it. Every field may be several lines; empty ones are left out.
struct Failure {
    u64 index = 0;      ///< of the case in its form
    std::string what;   ///< the bytes and their disassembly; the row and its section of the manual
    std::string before; ///< the state it started from
    std::string expected, got;
    std::string difference; ///< the fields that differ, and only those
};

struct FormResult {
    std::string form;
    u64 passed = 0, failed = 0;
    std::map<std::string, u64> skipped; ///< reason -> cases
    std::vector<Failure> failures;      ///< the first few
    double seconds = 0;
    u64 skipped_total() const {
        u64 total = 0;
        for (const auto& [reason, cases] : skipped) total += cases;
        return total;
    }
    u64 cases() const { return passed + failed + skipped_total(); }
};

/// What all workers share while they run.
struct Shared {
    std::atomic<u64> cases = 0, failed = 0;
    std::atomic<bool> stop = false; ///< a failure with --fail-fast, or Ctrl-C
};

/// Where a worker reports the cases of one form, in any order.
class Sink {
  public:
    Sink(const Plan& plan, const std::string& form, Shared& shared) : plan_(plan), shared_(shared) {
        result_.form = form;
        whole_form_ = plan.filter.matches_whole_form(form);
    }
    /// False: the filter leaves this case out; it is not to be run and not to be reported.
    bool wanted(u64 index) const { return whole_form_ || plan_.filter.matches_case(result_.form, index); }
    /// True once there is no more point in running cases.
    bool stop() const { return shared_.stop.load(std::memory_order_relaxed); }
    void passed(u64 cases = 1) {
        result_.passed += cases;
        count(cases);
    }
    void skipped(const std::string& reason, u64 cases = 1) {
        result_.skipped[reason] += cases;
        count(cases);
    }
    /// Describing a failure may be costly: ask whether the description will be kept.
    bool keeps_failures() const { return result_.failures.size() < most_failures; }
    void failed(Failure failure) {
        ++result_.failed;
        shared_.failed.fetch_add(1, std::memory_order_relaxed);
        if (plan_.fail_fast) shared_.stop.store(true, std::memory_order_relaxed);
        if (keeps_failures()) result_.failures.push_back(std::move(failure));
        count(1);
    }
    FormResult take() { return std::move(result_); }

    static constexpr std::size_t most_failures = 5; ///< described per form

  private:
    void count(u64 cases) { shared_.cases.fetch_add(cases, std::memory_order_relaxed); }

    const Plan& plan_;
    Shared& shared_;
    FormResult result_;
    bool whole_form_ = false;
};

/// Runs forms, one at a time; lives on one thread.
class Worker {
  public:
    virtual ~Worker() = default;
    /// Reports every case of the form that is wanted. An error ends the whole run: the suite cannot be run here.
    virtual Expected<> run(std::size_t form, Sink& sink) = 0;
};

class Suite {
  public:
    virtual ~Suite() = default;
    virtual std::string_view name() const = 0;
    /// One line for --help.
    virtual std::string_view summary() const = 0;
    /// Its arguments for --help, "" when it takes none.
    virtual std::string_view arguments() const { return ""; }
    /// Reads what there is to read and lists all forms in a fixed order. `plan` outlives the suite's workers. An error
    /// names the file, the offset and the reason.
    virtual Expected<std::vector<Form>> open(const Plan& plan) = 0;
    /// After `open`, from any thread; called once for each job.
    virtual Expected<std::unique_ptr<Worker>> worker() = 0;
};

/// All suites, in the order of --help.
std::vector<std::unique_ptr<Suite>> all_suites();

// One function for each folder of suites.
std::unique_ptr<Suite> make_moo_suite();
std::unique_ptr<Suite> make_host_suite();
std::unique_ptr<Suite> make_decode_suite();
std::unique_ptr<Suite> make_system_suite();
std::unique_ptr<Suite> make_boot_suite();

/// splitmix64: the same sequence everywhere.
class Random {
  public:
    explicit Random(u64 seed) : state_(seed) {}
    /// The generator of one case, independent of all others.
    static Random of_case(u64 seed, std::string_view form, u64 index);
    u64 next() {
        u64 z = (state_ += 0x9E37'79B9'7F4A'7C15);
        z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9;
        z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EB;
        return z ^ (z >> 31);
    }
    u32 below(u32 limit) { return static_cast<u32>((next() >> 32) * limit >> 32); }
    bool chance(u32 one_in) { return below(one_in) == 0; }

  private:
    u64 state_;
};

} // namespace glassbox::conformance
