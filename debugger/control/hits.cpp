// What the probes hear, matched against the stop points.
#include "cpu/block/op.hpp"
#include "cpu/decode/row.hpp"
#include "cpu/system/system.hpp"
#include "debugger/control/impl.hpp"
#include "debugger/disassembly.hpp"
#include "debugger/hex.hpp"
#include "debugger/symbols/expression_scope.hpp"
#include "debugger/view.hpp"
#include "machine/board.hpp"
#include "mmu/access.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

unsigned Debugger::Impl::number_of(const Cpu& cpu) const {
    for (unsigned i = 0; i < machine.processors(); ++i) {
        if (&machine.cpu(i) == &cpu) return i;
    }
    return 0;
}

void Debugger::Impl::ask() {
    asked = true;
    machine.request_stop();
}

/// Whether a stop point that was met stops the machine: its processor, its condition, its ignore count.
bool Debugger::Impl::accepts(StopPoint& point, unsigned processor, std::string& trouble) {
    if (!point.enabled || (point.processor && *point.processor != processor)) return false;
    if (const Expected<Expression>* condition = points.condition(point)) {
        CpuScope scope(machine.cpu(processor), &symbols);
        const Expected<u64> value = *condition ? (*condition)->evaluate(scope) : tl::unexpected(condition->error());
        if (value && *value == 0) return false;
        if (!value) trouble = "its condition fails: " + value.error().message;
    }
    if (const auto test = tests.find(point.number); test != tests.end()) {
        const auto holds = test->second(machine.cpu(processor));
        if (holds && !*holds) return false;
        if (!holds) trouble = "its condition fails: " + holds.error().message;
    }
    if (observer) return true; // in the past nothing is counted
    ++point.hits;
    if (point.ignore != 0) return --point.ignore, false;
    return true;
}

void Debugger::Impl::note(const StopPoint& point, unsigned processor, Hit hit) {
    hit.number = point.number;
    hit.processor = processor;
    hits.push_back(std::move(hit));
    ask();
}

// --- code ------------------------------------------------------------------------------------------------------------

/// XCHG BX, BX: 87 DB with 16-bit operands.
bool Debugger::Impl::is_magic(const Insn& insn) {
    return insn.encoding == Encoding::legacy && insn.map == 0 && insn.opcode == 0x87 && insn.modrm == 0xDB &&
           insn.opsize == 2 && (insn.rex & 5) == 0;
}

std::string Debugger::Impl::mnemonic_at(const Cpu& cpu, u64 linear) const {
    std::array<u8, 15> bytes{};
    const std::size_t size = read_linear_quietly(cpu, linear, bytes);
    return disassemble(std::span(bytes).first(size), code_bits(cpu), cpu.ip).text;
}

namespace {

/// "rep movsb byte ptr …": the instruction's name without prefixes.
std::string_view name_of(std::string_view text) {
    for (;;) {
        const std::string_view word = text.substr(0, text.find(' '));
        const bool prefix = word == "rep" || word == "repe" || word == "repne" || word == "lock" || word == "bnd" ||
                            word == "xacquire" || word == "xrelease" || word == "notrack" || word.starts_with("rex");
        if (!prefix || word.size() == text.size()) return word;
        text.remove_prefix(word.size() + 1);
    }
}

/// "movs" is MOVSB, MOVSW, MOVSD and MOVSQ.
bool called(std::string_view instruction, std::string_view name) {
    if (instruction == name) return true;
    constexpr std::array<std::string_view, 7> strings = {"movs", "cmps", "scas", "stos", "lods", "ins", "outs"};
    return std::ranges::find(strings, name) != strings.end() && instruction.size() == name.size() + 1 &&
           instruction.starts_with(name) && std::string_view("bwdq").find(instruction.back()) != std::string_view::npos;
}

/// User code of different processes lies at the same addresses.
u64 identity(const Cpu& cpu, u64 linear) {
    return cpu.cpl == 3 ? linear ^ (cpu.cr3 & ~page_mask) << 20 ^ u64 { 1 } << 63 : linear;
}

} // namespace

