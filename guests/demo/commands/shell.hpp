// The shell, and the commands that it knows. Each command is a function in a file of its own.
#pragma once

/// Reads commands for ever.
[[noreturn]] void shell();

void command_cpu();
void command_mem();
void command_pci();
void command_tasks();
void command_disk();
void command_fault();
void command_gfx();
void command_off();
void command_reboot();
void command_uptime();
