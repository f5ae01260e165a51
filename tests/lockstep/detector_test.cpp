// The detector itself: what is made to differ must be found, and narrowed down to the right instruction. The guest is a
// ROM of our own whose every instruction is known by its number.
#include "cpu/state.hpp"
#include "machine/board.hpp"
#include "machine/lockstep.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <fstream>
#include <unistd.h>

using namespace glassbox;

namespace {

/// At F000:0000, 16-bit code. Instruction 0 is the jump there from the reset vector.
constexpr std::array<u8, 29> code = {
    0x31, 0xC0,             // 00  xor ax, ax
    0x8E, 0xD8,             // 02  mov ds, ax
    0x31, 0xC9,             // 04  xor cx, cx
    0x41,                   // 06  inc cx            instruction 4 + 7 n
    0x89, 0xC8,             // 07  mov ax, cx
    0x05, 0x34, 0x12,       // 09  add ax, 1234h
    0xA3, 0x00, 0x05,       // 0C  mov [500h], ax
    0x31, 0xC2,             // 0F  xor dx, ax
    0x81, 0xF9, 0x60, 0xEA, // 11  cmp cx, 60000
    0x75, 0xEF,             // 15  jne 06
    0xBB, 0x11, 0x11,       // 17  mov bx, 1111h     instruction 420004
    0x46,                   // 1A  inc si
    0xEB, 0xFD,             // 1B  jmp 1A
};
constexpr u64 first_mov_bx = 4 + 7 * 60000;
constexpr u64 ip_of_add = 0x09, ip_of_mov_bx = 0x17;
/// EIP of instruction `n` of the loop part.
u64 ip_of(u64 n) {
    constexpr std::array<u64, 7> loop = {0x06, 0x07, 0x09, 0x0C, 0x0F, 0x11, 0x15};
    return loop[(n - 4) % 7];
}

class Rom {
  public:
    explicit Rom(u8 bx) {
        std::vector<u8> bytes(64 << 10, 0xF4);
        std::copy(code.begin(), code.end(), bytes.begin());
        bytes[ip_of_mov_bx + 1] = bx;
        constexpr std::array<u8, 5> jump = {0xEA, 0x00, 0x00, 0x00, 0xF0};
        std::copy(jump.begin(), jump.end(), bytes.begin() + 0xFFF0);
        const int file = mkstemp(path_);
        REQUIRE(file >= 0);
        close(file);
        std::ofstream(path_, std::ios::binary)
            .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
    ~Rom() { unlink(path_); }
    Rom(const Rom&) = delete;
    Rom& operator=(const Rom&) = delete;

    std::unique_ptr<Machine> machine(const EngineOptions& engine = {}) const {
        MachineConfig config;
        config.memory_bytes = 1 << 20;
        config.bios = path_;
        config.engine = engine;
        auto made = Machine::create(config, {});
        REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().message));
        return *std::move(made);
    }

  private:
    char path_[40] = "/tmp/glassbox-lockstep.XXXXXX";
};

const LockstepDifference::Value* value(const LockstepDifference& d, const char* name) {
    const auto it = std::ranges::find(d.values, name, &LockstepDifference::Value::name);
    return it == d.values.end() ? nullptr : &*it;
}

constexpr EngineOptions plain{.cache = false, .chain = false, .fuse = false};
constexpr LockstepOptions often{.every = 1000, .checkpoint_every = 50'000};

} // namespace

