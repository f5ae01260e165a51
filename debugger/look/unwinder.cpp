// Frames are found, in this order: by DWARF call-frame information; by the frame that an interrupt pushed (SDM 3A
// 6.12.1, 6.14.2), where the function has none of its own; from a function that has no frame yet or none any more; by
// the chain of frame pointers (SDM 1, 6.5.1); by what looks like a return address, which is a guess.
#include "debugger/look/stack_text.hpp"

#include "cpu/system/descriptor.hpp"
#include "debugger/disassembly.hpp"
#include "debugger/look/memory_text.hpp"
#include "debugger/look/text.hpp"
#include "debugger/symbols/frame_scope.hpp"
#include "debugger/symbols/symbols.hpp"
#include "debugger/view.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace glassbox::look {

namespace {

constexpr std::size_t longest_call = 8;

struct CallSite {
    CallKind kind = CallKind::none;
    std::optional<u64> target = {}; ///< linear, of a direct near one
};

/// The CALL that ends where `offset` in its segment is.
CallSite call_site(const Cpu& cpu, u64 linear, u64 offset, unsigned bits) {
    std::array<u8, longest_call> bytes{};
    if (read_linear_quietly(cpu, linear - longest_call, bytes) < longest_call) return {};
    for (std::size_t length = 2; length < longest_call; ++length) {
        const auto d = decode_instruction(std::span(bytes).subspan(longest_call - length), bits, offset - length);
        if (!d.valid || d.length != length || d.flow != InstructionFlow::call) continue;
        const u8 opcode = bytes[longest_call - length];
        const bool far =
            d.target_cs.has_value() || (opcode == 0xFF && (bytes[longest_call - length + 1] >> 3 & 7) == 3);
        if (far) return {CallKind::far};
        if (!d.target) return {CallKind::near};
        return {CallKind::near, *d.target - offset + linear};
    }
    return {};
}

std::optional<Descriptor> descriptor_of(const Cpu& cpu, u16 selector) {
    const bool local = (selector & 4) != 0;
    if (local && !cpu.ldtr.usable()) return {};
    const u64 table = local ? cpu.ldtr.base : cpu.gdtr.base;
    const u32 limit = local ? cpu.ldtr.limit : cpu.gdtr.limit;
    if (selector < 4 || (selector | 7u) > limit) return {};
    const auto raw = read_value(cpu, {table + (selector & 0xFFF8u), false}, 8);
    return raw ? std::optional(Descriptor{*raw, 0}) : std::nullopt;
}

/// The modes of the code and the stack of a frame.
struct Mode {
    bool real = false; ///< or virtual-8086
    unsigned bits = 32;
    u16 cs = 0, ss = 0;
    u64 code_base = 0, stack_base = 0, stack_mask = ~u64{0};
};

class Unwinder {
  public:
    Unwinder(const Cpu& cpu, const Symbols* symbols, std::string& why) : cpu_(cpu), symbols_(symbols), why_(why) {
        mode_.real = !cpu.protected_mode() || cpu.v86();
        mode_.bits = code_bits(cpu);
        mode_.cs = cpu.seg[CS].selector;
        mode_.ss = cpu.seg[SS].selector;
        mode_.code_base = cpu.code64() ? 0 : cpu.seg[CS].base;
        mode_.stack_base = cpu.code64() ? 0 : cpu.seg[SS].base;
        mode_.stack_mask = cpu.code64() ? ~u64{0} : cpu.seg[SS].big() ? 0xFFFF'FFFF : 0xFFFF;
        cpl_ = cpu.cpl;
        sp_ = cpu.gpr[RSP] & mode_.stack_mask;
        bp_ = cpu.gpr[RBP] & mode_.stack_mask;
        frame_.source = FrameSource::current;
        frame_.registers = present_registers(cpu);
        describe_frame(cpu.ip);
        frame_.exact = true;
    }
    const CallFrame& frame() const { return frame_; }

    bool up() {
        const bool framed = has_frame_pointer();
        const bool found = by_cfi() || (!framed && by_interrupt()) || by_entry() || by_chain() || by_guess();
        first_ = false;
        return found;
    }

