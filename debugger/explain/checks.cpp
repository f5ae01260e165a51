#include "debugger/explain/checks.hpp"

namespace glassbox::explain {

namespace {
std::string level(unsigned n) { return std::to_string(n); }
std::string rpl_of(u16 selector) { return std::to_string(selector & 3); }
} // namespace

Verdict refuse(Story& story, const Denial& denial) {
    story.conclude(denial);
    return denial;
}

Verdict tell_upper_half(Story& story, const Moment& m, u16 selector, const Descriptor& d) {
    const u32 limit = (selector & 4) != 0 ? m.ldtr.limit : m.gdtr.limit, error = selector & 0xFFFCu;
    const char* words = "the descriptor cannot be used";
    if ((selector & 0xFFF8u) + 15 > limit) {
        story.say("In long mode the descriptor has 16 bytes, and the table ends at " + h(limit, 4), "3A 5.8.3.1");
        return refuse(story, deny(Exception::GP, error, "16-byte descriptor outside its descriptor table", words));
    }
    if ((d.high >> 40 & 0x1F) == 0) return {};
    story.say("Bits 40 to 44 of its upper half, " + h(d.high, 16) + ", must be 0", "3A 5.8.3.1");
    return refuse(story, deny(Exception::GP, error, "type bits in the upper half of a 16-byte descriptor", words));
}

Verdict tell_accessed(Story& story, const Moment& m, u16 selector, const Descriptor& d) {
    const auto place = descriptor_place(m, selector);
    if (d.accessed() || !place) return {};
    Story attempt = story.fresh();
    Verdict v = tell_system(attempt, m, *place + 5, 1, Access::write);
    if (!v) return {};
    story.say("The descriptor's accessed bit is 0, and the processor sets it in memory", "3A 3.4.5.1");
    story.append(attempt);
    return v;
}

Verdict tell_data_segment(Story& story, const Moment& m, u16 selector, unsigned cpl, Blamed blamed) {
    Descriptor d;
    if (Verdict v = tell_descriptor(story, m, selector, blamed, d)) return v;
    const u32 error = blamed.error(selector);
    const char* words = "the segment register cannot be loaded";
    if (!d.readable()) {
        story.say("A data-segment register takes data segments and readable code segments, not " +
                      with_article(d.is_code() ? "execute-only code segment" : descriptor_type(m, d)),
                  "3A 5.5");
        return refuse(story, deny(blamed.exception, error, "not a readable segment", words));
    }
    const bool any = d.is_code() && d.conforming();
    if (!any && ((selector & 3u) > d.dpl() || cpl > d.dpl())) {
        story.say("CPL (" + level(cpl) + ") and RPL (" + rpl_of(selector) + ") must not be greater than DPL (" +
                      level(d.dpl()) + ")",
                  "3A 5.6");
        return refuse(story, deny(blamed.exception, error, "data segment of an inner privilege level", words));
    }
    if (!d.present()) {
        story.say("The P bit in the descriptor of " + h(selector, 4) + " is 0", "3A 6.15, interrupt 11");
        return refuse(story, deny(Exception::NP, error, "data segment not present", words));
    }
    return tell_accessed(story, m, selector, d);
}

Verdict tell_stack_segment(Story& story, const Moment& m, u16 selector, unsigned cpl, Blamed blamed, Segment& out,
                           bool null_allowed) {
    const u32 error = blamed.error(selector);
    const char* words = "SS cannot be loaded";
    if (is_null(selector)) {
        out = Segment{};
        out.access = Segment::unusable;
        if (null_allowed && cpl != 3 && (selector & 3u) == cpl) return {};
        story.say(null_allowed ? "A null selector in SS is allowed in 64-bit code inside level 3 alone, with RPL equal "
                                 "to the privilege level"
                               : "SS must not hold a null selector",
                  "3A 5.4.1");
        return refuse(story, deny(blamed.exception, blamed.ext, "null stack segment", words));
    }
    Descriptor d;
    if (Verdict v = tell_descriptor(story, m, selector, blamed, d)) return v;
    if ((selector & 3u) != cpl) {
        story.say("The selector's RPL (" + rpl_of(selector) + ") must be the privilege level of the stack's code, " +
                      level(cpl),
                  "3A 5.7");
        return refuse(story, deny(blamed.exception, error, "stack selector's RPL is not the privilege level", words));
    }
    if (!d.writable_data()) {
        story.say("A stack segment must be writable data; this is " + with_article(descriptor_type(m, d)), "3A 5.7");
        return refuse(story, deny(blamed.exception, error, "stack segment is not writable data", words));
    }
    if (d.dpl() != cpl) {
        story.say("The descriptor's DPL (" + level(d.dpl()) + ") must be the privilege level, " + level(cpl), "3A 5.7");
        return refuse(story, deny(blamed.exception, error, "stack segment's DPL is not the privilege level", words));
    }
    if (!d.present()) {
        story.say("The descriptor's P bit is 0; for a stack segment that is #SS", "3A 6.15, interrupt 12");
        return refuse(story, deny(Exception::SS, error, "stack segment not present", words));
    }
    out = d.segment(selector);
    return tell_accessed(story, m, selector, d);
}

Verdict tell_return_code(Story& story, const Moment& m, u16 selector, Blamed blamed, Descriptor& d) {
    const u32 error = blamed.error(selector);
    const char* words = "CS cannot be loaded";
    if (is_null(selector)) {
        story.say("CS must not hold a null selector, and this one is " + h(selector, 4), "3A 5.4.1");
        return refuse(story, deny(blamed.exception, blamed.ext, "null code segment", words));
    }
    if (Verdict v = tell_descriptor(story, m, selector, blamed, d)) return v;
    const unsigned rpl = selector & 3u;
    if (!d.is_code()) {
        story.say("CS takes code segments alone; this is " + with_article(descriptor_type(m, d)), "3A 5.5");
        return refuse(story, deny(blamed.exception, error, "not a code segment", words));
    }
    if (d.conforming() ? d.dpl() > rpl : d.dpl() != rpl) {
        story.say("The RPL (" + level(rpl) + ") is the privilege level to be, and the DPL of this " +
                      (d.conforming() ? "conforming segment must not be greater: " : "segment must equal it: ") +
                      "it is " + level(d.dpl()),
                  "3A 5.8.6");
        return refuse(story, deny(blamed.exception, error, "code segment of another privilege level", words));
    }
    if (m.long_mode() && d.is_long_code() && d.default_32()) {
        story.say("The descriptor has both L = 1 and D = 1, which is reserved", "3A 3.4.5");
        return refuse(story, deny(blamed.exception, error, "code segment with both L and D", words));
    }
    if (!d.present()) {
        story.say("The P bit in the descriptor of " + h(selector, 4) + " is 0", "3A 6.15, interrupt 11");
        return refuse(story, deny(Exception::NP, error, "code segment not present", words));
    }
    return {};
}

Verdict tell_offset(Story& story, const Moment& m, const Descriptor& code, u64 offset, u32 error) {
    const char* words = "execution cannot go on there";
    if (m.long_mode() && code.is_long_code()) {
        if (m.canonical(offset)) return {};
        story.say("The target " + h(offset, 16) + " is not canonical", "1 3.3.7.1");
        return refuse(story, deny(Exception::GP, error, "far target is not canonical", words));
    }
    if (offset <= code.limit()) return {};
    story.say("The target's offset " + h(offset, 8) + " is beyond the code segment's limit, " + h(code.limit(), 8),
              "3A 5.3");
    return refuse(story, deny(Exception::GP, error, "far target beyond the code segment's limit", words));
}

Verdict tell_inner_stack(Story& story, const Moment& m, unsigned cpl, u32 ext, StackPlace& out) {
    const bool wide = (m.tr.access & 8) != 0;
    const u32 at = wide ? 4 + 8 * cpl : 2 + 4 * cpl;
    const std::string names = "SS" + level(cpl) + ":" + (wide ? "ESP" : "SP") + level(cpl);
    const Blamed blamed{Exception::TS, ext};
    const std::string tss = "the TSS that TR holds (" + h(m.tr.selector, 4) + ", base " + h(m.tr.base, 8) + ", limit " +
                            h(m.tr.limit, 4) + ")";
    if (at + (wide ? 5 : 3) > m.tr.limit) {
        story.say("The new stack, " + names + ", would be at offset " + h(at, 2) + " of " + tss +
                      ", which is too short",
                  "3A 5.8.5");
        return refuse(story, deny(Exception::TS, blamed.error(m.tr.selector), "TSS too short for a stack pointer",
                                  "there is no stack for level " + level(cpl)));
    }
    const u64 linear = m.tr.base + at;
    if (Verdict v = tell_system(story, m, linear, wide ? 6 : 4, Access::read)) return v;
    const u64 sp = m.number(static_cast<u32>(linear), wide ? 4 : 2).value_or(0);
    story.cite(names + " in the TSS at " + h(linear, 8), m.physical(linear), wide ? 6 : 4);
    const u16 selector = static_cast<u16>(m.number(static_cast<u32>(linear + (wide ? 4 : 2)), 2).value_or(0));
    story.say("Level " + level(cpl) + " has a stack of its own: " + names + " at offset " + h(at, 2) + " of " + tss +
                  " is " + far_words(selector, sp, wide ? 8 : 4),
              "3A 5.8.5");
    Segment ss;
    if (Verdict v = tell_stack_segment(story, m, selector, cpl, blamed, ss)) return v;
    out = {ss, sp, true, blamed.error(selector), false, names};
    return {};
}

Verdict tell_inner_stack64(Story& story, const Moment& m, unsigned cpl, unsigned ist, u32 ext, StackPlace& out) {
    const u32 at = ist != 0 ? 28 + 8 * ist : 4 + 8 * cpl;
    const std::string name = ist != 0 ? "IST" + level(ist) : "RSP" + level(cpl);
    const std::string tss =
        "the TSS at " + m.address(m.tr.base) + " (TR = " + h(m.tr.selector, 4) + ", limit " + h(m.tr.limit, 4) + ")";
    if (at + 7 > m.tr.limit) {
        story.say("The new stack pointer, " + name + ", would be at offset " + h(at, 2) + " of " + tss +
                      ", which is too short",
                  ist != 0 ? "3A 6.14.5" : "3A 6.14.4");
        return refuse(story, deny(Exception::TS, (m.tr.selector & 0xFFFCu) | ext, "TSS too short for a stack pointer",
                                  "there is no stack to switch to"));
    }
    if (Verdict v = tell_system(story, m, m.tr.base + at, 8, Access::read)) return v;
    const u64 rsp = m.number(m.tr.base + at, 8).value_or(0);
    story.say("The stack is switched to " + name + " at offset " + h(at, 2) + " of " + tss + ", which is " + h(rsp, 16),
              ist != 0 ? "3A 6.14.5" : "3A 6.14.4");
    out = {Segment{}, rsp, cpl != 3, ext, true, name};
    return {};
}

namespace {

/// The shortest limits of the two formats (SDM 3A 7.2.2, 7.6).
u32 shortest(unsigned type) { return (type & 8) != 0 ? 0x67 : 0x2B; }

Verdict tell_whole(Story& story, const Moment& m, u64 base, u64 size, Access access, const char* what) {
    Story attempt = story.fresh();
    Verdict v = tell_system(attempt, m, base, size, access);
    if (!v) return {};
    story.say(std::string(what) + " lies at " + m.address(base) + " and must be " +
                  (access == Access::write ? "writable" : "readable") + " as a whole before the switch begins",
              "3A 7.3");
    story.append(attempt);
    return v;
}

} // namespace

Verdict tell_task_switch(Story& story, const Moment& m, u16 selector, const Descriptor& tss, u32 ext) {
    const Blamed blamed{Exception::TS, ext};
    const u32 need = shortest(tss.type()), old_need = shortest(m.tr.type());
    if (tss.limit() < need) {
        story.say("The new TSS has limit " + h(tss.limit(), 4) + "; it must be at least " + h(need, 2), "3A 7.2.2");
        return refuse(story, deny(Exception::TS, blamed.error(selector), "new TSS is too short",
                                  "the task cannot be switched to"));
    }
    if (m.tr.limit < old_need) {
        story.say("The current TSS has limit " + h(m.tr.limit, 4) + "; to save the task's state it must be at least " +
                      h(old_need, 2),
                  "3A 7.3");
        return refuse(story, deny(Exception::TS, blamed.error(m.tr.selector), "current TSS is too short",
                                  "the current task cannot be saved"));
    }
    const u64 base = static_cast<u32>(tss.base());
    const auto place = descriptor_place(m, selector), old_place = descriptor_place(m, m.tr.selector);
    if (place) {
        if (Verdict v = tell_whole(story, m, *place, 8, Access::write, "The new TSS's descriptor")) return v;
    }
    if (old_place) {
        if (Verdict v = tell_whole(story, m, *old_place, 8, Access::write, "The current TSS's descriptor")) return v;
    }
    const u64 old_base = static_cast<u32>(m.tr.base);
    if (Verdict v = tell_whole(story, m, old_base, old_need + 1, Access::write, "The current TSS")) return v;
    if (Verdict v = tell_whole(story, m, base, 2, Access::write, "The new TSS's back link")) return v;
    if (Verdict v = tell_whole(story, m, base, need + 1, Access::read, "The new TSS")) return v;
    story.say("The processor switches to the task of TSS " + h(selector, 4) + " at " + h(base, 8), "3A 7.3");
    return {};
}

Verdict tell_task_gate(Story& story, const Moment& m, u16 selector, u32 ext) {
    const Blamed blamed{Exception::GP, ext};
    const char* words = "the task cannot be switched to";
    if ((selector & 4) != 0 || is_null(selector)) {
        story.say("A task gate's selector, here " + selector_words(selector) + ", must name a TSS in the GDT",
                  "3A 7.2.5");
        return refuse(story, deny(Exception::GP, blamed.error(selector), "task gate's TSS is not in the GDT", words));
    }
    Descriptor d;
    if (Verdict v = tell_descriptor(story, m, selector, blamed, d)) return v;
    if (!d.is_available_tss()) {
        story.say("A task gate must lead to an available TSS; this is " + with_article(descriptor_type(m, d)),
                  "3A 7.3");
        return refuse(
            story, deny(Exception::GP, blamed.error(selector), "task gate does not lead to an available TSS", words));
    }
    if (!d.present()) {
        story.say("The TSS descriptor's P bit is 0", "3A 6.15, interrupt 11");
        return refuse(story, deny(Exception::NP, blamed.error(selector), "TSS not present", words));
    }
    return tell_task_switch(story, m, selector, d, ext);
}

} // namespace glassbox::explain
