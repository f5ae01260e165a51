// Writes MOO files for tests, so small that a person can check them.
#pragma once

#include "tests/x86-conformance/moo/format.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace moo_test {

using namespace glassbox;
namespace moo = glassbox::conformance::moo;
namespace reg = glassbox::conformance::moo::reg;
using Bytes = std::vector<u8>;

inline void put(Bytes& out, u64 value, unsigned width) {
    for (unsigned i = 0; i < width; ++i) out.push_back(static_cast<u8>(value >> (8 * i)));
}
inline void append(Bytes& out, const Bytes& more) { out.insert(out.end(), more.begin(), more.end()); }
inline Bytes chunk(const char* tag, const Bytes& body) {
    Bytes out(tag, tag + 4);
    put(out, body.size(), 4);
    append(out, body);
    return out;
}

using RegisterList = std::vector<std::pair<u8, u32>>;
using MemoryList = std::vector<std::pair<u32, u8>>;

/// REGS or RG32 (with another tag: RMSK, RM32).
inline Bytes registers(const char* tag, bool wide, const RegisterList& list) {
    static constexpr u8 order_16[] = {reg::eax, reg::ebx, reg::ecx, reg::edx, reg::cs,  reg::ss,  reg::ds,
                                      reg::es,  reg::esp, reg::ebp, reg::esi, reg::edi, reg::eip, reg::eflags};
    u32 mask = 0;
    Bytes values;
    for (unsigned bit = 0; bit < (wide ? unsigned{reg::count} : std::size(order_16)); ++bit) {
        const unsigned name = wide ? bit : order_16[bit];
        for (const auto& [of, value] : list) {
            if (of != name) continue;
            mask |= 1u << bit;
            put(values, value, wide ? 4 : 2);
        }
    }
    Bytes body;
    put(body, mask, wide ? 4 : 2);
    append(body, values);
    return chunk(tag, body);
}
inline Bytes memory(const MemoryList& list) {
    Bytes body;
    put(body, list.size(), 4);
    for (const auto& [address, byte] : list) {
        put(body, address, 4);
        put(body, byte, 1);
    }
    return chunk("RAM ", body);
}
/// A length and as many bytes.
inline Bytes counted(const char* tag, const Bytes& bytes) {
    Bytes body;
    put(body, bytes.size(), 4);
    append(body, bytes);
    return chunk(tag, body);
}

/// A case at 1000:0100 with the stack at 2000:1000; what `initial` and `memory` add or change.
struct Written {
    bool wide = false;
    Bytes code;
    RegisterList initial, final;
    MemoryList memory, final_memory;
    std::optional<moo::ExceptionTaken> exception;
    bool shutdown = false;
    RegisterList mask; ///< RMSK or RM32 in the final state
    Bytes more;        ///< further chunks

    /// A CYCL chunk in `more` with one cycle: pins, address, bus status.
    Written& cycle(u8 pins_0, u32 address, u8 pins_1, u8 bus_status) {
        Bytes body;
        put(body, 1, 4);
        put(body, pins_0, 1);
        put(body, address, 4);
        append(body, {0, 0, 0, pins_1, 0, 0, bus_status, 1, 0, 0});
        append(more, chunk("CYCL", body));
        return *this;
    }

    static constexpr u32 code_at = 0x10100, stack_at = 0x20000, data_at = 0x30000, extra_at = 0x40000;

    /// Puts a vector and a HLT at its handler, 0050:0010.
    Written& handler(u8 vector) {
        const u8 entry[] = {0x10, 0x00, 0x50, 0x00};
        for (u32 i = 0; i < 4; ++i) memory.emplace_back(vector * 4u + i, entry[i]);
        memory.emplace_back(0x510, 0xF4);
        return *this;
    }

