// CLC, STC, CMC, CLD, STD, LAHF, SAHF (SDM 2). CLI, STI, PUSHF and POPF belong to the system side.
#include "cpu/operands.hpp"
#include "cpu/ops/families.hpp"

namespace glassbox {

namespace {

using namespace eflags;

constexpr u32 low_flags = eflags::SF | eflags::ZF | eflags::AF | eflags::PF | eflags::CF;
constexpr OpInfo clc_info{"clc", eflags::CF}, stc_info{"stc", eflags::CF}, cmc_info{"cmc", eflags::CF, 0, eflags::CF},
    cld_info{"cld"}, std_info{"std"}, lahf_info{"lahf", 0, 0, low_flags}, sahf_info{"sahf", low_flags};

struct Clc {
    static void run(Cpu&, const Op&, Flags& f) { f.set_cf(false); }
};
struct Stc {
    static void run(Cpu&, const Op&, Flags& f) { f.set_cf(true); }
};
struct Cmc {
    static void run(Cpu&, const Op&, Flags& f) { f.set_cf(!f.cf()); }
};
struct Cld {
    static void run(Cpu& cpu, const Op&, Flags&) { cpu.eflags &= ~eflags::DF; }
};
struct Std {
    static void run(Cpu& cpu, const Op&, Flags&) { cpu.eflags |= eflags::DF; }
};
struct Lahf {
    static void run(Cpu& cpu, const Op&, Flags& f) {
        cpu.set_reg<u8>(8 * RAX + 1, static_cast<u8>((f.value() & low_flags) | 2));
    }
};
struct Sahf {
    static void run(Cpu& cpu, const Op&, Flags& f) { f.replace(low_flags, cpu.reg<u8>(8 * RAX + 1)); }
};
template <class Body> Handler select_body(const Insn&, Op&) { return &handler<Body>; }

constexpr Row rows[] = {
    {at(0xF8), {}, &clc_info, &select_body<Clc>},
    {at(0xF9), {}, &stc_info, &select_body<Stc>},
    {at(0xF5), {}, &cmc_info, &select_body<Cmc>},
    {at(0xFC), {}, &cld_info, &select_body<Cld>},
    {at(0xFD), {}, &std_info, &select_body<Std>},
    {at(0x9F), {}, &lahf_info, &select_body<Lahf>, attr::not_in_64},
    {at(0x9E), {}, &sahf_info, &select_body<Sahf>, attr::not_in_64},
    // The first processors with 64-bit mode had none there (SDM 2A, LAHF).
    {at(0x9F), {}, &lahf_info, &select_body<Lahf>, attr::only_64, Feature::lahf_lm},
    {at(0x9E), {}, &sahf_info, &select_body<Sahf>, attr::only_64, Feature::lahf_lm},
};

} // namespace

std::span<const Row> families::flagops() { return rows; }

} // namespace glassbox
