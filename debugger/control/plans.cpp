// The commands of "Go", forwards: what each waits for.
#include "cpu/system/system.hpp"
#include "debugger/control/impl.hpp"
#include "debugger/hex.hpp"
#include "debugger/view.hpp"

namespace glassbox {

namespace {

/// A step whose processor sleeps is over after this time of the guest's, so that nobody waits for ever.
constexpr Time longest_wait = 10 * second;
/// How much a RET takes off the stack besides the return address, at most.
constexpr u64 most_arguments = 1024;

bool by_steps(Plan::Kind kind) {
    return kind == Plan::Kind::step || kind == Plan::Kind::next || kind == Plan::Kind::step_range ||
           kind == Plan::Kind::step_line || kind == Plan::Kind::next_line;
}
bool goes_over(Plan::Kind kind) { return kind == Plan::Kind::next || kind == Plan::Kind::next_line; }
/// What is interrupted meanwhile goes on behind the handler.
bool passes_over_interrupts(Plan::Kind kind) { return goes_over(kind) || kind == Plan::Kind::step_range; }
bool by_lines(Plan::Kind kind) { return kind == Plan::Kind::step_line || kind == Plan::Kind::next_line; }

} // namespace

void Debugger::Impl::start_plan(const Plan& plan) {
    active = {};
    active.plan = plan;
    active.who = selected;
    active.left = plan.kind == Plan::Kind::step_range ? 1 : std::max<u64>(plan.count, 1);
    active.start = machine.instructions();
    every = tracking = false;
    arrival = {};
    delivery.reset();
    aimed = false;
    replan_wanted = false;
    calls.clear();
    Cpu& cpu = machine.cpu(active.who);
    if (by_lines(plan.kind)) {
        active.line = symbols.line_at(code_address(cpu));
        active.line_stack = stack_address(cpu);
    }
    if (by_steps(plan.kind)) {
        active.not_its_turn = &machine.cpu() != &cpu && !plan.any_processor && !cpu.halted && !cpu.wait_for_sipi;
        active.deadline = machine.now() + longest_wait;
        active.text = "step";
        if (goes_over(plan.kind)) {
            prepare_next();
        } else {
            every = true;
            code_base = cpu.seg[CS].base;
        }
        return;
    }
    switch (plan.kind) {
    case Plan::Kind::finish:
        active.frame = stack_address(cpu);
        active.cpl = cpu.cpl;
        tracking = true;
        break;
    case Plan::Kind::until:
        arrival = {.armed = true, .linear = plan.address, .any_stack = true};
        active.text = "until " + capital_hex(plan.address) + "h";
        break;
    case Plan::Kind::instructions:
        active.target = plan.count > ~active.start ? ~u64{0} : active.start + plan.count;
        active.text = std::to_string(plan.count) + (plan.count == 1 ? " instruction" : " instructions");
        break;
    case Plan::Kind::time:
        active.deadline = plan.time;
        active.text = "the time is reached";
        break;
    default: break;
    }
}

void Debugger::Impl::wait_for(u64 linear, u64 stack, const Cpu& cpu) {
    arrival = {};
    arrival.armed = true;
    arrival.linear = linear;
    arrival.stack = stack;
    arrival.cpl = cpu.cpl;
    arrival.space = cpu.cr3 & ~page_mask;
    every = false;
    questions_changed = true;
    active.deadline = never; // however long a call takes
}

namespace {

bool comes_back(const FlowInsn& insn) {
    if (insn.length == 0) return false;
    return is_call(insn.flow) || insn.flow == Flow::interrupt || insn.flow == Flow::repetition ||
           (insn.flow == Flow::loop && insn.backward);
}

/// Handlers may come back elsewhere than behind the instruction; so does, in 16-bit code, what is called with data
/// behind the CALL. In other code near returns are too many to look at each.
Arrival::Returns followed_returns(const FlowInsn& insn, const Cpu& cpu) {
    if (insn.flow == Flow::repetition || insn.flow == Flow::loop) return Arrival::Returns::none;
    if (insn.flow != Flow::call) return Arrival::Returns::far;
    return code_bits(cpu) == 16 ? Arrival::Returns::all : Arrival::Returns::none;
}

} // namespace

/// `next`: what returns here is waited for, the rest is stepped.
void Debugger::Impl::prepare_next() {
    Cpu& cpu = machine.cpu(active.who);
    const FlowInsn insn = flow_at(cpu);
    active.ip = cpu.ip;
    if (goes_over(active.plan.kind) && comes_back(insn)) {
        wait_for(cpu.code_linear(cpu.ip + insn.length), stack_address(cpu), cpu);
        arrival.returns = followed_returns(insn, cpu);
        return;
    }
    if (arrival.armed) questions_changed = true;
    arrival = {};
    every = true;
    code_base = cpu.seg[CS].base;
    active.deadline = machine.now() + longest_wait;
}

bool Debugger::Impl::arrives(const Cpu& cpu) const {
    if (!arrival.armed || code_address(cpu) != arrival.linear) return false;
    if (arrival.any_stack) return true;
    if (cpu.cpl != arrival.cpl && !arrival.any_cpl) return false;
    // User code of another process has the same addresses; in the kernel the stack tells tasks apart.
    if (cpu.cpl == 3 && (cpu.cr3 & ~page_mask) != arrival.space) return false;
    return stack_address(cpu) - arrival.stack <= most_arguments;
}

/// Before a return that takes the stack back to where the step began, at the same privilege: that is where the step
/// ends, though it may be elsewhere than expected. True: the run ends, for another address is waited for from now on.
bool Debugger::Impl::aim(Cpu& cpu, unsigned number) {
    if (number != active.who || arrival.returns == Arrival::Returns::none) return false;
    const FlowInsn insn = flow_at(cpu);
    if (!arrival.follows(insn.flow)) return false;
    const auto target = return_target(cpu, insn);
    if (!target || target->linear == arrival.linear) return false;
    if (!arrival.any_cpl && target->cpl != arrival.cpl) return false;
    if (target->stack - arrival.stack > most_arguments) return false;
    arrival.linear = target->linear;
    aimed = true;
    return true;
}

void Debugger::Impl::reached(unsigned number) {
    active.over = true;
    active.who = number;
}

/// A step of the plan is complete before this instruction. True: the run ends.
bool Debugger::Impl::stepped(Cpu& cpu, unsigned number, u64 count) {
    active.start = count;
    active.who = number;
    active.deadline = machine.now() + longest_wait;
    if (by_lines(active.plan.kind) && !line_reached(cpu, number, count)) {
        if (!goes_over(active.plan.kind)) return false;
        replan_wanted = true;
        return true;
    }
    if (active.plan.kind == Plan::Kind::step_range && code_address(cpu) - active.plan.address < active.plan.count) {
        replan_wanted = !every; // behind an interrupt that was passed over
        return replan_wanted;
    }
    if (--active.left == 0) {
        reached(number);
        return true;
    }
    if (by_lines(active.plan.kind)) {
        active.line = symbols.line_at(code_address(cpu));
        active.line_stack = stack_address(cpu);
    }
    if (!goes_over(active.plan.kind)) return false;
    replan_wanted = true;
    return true;
}

/// Another line has begun. Code without lines is passed through, unless the step began in such.
bool Debugger::Impl::line_reached(Cpu& cpu, unsigned, u64) {
    if (!active.line) return true;
    const u64 here = code_address(cpu);
    const auto line = symbols.line_at(here);
    if (!line) return false;
    if (line->file != active.line->file || line->line != active.line->line) return true;
    // The same line again from its start: a loop in one line, or a recursive call.
    return here == line->address && (here == active.line->address || stack_address(cpu) < active.line_stack);
}

bool Debugger::Impl::plan_before(Cpu& cpu, unsigned number, u64 count) {
    if (!running) return false;
    const Plan::Kind kind = active.plan.kind;
    if (kind == Plan::Kind::finish && !arrival.armed) return tracking && finish_before(cpu, number, count);
    if (arrival.armed) {
        if (count == active.start && kind != Plan::Kind::finish) return false;
        if (!arrives(cpu)) return aim(cpu, number);
        arrival.armed = false;
        questions_changed = true;
        if (kind == Plan::Kind::until || kind == Plan::Kind::finish) return reached(number), true;
        const bool again = std::exchange(active.again, std::nullopt) == code_address(cpu);
        if (again) {
            active.start = count;
            replan_wanted = true;
            return true;
        }
        return stepped(cpu, number, count);
    }
    if (!by_steps(kind) || !every) return false;
    if (number != active.who && !active.plan.any_processor) return false;
    if (std::exchange(active.not_its_turn, false)) active.start = count;
    if (count == active.start) return false;
    return stepped(cpu, number, count);
}

/// Looks for the return of the function that was running: the first one that matches no call seen since.
bool Debugger::Impl::finish_before(Cpu& cpu, unsigned number, u64 count) {
    if (number != active.who) return false;
    const FlowInsn insn = flow_at(cpu);
    if (is_call(insn.flow)) calls.call(cpu, insn, count);
    if (!is_return(insn.flow)) return false;
    if (calls.returned(CallTracker::return_at(cpu, insn)) || !calls.empty()) return false;
    if (cpu.cpl != active.cpl || stack_address(cpu) < active.frame) return false;
    active.start = count;
    replan_wanted = true;
    return true;
}

void Debugger::Impl::plan_delivered(Cpu& cpu, unsigned number, u8 vector, InterruptKind kind, u64 from_ip, u64 count) {
    if (!running || number != active.who) return;
    active.not_its_turn = false; // it has been led somewhere, which is what a step shows
    const bool hardware = kind == InterruptKind::hardware, exception = kind == InterruptKind::exception;
    if (tracking) calls.delivered(cpu, from_ip, count, hardware);
    if (active.plan.kind == Plan::Kind::step) active.landing = {count, cpu.ip, delivery_text(vector, kind)};
    if (active.plan.kind == Plan::Kind::finish && arrival.armed && exception && from_ip == active.ip &&
        count == active.start) {
        active.text = "the return raised " + delivery_text(vector, kind);
        reached(number);
        ask();
    }
    if (!every || !passes_over_interrupts(active.plan.kind)) return;
    // What faults is started again when its handler comes back to it.
    if (hardware) delivery = Delivered{from_ip, count == active.start};
    if (exception && goes_over(active.plan.kind)) delivery = Delivered{from_ip, from_ip == active.ip};
    if (delivery) ask();
}

/// Between two instructions, when a callback found that the plan has to listen to something else.
void Debugger::Impl::replan() {
    replan_wanted = false;
    Cpu& cpu = machine.cpu(active.who);
    if (active.plan.kind != Plan::Kind::finish) return prepare_next();
    tracking = false;
    questions_changed = true;
    active.text = "finished";
    active.ip = cpu.ip;
    if (const auto target = return_target(cpu, flow_at(cpu))) {
        wait_for(target->linear, target->stack, cpu);
        arrival.cpl = target->cpl;
    } else { // to another task, or by a frame that cannot be read: wherever that is
        active.plan.kind = Plan::Kind::step;
        active.left = 1;
        every = true;
    }
}

std::string Debugger::Impl::plan_text() const {
    const bool landed = active.plan.kind == Plan::Kind::step && active.landing && active.text == "step" &&
                        active.landing->count + 1 >= machine.instructions() &&
                        active.landing->ip == machine.cpu(active.who).ip;
    return landed ? "step into " + active.landing->into : active.text;
}

} // namespace glassbox
