// Pushes and pops, and near control transfers (SDM 1 6.2-6.4; SDM 2).
#include "debugger/explain/rules.hpp"

namespace glassbox::explain {

namespace {

bool is_conditional(const Decoded& d) { return d.valid && d.insn.meta.category == ZYDIS_CATEGORY_COND_BR; }

/// The value of a near return's or indirect jump's target; nothing where it cannot be read.
std::optional<u64> near_target(const Moment& m, const Decoded& d) {
    const unsigned width = m.code64() ? 8 : d.width();
    const u64 mask = width >= 8 ? ~u64{0} : (u64{1} << (8 * width)) - 1;
    if (d.is({ZYDIS_MNEMONIC_RET})) {
        const StackPlace stack = StackPlace::current(m);
        const u64 at = stack.sp & stack.mask();
        return m.number(stack.long64 ? at : static_cast<u32>(stack.segment.base + at), width);
    }
    const ZydisDecodedOperand* o = d.shown(0);
    if (!o) return {};
    if (o->type == ZYDIS_OPERAND_TYPE_IMMEDIATE && o->imm.is_relative)
        return (d.next() + static_cast<u64>(o->imm.value.s)) & mask;
    const auto value = value_of(m, d, *o);
    if (!value) return {};
    return *value & mask;
}

bool is_far(const Decoded& d) { return d.insn.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR; }

} // namespace

namespace {

/// Whether a conditional branch is taken (SDM 1, appendix B; SDM 2A, Jcc, LOOP).
bool taken(const Moment& m, const Decoded& d) {
    const auto flag = [&](u32 bit) { return (m.eflags & bit) != 0; };
    const bool less = flag(eflags::SF) != flag(eflags::OF);
    const u64 mask = d.insn.address_width == 64 ? ~u64{0} : d.insn.address_width == 32 ? 0xFFFF'FFFF : 0xFFFF;
    const u64 count = m.gpr[RCX] & mask, after = (m.gpr[RCX] - 1) & mask;
    switch (d.insn.mnemonic) {
    case ZYDIS_MNEMONIC_JO: return flag(eflags::OF);
    case ZYDIS_MNEMONIC_JNO: return !flag(eflags::OF);
    case ZYDIS_MNEMONIC_JB: return flag(eflags::CF);
    case ZYDIS_MNEMONIC_JNB: return !flag(eflags::CF);
    case ZYDIS_MNEMONIC_JZ: return flag(eflags::ZF);
    case ZYDIS_MNEMONIC_JNZ: return !flag(eflags::ZF);
    case ZYDIS_MNEMONIC_JBE: return flag(eflags::CF) || flag(eflags::ZF);
    case ZYDIS_MNEMONIC_JNBE: return !flag(eflags::CF) && !flag(eflags::ZF);
    case ZYDIS_MNEMONIC_JS: return flag(eflags::SF);
    case ZYDIS_MNEMONIC_JNS: return !flag(eflags::SF);
    case ZYDIS_MNEMONIC_JP: return flag(eflags::PF);
    case ZYDIS_MNEMONIC_JNP: return !flag(eflags::PF);
    case ZYDIS_MNEMONIC_JL: return less;
    case ZYDIS_MNEMONIC_JNL: return !less;
    case ZYDIS_MNEMONIC_JLE: return less || flag(eflags::ZF);
    case ZYDIS_MNEMONIC_JNLE: return !less && !flag(eflags::ZF);
    case ZYDIS_MNEMONIC_JCXZ:
    case ZYDIS_MNEMONIC_JECXZ:
    case ZYDIS_MNEMONIC_JRCXZ: return count == 0;
    case ZYDIS_MNEMONIC_LOOP: return after != 0;
    case ZYDIS_MNEMONIC_LOOPE: return after != 0 && flag(eflags::ZF);
    case ZYDIS_MNEMONIC_LOOPNE: return after != 0 && !flag(eflags::ZF);
    default: return true;
    }
}

} // namespace

Verdict rule_near(Story& story, const Moment& m, const Decoded& d) {
    const bool branch =
        d.valid && (is_conditional(d) || d.is({ZYDIS_MNEMONIC_JMP, ZYDIS_MNEMONIC_CALL, ZYDIS_MNEMONIC_RET}));
    if (!branch || is_far(d) || !taken(m, d)) return {};
    const auto target = near_target(m, d);
    if (!target) return {};
    const char* words = "the branch is not taken";
    if (m.code64()) {
        if (m.canonical(*target)) return {};
        story.say("The branch leads to " + h(*target, 16) + ", which is not canonical", "1 3.3.7.1");
        return refuse(story, deny(Exception::GP, 0, "a branch target is not canonical", words));
    }
    if (*target <= m.seg[CS].limit) return {};
    story.say("The branch leads to offset " + h(*target, 8) + ", beyond the limit of CS, " + h(m.seg[CS].limit, 8),
              "3A 5.3");
    return refuse(story, deny(Exception::GP, 0, "a branch target is beyond the code segment's limit", words));
}

namespace {

struct StackUse {
    unsigned pushes = 0, pops = 0;
    unsigned width = 0;
};

StackUse stack_use(const Moment& m, const Decoded& d) {
    StackUse use;
    if (!d.valid || is_far(d)) return use;
    use.width = d.width();
    switch (d.insn.mnemonic) {
    case ZYDIS_MNEMONIC_PUSH:
    case ZYDIS_MNEMONIC_PUSHF:
    case ZYDIS_MNEMONIC_PUSHFD:
    case ZYDIS_MNEMONIC_PUSHFQ:
    case ZYDIS_MNEMONIC_CALL: use.pushes = 1; break;
    case ZYDIS_MNEMONIC_PUSHA:
    case ZYDIS_MNEMONIC_PUSHAD: use.pushes = 8; break;
    case ZYDIS_MNEMONIC_POP:
    case ZYDIS_MNEMONIC_POPF:
    case ZYDIS_MNEMONIC_POPFD:
    case ZYDIS_MNEMONIC_POPFQ:
    case ZYDIS_MNEMONIC_RET: use.pops = 1; break;
    case ZYDIS_MNEMONIC_POPA:
    case ZYDIS_MNEMONIC_POPAD: use.pops = 8; break;
    default: break;
    }
    // In 64-bit mode near branches push and pop 64 bits, and the others no less than 16.
    if (m.code64() && d.is({ZYDIS_MNEMONIC_CALL, ZYDIS_MNEMONIC_RET})) use.width = 8;
    if (use.width == 0) use.width = m.code64() ? 8 : m.code_bits() / 8;
    return use;
}

constexpr const char* instruction_why = "the offset is outside the segment, or the segment does not allow the access";

/// What an instruction's own push is called in the engine: an access to SS as any other.
Verdict as_instruction(const Decoded& d, Verdict v) {
    // Flags and segment registers go the way of interrupt frames.
    const ZydisDecodedOperand* o = d.shown(0);
    const bool segment =
        o && o->type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o->reg.value) == ZYDIS_REGCLASS_SEGMENT;
    if (segment || d.is({ZYDIS_MNEMONIC_PUSHF, ZYDIS_MNEMONIC_PUSHFD, ZYDIS_MNEMONIC_PUSHFQ, ZYDIS_MNEMONIC_POPF,
                         ZYDIS_MNEMONIC_POPFD, ZYDIS_MNEMONIC_POPFQ}))
        return v;
    if (v && v->why == "stack limit exceeded") v->why = instruction_why;
    if (v && v->why == "the stack address is not canonical") v->why = "the address is not canonical";
    return v;
}

} // namespace

