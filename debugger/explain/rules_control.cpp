// Values that do not fit: quotients, bounds, and what control, debug, extended and model-specific registers take (SDM
// 3A 2.5, 4.4.1, 9.8.5; SDM 2, MOV to and from control registers; SDM 4).
#include "cpu/system/system.hpp"
#include "debugger/explain/rules.hpp"
#include "debugger/look/msr_names.hpp"

namespace glassbox::explain {

namespace {

__extension__ typedef __int128 i128;

i128 sign_extended(u128 value, unsigned bits) {
    const unsigned shift = 128 - bits;
    return static_cast<i128>(value << shift) >> shift;
}

std::string wide(u128 value) {
    const u64 high = static_cast<u64>(value >> 64);
    return high ? h(high).substr(0, h(high).size() - 1) + h(static_cast<u64>(value), 16) : h(static_cast<u64>(value));
}

Verdict rule_division(Story& story, const Moment& m, const Decoded& d) {
    const bool is_signed = d.is({ZYDIS_MNEMONIC_IDIV});
    const auto raw = value_of(m, d, d.operands[0]);
    const unsigned bits = d.operands[0].size;
    if (!raw || bits == 0 || bits > 64) return {};
    const auto no = [&](const char* why, const char* words) { return refuse(story, deny(Exception::DE, why, words)); };
    const u64 mask = bits == 64 ? ~u64{0} : (u64{1} << bits) - 1;
    if ((*raw & mask) == 0) {
        story.say("The divisor is 0", "3A 6.15, interrupt 0");
        return no("division by zero", "the division has no result");
    }
    const u128 low = m.gpr[RAX] & mask;
    const u128 dividend = bits == 8 ? u128{m.gpr[RAX] & 0xFFFF} : (u128{m.gpr[RDX] & mask} << bits) | low;
    const char* pair = bits == 8 ? "AX" : bits == 16 ? "DX:AX" : bits == 32 ? "EDX:EAX" : "RDX:RAX";
    const char* place = bits == 8 ? "AL" : bits == 16 ? "AX" : bits == 32 ? "EAX" : "RAX";
    bool fits = true;
    std::string result;
    if (is_signed) {
        const i128 a = sign_extended(dividend, 2 * bits), b = sign_extended(*raw & mask, bits);
        const bool overflows = b == -1 && a == sign_extended(u128{1} << 127, 128); // no such quotient anywhere
        const i128 q = overflows ? 0 : a / b;
        const i128 most = (i128{1} << (bits - 1)) - 1;
        fits = !overflows && q <= most && q >= -most - 1;
        result = overflows ? "2^127" : q < 0 ? "-" + wide(static_cast<u128>(-q)) : wide(static_cast<u128>(q));
    } else {
        const u128 q = dividend / (*raw & mask);
        fits = q <= mask;
        result = wide(q);
    }
    if (fits) return {};
    story.say(std::string(pair) + " = " + wide(dividend) + " divided by " + h(*raw & mask) +
                  (is_signed ? " (both signed)" : "") + " is " + result + ", which does not fit " + place,
              "3A 6.15, interrupt 0");
    const bool stale = bits > 8 && !is_signed && (m.gpr[RDX] & mask) >= (*raw & mask);
    if (stale)
        story.say(std::string("The upper half of the dividend is in ") +
                      (bits == 16   ? "DX"
                       : bits == 32 ? "EDX"
                                    : "RDX") +
                      " and must be less than the divisor: was it cleared?",
                  "2A DIV");
    return no("the quotient does not fit its register", "the division has no result");
}

Verdict rule_bound(Story& story, const Moment& m, const Decoded& d) {
    const auto index = register_value(m, d, d.operands[0].reg.value);
    const unsigned bits = d.operands[0].size, bytes = bits / 8;
    const Operand place = place_of(m, d, d.operands[1]);
    const u64 linear = static_cast<u32>(m.base_of(place.segment) + place.offset);
    const auto low = m.number(linear, bytes), high = m.number(linear + bytes, bytes);
    if (!index || !low || !high) return {};
    const i128 i = sign_extended(*index, bits), a = sign_extended(*low, bits), b = sign_extended(*high, bits);
    if (i >= a && i <= b) return {};
    story.say("The index " + h(*index) + " is not between the bounds " + h(*low) + " and " + h(*high) + " (signed)",
              "2A BOUND");
    return refuse(story, deny(Exception::BR, "index outside the bounds", "the check fails"));
}

struct ControlWrite {
    Story& story;
    const Moment& m;

