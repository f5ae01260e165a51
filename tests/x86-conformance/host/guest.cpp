#include "tests/x86-conformance/host/guest.hpp"

#include "cpu/system/descriptor.hpp"

#include <cstring>

namespace glassbox::conformance::host {

namespace {

// Physical memory.
constexpr u32 ram_size = 1u << 20, pointer_table = 0x1000, directory = 0x2000 /* four pages */, tables = 0x6000,
              system_phys = 0x1'0000, code_phys = 0x2'0000, data_phys = 0x3'0000;
// What lies in the system's pages.
constexpr u32 gdt_at = system_at, ldt_at = system_at + 0x100, tss_at = system_at + 0x200, idt_at = system_at + 0x800,
              stack_top = system_at + 2 * page, handlers_at = system_at + 2 * page;
constexpr u64 present = 1, writable = 2, user = 4, used = 0x60, no_execute = u64{1} << 63;

constexpr u64 descriptor(u32 base, u32 limit, u32 rights) {
    return (limit & 0xFFFF) | u64{base & 0xFF'FFFF} << 16 | u64{rights & 0xF0FF} << 40 | u64{limit >> 16 & 0xF} << 48 |
           u64{base >> 24} << 56;
}
constexpr u32 level3 = 3u << 5;

u64 descriptor_of(const SegmentSpec& s) {
    if (s.absent) return 0;
    u32 rights = Segment::S | level3 | Segment::accessed | u32{s.contents} << 2;
    if (!s.read_exec_only) rights |= Segment::writable;
    if (!s.not_present) rights |= Segment::P;
    if (s.big) rights |= Segment::DB;
    if (s.pages) rights |= Segment::G;
    if (s.available) rights |= 0x1000;
    return descriptor(s.base, s.limit, rights);
}

u32 physical(u32 linear) { return system_phys + (linear - system_at); }

/// Vectors that push an error code (SDM 3A, table 6-1).
bool has_error(unsigned vector) { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

} // namespace

Guest::Guest(const EngineOptions* engine)
    : machine_(std::make_unique<Machine>(ram_size, "max")), pattern_(data_pattern()) {
    Cpu& cpu = machine_->cpu;
    if (engine) cpu.set_engine(*engine);
    map_memory();
    write_tables();
    std::memcpy(machine_->ram().data() + data_phys, pattern_.data(), data_size);
    const std::vector<u8> filler(code_size, code_filler);
    machine_->memory.write_block(PhysAddress{code_phys}, filler);
    reset_state(cpu);
    cpu.cr3 = pointer_table;
    cpu.cr4 = cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT;
    cpu.msrs.efer = efer::NXE;
    cpu.cr0 = cr0::PE | cr0::MP | cr0::ET | cr0::NE | cr0::WP | cr0::AM | cr0::PG;
    for (unsigned i = 0; i < 4; ++i) cpu.pdpte[i] = machine_->get<u64>(pointer_table + 8 * i);
    cpu.gdtr = {gdt_at, gdt_limit};
    cpu.idtr = {idt_at, 256 * 8 - 1};
    cpu.ldtr = Descriptor{descriptor(ldt_at, ldt.size() * 8 - 1, 0x82)}.segment(0x50);
    cpu.tr = Descriptor{descriptor(tss_at, 0x67, 0x8B)}.segment(0x40);
    cpu.flush_tlb(false);
    cpu.update_mode();
}

Guest::~Guest() = default;

void Guest::map_page(u32 linear, u32 phys, u64 rights) {
    const u32 entry = directory + (linear >> 21) * 8;
    u32 table = static_cast<u32>(machine_->get<u64>(entry)) & ~(page - 1);
    if (table == 0) {
        table = tables;
        while (machine_->get<u64>(table + page - 8)) table += page; // the last slot marks a table that is taken
        machine_->put<u64>(table + page - 8, 1u << 9);              // an available bit: not present
        machine_->put<u64>(entry, table | present | writable | user | used);
    }
    machine_->put<u64>(table + (linear >> 12 & 511) * 8, phys | rights | present | used);
}

void Guest::map_memory() {
    for (u32 i = 0; i < 4; ++i) machine_->put<u64>(pointer_table + 8 * i, (directory + i * page) | present);
    for (u32 at = 0; at < code_size; at += page) map_page(code_start + at, code_phys + at, user);
    for (u32 i = 0; i < data_pages.size(); ++i) {
        if (data_pages[i] == PageKind::unmapped) continue;
        const u64 write = data_pages[i] == PageKind::read_write ? writable : 0;
        map_page(data_start + i * page, data_phys + i * page, user | write | no_execute);
    }
    for (u32 at = 0; at < system_size; at += page) map_page(system_at + at, system_phys + at, writable);
}

void Guest::write_tables() {
    constexpr u32 big = Segment::G | Segment::DB | Segment::P | Segment::S | Segment::accessed;
    const auto gdt = [&](unsigned index, u64 value) { machine_->put<u64>(physical(gdt_at) + 8 * index, value); };
    gdt(1, descriptor(0, 0xF'FFFF, big | Segment::code | Segment::readable));
    gdt(2, descriptor(0, 0xF'FFFF, big | Segment::code | Segment::readable));
    gdt(3, descriptor(0, 0xF'FFFF, big | Segment::writable));
    gdt(4, descriptor(0, 0xF'FFFF, big | level3 | Segment::code | Segment::readable));
    gdt(5, descriptor(0, 0xF'FFFF, big | level3 | Segment::writable));
    for (unsigned i = 0; i < ldt.size(); ++i) machine_->put<u64>(physical(ldt_at) + 8 * i, descriptor_of(ldt[i]));
    machine_->put<u32>(physical(tss_at) + 4, stack_top);
    machine_->put<u16>(physical(tss_at) + 8, 0x18);
    machine_->put<u16>(physical(tss_at) + 0x66, 0x68); // no I/O bitmap
    for (unsigned v = 0; v < 256; ++v) {
        const u32 handler = handlers_at + v;
        const bool open = v == 3 || v == 4; // to INT3 and INTO
        const u64 gate =
            (handler & 0xFFFF) | u64{8} << 16 | u64{open ? 0xEE00u : 0x8E00u} << 32 | u64{handler >> 16} << 48;
        machine_->put<u64>(physical(idt_at) + 8 * v, gate);
        machine_->put<u8>(physical(handler), 0xF4);
    }
}

void Guest::load(const Input& in) {
    Cpu& cpu = machine_->cpu;
    for (unsigned i = 0; i < 8; ++i) cpu.set_r32(static_cast<Gpr>(i), in.before.gpr[i]);
    cpu.ip = in.before.eip;
    cpu.cpl = 3;
    for (unsigned name = 0; name < 6; ++name) {
        const u16 selector = in.before.seg[name];
        if (is_null(selector)) {
            cpu.seg[name].selector = selector;
            cpu.seg[name].access |= Segment::unusable;
            cpu.seg[name].update(false);
            continue;
        }
        const u32 table = (selector & 4) ? ldt_at : gdt_at;
        cpu.seg[name] = Descriptor{machine_->get<u64>(physical(table) + (selector & ~7u))}.segment(selector);
    }
    cpu.set_full_eflags(in.before.eflags);
    cpu.fpu.load_fx(in.before.fx);
    std::memcpy(&cpu.sse.mxcsr, in.before.fx.data() + fx_mxcsr, 4);
    std::memcpy(cpu.sse.xmm.data(), in.before.fx.data() + fx_xmm, 8 * 16);
    cpu.halted = cpu.shutdown = false;
    cpu.shadow = 0;
    cpu.pending_debug = 0;
    cpu.fault_chain_length = 0;
    cpu.update_mode();
    machine_->memory.write_block(PhysAddress{code_phys + in.code_at}, in.instruction());
    u8* data = machine_->ram().data() + data_phys;
    const u8* bytes = in.bytes.data();
    for (unsigned i = 0; i < in.fills; ++i) {
        std::memcpy(data + in.fill[i].at, bytes, in.fill[i].size);
        bytes += in.fill[i].size;
    }
}

void Guest::store(const Input& in, Output& out) {
    Cpu& cpu = machine_->cpu;
    for (unsigned i = 0; i < 8; ++i) out.after.gpr[i] = cpu.r32(static_cast<Gpr>(i));
    for (unsigned name = 0; name < 6; ++name) out.after.seg[name] = cpu.seg[name].selector;
    out.after.eip = static_cast<u32>(cpu.ip);
    out.after.eflags = cpu.full_eflags();
    out.error = 0;
    out.cr2 = static_cast<u32>(cpu.cr2);
    out.vector = did_not_end;
    const u32 handler = static_cast<u32>(cpu.ip) - handlers_at - 1;
    if (cpu.halted && cpu.cpl == 0 && handler < 256) {
        out.vector = static_cast<int>(handler);
        const u32 frame = physical(stack_top) - 20;
        out.error = has_error(handler) ? machine_->get<u32>(frame - 4) : 0;
        out.after.eip = machine_->get<u32>(frame);
        out.after.seg[CS] = machine_->get<u16>(frame + 4);
        out.after.eflags = machine_->get<u32>(frame + 8);
        out.after.gpr[RSP] = machine_->get<u32>(frame + 12);
        out.after.seg[SS] = machine_->get<u16>(frame + 16);
    }
    cpu.fpu.store_fx(out.after.fx);
    std::memcpy(out.after.fx.data() + fx_mxcsr, &cpu.sse.mxcsr, 4);
    std::memcpy(out.after.fx.data() + fx_xmm, cpu.sse.xmm.data(), 8 * 16);
    std::array<u8, sizeof in.code> filler;
    filler.fill(code_filler);
    machine_->memory.write_block(PhysAddress{code_phys + in.code_at}, std::span(filler).first(in.code_size));
    gather_changes(machine_->ram().data() + data_phys, pattern_.data(), out);
}

void Guest::run(const Input& in, Output& out) {
    Cpu& cpu = machine_->cpu;
    load(in);
    constexpr u64 enough = 4096;                   // iterations of a repeated instruction count too
    const u64 slice = in.code_at & 1 ? 1 : enough; // whole blocks, or one instruction at a time
    for (u64 i = 0; i < enough && !cpu.halted && !cpu.shutdown; i += slice) cpu.run(slice);
    store(in, out);
}

} // namespace glassbox::conformance::host