    RegisterList whole_initial() const {
        RegisterList list = {{reg::eax, 0},     {reg::ebx, 0},     {reg::ecx, 0},     {reg::edx, 0},
                             {reg::esi, 0},     {reg::edi, 0},     {reg::ebp, 0},     {reg::esp, 0x1000},
                             {reg::cs, 0x1000}, {reg::ds, 0x3000}, {reg::es, 0x4000}, {reg::ss, 0x2000},
                             {reg::eip, 0x100}, {reg::eflags, 2}};
        if (wide) {
            for (const auto& r : RegisterList{{reg::cr0, 0x7FFE'FFF0},
                                              {reg::cr3, 0},
                                              {reg::fs, 0x5000},
                                              {reg::gs, 0x6000},
                                              {reg::dr6, 0xFFFF'0FF0},
                                              {reg::dr7, 0}})
                list.push_back(r);
        }
        for (const auto& [name, value] : initial) {
            for (auto& [of, old] : list) {
                if (of == name) old = value;
            }
        }
        return list;
    }
    Bytes test_body(u32 index) const {
        const auto first = whole_initial();
        u32 cs = 0, ip = 0;
        for (const auto& [name, value] : first) {
            if (name == reg::cs) cs = value;
            if (name == reg::eip) ip = value;
        }
        MemoryList ram;
        for (u32 i = 0; i < code.size(); ++i) ram.emplace_back(cs * 16 + ip + i, code[i]);
        ram.insert(ram.end(), memory.begin(), memory.end());
        Bytes before = registers(wide ? "RG32" : "REGS", wide, first);
        append(before, moo_test::memory(ram));
        append(before, counted("QUEU", {}));
        Bytes after;
        if (shutdown) {
            Bytes body;
            put(body, wide ? 0x8000'0000 : 0x8000, wide ? 4 : 2);
            after = chunk(wide ? "RG32" : "REGS", body);
        } else {
            after = registers(wide ? "RG32" : "REGS", wide, final);
        }
        if (!mask.empty()) append(after, registers(wide ? "RM32" : "RMSK", wide, mask));
        append(after, moo_test::memory(final_memory));
        Bytes body;
        put(body, index, 4);
        append(body, chunk("GMET", Bytes(10, 0)));
        append(body, counted("NAME", {'c', 'a', 's', 'e'}));
        append(body, counted("BYTS", code));
        append(body, chunk("INIT", before));
        append(body, chunk("FINA", after));
        if (exception) {
            Bytes taken;
            put(taken, exception->number, 1);
            put(taken, exception->flags_address, 4);
            append(body, chunk("EXCP", taken));
        }
        append(body, chunk("HASH", Bytes(20, static_cast<u8>(0xA0 + index))));
        append(body, more);
        return body;
    }
};

inline Bytes header(const char* cpu, u32 tests, u8 major = 1, u8 minor = 1) {
    Bytes body = {major, minor, 0, 0};
    put(body, tests, 4);
    append(body, Bytes(cpu, cpu + 4));
    return chunk("MOO ", body);
}
/// `cpu`: four characters.
inline Bytes file(const char* cpu, const std::vector<Written>& cases, const Bytes& top = {}) {
    Bytes out = header(cpu, static_cast<u32>(cases.size()));
    append(out, chunk("META", Bytes(31, 0)));
    append(out, top);
    for (u32 i = 0; i < cases.size(); ++i) append(out, chunk("TEST", cases[i].test_body(i)));
    return out;
}

/// A folder of its own, gone at the end.
class Folder {
  public:
    Folder() {
        char name[] = "/tmp/glassbox-moo-XXXXXX";
        path_ = mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    std::string write(const std::string& name, const Bytes& data) const {
        const auto path = std::filesystem::path(path_) / name;
        std::filesystem::create_directories(path.parent_path());
        std::ofstream(path, std::ios::binary)
            .write(reinterpret_cast<const char*>(data.data()), static_cast<std::streamsize>(data.size()));
        return path.string();
    }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

} // namespace moo_test
