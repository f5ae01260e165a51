// The snapshot loader: a good snapshot with the input's bytes put over it at the place that the input names, and the
// checksum put right.
#include "machine/snapshot.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"

#include <cstdlib>
#include <cstring>
#include <zlib.h>

using namespace glassbox;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    struct Bench {
        std::unique_ptr<Machine> machine;
        std::vector<u8> good, state;
        Bench() {
            MachineConfig config;
            config.memory_bytes = 4u << 20;
            config.demo = true;
            if (auto made = Machine::create(config, {})) machine = std::move(*made);
            if (!machine) return;
            machine->run(never, 1'000'001);
            good = take_snapshot(machine->board());
            state = machine_state(machine->board());
        }
    };
    static Bench bench;
    if (!bench.machine || size < 4) return 0;
    u32 place = 0;
    std::memcpy(&place, data, 4);
    std::vector<u8> bad = bench.good;
    const std::size_t at = 16 + (place & 0x7FFF'FFFF) % (bad.size() - 16);
    for (std::size_t i = 4; i < size && at + i - 4 < bad.size(); ++i) bad[at + i - 4] = data[i];
    if (place >> 31) bad.resize(std::min(bad.size(), at + size - 4));
    const auto sum = static_cast<u32>(crc32_z(0, bad.data() + 16, bad.size() - 16));
    std::memcpy(bad.data() + 12, &sum, 4);
    if (restore_snapshot(bench.machine->board(), bad)) {
        bench.machine->run(bench.machine->now() + 10 * millisecond, bench.machine->instructions() + 500);
        if (!restore_snapshot(bench.machine->board(), bench.good)) std::abort();
    }
    if (machine_state(bench.machine->board()) != bench.state) std::abort();
    return 0;
}
