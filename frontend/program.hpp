// The program from its arguments to its exit status.
#pragma once

#include <string>
#include <vector>

namespace glassbox {

int run_program(const std::vector<std::string>& arguments);

} // namespace glassbox
