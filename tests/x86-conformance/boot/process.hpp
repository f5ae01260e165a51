// Starts this program again as a child process and gathers what it prints.
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <functional>
#include <string>
#include <vector>

namespace glassbox::conformance {

struct ProcessOutcome {
    int status = 0;       ///< as the shell counts: 128 + N after signal N
    bool stopped = false; ///< because `stop` said so
    std::string output;   ///< the last 4 KiB of standard output and standard error together
};

/// Runs the program with `words`, and with `--script FILE` when `script` is not empty. `stop` is asked several times a
/// second; once it says true the child is killed.
Expected<ProcessOutcome> run_program(std::vector<std::string> words, const std::string& script,
                                     const std::function<bool()>& stop);

} // namespace glassbox::conformance
