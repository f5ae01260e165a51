// Tasks: programs that take turns on the one processor.
#pragma once

#include "types.hpp"

enum class TaskState { empty, ready, sleeping, waiting_for_input, finished };

/// How a task came to its end when it did something forbidden.
struct FaultReport {
    bool happened;
    u32 vector, error, eip, address;
};

struct Task {
    const char* name;
    TaskState state;
    bool in_user_mode;
    u32 stack_page;  ///< its kernel stack: one page
    u32 saved_stack; ///< where switch_stacks left off
    u32 directory;   ///< its page directory
    u32 wake_tick;
    u32 status_cell; ///< its place on the status line
    u32 ticks_used, switches, preemptions;
    FaultReport fault;
};

constexpr u32 most_tasks = 8;
constexpr u32 no_status_cell = ~0u;

/// Makes the running code task 0 (the shell) and starts the idle task.
void tasks_start();
/// Starts the user program in ring 3 with an address space of its own; `job` tells it what to do (user/jobs.hpp).
/// The number of the new task, or 0 when there is no room.
u32 start_user_task(const char* name, u32 job, u32 status_cell);

Task& current_task();
const Task& task(u32 number);
const char* state_name(TaskState state);

/// Of the current task:
void sleep_ticks(u32 count);
void finish_current_task();
void wait_for_input();
/// Sleeps until task `number` is finished, then clears it away.
FaultReport wait_for_task(u32 number);

/// From interrupt handlers:
void wake_waiting_for_input();
void tasks_tick();
void reschedule_if_needed();
