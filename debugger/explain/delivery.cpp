#include "debugger/explain/delivery.hpp"

#include "debugger/explain/checks.hpp"

namespace glassbox::explain {

namespace {

constexpr const char* undeliverable = "the interrupt cannot be delivered";
constexpr const char* interrupt_11 = "3A 6.15, interrupt 11";

struct Delivery {
    Story& story;
    const Moment& m;
    const Event& e;

    Verdict no(const Denial& d) { return refuse(story, d); }
    Verdict gp(u32 error, const char* why) { return no(deny(Exception::GP, error, why, undeliverable)); }

    // --- 8086 modes --------------------------------------------------------------------------------------------------
    Verdict through_vector(u32 table, const char* section) {
        const u32 entry = table + 4u * e.vector;
        if (Verdict v = tell_system(story, m, entry, 4, Access::read)) return v;
        const u64 offset = m.number(entry, 2).value_or(0), selector = m.number(entry + 2, 2).value_or(0);
        story.say("Vector " + h(e.vector, 2) + " of the table at " + h(table, 5) + " is " +
                      far_words(selector, offset, 4) + story.name(selector * 16 + offset),
                  section);
        const u32 limit = m.v86() ? 0xFFFF : m.seg[CS].limit;
        if (offset > limit) {
            story.say("The handler's offset is beyond CS's limit, " + h(limit, 8), "3A 5.3");
            return gp(0, "far target beyond the code segment's limit");
        }
        StackPlace stack = StackPlace::current(m);
        if (Verdict v = tell_push(story, m, stack, 2, 3)) return v;
        story.say("FLAGS, CS and IP are pushed at " + far_words(m.seg[SS].selector, (stack.sp - 6) & stack.mask(), 4),
                  section);
        story.conclude("so execution goes on at " + far_words(selector, offset, 4));
        return {};
    }

    Verdict real() {
        if (e.vector * 4u + 3 <= m.idtr.limit) return through_vector(static_cast<u32>(m.idtr.base), "3A 20.1.4");
        story.say("Vector " + h(e.vector, 2) + " takes bytes " + h(e.vector * 4u, 3) + " to " +
                      h(e.vector * 4u + 3, 3) + " of the interrupt table, whose limit is " + h(m.idtr.limit, 4),
                  "3A 20.1.4");
        const char* why = "vector beyond the interrupt table";
        if (m.has(Feature::i486)) return gp(e.idt_error(), why);
        return no(deny(Exception::DF, 0, why, undeliverable));
    }

    /// INT n in virtual-8086 mode: `done` when it never comes to the IDT.
    Verdict virtual_8086(bool& done) {
        done = true;
        if ((m.cr4 & cr4::VME) != 0) {
            const u64 base = m.tr.base;
            if ((m.tr.type() & 8) == 0 || m.tr.limit < 0x67) {
                story.say("CR4.VME = 1 asks for the redirection bitmap of the TSS, and TR holds no 32-bit TSS that "
                          "has one",
                          "3A 20.3.3");
                return gp(0, "TSS without a redirection bitmap");
            }
            if (Verdict v = tell_system(story, m, base + 0x66, 2, Access::read)) return v;
            const u32 map = static_cast<u32>(m.number(static_cast<u32>(base + 0x66), 2).value_or(0));
            const u32 at = map - 32u + e.vector / 8u;
            if (map < 32 || at > m.tr.limit) {
                story.say("The redirection bitmap lies in the 32 bytes below the I/O map, which is at " + h(map, 4) +
                              "; that is not within the TSS, whose limit is " + h(m.tr.limit, 4),
                          "3A 20.3.3");
                return gp(0, "redirection bitmap beyond the TSS");
            }
            if (Verdict v = tell_system(story, m, base + at, 1, Access::read)) return v;
            const u64 bits = m.number(static_cast<u32>(base + at), 1).value_or(0);
            const bool to_program = (bits >> (e.vector & 7) & 1) == 0;
            story.say("CR4.VME = 1: bit " + std::to_string(e.vector) + " of the redirection bitmap is " +
                          (to_program ? "0, so the 8086 program's own vector is taken" : "1, so the IDT is used"),
                      "3A 20.3.3");
            if (to_program) return through_vector(0, "3A 20.3.3");
        }
        if (m.iopl() < 3) {
            story.say("INT n in virtual-8086 mode needs IOPL = 3; it is " + std::to_string(m.iopl()), "3A 20.3.2");
            return gp(0, "INT in virtual-8086 mode with IOPL < 3");
        }
        done = false;
        return {};
    }

