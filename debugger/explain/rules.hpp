// What instructions check besides their memory operands, each kind in words. A rule says nothing and returns nothing
// when it does not concern the instruction or allows it.
#pragma once

#include "debugger/explain/checks.hpp"
#include "debugger/explain/decoded.hpp"

namespace glassbox::explain {

/// Getting the bytes: limit of CS, pages; and whether they are an instruction of this processor.
Verdict rule_fetch(Story& story, const Moment& m, const Decoded& d);
Verdict rule_opcode(Story& story, const Moment& m, const Decoded& d);
/// CPL 0, IOPL, CR4.TSD, UMIP and the like.
Verdict rule_privilege(Story& story, const Moment& m, const Decoded& d);
/// Ports: IOPL and the I/O permission bitmap.
Verdict rule_ports(Story& story, const Moment& m, const Decoded& d);
/// x87, MMX, SSE and AVX: CR0.EM and TS, CR4.OSFXSR and OSXSAVE, pending errors.
Verdict rule_units(Story& story, const Moment& m, const Decoded& d);
/// DIV, IDIV, AAM, BOUND.
Verdict rule_arithmetic(Story& story, const Moment& m, const Decoded& d);
/// PUSH, POP, CALL, RET, ENTER and so on: room on the stack.
Verdict rule_stack(Story& story, const Moment& m, const Decoded& d);
/// Targets of near jumps, calls and returns.
Verdict rule_near(Story& story, const Moment& m, const Decoded& d);
/// Far jumps, calls, returns, IRET.
Verdict rule_far(Story& story, const Moment& m, const Decoded& d);
/// MOV and POP to segment registers, LDS and its kin, LLDT, LTR.
Verdict rule_segment_load(Story& story, const Moment& m, const Decoded& d);
/// INT n, INT3, INTO: the gate.
Verdict rule_interrupt(Story& story, const Moment& m, const Decoded& d);
/// Values that control, debug, extended and model-specific registers and MXCSR do not take; SYSENTER and SYSRET.
Verdict rule_control(Story& story, const Moment& m, const Decoded& d);

/// For the faults whose reason is one sentence whatever the registers: what the engine's word means, and where it is
/// written.
struct Reason {
    std::string_view why, words, section;
};
const Reason* find_reason(std::string_view why);

} // namespace glassbox::explain
