#include "tests/x86-conformance/host/guest.hpp"
#include "tests/x86-conformance/host/guest_places.hpp"

#include "cpu/system/descriptor.hpp"

#include <cstring>

namespace glassbox::conformance::host {

namespace {

/// Vectors that push an error code (SDM 3A, table 6-1).
bool has_error(unsigned vector) { return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17; }

Segment system_segment(u16 selector, u64 base, u32 limit, u32 type) {
    Segment s;
    s.selector = selector;
    s.base = base;
    s.limit = limit;
    s.access = Segment::P | type;
    s.update(false);
    return s;
}

} // namespace

Guest::Guest(const EngineOptions* engine, Mode mode)
    : long_mode_(mode == Mode::long_mode), system_(long_mode_ ? long_system : system_at),
      machine_(std::make_unique<Machine>(ram_size, "max")), pattern_(data_pattern()) {
    if (engine) machine_->cpu.set_engine(*engine);
    map_memory();
    write_tables();
    std::memcpy(machine_->ram().data() + data_phys, pattern_.data(), data_size);
    const std::vector<u8> filler(code_size, code_filler);
    machine_->memory.write_block(PhysAddress{code_phys}, filler);
    enter_mode();
}

Guest::~Guest() = default;

void Guest::enter_mode() {
    Cpu& cpu = machine_->cpu;
    reset_state(cpu);
    cpu.cr3 = root_table;
    cpu.cr4 = cr4::PAE | cr4::OSFXSR | cr4::OSXMMEXCPT | cr4::OSXSAVE;
    cpu.xcr0 = 7; // x87, SSE, AVX
    cpu.msrs.efer = efer::NXE;
    if (long_mode_) {
        cpu.msrs.efer |= efer::SCE | efer::LME | efer::LMA;
        cpu.cr4 |= cr4::FSGSBASE;
    }
    cpu.cr0 = cr0::PE | cr0::MP | cr0::ET | cr0::NE | cr0::WP | cr0::AM | cr0::PG;
    for (unsigned i = 0; i < 4; ++i) cpu.pdpte[i] = long_mode_ ? 0 : machine_->get<u64>(root_table + 8 * i);
    constexpr u32 ldt_type = 2, busy_tss = 11;
    cpu.gdtr = {system_ + gdt_at, gdt_limit};
    cpu.idtr = {system_ + idt_at, static_cast<u16>(256 * (long_mode_ ? 16 : 8) - 1)};
    cpu.ldtr = system_segment(0x50, system_ + ldt_at, ldt.size() * 8 - 1, ldt_type);
    cpu.tr = system_segment(0x40, system_ + tss_at, 0x67, busy_tss);
    cpu.flush_tlb(false);
    cpu.update_mode();
}

void Guest::load_segment(unsigned name, u16 selector) {
    Segment& s = machine_->cpu.seg[name];
    if (is_null(selector)) {
        s.selector = selector;
        s.access |= Segment::unusable;
        s.update(false);
        return;
    }
    const u32 table = (selector & 4) ? ldt_at : gdt_at;
    s = Descriptor{machine_->get<u64>(system_phys + table + (selector & ~7u))}.segment(selector);
}

void Guest::load_units(const Image& image) {
    Cpu& cpu = machine_->cpu;
    cpu.fpu.load_fx(image.fx, image.code64());
    std::memcpy(&cpu.sse.mxcsr, image.fx.data() + fx_mxcsr, 4);
    for (unsigned i = 0; i < 16; ++i) {
        std::memcpy(&cpu.sse.xmm(i), image.fx.data() + fx_xmm + 16 * i, 16);
        std::memcpy(&cpu.sse.ymm_high(i), image.ymm.data() + 16 * i, 16);
    }
}

void Guest::load(const Input& in) {
    Cpu& cpu = machine_->cpu;
    for (unsigned i = 0; i < 16; ++i) cpu.gpr[i] = in.before.gpr[i];
    cpu.ip = in.before.rip;
    cpu.cpl = 3;
    for (unsigned name = 0; name < 6; ++name) load_segment(name, in.before.seg[name]);
    if (in.before.code64()) {
        cpu.seg[FS].base = cpu.base64[FS] = in.before.fs_base;
        cpu.seg[GS].base = cpu.base64[GS] = in.before.gs_base;
    }
    cpu.set_full_eflags(in.before.eflags);
    load_units(in.before);
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

void Guest::store_units(Image& image, bool wide) {
    const Cpu& cpu = machine_->cpu;
    cpu.fpu.store_fx(image.fx, wide);
    std::memcpy(image.fx.data() + fx_mxcsr, &cpu.sse.mxcsr, 4);
    for (unsigned i = 0; i < 16; ++i) {
        std::memcpy(image.fx.data() + fx_xmm + 16 * i, &cpu.sse.xmm(i), 16);
        std::memcpy(image.ymm.data() + 16 * i, &cpu.sse.ymm_high(i), 16);
    }
}

/// What the exception pushed: quadwords in long mode, from a stack pointer that is a multiple of 16 (SDM 3A 6.14.2).
void Guest::store_frame(Output& out) {
    const u32 width = long_mode_ ? 8 : 4, frame = system_phys + stack_top - 5 * width;
    const auto word = [&](u32 number) {
        return long_mode_ ? machine_->get<u64>(frame + 8 * number) : machine_->get<u32>(frame + 4 * number);
    };
    out.error = has_error(static_cast<unsigned>(out.vector)) ? machine_->get<u32>(frame - width) : 0;
    out.after.rip = word(0);
    out.after.seg[CS] = static_cast<u16>(word(1));
    out.after.eflags = static_cast<u32>(word(2));
    out.after.gpr[RSP] = word(3);
    out.after.seg[SS] = static_cast<u16>(word(4));
}

void Guest::store(const Input& in, Output& out) {
    Cpu& cpu = machine_->cpu;
    const bool wide = in.before.code64();
    for (unsigned i = 0; i < 16; ++i) out.after.gpr[i] = wide ? cpu.gpr[i] : i < 8 ? cpu.r32(static_cast<Gpr>(i)) : 0;
    for (unsigned name = 0; name < 6; ++name) out.after.seg[name] = cpu.seg[name].selector;
    out.after.fs_base = wide ? cpu.seg[FS].base : 0;
    out.after.gs_base = wide ? cpu.seg[GS].base : 0;
    out.after.rip = cpu.ip;
    out.after.eflags = cpu.full_eflags();
    out.error = 0;
    out.cr2 = cpu.cr2;
    out.vector = did_not_end;
    const u64 handler = cpu.ip - (system_ + handlers_at) - 1;
    if (cpu.halted && cpu.cpl == 0 && handler < 256) {
        out.vector = static_cast<int>(handler);
        store_frame(out);
    }
    store_units(out.after, wide);
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
