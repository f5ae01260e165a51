// The registers as gdb is told of them: one list that the target description, `g`, `p` and their like all follow.
// 32 bits: the layout of i386; 64 bits: that of x86-64, in which the other modes' registers read extended by zeros.
// Outside 64-bit mode the instruction and stack pointers are linear addresses, with their segments' bases applied,
// because gdb knows no segments: so $pc and $sp can be disassembled, examined and broken at.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace glassbox {
struct Cpu;
struct CpuModel;
} // namespace glassbox

namespace glassbox::gdb {

/// Which description gdb gets whenever it asks for one. `automatic`: x86_64 if the processor model has it, else as
/// `by_mode`: x86_64 in long mode, i386 for 32-bit code, i8086 for 16-bit code.
enum class Arch : u8 { automatic, i8086, i386, x86_64, by_mode };

struct Register {
    enum class Kind : u8 { general, ip, eflags, segment, st, fpu, xmm, mxcsr, ymm_high, named };
    std::string name;
    unsigned bits = 32;
    std::string type;  ///< of the target description
    std::string group; ///< "" or a group of the description
    Kind kind = Kind::named;
    unsigned index = 0;
    std::string source = {};  ///< named: as read_register calls it
    std::string feature = {}; ///< set for the first one of a feature
};

std::vector<Register> registers_of(Arch arch, const CpuModel& model);
/// bits / 8 bytes, little-endian.
std::string read(const Cpu& cpu, const Register& r);
Expected<> write(Cpu& cpu, const Register& r, std::string_view bytes);

/// target.xml.
std::string describe(Arch arch, const CpuModel& model);

/// The description for a processor as it stands.
Arch choose(Arch wanted, const Cpu& cpu);

} // namespace glassbox::gdb
