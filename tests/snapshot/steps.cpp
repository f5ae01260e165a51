// Saves a machine every few instructions, loads what was saved into another one that goes on, and holds that against a
// machine which is never touched: they must stay the same to the bit, whatever was in flight.
//
//   steps [--demo] [--cdrom FILE] [--kernel FILE --initrd FILE --append TEXT] [--disk FILE] [--memory MIB] [--cpu
//   MODEL]
//         [--smp N] [--until INSTRUCTIONS] [--skip INSTRUCTIONS] [--longest STEP] [--seed N] [--type TEXT]
// --skip runs that far before the first save; --type keeps typing the text, a key after every few saves.
#include "tests/snapshot/difference.hpp"

#include <bit>
#include <cstdlib>
#include <random>

using namespace glassbox;
using glassbox::test::difference;

namespace {

struct Plan {
    MachineConfig config;
    u64 skip = 0, until = 40'000'000, longest = 200'001;
    unsigned seed = 1;
    std::vector<u8> keys; ///< set-1 scan codes
};

u8 scan_code(char c) {
    static constexpr std::string_view rows[] = {"qwertyuiop", "asdfghjkl", "zxcvbnm"};
    static constexpr u8 first[] = {0x10, 0x1E, 0x2C};
    for (unsigned i = 0; i < 3; ++i) {
        if (const auto at = rows[i].find(c); at != std::string_view::npos) return static_cast<u8>(first[i] + at);
    }
    return c == ' ' ? 0x39 : 0x1C;
}

Plan parse(int argc, char** argv) {
    Plan plan;
    plan.config.memory_bytes = 16u << 20;
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
        if (option == "--demo")
            plan.config.demo = true;
        else if (option == "--cdrom")
            plan.config.cdrom = value();
        else if (option == "--disk")
            plan.config.disks.push_back({value(), false, true});
        else if (option == "--floppy")
            plan.config.floppies.push_back({value(), false, true});
        else if (option == "--kernel")
            plan.config.kernel = value();
        else if (option == "--initrd")
            plan.config.initrd = value();
        else if (option == "--append")
            plan.config.append = value();
        else if (option == "--cpu")
            plan.config.cpu_model = value();
        else if (option == "--smp")
            plan.config.processors = static_cast<unsigned>(std::strtoul(value().c_str(), nullptr, 0));
        else if (option == "--memory")
            plan.config.memory_bytes = std::strtoull(value().c_str(), nullptr, 0) << 20;
        else if (option == "--skip")
            plan.skip = std::strtoull(value().c_str(), nullptr, 0);
        else if (option == "--until")
            plan.until = std::strtoull(value().c_str(), nullptr, 0);
        else if (option == "--longest")
            plan.longest = std::strtoull(value().c_str(), nullptr, 0);
        else if (option == "--seed")
            plan.seed = static_cast<unsigned>(std::strtoul(value().c_str(), nullptr, 0));
        else if (option == "--type") {
            for (char c : value()) plan.keys.push_back(scan_code(c));
        } else {
            std::fprintf(stderr, "unknown option %s\n", option.c_str());
            std::exit(1);
        }
    }
    return plan;
}

std::unique_ptr<Machine> create(const Plan& plan) {
    auto machine = Machine::create(plan.config, {});
    if (!machine) {
        std::fprintf(stderr, "%s\n", machine.error().message.c_str());
        std::exit(1);
    }
    return std::move(*machine);
}

/// Short and long ones, odd and even.
u64 next_step(std::mt19937_64& random, u64 longest) {
    const unsigned sizes = static_cast<unsigned>(std::bit_width(longest));
    return 1 + random() % std::min(u64{1} << (1 + random() % sizes), longest);
}

int run(const Plan& plan) {
    auto untouched = create(plan), from = create(plan), to = create(plan);
    std::mt19937_64 random(plan.seed);
    u64 at = plan.skip, saves = 0;
    untouched->run(never, at);
    from->run(never, at);
    StopReason ended = StopReason::limit;
    while (ended == StopReason::limit && at < plan.until) {
        const auto snapshot = take_snapshot(from->board());
        if (auto loaded = restore_snapshot(to->board(), snapshot); !loaded) {
            std::printf("FAILED at %llu: %s\n", static_cast<unsigned long long>(at), loaded.error().message.c_str());
            return 1;
        }
        if (const auto what = difference(*untouched, *to); !what.empty()) {
            std::printf("FAILED after save %llu at instruction %llu: %s\n", static_cast<unsigned long long>(saves),
                        static_cast<unsigned long long>(at), what.c_str());
            return 1;
        }
        std::swap(from, to);
        if (!plan.keys.empty() && saves % 8 == 0) {
            const u64 key = saves / 8;
            const KeyInput input{plan.keys[key / 2 % plan.keys.size()], false, key % 2 == 0};
            if (!untouched->inject(input) || !from->inject(input)) return 1;
        }
        at += next_step(random, plan.longest);
        ended = untouched->run(never, at);
        if (from->run(never, at) != ended) {
            std::printf("FAILED: only one of the machines stopped before instruction %llu\n",
                        static_cast<unsigned long long>(at));
            return 1;
        }
        ++saves;
    }
    if (const auto what = difference(*untouched, *from); !what.empty()) {
        std::printf("FAILED at the end, instruction %llu: %s\n", static_cast<unsigned long long>(at), what.c_str());
        return 1;
    }
    // Cutting a run into slices changes nothing either.
    if (plan.keys.empty()) {
        auto whole = create(plan);
        whole->run(never, at);
        if (const auto what = difference(*whole, *from); !what.empty()) {
            std::printf("FAILED: a run in one piece ends differently: %s\n", what.c_str());
            return 1;
        }
    }
    std::printf("%llu snapshots up to instruction %llu, state hash %016llx\n", static_cast<unsigned long long>(saves),
                static_cast<unsigned long long>(from->instructions()),
                static_cast<unsigned long long>(from->state_hash()));
    return 0;
}

} // namespace

int main(int argc, char** argv) { return run(parse(argc, argv)); }
