// `explain interrupt`, `explain selector` and `explain error`.
#include "debugger/explain/delivery.hpp"
#include "debugger/explain/explain.hpp"

namespace glassbox {

using namespace explain;

std::string explain_interrupt(const Cpu& cpu, u8 vector, const AddressNames& names) {
    Story story(names);
    const Moment m = Moment::of(cpu);
    const std::string title(vector_title(vector));
    story.line("Vector " + h(vector, 2) + (title.empty() ? "" : ", " + vector_name(vector) + " (" + title + ")") +
               ", in " + m.mode_words() + " at CPL " + std::to_string(m.cpl) + ":");
    Story::Indented in(story);
    const bool exception = is_exception(vector) && vector != 2;
    // Exceptions that push an error code: SDM 3A, table 6-1.
    const bool has_error = vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
    if (!exception && vector != 2 && (m.eflags & eflags::IF) == 0)
        story.say("EFLAGS.IF = 0: a maskable interrupt would wait", "3A 6.8.1");
    const Event from_outside{vector, exception ? InterruptKind::exception : InterruptKind::hardware,
                             exception && has_error && !m.real_mode(), 0};
    const Verdict outside = tell_delivery(story, m, from_outside);
    if (m.real_mode()) return story.text();
    Story by_instruction = story.fresh();
    const Verdict v = tell_delivery(by_instruction, m, {vector, InterruptKind::software, false, 0});
    if (v && !(outside && outside->why == v->why)) {
        story.say("By INT " + h(vector, 2) + " at this CPL it would not be allowed:", "3A 6.12.1");
        story.append(by_instruction);
    }
    return story.text();
}

std::string explain_selector(const Cpu& cpu, u16 selector) {
    Story story;
    const Moment m = Moment::of(cpu);
    if (!m.protected_mode()) {
        story.say("In " + m.mode_words() + " a selector is a paragraph: " + h(selector, 4) + " has base " +
                      h(u64{selector} << 4, 5),
                  "3A 20.1");
        return story.text();
    }
    for (unsigned name = 0; name < 6; ++name) {
        if (m.seg[name].selector == selector && m.seg[name].usable())
            story.say(std::string(segment_names[name]) +
                          " holds it; its hidden part says: " + segment_words(m.seg[name], m.long_mode()),
                      "3A 3.4.3");
    }
    if (is_null(selector)) {
        story.say("Selector " + selector_words(selector) +
                      ": a null selector may stand in DS, ES, FS and GS, and any use of it is #GP(0)",
                  "3A 3.4.2");
        return story.text();
    }
    Descriptor d;
    if (tell_descriptor(story, m, selector, {}, d)) return story.text();
    if (d.is_system()) return story.text();
    const unsigned rpl = selector & 3u;
    const bool data_ok = d.readable() && ((d.is_code() && d.conforming()) || (rpl <= d.dpl() && m.cpl <= d.dpl()));
    const bool stack_ok = d.writable_data() && rpl == m.cpl && d.dpl() == m.cpl;
    const bool code_ok = d.is_code() && (d.conforming() ? d.dpl() <= m.cpl : rpl <= m.cpl && d.dpl() == m.cpl);
    story.say("Code at CPL " + std::to_string(m.cpl) + " may load it: into DS, ES, FS, GS " + (data_ok ? "yes" : "no") +
                  ", into SS " + (stack_ok ? "yes" : "no") + ", by a far jump or call " + (code_ok ? "yes" : "no") +
                  (d.present() ? "" : " (but it is not present)"),
              "3A 5.6-5.8");
    return story.text();
}

namespace {

void tell_selector_error(Story& story, u32 error) {
    const std::string ext = (error & 1) ? "EXT=1 (an event from outside, or the delivery of an earlier exception)"
                                        : "EXT=0 (the program's own doing)";
    if (error == 0) {
        story.say("Error code 0000h names no descriptor: the fault is not about one, or about a null selector",
                  "3A 6.13");
        return;
    }
    if ((error & 2) != 0)
        story.say("Error code " + h(error, 4) + ": IDT=1, the gate of vector " + h(error >> 3, 2) + " (" +
                      vector_name(error >> 3) + "), " + ext,
                  "3A 6.13");
    else
        story.say("Error code " + h(error, 4) + ": index " + std::to_string((error & 0xFFFF) >> 3) + " of the " +
                      ((error & 4) ? "LDT (TI=1)" : "GDT (TI=0)") + ", selector " + h(error & 0xFFFC, 4) +
                      " whatever its RPL, " + ext,
                  "3A 6.13");
}

void tell_page_error(Story& story, u32 error) {
    story.say("Page-fault error code " + h(error, 4) + ":", "3A 4.7");
    Story::Indented in(story);
    story.line(std::string("P=") + ((error & 1) ? "1: the page was present, its rights denied the access"
                                                : "0: a page or a table was not present"));
    story.line(std::string("W/R=") + ((error & 2) ? "1: a write" : "0: a read"));
    story.line(std::string("U/S=") +
               ((error & 4) ? "1: by user-mode code (CPL 3)" : "0: by the supervisor, or the processor's own access"));
    if (error & 8) story.line("RSVD=1: a reserved bit was set in a paging entry");
    if (error & 16) story.line("I/D=1: an instruction fetch");
    if (error & 32) story.line("PK=1: the page's protection key denied it");
    if (error & 64) story.line("SS=1: a shadow-stack access");
    if (error & 0x8000) story.line("SGX=1: SGX's rules denied it");
}

} // namespace

std::string explain_error(u32 error, std::optional<unsigned> vector) {
    Story story;
    if (!vector) {
        story.line("As #TS, #NP, #SS or #GP push it:");
        {
            Story::Indented in(story);
            tell_selector_error(story, error);
        }
        story.line("As #PF pushes it:");
        Story::Indented in(story);
        tell_page_error(story, error);
        return story.text();
    }
    switch (*vector) {
    case 14: tell_page_error(story, error); break;
    case 10:
    case 11:
    case 12:
    case 13: tell_selector_error(story, error); break;
    case 8:
    case 17: story.say(vector_name(*vector) + " pushes an error code that is always 0", "3A 6.15"); break;
    default: story.say(vector_name(*vector) + " pushes no error code", "3A 6.13"); break;
    }
    return story.text();
}

} // namespace glassbox
