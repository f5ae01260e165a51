// FNINIT, FNCLEX, FLDCW, FNSTCW, FNSTSW, FNSTENV, FLDENV, FNSAVE, FRSTOR, FNOP, WAIT (SDM 2), and the 8087's and
// 80287's FNENI, FNDISI, FNSETPM, FRSTPM, which do nothing since the 387. None of these changes the last-instruction
// pointers; those that begin with FN do not wait for pending exceptions.
#include "cpu/fpu/exec.hpp"

namespace glassbox::x87 {

namespace {

using enum Arg;

// --- words ----------------------------------------------------------------------------------------------------------
template <class Ea> struct LoadControl {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u64 linear = 0;
        u16 value = 0;
        if (!ready(cpu) || !Ea::read(cpu, op, 2, linear) || !load<u16>(cpu, op, linear, value)) return false;
        cpu.fpu.set_control(value);
        if (cpu.fpu.pending()) [[unlikely]]
            report_unmasked(cpu, op); // unmasking what is already flagged
        return true;
    }
};
template <class Ea> struct StoreControl {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u64 linear = 0;
        return available(cpu) && Ea::write(cpu, op, 2, linear) && store<u16>(cpu, op, linear, cpu.fpu.control);
    }
};
template <class Ea> struct StoreStatus {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        u64 linear = 0;
        return available(cpu) && Ea::write(cpu, op, 2, linear) && store<u16>(cpu, op, linear, cpu.fpu.status_word());
    }
};
struct StatusToAx {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if (!available(cpu)) return false;
        cpu.set_reg<u16>(8 * RAX, cpu.fpu.status_word());
        return true;
    }
};

// --- whole unit -----------------------------------------------------------------------------------------------------
struct Initialise {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if (!available(cpu)) return false;
        const bool pending = cpu.fpu.pending();
        cpu.fpu.init();
        if (pending) update_ferr(cpu);
        return true;
    }
};
struct ClearExceptions {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        if (!available(cpu)) return false;
        const bool pending = cpu.fpu.pending();
        cpu.fpu.status &= FpuState::conditions;
        if (pending) update_ferr(cpu);
        return true;
    }
};
struct Ignored {
    static bool run(Cpu& cpu, const Op&, Flags&) { return available(cpu); }
};
struct NoOperation {
    static bool run(Cpu& cpu, const Op& op, Flags&) {
        if (!ready(cpu)) return false;
        note(cpu, op);
        return true;
    }
};
/// WAIT: #NM only when both MP and TS are set; EM does not matter (SDM 3A, table 2-2).
struct Wait {
    static bool run(Cpu& cpu, const Op&, Flags&) {
        constexpr u64 both = cr0::MP | cr0::TS;
        if ((cpu.cr0 & both) == both) return cpu.raise(Exception::NM, "WAIT with CR0.MP and CR0.TS set");
        return !cpu.fpu.pending() || refuse_pending(cpu);
    }
};

// --- images ---------------------------------------------------------------------------------------------------------
constexpr std::size_t largest_image = 108;

template <bool wide> FpuImageFormat format_of(const Cpu& cpu) { return {wide, cpu.protected_mode()}; }

/// What an image must be aligned to under alignment checking (SDM 3A, table 6-7).
constexpr unsigned alignment_of(unsigned image_size) { return image_size % 4 == 0 ? 4 : 2; }

bool read_image(Cpu& cpu, const Op& op, std::span<u8> image) {
    u64 linear = 0;
    const auto size = static_cast<unsigned>(image.size());
    if (!locate_read(cpu, op.seg, effective_offset(cpu, op), size, linear) ||
        !probe_read(cpu, linear, alignment_of(size)))
        return false;
    for (std::size_t at = 0; at < size; at += 2) { // image sizes are even
        u16 word = 0;
        if (!read_linear<u16>(cpu, linear_after(cpu, linear, at), word)) return false;
        image[at] = static_cast<u8>(word);
        image[at + 1] = static_cast<u8>(word >> 8);
    }
    return true;
}
bool write_image(Cpu& cpu, const Op& op, std::span<const u8> image) {
    u64 linear = 0;
    const auto size = static_cast<unsigned>(image.size());
    if (!locate_write(cpu, op.seg, effective_offset(cpu, op), size, linear) ||
        !probe_write(cpu, linear, alignment_of(size)) || !probe_write(cpu, linear, size))
        return false;
    for (std::size_t at = 0; at < size; at += 2) {
        const auto word = static_cast<u16>(image[at] | image[at + 1] << 8);
        if (!write_linear<u16>(cpu, linear_after(cpu, linear, at), word)) return false;
    }
    return true;
}

