// Zydis lists explicit and implicit operands first, in the manual's order, and the hidden ones after them; rows of our
// table name the first kind and of the hidden ones those that the decoder has a say in: string operands, whose segment
// and address size prefixes change, and ST(0).
#include "tests/x86-conformance/decode/operands.hpp"

#include <cstdio>

namespace glassbox::conformance {

namespace {

std::string hex(u64 value) {
    char text[20];
    std::snprintf(text, sizeof text, "%llXh", static_cast<unsigned long long>(value));
    return text;
}
u64 mask_of(unsigned bytes) { return bytes >= 8 ? ~u64{0} : (u64{1} << (8 * bytes)) - 1; }
const char* name_of(ZydisRegister reg) {
    const char* name = ZydisRegisterGetString(reg);
    return name ? name : "none";
}
const char* kind_name(OperandKind kind) {
    constexpr const char* names[] = {"none",  "gpr", "memory", "immediate", "segment", "control",
                                     "debug", "mmx", "xmm",    "ymm",       "st",      "implied"};
    return names[static_cast<unsigned>(kind)];
}
bool is_source_index(Arg a) { return a == Arg::Xb || a == Arg::Xv; }
bool is_string(Arg a) { return is_source_index(a) || a == Arg::Yb || a == Arg::Yv; }
bool is_relative(Arg a) { return a == Arg::Jb || a == Arg::Jz; }

} // namespace

struct OperandComparison::Context {
    const Insn& insn;
    const ZydisDecodedInstruction& theirs;
    std::vector<Difference>* differences;