namespace {

/// ENTER: the frame pointer, those of the enclosing frames, and room for the new frame (SDM 2A, ENTER).
Verdict rule_enter(Story& story, const Moment& m, const Decoded& d, unsigned width) {
    const u64 size = d.operands[0].imm.value.u & 0xFFFF, level = d.operands[1].imm.value.u & 31;
    StackPlace stack = StackPlace::current(m), frames = stack;
    frames.name = "The frames are read at RBP";
    u64 value = 0;
    for (unsigned i = 0; i <= level; ++i) {
        if (i > 0 && i < level) {
            frames.sp = (m.gpr[RBP] - u64{i} * width) & frames.mask();
            if (Verdict v = tell_peek(story, m, frames, width, 0, value)) return v;
        }
        if (Verdict v = tell_push(story, m, stack, width, 1)) return v;
        stack.sp = (stack.sp - width) & stack.mask();
    }
    // The new top must be writable, too.
    stack.sp = (stack.sp - size + width) & stack.mask();
    return tell_push(story, m, stack, width, 1);
}

} // namespace

Verdict rule_stack(Story& story, const Moment& m, const Decoded& d) {
    const StackUse use = stack_use(m, d);
    StackPlace stack = StackPlace::current(m);
    if (d.is({ZYDIS_MNEMONIC_ENTER})) return as_instruction(d, rule_enter(story, m, d, use.width));
    if (use.pushes != 0) return as_instruction(d, tell_push(story, m, stack, use.width, use.pushes));
    u64 value = 0;
    for (unsigned i = 0; i < use.pops; ++i) {
        if (Verdict v = tell_peek(story, m, stack, use.width, u64{i} * use.width, value)) return as_instruction(d, v);
    }
    if (!d.is({ZYDIS_MNEMONIC_LEAVE})) return {};
    stack.sp = m.code64() ? m.gpr[RBP] : static_cast<u32>(m.gpr[RBP]);
    stack.name = "LEAVE takes the stack pointer from EBP; SS:EBP";
    return as_instruction(d, tell_peek(story, m, stack, m.code64() ? 8 : use.width, 0, value));
}

} // namespace glassbox::explain
