#include "debugger/control/instruction_log.hpp"

#include "cpu/system/system.hpp"
#include "debugger/control/flow.hpp"
#include "debugger/look/text.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"
#include "machine/machine.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

namespace {

constexpr std::size_t most_accesses = 4; ///< of an instruction that are listed
constexpr std::size_t code_columns = 62;

void add(std::string& text, const std::string& word) {
    if (!text.empty()) text += ' ';
    text += word;
}

/// Flags that were set and cleared: "+ZF -CF".
std::string flag_changes(u64 before, u64 now) {
    constexpr std::array<std::pair<unsigned, std::string_view>, 15> names = {{{0, "CF"},
                                                                              {2, "PF"},
                                                                              {4, "AF"},
                                                                              {6, "ZF"},
                                                                              {7, "SF"},
                                                                              {8, "TF"},
                                                                              {9, "IF"},
                                                                              {10, "DF"},
                                                                              {11, "OF"},
                                                                              {14, "NT"},
                                                                              {16, "RF"},
                                                                              {17, "VM"},
                                                                              {18, "AC"},
                                                                              {19, "VIF"},
                                                                              {20, "VIP"}}};
    std::string text;
    for (const auto& [bit, name] : names) {
        const bool was = (before >> bit & 1) != 0, is = (now >> bit & 1) != 0;
        if (was != is) add(text, (is ? "+" : "-") + std::string(name));
    }
    return text;
}

/// Not worth a word: where the code is now, what follows from a selector, and clocks.
bool passed_over(std::string_view name) {
    const bool of_table = name.starts_with("gdtr") || name.starts_with("idtr");
    return name == "rip" || name == "eip" || name == "ip" || (!of_table && name.find('.') != std::string_view::npos) ||
           name.find("tsc") != std::string_view::npos || name.starts_with("fp_") || name == "fop";
}

std::string register_text(const Cpu& cpu, const std::string& name) {
    const auto value = read_register(cpu, name);
    if (!value) return name;
    // 32 bits are what there is outside of 64-bit mode.
    const bool narrow = value->bits == 64 && !cpu.code64() && name.starts_with('r') && value->value <= 0xFFFF'FFFF;
    const std::string shown = narrow ? "e" + name.substr(1) : name;
    return shown + "=" + look::digits(value->value, (narrow ? 32 : value->bits) / 4);
}

} // namespace

InstructionLog::InstructionLog(Machine& machine, const Symbols& symbols, Naming naming, Sink sink)
    : machine_(machine), symbols_(symbols), naming_(std::move(naming)), sink_(std::move(sink)),
      pending_(machine.processors()) {}

InstructionLog::~InstructionLog() { listen(false); }

void InstructionLog::listen(bool on) {
    if (listening_ == on) return;
    listening_ = on;
    if (on) {
        machine_.attach(static_cast<Probe&>(*this));
        machine_.attach(static_cast<BusProbe&>(*this));
        machine_.set_every_instruction(*this, true);
    } else {
        machine_.detach(static_cast<Probe&>(*this));
        machine_.detach(static_cast<BusProbe&>(*this));
        for (Pending& pending : pending_) pending.active = false;
    }
}

unsigned InstructionLog::number_of(const Cpu& cpu) const {
    for (unsigned i = 0; i < machine_.processors(); ++i) {
        if (&machine_.cpu(i) == &cpu) return i;
    }
    return 0;
}

void InstructionLog::write(const std::string& line) {
    ++lines_;
    sink_(line);
}

std::string InstructionLog::start_of(u64 count, unsigned number) const {
    std::string text = "#" + std::to_string(count);
    if (machine_.processors() > 1) text += " cpu " + std::to_string(number);
    return look::left(text, machine_.processors() > 1 ? 17 : 11) + " ";
}

