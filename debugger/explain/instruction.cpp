#include "debugger/explain/instruction.hpp"

#include "debugger/explain/rules.hpp"

namespace glassbox::explain {

namespace {

/// Tries rules until one comes to what is looked for.
class Search {
  public:
    Search(const Story& model, const Fault* wanted) : model_(model), wanted_(wanted) {}

    template <class F> void attempt(F&& rule) {
        if (done()) return;
        Found found{model_.fresh(), {}};
        found.verdict = rule(found.story);
        if (!found.verdict) return;
        if (wanted_ == nullptr) {
            exact_ = std::move(found);
        } else if (!found.verdict->agrees(*wanted_)) {
            if (!other_) other_ = std::move(found);
        } else if (wanted_->why != nullptr && found.verdict->why == wanted_->why) {
            exact_ = std::move(found);
        } else if (!near_) {
            near_ = std::move(found);
        }
    }

    Finding tell(Story& story) const {
        if (exact_) return tell(story, *exact_, Match::exact);
        if (near_) return tell(story, *near_, Match::agrees);
        return {};
    }

  private:
    struct Found {
        Story story;
        Verdict verdict;
    };
    static Finding tell(Story& story, const Found& found, Match match) {
        story.append(found.story);
        return {match, found.verdict};
    }
    bool done() const { return exact_.has_value(); }

    const Story& model_;
    const Fault* wanted_;
    std::optional<Found> exact_, near_, other_;
};

std::string operand_words(const Moment& m, const Operand& o) {
    std::string what = o.access == Access::write ? "writes " : "reads ";
    return "The instruction " + what + counted(o.size, "byte") + " at " + segment_names[o.segment] + ":" +
           m.offset(o.offset);
}

/// Unmasked SIMD exceptions: which flags are up whose masks are down (SDM 1 11.5).
Verdict rule_simd(Story& story, const Moment& m, const Fault* fault) {
    if (fault == nullptr || fault->why == nullptr ||
        std::string_view(fault->why) != "an unmasked SIMD floating-point exception")
        return {};
    static constexpr const char* names[] = {"invalid operation (IE)", "denormal operand (DE)", "divide by zero (ZE)",
                                            "overflow (OE)",          "underflow (UE)",        "precision (PE)"};
    const u32 unmasked = m.mxcsr & ~(m.mxcsr >> 7) & 0x3F;
    std::string list;
    for (unsigned i = 0; i < 6; ++i) {
        if ((unmasked >> i & 1) != 0) list += (list.empty() ? "" : ", ") + std::string(names[i]);
    }
    story.say("MXCSR = " + h(m.mxcsr, 8) + ": set with its mask clear " + (list.empty() ? "is none now" : "is " + list),
              "1 11.5");
    const bool enabled = (m.cr4 & cr4::OSXMMEXCPT) != 0;
    story.say(enabled ? "CR4.OSXMMEXCPT = 1, so it is reported as #XM" : "CR4.OSXMMEXCPT = 0, so it is reported as #UD",
              "3A 2.5");
    return refuse(story, deny(enabled ? Exception::XM : Exception::UD, fault->why, "the result is not written"));
}

/// Debug exceptions: what DR6 is going to say (SDM 3B 17.2.3).
Verdict rule_debug(Story& story, const Moment& m, const Fault* fault) {
    if (fault == nullptr || fault->vector != Exception::DB) return {};
    const u64 bits = fault->cr2; // the engine hands DR6's bits over in this place
    for (unsigned i = 0; i < 4; ++i) {
        if ((bits >> i & 1) != 0)
            story.say("B" + std::to_string(i) + ": the breakpoint in DR" + std::to_string(i) + " = " +
                          h(m.cpu->dr[i], 8) + " was met (DR7 = " + h(m.cpu->dr[7], 8) + ")",
                      "3B 17.2.3");
    }
    if ((bits & 1 << 13) != 0) story.say("BD: DR7.GD guards the debug registers", "3B 17.2.3");
    if ((bits & 1 << 14) != 0) story.say("BS: EFLAGS.TF = 1, a single step", "3B 17.3.1.4");
    if ((bits & 1 << 15) != 0) story.say("BT: the T bit of the new task's TSS is set", "3B 17.3.1.5");
    Denial d = deny(Exception::DB, fault->why ? fault->why : "", "the debugger is told");
    return refuse(story, d);
}

void search_rules(Search& search, const Moment& m, const Decoded& d, const Fault* fault) {
    const auto rule = [&](Verdict (*r)(Story&, const Moment&, const Decoded&)) {
        search.attempt([&](Story& s) { return r(s, m, d); });
    };
    search.attempt([&](Story& s) { return rule_debug(s, m, fault); });
    rule(rule_fetch);
    rule(rule_opcode);
    if (!d.valid) return;
    rule(rule_units);
    rule(rule_privilege);
    rule(rule_ports);
    for (const Operand& o : memory_operands(m, d)) {
        search.attempt([&](Story& s) {
            s.say(operand_words(m, o));
            return tell_operand(s, m, o);
        });
    }
    rule(rule_segment_load);
    rule(rule_near);
    rule(rule_stack);
    rule(rule_far);
    rule(rule_interrupt);
    rule(rule_control);
    rule(rule_arithmetic);
    search.attempt([&](Story& s) { return rule_simd(s, m, fault); });
}

} // namespace

Finding tell_instruction(Story& story, const Moment& m, const Decoded& d, const Fault* fault) {
    Search search(story, fault);
    search_rules(search, m, d, fault);
    return search.tell(story);
}

Match tell_reason(Story& story, const Moment& m, const Fault& fault) {
    if (fault.vector == Exception::PF) {
        const bool user = (fault.error & 4) != 0;
        const Accessor who{.access = (fault.error & 16)  ? Access::fetch
                                     : (fault.error & 2) ? Access::write
                                                         : Access::read,
                           .system = !user && m.cpl == 3};
        Story walked = story.fresh();
        const Verdict v = tell_paging(walked, m, fault.cr2, who);
        story.say("The processor " + std::string(who.access == Access::write ? "wrote" : "read") + " at " +
                      m.address(fault.cr2) + story.name(fault.cr2) + (who.system ? ", a system structure" : ""),
                  "3A 4.7");
        story.append(walked);
        if (v && v->agrees(fault)) return v->why == (fault.why ? fault.why : "") ? Match::exact : Match::agrees;
        story.say("The paging structures have changed since: as they stand now they " +
                  std::string(v ? "would deny it differently" : "allow it"));
    }
    const std::string_view why = fault.why ? fault.why : "";
    const Reason* reason = find_reason(why);
    if (why.ends_with("MSR") || why.starts_with("MSR"))
        story.say("ECX = " + h(m.gpr[RCX] & 0xFFFF'FFFF, 8) +
                  ", EDX:EAX = " + h((m.gpr[RDX] << 32) | (m.gpr[RAX] & 0xFFFF'FFFF), 16));
    if (reason != nullptr) {
        story.say(reason->words, reason->section);
    } else if (!why.empty()) {
        story.say("The processor says: " + std::string(why),
                  "3A 6.15, interrupt " + std::to_string(static_cast<unsigned>(fault.vector)));
    }
    story.conclude("so " + fault_words(fault, story.error_codes) + " is raised");
    return reason != nullptr ? Match::reason : Match::none;
}

} // namespace glassbox::explain
