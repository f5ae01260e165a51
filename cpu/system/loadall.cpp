// LOADALL of the 80286, 0F 05: every register and every hidden part from a block at physical address 800h (Intel,
// "Undocumented iAPX 286 Test Instruction"). Nothing is checked but the level; PE cannot be cleared.
#include "cpu/system/control.hpp"
#include "cpu/system/descriptor.hpp"
#include "cpu/system/system.hpp"

#include <array>

namespace glassbox::control {

namespace {

constexpr u32 block = 0x800;
enum Place : u32 {
    msw_at = 0x06,
    tr_at = 0x16,
    flags_at = 0x18,
    ip_at = 0x1A,
    ldt_at = 0x1C,
    segments_at = 0x1E,  // DS, SS, CS, ES
    registers_at = 0x26, // DI, SI, BP, SP, BX, DX, CX, AX
    caches_at = 0x36,    // ES, CS, SS, DS
    gdt_at = 0x4E,
    ldt_cache_at = 0x54,
    idt_at = 0x5A,
    tss_cache_at = 0x60
};

u16 word(Cpu& cpu, u32 place) { return static_cast<u16>(cpu.memory.read(PhysAddress(block + place), 2)); }

/// A hidden part: 24 bits of base, the access byte, the limit. Not present means that no access gets through.
Segment cached(Cpu& cpu, u16 selector, u32 place) {
    Segment s;
    s.selector = selector;
    const u32 high = word(cpu, place + 2);
    s.base = word(cpu, place) | (high & 0xFF) << 16;
    s.access = high >> 8;
    s.limit = word(cpu, place + 4);
    if (!s.present()) s.access |= Segment::unusable;
    s.update(!cpu.protected_mode());
    return s;
}

void load_table(Cpu& cpu, TableRegister& table, u32 place) {
    const Segment s = cached(cpu, 0, place);
    table.base = s.base;
    table.limit = static_cast<u16>(s.limit);
}

} // namespace

bool loadall_286(Cpu& cpu, const Op&) {
    if (cpu.cpl != 0) return cpu.gp(0, "LOADALL outside level 0");
    const u64 before = cpu.cr0;
    cpu.cr0 = (word(cpu, msw_at) & 0xFu) | (cpu.cr0 & cr0::PE);
    constexpr std::array visible{DS, SS, CS, ES};
    constexpr std::array hidden{ES, CS, SS, DS};
    for (u32 i = 0; i < 4; ++i) cpu.seg[visible[i]].selector = word(cpu, segments_at + 2 * i);
    for (u32 i = 0; i < 4; ++i) cpu.seg[hidden[i]] = cached(cpu, cpu.seg[hidden[i]].selector, caches_at + 6 * i);
    for (u32 i = 0; i < 8; ++i) cpu.set_r16(static_cast<Gpr>(7 - i), word(cpu, registers_at + 2 * i));
    load_table(cpu, cpu.gdtr, gdt_at);
    load_table(cpu, cpu.idtr, idt_at);
    cpu.ldtr = cached(cpu, word(cpu, ldt_at), ldt_cache_at);
    cpu.tr = cached(cpu, word(cpu, tr_at), tss_cache_at);
    cpu.cpl = cpu.protected_mode() ? static_cast<u8>(cpu.seg[SS].dpl()) : 0;
    cpu.set_full_eflags(word(cpu, flags_at));
    cpu.next_ip = word(cpu, ip_at);
    cpu.flush_tlb(false);
    cpu.update_mode();
    tell_flushed(cpu, FlushKind::all);
    tell_control(cpu, ControlKind::cr, 0, before, cpu.cr0);
    return true;
}

} // namespace glassbox::control
