// Rows of far transfers, interrupts and segment loads (SDM 2, appendix A).
#include "cpu/exec.hpp"
#include "cpu/ops/families.hpp"
#include "cpu/system/transfer.hpp"

namespace glassbox::families {

namespace {

using namespace transfer;
using enum Arg;
using enum Feature;
using eflags::OSZAPC;

constexpr OpInfo jmp{"jmp"}, call{"call"}, retf{"retf"}, mov{"mov"}, push{"push"}, pop{"pop"};
constexpr OpInfo les{"les"}, lds{"lds"}, lss{"lss"}, lfs{"lfs"}, lgs{"lgs"};
constexpr OpInfo iret_info{"iret", OSZAPC}, int_info{"int", 0, 0, OSZAPC}, int3_info{"int3", 0, 0, OSZAPC};
constexpr OpInfo into_info{"into", 0, 0, OSZAPC}, int1_info{"int1", 0, 0, OSZAPC}, bound_info{"bound"};
constexpr OpInfo sysenter_info{"sysenter"}, sysexit_info{"sysexit"};
constexpr OpInfo syscall_info{"syscall", OSZAPC, 0, OSZAPC}, sysret_info{"sysret", OSZAPC}, swapgs_info{"swapgs"};
constexpr OpInfo rdfsbase{"rdfsbase"}, rdgsbase{"rdgsbase"}, wrfsbase{"wrfsbase"}, wrgsbase{"wrgsbase"};

template <unsigned name> consteval Row push_row(u32 opcode, Arg arg) {
    return cold_row<push_segment<name, 2>, push_segment<name, 4>>(push, at(opcode), {arg}, attr::not_in_64);
}
template <unsigned name> consteval Row pop_row(u32 opcode, Arg arg) {
    return cold_end_row<pop_segment<name, 2>, pop_segment<name, 4>>(pop, at(opcode), {arg}, attr::not_in_64);
}
/// PUSH and POP of FS and GS, which 64-bit mode has too.
template <unsigned name> consteval Row push64_row(u32 opcode, Arg arg) {
    return cold_row<push_segment<name, 2>, push_segment<name, 4>, push_segment<name, 8>>(push, at(opcode), {arg},
                                                                                         attr::default64, i386);
}
template <unsigned name> consteval Row pop64_row(u32 opcode, Arg arg) {
    return cold_end_row<pop_segment<name, 2>, pop_segment<name, 4>, pop_segment<name, 8>>(pop, at(opcode), {arg},
                                                                                          attr::default64, i386);
}
/// LES and LDS: in 64-bit mode their opcodes are VEX prefixes.
template <unsigned name> consteval Row pointer_row(const OpInfo& info, u32 opcode) {
    return cold_end_row<load_far_pointer<name, 2>, load_far_pointer<name, 4>>(info, at(opcode).mem(), {Gv, Mp},
                                                                              attr::not_in_64);
}
template <unsigned name> consteval Row pointer64_row(const OpInfo& info, u32 opcode) {
    return cold_end_row<load_far_pointer<name, 2>, load_far_pointer<name, 4>, load_far_pointer<name, 8>>(
        info, at(opcode).mem(), {Gv, Mp}, 0, i386);
}
/// A function that looks at registers alone: unlike a cold one it costs no search for its own address.
template <ColdFunction fn> struct RegistersOnly {
    static bool run(Cpu& cpu, const Op& op, Flags&) { return fn(cpu, op); }
};
template <ColdFunction fn32, ColdFunction fn64> Handler select_registers_only(const Insn& insn, Op& op) {
    op.base = static_cast<u8>(8 * insn.rm_number());
    return insn.opsize == 8 ? &handler<RegistersOnly<fn64>> : &handler<RegistersOnly<fn32>>;
}
/// Access to the base of FS or GS.
template <ColdFunction fn32, ColdFunction fn64> consteval Row base_row(const OpInfo& info, int digit) {
    return {at(0x0FAE).digit(digit).reg().pF3(),
            {Ry},
            &info,
            &select_registers_only<fn32, fn64>,
            attr::only_64 | attr::opsize_fixed | attr::may_fault,
            fsgsbase};
}

template <int n> consteval Row mov_from_row(Feature f = i8086) {
    return cold_row<mov_from_segment_register<2>, mov_from_segment_register<4>>(mov, at(0x8C).digit(n).reg(), {Ev, Sw},
                                                                                0, f);
}
template <int n> consteval Row mov_from_memory_row(Feature f = i8086) {
    return cold_row<mov_from_segment_memory>(mov, at(0x8C).digit(n).mem(), {Mw, Sw}, 0, f);
}
template <int n> consteval Row mov_to_row(Feature f = i8086) {
    return cold_end_row<mov_to_segment_register>(mov, at(0x8E).digit(n).reg(), {Sw, Ew}, 0, f);
}
template <int n> consteval Row mov_to_memory_row(Feature f = i8086) {
    return cold_end_row<mov_to_segment_memory>(mov, at(0x8E).digit(n).mem(), {Sw, Mw}, 0, f);
}

constexpr Row rows[] = {
    cold_end_row<jmp_far_immediate<2>, jmp_far_immediate<4>>(jmp, at(0xEA), {Ap}, attr::not_in_64),
    cold_end_row<jmp_far_memory<2>, jmp_far_memory<4>, jmp_far_memory<8>>(jmp, at(0xFF).digit(5).mem(), {Mp}),
    cold_end_row<call_far_immediate<2>, call_far_immediate<4>>(call, at(0x9A), {Ap}, attr::not_in_64),
    cold_end_row<call_far_memory<2>, call_far_memory<4>, call_far_memory<8>>(call, at(0xFF).digit(3).mem(), {Mp}),
    cold_end_row<ret_far_immediate<2>, ret_far_immediate<4>, ret_far_immediate<8>>(retf, at(0xCA), {Iw}),
    cold_end_row<ret_far<2>, ret_far<4>, ret_far<8>>(retf, at(0xCB)),
    cold_end_row<ret_far_immediate<2>>(retf, at(0xC8), {Iw}, attr::undocumented, only_8086), // as CA
    cold_end_row<ret_far<2>>(retf, at(0xC9), {}, attr::undocumented, only_8086),             // as CB
    cold_end_row<far_through_register>(jmp, at(0xFF).digit(5).reg(), {Ev}, attr::undocumented, only_8086),
    cold_end_row<far_through_register>(call, at(0xFF).digit(3).reg(), {Ev}, attr::undocumented, only_8086),
    cold_end_row<far_through_register>(jmp, at(0xFE).digit(5).reg(), {Ev}, attr::undocumented, only_8086),
    cold_end_row<far_through_register>(call, at(0xFE).digit(3).reg(), {Ev}, attr::undocumented, only_8086),
    cold_end_row<jmp_far_memory<2>>(jmp, at(0xFE).digit(5).mem(), {Mp}, attr::undocumented, only_8086),
    cold_end_row<call_far_memory<2>>(call, at(0xFE).digit(3).mem(), {Mp}, attr::undocumented, only_8086),
    cold_end_row<int3>(int3_info, at(0xCC)),
    cold_end_row<int_n>(int_info, at(0xCD), {Ib}),
    cold_end_row<into>(into_info, at(0xCE), {}, attr::not_in_64),
    cold_end_row<iret<2>, iret<4>, iret<8>>(iret_info, at(0xCF)),
    cold_end_row<icebp>(int1_info, at(0xF1), {}, attr::undocumented, i386),
    cold_row<bound<2>, bound<4>>(bound_info, at(0x62).mem(), {Gv, Ma}, attr::not_in_64, i186),

    mov_from_row<0>(),
    mov_from_row<1>(),
    mov_from_row<2>(),
    mov_from_row<3>(),
    mov_from_row<4>(i386),
    mov_from_row<5>(i386),
    mov_from_memory_row<0>(),
    mov_from_memory_row<1>(),
    mov_from_memory_row<2>(),
    mov_from_memory_row<3>(),
    mov_from_memory_row<4>(i386),
    mov_from_memory_row<5>(i386),
    mov_to_row<0>(),
    mov_to_row<2>(),
    mov_to_row<3>(),
    mov_to_row<4>(i386),
    mov_to_row<5>(i386),
    mov_to_memory_row<0>(),
    mov_to_memory_row<2>(),
    mov_to_memory_row<3>(),
    mov_to_memory_row<4>(i386),
    mov_to_memory_row<5>(i386),
    // The 8086 looks at two bits of the register's number, and CS is one like the others.
    cold_row<mov_from_segment_register<2>>(mov, at(0x8C).reg(), {Ev, Sw}, attr::undocumented, only_8086),
    cold_row<mov_from_segment_memory>(mov, at(0x8C).mem(), {Mw, Sw}, attr::undocumented, only_8086),
    cold_end_row<mov_to_segment_register>(mov, at(0x8E).reg(), {Sw, Ew}, attr::undocumented, only_8086),
    cold_end_row<mov_to_segment_memory>(mov, at(0x8E).mem(), {Sw, Mw}, attr::undocumented, only_8086),
    cold_end_row<pop_cs>(pop, at(0x0F), {Arg::CS}, attr::undocumented, only_8086),
    cold_row<pointer_from_register>(les, at(0xC4).reg(), {Gv, Ev}, attr::undocumented, only_8086),
    cold_row<pointer_from_register>(lds, at(0xC5).reg(), {Gv, Ev}, attr::undocumented, only_8086),
    push_row<SegmentName::ES>(0x06, Arg::ES),
    pop_row<SegmentName::ES>(0x07, Arg::ES),
    push_row<SegmentName::CS>(0x0E, Arg::CS),
    push_row<SegmentName::SS>(0x16, Arg::SS),
    pop_row<SegmentName::SS>(0x17, Arg::SS),
    push_row<SegmentName::DS>(0x1E, Arg::DS),
    pop_row<SegmentName::DS>(0x1F, Arg::DS),
    push64_row<SegmentName::FS>(0x0FA0, Arg::FS),
    pop64_row<SegmentName::FS>(0x0FA1, Arg::FS),
    push64_row<SegmentName::GS>(0x0FA8, Arg::GS),
    pop64_row<SegmentName::GS>(0x0FA9, Arg::GS),
    pointer_row<SegmentName::ES>(les, 0xC4),
    pointer_row<SegmentName::DS>(lds, 0xC5),
    pointer64_row<SegmentName::SS>(lss, 0x0FB2),
    pointer64_row<SegmentName::FS>(lfs, 0x0FB4),
    pointer64_row<SegmentName::GS>(lgs, 0x0FB5),

    cold_end_row<sysenter>(sysenter_info, at(0x0F34), {}, 0, sep),
    cold_end_row<sysexit<4>, sysexit<4>, sysexit<8>>(sysexit_info, at(0x0F35), {}, 0, sep),
    cold_end_row<transfer::syscall>(syscall_info, at(0x0F05), {}, attr::opsize_fixed, Feature::syscall),
    cold_end_row<sysret<4>, sysret<4>, sysret<8>>(sysret_info, at(0x0F07), {}, attr::protected_only, Feature::syscall),
    {at(0x0F01).digit(7).rm(0),
     {},
     &swapgs_info,
     &select_registers_only<swapgs, swapgs>,
     attr::only_64 | attr::may_fault,
     long_mode},
    base_row<read_base<SegmentName::FS, 4>, read_base<SegmentName::FS, 8>>(rdfsbase, 0),
    base_row<read_base<SegmentName::GS, 4>, read_base<SegmentName::GS, 8>>(rdgsbase, 1),
    base_row<write_base<SegmentName::FS, 4>, write_base<SegmentName::FS, 8>>(wrfsbase, 2),
    base_row<write_base<SegmentName::GS, 4>, write_base<SegmentName::GS, 8>>(wrgsbase, 3),
};

} // namespace

std::span<const Row> transfer() { return rows; }

} // namespace glassbox::families
