// Hostile guests on the whole board, seeded: no crash, no hang, bounded work, and a state that a snapshot carries over.
//   hostile [SECONDS of the host, default 8] [FIRST SEED]
#include "tests/fuzz/hostile_guest.hpp"
#include "tests/snapshot/difference.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <unistd.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

volatile u64 current_seed = 0; // for the alarm's message
volatile unsigned current_step = 0;

void hung(int) {
    char text[120];
    const int n = std::snprintf(text, sizeof text, "FAILED: seed %llu, step %u takes longer than 30 s\n",
                                static_cast<unsigned long long>(current_seed), current_step);
    if (write(1, text, static_cast<std::size_t>(n)) < 0) _exit(2);
    abort();
}

std::string make_file(const std::string& folder, const char* name, u64 size) {
    const std::string path = folder + "/" + name;
    if (std::FILE* f = std::fopen(path.c_str(), "wb")) {
        static_cast<void>(ftruncate(fileno(f), static_cast<off_t>(size)));
        std::fclose(f);
    }
    return path;
}

MachineConfig board_with_everything(const std::string& folder, u64 seed) {
    static constexpr const char* models[] = {"max", "386", "pentium", "max", "pentium-pro", "486", "pentium3", "max"};
    MachineConfig config;
    config.memory_bytes = 8u << 20;
    config.cpu_model = models[seed % 8];
    config.cdrom = make_file(folder, "cd.iso", 3u << 20);
    config.disks.push_back({make_file(folder, "disk.img", 20u << 20), false, true});
    config.disks.push_back({make_file(folder, "disk2.img", 1u << 20), true, false});
    config.floppies.push_back({make_file(folder, "floppy.img", 1474560), false, true});
    config.serial_ports = 4;
    config.exit_port = 0xF4;
    return config;
}

bool survive(const std::string& folder, u64 seed) {
    current_seed = seed;
    const MachineConfig config = board_with_everything(folder, seed);
    auto machine = Machine::create(config, {}), copy = Machine::create(config, {});
    if (!machine || !copy) {
        std::printf("FAILED: %s\n", (machine ? copy : machine).error().message.c_str());
        return false;
    }
    Choices choices(seed);
    HostileGuest guest(**machine, choices);
    (*machine)->run(never, seed % 3 == 0 ? 0 : 2'000'000 + seed % 1000);
    for (unsigned step = 0; step < 60; ++step) {
        current_step = step;
        alarm(30);
        const Time before = (*machine)->now();
        if (seed % 4 == 1) {
            guest.harass_processor(5000);
        } else {
            for (unsigned i = 0; i < 40; ++i) guest.harass_devices();
            if (step % 8 == 7) guest.harass_processor(2000);
        }
        (*machine)->board().exited = false;
        if ((*machine)->now() < before) {
            std::printf("FAILED: seed %llu, step %u: time went backwards\n", static_cast<unsigned long long>(seed),
                        step);
            return false;
        }
        if (step % 10 != 9) continue;
        const auto snapshot = take_snapshot((*machine)->board());
        const auto loaded = restore_snapshot((*copy)->board(), snapshot);
        // Media that were taken out are not in the copy: such a snapshot is refused, rightly.
        if (!loaded) {
            if (loaded.error().message.find("held") != std::string::npos ||
                loaded.error().message.find("medium") != std::string::npos ||
                loaded.error().message.find("disc") != std::string::npos)
                continue;
            std::printf("FAILED: seed %llu, step %u: its own snapshot is refused: %s\n",
                        static_cast<unsigned long long>(seed), step, loaded.error().message.c_str());
            return false;
        }
        std::string what = difference(**machine, **copy);
        if (what.empty()) {
            const u64 until = (*machine)->instructions() + 3000;
            const StopReason one = (*machine)->run((*machine)->now() + second, until),
                             two = (*copy)->run((*copy)->now() + second, until);
            what = one == two ? difference(**machine, **copy) : "one of the two stopped";
            if (!what.empty()) what = "3000 instructions later: " + what;
        }
        if (!what.empty()) {
            std::printf("FAILED: seed %llu, step %u: the machine and its copy differ: %s\n",
                        static_cast<unsigned long long>(seed), step, what.c_str());
            return false;
        }
    }
    return true;
}

} // namespace

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 8;
    u64 seed = argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 1;
    char folder[] = "/tmp/glassbox-hostile.XXXXXX";
    if (!mkdtemp(folder)) return 1;
    std::signal(SIGALRM, hung);
    const auto start = std::chrono::steady_clock::now();
    unsigned guests = 0, failures = 0;
    do {
        failures += survive(folder, seed++) ? 0 : 1;
        ++guests;
    } while (std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count() < seconds);
    alarm(0);
    for (const char* name : {"cd.iso", "disk.img", "disk2.img", "floppy.img"})
        unlink((std::string(folder) + "/" + name).c_str());
    rmdir(folder);
    std::printf("%u hostile guests, %u failures\n", guests, failures);
    return failures == 0 ? 0 : 1;
}
