#include "debugger/lint/impl.hpp"

#include "cpu/decode/decoder.hpp"
#include "cpu/system/system.hpp"
#include "debugger/disassembly.hpp"
#include "debugger/look/instruction_line.hpp"
#include "debugger/view.hpp"
#include "machine/board.hpp"
#include "machine/machine.hpp"
#include "mmu/access.hpp"

#include <algorithm>
#include <cstdio>

namespace glassbox {

namespace lint {

std::optional<Insn> instruction_at(const Cpu& cpu, u64 linear) {
    std::array<u8, max_instruction_length + 1> bytes;
    const std::size_t n = read_linear_quietly(cpu, linear, bytes);
    Insn insn;
    if (decode({bytes.data(), n}, cpu.mode, cpu.model->features, insn) != DecodeStatus::ok) return {};
    insn.ip = linear - cpu.code_linear(0);
    return insn;
}

bool is_named(const Insn& insn, std::string_view name) { return insn.row && insn.row->info->mnemonic == name; }

std::string text_at(const Cpu& cpu, u64 linear) {
    std::array<u8, max_instruction_length + 1> bytes;
    const std::size_t n = read_linear_quietly(cpu, linear, bytes);
    return disassemble({bytes.data(), n}, code_bits(cpu), linear - cpu.code_linear(0)).text;
}

void watch_now(Board& board, u64 phys_page) {
    for (unsigned i = 0; i < board.processors.count(); ++i) {
        for (TlbTable& table : board.processors[i].tlbs) {
            table.for_each([&](TlbEntry& e) {
                if (e.phys != phys_page) return;
                e.read_tag |= parked::watched;
                e.write_tag |= parked::watched; // no tag stays none
            });
        }
    }
}

namespace {

/// SDM 3A 9.3: what lets the processor forget all that it has fetched.
bool serialises(const Insn& insn) {
    for (const char* name : {"iret", "cpuid", "invlpg", "invd", "wbinvd", "lgdt", "lidt", "lldt", "ltr", "rsm",
                             "serialize", "invpcid", "wrmsr"})
        if (is_named(insn, name)) return true;
    return false;
}
bool moves_to_control(const Insn& insn) {
    return insn.encoding == Encoding::legacy && insn.map == 1 && (insn.opcode == 0x22 || insn.opcode == 0x23);
}
bool uses_port(const Insn& insn) {
    return insn.encoding == Encoding::legacy && insn.map == 0 &&
           ((insn.opcode & 0xFC) == 0xE4 || (insn.opcode & 0xFC) == 0xEC || (insn.opcode & 0xFC) == 0x6C);
}
bool is_hlt(const Insn& insn) { return insn.encoding == Encoding::legacy && insn.map == 0 && insn.opcode == 0xF4; }

} // namespace

} // namespace lint

using namespace lint;

Lint::Impl::Impl(Lint& lint_, Machine& machine_, Warned warned)
    : lint(&lint_), machine(machine_), report(machine_, std::move(warned)), translations(machine_, machine_.board()),
      interrupts(machine_.board()), setup(machine_.board()), memory(machine_, machine_.instructions() != 0),
      code(machine_.board()), ports(machine_.board()) {}

Lint::Lint(Machine& machine, Warned warned) : impl_(std::make_unique<Impl>(*this, machine, std::move(warned))) {
    impl_->report.stop = [this](const LintWarning& warning) {
        if (stop) stop(warning);
    };
    machine.attach(static_cast<Probe&>(*this));
    machine.attach(static_cast<BusProbe&>(*this));
}

Lint::~Lint() {
    impl_->machine.detach(static_cast<BusProbe&>(*this));
    impl_->machine.detach(static_cast<Probe&>(*this));
}

bool Lint::wants(Cpu& cpu, u64 linear, u64 phys, const Insn& insn) {
    if (!insn.row) return false;
    Impl& m = *impl_;
    m.look_at_clock();
    m.code.wants(m.report, cpu, linear, phys, insn);
    m.interrupts.look(m.report, false);
    const bool leaves_flags = m.flags.wants(cpu, linear, insn);
    return leaves_flags || m.memory.unwritten(phys, insn) || uses_port(insn) || is_hlt(insn) || serialises(insn) ||
           moves_to_control(insn) || Setup::wants(insn) || m.translations.wants(cpu, linear);
}

bool Lint::before_instruction(Cpu& cpu) {
    Impl& m = *impl_;
    m.look_at_clock();
    const u64 linear = cpu.code_linear(cpu.ip);
    const auto insn = instruction_at(cpu, linear);
    if (!insn) return false;
    u64 phys = 0;
    if (!m.behind() && translate_quietly(cpu, linear, phys)) m.memory.executes(m.report, cpu, linear, phys, *insn);
    m.translations.executes(m.report, cpu, linear);
    m.flags.before(m.report, cpu, linear, *insn);
    if (moves_to_control(*insn)) m.reserved.before(m.report, cpu, linear, *insn);
    m.interrupts.before(m.report, cpu, linear, *insn);
    m.setup.before(m.report, cpu, linear, *insn);
    if (!m.behind()) m.memory.before(m.report, cpu, linear, *insn);
    if (serialises(*insn)) m.code.serialised(cpu);
    m.follow();
    return false;
}

void Lint::Impl::look_at_clock() {
    const u64 now = machine.instructions();
    if (now < latest) {
        flags.forget();
        translations.forget();
        interrupts.forget();
        setup.forget();
        memory.forget();
        code.forget();
        ports.forget();
    }
    latest = now;
    frontier = std::max(frontier, now);
}

/// Every instruction is heard of while anything is followed.
void Lint::Impl::follow() {
    const bool wanted = memory.follows() || flags.follows() || setup.follows();
    if (wanted != every) machine.set_every_instruction(*lint, every = wanted);
}

bool Lint::watches(Cpu& cpu, u64 linear_page, u64 phys_page) {
    Impl& m = *impl_;
    ReservedBits::walked(m.report, cpu, linear_page);
    bool yes = m.translations.watches(cpu, linear_page, phys_page);
    yes |= ReservedBits::watches(cpu, linear_page);
    yes |= m.memory.watches(phys_page);
    yes |= m.code.watches(phys_page);
    yes |= m.setup.watches(m.report, cpu, linear_page, phys_page);
    return yes;
}

void Lint::accessed(Cpu& cpu, const MemoryAccess& access) {
    Impl& m = *impl_;
    m.look_at_clock();
    if (access.device) return m.setup.accessed(m.report, cpu, access);
    m.reserved.accessed(m.report, cpu, access);
    m.translations.accessed(m.report, cpu, access);
    m.code.accessed(m.report, cpu, access);
    if (!m.behind()) m.memory.accessed(m.report, cpu, access);
    if (m.memory.follows() && !m.every) {
        m.follow();
        cpu.leave_requested = true; // the next instruction is heard of
    }
}

void Lint::delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) {
    Impl& m = *impl_;
    m.look_at_clock();
    m.flags.diverted(cpu);
    m.setup.delivered(m.report, cpu, from_ip);
    if (kind == InterruptKind::hardware) m.interrupts.delivered(m.report, cpu, vector, from_ip);
}

void Lint::control_written(Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value) {
    Impl& m = *impl_;
    m.code.serialised(cpu);
    m.setup.control_written(m.report, cpu, kind, number, before, value);
    if (m.setup.follows() && !m.every) {
        m.follow();
        cpu.leave_requested = true;
    }
}

void Lint::flushed(Cpu& cpu, FlushKind kind, u64 linear) { impl_->translations.flushed(cpu, kind, linear); }

void Lint::port_accessed(std::string_view, Port port, unsigned width, bool write, u32 value) {
    Impl& m = *impl_;
    Cpu& cpu = m.machine.cpu();
    if (write && width == 1) m.interrupts.port_written(m.report, cpu, port.value, static_cast<u8>(value));
    m.ports.accessed(m.report, cpu, port.value, width, write, value);
}

} // namespace glassbox
