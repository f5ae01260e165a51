// The table of "Go" and "Stop".
#include "debugger/control/commands.hpp"

#include <array>

namespace glassbox {

using namespace control;

namespace {

constexpr std::string_view step_help =
    "Executes one instruction of the selected processor, or N, and stops before the next. Calls and interrupts\n"
    "are stepped into (it says which); a REP instruction with all its repetitions is one step; a HLT waits for what "
    "wakes it.\n"
    "With several processors the others run meanwhile; `step any` steps whichever has its turn.\n"
    "  step\n  step 20\n  si\n  step any\n";
constexpr std::string_view next_help =
    "As step, but CALL, INT, SYSCALL, SYSENTER, LOOP and REP are carried out to where they come back (with the\n"
    "stack where it was, so that recursion does not stop it early), and the handlers of interrupts and exceptions\n"
    "that come in between are passed over: an instruction that faults is over when it has succeeded.\n"
    "  next\n  n 5\n";
constexpr std::string_view step_line_help =
    "Executes until another source line begins, stepping into calls; code without lines is run through. Where\n"
    "the present code has no lines it is as step.\n"
    "  step-line\n  sl 3\n";
constexpr std::string_view next_line_help = "As step-line, but over calls.\n"
                                            "  next-line\n  nl 3\n";
constexpr std::string_view finish_help =
    "Runs until the function that is executing has returned to its caller; in a handler, until its IRET.\n"
    "Functions that it calls, interrupts and other tasks' returns do not count.\n"
    "  finish\n";
constexpr std::string_view until_help =
    "Runs until the instruction at ADDRESS is about to execute, on any processor. Without an address: until\n"
    "the one behind this instruction, which leaves a loop at its end.\n"
    "  until 7C3Eh\n  until start_kernel\n  until\n";
constexpr std::string_view continue_help =
    "Runs until a stop point, Ctrl-C, or the machine's end. With N the present stop point's next N-1 hits are\n"
    "passed over.\n"
    "  continue\n  c 10\n";
constexpr std::string_view run_instructions_help =
    "Executes N instructions of the machine, whichever processor they are of. A delivered interrupt or fault\n"
    "counts as one, and so does each repetition of a string instruction.\n"
    "  run-instructions 1_000_000\n  run 500\n";
constexpr std::string_view run_to_time_help =
    "Runs until the guest's time is TIME since power-on, or with + as much later than now; an earlier time\n"
    "leads back, and so does -. Units: s, ms, us, ns; without one, picoseconds.\n"
    "  run-to-time 1.5s\n  run-to-time +20ms\n  run-to-time -5ms\n";
constexpr std::string_view reverse_step_help =
    "Goes back to where the selected processor was about to execute its last instruction: what step did is\n"
    "undone, with everything in memory and devices.\n"
    "  reverse-step\n  rs 20\n";
constexpr std::string_view reverse_next_help =
    "As reverse-step, but back over what returned here: behind a CALL it goes to the CALL. Stop points on the\n"
    "way stop it.\n"
    "  reverse-next\n  rn 5\n";
constexpr std::string_view reverse_step_line_help =
    "Back to the beginning of the source line, or from its beginning to that of the line that ran before it.\n"
    "  reverse-step-line\n  rsl 3\n";
constexpr std::string_view reverse_next_line_help = "As reverse-step-line, over calls.\n  reverse-next-line\n  rnl 3\n";
constexpr std::string_view reverse_finish_help =
    "Goes back to the CALL that led into the function that is executing; in a handler, to where it was\n"
    "interrupted. Stop points on the way stop it.\n"
    "  reverse-finish\n";
constexpr std::string_view reverse_until_help =
    "Goes back to the last time that the instruction at ADDRESS was about to execute.\n"
    "  reverse-until start_kernel\n  ru $pc\n";
constexpr std::string_view reverse_continue_help =
    "Goes back to the last instant at which a stop point would have stopped the machine (ignore counts do not\n"
    "matter): before the instruction of a breakpoint; before the instruction that made an access, for\n"
    "watchpoints and events. So it answers who wrote a variable last.\n"
    "  watch dword [counter]\n  reverse-continue\n";
constexpr std::string_view reverse_instructions_help = "Goes back by N executed instructions.\n"
                                                       "  reverse-instructions 1000\n  ri 5\n";
constexpr std::string_view goto_help =
    "Goes to where COUNT instructions had been executed since power-on; with + or - counted from now. Beyond\n"
    "what was executed so far the machine runs there. With a unit it is a time, as of run-to-time. `start` and `end` "
    "are\n"
    "those of the history.\n"
    "  goto -10\n  goto +1000\n  goto -5ms\n  goto start\n  goto 80_000_000\n";
constexpr std::string_view history_help =
    "Lists where the machine has stopped, and how far the history reaches; with a number it goes to that stop\n"
    "again.\n"
    "  history\n  history all\n  history 3\n";

constexpr std::string_view trace_help =
    "Executes N instructions, of whichever processor has its turn, and writes a line for each: its number, place,\n"
    "bytes and text, and behind the bar what it changed: registers with their new values, flags, memory, ports;\n"
    "interrupts, exceptions and what devices write to memory have lines of their own. Stop points stop it. -N is\n"
    "the past: the last N instructions once more, and the machine stays where it is. `to FILE` writes a file\n"
    "instead of the answer. After `trace on` every command that runs the machine forwards leaves such lines before it\n"
    "says where it stopped (the last mebibyte of them), until `trace off`.\n"
    "  trace 20\n  trace -50\n  trace on\n  trace off\n";

constexpr std::string_view break_help =
    "Stops before the instruction at ADDRESS: a linear address, selector:offset, a symbol, FILE:LINE, or\n"
    "phys(ADDRESS); without one, at the present instruction. Then, in any order:\n"
    "  temporary   it is removed when it has stopped the machine\n"
    "  ignore N    the first N hits are passed over\n"
    "  cpu N       only when this processor executes\n"
    "  if EXPR     only when the expression is not zero; last of all, for it takes the rest of the line\n"
    "Examples:\n"
    "  break 7C00h\n  b 0:7c00 temporary\n  b 'main.c':12 if eax == 5 && [esp+4] != 0\n"
    "  b phys(0x100000)\n  b schedule cpu 1 ignore 100\n";
constexpr std::string_view tbreak_help = "As break ... temporary.\n  tbreak start_kernel\n  tb 7C00h if dl == 80h\n";
constexpr std::string_view watch_help =
    "Stops after an instruction that wrote any of the bytes at ADDRESS, and says what they were and are.\n"
    "LENGTH is a number, byte, word, dword or qword; a memory operand or a variable brings its own. Linear, or\n"
    "physical with phys(ADDRESS); several pages are no trouble. Options as of break.\n"
    "  watch counter\n  watch dword [ebx+8]\n  watch 1000h 64\n  watch phys(0xB8000) 4000 if [0B8000h] == 'A'\n";
constexpr std::string_view rwatch_help =
    "Stops after an instruction that read any of the bytes.\n  rwatch dword [counter]\n  rw 46Ch 4\n";
constexpr std::string_view awatch_help =
    "Stops after an instruction that read or wrote any of the bytes.\n  awatch 500h 16\n  aw counter\n";
constexpr std::string_view cwatch_help =
    "Stops after an instruction that wrote another value than was there.\n  cwatch dword [counter]\n  cw 417h 1\n";
constexpr std::string_view xwatch_help =
    "Stops before an instruction at any of the bytes: a breakpoint on a range.\n  xwatch 0F0000h 10000h\n"
    "  xw schedule 16\n";
constexpr std::string_view catch_help =
    "Stops at something that is no address. Options as of break (if, temporary, ignore, cpu).\n"
    "  catch port 60h-64h             after an access to an I/O port\n"
    "  catch port 1F7h write          only writes (or: read)\n"
    "  catch mmio 0FEE00000h 1000h    after an access to a memory-mapped device (also FIRST-LAST)\n"
    "  catch device pit read          to a device whose name begins so, by port or memory\n"
    "  catch interrupt 80h            a vector was delivered: at the handler's first instruction\n"
    "  catch exception #PF            before an exception is delivered: at the instruction that raised it\n"
    "  catch irq 0                    a wire of the ISA bus was raised\n"
    "  catch task                     a task switch\n"
    "  catch cpl 3                    the privilege level changed to that one\n"
    "  catch mode 64                  the mode changed: to real, v86, 16, 32, compatibility or 64\n"
    "  catch cr 3                     a write to a control register\n"
    "  catch cr dr7                   ... debug register, or XCR0\n"
    "  catch msr 0C0000080h           a write to a model-specific register\n"
    "  catch instruction hlt          before any instruction of that name\n"
    "  catch new-code 7C00h 200h      before code there that was not executed since; anywhere without a range\n"
    "  catch shutdown                 a triple fault\n"
    "interrupt, exception, irq, cpl, mode and msr without a value catch all of them.\n";
constexpr std::string_view stops_help = "Numbers, kinds, hits and conditions of all stop points.\n  stops\n";
constexpr std::string_view delete_help = "Removes stop points; without a number, all.\n  delete 2\n  d 3-4\n  d\n";
constexpr std::string_view enable_help = "Stop points that were disabled stop again.\n  enable 2\n  enable all\n";
constexpr std::string_view disable_help =
    "Stop points stay in the list and do not stop.\n  disable 2 3\n  disable all\n";
constexpr std::string_view ignore_help =
    "The stop point's next COUNT hits are passed over.\n  ignore 2 100\n  ignore 2 0\n";
constexpr std::string_view condition_help =
    "The stop point stops only when the expression is not zero; without one, always.\n"
    "  condition 1 ecx == 0\n  condition 1\n";
constexpr std::string_view commands_help =
    "Commands, separated by semicolons, that are executed when the stop point has stopped the machine; none:\n"
    "takes them away.\n"
    "  commands 1 registers; continue\n  commands 1\n";
constexpr std::string_view magic_help =
    "Whether XCHG BX, BX (bytes 87 DB; 66 87 DB in 32-bit and 64-bit code) stops the machine: a breakpoint\n"
    "that is written into the program, without effect elsewhere.\n"
    "  magic-break on\n  magic-break\n";

constexpr std::string_view catch_words =
    "port|mmio|device:device|interrupt|exception:de,db,bp,of,br,ud,nm,df,ts,np,ss,gp,pf,mf,ac,mc,xm|irq|task|cpl|"
    "mode:real,v86,16,32,compatibility,64|cr:cr0,cr2,cr3,cr4,cr8,dr0,dr1,dr2,dr3,dr6,dr7,xcr0|msr|instruction|new-code|"
    "shutdown";
constexpr std::string_view break_usage = "[ADDRESS] [temporary] [ignore N] [cpu N] [if EXPR]";
constexpr std::string_view watch_usage = "ADDRESS [LENGTH] [temporary] [ignore N] [cpu N] [if EXPR]";

constexpr std::array table = {
    Command{"step", "s si stepi", "Go", "[any] [N]", "Executes one instruction, or N", step_help, control::step},
    Command{"next", "n ni nexti over", "Go", "[N]", "Executes one instruction, or N, over calls and interrupts",
            next_help, control::next},
    Command{"step-line", "sl", "Go", "[N]", "Executes to another source line", step_line_help, control::step_line},
    Command{"next-line", "nl", "Go", "[N]", "Executes to another source line, over calls", next_line_help,
            control::next_line},
    Command{"finish", "fin", "Go", "", "Runs until this function has returned", finish_help, control::finish},
    Command{"until", "", "Go", "[ADDRESS]", "Runs until an address is reached", until_help, control::until, "symbol"},
    Command{"continue", "c cont", "Go", "[N]", "Runs until something stops the machine", continue_help, continue_on},
    Command{"run-instructions", "run", "Go", "N", "Executes N instructions, whoever's they are", run_instructions_help,
            run_instructions},
    Command{"run-to-time", "time", "Go", "TIME", "Runs until the guest's clock shows a time", run_to_time_help,
            run_to_time},
    Command{"reverse-step", "rs rsi reverse-stepi", "Go", "[N]", "Takes one instruction back, or N", reverse_step_help,
            reverse_step},
    Command{"reverse-next", "rn rni reverse-nexti", "Go", "[N]", "Takes one instruction back, or N, over calls",
            reverse_next_help, reverse_next},
    Command{"reverse-step-line", "rsl", "Go", "[N]", "Goes back to the beginning of a source line",
            reverse_step_line_help, reverse_step_line},
    Command{"reverse-next-line", "rnl", "Go", "[N]", "Goes back over a source line and its calls",
            reverse_next_line_help, reverse_next_line},
    Command{"reverse-finish", "rf", "Go", "", "Goes back to the call of this function", reverse_finish_help,
            reverse_finish},
    Command{"reverse-until", "ru", "Go", "ADDRESS", "Goes back to the last execution of an address", reverse_until_help,
            reverse_until, "symbol"},
    Command{"reverse-continue", "rc", "Go", "", "Goes back to the last stop point", reverse_continue_help,
            reverse_continue},
    Command{"reverse-instructions", "ri", "Go", "N", "Goes back by N instructions", reverse_instructions_help,
            reverse_instructions},
    Command{"goto", "g", "Go", "COUNT|+N|-N|TIME|start|end", "Goes to where so many instructions had been executed",
            goto_help, control::go_to, "start|end"},
    Command{"history", "", "Go", "[N|all]", "Lists where the machine has stopped, and goes back there", history_help,
            history, "all"},
    Command{"trace", "", "Go", "[N|-N|on|off] [to FILE]", "Writes what each instruction that executes changes",
            trace_help, control::trace, "on|off|to:file"},

    Command{"break", "b", "Stop", break_usage, "Stops before the instruction at an address", break_help, add_break,
            "symbol"},
    Command{"tbreak", "tb", "Stop", break_usage, "Stops before the instruction at an address, once", tbreak_help,
            add_temporary_break, "symbol"},
    Command{"watch", "w", "Stop", watch_usage, "Stops after a write to memory", watch_help, add_watch, "symbol"},
    Command{"rwatch", "rw", "Stop", watch_usage, "Stops after a read of memory", rwatch_help, add_read_watch, "symbol"},
    Command{"awatch", "aw", "Stop", watch_usage, "Stops after a read or a write of memory", awatch_help,
            add_access_watch, "symbol"},
    Command{"cwatch", "cw", "Stop", watch_usage, "Stops after a write that changes memory", cwatch_help,
            add_change_watch, "symbol"},
    Command{"xwatch", "xw", "Stop", watch_usage, "Stops before code in a range", xwatch_help, add_execute_watch,
            "symbol"},
    Command{"catch", "", "Stop", "EVENT ... [temporary] [ignore N] [cpu N] [if EXPR]",
            "Stops at an event: port, interrupt, exception, mode ...", catch_help, add_catch, catch_words},
    Command{"stops", "breakpoints bl", "Stop", "", "Lists the stop points", stops_help, list_points},
    Command{"delete", "d del", "Stop", "[N...]", "Removes stop points", delete_help, delete_points},
    Command{"enable", "", "Stop", "[N...]", "Lets stop points stop again", enable_help, enable_points},
    Command{"disable", "", "Stop", "[N...]", "Keeps stop points from stopping", disable_help, disable_points},
    Command{"ignore", "", "Stop", "N COUNT", "Passes over a stop point's next hits", ignore_help, set_ignore},
    Command{"condition", "", "Stop", "N [EXPR]", "Lets a stop point stop only when an expression is true",
            condition_help, set_condition},
    Command{"commands", "", "Stop", "N [COMMAND; ...]", "Executes commands when a stop point has stopped the machine",
            commands_help, set_commands},
    Command{"magic-break", "magic", "Stop", "[on|off]", "Lets XCHG BX, BX stop the machine, or not", magic_help,
            magic_break, "on|off"},
};

} // namespace

std::span<const Command> control_commands() { return table; }

} // namespace glassbox
