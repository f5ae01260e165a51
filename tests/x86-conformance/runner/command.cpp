#include "tests/x86-conformance/runner/command.hpp"

#include "tests/x86-conformance/runner/suite.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <thread>

namespace glassbox::conformance {

namespace {

constexpr std::string_view introduction =
    R"(Evidence, instruction by instruction, that this machine behaves as hardware does.

Usage: glassbox conform SUITE [ARGUMENT...] [SUITE...] [options]

Suites:
)";

constexpr std::string_view options_help = R"(
Options:
  --filter GLOB      Only forms whose name matches (* ? [abc]); FORM#N is one case of a form; may be given repeatedly
  --count N          About N cases of each suite in all, shared evenly among its forms
  --seed N           Where random cases begin (default 1); the same seed gives the same cases
  --jobs N           Forms that run at the same time (default: one for each processor of the host)
  --fail-fast        Stop at the first failure
  --list             Print the forms and how many cases each has; run nothing
  --junit FILE       Write the results as JUnit XML, a test case for each form
  --json FILE        Write the results as JSON, failing cases included
  --engine LIST      Switch parts of the engine off: no-cache, no-chain, no-fuse; results must be the same
  --coverage         List the rows of the opcode table and the handler variants that no case has executed

Exit status:
  0  all cases passed (skipped ones are counted, with the reason)
  1  a case failed
  2  a suite could not be read: a missing or damaged file, a wrong option
  128 + the signal's number after SIGINT or SIGTERM

Examples:
  glassbox conform moo vectors/80286 --junit results.xml
  glassbox conform host --count 10000000 --seed 7
  glassbox conform host --filter 'idiv*' --fail-fast
  glassbox conform decode system --jobs 2

)";

/// A number with an optional K, M or G, in thousands.
Expected<u64> parse_amount(const std::string& text) {
    std::size_t used = 0;
    u64 value = 0;
    try {
        if (text.empty() || text[0] < '0' || text[0] > '9') return fail("'" + text + "' is not a number");
        value = std::stoull(text, &used, 0);
    } catch (const std::exception&) {
        return fail("'" + text + "' is not a number");
    }
    const std::string unit = text.substr(used);
    const u64 factor = unit.empty()  ? 1
                       : unit == "K" ? 1'000
                       : unit == "M" ? 1'000'000
                       : unit == "G" ? 1'000'000'000
                                     : 0;
    if (factor == 0) return fail("'" + text + "' is not a number");
    if (value > ~u64{0} / factor) return fail("'" + text + "' is too large");
    return value * factor;
}

bool is_suite(std::string_view word) {
    return std::ranges::any_of(all_suites(), [&](const auto& suite) { return suite->name() == word; });
}

Expected<> take_words(Command& command, const std::vector<std::string>& words) {
    for (const std::string& word : words) {
        if (is_suite(word)) {
            command.calls.push_back({word, {}});
        } else if (command.calls.empty()) {
            std::string message = "'" + word + "' is no suite; there are";
            for (const auto& suite : all_suites()) message.append(" ").append(suite->name());
            return fail(std::move(message));
        } else {
            command.calls.back().arguments.push_back(word);
        }
    }
    if (command.calls.empty()) return fail("name a suite to run (glassbox conform --help lists them)");
    return {};
}

} // namespace

Expected<Command> parse_conform(const std::vector<std::string>& words) {
    Command command;
    std::vector<std::string> names;
    std::string seed = "1", count, jobs;
    CLI::App app{"conform", "glassbox conform"};
    app.add_option("SUITE", names);
    app.add_option("--filter", command.filter_text)->allow_extra_args(false);
    app.add_option("--seed", seed);
    app.add_option("--count", count);
    app.add_option("--jobs", jobs);
    app.add_option("--junit", command.junit);
    app.add_option("--json", command.json);
    app.add_option("--engine", command.engine);
    app.add_flag("--fail-fast", command.fail_fast);
    app.add_flag("--list", command.list);
    app.add_flag("--coverage", command.coverage);
    try {
        std::vector<std::string> reversed(words.rbegin(), words.rend()); // as CLI11 wants them
        app.parse(std::move(reversed));
    } catch (const CLI::CallForHelp&) {
        command.help = true;
        return command;
    } catch (const CLI::ParseError& error) {
        return fail(std::string(error.what()) + " (glassbox conform --help lists the options)");
    }
    for (const std::string& pattern : command.filter_text) {
        if (auto added = command.filter.add(pattern); !added) return fail("--filter: " + added.error().message);
    }
    const auto number = parse_amount(seed);
    if (!number) return fail("--seed: " + number.error().message);
    command.seed = *number;
    if (!count.empty()) {
        const auto amount = parse_amount(count);
        if (!amount) return fail("--count: " + amount.error().message);
        command.count = *amount;
    }
    command.jobs = std::max(1u, std::thread::hardware_concurrency());
    if (!jobs.empty()) {
        const auto amount = parse_amount(jobs);
        if (!amount) return fail("--jobs: " + amount.error().message);
        if (*amount < 1 || *amount > 256) return fail("--jobs: '" + jobs + "' is out of range: from 1 to 256");
        command.jobs = static_cast<unsigned>(*amount);
    }
    if (auto taken = take_words(command, names); !taken) return fail(taken.error().message);
    return command;
}

std::string conform_help() {
    std::string out(introduction);
    for (const auto& suite : all_suites()) {
        std::string head = "  " + std::string(suite->name());
        if (!suite->arguments().empty()) head += " " + std::string(suite->arguments());
        constexpr std::size_t column = 26;
        if (head.size() >= column)
            head += "\n" + std::string(column, ' ');
        else
            head.resize(column, ' ');
        out += head + std::string(suite->summary()) + "\n";
    }
    return out + std::string(options_help);
}

} // namespace glassbox::conformance