template <bool wide> bool store_environment(Cpu& cpu, const Op& op) {
    if (!available(cpu)) return false;
    const FpuImageFormat format = format_of<wide>(cpu);
    std::array<u8, largest_image> image{};
    const auto out = std::span(image).first(format.environment_size());
    cpu.fpu.store_environment(out, format);
    if (!write_image(cpu, op, out)) return false;
    cpu.fpu.control |= softfloat::flag::all;
    update_ferr(cpu);
    return true;
}
template <bool wide> bool load_environment(Cpu& cpu, const Op& op) {
    if (!ready(cpu)) return false;
    const FpuImageFormat format = format_of<wide>(cpu);
    std::array<u8, largest_image> image{};
    const auto in = std::span(image).first(format.environment_size());
    if (!read_image(cpu, op, in)) return false;
    cpu.fpu.load_environment(in, format);
    update_ferr(cpu);
    return true;
}
template <bool wide> bool save(Cpu& cpu, const Op& op) {
    if (!available(cpu)) return false;
    const FpuImageFormat format = format_of<wide>(cpu);
    std::array<u8, largest_image> image{};
    const auto out = std::span(image).first(format.state_size());
    cpu.fpu.store_state(out, format);
    if (!write_image(cpu, op, out)) return false;
    cpu.fpu.init();
    update_ferr(cpu);
    return true;
}
template <bool wide> bool restore(Cpu& cpu, const Op& op) {
    if (!ready(cpu)) return false;
    const FpuImageFormat format = format_of<wide>(cpu);
    std::array<u8, largest_image> image{};
    const auto in = std::span(image).first(format.state_size());
    if (!read_image(cpu, op, in)) return false;
    cpu.fpu.load_state(in, format);
    update_ferr(cpu);
    return true;
}

constexpr OpInfo fldcw{"fldcw"}, fnstcw{"fnstcw"}, fnstsw{"fnstsw"}, fninit{"fninit"}, fnclex{"fnclex"}, fneni{"fneni"},
    fndisi{"fndisi"}, fnsetpm{"fnsetpm"}, fnop{"fnop"}, wait{"wait"}, fnstenv{"fnstenv"}, fldenv{"fldenv"},
    fnsave{"fnsave"}, frstor{"frstor"};

constexpr std::array rows = {
    on_memory<LoadControl>(fldcw, at(0xD9).digit(5), Mw),
    on_memory<StoreControl>(fnstcw, at(0xD9).digit(7), Mw),
    on_memory<StoreStatus>(fnstsw, at(0xDD).digit(7), Mw),
    on_registers<StatusToAx>(fnstsw, at(0xDF).digit(4).rm(0), {AX}),
    on_registers<NoOperation>(fnop, at(0xD9).digit(2).rm(0), {}),
    on_registers<Ignored>(fneni, at(0xDB).digit(4).rm(0), {}, attr::undocumented),
    on_registers<Ignored>(fndisi, at(0xDB).digit(4).rm(1), {}, attr::undocumented),
    on_registers<ClearExceptions>(fnclex, at(0xDB).digit(4).rm(2), {}),
    on_registers<Initialise>(fninit, at(0xDB).digit(4).rm(3), {}),
    on_registers<Ignored>(fnsetpm, at(0xDB).digit(4).rm(4), {}, attr::undocumented),
    Row{at(0x9B), {}, &wait, &select_register<Wait>, attr::may_fault},
    cold_row<load_environment<false>, load_environment<true>>(fldenv, at(0xD9).digit(4).mem(), {M}, 0, Feature::fpu),
    cold_row<store_environment<false>, store_environment<true>>(fnstenv, at(0xD9).digit(6).mem(), {M}, 0, Feature::fpu),
    cold_row<restore<false>, restore<true>>(frstor, at(0xDD).digit(4).mem(), {M}, 0, Feature::fpu),
    cold_row<save<false>, save<true>>(fnsave, at(0xDD).digit(6).mem(), {M}, 0, Feature::fpu),
};

} // namespace

std::span<const Row> control_rows() { return rows; }

} // namespace glassbox::x87
