// Frames are found, in this order: by DWARF call-frame information; from a function that has no frame yet or none any
// more; by the chain of frame pointers (SDM 1, 6.5.1); by what looks like a return address, or like the frame of an
// interrupt (SDM 3A 6.12.1).
#include "debugger/look/stack_text.hpp"

#include "debugger/disassembly.hpp"
#include "debugger/look/memory_text.hpp"
#include "debugger/look/text.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>

namespace glassbox::look {

namespace {

u64 width_mask(unsigned bytes) { return bytes >= 8 ? ~u64{0} : (u64{1} << (8 * bytes)) - 1; }

/// The width of the stack pointer: SS.B, or 64 bits.
u64 stack_mask(const Cpu& cpu) { return cpu.code64() ? ~u64{0} : cpu.seg[SS].big() ? 0xFFFF'FFFF : 0xFFFF; }

std::optional<u64> read_stack(const Cpu& cpu, u64 offset, unsigned size) {
    return read_value(cpu, {stack_linear(cpu, offset & stack_mask(cpu)), false}, size);
}

u64 code_base(const Cpu& cpu, u16 cs) {
    if (cpu.code64()) return 0;
    if (cs == cpu.seg[CS].selector) return cpu.seg[CS].base;
    return cpu.protected_mode() ? cpu.seg[CS].base : u64{cs} << 4;
}

std::string place_text(const Cpu& cpu, const CallFrame& f) {
    if (cpu.code64()) return digits(f.pc, 16);
    return digits(f.cs, 4) + ":" + digits(f.offset, code_bits(cpu) == 16 && f.offset <= 0xFFFF ? 4 : 8);
}

} // namespace

unsigned stack_word(const Cpu& cpu) { return code_bits(cpu) / 8; }

u64 stack_linear(const Cpu& cpu, u64 offset) {
    return cpu.code64() ? offset : static_cast<u32>(cpu.seg[SS].base + offset);
}

u64 stack_pointer(const Cpu& cpu) { return cpu.gpr[RSP] & stack_mask(cpu); }

CallKind call_before(const Cpu& cpu, u64 linear, unsigned bits) {
    constexpr std::size_t longest = 8;
    std::array<u8, longest> bytes{};
    const u64 start = linear - longest;
    if (read_linear_quietly(cpu, start, bytes) < longest) return CallKind::none;
    for (std::size_t length = 2; length < longest; ++length) {
        const auto d = decode_instruction(std::span(bytes).subspan(longest - length), bits, start + longest - length);
        if (!d.valid || d.length != length || d.flow != InstructionFlow::call) continue;
        const u8 opcode = bytes[longest - length];
        const bool far = d.target_cs.has_value() || (opcode == 0xFF && (bytes[longest - length + 1] >> 3 & 7) == 3);
        return far ? CallKind::far : CallKind::near;
    }
    return CallKind::none;
}

void write_stack(const Cpu& cpu, const Symbols* symbols, u64 count, std::string& out) {
    const unsigned size = stack_word(cpu);
    const u64 mask = stack_mask(cpu);
    const unsigned width = cpu.code64() ? 16 : cpu.seg[SS].big() ? 8 : 4;
    u64 offset = stack_pointer(cpu);
    out += "Stack at " + (cpu.code64() ? std::string() : digits(cpu.seg[SS].selector, 4) + ":") +
           digits(offset, width) + " (linear " + digits(stack_linear(cpu, offset), cpu.long_mode() ? 16 : 8) + ")\n";
    Table table({"+", "offset", "value", ""}, {0});
    const u64 frame = cpu.gpr[RBP] & mask;
    for (u64 n = 0; n < count; ++n) {
        const auto value = read_stack(cpu, offset, size);
        std::string words;
        if (value) {
            const u64 linear = cpu.code64() ? *value : static_cast<u32>(cpu.seg[CS].base + *value);
            if (symbols) words = symbols->describe(linear);
            if (!words.empty()) words.insert(0, 1, '<').push_back('>');
            if (*value != 0 && call_before(cpu, linear, code_bits(cpu)) != CallKind::none)
                words += std::string(words.empty() ? "" : " ") + "return address?";
        }
        if (offset == frame)
            words += std::string(words.empty() ? "" : ", ") + "<- " + (width == 16 ? "RBP" : width == 8 ? "EBP" : "BP");
        table.add({prose(n * size), digits(offset, width), value ? digits(*value, size * 2) : "(not readable)", words});
        if (!value) break;
        offset = (offset + size) & mask;
    }
    table.write(out);
}

namespace {

class Unwinder {
  public:
    Unwinder(const Cpu& cpu, const Symbols* symbols, std::string& why)
        : cpu_(cpu), symbols_(symbols), why_(why), size_(stack_word(cpu)), bits_(code_bits(cpu)) {
        frame_ = {cpu.code_linear(cpu.ip), cpu.seg[CS].selector, cpu.ip, stack_linear(cpu, stack_pointer(cpu)),
                  FrameSource::current};
        sp_ = stack_pointer(cpu);
        bp_ = cpu.gpr[RBP] & stack_mask(cpu);
        // DWARF numbers RBX, RSI and RDI otherwise than the instruction encoding does in 64-bit code.
        static constexpr std::array<Gpr, 8> order64 = {RAX, RDX, RCX, RBX, RSI, RDI, RBP, RSP};
        for (unsigned i = 0; i < 8; ++i)
            registers_.values[i] = bits_ == 64 ? cpu.gpr[order64[i]] : cpu.gpr[i] & 0xFFFF'FFFF;
        for (unsigned i = 8; i < 16 && bits_ == 64; ++i) registers_.values[i] = cpu.gpr[i];
        registers_.pc = frame_.pc;
    }
    const CallFrame& frame() const { return frame_; }

