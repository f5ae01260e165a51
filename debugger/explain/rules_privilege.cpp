// Who may execute what: privileged and I/O-sensitive instructions, ports, and the units that the operating system
// switches on and off (SDM 3A 5.9, 2.5, 13.1; SDM 1, 19.5).
#include "debugger/explain/rules.hpp"

namespace glassbox::explain {

namespace {

struct Privileged {
    ZydisMnemonic mnemonic;
    const char* why;
};
/// SDM 3A 5.9.
constexpr Privileged level_0[] = {
    {ZYDIS_MNEMONIC_HLT, "HLT outside level 0"},
    {ZYDIS_MNEMONIC_LGDT, "system table instruction outside level 0"},
    {ZYDIS_MNEMONIC_LIDT, "system table instruction outside level 0"},
    {ZYDIS_MNEMONIC_LLDT, "system table instruction outside level 0"},
    {ZYDIS_MNEMONIC_LTR, "system table instruction outside level 0"},
    {ZYDIS_MNEMONIC_LMSW, "LMSW outside level 0"},
    {ZYDIS_MNEMONIC_CLTS, "CLTS outside level 0"},
    {ZYDIS_MNEMONIC_INVD, "INVD or WBINVD outside level 0"},
    {ZYDIS_MNEMONIC_WBINVD, "INVD or WBINVD outside level 0"},
    {ZYDIS_MNEMONIC_INVLPG, "INVLPG outside level 0"},
    {ZYDIS_MNEMONIC_INVPCID, "INVPCID outside level 0"},
    {ZYDIS_MNEMONIC_RDMSR, "RDMSR outside level 0"},
    {ZYDIS_MNEMONIC_WRMSR, "WRMSR outside level 0"},
    {ZYDIS_MNEMONIC_SWAPGS, "SWAPGS outside level 0"},
    {ZYDIS_MNEMONIC_SYSEXIT, "SYSEXIT outside level 0"},
    {ZYDIS_MNEMONIC_SYSRET, "SYSRET outside level 0"},
    {ZYDIS_MNEMONIC_XSETBV, "XSETBV outside level 0"},
};

bool is_register_class(const ZydisDecodedOperand* o, ZydisRegisterClass wanted) {
    return o && o->type == ZYDIS_OPERAND_TYPE_REGISTER && ZydisRegisterGetClass(o->reg.value) == wanted;
}

const char* level_0_rule(const Decoded& d) {
    for (const Privileged& p : level_0) {
        if (d.is({p.mnemonic})) return p.why;
    }
    if (!d.is({ZYDIS_MNEMONIC_MOV})) return nullptr;
    if (is_register_class(d.shown(0), ZYDIS_REGCLASS_CONTROL)) return "MOV to CR outside level 0";
    if (is_register_class(d.shown(1), ZYDIS_REGCLASS_CONTROL)) return "MOV from CR outside level 0";
    for (unsigned i = 0; i < 2; ++i) {
        if (is_register_class(d.shown(i), ZYDIS_REGCLASS_DEBUG)) return "debug registers outside level 0";
    }
    return nullptr;
}

Verdict deny_gp(Story& story, const char* why, const std::string& words) {
    return refuse(story, deny(Exception::GP, 0, why, words));
}

/// CLI, STI, PUSHF and POPF (SDM 3A 20.2.7, 20.3, 20.4; SDM 2).
Verdict rule_flags(Story& story, const Moment& m, const Decoded& d) {
    const bool cli = d.is({ZYDIS_MNEMONIC_CLI}), sti = d.is({ZYDIS_MNEMONIC_STI});
    const std::string levels = "CPL is " + std::to_string(m.cpl) + " and IOPL is " + std::to_string(m.iopl());
    if ((cli || sti) && !m.real_mode()) {
        const bool own = m.v86() ? m.iopl() == 3 : m.cpl <= m.iopl();
        if (own) return {};
        const bool is_virtual = m.v86() ? (m.cr4 & cr4::VME) != 0 : m.cpl == 3 && (m.cr4 & cr4::PVI) != 0;
        if (is_virtual) {
            if (cli || (m.eflags & eflags::VIP) == 0) return {};
            story.say("STI would set VIF (CR4." + std::string(m.v86() ? "VME" : "PVI") +
                          " = 1), but EFLAGS.VIP = 1: an interrupt is pending",
                      "3A 20.3.3");
            return deny_gp(story, "STI with a virtual interrupt pending", "STI is not allowed");
        }
        story.say(m.v86() ? "In virtual-8086 mode CLI and STI need IOPL = 3; " + levels
                          : "CLI and STI need CPL <= IOPL; " + levels,
                  m.v86() ? "3A 20.2.7" : "1 19.5.1");
        return deny_gp(story, cli ? "CLI without I/O privilege" : "STI without I/O privilege",
                       "the interrupt flag may not be changed");
    }
    const bool pushes = d.is({ZYDIS_MNEMONIC_PUSHF, ZYDIS_MNEMONIC_PUSHFD});
    const bool pops = d.is({ZYDIS_MNEMONIC_POPF, ZYDIS_MNEMONIC_POPFD});
    if (!(pushes || pops) || !m.v86() || m.iopl() == 3) return {};
    const bool wide = d.is({ZYDIS_MNEMONIC_PUSHFD, ZYDIS_MNEMONIC_POPFD});
    if (wide || (m.cr4 & cr4::VME) == 0) {
        story.say("In virtual-8086 mode PUSHF and POPF need IOPL = 3; it is " + std::to_string(m.iopl()), "3A 20.2.7");
        return deny_gp(story,
                       pushes ? "PUSHF in virtual-8086 mode with IOPL < 3" : "POPF in virtual-8086 mode with IOPL < 3",
                       "the flags may not be touched");
    }
    if (!pops) return {};
    const StackPlace stack = StackPlace::current(m);
    const u64 image = m.number(static_cast<u32>(stack.segment.base + (stack.sp & stack.mask())), 2).value_or(0);
    const bool enables = (image & eflags::IF) != 0;
    if ((image & eflags::TF) == 0 && !(enables && (m.eflags & eflags::VIP) != 0)) return {};
    story.say("The flags to pop, " + h(image, 4) + ", have TF set, or IF while EFLAGS.VIP = 1", "3A 20.3.3");
    return deny_gp(story, "POPF would trap or enable a pending virtual interrupt", "the flags may not be popped");
}

} // namespace

Verdict rule_privilege(Story& story, const Moment& m, const Decoded& d) {
    const std::string cpl = std::to_string(m.cpl);
    if (m.cpl != 0) {
        if (const char* why = level_0_rule(d)) {
            story.say("This instruction may be executed at CPL 0 alone; CPL is " + cpl +
                          (m.v86() ? ", as always in virtual-8086 mode" : ""),
                      "3A 5.9");
            return deny_gp(story, why, "the instruction is privileged");
        }
        if (d.is({ZYDIS_MNEMONIC_SGDT, ZYDIS_MNEMONIC_SIDT, ZYDIS_MNEMONIC_SLDT, ZYDIS_MNEMONIC_STR,
                  ZYDIS_MNEMONIC_SMSW}) &&
            (m.cr4 & cr4::UMIP) != 0) {
            story.say("CR4.UMIP = 1 keeps this instruction to CPL 0; CPL is " + cpl, "3A 2.5");
            return deny_gp(story,
                           d.is({ZYDIS_MNEMONIC_SMSW}) ? "SMSW outside level 0 with CR4.UMIP"
                                                       : "system register stored with CR4.UMIP",
                           "the instruction is privileged");
        }
        if (d.is({ZYDIS_MNEMONIC_RDTSC, ZYDIS_MNEMONIC_RDTSCP}) && (m.cr4 & cr4::TSD) != 0) {
            story.say("CR4.TSD = 1 keeps the time-stamp counter to CPL 0; CPL is " + cpl, "3A 2.5");
            return deny_gp(story, "RDTSC with CR4.TSD", "the counter may not be read");
        }
        if (d.is({ZYDIS_MNEMONIC_RDPMC}) && (m.cr4 & cr4::PCE) == 0) {
            story.say("CR4.PCE = 0 keeps the performance counters to CPL 0; CPL is " + cpl, "3A 2.5");
            return deny_gp(story, "RDPMC without CR4.PCE", "the counter may not be read");
        }
        if (d.is({ZYDIS_MNEMONIC_CLAC, ZYDIS_MNEMONIC_STAC})) {
            story.say("CLAC and STAC exist at CPL 0 alone; CPL is " + cpl, "2A CLAC");
            return refuse(story, deny(Exception::UD, "CLAC or STAC outside level 0", "there is no such instruction"));
        }
        if (d.is({ZYDIS_MNEMONIC_MONITOR, ZYDIS_MNEMONIC_MWAIT})) {
            story.say("MONITOR and MWAIT exist at CPL 0 alone; CPL is " + cpl, "2B MONITOR");
            return refuse(story, deny(Exception::UD, "MONITOR or MWAIT outside level 0, or disabled",
                                      "there is no such instruction"));
        }
    }
    return rule_flags(story, m, d);
}

namespace {

struct PortUse {
    bool any = false;
    u16 port = 0;
    unsigned width = 1;
    bool immediate = false;
};

/// The port's permission comes before the count of a repetition.
PortUse port_of(const Moment& m, const Decoded& d) {
    PortUse use;
    const bool string = d.is({ZYDIS_MNEMONIC_INSB, ZYDIS_MNEMONIC_INSW, ZYDIS_MNEMONIC_INSD, ZYDIS_MNEMONIC_OUTSB,
                              ZYDIS_MNEMONIC_OUTSW, ZYDIS_MNEMONIC_OUTSD});
    if (!string && !d.is({ZYDIS_MNEMONIC_IN, ZYDIS_MNEMONIC_OUT})) return use;
    use.any = true;
    use.port = static_cast<u16>(m.gpr[RDX]);
    for (unsigned i = 0; i < d.insn.operand_count_visible; ++i) {
        const auto& o = d.operands[i];
        if (o.type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
            use.port = static_cast<u16>(o.imm.value.u & 0xFF);
            use.immediate = true;
        }
    }
    // Odd opcodes work on words or doublewords.
    use.width = (d.insn.opcode & 1) == 0 ? 1 : d.insn.operand_width == 16 ? 2 : 4;
    return use;
}

} // namespace

Verdict rule_ports(Story& story, const Moment& m, const Decoded& d) {
    const PortUse use = port_of(m, d);
    if (!use.any || m.real_mode() || (!m.v86() && m.cpl <= m.iopl())) return {};
    const char* why = "port not allowed by the I/O permission bitmap";
    const char* words = "the port may not be touched";
    story.say((m.v86() ? std::string("In virtual-8086 mode the I/O permission bitmap decides on every port")
                       : "CPL (" + std::to_string(m.cpl) + ") is greater than IOPL (" + std::to_string(m.iopl()) +
                             "), so the I/O permission bitmap decides"),
              "1 19.5.2");
    if (!m.tr.usable() || (m.tr.type() & 8) == 0 || m.tr.limit < 0x67) {
        story.say("TR (" + h(m.tr.selector, 4) + ", limit " + h(m.tr.limit, 4) + ") holds no TSS that has one",
                  "1 19.5.2");
        return deny_gp(story, why, words);
    }
    if (Verdict v = tell_system(story, m, m.tr.base + 0x66, 2, Access::read)) return v;
    const auto read = [&](u64 at, unsigned width) {
        const u64 linear = m.tr.base + at;
        return m.number(m.long_mode() ? linear : static_cast<u32>(linear), width).value_or(0);
    };
    const u32 map = static_cast<u32>(read(0x66, 2));
    const u32 at = map + use.port / 8u;
    const std::string port = "port " + h(use.port, 4);
    if (at + 1 > m.tr.limit) {
        story.say("The bitmap begins at offset " + h(map, 4) + " of the TSS at " + m.address(m.tr.base) + "; " + port +
                      " would need bytes " + h(at, 4) + " and " + h(at + 1u, 4) + ", and the TSS's limit is " +
                      h(m.tr.limit, 4),
                  "1 19.5.2");
        return deny_gp(story, why, words);
    }
    if (Verdict v = tell_system(story, m, m.tr.base + at, 2, Access::read)) return v;
    const u64 bits = read(at, 2) >> (use.port & 7) & ((1u << use.width) - 1);
    if (bits == 0) return {};
    story.say("For " + port + " the bitmap of the TSS has " + (use.width == 1 ? "bit " : "bits ") +
                  std::to_string(use.port & 7) +
                  (use.width == 1 ? "" : " to " + std::to_string((use.port & 7) + use.width - 1)) + " of the byte at " +
                  m.address(m.tr.base + at) + " not clear: " + h(read(at, 1), 2),
              "1 19.5.2");
    return deny_gp(story, why, words);
}

namespace {

std::string x87_exceptions(u32 flags) {
    static constexpr const char* names[] = {"invalid operation (IE)", "denormal operand (DE)", "zero divide (ZE)",
                                            "overflow (OE)",          "underflow (UE)",        "precision (PE)"};
    std::string text;
    for (unsigned i = 0; i < 6; ++i) {
        if ((flags >> i & 1) == 0) continue;
        if (!text.empty()) text += ", ";
        text += names[i];
    }
    return text;
}

Verdict no_device(Story& story, const Moment& m, const char* why_em, const char* why_ts) {
    if ((m.cr0 & cr0::EM) != 0) {
        story.say("CR0.EM = 1: there is said to be no x87 unit, and software is to emulate it", "3A 2.5");
        return refuse(story, deny(Exception::NM, why_em, "the unit is not available"));
    }
    story.say("CR0.TS = 1: a task switch has taken place, and the unit's registers are perhaps another task's; the "
              "handler is to save them and execute CLTS",
              "3A 2.5");
    return refuse(story, deny(Exception::NM, why_ts, "the unit is not available"));
}

Verdict rule_pending(Story& story, const Moment& m) {
    const u32 pending = m.fpu_status & ~u32{m.fpu_control} & 0x3F;
    if (pending == 0 || (m.cr0 & cr0::NE) == 0) return {};
    story.say("An earlier x87 instruction has left " + x87_exceptions(pending) +
                  " pending: its flag in the status word (" + h(m.fpu_status, 4) +
                  ") is set and its mask in the control word (" + h(m.fpu_control, 4) + ") is clear",
              "1 8.6");
    story.say("CR0.NE = 1: the next waiting x87 instruction raises #MF, and this is one", "3A 6.15, interrupt 16");
    return refuse(story, deny(Exception::MF, "an unmasked x87 exception is pending", "the error is reported now"));
}

/// The escape opcodes.
bool x87(const Decoded& d) {
    return d.valid && d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY &&
           d.insn.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && (d.insn.opcode & 0xF8) == 0xD8;
}

Verdict rule_x87(Story& story, const Moment& m, const Decoded& d) {
    if (d.is({ZYDIS_MNEMONIC_FWAIT})) {
        constexpr u64 both = cr0::MP | cr0::TS;
        if ((m.cr0 & both) == both) {
            story.say("CR0.MP = 1 and CR0.TS = 1: WAIT, too, is held until the unit's registers are the task's own",
                      "3A 2.5");
            return refuse(story, deny(Exception::NM, "WAIT with CR0.MP and CR0.TS set", "the unit is not available"));
        }
        return rule_pending(story, m);
    }
    if ((m.cr0 & (cr0::EM | cr0::TS)) != 0)
        return no_device(story, m, "x87 instruction with CR0.EM set", "x87 instruction with CR0.TS set");
    if (d.is({ZYDIS_MNEMONIC_FNINIT, ZYDIS_MNEMONIC_FNCLEX, ZYDIS_MNEMONIC_FNSTCW, ZYDIS_MNEMONIC_FNSTSW,
              ZYDIS_MNEMONIC_FNSTENV, ZYDIS_MNEMONIC_FNSAVE}))
        return {};
    return rule_pending(story, m);
}

enum class Unit : u8 { none, mmx, sse, avx, fxsave, xsave };

Unit unit_of(const Decoded& d) {
    if (!d.valid) return Unit::none;
    if (d.is({ZYDIS_MNEMONIC_FXSAVE, ZYDIS_MNEMONIC_FXSAVE64, ZYDIS_MNEMONIC_FXRSTOR, ZYDIS_MNEMONIC_FXRSTOR64}))
        return Unit::fxsave;
    if (d.insn.meta.category == ZYDIS_CATEGORY_XSAVE || d.insn.meta.category == ZYDIS_CATEGORY_XSAVEOPT)
        return Unit::xsave;
    bool mmx = false, vector = false;
    for (unsigned i = 0; i < d.insn.operand_count; ++i) {
        const auto& o = d.operands[i];
        if (o.type != ZYDIS_OPERAND_TYPE_REGISTER) continue;
        const auto kind = ZydisRegisterGetClass(o.reg.value);
        mmx = mmx || kind == ZYDIS_REGCLASS_MMX;
        vector = vector || kind == ZYDIS_REGCLASS_XMM || kind == ZYDIS_REGCLASS_YMM || kind == ZYDIS_REGCLASS_ZMM;
    }
    const bool vex = d.insn.encoding == ZYDIS_INSTRUCTION_ENCODING_VEX;
    // Conversions between memory and other registers name no vector register.
    const bool converts =
        d.insn.meta.category == ZYDIS_CATEGORY_CONVERT && d.insn.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT;
    if (vex && (vector || converts)) return Unit::avx;
    if (vector || converts || d.is({ZYDIS_MNEMONIC_LDMXCSR, ZYDIS_MNEMONIC_STMXCSR})) return Unit::sse;
    return mmx || d.is({ZYDIS_MNEMONIC_EMMS, ZYDIS_MNEMONIC_FEMMS}) ? Unit::mmx : Unit::none;
}

Verdict undefined(Story& story, const char* words, const char* section, const char* why) {
    story.say(words, section);
    return refuse(story, deny(Exception::UD, why, "the operating system has not switched these instructions on"));
}

Verdict task_switched(Story& story, const char* why) {
    story.say("CR0.TS = 1: a task switch has taken place, and the registers are perhaps another task's; the handler is "
              "to save them and execute CLTS",
              "3A 2.5");
    return refuse(story, deny(Exception::NM, why, "the unit is not available"));
}

Verdict rule_avx(Story& story, const Moment& m) {
    if ((m.cr4 & cr4::OSXSAVE) == 0)
        return undefined(story, "CR4.OSXSAVE = 0: the operating system does not manage AVX's state", "3A 2.5",
                         "AVX instruction with CR4.OSXSAVE clear");
    if ((m.xcr0 & 6) != 6) {
        story.say("XCR0 = " + h(m.xcr0) + ": bits 1 (SSE) and 2 (AVX) must both be set", "3A 2.6");
        return refuse(story, deny(Exception::UD, "AVX instruction without XCR0.SSE and XCR0.AVX",
                                  "the operating system has not switched these instructions on"));
    }
    if ((m.cr0 & cr0::TS) != 0) return task_switched(story, "AVX instruction with CR0.TS set");
    return {};
}

Verdict rule_sse(Story& story, const Moment& m) {
    if ((m.cr0 & cr0::EM) != 0)
        return undefined(story, "CR0.EM = 1: SSE instructions do not exist while x87 is emulated", "3A 2.5",
                         "SSE instruction with CR0.EM set");
    if ((m.cr4 & cr4::OSFXSR) == 0)
        return undefined(story,
                         "CR4.OSFXSR = 0: the operating system has not said that it saves SSE's registers with FXSAVE",
                         "3A 2.5", "SSE instruction with CR4.OSFXSR clear");
    if ((m.cr0 & cr0::TS) != 0) return task_switched(story, "SSE instruction with CR0.TS set");
    return {};
}

} // namespace

Verdict rule_units(Story& story, const Moment& m, const Decoded& d) {
    if (x87(d) || d.is({ZYDIS_MNEMONIC_FWAIT})) return rule_x87(story, m, d);
    switch (unit_of(d)) {
    case Unit::mmx:
        if ((m.cr0 & cr0::EM) != 0)
            return undefined(story, "CR0.EM = 1: MMX instructions do not exist while x87 is emulated", "3A 2.5",
                             "MMX instruction with CR0.EM set");
        if ((m.cr0 & cr0::TS) != 0) return task_switched(story, "MMX instruction with CR0.TS set");
        return rule_pending(story, m);
    case Unit::fxsave:
        if ((m.cr0 & (cr0::EM | cr0::TS)) == 0) return {};
        return no_device(story, m, "FXSAVE or FXRSTOR with CR0.EM or CR0.TS set",
                         "FXSAVE or FXRSTOR with CR0.EM or CR0.TS set");
    case Unit::xsave:
        if ((m.cr4 & cr4::OSXSAVE) == 0)
            return undefined(story, "CR4.OSXSAVE = 0: XSAVE and its kin do not exist", "3A 2.5",
                             "CR4.OSXSAVE is clear");
        if ((m.cr0 & cr0::TS) != 0 && !d.is({ZYDIS_MNEMONIC_XGETBV, ZYDIS_MNEMONIC_XSETBV}))
            return task_switched(story, "XSAVE or XRSTOR with CR0.TS set");
        return {};
    case Unit::sse: return rule_sse(story, m);
    case Unit::avx: return rule_avx(story, m);
    default: return {};
    }
}

} // namespace glassbox::explain
