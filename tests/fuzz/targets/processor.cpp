// Random code on a processor in a random state, tables and all.
#include "tests/fuzz/hostile_guest.hpp"

using namespace glassbox;
using namespace glassbox::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 8) return 0;
    static const auto machine = [] {
        MachineConfig config;
        config.memory_bytes = 4u << 20;
        config.demo = true;
        return Machine::create(config, {});
    }();
    if (!*machine) return 0;
    u64 seed = 0;
    for (unsigned i = 0; i < 8; ++i) seed |= u64{data[i]} << (8 * i);
    Choices tables(seed);
    HostileGuest guest(**machine, tables);
    guest.harass_processor(0); // tables and state from the seed, code from the input
    const std::size_t length = std::min<std::size_t>(size - 8, 0x4000);
    auto ram = (*machine)->board().memory.ram();
    std::copy_n(data + 8, length, ram.begin() + 0x10000);
    Cpu& cpu = (*machine)->cpu();
    cpu.ip = cpu.protected_mode() ? 0x10000 : 0;
    cpu.map_changed();
    guest.run(2000, second);
    return 0;
}
