// Descriptor-table registers and the instructions that look at descriptors: LGDT, LIDT, SGDT, SIDT, LLDT, LTR, SLDT,
// STR, LAR, LSL, VERR, VERW, ARPL (SDM 3A 2.4, 5.10; SDM 2). SGDT and SIDT store all 32 bits of the base whatever the
// operand size, as the P6 does, and all 64 in 64-bit mode, where LGDT and LIDT take 64 too. In long mode LDT and TSS
// descriptors are 16 bytes long.
#include "cpu/system/control.hpp"
#include "cpu/system/descriptor.hpp"
#include "cpu/system/msr.hpp"
#include "mmu/access.hpp"

namespace glassbox::control {

namespace {

bool level_0(Cpu& cpu) { return cpu.cpl == 0 || cpu.gp(0, "system table instruction outside level 0"); }

/// User-mode instruction prevention (SDM 3A 2.5, CR4.UMIP).
bool may_store(Cpu& cpu) {
    return (cpu.cr4 & cr4::UMIP) == 0 || cpu.cpl == 0 || cpu.gp(0, "system register stored with CR4.UMIP");
}

bool memory_word(Cpu& cpu, const Op& op, u16& value) {
    return read_segment<u16>(cpu, op.seg, effective_offset(cpu, op), value);
}
bool store_word(Cpu& cpu, const Op& op, u16 value) {
    return write_segment<u16>(cpu, op.seg, effective_offset(cpu, op), value);
}
template <unsigned width> void set_register(Cpu& cpu, unsigned offset, u32 value) {
    if constexpr (width == 2)
        cpu.set_reg<u16>(offset, static_cast<u16>(value));
    else
        cpu.set_reg<u32>(offset, value);
}

template <unsigned width> bool load_table(Cpu& cpu, const Op& op, TableRegister& table) {
    using T = std::conditional_t<width == 8, u64, u32>;
    const u64 at = effective_offset(cpu, op);
    u16 limit = 0;
    T base = 0;
    if (!level_0(cpu) || !read_segment<u16>(cpu, op.seg, at, limit) ||
        !read_segment<T>(cpu, op.seg, offset_after(cpu, op, at, 2), base))
        return false;
    if (width == 8 && !msr::canonical(cpu, base)) return cpu.gp(0, "descriptor table's base is not canonical");
    table.base = width == 2 ? base & 0x00FF'FFFF : base;
    table.limit = limit;
    return true;
}

bool store_table(Cpu& cpu, const Op& op, const TableRegister& table) {
    const u64 at = effective_offset(cpu, op);
    const unsigned width = cpu.code64() ? 8 : 4;
    u64 linear = 0;
    u64 second = 0;
    if (!may_store(cpu) || !locate_write(cpu, op.seg, at, 2, linear) ||
        !locate_write(cpu, op.seg, offset_after(cpu, op, at, 2), width, second) || !probe_write(cpu, linear, 2) ||
        !probe_write(cpu, second, width) || !write_linear<u16>(cpu, linear, table.limit))
        return false;
    if (width == 8) return write_linear<u64>(cpu, second, table.base);
    const u32 unused = cpu.has(Feature::i386) ? 0 : 0xFF00'0000; // of a base of 24 bits: ones (SDM 2B, SGDT)
    return write_linear<u32>(cpu, second, static_cast<u32>(table.base) | unused);
}

/// Long mode: the other half of an LDT or TSS descriptor, with the rest of the base.
bool fetch_wide_base(Cpu& cpu, u16 selector, Descriptor& d) {
    if (!cpu.long_mode()) return true;
    if (!fetch_upper_half(cpu, selector, {}, d)) return false;
    return msr::canonical(cpu, d.base()) || Blame{}.raise(cpu, selector, "LDT's or TSS's base is not canonical");
}

bool lldt(Cpu& cpu, u16 selector) {
    if (is_null(selector)) {
        cpu.ldtr.selector = selector;
        cpu.ldtr.access |= Segment::unusable;
        return true;
    }
    const Blame blame;
    if ((selector & 4) != 0) return blame.raise(cpu, selector, "LLDT selector is not in the GDT");
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, blame, d)) return false;
    if (!d.is_system(SystemType::ldt)) return blame.raise(cpu, selector, "LLDT selector is not an LDT");
    if (!d.present()) return blame.raise(cpu, Exception::NP, selector, "LDT not present");
    if (!fetch_wide_base(cpu, selector, d)) return false;
    cpu.ldtr = d.segment(selector);
    return true;
}

