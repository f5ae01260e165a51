// Registers and memory.
#include "cpu/state.hpp"
#include "debugger/gdb/stub.hpp"
#include "debugger/view.hpp"

#include <algorithm>

namespace glassbox {

using gdb::Scanner;

/// From now on `g` and `p` follow the description for the processor as it stands.
void GdbStub::use_description() {
    const Cpu& cpu = debugger_.machine().cpu(thread_ - 1);
    arch_ = gdb::choose(wanted_, cpu);
    registers_ = gdb::registers_of(arch_, *cpu.model);
}

void GdbStub::read_registers(Scanner&) {
    const Cpu* cpu = cpu_for_registers();
    if (!cpu) return error("there is no such processor");
    std::string all;
    for (const gdb::Register& r : registers_) all += gdb::read(*cpu, r);
    reply(gdb::to_hex(all));
}

void GdbStub::write_registers(Scanner& s) {
    Cpu* cpu = cpu_for_registers();
    const auto bytes = gdb::from_hex(s.rest());
    if (!cpu) return error("there is no such processor");
    if (!bytes) return malformed();
    std::size_t size = 0;
    for (const gdb::Register& r : registers_) size += r.bits / 8;
    if (bytes->size() != size) return error("there are " + std::to_string(size) + " bytes of registers");
    std::string trouble;
    std::string_view rest = *bytes;
    for (const gdb::Register& r : registers_) {
        const auto done = gdb::write(*cpu, r, rest.substr(0, r.bits / 8));
        if (!done && trouble.empty()) trouble = r.name + ": " + done.error().message;
        rest.remove_prefix(r.bits / 8);
    }
    debugger_.changed();
    trouble.empty() ? ok() : error(trouble);
}

void GdbStub::read_register_number(Scanner& s) {
    const Cpu* cpu = cpu_for_registers();
    const auto number = s.number();
    if (!cpu || !number || !s.empty()) return malformed();
    if (*number >= registers_.size()) return error("there is no such register");
    reply(gdb::to_hex(gdb::read(*cpu, registers_[*number])));
}

void GdbStub::write_register_number(Scanner& s) {
    Cpu* cpu = cpu_for_registers();
    const auto number = s.number();
    if (!cpu || !number || !s.take('=')) return malformed();
    const auto bytes = gdb::from_hex(s.rest());
    if (!bytes) return malformed();
    if (*number >= registers_.size()) return error("there is no such register");
    const auto done = gdb::write(*cpu, registers_[*number], *bytes);
    debugger_.changed();
    done ? ok() : error(done.error().message);
}

// --- memory ----------------------------------------------------------------------------------------------------------

bool GdbStub::address_and_length(Scanner& s, char end, u64& address, u64& length) {
    const auto first = s.number();
    if (!first || !s.take(',')) return false;
    const auto size = s.number();
    if (!size || (end ? !s.take(end) : !s.empty())) return false;
    address = *first;
    length = *size;
    return true;
}

/// As many bytes as there are; nothing if not even one can be read.
std::optional<std::string> GdbStub::fetch(u64 address, u64 length) {
    const Cpu* cpu = cpu_for_registers();
    if (!cpu) return std::nullopt;
    constexpr u64 most = gdb::packet_size / 2 - 8;
    std::vector<u8> bytes(static_cast<std::size_t>(std::min(length, most)));
    const std::size_t done =
        physical_ ? read_physical_quietly(*cpu, address, bytes) : read_linear_quietly(*cpu, address, bytes);
    if (done == 0 && length != 0) return std::nullopt;
    return std::string(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(done));
}

void GdbStub::read_memory(Scanner& s) {
    u64 address = 0, length = 0;
    if (!address_and_length(s, '\0', address, length)) return malformed();
    const auto bytes = fetch(address, length);
    bytes ? reply(gdb::to_hex(*bytes)) : reply("E0e"); // EFAULT
}

void GdbStub::read_memory_binary(Scanner& s) {
    u64 address = 0, length = 0;
    if (!address_and_length(s, '\0', address, length)) return malformed();
    const auto bytes = fetch(address, length);
    bytes ? reply("b" + *bytes) : reply("E0e");
}

void GdbStub::store(u64 address, std::string_view bytes) {
    Cpu* cpu = cpu_for_registers();
    if (!cpu) return error("there is no such processor");
    if (bytes.empty()) return ok(); // gdb asks whether there is an X packet
    const std::vector<u8> data(bytes.begin(), bytes.end());
    const auto done =
        physical_ ? write_physical_by_hand(*cpu, address, data) : write_linear_by_hand(*cpu, address, data);
    if (!done) return error(done.error().message);
    debugger_.changed();
    ok();
}

void GdbStub::write_memory(Scanner& s) {
    u64 address = 0, length = 0;
    if (!address_and_length(s, ':', address, length)) return malformed();
    const auto bytes = gdb::from_hex(s.rest());
    if (!bytes || bytes->size() != length) return malformed();
    store(address, *bytes);
}

void GdbStub::write_memory_binary(Scanner& s) {
    u64 address = 0, length = 0;
    if (!address_and_length(s, ':', address, length) || s.rest().size() != length) return malformed();
    store(address, s.rest());
}

void GdbStub::physical_mode(Scanner& s) {
    if (!s.take(':')) return malformed();
    const bool on = s.take('1');
    if (!on && !s.take('0')) return malformed();
    physical_ = on;
    ok();
}
void GdbStub::query_physical_mode(Scanner&) { reply(physical_ ? "1" : "0"); }

} // namespace glassbox
