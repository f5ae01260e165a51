// The commands of "Go" and "Stop"; their table is in commands.cpp, their texts beside it.
#pragma once

#include "debugger/command.hpp"
#include "debugger/control/stop_point.hpp"

#include <optional>
#include <string>

namespace glassbox::control {

// --- words that several commands take (command_words.cpp) -----------------------------------------------------------
/// A count, 1 when there is none.
Expected<u64> take_count(CommandContext& context, Arguments& arguments);
Expected<> nothing_more(Arguments& arguments);
/// "if EXPR", "temporary", "ignore N", "cpu N" into the stop point, from here to the end.
Expected<> take_options(CommandContext& context, Arguments& arguments, StopPoint& point);
bool is_option(std::string_view word);
/// The words up to the first option.
std::string take_expression(Arguments& arguments);
/// "60h-64h", "0x80", "3..5".
Expected<> parse_range(CommandContext& context, std::string_view text, u64& first, u64& last);
/// "1.5s", "20ms", "3us", "100ns", or picoseconds.
Expected<Time> parse_time(CommandContext& context, std::string_view text);
/// Adds it and says so.
Expected<> add_point(CommandContext& context, StopPoint point);
/// "1  breakpoint  7C00h …": what a list shows of where it is.
std::string describe_point(const StopPoint& point);

// --- Go -------------------------------------------------------------------------------------------------------------
Expected<> step(CommandContext& context, Arguments& arguments);
Expected<> next(CommandContext& context, Arguments& arguments);
Expected<> step_line(CommandContext& context, Arguments& arguments);
Expected<> next_line(CommandContext& context, Arguments& arguments);
Expected<> finish(CommandContext& context, Arguments& arguments);
Expected<> until(CommandContext& context, Arguments& arguments);
Expected<> continue_on(CommandContext& context, Arguments& arguments);
Expected<> run_instructions(CommandContext& context, Arguments& arguments);
Expected<> run_to_time(CommandContext& context, Arguments& arguments);
Expected<> reverse_step(CommandContext& context, Arguments& arguments);
Expected<> reverse_next(CommandContext& context, Arguments& arguments);
Expected<> reverse_step_line(CommandContext& context, Arguments& arguments);
Expected<> reverse_next_line(CommandContext& context, Arguments& arguments);
Expected<> reverse_finish(CommandContext& context, Arguments& arguments);
Expected<> reverse_until(CommandContext& context, Arguments& arguments);
Expected<> reverse_continue(CommandContext& context, Arguments& arguments);
Expected<> reverse_instructions(CommandContext& context, Arguments& arguments);
Expected<> go_to(CommandContext& context, Arguments& arguments);
Expected<> history(CommandContext& context, Arguments& arguments);
Expected<> trace(CommandContext& context, Arguments& arguments);

// --- Stop -----------------------------------------------------------------------------------------------------------
Expected<> add_break(CommandContext& context, Arguments& arguments);
Expected<> add_temporary_break(CommandContext& context, Arguments& arguments);
Expected<> add_watch(CommandContext& context, Arguments& arguments);
Expected<> add_read_watch(CommandContext& context, Arguments& arguments);
Expected<> add_access_watch(CommandContext& context, Arguments& arguments);
Expected<> add_change_watch(CommandContext& context, Arguments& arguments);
Expected<> add_execute_watch(CommandContext& context, Arguments& arguments);
Expected<> add_catch(CommandContext& context, Arguments& arguments);
Expected<> list_points(CommandContext& context, Arguments& arguments);
Expected<> delete_points(CommandContext& context, Arguments& arguments);
Expected<> enable_points(CommandContext& context, Arguments& arguments);
Expected<> disable_points(CommandContext& context, Arguments& arguments);
Expected<> set_ignore(CommandContext& context, Arguments& arguments);
Expected<> set_condition(CommandContext& context, Arguments& arguments);
Expected<> set_commands(CommandContext& context, Arguments& arguments);
Expected<> magic_break(CommandContext& context, Arguments& arguments);

} // namespace glassbox::control
