// Every instruction form of the 80286 in real mode against captures from a Harris N80C286-12 (../shared/vectors, from
// SingleStepTests/80286, by Daniel Balsom), none left out.
#include "bare_machine.hpp"
#include "moo.hpp"

#include "cpu/decode/decoder.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <doctest/doctest.h>
#include <filesystem>

using namespace glassbox;
using namespace glassbox::conformance;

namespace {

constexpr u32 defined_bits = 0x0FD5; // what FLAGS holds of a 286 in real mode
constexpr u64 memory_size = 16u << 20;
constexpr SegmentName segment_names[] = {SegmentName::CS, SegmentName::SS, SegmentName::DS, SegmentName::ES};
constexpr Gpr register_names[] = {RAX, RBX, RCX, RDX};
constexpr Gpr pointer_names[] = {RSP, RBP, RSI, RDI};

void load(Machine& m, const moo::Test& test) {
    Cpu& cpu = m.cpu;
    reset_state(cpu);
    cpu.fault_chain_length = 0;
    const auto value = [&](unsigned name) { return test.initial.registers[name].value_or(0); };
    for (unsigned i = 0; i < 4; ++i) {
        cpu.set_r32(register_names[i], value(moo::ax + i));
        cpu.set_r32(pointer_names[i], value(moo::sp + i));
        cpu.seg[segment_names[i]].load_real(value(moo::cs + i));
    }
    cpu.ip = value(moo::ip);
    cpu.set_full_eflags((value(moo::flags) & 0x0FFFu) | 2);
    cpu.update_mode();
    for (const auto& [address, byte] : test.initial.memory) m.memory.write_block(PhysAddress{address}, {&byte, 1});
}

void forget(Machine& m, const moo::Test& test) {
    const u8 zero = 0;
    for (const auto* state : {&test.initial, &test.final}) {
        for (const auto& [address, byte] : state->memory) m.memory.write_block(PhysAddress{address}, {&zero, 1});
    }
}

/// Runs to the HLT: of the case or, after a fault, of its handler.
void run_to_halt(Cpu& cpu) {
    constexpr unsigned most = 70'000, handler = 4;
    bool faulted = false;
    for (unsigned left = most; left > 0 && !cpu.halted && !cpu.shutdown; --left) {
        cpu.run(1);
        if (faulted || cpu.fault_chain_length == 0) continue;
        faulted = true;
        left = handler;
    }
}

u16 result(const Cpu& cpu, unsigned name) {
    if (name <= moo::dx) return cpu.r16(register_names[name]);
    if (name <= moo::es) return cpu.seg[segment_names[name - moo::cs]].selector;
    if (name <= moo::di) return cpu.r16(pointer_names[name - moo::sp]);
    if (name == moo::ip) return static_cast<u16>(cpu.ip);
    return static_cast<u16>(cpu.full_eflags());
}

const char* const names[] = {"ax", "bx", "cx", "dx", "cs", "ss", "ds", "es", "sp", "bp", "si", "di", "ip", "flags"};

/// What differs, or nothing.
std::string compare(Machine& m, const moo::Test& test, u32 undefined) {
    std::string text;
    const auto say = [&](const char* what, u32 ours, u32 theirs) {
        char line[80];
        std::snprintf(line, sizeof line, " %s %04x, not %04x;", what, ours, theirs);
        text += line;
    };
    const u32 flags_mask = defined_bits & ~undefined;
    if (m.cpu.shutdown)
        text += " shut down;";
    else if (!m.cpu.halted)
        text += " did not halt;";
    for (unsigned i = 0; i < moo::register_count; ++i) {
        const auto expected = test.final.registers[i] ? test.final.registers[i] : test.initial.registers[i];
        const u32 mask = i == moo::flags ? flags_mask : 0xFFFF;
        if (!expected || ((result(m.cpu, i) ^ *expected) & mask) == 0) continue;
        say(names[i], result(m.cpu, i) & mask, *expected & mask);
    }
    const auto last = [&](unsigned name) {
        return test.final.registers[name] ? *test.final.registers[name] : *test.initial.registers[name];
    };
    for (const auto& [address, byte] : test.final.memory) {
        u32 mask = 0xFF; // of the FLAGS that an exception pushed, only what is defined
        const u32 at = address - (u32{last(moo::ss)} << 4) - static_cast<u16>(last(moo::sp) + 4);
        if (test.exception && at < 2) mask = (flags_mask >> (8 * at)) & 0xFF;
        const u8 ours = m.get<u8>(address);
        char where[24];
        std::snprintf(where, sizeof where, "[%06x]", address);
        if ((ours ^ byte) & mask) say(where, ours, byte);
    }
    return text;
}

std::string describe(const moo::Test& test) {
    std::string text = test.name + " (";
    for (const u8 b : test.bytes) {
        char digits[8];
        std::snprintf(digits, sizeof digits, "%02x ", b);
        text += digits;
    }
    text += ")";
    for (unsigned i = 0; i < moo::register_count; ++i) {
        char value[16];
        std::snprintf(value, sizeof value, " %s=%04x", names[i], test.initial.registers[i].value_or(0));
        text += value;
    }
    if (test.exception) text += " exception " + std::to_string(test.exception_number);
    return text;
}

} // namespace

