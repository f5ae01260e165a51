// A round-robin scheduler. Every task has a kernel stack; a task that does not run is nothing but a saved stack
// pointer. The timer interrupts whatever runs (preemption), the handler's registers are already on that task's stack,
// and changing the stack pointer to another task's is the whole switch.
#include "tasks.hpp"

#include "interrupts.hpp"
#include "memory.hpp"
#include "ports.hpp"
#include "segments.hpp"
#include "text.hpp"
#include "timer.hpp"

extern "C" {
void switch_stacks(u32* old_stack, u32 new_stack);
void interrupt_return();
extern const u8 user_program_begin[], user_program_end[];
extern u8 boot_stack_top[];
}

namespace {

constexpr u32 shell = 0, idle = 1;
constexpr u32 interrupts_enabled = 0x202; // EFLAGS with IF set, and bit 1, which is always 1

Task tasks[most_tasks];
u32 current;
bool reschedule;

/// The next ready task after the current one; the idle task only when there is no other.
u32 choose() {
    for (u32 step = 1; step <= most_tasks; ++step) {
        const u32 candidate = (current + step) % most_tasks;
        if (candidate != idle && tasks[candidate].state == TaskState::ready) return candidate;
    }
    return idle;
}

/// Interrupts are off here, always.
void schedule() {
    reschedule = false;
    const u32 next = choose();
    if (next == current) return;
    Task& from = tasks[current];
    Task& to = tasks[next];
    if (from.state == TaskState::ready) ++from.preemptions; // it could have gone on
    ++to.switches;
    current = next;
    if (to.stack_page != 0) set_kernel_stack(to.stack_page + page_bytes);
    if (to.directory != from.directory) write_cr3(to.directory);
    switch_stacks(&from.saved_stack, to.saved_stack);
}

/// Makes a stack that looks as if the task had been interrupted just before its first instruction.
void prepare_stack(Task& task, const Frame& frame, u32 frame_bytes) {
    u32 top = task.stack_page + page_bytes - frame_bytes;
    memcpy(pointer_to<u8>(top), &frame, frame_bytes);
    u32* stack = pointer_to<u32>(top);
    *--stack = reinterpret_cast<u32>(&interrupt_return); // where switch_stacks returns to
    stack -= 4;                                          // EBP, EBX, ESI, EDI: zero
    task.saved_stack = address_of(stack);
}

void idle_loop() {
    for (;;) halt(); // the processor rests until the next interrupt
}

void start_idle_task() {
    Task& task = tasks[idle];
    task = Task{};
    task.name = "idle";
    task.status_cell = no_status_cell;
    task.directory = kernel_directory();
    task.stack_page = take_page();
    Frame frame{};
    frame.gs = frame.fs = frame.es = frame.ds = kernel_data;
    frame.cs = kernel_code;
    frame.eip = reinterpret_cast<u32>(&idle_loop);
    frame.eflags = interrupts_enabled;
    prepare_stack(task, frame, sizeof(Frame) - 8); // ring 0 to ring 0: IRET takes no stack pointer
    task.state = TaskState::ready;
}

/// Copies the user program into fresh pages, and gives it a stack with `job` as its entry function's argument.
void fill_address_space(Task& task, u32 job) {
    constexpr u32 bits = page_present | page_writable | page_user;
    const u32 program_bytes = static_cast<u32>(user_program_end - user_program_begin);
    for (u32 offset = 0; offset < program_bytes; offset += page_bytes) {
        const u32 page = take_page();
        const u32 rest = program_bytes - offset;
        memcpy(pointer_to<u8>(page), user_program_begin + offset, rest < page_bytes ? rest : page_bytes);
        map_page(task.directory, user_base + offset, page, bits);
    }
    const u32 stack = take_page();
    map_page(task.directory, user_stack_top - page_bytes, stack, bits);
    pointer_to<u32>(stack)[1023] = job; // below it lies a return address that nobody uses
}

void clear_away(Task& task) {
    free_address_space(task.directory);
    give_page(task.stack_page);
    task = Task{};
}

void wake(TaskState from) {
    for (auto& task : tasks)
        if (task.state == from) task.state = TaskState::ready;
}

} // namespace

void tasks_start() {
    Task& task = tasks[shell];
    task.name = "shell";
    task.state = TaskState::ready;
    task.status_cell = no_status_cell;
    task.directory = kernel_directory();
    start_idle_task();
}

u32 start_user_task(const char* name, u32 job, u32 status_cell) {
    const NoInterrupts guard;
    for (u32 number = idle + 1; number < most_tasks; ++number) {
        Task& task = tasks[number];
        if (task.state != TaskState::empty) continue;
        task = Task{};
        task.name = name;
        task.in_user_mode = true;
        task.status_cell = status_cell;
        task.stack_page = take_page();
        task.directory = new_address_space();
        fill_address_space(task, job);
        Frame frame{};
        frame.gs = frame.fs = frame.es = frame.ds = user_data;
        frame.cs = user_code;
        frame.eip = user_base;
        frame.eflags = interrupts_enabled;
        frame.user_esp = user_stack_top - 8;
        frame.user_ss = user_data;
        prepare_stack(task, frame, sizeof(Frame));
        task.state = TaskState::ready;
        return number;
    }
    return 0;
}

Task& current_task() { return tasks[current]; }
const Task& task(u32 number) { return tasks[number]; }

const char* state_name(TaskState state) {
    constexpr const char* names[] = {"empty", "ready", "sleeping", "waiting", "finished"};
    return names[static_cast<u32>(state)];
}

void sleep_ticks(u32 count) {
    const NoInterrupts guard;
    current_task().wake_tick = ticks() + count;
    current_task().state = TaskState::sleeping;
    schedule();
}

void finish_current_task() {
    interrupts_off();
    current_task().state = TaskState::finished; // its memory goes when wait_for_task clears it away
    schedule();
}

void wait_for_input() {
    current_task().state = TaskState::waiting_for_input;
    schedule();
}

FaultReport wait_for_task(u32 number) {
    while (tasks[number].state != TaskState::finished) sleep_ticks(1);
    const NoInterrupts guard;
    const FaultReport report = tasks[number].fault;
    clear_away(tasks[number]);
    return report;
}

void wake_waiting_for_input() {
    wake(TaskState::waiting_for_input);
    reschedule = true;
}

void tasks_tick() {
    ++current_task().ticks_used;
    for (auto& task : tasks)
        if (task.state == TaskState::sleeping && static_cast<int>(ticks() - task.wake_tick) >= 0)
            task.state = TaskState::ready;
    reschedule = true; // a turn is one tick
}

void reschedule_if_needed() {
    if (reschedule) schedule();
}
