// disassemble, stack, backtrace, last.
#include "cpu/system/descriptor.hpp"
#include "debugger/look/arguments.hpp"
#include "debugger/look/instruction_line.hpp"
#include "debugger/look/last.hpp"
#include "debugger/look/stack_text.hpp"
#include "debugger/symbols/frame_scope.hpp"
#include "debugger/view.hpp"

#include <cstring>

namespace glassbox::look {

namespace {

constexpr u64 most_instructions = 10'000;

/// How the code of a selector is decoded: by its descriptor, where there is one.
unsigned bits_of_selector(const Cpu& cpu, u16 selector) {
    u64 at = 0;
    std::array<u8, 8> bytes{};
    if (selector == cpu.seg[CS].selector || !cpu.protected_mode() || !descriptor_address(cpu, selector, at) ||
        read_linear_quietly(cpu, at, bytes) < bytes.size())
        return cpu.protected_mode() ? code_bits(cpu) : (selector == cpu.seg[CS].selector ? code_bits(cpu) : 16);
    Descriptor d;
    std::memcpy(&d.raw, bytes.data(), 8);
    if (!d.is_code()) return code_bits(cpu);
    return cpu.long_mode() && d.is_long_code() ? 64 : d.default_32() ? 32 : 16;
}

CodePlace code_place(const Cpu& cpu, const Address& address) {
    CodePlace place = place_at(cpu, address.value);
    place.physical = address.space == Address::Space::physical;
    if (address.segmented) {
        place.selector = address.selector;
        place.base = address.value - address.offset;
        place.bits = bits_of_selector(cpu, address.selector);
    }
    return place;
}

struct Request {
    CodePlace place;
    u64 count = 10;
};

Expected<u64> take_bits(Arguments& arguments) {
    const std::string word = arguments.take();
    if (word != "16" && word != "32" && word != "64")
        return fail("code is decoded as 16, 32 or 64 bits, not '" + word + "'");
    return std::stoull(word);
}

Expected<Request> take_request(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    Request request{current_place(cpu)};
    std::optional<unsigned> bits;
    bool placed = false, counted = false;
    while (!arguments.empty()) {
        if (arguments.take_if("as")) {
            auto chosen = take_bits(arguments);
            if (!chosen) return tl::unexpected(chosen.error());
            bits = static_cast<unsigned>(*chosen);
        } else if (arguments.peek().starts_with('/') || placed) {
            if (counted) return fail("nothing is expected behind the count, not '" + arguments.rest() + "'");
            std::string word = arguments.take();
            if (word.starts_with('/')) word.erase(0, 1);
            auto count = evaluate(context.debugger, word);
            if (!count) return tl::unexpected(count.error());
            request.count = std::min(*count, most_instructions);
            counted = true;
        } else {
            auto address = take_address(context, arguments, "the address");
            if (!address) return tl::unexpected(address.error());
            request.place = code_place(cpu, *address);
            placed = true;
        }
    }
    if (bits) {
        request.place.bits = *bits;
        if (*bits == 64) request.place.base = 0;
    }
    return request;
}

/// Lines of code; labels and source lines stand before the instructions that they begin.
void write_code(CommandContext& context, CodePlace place, u64 count) {
    const Cpu& cpu = context.debugger.cpu();
    const Symbols* symbols = symbols_of(context);
    const u64 current = cpu.code_linear(cpu.ip);
    std::string source;
    for (u64 n = 0; n < count; ++n) {
        const bool here = !place.physical && place.linear == current && place.bits == code_bits(cpu);
        const InstructionLine line = instruction_line(cpu, symbols, place, here);
        if (!line.symbol.empty() && (n == 0 || line.symbol.find('+') == std::string::npos))
            context.out += line.symbol + ":\n";
        if (!line.source.empty() && line.source != source) context.out += "   ; " + line.source + "\n";
        source = line.source;
        context.out += to_text(line, here) + "\n";
        if (line.decoded.length == 0) break;
        place.linear += line.decoded.length;
        if (place.bits != 64 && !place.physical) place.linear = static_cast<u32>(place.linear);
    }
}

Expected<> run_disassemble(CommandContext& context, Arguments& arguments) {
    auto request = take_request(context, arguments);
    if (!request) return tl::unexpected(request.error());
    write_code(context, request->place, request->count);
    return {};
}

Expected<> run_stack(CommandContext& context, Arguments& arguments) {
    auto count = take_count(context, arguments, 16, 4096, "the count");
    if (!count) return tl::unexpected(count.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    write_stack(context.debugger.cpu(), symbols_of(context), *count, context.out);
    return {};
}

Expected<> run_backtrace(CommandContext& context, Arguments& arguments) {
    auto most = take_count(context, arguments, 32, 10'000, "the count");
    if (!most) return tl::unexpected(most.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    write_backtrace(context.debugger.cpu(), symbols_of(context), static_cast<std::size_t>(std::max<u64>(*most, 1)),
                    context.out);
    return {};
}

// --- the chosen frame

Expected<> choose_frame(CommandContext& context, u64 number) {
    const Cpu& cpu = context.debugger.cpu();
    Symbols& symbols = context.debugger.symbols();
    std::string why;
    const auto frames = call_frames(cpu, symbols_of(context), static_cast<std::size_t>(number) + 1, why);
    if (number >= frames.size())
        return fail("there is no frame " + std::to_string(number) + ": the outermost that is found is " +
                    std::to_string(frames.size() - 1));
    const CallFrame& frame = frames[static_cast<std::size_t>(number)];
    FrameSelection selection;
    selection.number = static_cast<unsigned>(number);
    selection.processor = &cpu;
    selection.instructions = cpu.scheduler.instructions();
    selection.ip = cpu.ip;
    selection.sp = cpu.gpr[RSP];
    selection.bits = frame.bits;
    selection.registers = frame.registers;
    symbols.select_frame(selection);
    write_frame(cpu, symbols_of(context), frame, selection.number, context.out);
    return {};
}

constexpr u64 most_frames = 10'000;

Expected<> run_frame(CommandContext& context, Arguments& arguments) {
    const u64 now = chosen_frame(context.debugger.cpu(), context.debugger.symbols());
    auto number = take_count(context, arguments, now, most_frames, "the frame's number");
    if (!number) return tl::unexpected(number.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    return choose_frame(context, *number);
}

Expected<> run_up(CommandContext& context, Arguments& arguments) {
    auto count = take_count(context, arguments, 1, most_frames, "the count");
    if (!count) return tl::unexpected(count.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    return choose_frame(context, chosen_frame(context.debugger.cpu(), context.debugger.symbols()) + *count);
}

Expected<> run_down(CommandContext& context, Arguments& arguments) {
    auto count = take_count(context, arguments, 1, most_frames, "the count");
    if (!count) return tl::unexpected(count.error());
    if (auto ok = nothing_more(arguments); !ok) return ok;
    const u64 now = chosen_frame(context.debugger.cpu(), context.debugger.symbols());
    if (now == 0) return fail("this is the innermost frame");
    return choose_frame(context, now - std::min(now, *count));
}

Expected<> run_last(CommandContext& context, Arguments& arguments) {
    bool branches = arguments.take_if("branches");
    auto count = take_count(context, arguments, 16, 2000, "the count");
    if (!count) return tl::unexpected(count.error());
    branches = arguments.take_if("branches") || branches;
    if (auto ok = nothing_more(arguments); !ok) return ok;
    if (*count == 0) return {};
    return write_last(context.debugger, *count, branches, context.out);
}

constexpr Command commands[] = {
    {"disassemble", "u unassemble dis disas", "Look", "[ADDRESS] [COUNT] [as 16|32|64]", "Instructions as text",
     R"(Without an address: from the instruction at CS:IP on, which is marked and shown with the addresses and
values of its operands, and whether it branches. Code is decoded as its segment says (D and L bits), or
as told. With symbols, labels, source lines and the names of branch targets are shown.
  disassemble
  u 0:7c00 20
  u schedule /5
  u phys(1000h) 10 as 32
)",
     run_disassemble, "symbol"},
    {"stack", "k", "Look", "[COUNT]", "The words on the stack",
     "From SS:SP up, as wide as the code pushes, with symbols, what looks like return addresses, and where\nthe frame "
     "pointer is.\n  stack\n  stack 64\n",
     run_stack},
    {"backtrace", "bt where", "Look", "[COUNT]", "The chain of calls that led here",
     R"(Frames are found by DWARF call-frame information (CFI) where symbols have it, else by the chain of frame
pointers (BP, EBP, RBP), near and far; a function at its first or last instruction is taken into account,
and so are the frames that interrupts push. What says `a guess` looks like a return address, no more.
  backtrace
  bt 5
)",
     run_backtrace},
    {"frame", "f", "Look", "[N]", "Chooses a frame of the backtrace",
     R"(Locals, `list` and the variables of expressions are then those of that frame, until the machine goes on.
Registers stay the processor's. Without a number: which one it is.
  frame
  frame 0
)",
     run_frame},
    {"up", "", "Look", "[COUNT]", "Chooses the caller's frame",
     "As `frame N`, outwards from the chosen one.\n  up\n  up 2\n", run_up},
    {"down", "", "Look", "[COUNT]", "Chooses the frame that this one has called",
     "As `frame N`, inwards from the chosen one.\n  down\n", run_down},
    {"last", "", "Look", "[COUNT] [branches]", "The instructions that were executed last",
     R"(The machine goes back in its history, executes them again and is where it was afterwards. Each line has
the count of instructions, the processor where there are several, and what the operands were. With branches,
only where control went elsewhere, and where to; interrupts and exceptions are shown in both.
  last
  last 50
  last 20 branches
)",
     run_last, "branches"},
};

} // namespace

std::span<const Command> code_commands() { return commands; }

} // namespace glassbox::look