    // --- gates -------------------------------------------------------------------------------------------------------
    Verdict gate(Descriptor& g) {
        const unsigned size = m.long_mode() ? 16 : 8;
        const u32 first = e.vector * size;
        if (first + size - 1 > m.idtr.limit) {
            story.say("The gate of vector " + h(e.vector, 2) + " takes bytes " + h(first, 3) + " to " +
                          h(first + size - 1, 3) + " of the IDT at " + m.address(m.idtr.base) + ", whose limit is " +
                          h(m.idtr.limit, 4),
                      "3A 6.10");
            return gp(e.idt_error(), "vector beyond the IDT");
        }
        if (m.idtr.base == 0 && (m.idtr.limit == 0x3FF || m.idtr.limit == 0xFFFF))
            story.say("IDTR has the values of real mode, base 0 and limit " + h(m.idtr.limit, 4) +
                          ": LIDT seems not to have been executed since, and what lies there is no IDT",
                      "3A 9.9.1");
        const u64 linear = m.idtr.base + first;
        if (Verdict v = tell_system(story, m, linear, size, Access::read)) return v;
        const u64 at = m.long_mode() ? linear : static_cast<u32>(linear);
        g.raw = m.value<u64>(at).value_or(0);
        story.cite("the gate of vector " + h(e.vector, 2) + " at " + m.address(at), m.physical(at), size);
        if (m.long_mode()) g.high = m.value<u64>(at + 8).value_or(0);
        story.say("Entry " + h(e.vector, 2) + " of the IDT, at " + m.address(at) + ", is " + h(g.raw, 16) +
                      (m.long_mode() ? " " + h(g.high, 16) : "") + ": " +
                      (g.raw == 0 ? "empty" : with_article(descriptor_words(m, g))),
                  m.long_mode() ? "3A 6.14.1" : "3A 6.11");
        return gate_rights(g);
    }

    Verdict gate_rights(const Descriptor& g) {
        const unsigned type = g.type();
        const bool wide = g.is_system() && (type == 14 || type == 15);
        const bool valid = wide || (!m.long_mode() && g.is_system() && (type == 5 || type == 6 || type == 7));
        if (!valid) {
            const std::string what =
                g.raw == 0 ? "this entry is all zeroes, so no gate was put there"
                           : "this is " + with_article(g.is_system() ? descriptor_type(m, g) : "segment descriptor");
            story.say(std::string("The IDT may hold ") +
                          (m.long_mode() ? "64-bit interrupt and trap gates alone; "
                                         : "interrupt, trap and task gates alone; ") +
                          what,
                      m.long_mode() ? "3A 6.14.1" : "3A 6.11");
            return gp(e.idt_error(), m.long_mode() ? "IDT entry is not a 64-bit gate" : "IDT entry is not a gate");
        }
        if (e.by_instruction() && g.dpl() < m.cpl) {
            story.say("For INT n, INT3 and INTO the gate's DPL (" + std::to_string(g.dpl()) +
                          ") must not be less than CPL (" + std::to_string(m.cpl) + ")",
                      "3A 6.12.1");
            return gp(e.idt_error(), "interrupt gate of an inner level");
        }
        if (!g.present()) {
            story.say("The P bit of vector " + h(e.vector, 2) + "'s gate is 0", interrupt_11);
            return no(deny(Exception::NP, e.idt_error(), "interrupt gate not present", undeliverable));
        }
        return {};
    }

    Verdict handler_code(const Descriptor& g, Descriptor& code) {
        const Blamed blamed{Exception::GP, e.ext()};
        const u16 selector = g.gate_selector();
        if (is_null(selector)) {
            story.say("The gate's selector is null: there is no code to go to", "3A 6.15, interrupt 13");
            return gp(e.ext(), "interrupt gate with a null selector");
        }
        if (Verdict v = tell_descriptor(story, m, selector, blamed, code)) return v;
        if (!code.is_code() || code.dpl() > m.cpl) {
            story.say(code.is_code()
                          ? "An interrupt cannot lead to less privilege: the code's DPL (" +
                                std::to_string(code.dpl()) + ") is greater than CPL (" + std::to_string(m.cpl) + ")"
                          : "The gate must lead to a code segment; " + selector_words(selector) + " is " +
                                with_article(descriptor_type(m, code)),
                      "3A 6.12.1");
            return gp(blamed.error(selector), "interrupt gate does not lead to code of this or more privilege");
        }
        if (m.long_mode() && (!code.is_long_code() || code.default_32())) {
            story.say("In long mode a handler must be 64-bit code: L = 1 and D = 0", "3A 6.14.1");
            return gp(blamed.error(selector), "interrupt gate does not lead to 64-bit code");
        }
        if (!code.present()) {
            story.say("The code segment's P bit is 0", interrupt_11);
            return no(deny(Exception::NP, blamed.error(selector), "handler's code segment not present", undeliverable));
        }
        return {};
    }

