// Register streams for every device of the board: fw_cfg's DMA, IDE, FDC, VGA, APICs and the rest.
#include "tests/fuzz/hostile_guest.hpp"

using namespace glassbox;
using namespace glassbox::test;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    MachineConfig config;
    config.memory_bytes = 4u << 20;
    config.demo = true;
    config.exit_port = 0xF4;
    auto machine = Machine::create(config, {});
    if (!machine) return 0;
    Choices choices(std::span(data, size));
    HostileGuest guest(**machine, choices);
    for (unsigned i = 0; i < 500 && !choices.spent(); ++i) guest.harass_devices();
    return 0;
}
