// Damaged snapshots with the checksum put right, so that every component's own checks are what is tested: cut at each
// part's boundaries, bits flipped, lengths made absurd. Each is refused, and then the machine is as it was; or it
// happens to be a sensible state, and then the machine runs on with it.
//   damaged [ROUNDS, default 1500] [SEED] [PROCESSORS]
#include "tests/snapshot/difference.hpp"

#include <cstdlib>
#include <random>
#include <zlib.h>

using namespace glassbox;
using namespace glassbox::test;

namespace {

constexpr std::size_t header = 16;

void put_checksum_right(std::vector<u8>& snapshot) {
    if (snapshot.size() < header) return;
    const auto sum = static_cast<u32>(crc32_z(0, snapshot.data() + header, snapshot.size() - header));
    std::memcpy(snapshot.data() + 12, &sum, 4);
}

struct Part {
    std::size_t start, length_at, body, end;
};

/// The outermost parts, one after the other.
std::vector<Part> parts_of(const std::vector<u8>& s) {
    std::vector<Part> parts;
    for (std::size_t i = header; i + 24 < s.size();) {
        u64 name = 0;
        std::memcpy(&name, s.data() + i, 8);
        u32 size = 0;
        if (name == 0 || name > 40 || i + 16 + name > s.size()) break;
        std::memcpy(&size, s.data() + i + 12 + name, 4);
        const std::size_t body = i + 16 + name;
        if (body + size > s.size()) break;
        parts.push_back({i, i + 12 + name, body, body + size});
        i = body + size;
    }
    return parts;
}

struct Bench {
    std::unique_ptr<Machine> machine;
    std::vector<u8> good, state;
    unsigned refused = 0, accepted = 0, failures = 0;

    void complain(const char* what, const std::string& why, std::size_t at) {
        ++failures;
        std::printf("FAILED: %s (changed at byte %zu): %s\n", what, at, why.c_str());
    }
    void try_one(std::vector<u8> bad, std::size_t at) {
        put_checksum_right(bad);
        const auto done = restore_snapshot(machine->board(), bad);
        if (!done) {
            ++refused;
            if (done.error().message.empty()) complain("refused without a reason", "", at);
            if (machine_state(machine->board()) != state) {
                complain("refused, but the machine has changed", done.error().message, at);
                recover(at);
            }
            return;
        }
        ++accepted;
        machine->run(machine->now() + 100 * millisecond, machine->instructions() + 2000);
        Frame frame;
        machine->display().render(frame);
        recover(at);
    }
    void recover(std::size_t at) {
        if (auto back = restore_snapshot(machine->board(), good); !back)
            return complain("the good snapshot is refused afterwards", back.error().message, at);
        if (machine_state(machine->board()) != state)
            complain("the good snapshot gives another state afterwards", "", at);
    }
};

} // namespace

int main(int argc, char** argv) {
    const auto rounds = argc > 1 ? std::strtoul(argv[1], nullptr, 0) : 1500;
    std::mt19937_64 random(argc > 2 ? std::strtoull(argv[2], nullptr, 0) : 1);
    MachineConfig config;
    config.memory_bytes = 4u << 20;
    config.demo = true;
    if (argc > 3) config.processors = static_cast<unsigned>(std::strtoul(argv[3], nullptr, 0));
    auto machine = Machine::create(config, {});
    if (!machine) {
        std::printf("FAILED: %s\n", machine.error().message.c_str());
        return 1;
    }
    Bench bench{std::move(*machine), {}, {}};
    bench.machine->run(never, 3'000'001);
    bench.good = take_snapshot(bench.machine->board());
    bench.state = machine_state(bench.machine->board());
    const auto parts = parts_of(bench.good);
    if (parts.size() < 20) {
        std::printf("FAILED: only %zu parts were found in the snapshot\n", parts.size());
        return 1;
    }
    for (const Part& part : parts) {
        for (const std::size_t cut : {part.start, part.length_at, part.body, part.body + 1, part.end - 1, part.end}) {
            if (cut >= bench.good.size()) continue;
            bench.try_one({bench.good.begin(), bench.good.begin() + static_cast<std::ptrdiff_t>(cut)}, cut);
        }
        for (const std::size_t at :
             {part.start, part.start + 4, part.length_at - 4, part.length_at}) { // name's length, version, length
            auto bad = bench.good;
            for (std::size_t i = at; i < at + 4; ++i) bad[i] = 0xFF;
            bench.try_one(std::move(bad), at);
        }
    }
    const std::size_t last = parts.back().end;
    for (unsigned long i = 0; i < rounds; ++i) {
        auto bad = bench.good;
        const Part& part = parts[random() % parts.size()];
        const std::size_t at =
            i % 4 == 3 ? header + random() % (bad.size() - header)
                       : std::min(part.body + random() % std::max<std::size_t>(part.end - part.body, 1), last - 1);
        const auto kind = random() % 3;
        if (kind == 0)
            bad[at] ^= static_cast<u8>(1u << random() % 8);
        else if (kind == 1)
            bad[at] = static_cast<u8>(random());
        else
            for (std::size_t k = at; k < std::min(at + 1 + random() % 8, bad.size()); ++k) bad[k] = 0xFF;
        bench.try_one(std::move(bad), at);
    }
    std::printf("%zu parts; %u refused, %u accepted, %u failures\n", parts.size(), bench.refused, bench.accepted,
                bench.failures);
    return bench.failures == 0 ? 0 : 1;
}
