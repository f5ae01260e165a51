// What gdb asks about the stub and the machine, and `monitor`.
#include "cpu/state.hpp"
#include "debugger/command.hpp"
#include "debugger/gdb/stub.hpp"
#include "mmu/access.hpp"

#include <algorithm>

namespace glassbox {

using gdb::Scanner;

void GdbStub::supported(Scanner& s) {
    swbreak_ = s.rest().find("swbreak+") != std::string_view::npos;
    hwbreak_ = s.rest().find("hwbreak+") != std::string_view::npos;
    reply("PacketSize=" + gdb::to_hex(u64{gdb::packet_size}) +
          ";QStartNoAckMode+;qXfer:features:read+;qXfer:memory-map:read+;qXfer:threads:read+;swbreak+;hwbreak+;"
          "vContSupported+;ReverseStep+;ReverseContinue+;error-message+;ConditionalBreakpoints+;"
          "binary-upload+;multiprocess-;QNonStop-;PhyMemMode+");
}

/// gdb has linear addresses, and what lies there may change at any time: all of them may be written, and a breakpoint
/// is possible everywhere. Without a map that covers everything gdb would refuse the rest.
std::string GdbStub::memory_map() const {
    std::string map = "<?xml version=\"1.0\"?>\n<!DOCTYPE memory-map PUBLIC \"+//IDN gnu.org//DTD GDB Memory Map "
                      "V1.0//EN\" \"http://sourceware.org/gdb/gdb-memory-map.dtd\">\n<memory-map>\n";
    for (const char* start : {"0x0", "0x8000000000000000"})
        map += std::string("  <memory type=\"ram\" start=\"") + start + "\" length=\"0x8000000000000000\"/>\n";
    return map + "</memory-map>\n";
}

std::string GdbStub::thread_list() const {
    std::string list = "<?xml version=\"1.0\"?>\n<threads>\n";
    for (unsigned i = 1; i <= debugger_.machine().processors(); ++i) {
        list += "  <thread id=\"" + gdb::to_hex(u64{i}) + "\" core=\"" + std::to_string(i - 1) +
                "\" name=\"processor " + std::to_string(i - 1) + "\">" + describe_thread(i) + "</thread>\n";
    }
    return list + "</threads>\n";
}

std::optional<std::string> GdbStub::object(std::string_view name, std::string_view annex) {
    if (name == "features" && annex == "target.xml") {
        use_description();
        return gdb::describe(arch_, *debugger_.machine().cpu(0).model);
    }
    if (name == "memory-map" && annex.empty()) return memory_map();
    if (name == "threads" && annex.empty()) return thread_list();
    return std::nullopt;
}

/// :OBJECT:read:ANNEX:OFFSET,LENGTH
void GdbStub::transfer(Scanner& s) {
    if (!s.take(':')) return malformed();
    const std::string_view name = s.until(':');
    if (name != "features" && name != "memory-map" && name != "threads") return unsupported();
    if (!s.take("read:")) return unsupported();
    const std::string_view annex = s.until(':');
    u64 offset = 0, length = 0;
    if (!address_and_length(s, '\0', offset, length)) return malformed();
    const std::string key = std::string(name) + ':' + std::string(annex);
    if (offset == 0 || transferring_ != key) {
        auto whole = object(name, annex);
        if (!whole) return reply("E00");
        transferred_ = *std::move(whole);
        transferring_ = key;
    }
    if (offset > transferred_.size()) return malformed();
    constexpr u64 most = gdb::packet_size / 2 - 8; // every byte may need an escape
    const std::string_view part = std::string_view(transferred_).substr(offset, std::min(length, most));
    reply((offset + part.size() == transferred_.size() ? "l" : "m") + std::string(part));
}

/// `monitor gdb-arch NAME`: which description gdb gets the next time it asks for one (`unset tdesc filename`).
bool GdbStub::monitor_arch(std::string_view line) {
    constexpr std::pair<std::string_view, gdb::Arch> names[] = {{"auto", gdb::Arch::automatic},
                                                                {"i8086", gdb::Arch::i8086},
                                                                {"i386", gdb::Arch::i386},
                                                                {"x86-64", gdb::Arch::x86_64},
                                                                {"mode", gdb::Arch::by_mode}};
    if (line != "gdb-arch" && !line.starts_with("gdb-arch ")) return false;
    const std::string_view wish = line.size() > 9 ? line.substr(9) : std::string_view();
    std::string now;
    bool taken = false;
    for (const auto& [name, arch] : names) {
        if (name == wish) wanted_ = arch, taken = true;
        if (arch == wanted_) now = name;
    }
    std::string text = "gdb-arch is " + now;
    text += taken ? "\n"
                  : "; possible: auto i8086 i386 x86-64 mode\n"
                    "gdb reads the description anew with 'unset tdesc filename'\n";
    console(text);
    ok();
    return true;
}

void GdbStub::monitor(Scanner& s) {
    if (!s.take(',')) return malformed();
    const auto line = gdb::from_hex(s.rest());
    if (!line) return malformed();
    if (monitor_arch(*line)) return;
    std::string text;
    CommandContext context{debugger_, text, nullptr};
    const std::size_t stops_before = debugger_.past_stops().size();
    const auto done = execute_command(context, *line);
    if (!text.empty() && text.back() != '\n') text += '\n';
    if (!done) text += done.error().message + "\n";
    monitoring_ = debugger_.running();
    if (!monitoring_ && debugger_.past_stops().size() != stops_before) text += describe_stop(debugger_);
    console(text);
    if (!monitoring_) ok(); // else when the machine has stopped
}

void GdbStub::no_acknowledgements(Scanner&) {
    ok();
    reader_.set_acknowledged(false);
}
void GdbStub::attached(Scanner&) { reply("1"); } // so that gdb detaches when it ends
void GdbStub::symbols(Scanner&) { ok(); }        // none are needed

// --- what LLDB and those who come from QEMU ask ----------------------------------------------------------------------

std::string GdbStub::triple() const {
    const std::string_view name = arch_ == gdb::Arch::x86_64  ? "x86_64-unknown-none"
                                  : arch_ == gdb::Arch::i8086 ? "i386-unknown-none-code16"
                                                              : "i386-unknown-none";
    return "triple:" + gdb::to_hex(name) + ";endian:little;ptrsize:" + (arch_ == gdb::Arch::x86_64 ? "8;" : "4;");
}
void GdbStub::host_info(Scanner&) { reply(triple() + "vm-page-size:4096;"); }
void GdbStub::process_info(Scanner&) { reply("pid:1;" + triple()); }

/// :ADDRESS. The pages around it that are mapped, or are not: as far as is quickly found out.
void GdbStub::region_info(Scanner& s) {
    constexpr u64 page = 4096, most_pages = 1 << 14;
    if (!s.take(':')) return malformed();
    const auto address = s.number();
    if (!address || !s.empty()) return malformed();
    const Cpu& cpu = debugger_.machine().cpu(thread_ - 1);
    const u64 start = *address & ~(page - 1), end = cpu.long_mode() ? 0 : u64{1} << 32; // 0: 2^64
    u64 size = 0 - start, phys = 0;
    bool mapped = false;
    if (end == 0 || start < end) {
        const auto is_mapped = [&](u64 at) { return translate_quietly(cpu, at, phys); };
        mapped = is_mapped(start);
        size = std::min(end - start - 1, 0 - page - 1) + 1; // all of 2^64 has no number
        for (u64 pages = 1; pages < most_pages && pages * page < size; ++pages) {
            if (is_mapped(start + pages * page) != mapped) size = pages * page;
        }
        if (cpu.paging()) size = std::min(size, most_pages * page);
    }
    reply("start:" + gdb::to_hex(start) + ";size:" + gdb::to_hex(size) + (mapped ? ";permissions:rwx;" : ";"));
}

/// ENABLE and NOTIMER change nothing here: time passes with instructions.
void GdbStub::step_bits(Scanner&) { reply("ENABLE=1,NOIRQ=2,NOTIMER=4"); }
void GdbStub::query_step_mode(Scanner&) { reply(step_into_interrupts_ ? "0x5" : "0x7"); }
void GdbStub::set_step_mode(Scanner& s) {
    if (!s.take('=')) return malformed();
    (void)s.take("0x");
    const auto bits = s.number();
    if (!bits || !s.empty() || *bits > 7) return malformed();
    step_into_interrupts_ = (*bits & 2) == 0;
    ok();
}

} // namespace glassbox
