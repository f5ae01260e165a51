// Rows of system instructions: control, debug and table registers, MSRs, CPUID, HLT, flags with privilege, and the
// opcodes that are reserved as undefined or as NOPs (SDM 2, appendix A).
#include "cpu/exec.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/system/control.hpp"

namespace glassbox::families {

namespace {

using namespace control;
using enum Arg;
using enum Feature;
using eflags::OSZAPC;
using eflags::ZF;

constexpr OpInfo mov{"mov"}, lgdt_info{"lgdt"}, lidt_info{"lidt"}, sgdt_info{"sgdt"}, sidt_info{"sidt"};
constexpr OpInfo loadall_info{"loadall", OSZAPC}, smsw_info{"smsw"}, lmsw_info{"lmsw"}, clts_info{"clts"},
    invlpg_info{"invlpg"};
constexpr OpInfo sldt_info{"sldt"}, str_info{"str"}, lldt_info{"lldt"}, ltr_info{"ltr"};
constexpr OpInfo lar_info{"lar", ZF}, lsl_info{"lsl", ZF}, verr_info{"verr", ZF}, verw_info{"verw", ZF};
constexpr OpInfo arpl_info{"arpl", ZF}, invd_info{"invd"}, wbinvd_info{"wbinvd"}, hlt_info{"hlt"};
constexpr OpInfo cli_info{"cli"}, sti_info{"sti"}, pushf_info{"pushf", 0, 0, OSZAPC}, popf_info{"popf", OSZAPC};
constexpr OpInfo cpuid_info{"cpuid"}, rdtsc_info{"rdtsc"}, rdpmc_info{"rdpmc"}, rdmsr_info{"rdmsr"};
constexpr OpInfo wrmsr_info{"wrmsr"}, rsm_info{"rsm"}, ud0_info{"ud0"}, ud1_info{"ud1"}, ud2_info{"ud2"};
constexpr OpInfo nop_info{"nop"}, prefetch_info{"prefetch"}, prefetchw_info{"prefetchw"};

struct Nop {
    static void run(Cpu&, const Op&, Flags&) {}
};
/// Hints name memory and do not touch it. A P6 without SSE takes PREFETCHh as the reserved NOP that it was.
Handler select_nop(const Insn&, Op&) { return &handler<Nop>; }
consteval Row hint(const OpInfo& info, At place, Arg arg, Feature feature) {
    return {place, {arg}, &info, &select_nop, 0, feature};
}

/// CR1 and CR5 to CR7 are no registers: #UD (SDM 2B, MOV to and from control registers). CR4 came with the 486, CR8
/// with 64-bit mode: it is CR0's row with REX.R.
constexpr u32 control_attributes = attr::may_fault | attr::opsize_fixed;
template <int n> consteval Row from_control(Feature feature = i386) {
    return {at(0x0F20).digit(n), {Rn, Cy}, &mov, &select_cold<mov_from_cr, mov_from_cr, mov_from_cr, false>,
            control_attributes,  feature};
}
template <int n> consteval Row to_control(Feature feature = i386) {
    return {at(0x0F22).digit(n),
            {Cy, Rn},
            &mov,
            &select_cold<mov_to_cr, mov_to_cr, mov_to_cr, true>,
            control_attributes | attr::ends_block,
            feature};
}

constexpr u32 pm = attr::protected_only;

constexpr Row rows[] = {
    cold_row<sldt_register<2>, sldt_register<4>>(sldt_info, at(0x0F00).digit(0).reg(), {Ev}, pm, i286),
    cold_row<sldt_memory>(sldt_info, at(0x0F00).digit(0).mem(), {Mw}, pm, i286),
    cold_row<str_register<2>, str_register<4>>(str_info, at(0x0F00).digit(1).reg(), {Ev}, pm, i286),
    cold_row<str_memory>(str_info, at(0x0F00).digit(1).mem(), {Mw}, pm, i286),
    cold_row<lldt_register>(lldt_info, at(0x0F00).digit(2).reg(), {Ew}, pm, i286),
    cold_row<lldt_memory>(lldt_info, at(0x0F00).digit(2).mem(), {Mw}, pm, i286),
    cold_row<ltr_register>(ltr_info, at(0x0F00).digit(3).reg(), {Ew}, pm, i286),
    cold_row<ltr_memory>(ltr_info, at(0x0F00).digit(3).mem(), {Mw}, pm, i286),
    cold_row<verr_register>(verr_info, at(0x0F00).digit(4).reg(), {Ew}, pm, i286),
    cold_row<verr_memory>(verr_info, at(0x0F00).digit(4).mem(), {Mw}, pm, i286),
    cold_row<verw_register>(verw_info, at(0x0F00).digit(5).reg(), {Ew}, pm, i286),
    cold_row<verw_memory>(verw_info, at(0x0F00).digit(5).mem(), {Mw}, pm, i286),

    cold_row<sgdt>(sgdt_info, at(0x0F01).digit(0).mem(), {M}, attr::force64, i286),
    cold_row<sidt>(sidt_info, at(0x0F01).digit(1).mem(), {M}, attr::force64, i286),
    cold_row<lgdt<2>, lgdt<4>, lgdt<8>>(lgdt_info, at(0x0F01).digit(2).mem(), {M}, attr::force64, i286),
    cold_row<lidt<2>, lidt<4>, lidt<8>>(lidt_info, at(0x0F01).digit(3).mem(), {M}, attr::force64, i286),
    cold_row<smsw_register<2>, smsw_register<4>, smsw_register<8>>(smsw_info, at(0x0F01).digit(4).reg(), {Ev}, 0, i286),
    cold_row<smsw_memory>(smsw_info, at(0x0F01).digit(4).mem(), {Mw}, 0, i286),
    cold_end_row<lmsw_register>(lmsw_info, at(0x0F01).digit(6).reg(), {Ew}, 0, i286),
    cold_end_row<lmsw_memory>(lmsw_info, at(0x0F01).digit(6).mem(), {Mw}, 0, i286),
    cold_end_row<invlpg>(invlpg_info, at(0x0F01).digit(7).mem(), {M}, 0, invlpg_),

    cold_row<lar_register<2>, lar_register<4>>(lar_info, at(0x0F02).reg(), {Gv, Ev}, pm, i286),
    cold_row<lar_memory<2>, lar_memory<4>>(lar_info, at(0x0F02).mem(), {Gv, Mw}, pm, i286),
    cold_row<lsl_register<2>, lsl_register<4>>(lsl_info, at(0x0F03).reg(), {Gv, Ez}, pm, i286),
    cold_row<lsl_memory<2>, lsl_memory<4>>(lsl_info, at(0x0F03).mem(), {Gv, Mw}, pm, i286),
    cold_row<arpl_register>(arpl_info, at(0x63).reg(), {Ew, Gw}, pm | attr::not_in_64, i286),
    cold_row<arpl_memory>(arpl_info, at(0x63).mem(), {Mw, Gw}, pm | attr::not_in_64, i286),

    cold_end_row<loadall_286>(loadall_info, at(0x0F05), {}, attr::undocumented, only_286),
    cold_end_row<clts>(clts_info, at(0x0F06), {}, 0, i286),
    cold_row<cache_control>(invd_info, at(0x0F08), {}, 0, i486),
    cold_row<cache_control>(wbinvd_info, at(0x0F09), {}, 0, bios486),
    cold_row<undefined>(ud2_info, at(0x0F0B), {}, 0, ud_opcodes),
    cold_row<undefined>(ud1_info, at(0x0FB9), {Gd, Ed}, 0, ud_opcodes),
    cold_row<undefined>(ud0_info, at(0x0FFF), {Gd, Ed}, 0, ud_opcodes),
    cold_row<undefined>(rsm_info, at(0x0FAA), {}, 0, i586),

    from_control<0>(),
    from_control<2>(),
    from_control<3>(),
    from_control<4>(i486),
    cold_row<mov_from_dr>(mov, at(0x0F21), {Rn, Dy}, attr::opsize_fixed, i386),
    to_control<0>(),
    to_control<2>(),
    to_control<3>(),
    to_control<4>(i486),
    cold_end_row<mov_to_dr>(mov, at(0x0F23), {Dy, Rn}, attr::opsize_fixed, i386),

    cold_end_row<wrmsr>(wrmsr_info, at(0x0F30), {}, 0, msr),
    cold_row<rdtsc>(rdtsc_info, at(0x0F31), {}, 0, tsc),
    cold_row<rdmsr>(rdmsr_info, at(0x0F32), {}, 0, msr),
    cold_row<control::rdpmc>(rdpmc_info, at(0x0F33), {}, 0, Feature::rdpmc),
    cold_row<control::cpuid>(cpuid_info, at(0x0FA2), {}, 0, Feature::cpuid),

    cold_row<pushf<2>, pushf<4>, pushf<8>>(pushf_info, at(0x9C), {F}, attr::default64),
    cold_end_row<popf<2>, popf<4>, popf<8>>(popf_info, at(0x9D), {F}, attr::default64),
    cold_end_row<hlt>(hlt_info, at(0xF4)),
    cold_row<cli>(cli_info, at(0xFA)),
    cold_end_row<sti>(sti_info, at(0xFB)),

    hint(prefetchw_info, at(0x0F0D).digit(1).mem(), M, prefetchw),
    hint(prefetch_info, at(0x0F0D).mem(), M, prefetchw),
    hint(nop_info, at(0x0F0D).reg(), Ev, prefetchw),
    hint(prefetch_info, at(0x0F18).digit(0).mem(), M, nopl),
    hint(prefetch_info, at(0x0F18).digit(1).mem(), M, nopl),
    hint(prefetch_info, at(0x0F18).digit(2).mem(), M, nopl),
    hint(prefetch_info, at(0x0F18).digit(3).mem(), M, nopl),
    hint(nop_info, at(0x0F18), Ev, nopl),
    hint(nop_info, at(0x0F19), Ev, nopl),
    hint(nop_info, at(0x0F1A), Ev, nopl),
    hint(nop_info, at(0x0F1B), Ev, nopl),
    hint(nop_info, at(0x0F1C), Ev, nopl),
    hint(nop_info, at(0x0F1D), Ev, nopl),
    hint(nop_info, at(0x0F1E), Ev, nopl),
    hint(nop_info, at(0x0F1F), Ev, nopl),
};

} // namespace

std::span<const Row> system() { return rows; }

} // namespace glassbox::families