    bool up() {
        if (by_cfi() || by_entry() || by_chain() || by_scan()) {
            first_ = false;
            return true;
        }
        return false;
    }

  private:
    bool go(u64 offset, u16 cs, u64 sp, FrameSource source) {
        if (offset == 0 && source != FrameSource::interrupt) {
            why_ = "the return address is 0";
            return false;
        }
        frame_.cs = cs;
        frame_.offset = offset;
        frame_.pc = cpu_.code64() ? offset : static_cast<u32>(code_base(cpu_, cs) + offset);
        frame_.sp = stack_linear(cpu_, sp & stack_mask(cpu_));
        frame_.source = source;
        sp_ = sp & stack_mask(cpu_);
        registers_ = {};
        registers_.pc = frame_.pc;
        const unsigned sp_number = bits_ == 64 ? 7 : 4, bp_number = bits_ == 64 ? 6 : 5;
        registers_.values[sp_number] = sp_;
        registers_.values[bp_number] = bp_;
        return true;
    }
    bool by_cfi() {
        if (!symbols_ || bits_ == 16) return false;
        const auto read = [this](u64 linear, unsigned size, u64& value) {
            const auto got = read_value(cpu_, {linear, false}, size);
            value = got.value_or(0);
            return got.has_value();
        };
        FrameRegisters here = registers_;
        if (!first_ && frame_.source != FrameSource::interrupt) --here.pc; // the call itself, not what follows it
        const auto caller = symbols_->unwind(here, bits_, read);
        if (!caller) return false;
        const unsigned sp_number = bits_ == 64 ? 7 : 4, bp_number = bits_ == 64 ? 6 : 5;
        const u64 sp = caller->values[sp_number].value_or(0);
        if (caller->pc == 0 || sp <= sp_) return false;
        const FrameRegisters kept = *caller;
        bp_ = kept.values[bp_number].value_or(bp_);
        const u64 offset = cpu_.code64() ? kept.pc : static_cast<u32>(kept.pc - code_base(cpu_, frame_.cs));
        if (!go(offset, frame_.cs, sp, FrameSource::cfi)) return false;
        registers_ = kept;
        return true;
    }
    /// Before PUSH rBP, between it and MOV rBP, rSP, or at RET: the return address is where the stack pointer says.
    bool by_entry() {
        if (!first_) return false;
        std::array<u8, 16> bytes{};
        const u64 pc = frame_.pc;
        const std::size_t got = read_linear_quietly(cpu_, pc, bytes);
        auto d = decode_instruction(std::span(bytes).first(got), bits_, frame_.offset);
        if (d.mnemonic == "endbr64" || d.mnemonic == "endbr32")
            d = decode_instruction(std::span(bytes).first(got).subspan(d.length), bits_, frame_.offset + d.length);
        const std::string bp = bits_ == 64   ? "rbp"
                               : bits_ == 32 ? "ebp"
                                             : "bp",
                          sp = bits_ == 64   ? "rsp"
                               : bits_ == 32 ? "esp"
                                             : "sp";
        unsigned above = 0;
        if (d.text == "mov " + bp + ", " + sp)
            above = size_;
        else if (d.text != "push " + bp && d.flow != InstructionFlow::ret)
            return false;
        if (d.flow == InstructionFlow::interrupt_return) return false;
        const bool far = d.mnemonic == "retf";
        return take_return(sp_ + above, far, FrameSource::entry, nullptr);
    }
    bool by_chain() {
        const auto saved = read_stack(cpu_, bp_, size_);
        if (!saved || bp_ < sp_ || bp_ == 0) {
            why_ = saved ? "the frame pointer does not lie on the stack" : "the frame pointer's memory cannot be read";
            return false;
        }
        const u64 next = *saved & width_mask(size_);
        const u64 before = bp_;
        if (!take_return(bp_ + size_, false, FrameSource::chain, &next)) {
            bp_ = before;
            return false;
        }
        return true;
    }
    /// The return address at `at`: near, or far when a far CALL lies before it.
    bool take_return(u64 at, bool far, FrameSource source, const u64* next_bp) {
        const auto ip = read_stack(cpu_, at, size_), cs = read_stack(cpu_, at + size_, 2);
        if (!ip) {
            why_ = "the return address cannot be read";
            return false;
        }
        const u64 near_pc = cpu_.code64() ? *ip : static_cast<u32>(code_base(cpu_, frame_.cs) + *ip);
        const bool near_call = !far && call_before(cpu_, near_pc, bits_) == CallKind::near;
        u16 selector = frame_.cs;
        if (!near_call && cs && !cpu_.code64()) {
            const u64 far_pc = static_cast<u32>(code_base(cpu_, static_cast<u16>(*cs)) + *ip);
            if (far || call_before(cpu_, far_pc, bits_) == CallKind::far) {
                far = true;
                selector = static_cast<u16>(*cs);
            }
        }
        if (!near_call && !far && source == FrameSource::chain && call_before(cpu_, near_pc, bits_) != CallKind::near) {
            why_ = "no CALL lies before the return address " + prose(*ip) + " that the frame pointer leads to";
            return false;
        }
        if (next_bp) bp_ = *next_bp;
        return go(*ip, selector, at + size_ * (far ? 2u : 1u), source);
    }
    /// Code without frame pointers and without information on its frames: the first words on the stack that look like
    /// the frame of an interrupt or like a return address.
    bool by_scan() {
        constexpr unsigned most_words = 64;
        for (unsigned n = 0; n < most_words; ++n) {
            const u64 at = sp_ + u64{n} * size_;
            const auto ip = read_stack(cpu_, at, size_);
            if (!ip) return false;
            if (const auto cs = interrupted_cs(at, *ip)) return go(*ip, *cs, at + 3 * size_, FrameSource::interrupt);
            const u64 pc = cpu_.code64() ? *ip : static_cast<u32>(code_base(cpu_, frame_.cs) + *ip);
            if (*ip != 0 && call_before(cpu_, pc, bits_) == CallKind::near)
                return go(*ip, frame_.cs, at + size_, FrameSource::guess);
        }
        return false;
    }
    /// IP, CS and FLAGS as an interrupt pushes them: CS one of code, FLAGS with bit 1 set and bits 3, 5 and 15 clear.
    std::optional<u16> interrupted_cs(u64 at, u64 ip) const {
        const auto cs = read_stack(cpu_, at + size_, size_), flags = read_stack(cpu_, at + 2 * size_, size_);
        if (!cs || !flags || (*flags & 0x802A) != 2 || (*flags >> 22) != 0 || *cs > 0xFFFF || *cs == 0) return {};
        const auto selector = static_cast<u16>(*cs);
        if (!code_selector(selector)) return {};
        const u64 pc = cpu_.code64() ? ip : static_cast<u32>(code_base(cpu_, selector) + ip);
        std::array<u8, 16> bytes{};
        const std::size_t got = read_linear_quietly(cpu_, pc, bytes);
        const bool code = got != 0 && decode_instruction(std::span(bytes).first(got), bits_, ip).valid;
        return code ? std::optional(selector) : std::nullopt;
    }
    /// Real mode: the segment that executes now or the firmware's; else a selector whose descriptor is code.
    bool code_selector(u16 selector) const {
        if (!cpu_.protected_mode()) return selector == cpu_.seg[CS].selector || selector >= 0xC000;
        const u64 table = (selector & 4) ? cpu_.ldtr.base : cpu_.gdtr.base;
        const u32 limit = (selector & 4) ? cpu_.ldtr.limit : cpu_.gdtr.limit;
        if ((selector | 7u) > limit || (selector & 3u) < cpu_.cpl) return false;
        const auto type = read_value(cpu_, {table + (selector & 0xFFF8u) + 5, false}, 1);
        return type && (*type & 0x98) == 0x98;
    }

