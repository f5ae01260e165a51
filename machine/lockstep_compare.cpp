#include "machine/lockstep_compare.hpp"

#include "cpu/state.hpp"
#include "machine/board.hpp"
#include "machine/snapshot.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>

namespace glassbox {

namespace {

constexpr std::size_t bytes_shown = 16;

using Values = std::vector<LockstepDifference::Value>;

void add(Values& values, std::string name, u64 value, unsigned digits) {
    values.push_back({std::move(name), 0, value, 0, digits});
}

void add_segment(Values& values, const std::string& name, const Segment& s) {
    add(values, name, s.selector, 4);
    add(values, name + ".base", s.base, 8);
    add(values, name + ".limit", s.limit, 8);
    add(values, name + ".access", s.access, 5);
}

void add_fpu(Values& values, const FpuState& fpu) {
    for (unsigned i = 0; i < 8; ++i) {
        add(values, "r" + std::to_string(i) + ".significand", fpu.registers[i].significand, 16);
        add(values, "r" + std::to_string(i) + ".exponent", fpu.registers[i].sign_exponent, 4);
    }
    add(values, "fcw", fpu.control, 4);
    add(values, "fsw", fpu.status_word(), 4);
    add(values, "fpu.empty", fpu.valid, 2);
    add(values, "fip", fpu.instruction_pointer, 8);
    add(values, "fdp", fpu.data_pointer, 8);
    add(values, "fop", fpu.opcode, 3);
}

/// The named parts of a state, in order (Archive::chunk); what is left when the form is not theirs has no name.
std::map<std::string, std::vector<u8>> parts_of(const std::vector<u8>& state) {
    std::map<std::string, std::vector<u8>> parts;
    std::size_t at = 0;
    const auto number = [&](std::size_t place, std::size_t width) {
        u64 value = 0;
        std::memcpy(&value, state.data() + place, width);
        return value;
    };
    while (at + 8 <= state.size()) {
        const u64 name = number(at, 8);
        if (name > 64 || at + 16 + name > state.size()) break;
        const u64 body = at + 16 + name, length = number(body - 4, 4);
        if (body + length > state.size()) break;
        const auto* text = reinterpret_cast<const char*>(state.data() + at + 8);
        const auto from = state.begin() + static_cast<std::ptrdiff_t>(body);
        parts[std::string(text, name)].assign(from, from + static_cast<std::ptrdiff_t>(length));
        at = body + length;
    }
    if (at < state.size()) parts["?"].assign(state.begin() + static_cast<std::ptrdiff_t>(at), state.end());
    return parts;
}

void compare_memory(std::span<const u8> one, std::span<const u8> other, const MemoryLayout& layout,
                    LockstepDifference& found) {
    const auto physical = [&](u64 at) { return at < layout.low_end ? at : at - layout.low_end + four_gib; };
    const u64 size = std::min(one.size(), other.size());
    for (u64 page = 0; page < size; page += page_size) {
        const u64 length = std::min<u64>(page_size, size - page);
        if (std::memcmp(one.data() + page, other.data() + page, length) == 0) continue;
        for (u64 at = page; at < page + length; ++at) {
            if (one[at] == other[at]) continue;
            if (found.memory_bytes++ < bytes_shown) found.memory.push_back({physical(at), one[at], other[at]});
        }
    }
}

void add_msrs(Values& values, const Msrs& m) {
    add(values, "efer", m.efer, 8);
    add(values, "star", m.star, 16);
    add(values, "lstar", m.lstar, 16);
    add(values, "cstar", m.cstar, 16);
    add(values, "fmask", m.fmask, 16);
    add(values, "kernel_gs_base", m.kernel_gs_base, 16);
    add(values, "tsc_aux", m.tsc_aux, 8);
}

} // namespace

Values processor_values(const Cpu& cpu) {
    static constexpr std::array general = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
                                           "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    static constexpr std::array segments = {"es", "cs", "ss", "ds", "fs", "gs"};
    Values values;
    for (unsigned i = 0; i < 16; ++i) add(values, general[i], cpu.gpr[i], 16);
    add(values, "rip", cpu.ip, 16);
    add(values, "eflags", cpu.full_eflags(), 8);
    for (unsigned i = 0; i < 6; ++i) add_segment(values, segments[i], cpu.seg[i]);
    add_segment(values, "ldtr", cpu.ldtr);
    add_segment(values, "tr", cpu.tr);
    add(values, "cpl", cpu.cpl, 1);
    add(values, "cr0", cpu.cr0, 8);
    add(values, "cr2", cpu.cr2, 16);
    add(values, "cr3", cpu.cr3, 16);
    add(values, "cr4", cpu.cr4, 8);
    for (unsigned i = 0; i < 8; ++i) add(values, "dr" + std::to_string(i), cpu.dr[i], 16);
    add(values, "gdtr.base", cpu.gdtr.base, 16);
    add(values, "gdtr.limit", cpu.gdtr.limit, 4);
    add(values, "idtr.base", cpu.idtr.base, 16);
    add(values, "idtr.limit", cpu.idtr.limit, 4);
    add(values, "halted", cpu.halted, 1);
    add(values, "shutdown", cpu.shutdown, 1);
    add(values, "interrupt shadow", cpu.shadow, 1);
    add(values, "intr", cpu.intr, 1);
    add(values, "pending debug traps", cpu.pending_debug, 8);
    add_fpu(values, cpu.fpu);
    for (unsigned i = 0; i < 16; ++i) {
        add(values, "xmm" + std::to_string(i), cpu.sse.xmm(i).q[0], 16);
        add(values, "xmm" + std::to_string(i) + ".high", cpu.sse.xmm(i).q[1], 16);
        for (unsigned q = 0; q < 2; ++q)
            add(values, "ymm" + std::to_string(i) + ".high" + std::to_string(q), cpu.sse.ymm_high(i).q[q], 16);
    }
    add(values, "mxcsr", cpu.sse.mxcsr, 8);
    add(values, "xcr0", cpu.xcr0, 16);
    add(values, "pkru", cpu.pkru, 8);
    add_msrs(values, cpu.msrs);
    return values;
}

Values processor_values(Machine& machine) {
    if (machine.processors() == 1) return processor_values(machine.cpu());
    Values all;
    for (unsigned i = 0; i < machine.processors(); ++i) {
        for (auto& value : processor_values(machine.cpu(i))) {
            value.name = "cpu" + std::to_string(i) + "." + value.name;
            all.push_back(std::move(value));
        }
    }
    return all;
}

void compare_machines(Machine& one, Machine& other, LockstepDifference& found) {
    Values left = processor_values(one), right = processor_values(other);
    add(left, "instructions", one.instructions(), 1);
    add(right, "instructions", other.instructions(), 1);
    add(left, "time (ps)", one.now(), 1);
    add(right, "time (ps)", other.now(), 1);
    for (std::size_t i = 0; i < left.size(); ++i) {
        if (left[i].first == right[i].first) continue;
        found.values.push_back({left[i].name, 0, left[i].first, right[i].first, left[i].digits});
    }
    const auto parts = parts_of(machine_state(one.board())), others = parts_of(machine_state(other.board()));
    for (const auto& [name, bytes] : parts) {
        const auto same = others.find(name);
        if (same != others.end() && same->second == bytes) continue;
        if (!name.starts_with("cpu") || found.values.empty()) found.parts.push_back(name);
    }
    compare_memory(one.board().memory.ram(), other.board().memory.ram(), one.board().layout, found);
}

} // namespace glassbox
