// A processor in long mode that has every feature there is, and runs one instruction at a time.
#pragma once

#include "system64_fixture.hpp"

#include <initializer_list>
#include <span>
#include <vector>

namespace glassbox::ext_test {

using Bytes = std::vector<u8>;

inline const CpuModel& everything() {
    static const CpuModel model = [] {
        CpuModel m = system_test::long_model(system_test::Vendor::amd);
        for (unsigned f = 0; f < static_cast<unsigned>(Feature::count); ++f) {
            const Feature feature = static_cast<Feature>(f);
            if (feature != Feature::only_8086 && feature != Feature::only_286 && feature != Feature::only_386)
                m.features.add(feature);
        }
        return m;
    }();
    return model;
}

constexpr int none = -1, UD = 6, NM = 7, GP = 13, page_fault = 14;

struct Guest : system_test::Machine64 {
    static constexpr u32 code = 0x10000, handlers = 0x30000, data = 0x40000;

    CpuModel model;
    explicit Guest(std::initializer_list<Feature> without = {}) : model(everything()) {
        for (const Feature f : without) model.features.remove(f);
        cpu.model = &model;
        for (u32 v = 0; v < 32; ++v) set_idt64(v, system_test::code0, system_test::high + handlers + 16 * v, 0x8E);
        cpu.cr4 |= cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::OSXSAVE;
        cpu.xcr0 = 0x207;
        cpu.cr0 |= cr0::NE;
        cpu.gpr[RSI] = data;
    }
    /// Runs one instruction; the vector of its fault, or -1.
    int step(std::span<const u8> bytes) {
        std::memcpy(memory.ram().data() + code, bytes.data(), bytes.size());
        cpu.memory_written(PhysAddress{code}, bytes.size());
        cpu.ip = code;
        cpu.gpr[RSP] = 0xF000;
        cpu.eflags = 2;
        cpu.run(1);
        const u64 at = cpu.ip & 0xF'FFFF;
        if (at < handlers || at >= handlers + 512) return none;
        const int vector = static_cast<int>(at - handlers) / 16;
        if (cpu.cpl == 0 && cpu.code64()) return vector;
        level64(0);
        return vector;
    }
    int step(std::initializer_list<u8> bytes) { return step(std::span(bytes.begin(), bytes.size())); }
};

} // namespace glassbox::ext_test
