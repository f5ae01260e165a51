// The reader of recordings: a good one with the input's bytes put over it at the place that the input names, and the
// checksums put right as far as its lengths lead.
#include "machine/history/recording.hpp"
#include "machine/machine.hpp"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <zlib.h>

using namespace glassbox;

namespace {

void put_u32(std::vector<u8>& file, std::size_t at, u32 value) {
    for (unsigned i = 0; i < 4; ++i) file[at + i] = static_cast<u8>(value >> (8 * i));
}

void repair(std::vector<u8>& file) {
    constexpr std::size_t header = 20;
    for (std::size_t at = 12; file.size() - at >= header;) {
        u64 length = 0;
        std::memcpy(&length, file.data() + at + 4, 8);
        const std::size_t left = file.size() - at - header;
        const auto there = static_cast<std::size_t>(length < left ? length : left);
        put_u32(file, at + 12, static_cast<u32>(crc32_z(0, file.data() + at + header, there)));
        put_u32(file, at + 16, static_cast<u32>(crc32_z(0, file.data() + at, 16)));
        at += header + there;
    }
}

struct Bench {
    std::string path = std::filesystem::temp_directory_path() / ("glassbox-fuzz-" + std::to_string(getpid()) + ".rec");
    std::unique_ptr<Machine> machine;
    std::vector<u8> good;

    Bench() {
        MachineConfig config;
        config.memory_bytes = 2u << 20;
        config.demo = true;
        if (auto made = Machine::create(config, {})) machine = std::move(*made);
        if (!machine) return;
        Timeline timeline(*machine);
        timeline.begin({.spacing = 100'000, .percent = 0});
        auto recorder = Recorder::create(path, *machine, timeline);
        if (!recorder) {
            machine.reset();
            return;
        }
        timeline.run(never, 300'000);
        (void)timeline.inject(KeyInput{0x1E, false, true});
        (void)timeline.inject(SerialInput{0, {1, 2, 3}});
        timeline.run(never, 600'000);
        timeline.changed_by_hand();
        timeline.run(never, 800'000);
        (void)timeline.go_to(700'000);
        (void)timeline.inject(SkipTimeInput{1000});
        timeline.run(never, 900'000);
        (void)(*recorder)->finish();
        std::ifstream in(path, std::ios::binary);
        const std::string text((std::istreambuf_iterator<char>(in)), {});
        good.assign(text.begin(), text.end());
    }
    ~Bench() { std::remove(path.c_str()); }
    Bench(const Bench&) = delete;
    Bench& operator=(const Bench&) = delete;

    void use() {
        auto recording = Recording::open(path);
        if (!recording) return;
        Timeline timeline(*machine);
        if (!recording->begin(*machine, timeline, {.spacing = 100'000, .percent = 0})) return;
        timeline.run(never, machine->instructions() + 1000);
        (void)recording->verify(*machine, timeline);
    }
};

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Bench bench;
    if (!bench.machine || size < 4) return 0;
    u32 place = 0;
    std::memcpy(&place, data, 4);
    std::vector<u8> bad = bench.good;
    const std::size_t at = (place & 0x3FFF'FFFF) % bad.size();
    for (std::size_t i = 4; i < size && at + i - 4 < bad.size(); ++i) bad[at + i - 4] = data[i];
    if (place >> 31) bad.resize(std::min(bad.size(), at + size - 4));
    if ((place >> 30 & 1) == 0 && bad.size() >= 12) repair(bad);
    {
        std::ofstream out(bench.path, std::ios::binary);
        out.write(reinterpret_cast<const char*>(bad.data()), static_cast<std::streamsize>(bad.size()));
    }
    bench.use();
    return 0;
}
