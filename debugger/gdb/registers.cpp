// Order and names: gdb manual, appendix G.5.9 (i386 features). The system registers are a feature of our own.
#include "debugger/gdb/registers.hpp"

#include "cpu/state.hpp"
#include "debugger/view.hpp"

#include <array>
#include <cstring>

namespace glassbox::gdb {

namespace {

using Kind = Register::Kind;

constexpr std::array<std::string_view, 8> general32 = {"eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"};
// gdb's order for x86-64 is not the encoding's.
constexpr std::array<std::pair<std::string_view, unsigned>, 16> general64 = {{{"rax", RAX},
                                                                              {"rbx", RBX},
                                                                              {"rcx", RCX},
                                                                              {"rdx", RDX},
                                                                              {"rsi", RSI},
                                                                              {"rdi", RDI},
                                                                              {"rbp", RBP},
                                                                              {"rsp", RSP},
                                                                              {"r8", R8},
                                                                              {"r9", R9},
                                                                              {"r10", R10},
                                                                              {"r11", R11},
                                                                              {"r12", R12},
                                                                              {"r13", R13},
                                                                              {"r14", R14},
                                                                              {"r15", R15}}};
constexpr std::array<std::pair<std::string_view, unsigned>, 6> segments = {
    {{"cs", CS}, {"ss", SS}, {"ds", DS}, {"es", ES}, {"fs", FS}, {"gs", GS}}};
enum FpuControl : unsigned { fctrl, fstat, ftag, fiseg, fioff, foseg, fooff, fop };
constexpr std::array<std::string_view, 8> fpu_control = {"fctrl", "fstat", "ftag",  "fiseg",
                                                         "fioff", "foseg", "fooff", "fop"};

struct System {
    std::string_view name, source;
    unsigned bits;
    std::string_view type;
};
constexpr System system_registers[] = {
    // gdb takes a number for flags only if it is as wide: 32 bits hold all that these have.
    {"cr0", "cr0", 32, "cr0_bits"},
    {"cr2", "cr2", 64, "int64"},
    {"cr3", "cr3", 64, "int64"},
    {"cr4", "cr4", 32, "cr4_bits"},
    {"cr8", "cr8", 64, "int64"},
    {"efer", "efer", 32, "efer_bits"},
    {"xcr0", "xcr0", 64, "int64"},
    {"cpl", "cpl", 32, "int32"},
    {"cs_base", "cs.base", 64, "int64"},
    {"ss_base", "ss.base", 64, "int64"},
    {"ds_base", "ds.base", 64, "int64"},
    {"es_base", "es.base", 64, "int64"},
    {"k_gs_base", "kernel_gs_base", 64, "int64"},
    {"gdt_base", "gdtr.base", 64, "int64"},
    {"gdt_limit", "gdtr.limit", 32, "int32"},
    {"idt_base", "idtr.base", 64, "int64"},
    {"idt_limit", "idtr.limit", 32, "int32"},
    {"ldtr", "ldtr", 32, "int32"},
    {"ldtr_base", "ldtr.base", 64, "int64"},
    {"tr", "tr", 32, "int32"},
    {"tr_base", "tr.base", 64, "int64"},
    {"dr0", "dr0", 64, "int64"},
    {"dr1", "dr1", 64, "int64"},
    {"dr2", "dr2", 64, "int64"},
    {"dr3", "dr3", 64, "int64"},
    {"dr6", "dr6", 64, "int64"},
    {"dr7", "dr7", 64, "int64"},
    {"tsc", "tsc", 64, "int64"},
};

struct List {
    std::vector<Register> all;
    std::string feature;
    void add(Register r) {
        r.feature = std::exchange(feature, {});
        all.push_back(std::move(r));
    }
};

void add_core(List& list, bool wide) {
    list.feature = "org.gnu.gdb.i386.core";
    const auto pointer = [](unsigned index) { return index == RSP || index == RBP; };
    if (wide) {
        for (const auto& [name, index] : general64)
            list.add({std::string(name), 64, pointer(index) ? "data_ptr" : "int64", "", Kind::general, index});
    } else {
        for (unsigned index = 0; index < 8; ++index)
            list.add(
                {std::string(general32[index]), 32, pointer(index) ? "data_ptr" : "int32", "", Kind::general, index});
    }
    list.add({wide ? "rip" : "eip", wide ? 64u : 32u, "code_ptr", "", Kind::ip});
    list.add({"eflags", 32, "i386_eflags", "", Kind::eflags});
    for (const auto& [name, index] : segments) list.add({std::string(name), 32, "int32", "", Kind::segment, index});
    for (unsigned i = 0; i < 8; ++i) list.add({"st" + std::to_string(i), 80, "i387_ext", "", Kind::st, i});
    for (unsigned i = 0; i < 8; ++i) list.add({std::string(fpu_control[i]), 32, "int", "float", Kind::fpu, i});
}

void add_vectors(List& list, bool wide, const CpuModel& model) {
    const unsigned count = wide ? 16 : 8;
    if (!model.features.has(Feature::sse)) return;
    list.feature = "org.gnu.gdb.i386.sse";
    for (unsigned i = 0; i < count; ++i) list.add({"xmm" + std::to_string(i), 128, "vec128", "", Kind::xmm, i});
    list.add({"mxcsr", 32, "i386_mxcsr", "vector", Kind::mxcsr});
    if (!model.features.has(Feature::avx)) return;
    list.feature = "org.gnu.gdb.i386.avx";
    for (unsigned i = 0; i < count; ++i)
        list.add({"ymm" + std::to_string(i) + "h", 128, "uint128", "", Kind::ymm_high, i});
}

void add_system(List& list, bool wide) {
    if (wide) list.feature = "org.gnu.gdb.i386.segments";
    list.add({"fs_base", 64, "int64", wide ? "" : "system", Kind::named, 0, "fs.base"});
    list.add({"gs_base", 64, "int64", wide ? "" : "system", Kind::named, 0, "gs.base"});
}

unsigned stack_bits(const Cpu& cpu) { return cpu.code64() ? 64 : cpu.seg[SS].big() ? 32 : 16; }

u64 linear_sp(const Cpu& cpu) {
    switch (stack_bits(cpu)) {
    case 64: return cpu.gpr[RSP];
    case 32: return static_cast<u32>(cpu.seg[SS].base + cpu.r32(RSP));
    default: return static_cast<u32>(cpu.seg[SS].base + cpu.r16(RSP));
    }
}

u64 fpu_value(const Cpu& cpu, unsigned which) {
    const FpuState& f = cpu.fpu;
    // As FXSAVE64 has them, the upper halves stand in the selectors' places.
    const bool wide = cpu.code64();
    switch (which) {
    case fctrl: return f.control;
    case fstat: return f.status_word();
    case ftag: return f.tag_word();
    case fiseg: return wide ? f.instruction_pointer >> 32 : f.instruction_selector;
    case fioff: return static_cast<u32>(f.instruction_pointer);
    case foseg: return wide ? f.data_pointer >> 32 : f.data_selector;
    case fooff: return static_cast<u32>(f.data_pointer);
    default: return f.opcode;
    }
}

u64 number(const Cpu& cpu, const Register& r) {
    switch (r.kind) {
    case Kind::general:
        if (r.index == RSP) return linear_sp(cpu);
        return cpu.code64() ? cpu.gpr[r.index] : cpu.r32(static_cast<Gpr>(r.index));
    case Kind::ip: return cpu.code_linear(cpu.ip);
    case Kind::eflags: return cpu.full_eflags();
    case Kind::segment: return cpu.seg[r.index].selector;
    case Kind::fpu: return fpu_value(cpu, r.index);
    case Kind::mxcsr: return cpu.sse.mxcsr;
    default: break;
    }
    const auto value = read_register(cpu, r.source);
    return value ? value->value : 0;
}

std::string bytes_of(u64 value, unsigned count) {
    std::string out(count, '\0');
    for (unsigned i = 0; i < count && i < 8; ++i) out[i] = static_cast<char>(value >> (8 * i));
    return out;
}

u64 number_of(std::string_view bytes) {
    u64 value = 0;
    for (std::size_t i = 0; i < bytes.size() && i < 8; ++i) value |= u64{static_cast<u8>(bytes[i])} << (8 * i);
    return value;
}

Expected<> write_sp(Cpu& cpu, u64 value) {
    switch (stack_bits(cpu)) {
    case 64: cpu.gpr[RSP] = value; return {};
    case 32: cpu.set_r32(RSP, static_cast<u32>(value - cpu.seg[SS].base)); return {};
    default: break;
    }
    const u64 offset = static_cast<u32>(value - cpu.seg[SS].base);
    if (offset > 0xFFFF) return fail("the address is outside the 64 KiB of the stack segment");
    cpu.set_r16(RSP, static_cast<u16>(offset));
    return {};
}

Expected<> write_pc(Cpu& cpu, u64 value) {
    if (cpu.code64()) return write_register(cpu, "rip", value);
    const u64 offset = static_cast<u32>(value - cpu.seg[CS].base);
    if (offset > 0xFFFF && !cpu.seg[CS].big() && offset > cpu.seg[CS].limit)
        return fail("the address is outside the code segment");
    return write_register(cpu, "eip", offset);
}

Expected<> write_fpu(Cpu& cpu, unsigned which, u64 value) {
    FpuState& f = cpu.fpu;
    const u16 half = static_cast<u16>(value);
    const bool wide = cpu.code64();
    const auto high = [&](u64& pointer) { pointer = (pointer & 0xFFFF'FFFF) | value << 32; };
    switch (which) {
    case fctrl: f.set_control(half); break;
    case fstat: f.set_status_word(half); break;
    case ftag: f.set_tag_word(half); break;
    case fiseg:
        if (wide) high(f.instruction_pointer);
        f.instruction_selector = wide ? f.instruction_selector : half;
        break;
    case fioff: f.instruction_pointer = (f.instruction_pointer >> 32 << 32) | static_cast<u32>(value); break;
    case foseg:
        if (wide) high(f.data_pointer);
        f.data_selector = wide ? f.data_selector : half;
        break;
    case fooff: f.data_pointer = (f.data_pointer >> 32 << 32) | static_cast<u32>(value); break;
    default: f.opcode = half & 0x7FF; break;
    }
    return {};
}

Expected<> write_number(Cpu& cpu, const Register& r, u64 value) {
    switch (r.kind) {
    case Kind::general:
        if (r.index == RSP) return write_sp(cpu, value);
        cpu.gpr[r.index] = cpu.code64() ? value : static_cast<u32>(value);
        return {};
    case Kind::ip: {
        auto done = write_pc(cpu, value);
        if (done) cpu.halted = false; // who sets it wants the processor to execute there
        return done;
    }
    case Kind::eflags: return write_register(cpu, "eflags", value);
    case Kind::segment:
        if (value > 0xFFFF) return fail("a selector has 16 bits");
        return write_selector(cpu, r.index, static_cast<u16>(value));
    case Kind::fpu: return write_fpu(cpu, r.index, value);
    case Kind::mxcsr: return write_register(cpu, "mxcsr", value);
    default: return write_register(cpu, r.source, value);
    }
}

} // namespace

Arch choose(Arch wanted, const Cpu& cpu) {
    if (wanted != Arch::automatic && wanted != Arch::by_mode) return wanted;
    if (wanted == Arch::automatic ? cpu.has(Feature::long_mode) : cpu.long_mode()) return Arch::x86_64;
    return cpu.seg[CS].big() && cpu.protected_mode() ? Arch::i386 : Arch::i8086;
}

std::vector<Register> registers_of(Arch arch, const CpuModel& model) {
    const bool wide = arch == Arch::x86_64;
    List list;
    add_core(list, wide);
    add_vectors(list, wide, model);
    if (wide) add_system(list, wide);
    list.feature = "org.glassbox.system";
    if (!wide) add_system(list, wide);
    for (const System& s : system_registers)
        list.add({std::string(s.name), s.bits, std::string(s.type), "system", Kind::named, 0, std::string(s.source)});
    return std::move(list.all);
}

std::string read(const Cpu& cpu, const Register& r) {
    const unsigned count = r.bits / 8;
    if (r.kind == Kind::st) {
        const auto value = cpu.fpu.st(r.index);
        return bytes_of(value.significand, 8) + bytes_of(value.sign_exponent, 2);
    }
    if (r.kind == Kind::xmm || r.kind == Kind::ymm_high) {
        const Xmm& x = r.kind == Kind::xmm ? cpu.sse.xmm(r.index) : cpu.sse.ymm_high(r.index);
        return bytes_of(x.q[0], 8) + bytes_of(x.q[1], 8);
    }
    return bytes_of(number(cpu, r), count);
}

Expected<> write(Cpu& cpu, const Register& r, std::string_view bytes) {
    if (bytes.size() != r.bits / 8) return fail("the value of " + r.name + " has another length");
    if (bytes == read(cpu, r)) return {}; // G writes them all, changed or not
    if (r.kind == Kind::st) {
        const bool empty = cpu.fpu.empty(r.index);
        cpu.fpu.set_st(r.index, {number_of(bytes.substr(0, 8)), static_cast<u16>(number_of(bytes.substr(8)))});
        if (empty) cpu.fpu.mark_empty(r.index);
        return {};
    }
    if (r.kind == Kind::xmm || r.kind == Kind::ymm_high) {
        Xmm& x = r.kind == Kind::xmm ? cpu.sse.xmm(r.index) : cpu.sse.ymm_high(r.index);
        x.q = {number_of(bytes.substr(0, 8)), number_of(bytes.substr(8))};
        return {};
    }
    return write_number(cpu, r, number_of(bytes));
}

} // namespace glassbox::gdb
