// set, fill, copy, load, save, in, out. What changes memory or devices is told to the debugger, whose history begins
// anew there.
#include "debugger/look/arguments.hpp"
#include "debugger/look/change.hpp"
#include "debugger/look/set_command.hpp"
#include "debugger/look/text.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <fstream>

namespace glassbox::look {

namespace {

constexpr u64 most_bytes = u64{1} << 32;

std::optional<unsigned> take_size(Arguments& arguments) {
    for (const auto& [name, size] :
         {std::pair{"byte", 1u}, std::pair{"word", 2u}, std::pair{"dword", 4u}, std::pair{"qword", 8u}}) {
        if (arguments.take_if(name)) return size;
    }
    return std::nullopt;
}

Expected<> changed(CommandContext& context, const std::string& what) {
    context.debugger.changed();
    context.out += what + "\n";
    return {};
}

/// A piece at a time, so that a length that somebody mistyped costs no memory.
template <class Make>
Expected<> write_in_pieces(CommandContext& context, MemoryPlace at, u64 length, const Make& make, unsigned width = 8) {
    constexpr u64 piece = 1 << 16;
    std::vector<u8> bytes;
    for (u64 done = 0; done < length; done += bytes.size()) {
        bytes.resize(static_cast<std::size_t>(std::min(piece, length - done)));
        if (auto made = make(done, std::span(bytes)); !made) return made;
        if (auto written = write_by_hand(context.debugger.cpu(), after(at, done), bytes, width); !written) {
            if (done == 0) return written;
            context.debugger.changed();
            return fail(written.error().message + " (" + count_text(done, "byte", "bytes") +
                        " before it were written)");
        }
    }
    return {};
}

Expected<> run_fill(CommandContext& context, Arguments& arguments) {
    const unsigned before = take_size(arguments).value_or(0);
    auto address = take_address(context, arguments, "the address");
    if (!address) return tl::unexpected(address.error());
    auto length = take_count(context, arguments, 0, most_bytes, "the length");
    if (!length) return tl::unexpected(length.error());
    auto value = take_number(context, arguments, std::nullopt, "the value");
    if (!value) return tl::unexpected(value.error());
    const unsigned size = before ? before : take_size(arguments).value_or(1);
    if (auto ok = nothing_more(arguments); !ok) return ok;
    if (*length % size != 0)
        return fail("the length is not a whole number of values of " + count_text(size, "byte", "bytes"));
    const auto make = [&](u64 done, std::span<u8> bytes) -> Expected<> {
        for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<u8>(*value >> (8 * ((done + i) % size)));
        return {};
    };
    if (auto done = write_in_pieces(context, place_of(*address), *length, make, size); !done) return done;
    return changed(context, count_text(*length, "byte", "bytes") + " filled");
}

Expected<> run_copy(CommandContext& context, Arguments& arguments) {
    auto from = take_address(context, arguments, "the address to copy from");
    if (!from) return tl::unexpected(from.error());
    auto to = take_address(context, arguments, "the address to copy to");
    if (!to) return tl::unexpected(to.error());
    constexpr u64 most = 64 << 20;
    auto length = take_number(context, arguments, std::nullopt, "the length");
    if (!length) return tl::unexpected(length.error());
    if (*length > most) return fail("at most " + size_text(most) + " are copied at once");
    if (auto ok = nothing_more(arguments); !ok) return ok;
    // All is read first: the ranges may overlap.
    std::vector<u8> bytes(static_cast<std::size_t>(*length));
    const std::size_t got = read_quietly(context.debugger.cpu(), place_of(*from), bytes);
    if (got < bytes.size()) return fail("the byte at " + prose(from->value + got) + " cannot be read");
    if (auto done = write_by_hand(context.debugger.cpu(), place_of(*to), bytes); !done) return done;
    return changed(context, count_text(*length, "byte", "bytes") + " copied");
}

Expected<> run_load(CommandContext& context, Arguments& arguments) {
    const std::string path = arguments.take();
    if (path.empty()) return fail("the name of the file is missing");
    auto address = take_address(context, arguments, "the address");
    if (!address) return tl::unexpected(address.error());
    auto offset = take_number(context, arguments, 0, "the offset in the file");
    if (!offset) return tl::unexpected(offset.error());
    auto length = take_number(context, arguments, ~u64{0}, "the length");
    if (!length) return tl::unexpected(length.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    std::ifstream file(path, std::ios::binary | std::ios::ate);
    if (!file) return fail("cannot open '" + path + "'");
    const auto end = file.tellg();
    if (end < 0) return fail("'" + path + "' has no length: it is no file of bytes");
    const auto size = static_cast<u64>(end);
    if (*offset > size) return fail("'" + path + "' has only " + count_text(size, "byte", "bytes"));
    const u64 wanted = std::min({*length, size - *offset, most_bytes});
    file.seekg(static_cast<std::streamoff>(*offset));
    const auto make = [&](u64, std::span<u8> bytes) -> Expected<> {
        if (!file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
            return fail("cannot read '" + path + "'");
        return {};
    };
    if (auto done = write_in_pieces(context, place_of(*address), wanted, make); !done) return done;
    return changed(context, count_text(wanted, "byte", "bytes") + " loaded");
}

Expected<> run_save(CommandContext& context, Arguments& arguments) {
    const std::string path = arguments.take();
    if (path.empty()) return fail("the name of the file is missing");
    auto address = take_address(context, arguments, "the address");
    if (!address) return tl::unexpected(address.error());
    auto length = take_number(context, arguments, std::nullopt, "the length");
    if (!length) return tl::unexpected(length.error());
    if (*length > most_bytes) return fail("at most " + size_text(most_bytes) + " are saved");
    if (auto ok = nothing_more(arguments); !ok) return ok;
    std::ofstream file(path, std::ios::binary | std::ios::trunc);
    if (!file) return fail("cannot write '" + path + "'");
    std::vector<u8> bytes;
    for (u64 done = 0; done < *length; done += bytes.size()) {
        bytes.resize(static_cast<std::size_t>(std::min<u64>(1 << 16, *length - done)));
        const std::size_t got = read_quietly(context.debugger.cpu(), after(place_of(*address), done), bytes);
        if (got < bytes.size())
            return fail("the byte at " + prose(address->value + done + got) +
                        " cannot be read; the file has what lies before it");
        if (!file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size())))
            return fail("cannot write '" + path + "'");
    }
    file.flush();
    if (!file) return fail("cannot write '" + path + "'");
    context.out += count_text(*length, "byte", "bytes") + " saved\n";
    return {};
}

Expected<u16> take_port(CommandContext& context, Arguments& arguments) {
    auto port = take_number(context, arguments, std::nullopt, "the port");
    if (!port) return tl::unexpected(port.error());
    if (*port > 0xFFFF) return fail("ports go up to FFFFh");
    return static_cast<u16>(*port);
}

Expected<unsigned> take_width(Arguments& arguments) {
    const unsigned width = take_size(arguments).value_or(1);
    if (width > 4) return fail("a port is read and written as byte, word or dword");
    if (auto ok = nothing_more(arguments); !ok) return tl::unexpected(ok.error());
    return width;
}

Expected<> run_in(CommandContext& context, Arguments& arguments) {
    auto port = take_port(context, arguments);
    if (!port) return tl::unexpected(port.error());
    auto width = take_width(arguments);
    if (!width) return tl::unexpected(width.error());
    context.debugger.changed(); // also before: what a device puts out now is of another future
    u32 value = 0;
    {
        const BusByHand by_hand(context.debugger.cpu());
        value = context.debugger.cpu().ports.read(Port{*port}, *width);
    }
    return changed(context, "port " + digits(*port, 1) + "h = " + digits(value, 2 * *width));
}

Expected<> run_peek(CommandContext& context, Arguments& arguments) {
    auto port = take_port(context, arguments);
    if (!port) return tl::unexpected(port.error());
    auto width = take_width(arguments);
    if (!width) return tl::unexpected(width.error());
    const PortBus& ports = context.debugger.cpu().ports;
    const auto value = ports.peek(Port{*port}, *width);
    if (!value) return fail("the device at port " + digits(*port, 1) + "h does not tell what it would answer");
    const auto owner = ports.owner(Port{*port});
    context.out += "port " + digits(*port, 1) + "h would read " + digits(*value, 2 * *width) +
                   (owner.empty() ? "  (nobody answers there)" : "  (" + std::string(owner) + ")") + "\n";
    return {};
}

Expected<> run_out(CommandContext& context, Arguments& arguments) {
    auto port = take_port(context, arguments);
    if (!port) return tl::unexpected(port.error());
    auto value = take_number(context, arguments, std::nullopt, "the value");
    if (!value) return tl::unexpected(value.error());
    auto width = take_width(arguments);
    if (!width) return tl::unexpected(width.error());
    if (*width < 8 && *value >> (8 * *width) != 0)
        return fail(prose(*value) + " does not fit " + count_text(*width, "byte", "bytes"));
    context.debugger.changed();
    {
        const BusByHand by_hand(context.debugger.cpu());
        context.debugger.cpu().ports.write(Port{*port}, *width, static_cast<u32>(*value));
    }
    return changed(context, digits(*value, 2 * *width) + " written to port " + digits(*port, 1) + "h");
}

constexpr Command commands[] = {
    {"set", "", "Change", "REGISTER|PLACE|byte|word|dword|qword ADDRESS [=] VALUE...",
     "Changes a register, memory or a descriptor",
     R"(Registers by the SDM's names, with what follows from the change: a selector loads its hidden part (from the
descriptor tables in protected mode), control registers are checked as MOV would check them, privilege
does not count. Memory as [expression], as wide as the code's operands, or with a size and one or more
values; phys() is physical. ROM is refused; a device is written as the processor would write it. Decoded
code and stop points hear of it; the TLB is not flushed when you change page tables (set cr3 cr3 does
that). A segment register keeps its hidden part when you change its descriptor.
  set eax 5                          set zf 1
  set [esp+4] = 0                    set dword phys(1000h) 1 2 3
  set string 7c00h "text"            set cs.base 0
  set msr lstar 0ffffffff81000000h   set xmm0 as f32 1.0 -2.5
  set descriptor gdt 3 dpl=3 limit=0ffffh p=1
  set descriptor idt 0eh offset=page_fault type=0eh
Fields of descriptors: type s dpl p base limit (bytes) g d l avl; selector offset ist count; raw.
)",
     run_set, "register"},
    {"fill", "", "Change", "ADDRESS LENGTH VALUE [byte|word|dword|qword]", "Fills memory with a value",
     "LENGTH is in bytes.\n  fill ss:esp 64 0 dword\n  fill phys(100000h) 1000h 0\n", run_fill},
    {"copy", "", "Change", "FROM TO LENGTH", "Copies memory",
     "The ranges may overlap.\n  copy 7c00h 600h 512\n  copy phys(0f0000h) esp 16\n", run_copy},
    {"load", "", "Change", "FILE ADDRESS [OFFSET [LENGTH]]", "Loads a file into memory",
     "Bytes as they are in the file, without regard to its format; symbols come with the command symbols.\n  load "
     "boot.bin 7c00h\n  load disk.img phys(10000h) 200h 512\n",
     run_load, "file"},
    {"save", "", "Change", "FILE ADDRESS LENGTH", "Saves memory to a file",
     "  save stage2.bin 8000h 4000h\n  save bios.bin phys(0f0000h) 10000h\n", run_save, "file"},
    {"in", "", "Change", "PORT [byte|word|dword]", "Reads a port",
     "As an instruction would, so the device may change: a status that reading clears is cleared. peek looks without "
     "that.\n  in 64h\n  in 1f0h word\n",
     run_in},
    {"peek", "", "Devices", "PORT [byte|word|dword]", "What a port would read, without reading it",
     R"(The device does not notice: a byte that waits stays, a status that reading clears stays set, an index does not
move on. Of a wider access than the device takes, each part as if it were read alone. Memory of devices is
looked at with examine and dump, as any other.
  peek 60h                  the key that waits in the 8042
  peek 3f8h                 the byte that waits in COM1
  peek 0cfch dword
)",
     run_peek},
    {"out", "", "Change", "PORT VALUE [byte|word|dword]", "Writes to a port",
     "As an instruction would: the device does what it is told.\n  out 80h 55h\n  out 0cf8h 80000000h dword\n",
     run_out},
};

} // namespace

std::span<const Command> change_commands() { return commands; }

} // namespace glassbox::look