    /// Notes a difference; always false, for `return c.differ(...)`.
    template <class E, class G> bool differ(const char* field, E&& expected, G&& got) {
        if (differences) differences->push_back({field, expected(), got()});
        return false;
    }
    bool equal(const char* field, u64 expected, u64 got) {
        if (expected == got) [[likely]]
            return true;
        return differ(field, [&] { return hex(expected); }, [&] { return hex(got); });
    }
};

unsigned memory_bits(Arg arg, unsigned opsize) {
    switch (arg) {
    case Arg::M: return 0;
    case Arg::Mp: return 8 * opsize + 16;
    case Arg::Ma: return 16 * opsize;
    case Arg::Mt: return 80;
    default: return ~0u;
    }
}

bool is_implied(Arg arg) { return is_string(arg) || arg == Arg::F || arg == Arg::ST0; }

OperandComparison::OperandComparison() {
    for (int i = 1; i <= ZYDIS_REGISTER_MAX_VALUE; ++i) {
        const auto reg = static_cast<ZydisRegister>(i);
        const auto id = static_cast<u8>(ZydisRegisterGetId(reg));
        const auto at = [](unsigned number) { return static_cast<u8>(8 * number); };
        Register& r = registers_[static_cast<std::size_t>(i)];
        switch (ZydisRegisterGetClass(reg)) {
        case ZYDIS_REGCLASS_GPR8: // AL CL DL BL AH CH DH BH, then those of 64-bit mode
            if (reg <= ZYDIS_REGISTER_BL)
                r = {OperandKind::reg, 1, at(id)};
            else if (reg <= ZYDIS_REGISTER_BH)
                r = {OperandKind::reg, 1, static_cast<u8>(at(reg - ZYDIS_REGISTER_AH) + 1)};
            else // SPL to DIL, R8B to R15B
                r = {OperandKind::reg, 1, at(4u + static_cast<unsigned>(reg - ZYDIS_REGISTER_SPL))};
            break;
        case ZYDIS_REGCLASS_GPR16: r = {OperandKind::reg, 2, at(id)}; break;
        case ZYDIS_REGCLASS_GPR32: r = {OperandKind::reg, 4, at(id)}; break;
        case ZYDIS_REGCLASS_GPR64: r = {OperandKind::reg, 8, at(id)}; break;
        case ZYDIS_REGCLASS_X87: r = {OperandKind::st, 10, id}; break;
        case ZYDIS_REGCLASS_MMX: r = {OperandKind::mmx, 8, id}; break;
        case ZYDIS_REGCLASS_XMM: r = {OperandKind::xmm, 16, id}; break;
        case ZYDIS_REGCLASS_YMM: r = {OperandKind::ymm, 32, id}; break;
        case ZYDIS_REGCLASS_SEGMENT: r = {OperandKind::segment, 2, id}; break;
        case ZYDIS_REGCLASS_CONTROL: r = {OperandKind::control, 4, id}; break;
        case ZYDIS_REGCLASS_DEBUG: r = {OperandKind::debug, 4, id}; break;
        default: break;
        }
    }
}

bool OperandComparison::same_register(Context& c, const Operand& ours, const ZydisDecodedOperand& theirs) const {
    const Register& r = registers_[static_cast<std::size_t>(theirs.reg.value)];
    // Operations on part of a vector register name the part; the register is the same.
    const bool part = r.kind == OperandKind::xmm || r.kind == OperandKind::mmx || r.kind == OperandKind::control ||
                      r.kind == OperandKind::debug;
    if (r.kind == ours.kind && r.number == ours.number && (part || r.width == ours.width)) return true;
    return c.differ(
        "register", [&] { return std::string(name_of(theirs.reg.value)); },
        [&] {
            return std::string(kind_name(ours.kind)) + " at " + std::to_string(ours.number) + ", " +
                   std::to_string(ours.width) + " bytes";
        });
}

bool OperandComparison::same_memory(Context& c, unsigned index, const ZydisDecodedOperand& theirs) const {
    const Insn& insn = c.insn;
    const Arg arg = insn.row->args[index];
    const Operand& ours = insn.operand[index];
    const auto& mem = theirs.mem;
    u8 base = insn.base, idx = insn.index, segment = insn.segment;
    unsigned scale = 1u << insn.scale;
    u64 disp = static_cast<u64>(static_cast<i64>(insn.disp));
    if (is_string(arg)) {
        base = static_cast<u8>(8 * (is_source_index(arg) ? RSI : RDI));
        idx = 8 * zero_gpr;
        if (!is_source_index(arg)) segment = ES;
        scale = 1;
        disp = 0;
    } else if (ours.kind != OperandKind::mem) {
        return c.differ(
            "operand", [] { return std::string("memory"); }, [&] { return std::string(kind_name(ours.kind)); });
    }
    constexpr u8 rip = 0xFE;
    if (insn.rip_relative) base = rip;
    if (insn.absolute && !insn.rip_relative) disp = insn.address;
    const auto code = [&](ZydisRegister reg) {
        if (reg == ZYDIS_REGISTER_NONE) return 8u * zero_gpr;
        if (reg == (insn.addrsize == 8 ? ZYDIS_REGISTER_RIP : ZYDIS_REGISTER_EIP)) return unsigned{rip};
        const Register& r = registers_[static_cast<std::size_t>(reg)];
        return r.kind == OperandKind::reg && r.width == insn.addrsize ? r.number : 0xFFu;
    };
    bool same = c.equal("base register", code(mem.base), base);
    if (insn.vsib) {
        const Register& r = registers_[static_cast<std::size_t>(mem.index)];
        const bool vector = r.kind == OperandKind::xmm || r.kind == OperandKind::ymm;
        same &= c.equal("vector index", vector ? r.number : 0xFFu, idx);
    } else {
        same &= c.equal("index register", code(mem.index), idx);
    }
    if (insn.vsib || idx != 8 * zero_gpr) same &= c.equal("scale", mem.scale, scale);
    const u64 mask = mask_of(insn.addrsize);
    same &= c.equal("displacement", static_cast<u64>(mem.disp.value) & mask, disp & mask);
    if (mem.type == ZYDIS_MEMOP_TYPE_AGEN) return same; // LEA: no access, no segment, no size
    same &= c.equal("segment", registers_[static_cast<std::size_t>(mem.segment)].number, segment);
    unsigned bits = memory_bits(arg, insn.opsize);
    if (bits == ~0u) bits = 8u * ours.width;
    if (bits) same &= c.equal("memory operand's bits", theirs.size, bits);
    return same;
}

bool OperandComparison::same_immediate(Context& c, unsigned index, const ZydisDecodedOperand& theirs) const {
    const Insn& insn = c.insn;
    const Arg arg = insn.row->args[index];
    const Operand& ours = insn.operand[index];
    if (ours.kind != OperandKind::imm)
        return c.differ(
            "operand", [] { return std::string("immediate"); }, [&] { return std::string(kind_name(ours.kind)); });
    bool same = c.equal("relative", theirs.imm.is_relative, is_relative(arg));
    if (is_relative(arg)) { // the target, from an address whose upper half shows what is cut off
        const u64 ip = insn.code64() ? 0x1234'5678'FFF8 : 0x1234'FFF8;
        u64 target = 0;
        ZydisCalcAbsoluteAddress(&c.theirs, &theirs, ip, &target);
        const u64 mask = mask_of(insn.opsize); // Zydis cuts to 16 bits, but not to 32
        return same & c.equal("target", target & mask, (ip + insn.length + insn.imm) & mask);
    }
    // The second immediate of ENTER and the like is in imm2.
    bool second = false;
    for (unsigned i = 0; i < index; ++i) second |= insn.operand[i].kind == OperandKind::imm;
    const u64 value = second ? insn.imm2 : insn.imm;
    const u64 mask = mask_of(ours.width);
    same &= c.equal("immediate", theirs.imm.value.u & mask, value & mask);
    if (arg != Arg::one) // encoded width: what Zydis gives as the size
        same &= c.equal("immediate's bits", theirs.size,
                        arg == Arg::Ibs                     ? 8u
                        : arg == Arg::Iz && ours.width == 8 ? 32u
                                                            : 8u * ours.width);
    // What is narrower than its operand must say how it is widened; Zydis also calls full-width ones signed.
    if (arg == Arg::Ibs) same &= c.equal("immediate's sign", theirs.imm.is_signed, 1);
    return same;
}

bool OperandComparison::same_far_pointer(Context& c, const ZydisDecodedOperand& theirs) {
    bool same = c.equal("far offset", theirs.ptr.offset, c.insn.imm);
    same &= c.equal("far selector", theirs.ptr.segment, c.insn.imm2);
    return same & c.equal("far pointer's bits", theirs.size, 8u * c.insn.opsize + 16);
}

bool OperandComparison::same_operand(Context& c, unsigned index, const ZydisDecodedOperand& theirs) const {
    const Operand& ours = c.insn.operand[index];
    switch (theirs.type) {
    case ZYDIS_OPERAND_TYPE_REGISTER: return same_register(c, ours, theirs);
    case ZYDIS_OPERAND_TYPE_MEMORY: return same_memory(c, index, theirs);
    case ZYDIS_OPERAND_TYPE_IMMEDIATE: return same_immediate(c, index, theirs);
    case ZYDIS_OPERAND_TYPE_POINTER:
        if (c.insn.row->args[index] != Arg::Ap)
            return c.differ(
                "operand", [] { return std::string("far pointer"); },
                [&] { return std::string(kind_name(ours.kind)); });
        return same_far_pointer(c, theirs);
    default: return c.differ("operand", [] { return std::string("unused"); }, [] { return std::string("used"); });
    }
}

/// A string instruction's AL, eAX and DX, or an x87 instruction's ST(1).
bool OperandComparison::find_hidden_register(Context& c, unsigned index,
                                             std::span<const ZydisDecodedOperand> operands) const {
    const Operand& ours = c.insn.operand[index];
    const Register wanted{ours.kind, ours.width, ours.number};
    for (const ZydisDecodedOperand& op : operands) {
        const bool found =
            op.type == ZYDIS_OPERAND_TYPE_REGISTER && registers_[static_cast<std::size_t>(op.reg.value)] == wanted;
        if (found) return true;
    }
    return c.differ(
        "implied register", [] { return std::string("none"); },
        [&] { return kind_name(ours.kind) + (" at " + std::to_string(ours.number)); });
}

/// ST(0), the flags, and what a string instruction's index registers point to.
bool OperandComparison::find_implied(Context& c, unsigned index, std::span<const ZydisDecodedOperand> operands,
                                     u32& used) const {
    const Arg arg = c.insn.row->args[index];
    const auto matches = [&](const ZydisDecodedOperand& op) {
        if (arg == Arg::F || arg == Arg::ST0) {
            if (op.type != ZYDIS_OPERAND_TYPE_REGISTER) return false;
            return arg == Arg::ST0 ? op.reg.value == ZYDIS_REGISTER_ST0
                                   : ZydisRegisterGetClass(op.reg.value) == ZYDIS_REGCLASS_FLAGS;
        }
        const ZydisRegister pointer = is_source_index(arg) ? ZYDIS_REGISTER_RSI : ZYDIS_REGISTER_RDI;
        return op.type == ZYDIS_OPERAND_TYPE_MEMORY &&
               ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, op.mem.base) == pointer;
    };
    for (unsigned k = static_cast<unsigned>(operands.size()); k-- > 0;) { // the hidden ones first
        if ((used & 1u << k) || !matches(operands[k])) continue;
        used |= 1u << k;
        return is_string(arg) ? same_memory(c, index, operands[k]) : true;
    }
    return c.differ(
        "implied operand", [] { return std::string("none"); },
        [&] { return std::string(kind_name(c.insn.operand[index].kind)); });
}

