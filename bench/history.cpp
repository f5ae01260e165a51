// What a history costs: a guest is booted with and without one, in turn, to the same instruction; then the time of
// reverse steps at several places, near the end and far back.
//
// usage: history [--iso FILE] [--instructions N] [--runs N] [--memory MIB] [--budget MIB]
#include "machine/history/timeline.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <map>
#include <string>
#include <vector>

using namespace glassbox;

namespace {

using Clock = std::chrono::steady_clock;
/// Of this process alone: other programs on the host do not count.
double processor_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }
double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::unique_ptr<Machine> boot(const std::string& iso, u64 memory) {
    MachineConfig config;
    config.memory_bytes = memory << 20;
    config.cdrom = iso;
    config.boot = {"cdrom"};
    config.keep_media = true;
    auto machine = Machine::create(config, {});
    if (!machine) {
        std::fprintf(stderr, "history: %s\n", machine.error().message.c_str());
        std::exit(1);
    }
    return std::move(*machine);
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

void reverse_steps(Timeline& timeline, u64 from, const char* where) {
    const auto start = Clock::now();
    if (auto done = timeline.go_to(from); !done) std::printf("  %s\n", done.error().message.c_str());
    const double far = seconds_since(start);
    double worst = 0, sum = 0;
    constexpr int steps = 20;
    for (u64 i = 1; i <= steps; ++i) {
        const auto begin = Clock::now();
        if (auto done = timeline.go_to(from - i); !done) std::printf("  %s\n", done.error().message.c_str());
        const double took = seconds_since(begin);
        sum += took;
        worst = std::max(worst, took);
    }
    std::printf("  %-10s to instruction %12llu: %6.1f ms; then %d steps back: %6.1f ms on average, %6.1f ms at worst\n",
                where, static_cast<unsigned long long>(from), far * 1e3, steps, sum / steps * 1e3, worst * 1e3);
}

} // namespace

int main(int argc, char** argv) {
    std::map<std::string, std::string> options = {{"--iso", "build/guests/linux64.iso"},
                                                  {"--instructions", "3000000000"},
                                                  {"--runs", "3"},
                                                  {"--memory", "256"},
                                                  {"--budget", "1024"}};
    for (int i = 1; i + 1 < argc; i += 2) {
        if (!options.contains(argv[i])) return std::fprintf(stderr, "history: unknown option '%s'\n", argv[i]), 1;
        options[argv[i]] = argv[i + 1];
    }
    const auto number = [&](const char* name) { return std::strtoull(options[name].c_str(), nullptr, 10); };
    const u64 end = number("--instructions"), memory = number("--memory");
    std::vector<double> ratios;
    for (u64 run = 0; run < number("--runs"); ++run) {
        double times[2] = {};
        for (int kept = 0; kept < 2; ++kept) {
            auto machine = boot(options["--iso"], memory);
            Timeline timeline(*machine);
            const double start = processor_seconds();
            if (kept) timeline.begin({.memory_budget = number("--budget") << 20});
            const double begun = processor_seconds() - start;
            timeline.run(never, end);
            times[kept] = processor_seconds() - start;
            if (!kept) continue;
            const auto statistics = timeline.statistics();
            std::printf("run %llu: %.2f s without a history, %.2f s with one (%.0f ms to begin it): %+.1f %%; %zu "
                        "checkpoints, %zu pages, %llu MiB\n",
                        static_cast<unsigned long long>(run + 1), times[0], times[1], begun * 1e3,
                        (times[1] / times[0] - 1) * 100, statistics.checkpoints, statistics.pages,
                        static_cast<unsigned long long>(statistics.memory >> 20));
            std::fflush(stdout);
            if (run + 1 < number("--runs")) continue;
            reverse_steps(timeline, end, "the end");
            reverse_steps(timeline, end - 1'234'567, "near it");
            reverse_steps(timeline, end / 2, "half way");
            reverse_steps(timeline, end / 10, "a tenth");
            reverse_steps(timeline, end - 5'000'000, "back again");
        }
        ratios.push_back(times[1] / times[0]);
    }
    std::printf("median cost: %+.1f %%\n", (median(ratios) - 1) * 100);
    return 0;
}