    const Cpu& cpu_;
    const Symbols* symbols_;
    std::string& why_;
    unsigned size_, bits_;
    CallFrame frame_;
    FrameRegisters registers_;
    u64 sp_ = 0, bp_ = 0;
    bool first_ = true;
};

} // namespace

std::vector<CallFrame> call_frames(const Cpu& cpu, const Symbols* symbols, std::size_t most, std::string& why) {
    Unwinder unwinder(cpu, symbols, why);
    std::vector<CallFrame> frames = {unwinder.frame()};
    u64 stack = unwinder.frame().sp;
    while (frames.size() < most) {
        if (!unwinder.up()) return frames;
        if (unwinder.frame().sp <= stack) { // a chain that leads down or round in circles
            why = "the next frame does not lie above this one";
            return frames;
        }
        stack = unwinder.frame().sp;
        frames.push_back(unwinder.frame());
    }
    why = "there may be more";
    return frames;
}

void write_backtrace(const Cpu& cpu, const Symbols* symbols, std::size_t most, std::string& out) {
    std::string why;
    const auto frames = call_frames(cpu, symbols, most, why);
    Table table({"#", "address", "stack", "function", "found by"}, {0});
    static constexpr std::array<std::string_view, 6> sources = {"",
                                                                "call-frame information",
                                                                "frame pointer",
                                                                "stack pointer",
                                                                "interrupt frame",
                                                                "looks like a return address"};
    for (std::size_t i = 0; i < frames.size(); ++i) {
        const CallFrame& f = frames[i];
        std::string name = symbols ? symbols->describe(f.pc) : std::string();
        if (symbols) {
            // A return address may lie behind the function that called.
            const u64 inside = i == 0 || f.source == FrameSource::interrupt ? f.pc : f.pc - 1;
            if (const auto line = symbols->line_at(inside)) {
                const std::string_view file = std::string_view(line->file).substr(line->file.find_last_of('/') + 1);
                name += (name.empty() ? "" : " ") + ("at " + std::string(file) + ":" + std::to_string(line->line));
            }
        }
        table.add({std::to_string(i), place_text(cpu, f), digits(f.sp, cpu.code64() ? 16 : 8), name,
                   std::string(sources[static_cast<std::size_t>(f.source)])});
    }
    table.write(out);
    if (!why.empty()) out += "  (" + why + ")\n";
}

} // namespace glassbox::look
