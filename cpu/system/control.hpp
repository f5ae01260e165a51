// Instructions that read and change the processor's own registers.
#pragma once

#include "cpu/block/op.hpp"
#include "cpu/system/system.hpp"

namespace glassbox::control {

bool mov_from_cr(Cpu& cpu, const Op& op);
bool mov_to_cr(Cpu& cpu, const Op& op);
bool mov_from_dr(Cpu& cpu, const Op& op);
bool mov_to_dr(Cpu& cpu, const Op& op);
bool lmsw_register(Cpu& cpu, const Op& op);
bool lmsw_memory(Cpu& cpu, const Op& op);
template <unsigned width> bool smsw_register(Cpu& cpu, const Op& op);
bool smsw_memory(Cpu& cpu, const Op& op);
bool clts(Cpu& cpu, const Op& op);
bool loadall_286(Cpu& cpu, const Op& op);
bool invlpg(Cpu& cpu, const Op& op);
bool invpcid(Cpu& cpu, const Op& op);
bool rdpkru(Cpu& cpu, const Op& op);
bool wrpkru(Cpu& cpu, const Op& op);
bool cache_control(Cpu& cpu, const Op& op); ///< INVD, WBINVD
bool hlt(Cpu& cpu, const Op& op);

template <unsigned width> bool lgdt(Cpu& cpu, const Op& op);
template <unsigned width> bool lidt(Cpu& cpu, const Op& op);
bool sgdt(Cpu& cpu, const Op& op);
bool sidt(Cpu& cpu, const Op& op);
bool lldt_register(Cpu& cpu, const Op& op);
bool lldt_memory(Cpu& cpu, const Op& op);
bool ltr_register(Cpu& cpu, const Op& op);
bool ltr_memory(Cpu& cpu, const Op& op);
template <unsigned width> bool sldt_register(Cpu& cpu, const Op& op);
bool sldt_memory(Cpu& cpu, const Op& op);
template <unsigned width> bool str_register(Cpu& cpu, const Op& op);
bool str_memory(Cpu& cpu, const Op& op);

template <unsigned width> bool lar_register(Cpu& cpu, const Op& op);
template <unsigned width> bool lar_memory(Cpu& cpu, const Op& op);
template <unsigned width> bool lsl_register(Cpu& cpu, const Op& op);
template <unsigned width> bool lsl_memory(Cpu& cpu, const Op& op);
bool verr_register(Cpu& cpu, const Op& op);
bool verr_memory(Cpu& cpu, const Op& op);
bool verw_register(Cpu& cpu, const Op& op);
bool verw_memory(Cpu& cpu, const Op& op);
bool arpl_register(Cpu& cpu, const Op& op);
bool arpl_memory(Cpu& cpu, const Op& op);

bool cli(Cpu& cpu, const Op& op);
bool sti(Cpu& cpu, const Op& op);
template <unsigned width> bool pushf(Cpu& cpu, const Op& op);
template <unsigned width> bool popf(Cpu& cpu, const Op& op);

bool cpuid(Cpu& cpu, const Op& op);
bool rdtsc(Cpu& cpu, const Op& op);
bool rdpmc(Cpu& cpu, const Op& op);
bool rdmsr(Cpu& cpu, const Op& op);
bool wrmsr(Cpu& cpu, const Op& op);

bool undefined(Cpu& cpu, const Op& op); ///< UD0, UD1, UD2, and RSM outside SMM
bool nop(Cpu& cpu, const Op& op);

} // namespace glassbox::control
