// Memory-type range registers and the page attribute table (SDM 3A 11.11, 11.12). Memory types are stored and read
// back; caches are not modelled.
#include "cpu/system/msr.hpp"

#include <optional>

namespace glassbox::msr {

namespace {

constexpr u32 cap = 0xFE, first_variable = 0x200, last_variable = 0x20F, def_type = 0x2FF, pat_index = 0x277;
constexpr u64 cap_value = 0x508; // eight variable ranges, fixed ranges, write combining

bool valid_type(u64 type) { return type == 0 || type == 1 || type == 4 || type == 5 || type == 6; }

bool valid_pat(u64 value) {
    for (unsigned i = 0; i < 8; ++i) {
        const u64 type = value >> (8 * i) & 0xFF;
        if (!valid_type(type) && type != 7) return false;
    }
    return true;
}
bool valid_fixed(u64 value) {
    for (unsigned i = 0; i < 8; ++i) {
        if (!valid_type(value >> (8 * i) & 0xFF)) return false;
    }
    return true;
}
bool valid_variable(const Cpu& cpu, u32 n, u64 value) {
    if ((value >> cpu.model->physical_bits) != 0) return false;
    if ((n & 1) != 0) return (value & 0x7FF) == 0;           // PHYSMASK: V is bit 11
    return (value & 0xF00) == 0 && valid_type(value & 0xFF); // PHYSBASE
}

/// Fixed-range MTRRs have scattered numbers.
std::optional<unsigned> fixed_range(u32 index) {
    if (index == 0x250) return 0;
    if (index == 0x258 || index == 0x259) return 1 + (index - 0x258);
    if (index >= 0x268 && index <= 0x26F) return 3 + (index - 0x268);
    return std::nullopt;
}

Answer store(u64& place, u64 value, bool valid) {
    if (!valid) return Answer::refused;
    place = value;
    return Answer::done;
}

} // namespace

Answer read_memory_type(Cpu& cpu, u32 index, u64& value) {
    const Msrs& m = cpu.msrs;
    if (index == pat_index && cpu.has(Feature::pat)) {
        value = m.pat;
        return Answer::done;
    }
    if (!cpu.has(Feature::mtrr)) return Answer::unknown;
    if (index == cap) {
        value = cap_value;
    } else if (index >= first_variable && index <= last_variable) {
        value = m.mtrr_variable[index - first_variable];
    } else if (const auto n = fixed_range(index)) {
        value = m.mtrr_fixed[*n];
    } else if (index == def_type) {
        value = m.mtrr_def_type;
    } else {
        return Answer::unknown;
    }
    return Answer::done;
}

Answer write_memory_type(Cpu& cpu, u32 index, u64 value) {
    Msrs& m = cpu.msrs;
    if (index == pat_index && cpu.has(Feature::pat)) return store(m.pat, value, valid_pat(value));
    if (!cpu.has(Feature::mtrr)) return Answer::unknown;
    if (index == cap) return Answer::refused;
    if (index >= first_variable && index <= last_variable) {
        const u32 n = index - first_variable;
        return store(m.mtrr_variable[n], value, valid_variable(cpu, n, value));
    }
    if (const auto n = fixed_range(index)) return store(m.mtrr_fixed[*n], value, valid_fixed(value));
    if (index == def_type) return store(m.mtrr_def_type, value, (value & ~u64{0xCFF}) == 0 && valid_type(value & 0xFF));
    return Answer::unknown;
}

} // namespace glassbox::msr
