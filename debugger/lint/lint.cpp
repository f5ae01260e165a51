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

std::string_view name_of(LintKind kind) {
    constexpr std::string_view names[lint_kinds] = {"undefined-flags", "reserved-bits", "stale-translation",
                                                    "missing-eoi",     "uninitialised", "modified-code",
                                                    "port-timing"};
    return names[static_cast<unsigned>(kind) % lint_kinds];
}

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

std::string hex(u64 value, unsigned digits) {
    char text[20];
    std::snprintf(text, sizeof text, "%0*llX", static_cast<int>(digits), static_cast<unsigned long long>(value));
    return text;
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

void Report::warn(Cpu& cpu, LintKind kind, u64 linear, const std::string& text, std::string_view section) {
    if (const auto place = places_.find({kind, linear}); place != places_.end()) {
        ++list_[place->second].count;
        return;
    }
    if (list_.size() >= most_places) { // a guest may have as many as it likes
        ++more_;
        return;
    }
    places_.emplace(std::pair(kind, linear), list_.size());
    LintWarning w;
    w.kind = kind;
    for (unsigned i = 0; i < machine_.processors(); ++i)
        if (&machine_.cpu(i) == &cpu) w.processor = i;
    w.linear = linear;
    w.place = look::code_address(look::instruction_line(cpu, nullptr, look::place_at(cpu, linear)));
    w.instruction = text_at(cpu, linear);
    w.text = text;
    w.section = section;
    w.count = 1;
    list_.push_back(std::move(w));
    if (warned_) warned_(list_.back());
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

Lint::Impl::Impl(Machine& machine_, Warned warned)
    : machine(machine_), report(machine_, std::move(warned)), translations(machine_.board()),
      interrupts(machine_.board()), memory(machine_, machine_.instructions() != 0), code(machine_.board()),
      ports(machine_.board()) {}

Lint::Lint(Machine& machine, Warned warned) : impl_(std::make_unique<Impl>(machine, std::move(warned))) {
    machine.attach(static_cast<Probe&>(*this));
    machine.attach(static_cast<BusProbe&>(*this));
}

Lint::~Lint() {
    impl_->machine.detach(static_cast<BusProbe&>(*this));
    impl_->machine.detach(static_cast<Probe&>(*this));
}

const std::vector<LintWarning>& Lint::warnings() const { return impl_->report.list(); }
void Lint::clear() { impl_->report.clear(); }

namespace {

constexpr std::size_t columns = 100;

/// `text` from column `column` on, further lines begun with `indent` spaces.
std::string fitted(const std::string& text, std::size_t indent, std::size_t column) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find(' ', at), text.size());
        if (!out.empty() && column + 1 + (end - at) > columns) {
            out += '\n' + std::string(indent, ' ');
            column = indent;
        } else if (!out.empty()) {
            out += ' ';
            ++column;
        }
        out += text.substr(at, end - at);
        column += end - at;
        at = end + 1;
    }
    return out + '\n';
}

std::string times(u64 n, const char* what) { return std::to_string(n) + " " + what + (n == 1 ? "" : "s"); }

} // namespace

std::string Lint::to_text(const LintWarning& w) {
    const std::string head = w.processor == 0 ? w.place : "CPU " + std::to_string(w.processor) + ", " + w.place;
    return fitted(head + "  " + w.instruction + ": " + w.text, 4, 0) + "    [" + std::string(name_of(w.kind)) + "; " +
           w.section + "]\n";
}

std::string Lint::summary() const {
    const auto& list = warnings();
    if (list.empty()) return "lint: nothing to complain about\n";
    std::string text;
    for (unsigned k = 0; k < lint_kinds; ++k) {
        u64 places = 0, all = 0;
        std::string lines;
        for (const LintWarning& w : list) {
            if (w.kind != static_cast<LintKind>(k)) continue;
            ++places;
            all += w.count;
            std::string count = std::to_string(w.count) + "x";
            count.insert(0, 10 - std::min<std::size_t>(10, count.size()), ' ');
            lines +=
                count + "  " + w.place + "  " + w.instruction + "\n" + std::string(12, ' ') + fitted(w.text, 12, 12);
        }
        if (places != 0)
            text += "lint: " + std::string(name_of(static_cast<LintKind>(k))) + ": " + times(places, "place") + ", " +
                    times(all, "time") + "\n" + lines;
    }
    if (impl_->report.more() != 0) text += "lint: and " + times(impl_->report.more(), "time") + " at further places\n";
    return text;
}

bool Lint::wants(Cpu& cpu, u64 linear, u64 phys, const Insn& insn) {
    if (!insn.row) return false;
    Impl& m = *impl_;
    m.code.wants(m.report, cpu, linear, phys, insn);
    m.interrupts.look(m.report, false);
    const bool reads_flags = m.flags.wants(linear, phys, insn);
    return reads_flags || m.memory.unwritten(phys, insn) || uses_port(insn) || is_hlt(insn) || serialises(insn) ||
           moves_to_control(insn);
}

bool Lint::before_instruction(Cpu& cpu) {
    Impl& m = *impl_;
    const u64 linear = cpu.code_linear(cpu.ip);
    const auto insn = instruction_at(cpu, linear);
    if (!insn) return false;
    u64 phys = 0;
    if (translate_quietly(cpu, linear, phys)) {
        m.flags.before(m.report, cpu, linear, phys);
        m.memory.executes(m.report, cpu, linear, phys, *insn);
    }
    if (moves_to_control(*insn)) m.reserved.before(m.report, cpu, linear, *insn);
    m.interrupts.before(m.report, cpu, linear, *insn);
    m.memory.before(m.report, cpu, linear, *insn);
    if (serialises(*insn)) m.code.serialised(cpu);
    if (m.every && !m.memory.follows()) m.machine.set_every_instruction(*this, m.every = false);
    return false;
}

bool Lint::watches(Cpu& cpu, u64 linear_page, u64 phys_page) {
    Impl& m = *impl_;
    ReservedBits::walked(m.report, cpu, linear_page);
    bool yes = m.translations.watches(cpu, linear_page, phys_page);
    yes |= ReservedBits::watches(cpu, linear_page);
    yes |= m.memory.watches(phys_page);
    yes |= m.code.watches(phys_page);
    return yes;
}

void Lint::accessed(Cpu& cpu, const MemoryAccess& access) {
    if (access.device) return;
    Impl& m = *impl_;
    m.reserved.accessed(m.report, cpu, access);
    m.translations.accessed(m.report, cpu, access);
    m.code.accessed(m.report, cpu, access);
    m.memory.accessed(m.report, cpu, access);
    if (m.memory.follows() && !m.every) {
        m.machine.set_every_instruction(*this, m.every = true);
        cpu.leave_requested = true; // the next instruction is heard of
    }
}

void Lint::delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) {
    if (kind == InterruptKind::hardware) impl_->interrupts.delivered(cpu, vector, from_ip);
}

void Lint::control_written(Cpu& cpu, ControlKind, u32, u64, u64) { impl_->code.serialised(cpu); }

void Lint::port_accessed(std::string_view, Port port, unsigned width, bool write, u32 value) {
    if (width == 1)
        impl_->ports.accessed(impl_->report, impl_->machine.cpu(), port.value, write, static_cast<u8>(value));
}

} // namespace glassbox