    Verdict push(const StackPlace& stack, unsigned width, unsigned count, u64 offset, bool reachable, u32 limit) {
        if (Verdict v = tell_push(story, m, stack, width, count)) return v;
        if (reachable) return {};
        story.say("The handler's offset " + h(offset, 8) +
                      (m.long_mode() ? " is not canonical" : " is beyond its segment's limit, " + h(limit, 8)),
                  m.long_mode() ? "1 3.3.7.1" : "3A 5.3");
        return gp(e.ext(), "handler beyond its code segment's limit");
    }

    void arrive(const Descriptor& g, const Descriptor& code, unsigned cpl, const StackPlace& stack, u64 sp) {
        const bool clears = (g.type() & 1) == 0;
        story.say((stack.inner ? "The frame goes onto the stack of level " + std::to_string(cpl) + ", from " +
                                     m.offset(sp & stack.mask()) + " up"
                               : "The frame goes onto the current stack, from " + m.offset(sp & stack.mask()) + " up") +
                      (e.has_error ? ", with error code " + h(e.error, 4) : std::string()),
                  m.long_mode() ? "3A 6.14.2" : "3A 6.12.1");
        const u64 linear = m.long_mode() ? g.gate_offset() : static_cast<u32>(code.base() + g.gate_offset());
        story.conclude("so execution goes on at " +
                       far_words((g.gate_selector() & 0xFFFCu) | cpl, g.gate_offset(), m.long_mode() ? 16 : 8) +
                       story.name(linear) + ", CPL " + std::to_string(cpl) +
                       (clears ? ", IF = 0 (interrupt gate)" : ", IF unchanged (trap gate)"));
    }

    Verdict through_gate(const Descriptor& g) {
        Descriptor code;
        if (Verdict v = handler_code(g, code)) return v;
        const bool inward = !code.conforming() && code.dpl() < m.cpl;
        const unsigned cpl = inward ? code.dpl() : m.cpl;
        if (m.v86() && cpl != 0) {
            story.say("From virtual-8086 mode a handler must run at level 0, and this one would at " +
                          std::to_string(cpl),
                      "3A 20.3.1");
            return gp((g.gate_selector() & 0xFFFCu) | e.ext(), "handler for virtual-8086 mode is not at level 0");
        }
        StackPlace stack = StackPlace::current(m);
        stack.error = e.ext();
        if (inward) {
            if (Verdict v = tell_inner_stack(story, m, cpl, e.ext(), stack)) return v;
        }
        stack.inner = inward && cpl != 3;
        const unsigned width = g.gate_is_32() ? 4 : 2;
        const unsigned count = (inward ? 5u : 3u) + (m.v86() ? 4u : 0) + (e.has_error ? 1u : 0);
        const u64 offset = g.gate_offset();
        if (Verdict v = push(stack, width, count, offset, offset <= code.limit(), code.limit())) return v;
        if (Verdict v = tell_accessed(story, m, g.gate_selector(), code)) return v;
        arrive(g, code, cpl, stack, stack.sp - width * count);
        return {};
    }

    Verdict through_gate64(const Descriptor& g) {
        Descriptor code;
        if (Verdict v = handler_code(g, code)) return v;
        const bool inward = !code.conforming() && code.dpl() < m.cpl;
        const unsigned cpl = inward ? code.dpl() : m.cpl;
        StackPlace stack{m.seg[SS], m.gpr[RSP], false, e.ext(), true, "RSP"};
        if (inward || g.gate_ist() != 0) {
            if (Verdict v = tell_inner_stack64(story, m, cpl, g.gate_ist(), e.ext(), stack)) return v;
        }
        if ((stack.sp & 15) != 0)
            story.say("The stack pointer is aligned down to 16 bytes: " + h(stack.sp & ~u64{15}, 16), "3A 6.14.2");
        stack.sp &= ~u64{15};
        const unsigned count = e.has_error ? 6 : 5;
        const u64 offset = g.gate_offset();
        if (Verdict v = push(stack, 8, count, offset, m.canonical(offset), 0)) return v;
        if (Verdict v = tell_accessed(story, m, g.gate_selector(), code)) return v;
        arrive(g, code, cpl, stack, stack.sp - 8 * count);
        return {};
    }

    Verdict protected_mode() {
        Descriptor g;
        if (Verdict v = gate(g)) return v;
        if (m.long_mode()) return through_gate64(g);
        if (!g.is_system(SystemType::task_gate)) return through_gate(g);
        if (Verdict v = tell_task_gate(story, m, g.gate_selector(), e.ext())) return v;
        story.conclude("so the task of TSS " + h(g.gate_selector(), 4) + " runs");
        return {};
    }
};

} // namespace

Verdict tell_delivery(Story& story, const Moment& m, const Event& e) {
    Delivery d{story, m, e};
    if (m.real_mode()) return d.real();
    if (m.v86() && e.kind == InterruptKind::software) {
        bool done = false;
        Verdict v = d.virtual_8086(done);
        if (v || done) return v;
    }
    return d.protected_mode();
}

} // namespace glassbox::explain
