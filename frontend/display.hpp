// Where the guest's screen is shown and its keyboard and mouse come from.
#pragma once

#include "bus/error.hpp"
#include "devices/vga/frame.hpp"
#include "machine/input.hpp"

#include <memory>
#include <poll.h>
#include <string>
#include <vector>

namespace glassbox {

struct DisplayStatus {
    double mips = 0;
    std::string state;    ///< "running", "halted" …
    std::string notice;   ///< what the user should know now; replaces the rest of a title
    bool stopped = false; ///< the machine stands for its debugger: it takes no keys and no mouse
};

/// What the user did since the last look.
struct DisplayEvents {
    std::vector<Input> inputs;
    std::vector<KeyInput> typed; ///< keys that may come faster than a keyboard could send them
    bool close = false;          ///< wants to end: the guest is asked first
    bool quit = false;           ///< ends now
    bool debug = false;          ///< wants the debugger
    std::string notice;          ///< for the user: what could not be done
};

class Display {
  public:
    virtual ~Display() = default;
    /// What to poll for; a descriptor of -1 polls for nothing.
    virtual pollfd interest() const { return {-1, 0, 0}; }
    /// It shows and reads the terminal that the program was started from.
    virtual bool uses_terminal() const { return false; }
    virtual void collect(short ready, DisplayEvents& events) = 0;
    virtual void show(const DisplaySource& source, const DisplayStatus& status) = 0;
};

Expected<std::unique_ptr<Display>> make_sdl_window();
Expected<std::unique_ptr<Display>> make_terminal_display();

} // namespace glassbox
