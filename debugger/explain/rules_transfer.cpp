// Far jumps, calls and returns, IRET (SDM 3A 5.8, 6.12, chapter 7; SDM 2, CALL, JMP, RET, IRET).
#include "debugger/explain/rules.hpp"

namespace glassbox::explain {

namespace {

constexpr const char* words = "the transfer is not allowed";

struct FarPointer {
    u16 selector = 0;
    u64 offset = 0;
    unsigned width = 4;
};

/// Where a far JMP or CALL goes; nothing when the pointer cannot be read.
std::optional<FarPointer> far_pointer(const Moment& m, const Decoded& d) {
    const ZydisDecodedOperand* o = d.shown(0);
    if (!o) return {};
    FarPointer p;
    if (o->type == ZYDIS_OPERAND_TYPE_POINTER) {
        p.selector = o->ptr.segment;
        p.offset = o->ptr.offset;
        p.width = d.width();
        return p;
    }
    if (o->type != ZYDIS_OPERAND_TYPE_MEMORY) return {};
    const Operand place = place_of(m, d, *o);
    const u64 base = m.base_of(place.segment) + place.offset;
    const u64 linear = m.code64() ? base : static_cast<u32>(base);
    p.width = static_cast<unsigned>(place.size) - 2;
    const auto offset = m.number(linear, p.width), selector = m.number(linear + p.width, 2);
    if (!offset || !selector) return {};
    p.offset = *offset;
    p.selector = static_cast<u16>(*selector);
    return p;
}

struct Transfer {
    Story& story;
    const Moment& m;
    bool call;

    Verdict no(Exception e, u32 error, const char* why) { return refuse(story, deny(e, error, why, words)); }
    Verdict gp(u16 selector, const char* why) { return no(Exception::GP, selector & 0xFFFCu, why); }

    Verdict push_here(unsigned width, unsigned count) {
        if (!call) return {};
        StackPlace stack = StackPlace::current(m);
        if (width == 8 && !stack.long64) {
            stack.long64 = true;
            stack.sp = m.gpr[RSP];
        }
        return tell_push(story, m, stack, width, count);
    }

    Verdict finish(u16 selector, const Descriptor& code, u64 offset, unsigned width) {
        if (!code.present()) {
            story.say("The code segment's P bit is 0", "3A 6.15, interrupt 11");
            return no(Exception::NP, selector & 0xFFFCu, "code segment not present");
        }
        if (Verdict v = push_here(width, 2)) return v;
        if (Verdict v = tell_offset(story, m, code, offset)) return v;
        return tell_accessed(story, m, selector, code);
    }

    Verdict to_code(const FarPointer& p, const Descriptor& d) {
        const unsigned rpl = p.selector & 3u;
        const bool allowed = d.conforming() ? d.dpl() <= m.cpl : rpl <= m.cpl && d.dpl() == m.cpl;
        if (!allowed) {
            story.say(d.conforming() ? "A conforming code segment may be entered with CPL >= DPL; CPL is " +
                                           std::to_string(m.cpl) + ", DPL " + std::to_string(d.dpl())
                                     : "A code segment may be entered with CPL = DPL and RPL <= CPL; CPL is " +
                                           std::to_string(m.cpl) + ", DPL " + std::to_string(d.dpl()) + ", RPL " +
                                           std::to_string(rpl),
                      d.conforming() ? "3A 5.8.1.2" : "3A 5.8.1.1");
            return gp(p.selector, "code segment of another privilege level");
        }
        if (m.long_mode() && d.is_long_code() && d.default_32()) {
            story.say("The descriptor has both L = 1 and D = 1, which is reserved", "3A 3.4.5");
            return gp(p.selector, "code segment with both L and D");
        }
        return finish(p.selector, d, p.offset, p.width);
    }

    Verdict through_gate(const Descriptor& gate) {
        const u16 selector = gate.gate_selector();
        if (is_null(selector)) {
            story.say("The gate's selector is null", "3A 5.8.3");
            return no(Exception::GP, 0, "call gate with a null selector");
        }
        Descriptor code;
        if (Verdict v = tell_descriptor(story, m, selector, {}, code)) return v;
        if (!code.is_code() || code.dpl() > m.cpl) {
            story.say("A call gate must lead to code of this privilege or more; this is " +
                          with_article(descriptor_type(m, code)) + " with DPL " + std::to_string(code.dpl()) +
                          ", and CPL is " + std::to_string(m.cpl),
                      "3A 5.8.4");
            return gp(selector, "call gate does not lead to code of this or more privilege");
        }
        const bool inward = !code.conforming() && code.dpl() < m.cpl;
        if (inward && !call) {
            story.say("JMP cannot change the privilege level: the code's DPL is " + std::to_string(code.dpl()) +
                          " and CPL is " + std::to_string(m.cpl),
                      "3A 5.8.4");
            return gp(selector, "JMP through a call gate to an inner level");
        }
        if (m.long_mode() && (!code.is_long_code() || code.default_32())) {
            story.say("A 64-bit call gate must lead to 64-bit code: L = 1 and D = 0", "3A 5.8.3.1");
            return gp(selector, "64-bit call gate does not lead to 64-bit code");
        }
        if (!code.present()) {
            story.say("The code segment's P bit is 0", "3A 6.15, interrupt 11");
            return no(Exception::NP, selector & 0xFFFCu, "code segment not present");
        }
        if (!inward) return finish(selector, code, gate.gate_offset(), m.long_mode() ? 8 : gate.gate_is_32() ? 4 : 2);
        return through_gate_inward(gate, selector, code);
    }

