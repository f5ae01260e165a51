// Random instructions in random states: what `explain next` foretells is what happens, and whatever faults is
// explained.
#include "debugger/explain/instruction.hpp"
#include "explain_fixture.hpp"

#include <map>
#include <random>

using namespace glassbox;
using namespace glassbox::explain_test;

namespace {

#ifndef EXPLAIN_RANDOM_CASES
#define EXPLAIN_RANDOM_CASES 1500
#endif

struct Score {
    unsigned faults = 0, explained = 0, foretold = 0, false_alarms = 0, clean = 0;
    std::map<std::string, std::pair<unsigned, std::string>> missed; ///< by reason
};

void randomise(Cpu& cpu, std::mt19937& random, bool wide) {
    for (unsigned i = 0; i < 16; ++i) {
        const auto kind = random() % 6;
        u64 value = kind == 0 ? random() : kind == 1 ? 0 : kind == 2 ? random() % 0x100 : random() % 0x10'0000;
        if (wide && kind == 0) value |= u64{static_cast<u32>(random())} << 32;
        if (i != RSP || kind > 2) cpu.gpr[i] = value;
    }
    cpu.set_full_eflags((cpu.full_eflags() & ~eflags::arithmetic) | (random() & eflags::arithmetic));
    if (random() % 4 == 0) cpu.cr0 |= cr0::TS;
    if (random() % 4 == 0) cpu.cr0 |= cr0::EM;
    if (random() % 2 == 0) cpu.cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT;
    if (random() % 2 == 0) cpu.cr4 |= cr4::OSXSAVE;
    if (random() % 2 == 0) cpu.xcr0 = 7;
    cpu.update_mode();
}

void one(Guest& m, std::mt19937& random, Score& score) {
    const u64 linear = m.cpu.code_linear(m.cpu.ip);
    for (unsigned i = 0; i < 16; ++i) m.put<u8>(static_cast<u32>(linear & 0xFFFF) + i, static_cast<u8>(random()));
    m.cpu.map_changed();
    explain::Story story;
    const explain::Moment before = explain::Moment::of(m.cpu);
    const explain::Decoded d = explain::Decoded::at(before);
    const explain::Finding next = explain::tell_instruction(story, before, d, nullptr);
    Held held;
    m.cpu.probe = &held;
    m.cpu.run(1);
    m.cpu.probe = nullptr;
    const auto miss = [&](const std::string& what) {
        auto& entry = score.missed[what];
        if (entry.first++ == 0) entry.second = d.text + "\n" + story.text();
    };
    if (!held.seen) {
        ++score.clean;
        if (next.verdict) {
            ++score.false_alarms;
            miss("foretold without reason: " + next.verdict->why);
        }
        return;
    }
    ++score.faults;
    if (next.verdict && next.verdict->agrees(held.record.fault))
        ++score.foretold;
    else
        miss(std::string(next.verdict ? "foretold otherwise: " : "not foretold: ") +
             (held.record.fault.why ? held.record.fault.why : ""));
    explain::Story told;
    const explain::Finding found = explain::tell_record(told, held.record);
    if (found.match >= explain::Match::reason)
        ++score.explained;
    else
        miss(std::string("not explained: ") + (held.record.fault.why ? held.record.fault.why : ""));
}

} // namespace

TEST_CASE("explain: random instructions") {
    std::mt19937 random(1);
    Score score;
    Guest m;
    Guest64 wide;
    for (unsigned i = 0; i < EXPLAIN_RANDOM_CASES; ++i) {
        switch (i % 5) {
        case 0: m.protect(); break;
        case 1:
            m.protect();
            m.level(3);
            break;
        case 2: m.real(); break;
        case 3: m.virtual_8086(random() % 4); break;
        default: wide.enter(); break;
        }
        Guest& guest = i % 5 == 4 ? static_cast<Guest&>(wide) : m;
        guest.cpu.halted = guest.cpu.shutdown = false;
        guest.cpu.pending_debug = 0;
        randomise(guest.cpu, random, i % 5 == 4);
        one(guest, random, score);
    }
    std::string missed;
    for (const auto& [why, entry] : score.missed)
        missed += std::to_string(entry.first) + " " + why + "\n      " + entry.second + "\n";
    INFO(missed);
    CAPTURE(score.clean);
    CAPTURE(score.faults);
    CAPTURE(score.foretold);
    CHECK(score.faults > EXPLAIN_RANDOM_CASES / 10);
    CHECK(score.explained == score.faults);
    CHECK(score.false_alarms == 0);
    CHECK(score.foretold * 100 > score.faults * 97);
}
