#include "debugger/explain/memory.hpp"

namespace glassbox::explain {

namespace {

constexpr const char* not_canonical = "the address is not canonical";
constexpr const char* outside = "the offset is outside the segment, or the segment does not allow the access";

/// What an 80286 in real mode has for a stack outside its segment (80286 Programmer's Reference, 5.4).
Exception stack_exception(const Moment& m) {
    return m.real_mode() && !m.has(Feature::i386) ? Exception::GP : Exception::SS;
}

/// The cached descriptor, and what the table says now where that differs.
void tell_cached(Story& story, const Moment& m, unsigned name, const Segment& s) {
    const std::string register_name = segment_names[name];
    if (!m.protected_mode()) {
        story.say(register_name + " = " + h(s.selector, 4) + ": base " + h(s.base, 8) + ", limit " + h(s.limit, 8),
                  m.v86() ? "3A 20.2" : "3A 20.1");
        return;
    }
    story.say(register_name + " was loaded with selector " + selector_words(s.selector) +
                  "; its hidden part says: " + segment_words(s, m.long_mode()),
              "3A 3.4.3");
    if (is_null(s.selector) || !s.usable()) return;
    const auto now = find_descriptor(m, s.selector);
    if (!now) return;
    const Segment table = now->segment(s.selector);
    constexpr u32 compared = 0x1'F0FE; // all but the accessed bit
    if (table.base == s.base && table.limit == s.limit && ((table.access ^ s.access) & compared) == 0) return;
    story.say("The table has another descriptor by now (" + descriptor_words(m, *now) +
                  "), which counts only when the register is loaded again",
              "3A 3.4.3");
}

std::string range_words(const Operand& o) {
    std::string text = o.size == 1 ? "The byte lies at offset " + h(o.offset, 8)
                                   : "The " + std::to_string(o.size) + " bytes lie at offsets " + h(o.offset, 8) +
                                         " to " + h(o.offset + o.size - 1, 8);
    return text;
}

const char* refusal(Access access) {
    return access == Access::write ? "the write is not allowed" : "the read is not allowed";
}

Verdict tell_range(Story& story, const Moment& m, const Segment& s, const Operand& o, Denial d) {
    const bool writing = o.access == Access::write;
    const bool typed = m.protected_mode();
    if (!s.usable()) {
        story.say("A segment register that holds a null selector cannot be used for memory", "3A 5.4.1");
    } else if (!s.present()) {
        story.say("The segment is not present", "3A 3.4.5");
    } else if (typed && writing && s.is_code()) {
        story.say("A code segment cannot be written in protected mode", "3A 5.4");
    } else if (typed && writing && !s.is_writable_data()) {
        story.say("The segment's type has no W bit: it is read-only", "3A 5.4");
    } else if (typed && !writing && !s.is_readable()) {
        story.say("The segment's type has no R bit: it is execute-only", "3A 5.4");
    } else if (!s.is_code() && (s.access & Segment::expand_down) != 0) {
        story.say(range_words(o) + "; in an expand-down segment valid offsets go from " + h(u64{s.limit} + 1, 8) +
                      " (limit + 1) to " + h(s.big() ? 0xFFFF'FFFF : 0xFFFF, 8),
                  "3A 5.3");
    } else {
        story.say(range_words(o) + ", but the segment ends at its limit, " + h(s.limit, 8), "3A 5.3");
    }
    story.conclude(d);
    return d;
}

/// SDM 3A 5.3, 5.4, worked out anew from base, limit and rights.
bool segment_allows(const Moment& m, const Segment& s, u64 offset, u64 size, bool writing) {
    if (!s.usable() || !s.present()) return false;
    if (m.protected_mode() && (writing ? !s.is_writable_data() : !s.is_readable())) return false;
    const u64 last = offset + size - 1;
    if (!s.is_code() && (s.access & Segment::expand_down) != 0)
        return offset > s.limit && last <= (s.big() ? 0xFFFF'FFFF : 0xFFFF);
    return last <= s.limit;
}

Verdict tell_canonical(Story& story, const Moment& m, u64 linear, u64 size, Exception exception, const char* why,
                       u32 error, const char* words) {
    if (m.canonical(linear) && m.canonical(linear + size - 1)) return {};
    story.say("Linear addresses have " + std::to_string(m.linear_bits()) + " bits here, so bits 63 to " +
                  std::to_string(m.linear_bits() - 1) + " must all be equal; in " + h(linear, 16) + " they are not",
              "1 3.3.7.1");
    Denial d = deny(exception, error, why, words);
    story.conclude(d);
    return d;
}

/// #AC (SDM 3A 6.15, interrupt 17).
Verdict tell_alignment(Story& story, const Moment& m, u64 linear, u64 size) {
    const bool checks = m.cpl == 3 && (m.cr0 & cr0::AM) != 0 && (m.eflags & eflags::AC) != 0;
    if (!checks || size > 8 || size == 0 || (size & (size - 1)) != 0 || linear % size == 0) return {};
    story.say("CPL = 3, CR0.AM = 1 and EFLAGS.AC = 1: alignment is checked, and " + m.address(linear) +
                  " is no multiple of " + std::to_string(size),
              "3A 6.15, interrupt 17");
    Denial d =
        deny(Exception::AC, "a misaligned access with alignment checking on", "the misaligned access is refused");
    story.conclude(d);
    return d;
}

} // namespace

Verdict tell_segment(Story& story, const Moment& m, const Operand& o, u64& linear) {
    const Segment& s = m.seg[o.segment];
    const Exception blamed = o.segment == SS ? stack_exception(m) : Exception::GP;
    if (!o.origin.empty())
        story.say("The offset is " + o.origin + " = " + m.offset(o.offset), m.code64() ? "1 3.7.5.1" : "1 3.7.5");
    if (m.code64()) {
        linear = m.base_of(o.segment) + o.offset;
        if (o.segment >= FS)
            story.say(std::string("The base of ") + segment_names[o.segment] + " is " + h(m.base_of(o.segment), 16) +
                          ", so the linear address is " + h(linear, 16),
                      "3A 3.2.4");
        return tell_canonical(story, m, linear, o.size, o.segment == SS ? Exception::SS : Exception::GP, not_canonical,
                              0, refusal(o.access));
    }
    tell_cached(story, m, o.segment, s);
    linear = static_cast<u32>(s.base + o.offset);
    // A flat segment has no end: an access at its last bytes goes on at 0.
    if (m.has(Feature::only_8086) || s.flat() || segment_allows(m, s, o.offset, o.size, o.access == Access::write)) {
        if (s.base != 0) story.say("Base plus offset make linear address " + h(linear, 8), "3A 3.4");
        return {};
    }
    return tell_range(story, m, s, o, deny(blamed, 0, outside, refusal(o.access)));
}

Verdict tell_operand(Story& story, const Moment& m, const Operand& o) {
    u64 linear = 0;
    if (Verdict v = tell_segment(story, m, o, linear)) return v;
    if (o.aligned && o.alignment != 0 && linear % o.alignment != 0) {
        story.say("This instruction wants its operand at a multiple of " + std::to_string(o.alignment) +
                      "; linear address " + m.address(linear) + " is " + std::to_string(linear % o.alignment) +
                      " beyond one",
                  "1 10.4.1.1");
        Denial d = deny(Exception::GP, 0, "a vector operand is not aligned to its size", "the operand is misaligned");
        story.conclude(d);
        return d;
    }
    if (Verdict v = tell_alignment(story, m, linear, o.size)) return v;
    return tell_pages(story, m, linear, o.size, {.access = o.access}, false);
}

StackPlace StackPlace::current(const Moment& m) {
    const bool long64 = m.code64();
    return {m.seg[SS], long64 ? m.gpr[RSP] : static_cast<u32>(m.gpr[RSP]),   false, 0,
            long64,    long64 ? "RSP" : m.seg[SS].big() ? "SS:ESP" : "SS:SP"};
}

namespace {

/// One value on a stack.
Verdict tell_slot(Story& story, const Moment& m, const StackPlace& stack, u64 offset, unsigned width, Access access,
                  bool quiet) {
    u64 linear = offset;
    const char* words = access == Access::write ? "the push is not allowed" : "the pop is not allowed";
    if (stack.long64) {
        if (Verdict v = tell_canonical(story, m, linear, width, Exception::SS, "the stack address is not canonical",
                                       stack.error, words))
            return v;
    } else {
        linear = static_cast<u32>(stack.segment.base + offset);
        if (!m.has(Feature::only_8086) && !segment_allows(m, stack.segment, offset, width, access == Access::write)) {
            const Operand o{.segment = SS, .offset = offset, .size = width, .access = access};
            story.say(stack.name + " = " + m.offset(stack.sp & stack.mask()) + "; the stack segment " +
                          h(stack.segment.selector, 4) + " is: " + segment_words(stack.segment, m.long_mode()),
                      "3A 3.4.3");
            return tell_range(story, m, stack.segment, o,
                              deny(stack_exception(m), stack.error, "stack limit exceeded", words));
        }
    }
    if (!stack.inner) {
        if (Verdict v = tell_alignment(story, m, linear, width)) return v;
    }
    const Accessor who{.access = access, .inner_stack = stack.inner};
    if (quiet) {
        const Verdict v = tell_pages(story, m, linear, width, who, true);
        return v;
    }
    return tell_pages(story, m, linear, width, who, false);
}

} // namespace

Verdict tell_push(Story& story, const Moment& m, const StackPlace& stack, unsigned width, unsigned count) {
    u64 at = stack.sp;
    for (unsigned i = 0; i < count; ++i) {
        at = (at - width) & stack.mask();
        Story attempt = story.fresh();
        const Verdict v = tell_slot(attempt, m, stack, at, width, Access::write, true);
        if (!v) continue;
        story.say((count == 1 ? std::string("The value to push takes ")
                              : "Of the " + std::to_string(count) + " values to push, number " + std::to_string(i + 1) +
                                    " takes ") +
                  counted(width, "byte") + " at " + (stack.long64 ? "" : "SS:") + m.offset(at));
        story.append(attempt);
        return v;
    }
    return {};
}

Verdict tell_peek(Story& story, const Moment& m, const StackPlace& stack, unsigned width, u64 displacement,
                  u64& value) {
    const u64 at = (stack.sp + displacement) & stack.mask();
    if (Verdict v = tell_slot(story, m, stack, at, width, Access::read, true)) return v;
    const u64 linear = stack.long64 ? at : static_cast<u32>(stack.segment.base + at);
    value = m.number(linear, width).value_or(0);
    return {};
}

Verdict tell_system(Story& story, const Moment& m, u64 linear, u64 size, Access access) {
    if (!m.long_mode()) linear = static_cast<u32>(linear);
    if (m.long_mode()) {
        if (Verdict v = tell_canonical(story, m, linear, size, Exception::GP, not_canonical, 0,
                                       "the system structure cannot be reached"))
            return v;
    }
    return tell_pages(story, m, linear, size, {.access = access, .system = true}, true);
}

std::optional<u64> descriptor_place(const Moment& m, u16 selector) {
    const bool local = (selector & 4) != 0;
    if (local && !m.ldtr.usable()) return {};
    if ((selector | 7u) > (local ? m.ldtr.limit : m.gdtr.limit)) return {};
    const u64 linear = (local ? m.ldtr.base : m.gdtr.base) + (selector & 0xFFF8u);
    return m.long_mode() ? linear : static_cast<u32>(linear);
}

namespace {
/// As an 80286 sees it: the last two bytes do not count (80286 Programmer's Reference, 7.4).
Descriptor as_seen(const Moment& m, u64 raw) {
    Descriptor d{raw};
    if (!m.has(Feature::only_286)) return d;
    d.raw &= 0x0000'FFFF'FFFF'FFFF;
    if (d.is_system() && (d.type() & 8) != 0) d.raw &= ~(u64{0xF} << 40);
    return d;
}
} // namespace

std::optional<Descriptor> find_descriptor(const Moment& m, u16 selector) {
    const auto place = descriptor_place(m, selector);
    if (!place) return {};
    const auto raw = m.value<u64>(*place);
    if (!raw) return {};
    Descriptor d = as_seen(m, *raw);
    if (m.long_mode() && d.is_system()) d.high = m.value<u64>(*place + 8).value_or(0);
    return d;
}

Verdict tell_descriptor(Story& story, const Moment& m, u16 selector, Blamed blamed, Descriptor& out) {
    const bool local = (selector & 4) != 0;
    const std::string table = local ? "LDT" : "GDT";
    const auto place = descriptor_place(m, selector);
    if (!place) {
        if (local && !m.ldtr.usable())
            story.say("Selector " + selector_words(selector) + " names the LDT, but LDTR is null: there is none",
                      "3A 3.5.1");
        else
            story.say("Selector " + selector_words(selector) + " names bytes " + h(selector & 0xFFF8u, 4) + " to " +
                          h(selector | 7u, 4) + " of the " + table + ", whose limit is " +
                          h(local ? m.ldtr.limit : m.gdtr.limit, 4),
                      "3A 3.5.1");
        Denial d = deny(blamed.exception, blamed.error(selector), "selector outside its descriptor table",
                        "there is no such descriptor");
        story.conclude(d);
        return d;
    }
    if (Verdict v = tell_system(story, m, *place, 8, Access::read)) return v;
    out = as_seen(m, m.value<u64>(*place).value_or(0));
    story.cite("the descriptor of " + h(selector & 0xFFF8u, 4) + " at " + m.address(*place), m.physical(*place), 8);
    if (m.long_mode() && out.is_system()) out.high = m.value<u64>(*place + 8).value_or(0);
    story.say("Selector " + selector_words(selector) + " names the descriptor at " + m.address(*place) + ": " +
                  h(out.raw, 16) + ", which means " + descriptor_words(m, out),
              "3A 3.4.5");
    return {};
}

} // namespace glassbox::explain