bool Debugger::Impl::wants(Cpu& cpu, u64 linear, u64 phys, const Insn& insn) {
    const bool armed = !observer || observer->points();
    bool yes = false;
    if (armed) {
        yes = points.code_at(linear, phys) || (magic && is_magic(insn));
        if (!yes && points.has(StopPointKind::mnemonic)) {
            const std::string text = mnemonic_at(cpu, linear);
            yes = std::ranges::any_of(points.list(), [&](const StopPoint& p) {
                return p.kind == StopPointKind::mnemonic && p.enabled && called(name_of(text), p.name);
            });
        }
        if (!yes && points.has(StopPointKind::new_code)) {
            yes = std::ranges::any_of(points.list(), [&](const StopPoint& p) {
                if (p.kind != StopPointKind::new_code || !p.enabled) return false;
                if (p.length != 0 && !range_of(p).contains(linear)) return false;
                return !points.seen(p.number).contains(identity(cpu, linear)) || observer;
            });
        }
    }
    if (observer) {
        yes |= observer->address() == linear || (observer->flow() && flow_of(insn) != Flow::other);
    } else {
        yes |= (arrival.armed && (arrival.linear == linear || arrival.follows(flow_of(insn)))) ||
               (tracking && flow_of(insn) != Flow::other);
    }
    if (yes) last_wanted = {linear, phys};
    return yes;
}

bool Debugger::Impl::matches_code(StopPoint& point, Cpu& cpu, u64 linear, u64 phys, u64 count) {
    switch (point.kind) {
    case StopPointKind::execute:
        return range_of(point).contains(point.where.space == Address::Space::physical ? phys : linear);
    case StopPointKind::mnemonic: return called(name_of(mnemonic_at(cpu, linear)), point.name);
    case StopPointKind::new_code: {
        if (point.length != 0 && !range_of(point).contains(linear)) return false;
        const auto [at, fresh] = points.seen(point.number).try_emplace(identity(cpu, linear), count);
        if (at->second < count) return false;
        at->second = count; // also again, after going back
        return true;
    }
    default: return false;
    }
}

/// Before an instruction: conditions are checked at once, so that those that do not hold cost little.
bool Debugger::Impl::code_hit(Cpu& cpu, unsigned number, u64 count) {
    const u64 linear = code_address(cpu);
    u64 phys = last_wanted.phys;
    if (last_wanted.linear != linear && !translate_quietly(cpu, linear, phys)) phys = ~u64{0};
    bool stops = false;
    for (StopPoint& point : points.list()) {
        if (!point.enabled || (point.processor && *point.processor != number)) continue;
        if (!matches_code(point, cpu, linear, phys, count)) continue;
        std::string trouble;
        if (!accepts(point, number, trouble)) continue;
        hits.push_back({.number = point.number,
                        .processor = number,
                        .before = true,
                        .checked = true,
                        .address = linear,
                        .what = trouble});
        stops = true;
    }
    if (magic && !stops) {
        const FlowInsn insn = flow_at(cpu);
        u64 bytes = 0;
        const unsigned prefix = insn.length == 3 ? 1 : 0; // 66h in 32-bit and 64-bit code
        if ((insn.length == 2 || insn.length == 3) && peek(cpu, linear, insn.length, bytes) &&
            bytes >> (8 * prefix) == 0xDB87 && (prefix == 1) == (code_bits(cpu) != 16) &&
            (!prefix || (bytes & 0xFF) == 0x66)) {
            hits.push_back(
                {.number = 0, .processor = number, .before = true, .checked = true, .address = linear, .what = {}});
            stops = true;
        }
    }
    return stops;
}

bool Debugger::Impl::before_instruction(Cpu& cpu) {
    const unsigned number = number_of(cpu);
    if (asked) { // something is waiting to be settled
        machine.request_stop();
        return true;
    }
    if (cpu.shadow & Cpu::mid_repetition) return false; // it was met when the repetitions began
    const u64 count = machine.instructions();
    const bool armed = (points.any_code() || magic) && (!observer || observer->points());
    if (armed && (count != skip_count || observer) && code_hit(cpu, number, count)) {
        if (observer) {
            const Moment moment = timeline.now();
            for (const Hit& hit : hits) observer->hit(hit, moment);
            hits.clear();
        } else {
            ask();
            return true;
        }
    }
    const bool end = observer ? observer->before(cpu, number, count) : plan_before(cpu, number, count);
    if (end) {
        skip_count = count; // breakpoints have had their say
        ask();
    }
    return end;
}

// --- data ------------------------------------------------------------------------------------------------------------

bool Debugger::Impl::watches(Cpu&, u64 linear_page, u64 phys_page) {
    return (!observer || observer->points()) && points.any_of_memory() && points.watches(linear_page, phys_page);
}