TEST_CASE("Equal machines stay equal, whatever the engine does without") {
    const Rom rom(0x11);
    const auto one = rom.machine();
    for (const EngineOptions& engine : {EngineOptions{}, EngineOptions{.cache = false}, EngineOptions{.chain = false},
                                        EngineOptions{.fuse = false}, plain}) {
        const auto first = rom.machine(), other = rom.machine(engine);
        Lockstep lockstep(*first, *other, often);
        CHECK(lockstep.run(never, 500'000) == StopReason::limit);
        CHECK(lockstep.check());
        CHECK(!lockstep.difference());
        CHECK(first->instructions() == 500'000);
        CHECK(other->instructions() == 500'000);
        CHECK(first->cpu().r16(RBX) == 0x1111);
    }
}

TEST_CASE("A changed byte of memory is found at its instruction") {
    const Rom rom(0x11);
    const auto first = rom.machine(), other = rom.machine(plain);
    Lockstep lockstep(*first, *other, often);
    lockstep.at_instruction(123'456, [](Machine& m) { m.board().memory.ram()[0x7654] ^= 0x40; });
    CHECK(lockstep.run(never, 500'000) == StopReason::diverged);
    REQUIRE(lockstep.difference());
    const LockstepDifference& d = *lockstep.difference();
    CHECK(d.narrowed);
    CHECK(d.instruction == 123'455);
    REQUIRE(!d.trail.empty());
    CHECK(d.trail.back().cs == 0xF000);
    CHECK(d.trail.back().ip == ip_of(123'455));
    REQUIRE(d.memory.size() == 1);
    CHECK(d.memory[0].physical == 0x7654);
    CHECK(d.memory[0].first == 0);
    CHECK(d.memory[0].second == 0x40);
    CHECK(d.memory_bytes == 1);
    CHECK(d.values.empty());
    CHECK(lockstep.run(never, 600'000) == StopReason::diverged); // for ever
}

TEST_CASE("A changed register is found at its instruction, with its value before") {
    const Rom rom(0x11);
    const auto first = rom.machine(plain), other = rom.machine();
    Lockstep lockstep(*first, *other, {.every = 10'000, .checkpoint_every = 1'000'000});
    lockstep.at_instruction(77'777, [](Machine& m) { m.cpu().gpr[RSI] = 0x5A5A; });
    CHECK(lockstep.run(never, 400'000) == StopReason::diverged);
    REQUIRE(lockstep.difference());
    const LockstepDifference& d = *lockstep.difference();
    CHECK(d.found_at == 80'000); // the next comparison of the processors
    CHECK(d.narrowed);
    CHECK(d.instruction == 77'776);
    CHECK(d.trail.back().ip == ip_of(77'776));
    REQUIRE(value(d, "rsi"));
    CHECK(value(d, "rsi")->before == 0);
    CHECK(value(d, "rsi")->first == 0);
    CHECK(value(d, "rsi")->second == 0x5A5A);
    CHECK(d.values.size() == 1);
}

TEST_CASE("Different firmware: the instruction that differs, and no other") {
    const Rom rom(0x11), defective(0x12);
    const auto first = rom.machine(), other = defective.machine();
    Lockstep lockstep(*first, *other, often);
    CHECK(lockstep.run(never, first_mov_bx) == StopReason::limit);
    CHECK(lockstep.run(never, 1'000'000) == StopReason::diverged);
    REQUIRE(lockstep.difference());
    const LockstepDifference& d = *lockstep.difference();
    CHECK(d.narrowed);
    CHECK(d.instruction == first_mov_bx);
    CHECK(d.trail.back().ip == ip_of_mov_bx);
    REQUIRE(d.trail.back().bytes.size() == 15);
    CHECK(d.trail.back().bytes[0] == 0xBB);
    REQUIRE(value(d, "rbx"));
    CHECK(value(d, "rbx")->first == 0x1111);
    CHECK(value(d, "rbx")->second == 0x1112);
}

TEST_CASE("A defect of a decoded block is found, and the trail holds the instruction") {
    const Rom rom(0x11);
    const auto first = rom.machine(), other = rom.machine();
    Lockstep lockstep(*first, *other, often);
    constexpr u64 when = 210'001;
    lockstep.at_instruction(when, [](Machine& m) {
        for (const Cpu::JumpEntry& entry : m.cpu().jump_cache) {
            if (!entry.op || header_of(entry.op).ip != 0x06) continue;
            for (const Op* op = entry.op; op->pos < header_of(entry.op).count; ++op) {
                if (op->imm == 0x1234) const_cast<Op*>(op)->imm = 0x1235;
            }
        }
    });
    CHECK(lockstep.run(never, 400'000) == StopReason::diverged);
    REQUIRE(lockstep.difference());
    const LockstepDifference& d = *lockstep.difference();
    CHECK(d.narrowed);
    CHECK(d.instruction >= when);
    CHECK(d.instruction < when + 14); // the block goes round once at most
    CHECK(std::ranges::find(d.trail, ip_of_add, &LockstepDifference::Place::ip) != d.trail.end());
}

TEST_CASE("Inputs come again while a difference is narrowed down") {
    const Rom rom(0x11);
    const auto first = rom.machine(), other = rom.machine(plain);
    Lockstep lockstep(*first, *other, {.every = 1000, .checkpoint_every = 10'000'000});
    CHECK(lockstep.run(never, 20'500) == StopReason::limit);
    CHECK(lockstep.inject(SkipTimeInput{3 * second}).has_value());
    CHECK(lockstep.run(never, 40'000) == StopReason::limit);
    CHECK(lockstep.check());
    CHECK(lockstep.inject(SkipTimeInput{3 * second}).has_value());
    lockstep.at_instruction(50'000, [](Machine& m) { m.cpu().gpr[RDI] = 1; });
    CHECK(lockstep.run(never, 100'000) == StopReason::diverged);
    REQUIRE(lockstep.difference());
    CHECK(lockstep.difference()->narrowed);
    CHECK(lockstep.difference()->instruction == 49'999);
    CHECK(first->now() > 6 * second);
}
