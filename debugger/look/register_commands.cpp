// registers, flags, fpu, sse, msr.
#include "debugger/look/arguments.hpp"
#include "debugger/look/msr_names.hpp"
#include "debugger/look/system_text.hpp"
#include "debugger/look/text.hpp"
#include "debugger/look/vector_text.hpp"
#include "debugger/view.hpp"

#include <array>

namespace glassbox::look {

namespace {

using Writer = void (*)(const Cpu&, const RegisterSnapshot&, std::string&);

void fpu_group(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) { write_fpu(cpu, before, out); }
template <char first> void vector_group(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) {
    const std::string_view name = first == 'm' ? "mm" : first == 'x' ? "xmm" : "ymm";
    if (const auto done = write_vectors(cpu, before, name, std::nullopt, out); !done)
        out += done.error().message + "\n";
}
void msr_group(const Cpu& cpu, const RegisterSnapshot&, std::string& out) { write_msrs(cpu, out); }

struct Group {
    std::string_view name;
    Writer write;
};
constexpr std::array<Group, 9> groups = {{{"general", write_general},
                                          {"segment", write_segments},
                                          {"control", write_control},
                                          {"debug", write_debug},
                                          {"fpu", fpu_group},
                                          {"mmx", vector_group<'m'>},
                                          {"sse", vector_group<'x'>},
                                          {"avx", vector_group<'y'>},
                                          {"msr", msr_group}}};

const Group* find_group(std::string_view name) {
    const std::string wanted = lower(name);
    for (const Group& g : groups) {
        if (g.name == wanted || (wanted.size() >= 3 && g.name.starts_with(wanted)) ||
            std::string(g.name) + "s" == wanted)
            return &g;
    }
    return nullptr;
}

bool model_has(const Cpu& cpu, std::string_view group) {
    if (group == "fpu") return cpu.has(Feature::fpu);
    if (group == "mmx") return cpu.has(Feature::mmx);
    if (group == "sse") return cpu.has(Feature::sse);
    if (group == "avx") return cpu.has(Feature::avx);
    if (group == "msr") return cpu.has(Feature::msr);
    if (group == "debug") return cpu.has(Feature::i386);
    return true;
}

void write_all(const Cpu& cpu, const RegisterSnapshot& before, std::string& out) {
    for (const Group& g : groups) {
        if (!model_has(cpu, g.name)) continue;
        if (g.name == "sse" && cpu.has(Feature::avx)) continue; // the halves of AVX's
        out += std::string(g.name) + "\n";
        g.write(cpu, before, out);
    }
}

Expected<> run_registers(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    const RegisterSnapshot& before = before_of(context);
    if (arguments.empty()) {
        write_general(cpu, before, context.out);
        return {};
    }
    while (!arguments.empty()) {
        std::string name = arguments.take();
        if (name.starts_with('$')) name.erase(0, 1);
        if (equal_words(name, "all")) {
            write_all(cpu, before, context.out);
        } else if (equal_words(name, "changed")) {
            write_changed(cpu, before, context.out);
        } else if (read_register(cpu, name)) {
            write_one(cpu, before, name, context.out);
        } else if (const Group* group = find_group(name)) {
            group->write(cpu, before, context.out);
        } else if (const auto wide = write_vectors(cpu, before, name, std::nullopt, context.out); !wide) {
            return fail("there is no register or group '" + name +
                        "': general segment control debug fpu mmx sse avx msr changed all");
        }
    }
    return {};
}

Expected<> run_flags(CommandContext& context, Arguments& arguments) {
    if (auto ok = nothing_more(arguments); !ok) return ok;
    write_flags(context.debugger.cpu(), context.out);
    return {};
}

Expected<> run_fpu(CommandContext& context, Arguments& arguments) {
    if (auto ok = nothing_more(arguments); !ok) return ok;
    write_fpu(context.debugger.cpu(), before_of(context), context.out);
    return {};
}

Expected<> run_vector(CommandContext& context, Arguments& arguments) {
    std::string name = "xmm";
    std::optional<ValueType> type;
    while (!arguments.empty()) {
        const std::string word = arguments.take();
        if (word == "as") {
            type = parse_value_type(arguments.peek());
            if (!type)
                return fail("'" + arguments.take() +
                            "' is no type: f32 f64 i8 i16 i32 i64 u8 u16 u32 u64 x8 x16 x32 x64");
            arguments.take();
        } else {
            name = word;
        }
    }
    return write_vectors(context.debugger.cpu(), before_of(context), name, type, context.out);
}

Expected<> run_msr(CommandContext& context, Arguments& arguments) {
    const Cpu& cpu = context.debugger.cpu();
    if (arguments.empty()) {
        write_msrs(cpu, context.out);
        return {};
    }
    const std::string word = arguments.take();
    auto number = find_msr(word);
    if (!number) {
        auto value = evaluate(context.debugger, word);
        if (!value) return tl::unexpected(value.error());
        if (*value > 0xFFFF'FFFF) return fail("the number of an MSR has 32 bits");
        number = static_cast<u32>(*value);
    }
    if (auto ok = nothing_more(arguments); !ok) return ok;
    return write_msr_value(cpu, *number, context.out);
}

constexpr std::string_view registers_help =
    R"(Without arguments: the general registers, flags, selectors and mode of the selected processor. A star
marks what has changed since the machine last stopped. A register is named as in the SDM, whatever its
size; cs.base, cs.limit and cs.access are its hidden parts. Groups:
  general   general registers, flags, selectors, mode
  segment   segment registers with their hidden parts, LDTR, TR, GDTR, IDTR
  control   CR0-CR4, CR8, EFER, XCR0, PKRU with the names of their bits
  debug     DR0-DR7 and what they watch
  fpu mmx sse avx   as the commands fpu and sse
  msr       all model-specific registers
  changed   only what has changed, with the values before
  all       everything
  registers
  registers changed
  r segment
  r eax cs.base zf
)";

constexpr Command commands[] = {
    {"registers", "r regs", "Look", "[GROUP|REGISTER...|changed|all]", "The registers, and which have changed",
     registers_help, run_registers, "general|segment|control|debug|fpu|mmx|sse|avx|msr|changed|all"},
    {"flags", "", "Look", "", "The flags, each with its name",
     "EFLAGS bit by bit, and what the arithmetic flags say when they come from a comparison.\n  flags\n", run_flags},
    {"fpu", "x87", "Look", "", "The x87 registers as numbers, control, status and tags",
     "ST0-ST7 with the physical registers they are in, their tags, exponents, significands and values;\nthe control "
     "and status words in words; the pointers to the last instruction and its operand.\n  fpu\n",
     run_fpu},
    {"sse", "vector avx mmx", "Look", "[REGISTER] [as TYPE]", "MMX, XMM and YMM registers as values of a type",
     "REGISTER is xmm0-xmm15, ymm0-ymm15, mm0-mm7, or xmm, ymm, mm for all. TYPE is f32 f64 i8 i16 i32 i64\nu8 u16 "
     "u32 u64 x8 x16 x32 x64. Of all registers the highest element comes first, as numbers are written;\nof one with "
     "a type the lowest, with its index.\n  sse\n  sse xmm0 as f32\n  sse ymm as f64\n  sse mm3 as i16\n",
     run_vector},
    {"msr", "", "Look", "[NAME|NUMBER]", "The model-specific registers",
     "Without an argument: all that this processor has and that have a name here. A name is the SDM's, with or\n"
     "without IA32_, or the short one of expressions. set msr changes one.\n  msr\n  msr lstar\n  msr IA32_APIC_BASE\n"
     "  msr 0c0000080h\n",
     run_msr},
};

} // namespace

std::span<const Command> register_commands() { return commands; }

} // namespace glassbox::look
