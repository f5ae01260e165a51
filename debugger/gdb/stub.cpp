// Packets to handlers, and threads.
#include "debugger/gdb/stub.hpp"

#include "cpu/state.hpp"

#include <algorithm>
#include <array>

namespace glassbox {

using gdb::Scanner;

GdbStub::GdbStub(Debugger& debugger, const GdbOptions& options)
    : debugger_(debugger), interrupted_(options.interrupted), wanted_(options.arch), arch_(options.arch) {
    debugger_.add_listener(*this);
    debugger_.interrupt();
    thread_ = debugger_.processor() + 1;
    use_description();
}

GdbStub::~GdbStub() {
    remove_points();
    debugger_.remove_listener(*this);
    if (!dead_ && !debugger_.running()) (void)debugger_.resume({});
}

void GdbStub::receive(std::string_view bytes) {
    std::vector<gdb::Event> events;
    reader_.feed(bytes, events, out_);
    for (const gdb::Event& event : events) {
        if (!finished_) handle(event);
    }
}

void GdbStub::handle(const gdb::Event& event) {
    switch (event.kind) {
    case gdb::Event::Kind::interrupt: interrupt(); break;
    case gdb::Event::Kind::too_long:
        error("the packet is longer than " + std::to_string(gdb::packet_size) + " bytes");
        break;
    case gdb::Event::Kind::packet: dispatch(event.data); break;
    }
}

void GdbStub::reply(std::string_view data) { out_ += reader_.frame(data); }

/// gdb shows it, while it waits for a stop or for the end of a `monitor` command.
void GdbStub::console(std::string_view text) {
    constexpr std::size_t most = gdb::packet_size / 2 - 16;
    for (; !text.empty(); text.remove_prefix(std::min(most, text.size()))) {
        std::string packet = "O";
        packet += gdb::to_hex(text.substr(0, most));
        out_ += reader_.frame(packet);
    }
}

void GdbStub::dispatch(std::string_view packet) {
    if (packet.empty()) return unsupported();
    // What makes sense while the machine runs; gdb sends nothing else then.
    if (awaited_ || monitoring_) {
        if (packet == "vCtrlC") return interrupt();
        if (packet[0] != 'k' && packet[0] != 'D' && !packet.starts_with("vKill"))
            return error("the machine is running");
    }
    if ((dead_ || detached_) && !possible_without_program(packet))
        return error("gdb has no program: 'run' or 'attach'");
    static constexpr std::array<std::pair<char, Handler>, 22> letters = {{
        {'?', &GdbStub::why_stopped_packet},
        {'!', &GdbStub::extended},
        {'g', &GdbStub::read_registers},
        {'G', &GdbStub::write_registers},
        {'p', &GdbStub::read_register_number},
        {'P', &GdbStub::write_register_number},
        {'m', &GdbStub::read_memory},
        {'x', &GdbStub::read_memory_binary},
        {'M', &GdbStub::write_memory},
        {'X', &GdbStub::write_memory_binary},
        {'c', &GdbStub::go_on},
        {'C', &GdbStub::go_on_signalled},
        {'s', &GdbStub::step},
        {'S', &GdbStub::step_signalled},
        {'b', &GdbStub::backwards},
        {'Z', &GdbStub::insert},
        {'z', &GdbStub::remove},
        {'H', &GdbStub::set_thread},
        {'T', &GdbStub::thread_alive},
        {'D', &GdbStub::detach},
        {'k', &GdbStub::kill},
        {'R', &GdbStub::restart_packet},
    }};
    Scanner s(packet.substr(1));
    for (const auto& [letter, handler] : letters) {
        if (packet[0] == letter) return (this->*handler)(s);
    }
    Scanner whole(packet);
    if (!dispatch_named(whole, packet)) unsupported();
}

/// Packets with a name, which ends where the arguments begin.
bool GdbStub::dispatch_named(Scanner& s, std::string_view packet) {
    static constexpr std::array<Name, 31> names = {{
        {"vCont?", &GdbStub::actions},
        {"vCont", &GdbStub::resume_threads},
        {"vCtrlC", &GdbStub::interrupt_packet},
        {"vKill", &GdbStub::kill_packet},
        {"vRun", &GdbStub::run_again},
        {"vAttach", &GdbStub::attach},
        {"vMustReplyEmpty", &GdbStub::nothing},
        {"qSupported", &GdbStub::supported},
        {"qXfer", &GdbStub::transfer},
        {"qRcmd", &GdbStub::monitor},
        {"qC", &GdbStub::current_thread},
        {"qfThreadInfo", &GdbStub::first_threads},
        {"qsThreadInfo", &GdbStub::more_threads},
        {"qThreadExtraInfo", &GdbStub::thread_words},
        {"qAttached", &GdbStub::attached},
        {"qSearch:memory", &GdbStub::search_memory},
        {"qCRC", &GdbStub::checksum_memory},
        {"qHostInfo", &GdbStub::host_info},
        {"qProcessInfo", &GdbStub::process_info},
        {"qMemoryRegionInfo", &GdbStub::region_info},
        {"qqemu.sstepbits", &GdbStub::step_bits},
        {"qqemu.sstep", &GdbStub::query_step_mode},
        {"Qqemu.sstep", &GdbStub::set_step_mode},
        {"qSymbol", &GdbStub::symbols},
        {"QStartNoAckMode", &GdbStub::no_acknowledgements},
        {"Qqemu.PhyMemMode", &GdbStub::physical_mode},
        {"qqemu.PhyMemMode", &GdbStub::query_physical_mode},
        {"QPhyMemMode", &GdbStub::physical_mode},
        {"qPhyMemMode", &GdbStub::query_physical_mode},
        {"qOffsets", &GdbStub::nothing},
        {"qTStatus", &GdbStub::nothing},
    }};
    for (const Name& n : names) {
        if (!packet.starts_with(n.name)) continue;
        const std::string_view rest = packet.substr(n.name.size());
        if (!rest.empty() && rest[0] != ':' && rest[0] != ';' && rest[0] != ',' && rest[0] != '=')
            continue; // a longer name
        s.take(n.name);
        (this->*n.handler)(s);
        return true;
    }
    return false;
}

void GdbStub::nothing(Scanner&) { unsupported(); }

// --- threads ---------------------------------------------------------------------------------------------------------

Cpu* GdbStub::cpu_for_registers() {
    Machine& machine = debugger_.machine();
    return thread_ >= 1 && thread_ <= machine.processors() ? &machine.cpu(thread_ - 1) : nullptr;
}

/// A thread's id; 0 and -1 mean any, and come out as 0.
std::optional<unsigned> GdbStub::thread_number(Scanner& s) {
    if (s.take("-1")) return 0;
    const auto number = s.number();
    if (!number || *number > debugger_.machine().processors()) return std::nullopt;
    return static_cast<unsigned>(*number);
}

void GdbStub::set_thread(Scanner& s) {
    const bool moving = s.take('c');
    if (!moving && !s.take('g')) return malformed();
    const auto number = thread_number(s);
    if (!number || !s.empty()) return error("there is no such processor");
    if (moving) {
        moving_ = *number;
    } else if (*number != 0) {
        thread_ = *number;
        debugger_.select_processor(thread_ - 1);
    }
    ok();
}

void GdbStub::thread_alive(Scanner& s) {
    const auto number = thread_number(s);
    if (!number || *number == 0 || !s.empty()) return error("there is no such processor");
    ok();
}

void GdbStub::current_thread(Scanner&) { reply("QC" + gdb::to_hex(u64{thread_})); }

void GdbStub::first_threads(Scanner&) {
    std::string list = "m";
    for (unsigned i = 1; i <= debugger_.machine().processors(); ++i) {
        if (i > 1) list += ',';
        list += gdb::to_hex(u64{i});
    }
    reply(list);
}
void GdbStub::more_threads(Scanner&) { reply("l"); }

std::string GdbStub::describe_thread(unsigned number) const {
    const Cpu& cpu = debugger_.machine().cpu(number - 1);
    std::string words = cpu.shutdown        ? "shut down"
                        : cpu.wait_for_sipi ? "waits for SIPI"
                        : cpu.halted        ? "halted"
                        : cpu.real_mode()   ? "real mode"
                        : cpu.v86()         ? "virtual-8086 mode"
                        : cpu.code64()      ? "64-bit mode"
                        : cpu.long_mode()   ? "compatibility mode"
                        : cpu.seg[CS].big() ? "protected mode, 32 bits"
                                            : "protected mode, 16 bits";
    if (!cpu.shutdown && !cpu.wait_for_sipi) words += ", CPL " + std::to_string(cpu.cpl);
    return words;
}

void GdbStub::thread_words(Scanner& s) {
    if (!s.take(',')) return malformed();
    const auto number = thread_number(s);
    if (!number || *number == 0) return error("there is no such processor");
    reply(gdb::to_hex(describe_thread(*number)));
}

} // namespace glassbox