    Verdict gp(const char* why) { return refuse(story, deny(Exception::GP, 0, why, "the register keeps its value")); }
    static std::string bit_list(u64 bits) {
        std::string text;
        for (unsigned i = 0; i < 64; ++i) {
            if ((bits >> i & 1) != 0) text += (text.empty() ? "" : ", ") + std::to_string(i);
        }
        return text;
    }

    /// The page-directory pointers, which MOV to CR0, CR3 and CR4 load (SDM 3A 4.4.1).
    Verdict pointers(u64 cr3, u64 next_cr0, u64 next_cr4) {
        if ((next_cr0 & cr0::PG) == 0 || (next_cr4 & cr4::PAE) == 0 || (m.efer & efer::LME) != 0) return {};
        const u64 reserved = 0x1E6 | ~((u64{1} << m.cpu->model->physical_bits) - 1);
        const u64 table = cr3 & 0xFFFF'FFE0;
        for (unsigned i = 0; i < 4; ++i) {
            std::array<u8, 8> bytes{};
            u64 value = ~u64{0};
            if (m.read_physical(table + 8 * i, bytes) == 8) std::memcpy(&value, bytes.data(), 8);
            if ((value & 1) == 0 || (value & reserved) == 0) continue;
            story.say("PAE paging loads four page-directory pointers from CR3; number " + std::to_string(i) + " at " +
                          h(table + 8 * i, 8) + " = " + h(value, 16) +
                          " has P = 1 and reserved bits set: " + bit_list(value & reserved),
                      "3A 4.4.1");
            return gp("reserved bit in a page-directory pointer");
        }
        return {};
    }

    Verdict paging_change(u64 next) {
        if (((next ^ m.cr0) & cr0::PG) == 0) return {};
        if ((next & cr0::PG) == 0) {
            if ((m.cr4 & cr4::PCIDE) != 0) {
                story.say("CR0.PG may not be cleared while CR4.PCIDE = 1", "2B MOV CR");
                return gp("paging turned off with CR4.PCIDE");
            }
            if (!m.code64()) return {};
            story.say("CR0.PG may not be cleared by 64-bit code: leave for compatibility mode first", "3A 9.8.5.4");
            return gp("paging turned off in 64-bit mode");
        }
        if ((m.efer & efer::LME) == 0) return {};
        if ((m.cr4 & cr4::PAE) == 0) {
            story.say("EFER.LME = 1, so setting CR0.PG enters long mode, which needs CR4.PAE = 1; it is 0", "3A 9.8.5");
            return gp("long mode without CR4.PAE");
        }
        if ((m.seg[CS].access & Segment::L) != 0) {
            story.say("Long mode may not be activated by a code segment with L = 1: CS is " +
                          segment_words(m.seg[CS], true),
                      "2B MOV CR");
            return gp("long mode activated with CS.L set");
        }
        if ((m.tr.type() & ~2u) != 1) return {};
        story.say("Long mode may not be activated while TR holds a 16-bit TSS", "2B MOV CR");
        return gp("long mode activated with a 16-bit TSS");
    }