namespace {

u64 value_in(std::span<const u8> bytes) {
    u64 value = 0;
    for (std::size_t i = std::min<std::size_t>(bytes.size(), 8); i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

/// The watched bytes before and after a write: memory now, and what the access says was there.
void fill_values(const Cpu& cpu, const WatchedRange& range, bool physical, const MemoryAccess& access, Hit& hit) {
    const u64 start = physical ? access.phys : access.linear;
    const u64 size = range.last - range.first + 1;
    const bool whole = range.last - range.first < 8;
    hit.address = whole ? range.first : start;
    hit.size = whole ? static_cast<unsigned>(size) : access.size;
    std::array<u8, 8> now{};
    const std::size_t wanted = std::min<std::size_t>(hit.size, 8);
    const std::span<u8> bytes = std::span(now).first(wanted);
    const std::size_t got =
        physical ? read_physical_quietly(cpu, hit.address, bytes) : read_linear_quietly(cpu, hit.address, bytes);
    const auto overlay = [&](u64 value) {
        std::array<u8, 8> result = now;
        for (u64 i = 0; i < std::min<u64>(access.size, 8); ++i) {
            const u64 at = start + i - hit.address;
            if (at < wanted) result[at] = static_cast<u8>(value >> (8 * i));
        }
        return value_in(std::span(result).first(wanted));
    };
    if (got == 0) now.fill(0);
    hit.new_value = overlay(access.value);
    hit.old_value = access.write ? overlay(access.before) : hit.new_value;
}

} // namespace

void Debugger::Impl::accessed(Cpu& cpu, const MemoryAccess& access) {
    if (access.size == 0) return;
    const unsigned number = number_of(cpu);
    for (const StopPoint& point : points.list()) {
        if (!point.enabled || (point.processor && *point.processor != number)) continue;
        const bool fits = point.kind == StopPointKind::access || (point.kind == StopPointKind::read && !access.write) ||
                          ((point.kind == StopPointKind::write || point.kind == StopPointKind::change) && access.write);
        if (!fits) continue;
        const bool physical = point.where.space == Address::Space::physical;
        const WatchedRange range = range_of(point);
        const u64 start = physical ? access.phys : access.linear;
        if (!range.meets(start, start + access.size - 1)) continue;
        Hit hit{.processor = number, .write = access.write, .what = {}};
        fill_values(cpu, range, physical, access, hit);
        if (point.kind == StopPointKind::change && hit.old_value == hit.new_value && access.size <= 8) continue;
        if (!access.system) hit.by = (access.write ? ", written by " : ", read by ") + code_place(cpu);
        note(point, number, std::move(hit));
    }
}

// --- events ----------------------------------------------------------------------------------------------------------

namespace {

constexpr std::array<std::string_view, 22> exception_names = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM",
                                                              "#DF", "",    "#TS", "#NP", "#SS", "#GP", "#PF", "",
                                                              "#MF", "#AC", "#MC", "#XM", "#VE", "#CP"};

std::string exception_name(unsigned vector) {
    if (vector < exception_names.size() && !exception_names[vector].empty())
        return std::string(exception_names[vector]);
    return "exception " + std::to_string(vector);
}

} // namespace

/// "interrupt 20h (IRQ 0)", "exception #PF", "software interrupt 21h".
std::string Debugger::Impl::delivery_text(u8 vector, InterruptKind kind) const {
    const std::string number = capital_hex(vector) + "h";
    if (kind == InterruptKind::exception) return "exception " + exception_name(vector);
    if (kind != InterruptKind::hardware) return "software interrupt " + number;
    if (vector == 2) return "the non-maskable interrupt";
    const Board& board = machine.board();
    for (unsigned irq = 0; irq < 16; ++irq) { // whose INTA cycle it was
        const Pic8259& chip = irq < 8 ? board.pic.master() : board.pic.slave();
        const bool acknowledged = (chip.isr() >> (irq & 7) & 1) != 0 || chip.registers().automatic_eoi;
        if (acknowledged && chip.vector(irq & 7) == vector)
            return "interrupt " + number + " (IRQ " + std::to_string(irq) + ")";
    }
    for (unsigned input = 0; input < IoApic::inputs; ++input) {
        const u64 entry = board.io_apic.redirection(input);
        const bool masked = (entry >> 16 & 1) != 0;
        if (!masked && (entry & 0xFF) == vector)
            return "interrupt " + number + " (I/O APIC input " + std::to_string(input) + ")";
    }
    return "interrupt " + number;
}

bool Debugger::Impl::faulting(Cpu& cpu, const Fault& fault) {
    if (!points.has(StopPointKind::exception) || (observer && !observer->points())) return false;
    const unsigned vector = static_cast<unsigned>(fault.vector);
    if (machine.instructions() == skip_fault_count) return false; // it was held back here before
    note_all(StopPointKind::exception, number_of(cpu), [&](const StopPoint& point) -> std::optional<Hit> {
        if (!within(point, vector)) return {};
        std::string what = exception_name(vector);
        if (fault.has_error) what += "(" + capital_hex(fault.error) + "h)";
        if (fault.vector == Exception::PF) what += " at " + capital_hex(fault.cr2) + "h";
        if (fault.why && *fault.why) what += ": " + std::string(fault.why);
        return Hit{.before = true, .address = fault.cr2, .what = what};
    });
    if (asked) skip_count = skip_fault_count = machine.instructions();
    return asked;
}

void Debugger::Impl::delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) {
    const unsigned number = number_of(cpu);
    if (observer) {
        observer->delivered(cpu, number, kind, from_ip, machine.instructions());
        if (!observer->points()) return;
    } else {
        plan_delivered(cpu, number, vector, kind, from_ip, machine.instructions());
    }
    note_all(StopPointKind::interrupt, number, [&](const StopPoint& point) -> std::optional<Hit> {
        if (!within(point, vector)) return {};
        const char* how = kind == InterruptKind::hardware    ? vector == 2 ? "NMI" : "interrupt"
                          : kind == InterruptKind::exception ? "exception"
                                                             : "software interrupt";
        return Hit{.address = vector, .what = std::string(how) + " " + capital_hex(vector) + "h"};
    });
}

