// Registers by name, read and written, with what a change means for the hidden parts (SDM 3A 2.5, 3.4.3, 9.9; SDM 3B
// 17.2). Writes take the roads that instructions take wherever the processor checks a value; privilege does not count.
#include "cpu/sse/xsave_layout.hpp"
#include "cpu/system/transfer.hpp"
#include "debugger/bits.hpp"
#include "debugger/look/register_place.hpp"
#include "debugger/view.hpp"
#include "mmu/access.hpp"

#include <cstring>

namespace glassbox {

namespace {

using Kind = look::RegisterKind;

const Segment& segment_of(const Cpu& cpu, u32 index) {
    return index < 6 ? cpu.seg[index] : index == 6 ? cpu.ldtr : cpu.tr;
}
Segment& segment_of(Cpu& cpu, u32 index) { return const_cast<Segment&>(segment_of(std::as_const(cpu), index)); }

u64 read_cr(const Cpu& cpu, u32 number) {
    switch (number) {
    case 0: return cpu.cr0;
    case 2: return cpu.cr2;
    case 3: return cpu.cr3;
    case 4: return cpu.cr4;
    default: return cpu.interrupts.task_priority() >> 4;
    }
}

// --- writing ---------------------------------------------------------------------------------------------------------

/// What `change` raises becomes an error; the fault that the processor had is its again.
template <class F> Expected<> as_processor(Cpu& cpu, F&& change) {
    const Fault before = cpu.fault;
    const bool done = change();
    const std::string why = done ? "" : cpu.fault.why; // after a snapshot was loaded, the old one may say nothing
    cpu.fault = before;
    if (!done) return fail(why);
    return {};
}

void write_general(Cpu& cpu, const look::RegisterPlace& p, u64 value) {
    switch (p.bits) {
    case 8: cpu.set_reg<u8>(p.index, static_cast<u8>(value)); break;
    case 16: cpu.set_reg<u16>(p.index, static_cast<u16>(value)); break;
    case 32: cpu.set_reg<u32>(p.index, static_cast<u32>(value)); break;
    default: cpu.set_reg<u64>(p.index, value); break;
    }
}

Expected<> write_ip(Cpu& cpu, u64 value) {
    if (cpu.code64() ? !cpu.canonical(value) : value > 0xFFFF'FFFF)
        return fail(cpu.code64() ? "the address is not canonical" : "EIP has 32 bits");
    cpu.ip = cpu.next_ip = value;
    cpu.shadow = 0;
    return {};
}

/// EFLAGS.VM makes other segments of the same selectors, and CPL 3 (SDM 3B 20.2).
void enter_v86(Cpu& cpu) {
    for (Segment& s : cpu.seg) s = v86_segment(s.selector);
    cpu.cpl = 3;
}

Expected<> write_eflags(Cpu& cpu, u64 value) {
    const bool to_v86 = (value & eflags::VM) != 0 && !cpu.v86();
    if (to_v86 && (cpu.real_mode() || cpu.long_mode()))
        return fail("EFLAGS.VM needs CR0.PE, and there is no virtual-8086 mode in long mode");
    const bool from_v86 = (value & eflags::VM) == 0 && cpu.v86();
    cpu.set_full_eflags(static_cast<u32>(value));
    if (to_v86 && cpu.v86()) enter_v86(cpu);
    if (from_v86) {
        for (Segment& s : cpu.seg) s.update(false);
    }
    return {};
}

Expected<> write_control(Cpu& cpu, u32 number, u64 value) {
    switch (number) {
    case 0: {
        const auto done = as_processor(cpu, [&] { return write_cr0(cpu, value); });
        if (done && cpu.real_mode()) { // which knows no privilege
            cpu.cpl = 0;
            cpu.eflags &= ~eflags::VM;
            for (Segment& s : cpu.seg) s.update(true);
        }
        return done;
    }
    case 2: cpu.cr2 = value; return {};
    case 3: return as_processor(cpu, [&] { return write_cr3(cpu, value); });
    case 4: return as_processor(cpu, [&] { return write_cr4(cpu, value); });
    default:
        if (value > 15) return fail("CR8 has four bits");
        cpu.interrupts.set_task_priority(static_cast<u8>(value << 4));
        return {};
    }
}

Expected<> write_debug(Cpu& cpu, u32 number, u64 value) {
    if (number >= 6 && (value >> 32) != 0) return fail("reserved bit of DR6 or DR7");
    if (number == 6) value = (value & 0x0000'E00F) | 0xFFFF'0FF0;
    if (number == 7) value = (value & 0xFFFF'23FF) | 0x400;
    cpu.dr[number] = value;
    cpu.debug_registers_changed();
    return {};
}

Expected<> write_xcr0(Cpu& cpu, u64 value) {
    if (!xsave::valid_xcr0(cpu.model->features, value)) return fail("XCR0 cannot have that value");
    cpu.xcr0 = value;
    return {};
}

Expected<> write_place(Cpu& cpu, const look::RegisterPlace& p, u64 value) {
    switch (p.kind) {
    case Kind::general: write_general(cpu, p, value); return {};
    case Kind::ip: return write_ip(cpu, value);
    case Kind::eflags: return write_eflags(cpu, p.bits == 16 ? (cpu.full_eflags() & ~0xFFFFu) | value : value);
    case Kind::flag: {
        const u64 mask = ((u64{1} << p.bits) - 1) << p.index;
        return write_eflags(cpu, (cpu.full_eflags() & ~mask) | (value << p.index));
    }
    case Kind::segment: return write_selector(cpu, p.index, static_cast<u16>(value));
    case Kind::segment_base:
        if (cpu.long_mode() ? !canonical48(value) && !cpu.canonical(value) : value > 0xFFFF'FFFF)
            return fail(cpu.long_mode() ? "the base is not canonical" : "a base has 32 bits");
        segment_of(cpu, p.index).base = value;
        return {};
    case Kind::segment_limit: segment_of(cpu, p.index).limit = static_cast<u32>(value); break;
    case Kind::segment_access: segment_of(cpu, p.index).access = static_cast<u32>(value) & 0x1'F0FF; break;
    case Kind::cr: return write_control(cpu, p.index, value);
    case Kind::xcr0: return write_xcr0(cpu, value);
    case Kind::dr: return write_debug(cpu, p.index, value);
    case Kind::table_base: (p.index ? cpu.idtr : cpu.gdtr).base = value; return {};
    case Kind::table_limit: (p.index ? cpu.idtr : cpu.gdtr).limit = static_cast<u16>(value); return {};
    case Kind::st: cpu.fpu.set_st(p.index, {value, cpu.fpu.st(p.index).sign_exponent}); return {};
    case Kind::st_exponent:
        cpu.fpu.set_st(p.index, {cpu.fpu.st(p.index).significand, static_cast<u16>(value)});
        return {};
    case Kind::mmx: cpu.fpu.set_mmx(p.index, value); return {};
    case Kind::vector: cpu.sse.vector[p.index / 4].part[p.index % 4 / 2].q[p.index % 2] = value; return {};
    case Kind::mxcsr:
        if (value > 0xFFFF) return fail("MXCSR has reserved bits above 15");
        cpu.sse.mxcsr = static_cast<u32>(value);
        return {};
    case Kind::fcw: cpu.fpu.set_control(static_cast<u16>(value)); return {};
    case Kind::fsw: cpu.fpu.set_status_word(static_cast<u16>(value)); return {};
    case Kind::ftw: cpu.fpu.set_tag_word(static_cast<u16>(value)); return {};
    case Kind::cpl: return fail("the CPL follows from CS: write a selector of that level to cs");
    case Kind::pkru: write_pkru(cpu, static_cast<u32>(value)); return {};
    case Kind::msr: return as_processor(cpu, [&] { return write_msr(cpu, p.index, value); });
    }
    segment_of(cpu, p.index).update(!cpu.protected_mode() && p.index < 6);
    return {};
}

} // namespace

std::optional<u64> look::read_place(const Cpu& cpu, const look::RegisterPlace& p) {
    switch (p.kind) {
    case Kind::general: {
        u64 value = 0;
        std::memcpy(&value, reinterpret_cast<const u8*>(cpu.gpr.data()) + p.index, p.bits / 8);
        return value;
    }
    case Kind::ip: return cpu.ip;
    case Kind::eflags: return cpu.full_eflags();
    case Kind::flag: return cpu.full_eflags() >> p.index;
    case Kind::segment: return segment_of(cpu, p.index).selector;
    case Kind::segment_base: return segment_of(cpu, p.index).base;
    case Kind::segment_limit: return segment_of(cpu, p.index).limit;
    case Kind::segment_access: return segment_of(cpu, p.index).access;
    case Kind::cr: return read_cr(cpu, p.index);
    case Kind::xcr0: return cpu.xcr0;
    case Kind::dr: return cpu.dr[p.index];
    case Kind::table_base: return (p.index ? cpu.idtr : cpu.gdtr).base;
    case Kind::table_limit: return (p.index ? cpu.idtr : cpu.gdtr).limit;
    case Kind::st: return cpu.fpu.st(p.index).significand;
    case Kind::st_exponent: return cpu.fpu.st(p.index).sign_exponent;
    case Kind::mmx: return cpu.fpu.mmx(p.index);
    case Kind::vector: return cpu.sse.vector[p.index / 4].part[p.index % 4 / 2].q[p.index % 2];
    case Kind::mxcsr: return cpu.sse.mxcsr;
    case Kind::fcw: return cpu.fpu.control;
    case Kind::fsw: return cpu.fpu.status_word();
    case Kind::ftw: return cpu.fpu.tag_word();
    case Kind::cpl: return cpu.cpl;
    case Kind::pkru: return cpu.pkru;
    case Kind::msr: return read_msr_quietly(cpu, p.index);
    }
    return std::nullopt;
}

std::optional<u64> read_msr_quietly(const Cpu& cpu, u32 number) {
    // Reading changes nothing but the fault that tells of a register that is not there.
    Cpu& reader = const_cast<Cpu&>(cpu);
    const Fault before = reader.fault;
    u64 value = 0;
    const bool there = read_msr(reader, number, value);
    reader.fault = before;
    return there ? std::optional(value) : std::nullopt;
}

std::optional<RegisterValue> read_register(const Cpu& cpu, std::string_view name) {
    const auto place = look::find_register(name);
    if (!place) return std::nullopt;
    const auto value = look::read_place(cpu, *place);
    if (!value) return std::nullopt;
    return RegisterValue{low_bits(*value, place->bits), place->bits};
}

Expected<> write_register(Cpu& cpu, std::string_view name, u64 value) {
    const auto place = look::find_register(name);
    if (!place) return fail("there is no register '" + std::string(name) + "'");
    // A negative number fits when its sign does.
    const u64 rest = place->bits >= 64 ? 0 : value >> place->bits;
    const bool negative = place->bits < 64 && rest == (~u64{0} >> place->bits) && (value >> (place->bits - 1) & 1);
    if (rest != 0 && !negative)
        return fail("the value does not fit " + std::to_string(place->bits) + (place->bits == 1 ? " bit" : " bits"));
    auto done = write_place(cpu, *place, low_bits(value, place->bits));
    if (!done) return done;
    cpu.link_from = nullptr; // the branch that led here led somewhere else
    cpu.update_mode();
    return {};
}

std::vector<std::string> register_names(const Cpu& cpu) { return look::list_registers(cpu); }

} // namespace glassbox
