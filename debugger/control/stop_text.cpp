// Stops in words.
#include "debugger/control/impl.hpp"
#include "debugger/disassembly.hpp"
#include "debugger/hex.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <utility>

namespace glassbox {

std::string code_place(const Cpu& cpu) {
    const unsigned digits = cpu.code64() ? 16 : code_bits(cpu) == 32 || cpu.ip > 0xFFFF ? 8 : 4;
    return capital_hex(cpu.seg[CS].selector, 4) + ":" + capital_hex(cpu.ip, digits);
}

std::string stop_kind_name(StopPointKind kind) {
    switch (kind) {
    case StopPointKind::execute: return "breakpoint";
    case StopPointKind::read: return "read watchpoint";
    case StopPointKind::write: return "watchpoint";
    case StopPointKind::access: return "access watchpoint";
    case StopPointKind::change: return "change watchpoint";
    case StopPointKind::port: return "port catchpoint";
    case StopPointKind::mmio: return "MMIO catchpoint";
    case StopPointKind::interrupt: return "interrupt catchpoint";
    case StopPointKind::exception: return "exception catchpoint";
    case StopPointKind::irq: return "IRQ catchpoint";
    case StopPointKind::task: return "task catchpoint";
    case StopPointKind::cpl: return "CPL catchpoint";
    case StopPointKind::mode: return "mode catchpoint";
    case StopPointKind::control: return "control-register catchpoint";
    case StopPointKind::msr: return "MSR catchpoint";
    case StopPointKind::device: return "device catchpoint";
    case StopPointKind::mnemonic: return "instruction catchpoint";
    case StopPointKind::new_code: return "new-code catchpoint";
    case StopPointKind::shutdown: return "shutdown catchpoint";
    }
    return "stop point";
}

namespace {

bool is_watch(StopPointKind kind) {
    return kind == StopPointKind::read || kind == StopPointKind::write || kind == StopPointKind::access ||
           kind == StopPointKind::change;
}

std::string watch_text(const StopPoint& point, const Hit& hit) {
    const bool physical = point.where.space == Address::Space::physical;
    const unsigned digits = 2 * std::min(hit.size, 8u);
    std::string text = ": " + std::to_string(hit.size) + (hit.size == 1 ? " byte" : " bytes") + " at " +
                       (physical ? "physical " : "") + capital_hex(hit.address) + "h";
    const bool one = hit.size == 1;
    const std::string after = capital_hex(hit.new_value, digits), before = capital_hex(hit.old_value, digits);
    if (!hit.write) return text + (one ? " was read: " : " were read: ") + after;
    if (before == after) return text + (one ? " was written and is still " : " were written and are still ") + after;
    return text + (one ? " was " : " were ") + before + (one ? ", is " : ", are ") + after;
}

} // namespace

Stop Debugger::Impl::stop_for(const StopPoint* point, const Hit& hit) const {
    Stop made;
    made.moment = timeline.now();
    made.processor = hit.processor;
    made.number = hit.number;
    made.address = hit.address;
    made.write = hit.write;
    made.before = hit.old_value;
    made.after = hit.new_value;
    if (!point) {
        made.kind = StopKind::magic;
        made.text = "magic break: XCHG BX, BX";
        return made;
    }
    made.commands = point->commands;
    made.kind = point->kind == StopPointKind::execute ? StopKind::breakpoint
                : is_watch(point->kind)               ? StopKind::watchpoint
                                                      : StopKind::event;
    made.text =
        (point->temporary ? "temporary " : "") + stop_kind_name(point->kind) + " " + std::to_string(point->number);
    if (is_watch(point->kind)) {
        made.text += hit.what.empty() ? watch_text(*point, hit) + hit.by : hit.what;
    } else if (point->kind == StopPointKind::execute && hit.what.empty()) {
        if (!point->text.empty()) made.text += ": " + point->text;
    } else if (!hit.what.empty()) {
        made.text += ": " + hit.what;
    }
    return made;
}

std::string describe_stop(Debugger& debugger) {
    const Stop& stop = debugger.stop();
    const Cpu& cpu = debugger.cpu();
    std::string text = stop.text.empty() ? "stopped" : stop.text;
    text[0] = static_cast<char>(std::toupper(static_cast<unsigned char>(text[0])));
    std::string lines;
    if (const auto& traced = debugger.implementation().traced) lines = std::exchange(*traced, {});
    lines += text + "\n";
    const u64 linear = code_address(cpu);
    if (const auto source = debugger.symbols().line_at(linear))
        lines += source->file + ":" + std::to_string(source->line) + "\n";
    std::array<u8, 15> bytes{};
    const std::size_t size = read_linear_quietly(cpu, linear, bytes);
    const Disassembly code = disassemble(std::span(bytes).first(size), code_bits(cpu), cpu.ip);
    lines += "#" + std::to_string(debugger.machine().instructions());
    if (debugger.machine().processors() > 1) lines += "  cpu " + std::to_string(debugger.processor());
    lines += "  " + code_place(cpu);
    if (const std::string symbol = debugger.symbols().describe(linear); !symbol.empty()) lines += " <" + symbol + ">";
    lines += "  " + hex_bytes(std::span(bytes).first(std::min(code.length, size)), true) + "  " + code.text;
    if (cpu.halted) lines += "   (the processor is halted)";
    return lines + "\n";
}

} // namespace glassbox
