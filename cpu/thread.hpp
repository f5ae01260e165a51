// How handlers follow each other. All that depends on the compiler's calling conventions lives here:
//   clang >= 19   preserve_none + musttail: the pinned arguments stay in callee-saved registers across slow calls
//   other clang   musttail with the C convention
//   GCC           sibling calls at -O2
//   debug and sanitizer builds (GLASSBOX_TRAMPOLINE): each handler returns, and a loop calls the next one
// The bodies are the same in all of them.
#pragma once

#include "cpu/flags.hpp"

namespace glassbox {

struct Cpu;
struct Op;
struct Insn;

// The convention is the same for both ways of dispatch, so that only cpu/ is built twice for them. Clang 19 cannot
// compile preserve_none with what the address sanitizer adds ("stack realignment in presence of dynamic allocas").
#if defined(__clang__)
#if __has_attribute(preserve_none) && !__has_feature(address_sanitizer)
#define GLASSBOX_HANDLER __attribute__((preserve_none))
#endif
#endif
#if !defined(GLASSBOX_HANDLER)
#define GLASSBOX_HANDLER
#endif
#if defined(__clang__) && !defined(GLASSBOX_TRAMPOLINE)
#define GLASSBOX_TAIL [[clang::musttail]] return
#else
#define GLASSBOX_TAIL return
#endif

/// The pinned arguments: machine, current op, lazy flags.
using Handler = void(GLASSBOX_HANDLER*)(Cpu& cpu, const Op* op, u64 result, u64 carries);

} // namespace glassbox
