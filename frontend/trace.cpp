// Formatting of trace lines. A line is written when the next instruction begins, for only then is known what changed.
#include "frontend/trace.hpp"

#include "debugger/disassembly.hpp"
#include "debugger/hex.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

namespace {

constexpr std::size_t longest_instruction = 15;
constexpr std::size_t text_column = 64, registers_column = 104;

void pad(std::string& line, std::size_t column) {
    if (line.size() < column) line.resize(column, ' ');
    line += ' ';
}

} // namespace

void Tracer::begin_line(const TraceSource& source, const TraceSource::Place& place) {
    std::array<u8, longest_instruction> bytes{};
    const std::size_t readable = std::min(source.read_code(place.linear, bytes), bytes.size());
    const Disassembly code = disassemble(std::span(bytes).first(readable), place.bits, place.ip);
    line_ = std::to_string(place.instruction) + ' ';
    line_ += hex(place.cs, 4) + ':' + hex(place.ip, place.bits == 64 ? 16 : place.bits == 32 ? 8 : 4) + ' ';
    for (std::size_t i = 0; i < code.length && i < readable; ++i) line_ += ' ' + hex(bytes[i], 2);
    pad(line_, text_column);
    line_ += code.text;
    source.registers(before_);
}

void Tracer::finish(const TraceSource* source) {
    if (line_.empty()) return;
    if (source != nullptr) {
        source->registers(after_);
        std::string changes;
        if (after_.size() != before_.size()) before_ = after_; // into or out of long mode: other registers
        for (std::size_t i = 0; i < after_.size(); ++i) {
            if (after_[i].value == before_[i].value) continue;
            changes += (changes.empty() ? "" : " ") + std::string(after_[i].name) + '=' +
                       hex(after_[i].value, after_[i].digits);
        }
        if (!changes.empty()) {
            pad(line_, registers_column);
            line_ += changes;
        }
    }
    line_ += '\n';
    std::fwrite(line_.data(), 1, line_.size(), out_);
    line_.clear();
}

void Tracer::before_instruction(const TraceSource& source) {
    finish(&source);
    if (lines_ >= filter_.count) return;
    const TraceSource::Place place = source.place();
    if (!filter_.passes(place.instruction, place.linear, place.user)) return;
    ++lines_;
    begin_line(source, place);
}

} // namespace glassbox