  private:
    unsigned size() const { return mode_.bits / 8; }
    unsigned sp_number() const { return mode_.bits == 64 ? 7 : 4; }
    unsigned bp_number() const { return mode_.bits == 64 ? 6 : 5; }
    u64 stack_at(u64 offset) const {
        const u64 linear = mode_.stack_base + (offset & mode_.stack_mask);
        return mode_.bits == 64 ? linear : static_cast<u32>(linear);
    }
    u64 code_at(u64 offset) const { return mode_.bits == 64 ? offset : static_cast<u32>(mode_.code_base + offset); }
    std::optional<u64> word(u64 offset, unsigned bytes) const {
        return read_value(cpu_, {stack_at(offset), false}, bytes);
    }
    u64 far_base(u16 cs) const {
        if (cs == mode_.cs) return mode_.code_base;
        if (mode_.real) return u64{cs} << 4;
        const auto d = descriptor_of(cpu_, cs);
        return d && !(cpu_.long_mode() && d->is_long_code()) ? d->base() : mode_.code_base;
    }

    void describe_frame(u64 offset) {
        frame_.cs = mode_.cs;
        frame_.bits = mode_.bits;
        frame_.offset = offset;
        frame_.pc = code_at(offset);
        frame_.sp = stack_at(sp_);
        frame_.registers.pc = frame_.pc;
        frame_.registers.exact = frame_.exact;
    }
    /// With the registers that are known there: the stack and frame pointers alone, unless `kept` has them.
    bool go(u64 offset, u64 sp, FrameSource source, const FrameRegisters* kept = nullptr) {
        if (offset == 0 && source != FrameSource::interrupt) {
            why_ = "the return address is 0";
            return false;
        }
        frame_.source = source;
        frame_.exact = source == FrameSource::interrupt || (kept && kept->exact);
        frame_.vector.clear();
        sp_ = sp & mode_.stack_mask;
        FrameRegisters known;
        if (kept) known = *kept;
        known.values[sp_number()] = sp_;
        known.values[bp_number()] = bp_;
        frame_.registers = known;
        describe_frame(offset);
        return true;
    }

    // --- by debug information
    bool by_cfi() {
        if (!symbols_ || mode_.bits == 16) return false;
        const auto caller = symbols_->unwind(frame_.registers, mode_.bits, memory_of(cpu_));
        if (!caller || caller->pc == 0) return false;
        const u64 sp = caller->values[sp_number()].value_or(0);
        if (sp <= sp_) return false;
        const FrameRegisters kept = *caller;
        bp_ = kept.values[bp_number()].value_or(bp_);
        return go(mode_.bits == 64 ? kept.pc : static_cast<u32>(kept.pc - mode_.code_base), sp, FrameSource::cfi,
                  &kept);
    }

