// The sixteen conditions of Jcc, SETcc and CMOVcc (SDM 1, appendix B).
#pragma once

#include "cpu/flags.hpp"

namespace glassbox {

template <u32 n> struct Condition {
    static constexpr u32 reads_of_pair[8] = {eflags::OF,
                                             eflags::CF,
                                             eflags::ZF,
                                             eflags::CF | eflags::ZF,
                                             eflags::SF,
                                             eflags::PF,
                                             eflags::SF | eflags::OF,
                                             eflags::ZF | eflags::SF | eflags::OF};
    static constexpr u32 reads = reads_of_pair[n / 2];
    static bool test(const Flags& f) {
        bool holds = false;
        switch (n / 2) {
        case 0: holds = f.of(); break;
        case 1: holds = f.cf(); break;
        case 2: holds = f.zf(); break;
        case 3: holds = f.cf() || f.zf(); break;
        case 4: holds = f.sf(); break;
        case 5: holds = f.pf(); break;
        case 6: holds = f.less(); break;
        default: holds = f.less() || f.zf(); break;
        }
        return (n & 1) ? !holds : holds;
    }
};

inline constexpr const char* jump_names[16] = {"jo", "jno", "jb", "jnb", "jz", "jnz", "jbe", "jnbe",
                                               "js", "jns", "jp", "jnp", "jl", "jnl", "jle", "jnle"};
inline constexpr const char* set_names[16] = {"seto", "setno", "setb", "setnb", "setz", "setnz", "setbe", "setnbe",
                                              "sets", "setns", "setp", "setnp", "setl", "setnl", "setle", "setnle"};
inline constexpr const char* cmov_names[16] = {"cmovo",  "cmovno",  "cmovb",  "cmovnb", "cmovz", "cmovnz",
                                               "cmovbe", "cmovnbe", "cmovs",  "cmovns", "cmovp", "cmovnp",
                                               "cmovl",  "cmovnl",  "cmovle", "cmovnle"};

} // namespace glassbox
