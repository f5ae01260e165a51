// The gdb stub: any bytes are packets, or refused ones. The input is what a client sends, framed where it says so; the
// machine runs a little whenever it may. `monitor` is left out: its commands read and write files.
#include "cpu/state.hpp"
#include "debugger/gdb/stub.hpp"
#include "machine/board.hpp"
#include "machine/snapshot.hpp"

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>

using namespace glassbox;

namespace {

struct Bench {
    std::unique_ptr<Machine> machine;
    std::vector<u8> snapshot;
    Bench() {
        MachineConfig config;
        config.memory_bytes = 2u << 20;
        config.processors = 2;
        config.demo = true;
        if (auto made = Machine::create(config, {})) machine = std::move(*made);
        if (!machine) return;
        machine->run(never, 200'000);
        snapshot = take_snapshot(machine->board());
    }
};

/// Every answer is a whole packet, with its right checksum.
void check(const std::string& output) {
    for (std::size_t at = output.find('$'); at != std::string::npos; at = output.find('$', at)) {
        const std::size_t end = output.find('#', at);
        if (end == std::string::npos || end + 2 >= output.size()) std::abort();
        u8 sum = 0;
        for (std::size_t i = at + 1; i < end; ++i) sum = static_cast<u8>(sum + static_cast<u8>(output[i]));
        if (std::stoul(output.substr(end + 1, 2), nullptr, 16) != sum) std::abort();
        at = end;
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Bench bench;
    if (!bench.machine || size < 2) return 0;
    if (!restore_snapshot(bench.machine->board(), bench.snapshot)) std::abort();
    Timeline timeline(*bench.machine);
    if (data[0] & 8) timeline.begin({.memory_budget = 64u << 20, .spacing = 10'000});
    Debugger debugger(*bench.machine, timeline);
    GdbStub stub(debugger, {.arch = static_cast<gdb::Arch>(data[0] % 5)});
    std::string_view rest(reinterpret_cast<const char*>(data) + 1, size - 1);
    for (unsigned packets = 0; !rest.empty() && packets < 64 && !stub.finished(); ++packets) {
        const std::string_view line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
        if (line.find("Rcmd") != std::string_view::npos) continue;
        const bool framed = !line.empty() && line[0] != '$' && line[0] != 3;
        stub.receive(framed ? gdb::framed(line, false) : std::string(line));
        if (debugger.running()) debugger.run(never, bench.machine->instructions() + 2000);
        if (debugger.running()) {
            stub.receive("\x03");
            debugger.run(never, bench.machine->instructions() + 2000);
        }
        check(stub.take_output());
    }
    return 0;
}
