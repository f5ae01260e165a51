// Small guests that provoke one fault each: the processor's word for it is held against what the explanation works out.
#pragma once

#include "debugger/explain/explain.hpp"
#include "debugger/explain/faults.hpp"
#include "tests/unit/cpu/system64_fixture.hpp"

#include <initializer_list>
#include <string>

namespace glassbox::explain_test {

using namespace system_test;
using Guest = system_test::Machine;
using Guest64 = system_test::Machine64;

/// Holds every fault back and keeps it.
struct Held final : Probe {
    bool seen = false;
    FaultRecord record;
    bool hold = true;
    bool faulting(Cpu& cpu, const Fault& fault) override {
        if (!seen) record = {fault, cpu.failed_delivery, explain::Moment::of(cpu)};
        seen = true;
        return hold;
    }
};

inline void place_code(Guest& m, std::initializer_list<unsigned> bytes) {
    const u64 linear = m.cpu.code_linear(m.cpu.ip);
    u64 phys = 0;
    if (!translate_quietly(m.cpu, linear, phys)) phys = linear & 0xF'FFFF;
    for (const unsigned byte : bytes) m.put<u8>(static_cast<u32>(phys++), static_cast<u8>(byte));
    m.cpu.map_changed();
}

struct Told {
    bool faulted = false;
    explain::Match match = explain::Match::none;
    Fault fault;
    std::string text;
    bool has(std::string_view words) const {
        std::string flat;
        for (const char c : text) { // as if there were no line ends
            if (c == '\n' || c == ' ') {
                if (flat.empty() || flat.back() != ' ') flat += ' ';
            } else {
                flat += c;
            }
        }
        return flat.find(words) != std::string::npos;
    }
};

/// Executes one instruction, which is to fault.
inline Told run(Guest& m, std::initializer_list<unsigned> bytes) {
    Held held;
    if (bytes.size() != 0) place_code(m, bytes);
    m.cpu.probe = &held;
    m.cpu.probe_questions_changed();
    m.cpu.run(1);
    m.cpu.probe = nullptr;
    m.cpu.probe_questions_changed();
    if (!held.seen) return {};
    explain::Story story;
    const explain::Finding found = explain::tell_record(story, held.record);
    return {true, found.match, held.record.fault, story.text()};
}

/// The same through to a shutdown.
inline std::string run_down(Guest& m, std::initializer_list<unsigned> bytes) {
    place_code(m, bytes);
    m.cpu.run(3);
    return explain_shutdown(m.cpu);
}

/// The fault that is expected, and its explanation: exception, error code, reason and the words that must be in it.
#define EXPLAINS(told, exception, code, words)                                                                         \
    do {                                                                                                               \
        const Told& t_ = (told);                                                                                       \
        INFO(t_.text);                                                                                                 \
        CHECK(t_.faulted);                                                                                             \
        CHECK(static_cast<int>(t_.fault.vector) == static_cast<int>(Exception::exception));                            \
        CHECK(t_.fault.error == (code));                                                                               \
        CHECK(t_.match == explain::Match::exact);                                                                      \
        CHECK(t_.has(words));                                                                                          \
    } while (false)

} // namespace glassbox::explain_test
