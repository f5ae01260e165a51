#include "machine/machine.hpp"

#include "machine/autopsy.hpp"
#include "machine/board.hpp"
#include "machine/snapshot.hpp"

#include <utility>

namespace glassbox {

Expected<std::unique_ptr<Machine>> Machine::create(const MachineConfig& config, const HostPorts& ports) {
    auto board = Board::create(config, ports);
    if (!board) return tl::unexpected(board.error());
    return std::unique_ptr<Machine>(new Machine(std::move(*board)));
}

Machine::Machine(std::unique_ptr<Board> board) : board_(std::move(board)) {}
Machine::~Machine() = default;

StopReason Machine::run(Time until, u64 max_instructions) { return board_->run(until, max_instructions); }
void Machine::request_stop() { board_->request_stop(); }
Time Machine::now() const { return board_->scheduler.now(); }
u64 Machine::instructions() const { return board_->scheduler.instructions(); }
Time Machine::idle_until() const {
    const Processors& all = board_->processors;
    const bool idle = board_->power.suspended() ? !all[0].reset_pending : !all.any_runnable();
    return idle ? board_->scheduler.next_event() : now();
}
u8 Machine::exit_status() const { return board_->exit_status; }
Expected<> Machine::inject(const Input& input) { return board_->inject(input); }
const DisplaySource& Machine::display() const { return board_->vga; }
u8 Machine::keyboard_leds() const { return board_->ps2.leds(); }

std::string Machine::processor_mode() const {
    const Cpu& cpu = board_->processors.current();
    if (cpu.shutdown) return "shut down";
    if (cpu.halted) return "idle";
    if (cpu.real_mode()) return "real mode";
    if (cpu.v86()) return "virtual-8086 mode";
    return cpu.seg[CS].big() ? "32-bit protected mode" : "16-bit protected mode";
}

Expected<> Machine::save(const std::string& path) { return save_snapshot(*board_, path); }
Expected<> Machine::load(const std::string& path) { return load_snapshot(*board_, path); }
u64 Machine::state_hash() { return hash_state(*board_); }
std::string Machine::autopsy() const { return describe_stop(*board_); }

void Machine::set_observer(const InstructionObserver& observer) {
    for (unsigned i = 0; i < processors(); ++i) cpu(i).observer = observer;
}
void Machine::attach(Probe& probe) { board_->probes.attach(probe); }
void Machine::attach(BusProbe& probe) { board_->probes.attach(probe); }
void Machine::detach(Probe& probe) { board_->probes.detach(probe); }
void Machine::detach(BusProbe& probe) { board_->probes.detach(probe); }
void Machine::probes_changed() { board_->probes.changed(); }
void Machine::set_every_instruction(Probe& probe, bool on) { board_->probes.set_every_instruction(probe, on); }
Cpu& Machine::cpu() { return board_->processors.current(); }
Cpu& Machine::cpu(unsigned number) { return board_->processors[number]; }
unsigned Machine::processors() const { return board_->processors.count(); }
Board& Machine::board() { return *board_; }

} // namespace glassbox
