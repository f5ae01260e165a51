// SDL's events as inputs of the guest, and the key combinations that belong to the window.
#pragma once

#include "frontend/display.hpp"

#include <SDL2/SDL.h>
#include <set>
#include <utility>

namespace glassbox {

class SdlInput {
  public:
    enum class Command : u8 { none, release_mouse, full_screen, capture_mouse };

    Command handle(const SDL_Event& event, bool captured, DisplayEvents& events);
    /// The window lost the keyboard: no key stays down in the guest.
    void release_all(DisplayEvents& events);

  private:
    Command key_down(const SDL_KeyboardEvent& event, DisplayEvents& events);
    void send_key(u8 code, bool extended, bool pressed, DisplayEvents& events);

    std::set<std::pair<u8, bool>> pressed_;
    u8 buttons_ = 0;
};

} // namespace glassbox