    Verdict through_gate_inward(const Descriptor& gate, u16 selector, const Descriptor& code) {
        StackPlace inner;
        const unsigned cpl = code.dpl(), width = m.long_mode() ? 8 : gate.gate_is_32() ? 4 : 2;
        const unsigned count = 4 + (m.long_mode() ? 0 : gate.gate_parameters());
        Verdict v =
            m.long_mode() ? tell_inner_stack64(story, m, cpl, 0, 0, inner) : tell_inner_stack(story, m, cpl, 0, inner);
        if (v) return v;
        if ((v = tell_push(story, m, inner, width, count))) return v;
        if ((v = tell_offset(story, m, code, gate.gate_offset()))) return v;
        if ((v = tell_accessed(story, m, selector, code))) return v;
        const StackPlace outer = StackPlace::current(m);
        u64 value = 0;
        for (unsigned i = count - 4; i-- > 0;) {
            if ((v = tell_peek(story, m, outer, width, u64{i} * width, value))) return v;
        }
        return {};
    }

    Verdict to_system(const FarPointer& p, const Descriptor& d) {
        const bool call_gate =
            d.is_system(SystemType::call_gate32) || (!m.long_mode() && d.is_system(SystemType::call_gate16));
        const bool task_gate = !m.long_mode() && d.is_system(SystemType::task_gate);
        const bool tss = !m.long_mode() && d.is_available_tss();
        if (!call_gate && !task_gate && !tss) {
            story.say("A far transfer may lead to code, a call gate" +
                          std::string(m.long_mode() ? "" : ", a task gate or an available TSS") + ", not to " +
                          with_article(descriptor_type(m, d)),
                      "3A 5.8");
            return gp(p.selector, "descriptor cannot be jumped to");
        }
        if (d.dpl() < m.cpl || d.dpl() < (p.selector & 3u)) {
            story.say("Its DPL (" + std::to_string(d.dpl()) + ") must not be less than CPL (" + std::to_string(m.cpl) +
                          ") or RPL (" + std::to_string(p.selector & 3) + ")",
                      call_gate ? "3A 5.8.4" : "3A 7.3");
            return gp(p.selector,
                      m.long_mode() ? "gate of an inner privilege level" : "gate or TSS of an inner privilege level");
        }
        if (!d.present()) {
            story.say("Its P bit is 0", "3A 6.15, interrupt 11");
            return no(Exception::NP, p.selector & 0xFFFCu,
                      m.long_mode() ? "gate not present" : "gate or TSS not present");
        }
        if (m.long_mode()) {
            if (Verdict v = tell_upper_half(story, m, p.selector, d)) return v;
        }
        if (task_gate) return tell_task_gate(story, m, d.gate_selector(), 0);
        if (tss) return tell_task_switch(story, m, p.selector, d, 0);
        return through_gate(d);
    }

    Verdict go(const FarPointer& p) {
        if (!m.protected_mode()) {
            const u32 limit = m.v86() ? 0xFFFF : m.seg[CS].limit;
            if (p.offset <= limit) return push_here(p.width, 2);
            story.say("The target's offset " + h(p.offset, 8) + " is beyond CS's limit, " + h(limit, 8), "3A 5.3");
            return no(Exception::GP, 0, "far target beyond the code segment's limit");
        }
        story.say(std::string("The far ") + (call ? "call" : "jump") + " leads to " +
                      far_words(p.selector, p.offset, p.width * 2),
                  "3A 5.8.1");
        if (is_null(p.selector)) {
            story.say("CS must not hold a null selector", "3A 5.4.1");
            return no(Exception::GP, 0, "far transfer to a null selector");
        }
        Descriptor d;
        if (Verdict v = tell_descriptor(story, m, p.selector, {}, d)) return v;
        if (d.is_system()) return to_system(p, d);
        if (!d.is_code()) {
            story.say(selector_words(p.selector) + " is a data segment: execution cannot go on there", "3A 5.5");
            return gp(p.selector, "far transfer to a data segment");
        }
        return to_code(p, d);
    }
};

/// RETF and IRET: what lies on the stack.
struct Return {
    Story& story;
    const Moment& m;
    unsigned width;
    u32 release;
    bool interrupt; ///< IRET: flags too, and in 64-bit mode always SS:RSP

