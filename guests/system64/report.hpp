// The report's side of the kernel's start: what the command line asks for, with the words of guests/system/report.hpp.
#pragma once

#include "guests/system64/system64.hpp"

void configure(Report& report, const char* command_line);
/// Whether the command line leaves this form in.
bool chosen(const char* command_line, const char* form);
/// Runs one form and prints its lines.
void run_form(Report& report, const Form& form);
/// "Z": nothing more will come.
void end_of_report();
