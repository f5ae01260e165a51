// A list of guests for the `boot` suite: a TOML file.
//
//   [[guest]]
//   name = "demo"                         # the form's name
//   arguments = ["--demo", "--cpu", "486"]  # what `glassbox run` gets; {dir} is the list's folder
//   script = "type \"help\\n\""           # optional: commands as for --script
//   serial = ["ready", "glass>"]          # texts that COM1 must have sent, in this order
//   screen = ["C:\\>"]                    # texts that must come to stand on the text screen, in this order
//   status = 0                            # the exit status that is right (default 0)
//   seconds = 60                          # guest seconds it may take (default 60)
//   needs = ["disk.img"]                  # files, relative to the list; without one the guest is skipped
#pragma once

#include "bus/error.hpp"
#include "bus/types.hpp"

#include <string>
#include <vector>

namespace glassbox::conformance {

struct BootGuest {
    std::string name;
    std::vector<std::string> arguments, serial, screen, needs;
    std::string script;
    int status = 0;
    u64 seconds = 60;
};

/// Errors name the file, the line and the reason.
Expected<std::vector<BootGuest>> read_guest_list(const std::string& path);
Expected<std::vector<BootGuest>> parse_guest_list(const std::string& text, const std::string& path);

/// The whole script of a guest: its own, then a wait for each expected text.
std::string script_of(const BootGuest& guest);

} // namespace glassbox::conformance
