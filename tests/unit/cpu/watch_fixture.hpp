// A probe that watches pages and writes down what it hears, as text: "r4 60010=11223344 w1 …", an "s" before accesses
// with the supervisor's rights, a "d" before those to devices.
#pragma once

#include "cpu/probe.hpp"
#include "system_fixture.hpp"

#include <cstdio>
#include <set>
#include <string>
#include <vector>

namespace glassbox::system_test {

inline constexpr u32 watch_code = 0xC000, watched_at = 0x6'0000;

struct Ear final : Probe {
    std::set<u64> pages; ///< linear
    std::vector<MemoryAccess> heard;

    bool watches(Cpu&, u64 linear_page, u64) override { return pages.count(linear_page) != 0; }
    void accessed(Cpu&, const MemoryAccess& access) override { heard.push_back(access); }

    std::string take(bool values = false) {
        std::string text;
        for (const MemoryAccess& a : heard) {
            char part[80];
            std::snprintf(part, sizeof part, "%s%s%s%c%u %llX", text.empty() ? "" : " ", a.system ? "s" : "",
                          a.device ? "d" : "", a.write ? 'w' : 'r', a.size, static_cast<unsigned long long>(a.linear));
            text += part;
            if (!values) continue;
            std::snprintf(part, sizeof part, "=%llX", static_cast<unsigned long long>(a.value));
            text += part;
        }
        heard.clear();
        return text;
    }
    /// The bytes read or written, as ranges.
    std::string coverage(bool write) {
        std::set<u64> bytes;
        for (const MemoryAccess& a : heard) {
            for (u64 i = 0; a.write == write && i < a.size; ++i) bytes.insert(a.linear + i);
        }
        std::string text;
        for (auto it = bytes.begin(); it != bytes.end();) {
            const u64 first = *it;
            u64 last = first;
            while (++it != bytes.end() && *it == last + 1) last = *it;
            char part[40];
            std::snprintf(part, sizeof part, "%s%llX-%llX", text.empty() ? "" : " ",
                          static_cast<unsigned long long>(first), static_cast<unsigned long long>(last));
            text += part;
        }
        return text;
    }
};

/// Executes `count` instructions (iterations) of these bytes.
template <class M> void run_bytes(M& m, const std::vector<u8>& bytes, u64 count = 1) {
    for (std::size_t i = 0; i < bytes.size(); ++i) m.template put<u8>(watch_code + static_cast<u32>(i), bytes[i]);
    m.cpu.forget_blocks();
    m.cpu.ip = watch_code;
    m.cpu.run(count);
}

/// The table's entry for data accesses of the present class.
inline TlbEntry& entry_of(Cpu& cpu, u64 linear) { return cpu.class_tlb->at(linear); }
inline bool open_tags(Cpu& cpu, u64 linear) {
    const TlbEntry& e = entry_of(cpu, linear);
    return e.read_tag == (linear & ~page_mask) && e.write_tag == (linear & ~page_mask);
}

} // namespace glassbox::system_test