    // --- by the code
    /// Whether the function at the frame is known to begin with PUSH rBP and MOV rBP, rSP: its frame pointer is to be
    /// believed. Where no symbol says where it begins, so is one that leads to a return address.
    bool has_frame_pointer() const {
        const auto symbol = symbols_ ? symbols_->at(frame_.exact ? frame_.pc : frame_.pc - 1) : std::nullopt;
        if (!symbol || frame_.pc - symbol->address > 0x10'0000) {
            const auto ip = word(bp_ + size(), size());
            return ip && bp_ >= sp_ && *ip != 0 &&
                   call_site(cpu_, code_at(*ip), *ip, mode_.bits).kind == CallKind::near;
        }
        std::array<u8, 8> bytes{};
        if (read_linear_quietly(cpu_, symbol->address, bytes) < bytes.size()) return false;
        const bool marked = bytes[0] == 0xF3 && bytes[1] == 0x0F && bytes[2] == 0x1E; // ENDBR
        return bytes[marked ? 4 : 0] == 0x55;
    }
    /// Before PUSH rBP, between it and MOV rBP, rSP, or at RET: the return address is where the stack pointer says.
    bool by_entry() {
        if (!first_ && !frame_.exact) return false;
        std::array<u8, 16> bytes{};
        const std::size_t got = read_linear_quietly(cpu_, frame_.pc, bytes);
        auto d = decode_instruction(std::span(bytes).first(got), mode_.bits, frame_.offset);
        if (d.mnemonic == "endbr64" || d.mnemonic == "endbr32")
            d = decode_instruction(std::span(bytes).first(got).subspan(d.length), mode_.bits, frame_.offset + d.length);
        const std::string prefix = mode_.bits == 64 ? "r" : mode_.bits == 32 ? "e" : "";
        unsigned above = 0;
        if (d.text == "mov " + prefix + "bp, " + prefix + "sp")
            above = size();
        else if (d.text != "push " + prefix + "bp" && d.flow != InstructionFlow::ret)
            return false;
        if (d.flow == InstructionFlow::interrupt_return) return false;
        return take_return(sp_ + above, d.mnemonic == "retf", FrameSource::entry, nullptr);
    }
    bool by_chain() {
        const auto saved = word(bp_, size());
        if (!saved || bp_ < sp_ || bp_ == 0) return false;
        const u64 next = *saved, before = bp_;
        if (take_return(bp_ + size(), false, FrameSource::chain, &next)) return true;
        bp_ = before;
        return false;
    }
    /// The return address at `at`: near, or far when a far CALL lies before it.
    bool take_return(u64 at, bool far, FrameSource source, const u64* next_bp) {
        const auto ip = word(at, size()), cs = word(at + size(), 2);
        if (!ip) return false;
        const bool near_call = !far && call_site(cpu_, code_at(*ip), *ip, mode_.bits).kind == CallKind::near;
        if (!near_call && cs && mode_.bits != 64) {
            const u64 far_pc = static_cast<u32>(far_base(static_cast<u16>(*cs)) + *ip);
            far = far || call_site(cpu_, far_pc, *ip, mode_.bits).kind == CallKind::far;
        }
        if (!near_call && !far && source == FrameSource::chain) {
            why_ = "no CALL lies before the return address " + prose(*ip) + " that the frame pointer leads to";
            return false;
        }
        if (next_bp) bp_ = *next_bp;
        if (far && cs) {
            mode_.code_base = far_base(static_cast<u16>(*cs));
            mode_.cs = static_cast<u16>(*cs);
        }
        return go(*ip, at + size() * (far ? 2u : 1u), source);
    }

