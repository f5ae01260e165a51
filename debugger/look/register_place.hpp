// The names of the registers and where each is kept: one table for reading, writing, listing and completion.
#pragma once

#include "cpu/state.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace glassbox::look {

enum class RegisterKind : u8 {
    general, ///< `index` is the byte offset in Cpu::gpr
    ip,
    eflags,
    flag, ///< `index` is the lowest bit
    segment,
    segment_base,
    segment_limit,
    segment_access, ///< ES CS SS DS FS GS, 6: LDTR, 7: TR
    cr,
    xcr0,
    dr,
    table_base,
    table_limit, ///< 0: GDTR, 1: IDTR
    st,
    st_exponent, ///< ST(i)'s significand; sign and exponent
    mmx,
    vector, ///< `index`: register * 4 + quadword
    mxcsr,
    fcw,
    fsw,
    ftw,
    cpl,
    pkru,
    msr, ///< `index` is the MSR's number
};

struct RegisterPlace {
    RegisterKind kind = RegisterKind::general;
    u32 index = 0;
    unsigned bits = 64;
};

struct NamedRegister {
    std::string name;
    RegisterPlace place;
    Feature needs = Feature::i8086;
};
/// All of them, in the order of the manual, whatever the model.
std::span<const NamedRegister> all_registers();
/// What it holds, not cut to `place.bits`; nothing where the model has no such MSR.
std::optional<u64> read_place(const Cpu& cpu, const RegisterPlace& place);
/// Nothing when the SDM has no register of that name. Case does not count.
std::optional<RegisterPlace> find_register(std::string_view name);
/// In the order of the manual, those of this processor's model.
std::vector<std::string> list_registers(const Cpu& cpu);
/// A flag of EFLAGS by its short name.
struct FlagName {
    std::string_view name; ///< "cf"
    unsigned bit;
    unsigned bits;
    std::string_view words; ///< "carry"
};
std::span<const FlagName> flag_names();

} // namespace glassbox::look
