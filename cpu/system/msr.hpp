// The groups of model-specific registers, for cpu/system/msr.cpp.
#pragma once

#include "cpu/system/system.hpp"

namespace glassbox::msr {

enum class Answer : u8 {
    unknown, ///< not of this group or not of this model
    done,
    refused ///< the value is invalid, or the register read-only or write-only
};

inline bool is_p4(const Cpu& cpu) { return cpu.model->intel() && cpu.model->family() == 15; }
inline bool is_p6(const Cpu& cpu) { return cpu.has(Feature::i686) && cpu.model->intel() && !is_p4(cpu); }

/// Canonical for the widest addresses that the model has, whatever CR4.LA57 says: for MSRs, the bases of descriptor
/// tables, LDTs, TSSs, FS and GS, and INVPCID (SDM 3A 4.5.2).
inline bool canonical(const Cpu& cpu, u64 address) {
    const unsigned shift = cpu.has(Feature::la57) ? 64 - 57 : 64 - 48;
    return static_cast<u64>(static_cast<i64>(address << shift) >> shift) == address;
}

/// MTRRs and PAT (msr_memory.cpp).
Answer read_memory_type(Cpu& cpu, u32 index, u64& value);
Answer write_memory_type(Cpu& cpu, u32 index, u64 value);
/// EFER, SYSCALL, SYSENTER, the bases of FS and GS, TSC, XSS, speculation (msr_architectural.cpp).
Answer read_architectural(Cpu& cpu, u32 index, u64& value);
Answer write_architectural(Cpu& cpu, u32 index, u64 value);
/// Machine check, performance counters, debugging, and what drivers of Intel's processors read (msr_intel.cpp).
Answer read_intel(Cpu& cpu, u32 index, u64& value);
Answer write_intel(Cpu& cpu, u32 index, u64 value);
/// AMD's configuration registers (msr_amd.cpp).
Answer read_amd(Cpu& cpu, u32 index, u64& value);
Answer write_amd(Cpu& cpu, u32 index, u64 value);

} // namespace glassbox::msr