bool ltr(Cpu& cpu, u16 selector) {
    const Blame blame;
    if (is_null(selector)) return cpu.gp(0, "LTR with a null selector");
    if ((selector & 4) != 0) return blame.raise(cpu, selector, "LTR selector is not in the GDT");
    Descriptor d;
    if (!fetch_descriptor(cpu, selector, blame, d)) return false;
    const bool available = cpu.long_mode() ? d.is_system(SystemType::tss32) : d.is_available_tss();
    if (!available) return blame.raise(cpu, selector, "LTR selector is not an available TSS");
    if (!d.present()) return blame.raise(cpu, Exception::NP, selector, "TSS not present");
    if (!fetch_wide_base(cpu, selector, d)) return false;
    u64 linear = 0;
    descriptor_address(cpu, selector, linear);
    d.raw |= u64{2} << 40;
    if (!write_system<u8>(cpu, linear + 5, static_cast<u8>(d.raw >> 40))) return false;
    cpu.tr = d.segment(selector);
    return true;
}

void set_zf(Cpu& cpu, bool zf) { cpu.flags.replace(eflags::ZF, zf ? eflags::ZF : 0); }

/// Reads the descriptor that LAR, LSL, VERR and VERW ask about. `found` is false when there is none to see.
bool look(Cpu& cpu, u16 selector, Descriptor& d, bool& found) {
    u64 linear = 0;
    found = !is_null(selector) && descriptor_address(cpu, selector, linear);
    return !found || read_descriptor(cpu, linear, d);
}

bool visible(const Cpu& cpu, u16 selector, const Descriptor& d) {
    if (d.is_code() && d.conforming()) return true;
    return d.dpl() >= cpu.cpl && d.dpl() >= (selector & 3u);
}

/// System types that LAR and LSL accept (SDM 2A, tables 3-53 and 3-56).
constexpr u32 types(std::initializer_list<SystemType> list) {
    u32 bits = 0;
    for (const SystemType t : list) bits |= 1u << static_cast<unsigned>(t);
    return bits;
}
constexpr u32 lsl_types =
    types({SystemType::tss16, SystemType::ldt, SystemType::tss16_busy, SystemType::tss32, SystemType::tss32_busy});
constexpr u32 lar_types = lsl_types | types({SystemType::call_gate16, SystemType::task_gate, SystemType::call_gate32});
/// Of these long mode knows the 64-bit ones.
constexpr u32 long_types = types({SystemType::ldt, SystemType::tss32, SystemType::tss32_busy, SystemType::call_gate32});

bool inspect(Cpu& cpu, u16 selector, u32 system_types, Descriptor& d, bool& ok) {
    if (!look(cpu, selector, d, ok)) return false;
    if (cpu.long_mode()) system_types &= long_types;
    if (ok && d.is_system() && (system_types >> d.type() & 1) == 0) ok = false;
    if (ok) ok = visible(cpu, selector, d);
    return true;
}

template <unsigned width> bool lar(Cpu& cpu, const Op& op, u16 selector) {
    Descriptor d;
    bool ok = false;
    if (!inspect(cpu, selector, lar_types, d, ok)) return false;
    if (ok) set_register<width>(cpu, 8u * op.reg, width == 2 ? d.rights() & 0xFF00 : d.rights());
    set_zf(cpu, ok);
    return true;
}

template <unsigned width> bool lsl(Cpu& cpu, const Op& op, u16 selector) {
    Descriptor d;
    bool ok = false;
    if (!inspect(cpu, selector, lsl_types, d, ok)) return false;
    if (ok) set_register<width>(cpu, 8u * op.reg, d.limit());
    set_zf(cpu, ok);
    return true;
}

bool verify(Cpu& cpu, u16 selector, bool write) {
    Descriptor d;
    bool ok = false;
    if (!inspect(cpu, selector, 0, d, ok)) return false;
    set_zf(cpu, ok && (write ? d.writable_data() : d.readable()));
    return true;
}

} // namespace

template <unsigned width> bool lgdt(Cpu& cpu, const Op& op) { return load_table<width>(cpu, op, cpu.gdtr); }
template <unsigned width> bool lidt(Cpu& cpu, const Op& op) { return load_table<width>(cpu, op, cpu.idtr); }
template bool lgdt<2>(Cpu&, const Op&);
template bool lgdt<4>(Cpu&, const Op&);
template bool lgdt<8>(Cpu&, const Op&);
template bool lidt<2>(Cpu&, const Op&);
template bool lidt<4>(Cpu&, const Op&);
template bool lidt<8>(Cpu&, const Op&);
bool sgdt(Cpu& cpu, const Op& op) { return store_table(cpu, op, cpu.gdtr); }
bool sidt(Cpu& cpu, const Op& op) { return store_table(cpu, op, cpu.idtr); }