    Verdict cr0(u64 value) {
        if ((value >> 32) != 0) {
            story.say("Bits 32 to 63 of CR0 are reserved; " + bit_list(value & ~u64{0xFFFF'FFFF}) + " would be set",
                      "3A 2.5");
            return gp("reserved bit of CR0");
        }
        if ((value & (cr0::PG | cr0::PE)) == cr0::PG) {
            story.say("CR0.PG = 1 needs CR0.PE = 1", "3A 2.5");
            return gp("CR0.PG without CR0.PE");
        }
        if ((value & (cr0::NW | cr0::CD)) == cr0::NW) {
            story.say("CR0.NW = 1 needs CR0.CD = 1", "3A 2.5");
            return gp("CR0.NW without CR0.CD");
        }
        if (Verdict v = paging_change(value)) return v;
        const bool loads = ((value ^ m.cr0) & (cr0::PG | cr0::CD | cr0::NW)) != 0;
        return loads ? pointers(m.cr3, value, m.cr4) : Verdict();
    }

    Verdict cr3(u64 value) {
        if ((m.cr4 & cr4::PCIDE) != 0) value &= ~(u64{1} << 63);
        const unsigned bits = m.cpu->model->physical_bits;
        if ((value >> 32) != 0 && (value >> bits) != 0) {
            story.say("This processor has " + std::to_string(bits) + " address bits; those of CR3 above are reserved",
                      "3A 4.5");
            return gp("reserved bit of CR3");
        }
        return pointers(value, m.cr0, m.cr4);
    }

    Verdict cr4(u64 value) {
        const u64 known = cr4_of(m.cpu->model->features), changed = value ^ m.cr4;
        if ((value & ~known) != 0) {
            story.say("The processor model '" + m.cpu->model->name +
                          "' does not have these bits of CR4: " + bit_list(value & ~known),
                      "3A 2.5");
            return gp("reserved bit of CR4");
        }
        if (m.long_mode() && (value & cr4::PAE) == 0) {
            story.say("CR4.PAE may not be cleared in long mode", "2B MOV CR");
            return gp("CR4.PAE cleared in long mode");
        }
        if (m.long_mode() && (changed & cr4::LA57) != 0) {
            story.say("CR4.LA57 may not change in long mode", "2B MOV CR");
            return gp("CR4.LA57 changed in long mode");
        }
        if ((changed & value & cr4::PCIDE) != 0 && (!m.long_mode() || (m.cr3 & 0xFFF) != 0)) {
            story.say("CR4.PCIDE may be set in long mode alone, and while bits 0 to 11 of CR3 are 0; CR3 = " +
                          h(m.cr3, 16),
                      "3A 4.10.1");
            return gp("CR4.PCIDE set outside long mode, or with a PCID in CR3");
        }
        constexpr u64 loading = cr4::PSE | cr4::PAE | cr4::PGE | cr4::SMEP;
        return (changed & loading) != 0 ? pointers(m.cr3, m.cr0, value) : Verdict();
    }

    /// What MOV and LMSW would write, as write_cr0 sees it.
    static u64 known_cr0(const Moment& m, u64 value) {
        u64 bits = cr0::PE | cr0::MP | cr0::EM | cr0::TS | cr0::PG;
        if (m.has(Feature::i486)) bits |= cr0::NE | cr0::WP | cr0::AM | cr0::NW | cr0::CD;
        return (value & bits) | (value & ~u64{0xFFFF'FFFF});
    }
};

Verdict rule_mov_control(Story& story, const Moment& m, const Decoded& d) {
    const ZydisDecodedOperand* to = d.shown(0);
    const ZydisDecodedOperand* from = d.shown(1);
    for (const auto* o : {to, from}) {
        if (o->type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
        const auto kind = ZydisRegisterGetClass(o->reg.value);
        const auto n = ZydisRegisterGetId(o->reg.value);
        if (kind == ZYDIS_REGCLASS_DEBUG && (n == 4 || n == 5) && (m.cr4 & cr4::DE) != 0) {
            story.say("CR4.DE = 1: DR4 and DR5 are no second names of DR6 and DR7", "3B 18.2.2");
            return refuse(story, deny(Exception::UD, "DR4 and DR5 with CR4.DE", "there is no such register"));
        }
        if (kind == ZYDIS_REGCLASS_DEBUG && (m.cpu->dr[7] & 0x2000) != 0) {
            story.say("DR7.GD = 1: an access to a debug register raises #DB, so that a debugger may guard them",
                      "3B 17.2.4");
            Denial no = deny(Exception::DB, "debug register access with DR7.GD", "the debugger is told");
            no.cr2 = dr6::BD;
            return refuse(story, no);
        }
    }
    const auto kind = ZydisRegisterGetClass(to->reg.value);
    const auto n = ZydisRegisterGetId(to->reg.value);
    const auto value = value_of(m, d, *from);
    if (!value) return {};
    ControlWrite w{story, m};
    if (kind == ZYDIS_REGCLASS_DEBUG && n >= 4 && (*value >> 32) != 0) {
        story.say("Bits 32 to 63 of DR6 and DR7 are reserved", "3B 17.2.6");
        return w.gp("reserved bit of DR6 or DR7");
    }
    if (kind != ZYDIS_REGCLASS_CONTROL) return {};
    const unsigned number = static_cast<u8>(n);
    const std::string before = "CR" + std::to_string(number) + " is to become " + h(*value, m.code64() ? 16 : 8);
    Story attempt = story.fresh();
    ControlWrite tried{attempt, m};
    Verdict v;
    switch (n) {
    case 0: v = tried.cr0(ControlWrite::known_cr0(m, *value)); break;
    case 3: v = tried.cr3(*value); break;
    case 4: v = tried.cr4(*value); break;
    case 8:
        if ((*value & ~u64{15}) == 0) return {};
        attempt.say("CR8 has four bits", "3A 10.8.6");
        v = tried.gp("reserved bit of CR8");
        break;
    default: return {};
    }
    if (!v) return {};
    story.say(before, "3A 2.5");
    story.append(attempt);
    return v;
}

Verdict rule_msr(Story& story, const Moment& m, const Decoded& d) {
    const bool writes = d.is({ZYDIS_MNEMONIC_WRMSR});
    const u32 index = static_cast<u32>(m.gpr[RCX]);
    const u64 value = (m.gpr[RDX] & 0xFFFF'FFFF) << 32 | (m.gpr[RAX] & 0xFFFF'FFFF);
    const std::string name(look::msr_name(index));
    const std::string which = "MSR " + h(index, 8) + (name.empty() ? "" : " (" + std::string(name) + ")");
    const char* refused = "MSR does not take this value or access";
    ControlWrite w{story, m};
    if (!writes) return {};
    if (index == 0xC000'0080) {
        u64 bits = 0;
        if (m.has(Feature::syscall)) bits |= efer::SCE;
        if (m.has(Feature::long_mode)) bits |= efer::LME | efer::LMA;
        if (m.has(Feature::nx)) bits |= efer::NXE;
        if (m.has(Feature::fxsr_opt)) bits |= efer::FFXSR;
        if ((value & ~bits) != 0) {
            story.say(which + " is to become " + h(value, 16) + "; the processor model '" + m.cpu->model->name +
                          "' does not have bits " + ControlWrite::bit_list(value & ~bits),
                      "3A 2.2.1");
            return w.gp(refused);
        }
        if (m.paging() && ((value ^ m.efer) & efer::LME) != 0) {
            story.say(which + ": LME may not change while CR0.PG = 1", "3A 9.8.5");
            return w.gp(refused);
        }
        return {};
    }
    const bool address = index == 0xC000'0082 || index == 0xC000'0083 ||
                         (index >= 0xC000'0100 && index <= 0xC000'0102) || index == 0x175 || index == 0x176;
    const unsigned shift = m.has(Feature::la57) ? 64 - 57 : 64 - 48;
    const bool canonical = static_cast<u64>(static_cast<i64>(value << shift) >> shift) == value;
    if (address && m.has(Feature::long_mode) && !canonical) {
        story.say(which + " holds an address, and " + h(value, 16) + " is not canonical", "2C WRMSR");
        return w.gp(refused);
    }
    return {};
}

Verdict rule_table_base(Story& story, const Moment& m, const Decoded& d) {
    if (!m.code64()) return {};
    const Operand place = place_of(m, d, d.operands[0]);
    const auto base = m.number(m.base_of(place.segment) + place.offset + 2, 8);
    const unsigned shift = m.has(Feature::la57) ? 64 - 57 : 64 - 48;
    if (!base || static_cast<u64>(static_cast<i64>(*base << shift) >> shift) == *base) return {};
    story.say("The base to load, " + h(*base, 16) + ", is not canonical", "2A LGDT");
    return ControlWrite{story, m}.gp("descriptor table's base is not canonical");
}

Verdict rule_mxcsr(Story& story, const Moment& m, const Decoded& d) {
    const auto value = value_of(m, d, d.operands[0]);
    const u32 allowed = m.has(Feature::sse2) ? 0xFFFF : 0xFFBF;
    if (!value || (*value & ~u64{allowed}) == 0) return {};
    story.say("MXCSR is to become " + h(*value, 8) +
                  ", with reserved bits set: " + ControlWrite::bit_list(*value & ~u64{allowed}),
              "1 10.2.3");
    return ControlWrite{story, m}.gp("a reserved bit of MXCSR is set");
}

Verdict rule_fast_calls(Story& story, const Moment& m, const Decoded& d) {
    const auto ud = [&](const char* why, const char* words, const char* section) {
        story.say(words, section);
        return refuse(story, deny(Exception::UD, why, "there is no such instruction here"));
    };
    ControlWrite w{story, m};
    if (d.is({ZYDIS_MNEMONIC_SYSCALL, ZYDIS_MNEMONIC_SYSRET})) {
        if ((m.efer & efer::SCE) == 0)
            return ud("SYSCALL and SYSRET without EFER.SCE", "EFER.SCE = 0: SYSCALL and SYSRET do not exist",
                      "3A 5.8.8");
        if (!m.code64() && !m.amd())
            return ud("SYSCALL and SYSRET outside 64-bit mode", "On Intel's processors they exist in 64-bit mode alone",
                      "3A 5.8.8");
        if (d.is({ZYDIS_MNEMONIC_SYSRET}) && d.insn.operand_width == 64 && !m.amd() && !m.canonical(m.gpr[RCX])) {
            story.say("SYSRET goes to RCX = " + h(m.gpr[RCX], 16) +
                          ", which is not canonical; on Intel's processors "
                          "that faults at level 0, with the user's stack pointer already loaded",
                      "2B SYSRET");
            return w.gp("SYSRET to an address that is not canonical");
        }
        return {};
    }
    const bool enter = d.is({ZYDIS_MNEMONIC_SYSENTER});
    if (!enter && !d.is({ZYDIS_MNEMONIC_SYSEXIT})) return {};
    if (m.long_mode() && m.amd())
        return ud("SYSENTER and SYSEXIT in long mode", "On AMD's processors they exist in legacy mode alone",
                  "2B SYSENTER");
    if (enter && m.real_mode()) {
        story.say("SYSENTER needs protected mode", "3A 5.8.7");
        return w.gp("SYSENTER in real mode");
    }
    if ((m.cpu->msrs.sysenter_cs & 0xFFFC) != 0) {
        const bool wide = !enter && d.insn.operand_width == 64;
        if (!wide || (m.canonical(m.gpr[RCX]) && m.canonical(m.gpr[RDX]))) return {};
        story.say("SYSEXIT goes to RDX = " + h(m.gpr[RDX], 16) + " with RSP from RCX = " + h(m.gpr[RCX], 16) +
                      "; both must be canonical",
                  "2B SYSEXIT");
        return w.gp("SYSEXIT to an address that is not canonical");
    }
    story.say("IA32_SYSENTER_CS holds a null selector: the operating system has not set it up", "3A 5.8.7");
    return w.gp(enter ? "SYSENTER with a null SYSENTER_CS" : "SYSEXIT with a null SYSENTER_CS");
}

} // namespace

Verdict rule_arithmetic(Story& story, const Moment& m, const Decoded& d) {
    if (d.is({ZYDIS_MNEMONIC_DIV, ZYDIS_MNEMONIC_IDIV})) return rule_division(story, m, d);
    if (d.is({ZYDIS_MNEMONIC_BOUND})) return rule_bound(story, m, d);
    if (d.is({ZYDIS_MNEMONIC_AAM}) && d.operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE &&
        (d.operands[0].imm.value.u & 0xFF) == 0) {
        story.say("AAM divides AL by the byte in the instruction, which is 0", "2A AAM");
        return refuse(story, deny(Exception::DE, "AAM with a divisor of zero", "the division has no result"));
    }
    return {};
}

Verdict rule_control(Story& story, const Moment& m, const Decoded& d) {
    if (!d.valid) return {};
    const ZydisDecodedOperand* to = d.shown(0);
    const ZydisDecodedOperand* from = d.shown(1);
    if (d.is({ZYDIS_MNEMONIC_MOV}) && to && from) {
        for (const auto* o : {to, from}) {
            if (o->type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
            const auto kind = ZydisRegisterGetClass(o->reg.value);
            if (kind == ZYDIS_REGCLASS_CONTROL || kind == ZYDIS_REGCLASS_DEBUG) return rule_mov_control(story, m, d);
        }
        return {};
    }
    if (d.is({ZYDIS_MNEMONIC_WRMSR, ZYDIS_MNEMONIC_RDMSR})) return rule_msr(story, m, d);
    if (d.is({ZYDIS_MNEMONIC_LGDT, ZYDIS_MNEMONIC_LIDT})) return rule_table_base(story, m, d);
    if (d.is({ZYDIS_MNEMONIC_LDMXCSR, ZYDIS_MNEMONIC_VLDMXCSR})) return rule_mxcsr(story, m, d);
    if (d.is({ZYDIS_MNEMONIC_CMPXCHG16B}) && to && to->type == ZYDIS_OPERAND_TYPE_MEMORY) {
        const Operand place = place_of(m, d, *to);
        const u64 linear = m.base_of(place.segment) + place.offset;
        if ((linear & 15) == 0) return {};
        story.say("CMPXCHG16B wants its operand at a multiple of 16, and it lies at " + h(linear, 16), "2A CMPXCHG16B");
        return refuse(story,
                      deny(Exception::GP, 0, "the operand of CMPXCHG16B is not aligned", "the operand is misaligned"));
    }
    return rule_fast_calls(story, m, d);
}

} // namespace glassbox::explain
