// --hostile: what the manuals leave undefined is anything, and always the same with the same seed.
#include "machine/hostile.hpp"

#include "machine/board.hpp"
#include "machine/machine.hpp"

#include <algorithm>
#include <doctest/doctest.h>
#include <memory>
#include <set>

using namespace glassbox;

namespace {

std::unique_ptr<Machine> demo(std::optional<u64> seed, const char* model = "max") {
    MachineConfig config;
    config.memory_bytes = 16 << 20;
    config.demo = true;
    config.cpu_model = model;
    config.hostile_seed = seed;
    auto machine = Machine::create(config, {});
    REQUIRE_MESSAGE(machine.has_value(), machine.error().message);
    return std::move(*machine);
}

std::string screen(Machine& machine) {
    TextScreen text;
    return machine.display().text_screen(text) ? text.text() : std::string();
}

u64 zero_bytes(Machine& machine) {
    const auto ram = machine.board().memory.ram();
    return static_cast<u64>(std::count(ram.begin(), ram.end(), u8{0}));
}

} // namespace

TEST_CASE("hostile: memory holds anything at power-on, as the seed says") {
    const auto one = demo(1), again = demo(1), two = demo(2), kind = demo(std::nullopt);
    const u64 size = one->board().memory.ram().size();
    CHECK(zero_bytes(*kind) == size);
    CHECK(zero_bytes(*one) > size / 256 * 9 / 10);
    CHECK(zero_bytes(*one) < size / 256 * 11 / 10);
    CHECK(one->state_hash() == again->state_hash());
    CHECK(one->state_hash() != two->state_hash());
}

TEST_CASE("hostile: registers that the model's manual leaves undefined (i486 10.1; SDM 3A table 9-1)") {
    const auto old = demo(5, "486");
    CHECK(old->cpu().gpr[RBX] != 0);
    CHECK(old->cpu().r32(RDX) == old->cpu().model->signature);
    CHECK(old->cpu().ip == 0xFFF0);
    CHECK(old->cpu().gpr[RBX] != demo(6, "486")->cpu().gpr[RBX]);
    const auto recent = demo(5);
    CHECK(recent->cpu().gpr[RBX] == 0);
    CHECK(recent->cpu().msrs.mtrr_fixed[0] != 0);
    CHECK((recent->cpu().msrs.mtrr_def_type & 0xC00) == 0); // disabled: that much is promised
    for (std::size_t i = 1; i < 16; i += 2) CHECK((recent->cpu().msrs.mtrr_variable[i] & 0x800) == 0);
}

TEST_CASE("hostile: MSRs that SDM 3A table 9-1 leaves undefined; vector and x87 registers are promised to be zero") {
    const auto machine = demo(5);
    CHECK(machine->cpu().msrs.lstar != 0);
    CHECK(machine->cpu().msrs.sysenter_eip != 0);
    CHECK(machine->cpu().msrs.machine_check[3] != 0);
    CHECK(machine->cpu().msrs.efer == 0);
    CHECK(machine->cpu().sse.xmm(3).q[0] == 0);
    CHECK(machine->cpu().fpu.registers[2].significand == 0);
    CHECK(demo(std::nullopt)->cpu().msrs.lstar == 0);
}

TEST_CASE("hostile: what the data sheets of the chips leave undefined, and nothing of what they promise") {
    const auto one = demo(1), two = demo(2), kind = demo(std::nullopt);
    Board &a = one->board(), &b = two->board(), &c = kind->board();
    // 8237A
    CHECK(a.dma.controller(0).channels[1].base_address != b.dma.controller(0).channels[1].base_address);
    CHECK(a.dma.controller(1).channels[2].current_count != 0);
    CHECK(a.dma.controller(0).mask == 0x0F);
    CHECK(a.dma.controller(0).command == 0);
    CHECK_FALSE(a.dma.controller(0).high_byte);
    // 8259A
    CHECK(a.pic.master().registers().vector_base != c.pic.master().registers().vector_base);
    CHECK(a.pic.master().imr() != b.pic.master().imr());
    CHECK(a.pic.slave().imr() != b.pic.slave().imr());
    CHECK(a.pic.master().isr() == 0);
    CHECK(a.pic.master().registers().next_icw == 0);
    // 16550: the scratch register and the divisor; the line control register is zero after RESET
    CHECK(a.ports.read(Port{0x3FF}, 1) != b.ports.read(Port{0x3FF}, 1));
    CHECK(a.ports.read(Port{0x3FB}, 1) == 0);
    a.ports.write(Port{0x3FB}, 1, 0x80);
    c.ports.write(Port{0x3FB}, 1, 0x80);
    CHECK(a.ports.read(Port{0x3F8}, 1) != c.ports.read(Port{0x3F8}, 1));
    // RTC: RAM and alarm, not the set-up
    unsigned other = 0;
    for (u8 i = 0x40; i < 0x5B; ++i) other += a.rtc.cmos(i) != c.rtc.cmos(i);
    CHECK(other > 20);
    for (u8 i = 0x10; i < 0x40; ++i) CHECK(a.rtc.cmos(i) == c.rtc.cmos(i));
    CHECK(a.rtc.cmos(1) != b.rtc.cmos(1));
    // VGA: palette and memory
    a.ports.write(Port{0x3C7}, 1, 5);
    b.ports.write(Port{0x3C7}, 1, 5);
    unsigned different = 0;
    for (unsigned i = 0; i < 30; ++i) different += a.ports.read(Port{0x3C9}, 1) != b.ports.read(Port{0x3C9}, 1);
    CHECK(different > 20);
    // 8254: a mode that nobody has chosen
    a.ports.write(Port{0x43}, 1, 0xE2);
    b.ports.write(Port{0x43}, 1, 0xE2);
    c.ports.write(Port{0x43}, 1, 0xE2);
    const u64 status_a = a.ports.read(Port{0x40}, 1), status_b = b.ports.read(Port{0x40}, 1);
    CHECK((status_a & 0x0F) != (c.ports.read(Port{0x40}, 1) & 0x0F));
    CHECK((status_a & 0x0F) != (status_b & 0x0F));
}

TEST_CASE("hostile: timers come late by different times, never by more than the tolerance; nothing else does") {
    Scheduler scheduler;
    scheduler.lateness = hostile::late_timers(3);
    Scheduler::Event timer(scheduler, "pit.counter0", [] {}), other(scheduler, "ide0.done", [] {});
    std::set<Time> delays;
    for (Time when = millisecond; when < 100 * millisecond; when += millisecond) {
        timer.at(when);
        CHECK(timer.when() >= when);
        CHECK(timer.when() <= when + hostile::most_late);
        delays.insert(timer.when() - when);
        const Time first = timer.when();
        timer.at(when);
        CHECK(timer.when() == first);
        other.at(when);
        CHECK(other.when() == when);
    }
    CHECK(delays.size() > 50);
    timer.cancel();
    CHECK_FALSE(timer.pending());
}

TEST_CASE("hostile: the firmware and the demo guest run, alike each time") {
    constexpr u64 length = 80'000'000;
    for (const char* model : {"max", "486"}) {
        CAPTURE(model);
        const auto kind = demo(std::nullopt, model);
        const auto one = demo(7, model), again = demo(7, model);
        kind->run(never, length);
        one->run(never, length);
        again->run(never, length / 2);
        again->run(never, length);
        CHECK(screen(*one).find("glass>") != std::string::npos);
        CHECK(screen(*one) == screen(*kind));
        CHECK(one->state_hash() == again->state_hash());
        CHECK(one->state_hash() != kind->state_hash());
    }
}