    Verdict no(Exception e, u32 error, const char* why) {
        return refuse(story, deny(e, error, why, "the return is not allowed"));
    }

    Verdict eighty_86() {
        const StackPlace stack = StackPlace::current(m);
        u64 ip = 0, cs = 0, flags = 0;
        Verdict v = tell_peek(story, m, stack, width, 0, ip);
        if (!v) v = tell_peek(story, m, stack, width, width, cs);
        if (!v && interrupt) v = tell_peek(story, m, stack, width, 2 * width, flags);
        if (v) return v;
        const u32 limit = m.v86() ? 0xFFFF : m.seg[CS].limit;
        if (ip <= limit) return {};
        story.say("The offset to return to, " + h(ip, 8) + ", is beyond CS's limit, " + h(limit, 8), "3A 5.3");
        return no(Exception::GP, 0, "far target beyond the code segment's limit");
    }

    /// VME without IOPL: IF goes to VIF (SDM 3A 20.3.3.4).
    Verdict virtual_flag() {
        const StackPlace stack = StackPlace::current(m);
        u64 ip = 0, cs = 0, flags = 0;
        Verdict v = tell_peek(story, m, stack, 2, 0, ip);
        if (!v) v = tell_peek(story, m, stack, 2, 2, cs);
        if (!v) v = tell_peek(story, m, stack, 2, 4, flags);
        if (v) return v;
        const bool pends = (flags & eflags::IF) != 0 && (m.eflags & eflags::VIP) != 0;
        if ((flags & eflags::TF) != 0 || pends) {
            story.say("The flags to pop, " + h(flags, 4) + ", have " +
                          (pends ? "IF set while EFLAGS.VIP = 1" : "TF set, which VME does not let through"),
                      "3A 20.3.3");
            return no(Exception::GP, 0, "IRET would trap or enable a pending virtual interrupt");
        }
        return eighty_86();
    }

    Verdict to_v86(const StackPlace& stack, u64 ip) {
        u64 value = 0;
        for (unsigned i = 0; i < 6; ++i) {
            if (Verdict v = tell_peek(story, m, stack, 4, 12 + 4 * i, value)) return v;
        }
        if (ip <= 0xFFFF) return {};
        story.say("The popped EFLAGS has VM = 1, and EIP = " + h(ip, 8) + " is beyond FFFFh", "3A 20.2.1");
        return no(Exception::GP, 0, "return beyond the limit of virtual-8086 code");
    }

    /// An error code that the handler has left on the stack: one slot up, CS would be a code segment.
    void suspect_error_code(const StackPlace& stack, u64 ip, u64 cs) {
        u64 next = 0;
        Story unheard;
        if (!interrupt || tell_peek(unheard, m, stack, width, 2 * width, next)) return;
        const auto right = find_descriptor(m, static_cast<u16>(next));
        const auto wrong = find_descriptor(m, static_cast<u16>(cs));
        if (next > 0xFFFF || is_null(static_cast<u16>(next)) || !right || !right->is_code()) return;
        if (wrong && wrong->is_code() && cs <= 0xFFFF) return;
        story.say("One slot further up, " + far_words(next, cs, 2 * width) + " would be an address of code, and " +
                      h(ip, 4) + " an error code: perhaps the handler has left it on the stack",
                  "3A 6.13");
    }