std::string InstructionLog::changes(const Cpu& cpu, const Pending& pending, End end) const {
    std::string text;
    for (const std::string& name : pending.before.changes(cpu)) {
        if (passed_over(name)) continue;
        const bool by_delivery =
            name == "rsp" || name == "esp" || name == "cs" || name == "ss" || name == "rflags" || name == "eflags";
        if (end == End::interrupted && by_delivery) continue;
        if (name == "rflags" || name == "eflags") {
            add(text, flag_changes(pending.before.value(name).value_or(0), cpu.full_eflags()));
        } else {
            add(text, register_text(cpu, name));
        }
    }
    for (const Write& w : pending.writes) {
        const unsigned digits = cpu.long_mode() && w.linear > 0xFFFF'FFFF ? 16 : 8;
        add(text, "[" + look::digits(w.linear, digits) +
                      "]=" + (w.size <= 8 ? look::digits(w.value, 2 * w.size) : std::to_string(w.size) + " bytes"));
    }
    for (const std::string& port : pending.ports) add(text, port);
    if (pending.more != 0) add(text, "and " + std::to_string(pending.more) + " more");
    return text;
}

void InstructionLog::finish(unsigned number, End end) {
    Pending& pending = pending_[number];
    if (!pending.active) return;
    pending.active = false;
    std::string line = start_of(pending.count, number) + look::to_text(pending.line);
    const std::string effects = end == End::faulted ? std::string() : changes(machine_.cpu(number), pending, end);
    if (!effects.empty()) line = look::left(line, code_columns + 11) + " | " + effects;
    write(line);
}

bool InstructionLog::before_instruction(Cpu& cpu) {
    const unsigned number = number_of(cpu);
    Pending& pending = pending_[number];
    const u64 count = machine_.instructions(), linear = cpu.code_linear(cpu.ip);
    if (pending.active && pending.linear == linear && (cpu.shadow & Cpu::mid_repetition) != 0) return false;
    if (pending.active && pending.count == count && pending.linear == linear) return false; // it was held back
    finish(number, End::executed);
    pending = {};
    pending.active = true;
    pending.count = count;
    pending.ip = cpu.ip;
    pending.linear = linear;
    pending.line = look::instruction_line(cpu, symbols_.empty() ? nullptr : &symbols_, look::current_place(cpu));
    pending.before = look::RegisterSnapshot(cpu);
    return false;
}

void InstructionLog::accessed(Cpu& cpu, const MemoryAccess& access) {
    Pending& pending = pending_[number_of(cpu)];
    if (!access.write || access.system || !pending.active) return;
    if (pending.writes.size() < most_accesses) {
        pending.writes.push_back({access.linear, access.size, access.value});
    } else {
        ++pending.more;
    }
}

void InstructionLog::delivered(Cpu& cpu, u8 vector, InterruptKind kind, u64 from_ip) {
    const unsigned number = number_of(cpu);
    Pending& pending = pending_[number];
    const bool own = kind != InterruptKind::hardware && kind != InterruptKind::exception;
    const bool faulted = kind == InterruptKind::exception && from_ip == pending.ip;
    if (pending.active && !own && !faulted) { // what the delivery pushed is not the instruction's
        const auto frame = delivered_frame(cpu, from_ip);
        const u64 first = stack_address(cpu), last = frame ? frame->sp : first;
        std::erase_if(pending.writes, [&](const Write& w) { return w.linear - first < last - first; });
    }
    finish(number, own || faulted ? End::faulted : End::interrupted);
    write(start_of(machine_.instructions(), number) + "-- " + naming_(vector, kind));
}

void InstructionLog::port_accessed(std::string_view, Port port, unsigned width, bool write, u32 value) {
    Pending& pending = pending_[number_of(machine_.cpu())];
    if (!pending.active) return;
    if (pending.ports.size() >= most_accesses) {
        ++pending.more;
        return;
    }
    pending.ports.push_back("port " + look::prose(port.value) + (write ? " <- " : " -> ") +
                            look::digits(value, 2 * width));
}

void InstructionLog::memory_writing(PhysAddress start, std::span<const u8> data) {
    write(start_of(machine_.instructions(), number_of(machine_.cpu())) + "-- a device writes " +
          look::count_text(data.size(), "byte", "bytes") + " at physical " + look::prose(start.value) + " (DMA)");
}

void InstructionLog::settle() {
    for (unsigned i = 0; i < machine_.processors(); ++i) {
        const Cpu& cpu = machine_.cpu(i);
        Pending& pending = pending_[i];
        const bool begun = pending.count != machine_.instructions() || pending.ip != cpu.ip;
        if (begun) finish(i, End::executed);
        pending.active = false;
    }
}

} // namespace glassbox