    // --- by what interrupts push
    /// Between the stack pointer and where the frame pointer leads, or in the next words: IP, CS and FLAGS.
    bool by_interrupt() {
        constexpr unsigned most_words = 64;
        for (unsigned n = 0; n < most_words; ++n) {
            const u64 at = sp_ + u64{n} * size();
            const auto ip = word(at, size());
            if (!ip) return false;
            if (interrupted(at, *ip)) return enter_interrupted(at, *ip);
            // A return address lies nearer: this function was called.
            if (*ip != 0 && called_here(*ip)) return false;
        }
        return false;
    }
    /// IP, CS and FLAGS as an interrupt pushes them: CS one of code, FLAGS with bit 1 set and bits 3, 5 and 15 clear.
    bool interrupted(u64 at, u64 ip) const {
        const auto cs = word(at + size(), size()), flags = word(at + 2 * size(), size());
        if (!cs || !flags || (*flags & 0x802A) != 2 || (*flags >> 22) != 0 || (*cs & 0xFFFF) == 0) return false;
        if (mode_.bits == 64 && *cs > 0xFFFF) return false;
        const bool v86 = !mode_.real && (*flags >> 17 & 1) != 0;
        const auto selector = static_cast<u16>(*cs);
        if (!v86 && !code_selector(selector)) return false;
        const unsigned bits = v86 ? 16 : bits_of(selector);
        const u64 base = v86 ? u64{selector} << 4 : bits == 64 ? 0 : far_base(selector);
        std::array<u8, 16> bytes{};
        const std::size_t got = read_linear_quietly(cpu_, base + ip, bytes);
        return got != 0 && decode_instruction(std::span(bytes).first(got), bits, ip).valid;
    }
    unsigned bits_of(u16 selector) const {
        if (selector == mode_.cs || mode_.real) return mode_.bits;
        const auto d = descriptor_of(cpu_, selector);
        if (!d) return mode_.bits;
        return cpu_.long_mode() && d->is_long_code() ? 64 : d->default_32() ? 32 : 16;
    }
    /// Real mode: the segment that executes now or the firmware's; else a selector whose descriptor is code.
    bool code_selector(u16 selector) const {
        if (mode_.real) return selector == mode_.cs || selector >= 0xC000;
        if ((selector & 3u) < cpl_) return false;
        const auto d = descriptor_of(cpu_, selector);
        return d && d->present() && d->is_code();
    }
    /// Entries that all interrupts share have pushed the vector, below or above the error code: in the words below the
    /// frame, and the code of its gate pushes just that number (PUSH imm8 or imm32).
    std::optional<unsigned> pushed_vector(u64 frame) const {
        for (const unsigned below : {2u, 1u}) {
            const auto value = word(frame - u64{below} * size(), size());
            const auto handler = value && *value < 256 ? handler_of(static_cast<unsigned>(*value)) : std::nullopt;
            std::array<u8, 16> code{};
            if (!handler || mode_.bits == 16 || read_linear_quietly(cpu_, *handler, code) < code.size()) continue;
            const auto vector = static_cast<u8>(*value);
            for (std::size_t at = 0; at < code.size();) {
                const auto d = decode_instruction(std::span(code).subspan(at), mode_.bits, *handler + at);
                if (!d.valid || d.length == 0) break;
                const bool push = code[at] == 0x6A || code[at] == 0x68;
                if (push && code[at + 1] == vector) return vector;
                if (d.flow != InstructionFlow::next) break;
                at += d.length;
            }
        }
        return {};
    }
    /// Which interrupt led to the frame: the vector that its entry pushed; its gate, where the IDT leads to the
    /// function; or the INT that was executed.
    std::string vector_of(u64 frame, u64 interrupted_pc) const {
        if (const auto pushed = pushed_vector(frame)) return prose(*pushed);
        const auto symbol = symbols_ ? symbols_->at(frame_.pc) : std::nullopt;
        const u64 from = symbol && frame_.pc - symbol->address < 0x1000 ? symbol->address : frame_.pc - 64;
        std::string found;
        for (unsigned v = 0; v < 256; ++v) {
            const auto handler = handler_of(v);
            if (!handler || *handler < from || *handler > frame_.pc) continue;
            if (!found.empty()) return software_interrupt(interrupted_pc); // several share what is behind
            found = prose(v);
        }
        return found.empty() ? software_interrupt(interrupted_pc) : found;
    }
    std::optional<u64> handler_of(unsigned vector) const {
        const u64 base = cpu_.idtr.base;
        if (!cpu_.protected_mode()) {
            const auto entry = read_value(cpu_, {base + vector * 4, false}, 4);
            if (!entry) return {};
            return ((*entry >> 16) << 4) + (*entry & 0xFFFF);
        }
        const unsigned length = cpu_.long_mode() ? 16 : 8;
        if (vector * length + length - 1 > cpu_.idtr.limit) return {};
        const auto low = read_value(cpu_, {base + vector * length, false}, 8);
        const auto high =
            length == 16 ? read_value(cpu_, {base + vector * length + 8, false}, 8) : std::optional<u64>(0);
        if (!low || !high || (*low >> 47 & 1) == 0) return {};
        return (*low & 0xFFFF) | (*low >> 48 << 16) | (*high << 32);
    }
    std::string software_interrupt(u64 pc) const {
        std::array<u8, 2> bytes{};
        if (read_linear_quietly(cpu_, pc - 2, bytes) < 2 || bytes[0] != 0xCD) return {};
        return prose(bytes[1]);
    }
    bool enter_interrupted(u64 at, u64 ip) {
        const u64 cs = word(at + size(), size()).value_or(0), flags = word(at + 2 * size(), size()).value_or(0);
        const auto selector = static_cast<u16>(cs);
        const bool v86 = !mode_.real && (flags >> 17 & 1) != 0;
        const unsigned target_cpl = v86 ? 3 : mode_.real ? 0 : selector & 3;
        const bool has_stack = !mode_.real && (mode_.bits == 64 || v86 || target_cpl > cpl_);
        Mode next = mode_;
        u64 sp = at + 3 * size();
        if (has_stack) {
            const auto pushed = word(at + 3 * size(), size()), ss = word(at + 4 * size(), size());
            if (!pushed || !ss) return false;
            next.ss = static_cast<u16>(*ss);
            sp = *pushed;
        }
        const u64 base = v86 ? u64{selector} << 4 : far_base(selector);
        next.bits = v86 ? 16 : bits_of(selector);
        next.code_base = next.bits == 64 ? 0 : base;
        next.cs = selector;
        next.real = mode_.real || v86;
        if (has_stack) set_stack(next);
        const std::string vector = vector_of(at, next.bits == 64 ? ip : next.code_base + ip);
        cpl_ = target_cpl;
        crossed_ = has_stack;
        // What the handler has not changed by way of the ABI is still what the interrupted code had.
        FrameRegisters kept = frame_.registers;
        const bool same = next.bits == mode_.bits;
        constexpr std::array<unsigned, 7> callee64 = {3, 6, 12, 13, 14, 15, 7};
        for (unsigned i = 0; i < kept.values.size(); ++i) {
            const bool preserved =
                mode_.bits == 64 ? std::ranges::find(callee64, i) != callee64.end() : i == 3 || (i >= 5 && i <= 7);
            if (!same || !preserved) kept.values[i].reset();
        }
        mode_ = next;
        kept.exact = true;
        if (!go(ip, sp, FrameSource::interrupt, &kept)) return false;
        frame_.vector = vector;
        return true;
    }
    void set_stack(Mode& mode) const {
        if (mode.bits == 64) {
            mode.stack_base = 0;
            mode.stack_mask = ~u64{0};
            return;
        }
        if (mode.real) {
            mode.stack_base = u64{mode.ss} << 4;
            mode.stack_mask = 0xFFFF;
            return;
        }
        const auto d = descriptor_of(cpu_, mode.ss);
        mode.stack_base = d ? d->base() : 0;
        mode.stack_mask = !d || d->default_32() ? 0xFFFF'FFFF : 0xFFFF;
    }

