// Fake wires and sinks for tests of single chips.
#pragma once

#include "bus/archive.hpp"
#include "bus/byte_sink.hpp"
#include "bus/irq_line.hpp"
#include "bus/scheduler.hpp"

#include <map>
#include <string>
#include <vector>

namespace glassbox::test {

/// Remembers the levels of its inputs and counts their rising edges.
struct FakeIrqs : IrqSink {
    std::map<unsigned, bool> levels;
    std::map<unsigned, unsigned> rises;
    void set_irq(unsigned input, bool level) override {
        if (level && !levels[input]) ++rises[input];
        levels[input] = level;
    }
    bool high(unsigned input) { return levels[input]; }
};

struct FakeSink : ByteSink {
    std::string text;
    void put(u8 byte) override { text.push_back(static_cast<char>(byte)); }
};

/// Lets guest time pass, firing events at their own times.
inline void pass(Scheduler& scheduler, Time duration) {
    const Time end = scheduler.now() + duration;
    while (scheduler.next_event() <= end) {
        scheduler.skip_to(scheduler.next_event());
        scheduler.fire_due();
    }
    scheduler.skip_to(end);
}

/// What `component` saves.
template <class T> std::vector<u8> saved(T& component) {
    Archive archive = Archive::saver();
    component.persist(archive);
    return archive.bytes();
}

/// Loads `data`; the reason of a refusal, or nothing.
template <class T> std::string loaded(T& component, const std::vector<u8>& data) {
    Archive archive = Archive::loader(data);
    component.persist(archive);
    if (archive.ok() && !archive.at_end()) return "bytes are left over";
    return archive.reason();
}

} // namespace glassbox::test
