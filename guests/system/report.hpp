// The report's side of the kernel's start: what the command line asks for.
#pragma once

#include "guests/system/system.hpp"

/// Words: `form=NAME` that form only; `case=N` that case only; `from=N` cases from N on; `until=N`
/// those before N; `list` counts, runs nothing.
void configure(Report& report, const char* command_line);
/// Whether the command line leaves this form in.
bool chosen(const char* command_line, const char* form);
/// Runs one form and prints its lines.
void run_form(Report& report, const Form& form);
/// "Z": nothing more will come.
void end_of_report();