void Debugger::Impl::control_written(Cpu& cpu, ControlKind kind, u32 number, u64 before, u64 value) {
    if (observer && !observer->points()) return;
    const StopPointKind wanted = kind == ControlKind::msr ? StopPointKind::msr : StopPointKind::control;
    const char* name = kind == ControlKind::cr ? "cr" : kind == ControlKind::dr ? "dr" : "xcr";
    note_all(wanted, number_of(cpu), [&](const StopPoint& point) -> std::optional<Hit> {
        if (wanted == StopPointKind::msr ? !within(point, number) : point.name != name || point.first != number)
            return {};
        std::string text = wanted == StopPointKind::msr ? "MSR " + capital_hex(number) + "h"
                           : kind == ControlKind::cr    ? "CR" + std::to_string(number)
                           : kind == ControlKind::dr    ? "DR" + std::to_string(number)
                                                        : "XCR" + std::to_string(number);
        text += " was " + capital_hex(before) + "h, is " + capital_hex(value) + "h";
        return Hit{.address = number, .write = true, .old_value = before, .new_value = value, .what = text};
    });
}

void Debugger::Impl::task_switched(Cpu& cpu, u16 from, u16 to) {
    if (observer && !observer->points()) return;
    note_all(StopPointKind::task, number_of(cpu), [&](const StopPoint&) -> std::optional<Hit> {
        return Hit{.address = to,
                   .old_value = from,
                   .new_value = to,
                   .what = "task switch from TSS " + hex(from, 4) + "h to " + hex(to, 4) + "h"};
    });
}

std::string Debugger::Impl::mode_name(const Cpu& cpu) const {
    if (cpu.mode & mode::v86) return "virtual-8086";
    if (!(cpu.mode & mode::protected_mode)) return "real";
    if (cpu.mode & mode::long64) return "64-bit";
    if (cpu.long_mode()) return "compatibility";
    return (cpu.mode & mode::code32) ? "protected 32-bit" : "protected 16-bit";
}

void Debugger::Impl::mode_changed(Cpu& cpu, u32, u8 cpl_before) {
    if (observer && !observer->points()) return;
    const unsigned number = number_of(cpu);
    if (cpl_before != cpu.cpl) {
        note_all(StopPointKind::cpl, number, [&](const StopPoint& point) -> std::optional<Hit> {
            if (!within(point, cpu.cpl)) return {};
            return Hit{.old_value = cpl_before,
                       .new_value = cpu.cpl,
                       .what = "CPL was " + std::to_string(cpl_before) + ", is " + std::to_string(cpu.cpl)};
        });
    }
    if (!points.has(StopPointKind::mode)) return;
    const std::string now = mode_name(cpu), before = std::exchange(modes[number], now);
    if (before.empty() || before == now) return;
    note_all(StopPointKind::mode, number, [&](const StopPoint& point) -> std::optional<Hit> {
        if (!point.name.empty() && point.name != now) return {};
        return Hit{.what = "from " + before + " to " + now + " mode"};
    });
}

void Debugger::Impl::shut_down(Cpu& cpu) {
    if (observer && !observer->points()) return;
    note_all(StopPointKind::shutdown, number_of(cpu), [&](const StopPoint&) -> std::optional<Hit> {
        return Hit{.what = "triple fault: the processor has shut down"};
    });
}

// --- buses -----------------------------------------------------------------------------------------------------------

} // namespace glassbox
