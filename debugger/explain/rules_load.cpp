// Segment loads and software interrupts (SDM 3A 3.4.3, 5.5-5.7; SDM 2, MOV, POP, LDS, LTR, LLDT, INT n).
#include "debugger/explain/delivery.hpp"
#include "debugger/explain/rules.hpp"

namespace glassbox::explain {

namespace {

Verdict load(Story& story, const Moment& m, unsigned name, u16 selector) {
    if (!m.protected_mode()) return {};
    story.say(std::string(segment_names[name]) + " is to be loaded with " + selector_words(selector), "3A 3.4.3");
    Segment out;
    if (name == SS) return tell_stack_segment(story, m, selector, m.cpl, {}, out, m.code64());
    if (is_null(selector)) return {};
    return tell_data_segment(story, m, selector, m.cpl, {});
}

Verdict load_system(Story& story, const Moment& m, const Decoded& d, u16 selector) {
    const bool ltr = d.is({ZYDIS_MNEMONIC_LTR});
    const char* cannot = ltr ? "TR cannot be loaded" : "LDTR cannot be loaded";
    const auto no = [&](Exception e, u32 error, const char* why) { return refuse(story, deny(e, error, why, cannot)); };
    if (is_null(selector)) {
        if (!ltr) return {};
        story.say("TR must not hold a null selector", "2A LTR");
        return no(Exception::GP, 0, "LTR with a null selector");
    }
    const u32 error = selector & 0xFFFCu;
    if ((selector & 4) != 0) {
        story.say("The selector " + selector_words(selector) + " must name the GDT", ltr ? "3A 7.2.4" : "3A 3.5.1");
        return no(Exception::GP, error, ltr ? "LTR selector is not in the GDT" : "LLDT selector is not in the GDT");
    }
    Descriptor desc;
    if (Verdict v = tell_descriptor(story, m, selector, {}, desc)) return v;
    const bool right = !ltr            ? desc.is_system(SystemType::ldt)
                       : m.long_mode() ? desc.is_system(SystemType::tss32)
                                       : desc.is_available_tss();
    if (!right) {
        story.say(std::string(ltr ? "LTR needs an available TSS" : "LLDT needs an LDT") + "; this is " +
                      with_article(descriptor_type(m, desc)),
                  ltr ? "3A 7.2.4" : "3A 3.5.1");
        return no(Exception::GP, error, ltr ? "LTR selector is not an available TSS" : "LLDT selector is not an LDT");
    }
    if (!desc.present()) {
        story.say("The P bit in the descriptor of " + h(selector, 4) + " is 0", "3A 6.15, interrupt 11");
        return no(Exception::NP, error, ltr ? "TSS not present" : "LDT not present");
    }
    if (!m.long_mode()) return {};
    if (Verdict v = tell_upper_half(story, m, selector, desc)) return v;
    const unsigned shift = m.has(Feature::la57) ? 64 - 57 : 64 - 48;
    if (static_cast<u64>(static_cast<i64>(desc.base() << shift) >> shift) == desc.base()) return {};
    story.say("The descriptor's base, " + h(desc.base(), 16) + ", is not canonical", ltr ? "2A LTR" : "2A LLDT");
    return no(Exception::GP, error, "LDT's or TSS's base is not canonical");
}

std::optional<unsigned> far_load_target(const Decoded& d) {
    switch (d.insn.mnemonic) {
    case ZYDIS_MNEMONIC_LDS: return DS;
    case ZYDIS_MNEMONIC_LES: return ES;
    case ZYDIS_MNEMONIC_LSS: return SS;
    case ZYDIS_MNEMONIC_LFS: return FS;
    case ZYDIS_MNEMONIC_LGS: return GS;
    default: return {};
    }
}

} // namespace

Verdict rule_segment_load(Story& story, const Moment& m, const Decoded& d) {
    if (!d.valid) return {};
    if (d.is({ZYDIS_MNEMONIC_LLDT, ZYDIS_MNEMONIC_LTR})) {
        const auto value = value_of(m, d, d.operands[0]);
        if (!value) return {};
        return load_system(story, m, d, static_cast<u16>(*value));
    }
    if (const auto name = far_load_target(d)) {
        const Operand place = place_of(m, d, d.operands[1]);
        const u64 linear = m.base_of(place.segment) + place.offset + place.size - 2;
        const auto selector = m.number(m.code64() ? linear : static_cast<u32>(linear), 2);
        if (!selector) return {};
        return load(story, m, *name, static_cast<u16>(*selector));
    }
    const ZydisDecodedOperand* first = d.shown(0);
    const bool segment = first && first->type == ZYDIS_OPERAND_TYPE_REGISTER &&
                         ZydisRegisterGetClass(first->reg.value) == ZYDIS_REGCLASS_SEGMENT;
    if (!segment) return {};
    if (d.is({ZYDIS_MNEMONIC_POP})) {
        const StackPlace stack = StackPlace::current(m);
        u64 value = 0;
        if (Verdict v = tell_peek(story, m, stack, 2, 0, value)) return v;
        return load(story, m, segment_index(first->reg.value), static_cast<u16>(value));
    }
    if (!d.is({ZYDIS_MNEMONIC_MOV})) return {};
    const auto value = value_of(m, d, d.operands[1]);
    if (!value) return {};
    return load(story, m, segment_index(first->reg.value), static_cast<u16>(*value));
}

Verdict rule_interrupt(Story& story, const Moment& m, const Decoded& d) {
    if (d.is({ZYDIS_MNEMONIC_INT}))
        return tell_delivery(story, m, {static_cast<u8>(d.operands[0].imm.value.u), InterruptKind::software, false, 0});
    if (d.is({ZYDIS_MNEMONIC_INT3})) return tell_delivery(story, m, {3, InterruptKind::int3, false, 0});
    if (d.is({ZYDIS_MNEMONIC_INT1})) return tell_delivery(story, m, {1, InterruptKind::icebp, false, 0});
    if (d.is({ZYDIS_MNEMONIC_INTO}) && (m.eflags & eflags::OF) != 0)
        return tell_delivery(story, m, {4, InterruptKind::into, false, 0});
    return {};
}

} // namespace glassbox::explain