bool lldt_register(Cpu& cpu, const Op& op) { return level_0(cpu) && lldt(cpu, cpu.reg<u16>(op.base)); }
bool lldt_memory(Cpu& cpu, const Op& op) {
    u16 selector = 0;
    return level_0(cpu) && memory_word(cpu, op, selector) && lldt(cpu, selector);
}
bool ltr_register(Cpu& cpu, const Op& op) { return level_0(cpu) && ltr(cpu, cpu.reg<u16>(op.base)); }
bool ltr_memory(Cpu& cpu, const Op& op) {
    u16 selector = 0;
    return level_0(cpu) && memory_word(cpu, op, selector) && ltr(cpu, selector);
}
template <unsigned width> bool sldt_register(Cpu& cpu, const Op& op) {
    if (!may_store(cpu)) return false;
    set_register<width>(cpu, op.base, cpu.ldtr.selector);
    return true;
}
template <unsigned width> bool str_register(Cpu& cpu, const Op& op) {
    if (!may_store(cpu)) return false;
    set_register<width>(cpu, op.base, cpu.tr.selector);
    return true;
}
template bool sldt_register<2>(Cpu&, const Op&);
template bool sldt_register<4>(Cpu&, const Op&);
template bool str_register<2>(Cpu&, const Op&);
template bool str_register<4>(Cpu&, const Op&);
bool sldt_memory(Cpu& cpu, const Op& op) { return may_store(cpu) && store_word(cpu, op, cpu.ldtr.selector); }
bool str_memory(Cpu& cpu, const Op& op) { return may_store(cpu) && store_word(cpu, op, cpu.tr.selector); }

template <unsigned width> bool lar_register(Cpu& cpu, const Op& op) {
    return lar<width>(cpu, op, cpu.reg<u16>(op.base));
}
template <unsigned width> bool lsl_register(Cpu& cpu, const Op& op) {
    return lsl<width>(cpu, op, cpu.reg<u16>(op.base));
}
template <unsigned width> bool lar_memory(Cpu& cpu, const Op& op) {
    u16 selector = 0;
    return memory_word(cpu, op, selector) && lar<width>(cpu, op, selector);
}
template <unsigned width> bool lsl_memory(Cpu& cpu, const Op& op) {
    u16 selector = 0;
    return memory_word(cpu, op, selector) && lsl<width>(cpu, op, selector);
}
template bool lar_register<2>(Cpu&, const Op&);
template bool lar_register<4>(Cpu&, const Op&);
template bool lar_memory<2>(Cpu&, const Op&);
template bool lar_memory<4>(Cpu&, const Op&);
template bool lsl_register<2>(Cpu&, const Op&);
template bool lsl_register<4>(Cpu&, const Op&);
template bool lsl_memory<2>(Cpu&, const Op&);
template bool lsl_memory<4>(Cpu&, const Op&);

bool verr_register(Cpu& cpu, const Op& op) { return verify(cpu, cpu.reg<u16>(op.base), false); }
bool verw_register(Cpu& cpu, const Op& op) { return verify(cpu, cpu.reg<u16>(op.base), true); }
bool verr_memory(Cpu& cpu, const Op& op) {
    u16 selector = 0;
    return memory_word(cpu, op, selector) && verify(cpu, selector, false);
}
bool verw_memory(Cpu& cpu, const Op& op) {
    u16 selector = 0;
    return memory_word(cpu, op, selector) && verify(cpu, selector, true);
}

bool arpl_register(Cpu& cpu, const Op& op) {
    const u16 selector = cpu.reg<u16>(op.base);
    const u16 rpl = cpu.reg<u16>(8u * op.reg) & 3;
    const bool raises = (selector & 3) < rpl;
    if (raises) cpu.set_reg<u16>(op.base, static_cast<u16>((selector & 0xFFFC) | rpl));
    set_zf(cpu, raises);
    return true;
}
bool arpl_memory(Cpu& cpu, const Op& op) {
    u64 linear = 0;
    u16 selector = 0;
    if (!segment_write(cpu, op.seg, offset_of(cpu, op), 2, linear) || !read_linear<u16>(cpu, linear, selector))
        return false;
    const u16 rpl = cpu.reg<u16>(8u * op.reg) & 3;
    const bool raises = (selector & 3) < rpl;
    if (raises && !write_linear<u16>(cpu, linear, static_cast<u16>((selector & 0xFFFC) | rpl))) return false;
    set_zf(cpu, raises);
    return true;
}

} // namespace glassbox::control
