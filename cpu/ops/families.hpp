// The families that make up the instruction set; each is a file of this folder, cpu/fpu, cpu/sse or cpu/system.
#pragma once

#include "cpu/decode/row.hpp"

namespace glassbox::families {

std::span<const Row> alu();
std::span<const Row> move();
std::span<const Row> shift();
std::span<const Row> muldiv();
std::span<const Row> muldiv_early();
std::span<const Row> bit();
std::span<const Row> bcd();
std::span<const Row> bmi();    ///< POPCNT, LZCNT, TZCNT, BMI, ADX, MOVBE, CRC32
std::span<const Row> random(); ///< RDRAND, RDSEED
std::span<const Row> stack();
std::span<const Row> branch();
std::span<const Row> string();
std::span<const Row> io();
std::span<const Row> flagops();
std::span<const Row> system();   ///< control, debug and table registers, MSRs, CPUID, HLT …
std::span<const Row> hints();    ///< MONITOR, MWAIT, CLFLUSHOPT, CLWB, CLZERO, RDTSCP, RDPID, RDPRU, WBNOINVD
std::span<const Row> paging();   ///< CLAC, STAC, RDPKRU, WRPKRU, INVPCID
std::span<const Row> transfer(); ///< far JMP, CALL, RET, INT n, IRET, SYSENTER, segment loads
std::span<const Row> fpu();
std::span<const Row> mmx();
std::span<const Row> sse();
std::span<const Row> crypto(); ///< AES, PCLMULQDQ, SHA, GFNI
std::span<const Row> xsave();
std::span<const Row> now3d();

} // namespace glassbox::families