    // --- by looks
    /// Whether a CALL lies before the address that leads, if it says where it leads, to the function of this frame.
    bool called_here(u64 ip) const {
        const CallSite site = call_site(cpu_, code_at(ip), ip, mode_.bits);
        if (site.kind != CallKind::near) return false;
        if (!site.target) return true;
        const u64 pc = frame_.exact ? frame_.pc : frame_.pc - 1;
        const auto symbol = symbols_ ? symbols_->at(pc) : std::nullopt;
        if (symbol) return symbol->address == *site.target;
        return *site.target <= pc && pc - *site.target < 0x1'0000;
    }
    /// Code without frame pointers and without information on its frames: the first word on the stack that lies behind
    /// a CALL of this function, else behind any.
    bool by_guess() {
        constexpr unsigned most_words = 64;
        std::optional<u64> any;
        for (unsigned n = 0; n < most_words; ++n) {
            const u64 at = sp_ + u64{n} * size();
            const auto ip = word(at, size());
            if (!ip) break;
            if (*ip == 0) continue;
            if (called_here(*ip)) return go(*ip, at + size(), FrameSource::guess);
            if (interrupted(at, *ip)) {
                if (!any) return enter_interrupted(at, *ip);
                break;
            }
            if (!any && call_site(cpu_, code_at(*ip), *ip, mode_.bits).kind == CallKind::near) any = at;
        }
        if (any) return go(word(*any, size()).value_or(0), *any + size(), FrameSource::guess);
        if (why_.empty()) why_ = "nothing further up on the stack looks like a return address";
        return false;
    }

  public:
    /// The frame found last is on another stack: that of a lower privilege.
    bool crossed() { return std::exchange(crossed_, false); }

  private:
    const Cpu& cpu_;
    const Symbols* symbols_;
    std::string& why_;
    Mode mode_;
    CallFrame frame_;
    u64 sp_ = 0, bp_ = 0;
    unsigned cpl_ = 0;
    bool first_ = true, crossed_ = false;
};

} // namespace

CallKind call_before(const Cpu& cpu, u64 linear, unsigned bits) { return call_site(cpu, linear, linear, bits).kind; }

std::vector<CallFrame> call_frames(const Cpu& cpu, const Symbols* symbols, std::size_t most, std::string& why) {
    Unwinder unwinder(cpu, symbols, why);
    std::vector<CallFrame> frames = {unwinder.frame()};
    u64 stack = unwinder.frame().sp;
    unsigned stacks = 0;
    while (frames.size() < most) {
        why.clear();
        if (!unwinder.up()) return frames;
        constexpr unsigned most_stacks = 16;
        const bool crossed = unwinder.crossed() && ++stacks < most_stacks;
        if (!crossed && unwinder.frame().sp <= stack) { // a chain that leads down or round in circles
            why = "the next frame does not lie above this one";
            return frames;
        }
        stack = unwinder.frame().sp;
        frames.push_back(unwinder.frame());
    }
    why = "there may be more";
    return frames;
}

} // namespace glassbox::look