TEST_CASE("real mode, against captures from an 80286") {
    const std::filesystem::path folder = std::string(GLASSBOX_VECTORS) + "/80286-real";
    if (!std::filesystem::is_directory(folder)) {
        MESSAGE("skipped: no captures in " << folder.string());
        return;
    }
    std::vector<std::filesystem::path> paths;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
        if (entry.path().extension() == ".gz") paths.push_back(entry.path());
    }
    std::sort(paths.begin(), paths.end());
    REQUIRE(!paths.empty());
    const char* setting = std::getenv("GLASSBOX_286_CASES");
    const unsigned per_form = setting ? static_cast<unsigned>(std::atoi(setting)) : 300;

    Machine m(memory_size, "286");
    unsigned run = 0, failed = 0;
    for (const auto& path : paths) {
        const std::string form = path.filename().string().substr(0, path.filename().string().find(".MOO"));
        std::string error;
        const auto file = moo::load(path.string(), error);
        REQUIRE_MESSAGE(file, error);
        unsigned failed_here = 0;
        std::string first;
        for (const moo::Test& test : file->tests) {
            if (test.index >= per_form) break;
            Insn insn;
            const DecodeStatus status = decode(test.bytes, 0, m.cpu.model->features, insn);
            const u32 undefined = status == DecodeStatus::ok ? insn.row->info->undefined : 0;
            load(m, test);
            run_to_halt(m.cpu);
            const std::string difference = compare(m, test, undefined);
            forget(m, test);
            ++run;
            if (difference.empty()) continue;
            if (failed_here++ < 3) first += "\n  " + describe(test) + "\n    " + difference;
        }
        failed += failed_here;
        if (failed_here)
            MESSAGE(form << ": " << failed_here << " of " << file->tests.size() << " cases differ" << first);
    }
    MESSAGE(run << " cases of " << paths.size() << " forms");
    CHECK(failed == 0);
}

TEST_CASE("a damaged capture is refused") {
    const std::string sound = std::string("MOO \x0C\0\0\0\1\1\0\0\1\0\0\0C286", 20) +
                              std::string("TEST\x30\0\0\0\0\0\0\0", 12) +
                              std::string("BYTS\6\0\0\0\2\0\0\0\x90\xF4", 14) +
                              std::string("INIT\x16\0\0\0REGS\4\0\0\0\1\0\x34\x12RAM \2\0\0\0\0\0", 30);
    const std::vector<u8> data(sound.begin(), sound.end());
    std::string error;
    CHECK_FALSE(moo::parse(data, error)); // the RAM chunk has no room for its count
    auto repaired = data;
    repaired.resize(data.size() - 10);
    repaired[24] = 0x26; // TEST and INIT end before it
    repaired[50] = 0x0C;
    const auto file = moo::parse(repaired, error);
    REQUIRE_MESSAGE(file, error);
    CHECK(file->tests.at(0).bytes == std::vector<u8>{0x90, 0xF4});
    CHECK(file->tests.at(0).initial.registers[moo::ax] == 0x1234);
    for (std::size_t size = 0; size < repaired.size(); ++size) {
        const std::vector<u8> cut(repaired.begin(), repaired.begin() + static_cast<std::ptrdiff_t>(size));
        CHECK_FALSE(moo::parse(cut, error));
    }
    for (std::size_t at = 0; at < repaired.size(); ++at) { // whatever it says, it reads nothing that is not there
        auto damaged = repaired;
        damaged[at] = 0xFF;
        moo::parse(damaged, error);
    }
}
