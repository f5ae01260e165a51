// The machine as gdb's program: let go, killed, run again.
#include "cpu/state.hpp"
#include "debugger/gdb/stub.hpp"
#include "machine/board.hpp"

namespace glassbox {

using gdb::Scanner;

/// What makes sense while gdb has no program: after a kill or a detach, in extended mode.
bool GdbStub::possible_without_program(std::string_view packet) {
    constexpr std::string_view names[] = {"q", "Q", "!", "?", "H", "k", "D", "vRun", "vAttach", "vCont?", "vMust", "R"};
    for (const std::string_view name : names) {
        if (packet.starts_with(name)) return true;
    }
    return false;
}

void GdbStub::extended(Scanner&) {
    extended_ = true;
    ok();
}

/// The machine goes on. In extended mode the connection stays, for another `attach` or `run`.
void GdbStub::detach(Scanner&) {
    awaited_ = monitoring_ = false;
    ok();
    if (!extended_) {
        finished_ = true; // what follows is the destructor's
        return;
    }
    remove_points();
    if (!dead_ && !debugger_.running()) (void)debugger_.resume({});
    detached_ = true;
}

void GdbStub::die() {
    awaited_ = monitoring_ = false;
    remove_points();
    if (debugger_.running()) debugger_.interrupt();
    dead_ = true;
    if (!extended_) finished_ = true;
}

void GdbStub::kill(Scanner&) {
    die();
    if (!extended_) reply("X09"); // LLDB waits for it
}

void GdbStub::kill_packet(Scanner&) {
    ok();
    die();
}

/// The reset button: gdb's `run`, at any time. Memory is as it was, and what was before can be gone back to.
void GdbStub::restart() {
    awaited_ = monitoring_ = false;
    if (debugger_.running()) debugger_.interrupt();
    Machine& machine = debugger_.machine();
    machine.board().reset();
    machine.cpu(0).reset_now();
    debugger_.changed();
    debugger_.select_processor(0);
    dead_ = detached_ = false;
    thread_ = 1;
    moving_ = 0;
}

void GdbStub::run_again(Scanner&) {
    restart();
    reply("T05thread:1;");
}

/// It has no answer, and exists in extended mode alone.
void GdbStub::restart_packet(Scanner&) { extended_ ? restart() : unsupported(); }

void GdbStub::attach(Scanner&) {
    if (dead_) return error("the machine was killed; 'run' resets it");
    detached_ = false;
    if (debugger_.running()) debugger_.interrupt();
    thread_ = debugger_.processor() + 1;
    why_stopped();
}

} // namespace glassbox