/// What Zydis shows is in the manual's order; our rows are, too.
bool OperandComparison::same(const Insn& ours, const ZydisDecodedInstruction& theirs,
                             std::span<const ZydisDecodedOperand> operands,
                             std::vector<Difference>* differences) const {
    Context c{ours, theirs, differences};
    const unsigned visible = theirs.operand_count_visible;
    bool same = true;
    u32 used = 0;
    unsigned next = 0;
    for (unsigned i = 0; i < ours.row->args.size() && ours.row->args[i] != Arg::none; ++i) {
        if (is_implied(ours.row->args[i])) {
            same &= find_implied(c, i, operands, used);
            continue;
        }
        while (next < visible && (used & 1u << next)) ++next;
        const bool reg = ours.operand[i].kind == OperandKind::reg || ours.operand[i].kind == OperandKind::st;
        if (visible == 0 && reg) {
            same &= find_hidden_register(c, i, operands);
        } else if (next < visible) {
            same &= same_operand(c, i, operands[next]);
            used |= 1u << next;
        } else {
            same = c.differ("operands", [&] { return std::to_string(visible); }, [] { return std::string("more"); });
        }
    }
    const u32 shown = (1u << visible) - 1;
    if ((used & shown) != shown)
        same = c.differ("operands", [&] { return std::to_string(visible); }, [] { return std::string("fewer"); });
    return same;
}

} // namespace glassbox::conformance