    Verdict go() {
        const StackPlace stack = StackPlace::current(m);
        u64 ip = 0, cs = 0, flags = 0;
        Verdict v = tell_peek(story, m, stack, width, 0, ip);
        if (!v) v = tell_peek(story, m, stack, width, width, cs);
        if (!v && interrupt) v = tell_peek(story, m, stack, width, 2 * width, flags);
        if (v) return v;
        const u16 selector = static_cast<u16>(cs);
        story.say("The stack says to return to " + far_words(selector, ip, 2 * width) +
                      (interrupt ? " with flags " + h(flags, 2 * width) : std::string()),
                  interrupt ? "3A 6.12.1" : "3A 5.8.6");
        suspect_error_code(stack, ip, cs);
        if (interrupt && width == 4 && (flags & eflags::VM) != 0 && m.cpl == 0 && !m.long_mode())
            return to_v86(stack, ip);
        const unsigned rpl = selector & 3u;
        if (!is_null(selector) && rpl < m.cpl) {
            story.say("A return cannot lead to more privilege: RPL is " + std::to_string(rpl) + " and CPL is " +
                          std::to_string(m.cpl),
                      "3A 5.8.6");
            return no(Exception::GP, selector & 0xFFFCu, "return to an inner privilege level");
        }
        Descriptor code;
        if ((v = tell_return_code(story, m, selector, {}, code))) return v;
        const unsigned values = interrupt ? 3 : 2;
        if (rpl > m.cpl || (interrupt && m.code64())) {
            u64 sp = 0, ss = 0;
            v = tell_peek(story, m, stack, width, values * width + release, sp);
            if (!v) v = tell_peek(story, m, stack, width, (values + 1) * width + release, ss);
            if (v) return v;
            story.say("The stack to return to is " + far_words(ss & 0xFFFF, sp, 2 * width), "3A 5.8.6");
            Segment outer;
            const bool to64 = m.long_mode() && code.is_long_code();
            if ((v = tell_stack_segment(story, m, static_cast<u16>(ss), rpl, {}, outer, to64))) return v;
        }
        if ((v = tell_offset(story, m, code, ip))) return v;
        return tell_accessed(story, m, selector, code);
    }
};

Verdict rule_iret(Story& story, const Moment& m, const Decoded& d) {
    const unsigned width = d.is({ZYDIS_MNEMONIC_IRET}) ? 2 : d.is({ZYDIS_MNEMONIC_IRETD}) ? 4 : 8;
    Return r{story, m, width, 0, true};
    if (m.real_mode()) return r.eighty_86();
    if (m.v86()) {
        if (m.iopl() == 3) return r.eighty_86();
        if (width == 2 && (m.cr4 & cr4::VME) != 0) return r.virtual_flag();
        story.say("IRET in virtual-8086 mode needs IOPL = 3; it is " + std::to_string(m.iopl()), "3A 20.2.7");
        return r.no(Exception::GP, 0, "IRET in virtual-8086 mode with IOPL < 3");
    }
    if ((m.eflags & eflags::NT) == 0) return r.go();
    if (m.long_mode()) {
        story.say("EFLAGS.NT = 1 asks for a return to another task, and long mode has no task switches", "3A 7.7");
        return r.no(Exception::GP, 0, "IRET with NT in long mode");
    }
    if (Verdict v = tell_system(story, m, m.tr.base, 2, Access::read)) return v;
    const u16 link = static_cast<u16>(m.number(static_cast<u32>(m.tr.base), 2).value_or(0));
    story.say("EFLAGS.NT = 1: IRET returns to the task that the back link of the TSS at " + h(m.tr.base, 8) +
                  " names, " + selector_words(link),
              "3A 7.4");
    if ((link & 4) != 0 || is_null(link)) {
        story.say("The back link must name a TSS in the GDT", "3A 7.3");
        return r.no(Exception::TS, link & 0xFFFCu, "back link is not in the GDT");
    }
    Descriptor tss;
    if (Verdict v = tell_descriptor(story, m, link, {Exception::TS, 0}, tss)) return v;
    if (!tss.is_busy_tss()) {
        story.say("The back link must lead to a busy TSS; this is " + with_article(descriptor_type(m, tss)), "3A 7.3");
        return r.no(Exception::TS, link & 0xFFFCu, "back link does not lead to a busy TSS");
    }
    if (!tss.present()) {
        story.say("The TSS descriptor's P bit is 0", "3A 6.15, interrupt 11");
        return r.no(Exception::NP, link & 0xFFFCu, "TSS not present");
    }
    return tell_task_switch(story, m, link, tss, 0);
}

} // namespace

Verdict rule_far(Story& story, const Moment& m, const Decoded& d) {
    if (!d.valid) return {};
    if (d.is({ZYDIS_MNEMONIC_IRET, ZYDIS_MNEMONIC_IRETD, ZYDIS_MNEMONIC_IRETQ})) return rule_iret(story, m, d);
    if (d.insn.meta.branch_type != ZYDIS_BRANCH_TYPE_FAR) return {};
    if (d.is({ZYDIS_MNEMONIC_RET})) {
        const ZydisDecodedOperand* o = d.shown(0);
        Return r{story, m, d.width(), o ? static_cast<u32>(o->imm.value.u & 0xFFFF) : 0, false};
        return m.protected_mode() ? r.go() : r.eighty_86();
    }
    if (!d.is({ZYDIS_MNEMONIC_JMP, ZYDIS_MNEMONIC_CALL})) return {};
    const auto pointer = far_pointer(m, d);
    if (!pointer) return {};
    return Transfer{story, m, d.is({ZYDIS_MNEMONIC_CALL})}.go(*pointer);
}

} // namespace glassbox::explain
